"""Stored chunks: from bytes to samples and back, in the thread that asks.

**Chunks are decoded in the thread that needs them** (`chunk_codec`). zarr-python decodes in a pool of threads behind
one event loop, which also puts the pieces together; with two tasks that loop was what took longest. The same codecs
of the same library called in the task's thread cost what the codec costs. Memory comes from a pool (`buffers`): fresh
pages for every chunk cost as much as the codec. Of a shard the index is read once and kept; then the chunks that are
wanted, those that lie together in one go. Filters, rarer codecs and shards in shards are left to zarr, and so is
everything where the user has chosen a codec pipeline, such as zarrs'. Which codecs these are is read from the
metadata as JSON, whose names the specification gives, never from zarr's objects; what is asked of zarr, dask and
tifffile beyond their public names stands in one file each (`*_internals`). A chunk must decode to exactly its size
from exactly the bytes that are stored (`frames`): codecs alone take half of a chunk, or of a frame, for the whole,
and what is already in memory for the rest. Where a copy is to hold the same chunks by the same codec, it gets the bytes
that have just been decoded (`ChunkIO.copy`), for encoding takes several times as long as decoding; not where they hold
more than the samples. Lazy results of Zarr arrays read through the same code (`readable`).

**Whoever needs zarr imports it, nobody before**: that takes longer than opening most files. What is here is called with
its arrays and stores, and imports it in the functions that make some; `kinds` asks what something is without. Who reads
no samples (`vrdask info`) takes what plain metadata say (`said`, `plain_metadata`), and asks zarr where they are not.

**One layer tries again** (`retry`): five times, for some 20 seconds in all. s3fs would try five times what botocore
tries five times, and ours would multiply both, so fsspec's file systems are asked through a `RemoteStore`, where s3fs
asks once (one made alike in place of the user's, which is left alone; what Google's and Azure's libraries try again
by themselves is theirs). It names what a run needs beside chunks, and refuses what a server must not answer: more
than the bytes asked for, and over HTTP a status or `Content-Range` that is another range's, before the body is read,
for that may be a shard of gigabytes. Chunks are asked for again by whoever knows them by name. What cannot be decoded
is fetched once more, for nothing else tells a chunk that lost its end on the way. Without the right to list, stores
answer 403 for what is not there: never taken for an empty chunk, and said.
"""
