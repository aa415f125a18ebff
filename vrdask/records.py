"""What an unfinished run has done: beside its chunks, under ``.vrdask/``, until the run is complete.

    .vrdask/job.json        what the run makes, and in which blocks: a run with other settings must not go on from it
    .vrdask/lock.json       who is at it: a second run is refused while the first is alive
    .vrdask/reserve         room on a local disk for the last record of a run that has filled it
    .vrdask/done/00000017   tasks recorded as done since the last such object: a line each, with the stored sizes

A missing chunk does not mean "not done", for empty chunks are not stored; so completion is recorded, not guessed.
Objects are only ever added, which any store can do. A line counts when it is whole and the stored sizes still hold, so
that a truncated record or a truncated chunk means that the task is done again: the same bits, wherever the run was cut
off.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from zarr.storage import StorePath

from vrdask import stores

_log = logging.getLogger(__name__)

FOLDER = ".vrdask"
RESERVED_BYTES = 32 << 10
SECONDS_BETWEEN_FLUSHES = 1.0
SECONDS_BETWEEN_BEATS = 15.0
SECONDS_UNTIL_STALE = 120.0

Sizes = list[int | None]
"""Stored bytes of each unit of a task; None for a unit that is empty and so not stored."""


class Record:
    """The record of one run; a context manager that holds the lock.

    root : the target's place. settings : JSON-like; what must be equal for a run to go on.
    """

    def __init__(self, root: StorePath, settings: Mapping[str, Any]) -> None:
        self._root = root / FOLDER
        self._settings = json.loads(json.dumps(settings))
        self._pending: list[str] = []
        self._mutex = threading.Lock()
        self._stop = threading.Event()
        self._owner: bytes = b""
        self._flusher = threading.Thread(target=self._keep_flushing, name="vrdask-record", daemon=True)

    def __enter__(self) -> Record:
        self._lock()
        settings = json.dumps(self._settings).encode()
        if stores.get(self._root / "job.json") != settings:
            stores.remove_all(self._root / "done", self._segments())
            stores.put(self._root / "job.json", settings)
        if stores.is_local(self._root):
            with suppress(OSError):
                stores.put(self._root / "reserve", os.urandom(RESERVED_BYTES))
        self._segment = 1 + max(map(int, self._segments()), default=0)
        self._flusher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._flusher.join()
        try:
            try:
                self._flush()
            except Exception:
                stores.remove(self._root / "reserve")  # of a full disk
                self._flush()
        except Exception as failure:
            if error is None:
                raise
            _log.warning("could not write the record of the run: %s", failure)  # `error` tells what came first
        finally:
            stores.remove(self._root / "reserve")
            stores.remove(self._root / "lock.json")

    def done(self, sizes_of: Callable[[int], Sizes]) -> set[int]:
        """Tasks that are recorded as done and whose units still have the recorded sizes."""
        found = set()
        for name in self._segments():
            for line in (stores.get(self._root / "done" / name) or b"").splitlines():
                try:
                    number, sizes = json.loads(line)
                except (ValueError, TypeError):
                    continue  # cut off
                if sizes == sizes_of(number):
                    found.add(number)
        return found

    def mark(self, number: int, sizes: Sizes) -> None:
        """Record a task as done; written within about a second, or at the end."""
        with self._mutex:
            self._pending.append(json.dumps([number, sizes]))

    def erase(self) -> None:
        """Forget the run: the target is complete."""
        self._stop.set()
        self._flusher.join()
        with self._mutex:
            self._pending.clear()
        done = [f"done/{name}" for name in self._segments()]
        stores.remove_all(self._root, [*done, "job.json", "lock.json", "reserve"])

    def _segments(self) -> list[str]:
        return stores.numbered(self._root / "done")

    def _keep_flushing(self) -> None:
        beat = time.monotonic()
        while not self._stop.wait(SECONDS_BETWEEN_FLUSHES):
            try:
                self._flush()
                if time.monotonic() - beat > SECONDS_BETWEEN_BEATS:
                    beat = time.monotonic()
                    stores.put(self._root / "lock.json", _claim())
            except Exception as error:  # a later flush may succeed; the last one, at the end, tells
                _log.warning("could not write the record of the run: %s", error)

    def _flush(self) -> None:
        with self._mutex:
            lines, self._pending = self._pending, []
        if not lines:
            return
        try:
            stores.put(self._root / "done" / f"{self._segment:08d}", ("\n".join(lines) + "\n").encode())
        except BaseException:
            with self._mutex:
                self._pending = lines + self._pending
            raise
        self._segment += 1

    def _lock(self) -> None:
        at = self._root / "lock.json"
        held = stores.get(at)
        if held is not None and _is_alive(held):
            raise FileExistsError(f"target must not be in use; another run is writing it: {held.decode()}")
        if held is not None:
            stores.remove(at)
        if not stores.put_new(at, _claim()):
            raise FileExistsError(f"target must not be in use; another run has just begun at {self._root}")


def unfinished(root: StorePath) -> dict[str, Any] | None:
    """The settings of the unfinished run at a place, none where they are cut off, or None where there is no run."""
    value = stores.get(root / FOLDER / "job.json")
    try:
        return None if value is None else dict(json.loads(value))
    except ValueError:
        return {}


def in_use(root: StorePath) -> bool:
    """Whether a live run holds the lock of a place."""
    held = stores.get(root / FOLDER / "lock.json")
    return held is not None and _is_alive(held)


def differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Names of the settings in which two runs differ."""
    b = json.loads(json.dumps(b))
    return sorted(name for name in {*a, *b} if a.get(name) != b.get(name))


def _claim() -> bytes:
    pid = os.getpid()
    return json.dumps({"host": socket.gethostname(), "pid": pid, "born": _born(pid), "beat": time.time()}).encode()


def _is_alive(claim: bytes) -> bool:
    """Whether the process that made a claim lives: asked of this machine's, told by the last beat for another's."""
    try:
        held = json.loads(claim)
        host, pid, born, beat = held["host"], int(held["pid"]), held["born"], float(held["beat"])
    except (ValueError, KeyError, TypeError):
        return False  # cut off
    if host != socket.gethostname():
        return time.time() - beat < SECONDS_UNTIL_STALE
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return bool(_born(pid) == born)


def _born(pid: int) -> str | None:
    """When a process began, in ticks since boot: tells it from a later one with its number. None where unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
