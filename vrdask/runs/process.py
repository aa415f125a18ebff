"""The stores of a run in this process: opened once, shared by its tasks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy.typing as npt

from vrdask.boxes import Box, Index
from vrdask.buffers import Pool
from vrdask.planning.sharing import Sharing
from vrdask.runs.cache_policies import ByPlan, ByRecency
from vrdask.runs.chunk_cache import ChunkCache, Policy
from vrdask.runs.record import Units
from vrdask.storage.chunk_array import Reader
from vrdask.storage.cropped import Chunks, chunk_io
from vrdask.targets import Target

Array = npt.NDArray[Any]
Reading = AbstractContextManager[Reader]
"""What reads boxes of a source, while it lasts."""


SMALLEST_KEPT = 256 << 10


@dataclass(frozen=True)
class StoreAccess:
    """Reads the source and writes the target of one run.

    pool : threads for the pieces of all tasks; None where each task's thread computes its own.
    """

    source: Chunks | ChunkCache
    target: Any
    memory: Pool
    pool: ThreadPoolExecutor | None

    def reading(self, task: Index) -> Reading:
        """While it lasts: what reads boxes of the source for a task of the run's plan; they may be read-only."""
        if isinstance(self.source, ChunkCache):
            return self.source.reading(task)
        return nullcontext(Reader(self.source.read, self.source.by_chunk))

    def write(self, box: Box, samples: Array) -> None:
        """Write whole units of the target."""
        self.target.write(box, samples)

    def each(self, work: Callable[[Box], None], boxes: Sequence[Box]) -> None:
        """`work` on every box, on the threads of the run where it has some. After the first failure none begins."""
        each(self.pool, work, boxes)


def each(pool: ThreadPoolExecutor | None, work: Callable[[Box], None], boxes: Sequence[Box]) -> None:
    """`work` on every box, on a pool's threads where there is one. After the first failure none begins."""
    if pool is None or len(boxes) == 1:
        for box in boxes:
            work(box)
        return
    futures = [pool.submit(work, box) for box in boxes]
    try:
        for future in futures:
            future.result()
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


def written(access: StoreAccess, target: Target, box: Box, settles: bool) -> Units:
    """What each unit of a box of whole units holds, once it has been written. settles : whether to wait until it is on
    the disk.
    """
    units: Units = access.target.written(target.keys(box))
    if settles:
        target.settle([box])
    return units


class Held(Protocol):
    """What the tasks of a run share in this process."""

    @property
    def pool(self) -> ThreadPoolExecutor | None: ...


Access = TypeVar("Access", bound=Held)

_latest: tuple[str, Any] | None = None
_mutex = threading.Lock()


def store_access(
    run: str,
    source: Any,
    target: Target,
    cache_bytes: int,
    most_bytes: int,
    sharing: Callable[[], Sharing | None],
    threads: int = 1,
) -> StoreAccess:
    """The access of a run, made by its first task in this process; an earlier run's is let go.

    source : a source's array. cache_bytes : for its decoded chunks, 0 for no cache. most_bytes : of all tasks.
    sharing : what the tasks of a plan share; None where the latest chunks are to be kept. threads : that tasks share
    for their pieces; 1 for none but their own.
    """

    def make() -> StoreAccess:
        memory = Pool(SMALLEST_KEPT, most_bytes, slack=1.5)
        chunks = chunk_io(source, memory.empty)
        reader: Chunks | ChunkCache = chunks
        if cache_bytes and source.chunks is not None:
            policy: Policy = ByRecency(cache_bytes)
            if (shared := sharing()) is not None:
                policy = ByPlan(shared, source.dtype, cache_bytes, memory.empty)
            reader = ChunkCache(chunks, policy, source.dtype, memory.empty)
        return StoreAccess(reader, target.io(), memory, piece_threads(threads))

    return held(run, make)


def piece_threads(count: int) -> ThreadPoolExecutor | None:
    """Threads that the tasks of a run share; None where each task's thread does all of it."""
    return ThreadPoolExecutor(count, thread_name_prefix="vrdask-piece") if count > 1 else None


def held(run: str, make: Callable[[], Access]) -> Access:
    """What the tasks of a run share in this process, made by the first of them; an earlier run's is let go."""
    global _latest
    with _mutex:
        if _latest is None or _latest[0] != run:
            _latest = (run, make())
        found: Access = _latest[1]
        return found


def let_go(run: str) -> None:
    """Free what a run holds in this process."""
    global _latest
    with _mutex:
        if _latest is not None and _latest[0] == run:
            if _latest[1].pool is not None:
                _latest[1].pool.shutdown()
            _latest = None


def _after_fork() -> None:
    """In a forked child: its parent's run is not its own, and whoever held the lock may be gone."""
    global _latest, _mutex
    _latest, _mutex = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
