"""From source to target in bounded memory, resumable, on threads or on a cluster.

**A target's metadata is written last.** Until then no reader takes it for an array, on object stores too, which
cannot rename. (A store whose sessions are committed, Icechunk's, wants to know an array before its chunks; there the
commit is what readers see.) What an unfinished run has done stands beside its chunks (`record`): its settings, a
lock, and the tasks done, with size and crc32c of every unit, in objects that are only ever added. `resume` goes on
from it with the blocks the run was begun with, and does again whatever is cut off or no longer what was written; the
record goes when the target is complete. A finished target says in its array's attribute "vrdask" by which settings it
was made, as digests, so `resume` with the same ones has nothing to do.

**A place is what it leads to** (`addresses`): local URLs are paths, folders are compared by device and inode along the
names as given and as resolved, objects by service, bucket and key. A level guards the image that lists it, for its
metadata tells of all levels. What may be replaced is Zarr, a record of ours or nothing (`standing`): whatever else a
folder holds is not ours to judge.

**One run writes a target** (`locks`). No store but a file system has an exclusive way to write, and even there a dead
run's lock cannot be replaced in one step; so a run lays a claim, looks for others' claims and locks, and only then
writes the lock: of two the one that looks later sees the other. That a store shows what has been written before is
all it takes. A lock carries a token, and a heartbeat that counts unless the process number was given in the same boot
and container. The order of a run is one (`at_target`) for all executors: lock, decision, removal (a note that it has
begun, then metadata, then the rest), tasks, a look at everything recorded, the lock once more, metadata, the end of
the record. Whoever has lost its lock stops.

**What counts as done is on the disk** (`durable`): units and the folders that lead to them are synced before the line
that tells of them is written, by the thread that writes the record, or by a cluster's workers for what they have
written. Syncing each unit as it is written would make tasks wait; syncing the whole file system (syncfs) waits for
others' data and is Linux's alone. `VRDASK_SYNC=0` and `--no-sync` leave it to the operating system. Checksums are
made of what is in hand when it is stored, read again only by `resume`; before publishing sizes are looked at, on
object stores by listing.

**On a cluster** tasks travel as batches of numbers, each about a quarter of a second long; the plan is a task of its
own, which each worker fetches once. The scheduler never holds more than a few batches per thread. A worker that dies
costs its batches; a task that fails ends the run when what was done beside it has been recorded.
"""
