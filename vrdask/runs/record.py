"""What an unfinished run has done: beside its chunks, under ``.vrdask/``, until the run is complete.

    .vrdask/job.json        what the run makes, and in which blocks: a run with other settings must not go on from it
    .vrdask/lock.json       whose it is: see `locks`
    .vrdask/reserve         room on a local disk for the last record of a run that has filled it
    .vrdask/sums/           what later tasks of the run are made of, beside what is stored
    .vrdask/done/00000017   tasks recorded as done since the last such object: a line each, with what each unit holds

A missing chunk does not mean "not done", for empty chunks are not stored; so completion is recorded, not guessed.
Objects are only ever added, which any store can do. A line is written when what it tells of is on the disk; it counts
when it is whole and the units still have the sizes and checksums that it says. So whatever was cut off or damaged is
done again: the same bits, wherever the run was cut off.

A store that takes no keys but Zarr's own (Icechunk's, whose sessions nobody else sees before they are committed) keeps
no record: that stands in this process's memory.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from vrdask.runs.locks import Lock, LostLockError, is_alive
from vrdask.storage import durable, objects

if TYPE_CHECKING:
    from zarr.storage import MemoryStore, StorePath

_log = logging.getLogger(__name__)

FOLDER = ".vrdask"
SCRATCH = "sums"
"""What a run keeps beside its record until it is complete: see `targets.pyramid`."""
RESERVED_BYTES = 32 << 10
SECONDS_BETWEEN_FLUSHES = 1.0
SECONDS_BETWEEN_BEATS = 15.0

Units = Sequence[Sequence[int] | None]
"""Stored bytes and crc32c of each unit of a task; None for a unit that is empty and so not stored. Nothing at all where
they are not known."""
GO_ON = "the target is not finished: resume=True (--resume) goes on from what is done"


class Record:
    """The record of one run; a context manager that holds the lock.

    root : the target's place. settings : JSON-like; what must be equal for a run to go on. settle : sees to it that
    what these tasks have written is on the disk.
    """

    def __init__(
        self, root: StorePath, settings: Mapping[str, Any], settle: Callable[[list[int]], None] | None = None
    ) -> None:
        self._place = root
        self._settings = json.loads(json.dumps(settings))
        self._settle = settle
        self._pending: list[tuple[int, str]] = []
        self._mutex, self._flushing = threading.Lock(), threading.Lock()
        self._stop = threading.Event()
        self._lost: LostLockError | None = None
        self._begun = self._erased = False
        self._flusher = threading.Thread(target=self._keep_flushing, name="vrdask-record", daemon=True)

    def __enter__(self) -> Record:
        self._root = _folder(self._place)
        self._lock = Lock(self._root)
        try:
            self._lock.take()
        except Exception as error:
            objects.remove_folder(self._root)  # where nothing else is in it
            if isinstance(error, FileExistsError | OSError) or not _may_refuse_keys(self._place):
                raise
            _log.info("%s takes no record, which stands in memory: %s", self._place, error)
            self._root = _elsewhere(self._place, make=True)
            self._lock = Lock(self._root)
            self._lock.take()
        self._segment = 1 + max(map(int, self._segments()), default=0)
        self._flusher.start()
        return self

    def begin(self, *, clear: bool = False, how: Callable[[], None] | None = None) -> None:
        """Begin anew, with nothing done.

        clear : whether what else is at the place has to go first, its metadata before all: a place with a record of
        that can be told from one that holds something, should this be cut off. how : does so, where not all has to go.
        """
        with self._mutex:
            self._pending.clear()
        if clear:
            self._say(cleared=False)
        objects.remove_all(self._root / "done", [f"{name}" for name in self._segments()])
        objects.remove_all(self._root / SCRATCH)
        if clear and how is not None:
            how()
        elif clear:
            _remove_metadata(self._place)
            objects.remove_but(self._place, FOLDER)
            if (folder := objects.local_folder(self._place)) is not None:
                durable.sync_folder(folder)
        self._segment = 1
        self._say()
        self._reserve()

    def go_on(self) -> None:
        """Go on from what is recorded."""
        self._reserve()

    def _say(self, **more: Any) -> None:
        durable.put(self._root / "job.json", json.dumps({**self._settings, **more}).encode())
        self._begun = True

    def _reserve(self) -> None:
        if objects.is_local(self._root):
            with suppress(OSError):
                objects.put(self._root / "reserve", os.urandom(RESERVED_BYTES))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._flusher.join()
        try:
            self._last_flush()
        except Exception as failure:
            if error is None:
                raise
            _log.warning("could not write the record of the run: %s", failure)  # `error` tells what came first
        finally:
            objects.remove_quietly(self._root / "reserve")
            with suppress(Exception):
                self._lock.release()
            objects.remove_folder(self._root)
        if isinstance(error, KeyboardInterrupt) and self._begun and not self._erased:
            error.add_note(GO_ON)

    def _last_flush(self) -> None:
        if self._erased or self._lost:
            return
        try:
            self._flush()
        except Exception:
            objects.remove(self._root / "reserve")  # of a full disk
            self._flush()

    def lines(self) -> Iterator[tuple[int, Units]]:
        """Tasks and their units as recorded, the latest first."""
        for name in reversed(self._segments()):
            for line in reversed((objects.get(self._root / "done" / name) or b"").splitlines()):
                try:
                    number, units = json.loads(line)
                    yield int(number), list(units)
                except (ValueError, TypeError):
                    continue  # cut off

    def mark(self, number: int, units: Units) -> None:
        """Record a task as done; written within about a second, or at the end.

        Raises
        ------
        LostLockError
            The target is no longer this run's.
        """
        if self._lost is not None:
            raise self._lost
        with self._mutex:
            self._pending.append((number, json.dumps([number, units])))

    def settled(self) -> None:
        """Make sure that all that was marked is recorded, and that the target is still this run's to publish."""
        self._flush()
        self._lock.require()

    def erase(self) -> None:
        """Forget the run: the target is complete. The lock goes last."""
        self._stop.set()
        self._flusher.join()
        self._erased = True
        segments = self._segments()
        objects.remove_all(self._root / "done", segments)
        objects.remove_all(self._root / SCRATCH)
        for name in ("job.json", "reserve"):
            objects.remove(self._root / name)
        objects.remove_leftovers(self._root)  # another run that is laying a claim lays it again

    def _segments(self) -> list[str]:
        return objects.numbered(self._root / "done")

    def _keep_flushing(self) -> None:
        beat = time.monotonic()
        while not self._stop.wait(SECONDS_BETWEEN_FLUSHES):
            try:
                if time.monotonic() - beat > SECONDS_BETWEEN_BEATS:
                    beat = time.monotonic()
                    self._lock.beat()
                self._flush()
            except LostLockError as error:
                self._lost = error
                return
            except Exception as error:  # a later flush may succeed; the last one, at the end, tells
                _log.warning("could not write the record of the run: %s", error)

    def _flush(self) -> None:
        with self._flushing:  # whoever waits for it finds on the disk what another thread was about to write
            self._flush_alone()

    def _flush_alone(self) -> None:
        with self._mutex:
            pending, self._pending = self._pending, []
        if not pending:
            return
        try:
            if self._settle is not None:
                self._settle([number for number, _ in pending])
            text = "\n".join(line for _, line in pending) + "\n"
            durable.put(self._root / "done" / f"{self._segment:08d}", text.encode())
        except BaseException:
            with self._mutex:
                self._pending = pending + self._pending
            raise
        self._segment += 1


def unfinished(root: StorePath) -> dict[str, Any] | None:
    """The settings of the unfinished run at a place, none where they are cut off or what was there before has not been
    cleared away; None where there is no run.
    """
    value = _get(root, "job.json")
    try:
        found = None if value is None else dict(json.loads(value))
    except (ValueError, TypeError):
        return {}
    return {} if found is not None and not found.pop("cleared", True) else found


def is_clearing(root: StorePath) -> bool:
    """Whether a run at a place was cut off while it cleared away what was there before."""
    value = _get(root, "job.json")
    with suppress(ValueError):
        return value is not None and json.loads(value).get("cleared") is False
    return False


def in_use(root: StorePath) -> bool:
    """Whether a live run holds the lock of a place."""
    held = _get(root, "lock.json")
    return held is not None and is_alive(held)


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Names of the settings in which two runs differ."""

    def said(settings: Mapping[str, Any], name: str) -> str:
        return json.dumps(settings.get(name), sort_keys=True)

    return sorted(name for name in {*a, *b} if said(a, name) != said(b, name))


def _remove_metadata(at: StorePath) -> None:
    """See to it that no reader takes a place for Zarr any more, not even after a loss of power."""
    for name in ("zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs"):
        objects.remove(at / name)
    if (folder := objects.local_folder(at)) is not None:
        durable.sync_folder(folder)


def _may_refuse_keys(root: StorePath) -> bool:
    from zarr.storage import FsspecStore, LocalStore

    return type(root.store) is not LocalStore and not isinstance(root.store, FsspecStore)


def _get(root: StorePath, name: str) -> bytes | None:
    place = objects.local_folder(root)
    if place is not None and not place.is_dir():
        return None  # asking zarr's store would make the folder
    try:
        return objects.get(_folder(root) / name)
    except Exception as error:
        if isinstance(error, OSError) or not _may_refuse_keys(root):
            raise
        return None


_RECORDS: dict[tuple[int, str], tuple[Any, MemoryStore]] = {}
"""Records of stores that take none: by the store's identity, for as long as it lives, and the target's path in it."""


def _folder(root: StorePath) -> StorePath:
    return _elsewhere(root) or root / FOLDER


def _elsewhere(root: StorePath, make: bool = False) -> Any:
    from zarr.storage import MemoryStore, StorePath

    key = (id(root.store), root.path)
    if key not in _RECORDS and make:
        alive = weakref.ref(root.store, lambda _: _RECORDS.pop(key, None))
        _RECORDS[key] = (alive, MemoryStore())
    return StorePath(_RECORDS[key][1], FOLDER) if key in _RECORDS else None
