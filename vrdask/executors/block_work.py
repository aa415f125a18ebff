"""The work of one task of a Zarr to Zarr run: read, resample, write whole units. Travels to workers as it is."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from vrdask.apply import apply
from vrdask.chunk_cache import ChunkCache
from vrdask.intervals import Box, shape_of, size_of, slices_of
from vrdask.memory import BlockPlan
from vrdask.plan import Task
from vrdask.records import Sizes
from vrdask.resampling import Resampling
from vrdask.targets import Target

Array = npt.NDArray[Any]
Result = TypeVar("Result")

_log = logging.getLogger(__name__)

SECONDS_BEFORE_RETRIES = (0.1, 0.5, 2.0, 5.0)
_LASTING = frozenset(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EFBIG"))


class BlockError(RuntimeError):
    """One block of a run could not be done; the message names the box and what went wrong."""


@dataclass(frozen=True)
class BlockWork:
    """Call it with a task's number and the task; it gives back the number, the samples written and the stored sizes."""

    resampling: Resampling
    source: Any
    target: Target
    blocks: BlockPlan
    run: str

    def __call__(self, item: tuple[int, Task]) -> tuple[int, int, Sizes]:
        number, task = item
        parts = self.blocks.parts(task)
        if len(parts) == 1:
            result = self._part(task.reads, task.writes)
        else:
            result = np.empty(shape_of(task.writes), self.resampling.out_dtype)
            origin = [start for start, _ in task.writes]
            for writes in parts:
                result[slices_of(writes, origin)] = self._part(self.resampling.reads(writes), writes)
        self._write(task.writes, result)
        return number, size_of(task.writes), self.target.stored_sizes(task.writes)

    def _part(self, reads: Box, writes: Box) -> Array:
        box = _named(f"reading the source at {_text(reads)}", lambda: self._read(reads))
        return apply(self.resampling, box, reads, writes, num_threads=1)

    def _read(self, reads: Box) -> Array:
        if self.blocks.cache_bytes:
            return _cache_of(self).read(reads)
        return np.asarray(self.source[slices_of(reads)])

    def _write(self, writes: Box, result: Array) -> None:
        def write() -> None:
            self.target.array[slices_of(writes)] = result

        _named(f"writing the target at {_text(writes)}", write)


_caches: dict[str, ChunkCache] = {}
"""The chunk cache of the latest run in this process; a worker's tasks share it."""


def _cache_of(work: BlockWork) -> ChunkCache:
    cache = _caches.get(work.run)
    if cache is None:
        _caches.clear()
        cache = _caches.setdefault(
            work.run, ChunkCache(work.source, work.blocks.cache_bytes, work.blocks.shared_chunks())
        )
    return cache


def _named(doing: str, call: Callable[[], Result]) -> Result:
    """`call()`, again after a while where an input or output error may pass; another error says what was being done."""
    for seconds in (*SECONDS_BEFORE_RETRIES, None):
        try:
            return call()
        except Exception as error:
            if seconds is None or not _may_pass(error):
                raise BlockError(f"{doing} failed: {type(error).__name__}: {error}") from error
            _log.warning("%s failed, trying again in %.1f s: %s", doing, seconds, error)
            time.sleep(seconds)
    raise AssertionError


def _may_pass(error: Exception) -> bool:
    """Whether an error may be gone the next time: of the network or the device, not of the data or the rights."""
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError):
        return False
    return isinstance(error, OSError) and error.errno not in _LASTING


def _text(box: Box) -> str:
    return "[" + ", ".join(f"{start}:{stop}" for start, stop in box) + "]"
