"""How an affine map of an array larger than memory is cut into tasks: pure arithmetic.

A block is a whole number of the target's write units. What it reads is a bounding box, larger than its image wherever
the map turns; near-cubic blocks waste least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, prod

import numpy as np

from vrdask.affine import Affine
from vrdask.intervals import ceil_div, size_of
from vrdask.memory import DEFAULT_BYTES_PER_THREAD, SMALL_TASK_BYTES, TASKS_PER_THREAD
from vrdask.plan import Task, counted, format_bytes

CODEC_FACTOR = 2
"""What reading or writing a box takes, over the box itself: stored and decoded chunks on their way."""

HOLES = 3 / 16
"""Of the memory for decoded chunks, what is left to chunks on their way and to the C library's heap between chunks."""


@dataclass(frozen=True)
class AffinePlan:
    """Tasks that write the blocks of a result, in C order.

    block : sizes of a block. concurrent : tasks at a time in one process. cache_bytes : for decoded source chunks.
    """

    affine: Affine
    block: tuple[int, ...]
    concurrent: int
    cache_bytes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of blocks along each axis."""
        return tuple(ceil_div(n, b) for n, b in zip(self.affine.out_shape, self.block, strict=True))

    def __len__(self) -> int:
        return prod(self.shape)

    def __iter__(self) -> Iterator[Task]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, number: int) -> Task:
        if not 0 <= number < len(self):
            raise IndexError(f"task must be in [0, {len(self)}); got {number}")
        index = tuple(map(int, np.unravel_index(number, self.shape)))
        writes = tuple(
            (k * b, min((k + 1) * b, n)) for k, b, n in zip(index, self.block, self.affine.out_shape, strict=True)
        )
        return Task(index, self.affine.reads(writes), writes)

    @property
    def most_read(self) -> int:
        """No task reads more samples than this: the bounding box of a block's image, and the neighbours it weighs."""
        what = self.affine
        sizes = list(self.block)
        filtered = 0 if what.prefilter is None else 2 * what.prefilter.radius
        for axis, row in zip(what.axes, what.matrix, strict=True):
            span = sum(abs(factor) * (self.block[other] - 1) for factor, other in zip(row, what.axes, strict=True))
            sizes[axis] = min(what.in_shape[axis], ceil(span) + what.sampling.taps + 1 + filtered)
        return prod(sizes)

    @property
    def task_bytes(self) -> int:
        """Bound on what one task holds at a time: what it reads, coefficients for "cubic", and what it writes."""
        what = self.affine
        between = 0 if what.prefilter is None else what.sampling.acc_dtype.itemsize
        reads = self.most_read * (CODEC_FACTOR * what.in_dtype.itemsize + between)
        return reads + CODEC_FACTOR * prod(self.block) * what.out_dtype.itemsize

    @property
    def peak_bytes(self) -> int:
        """Bound on what one process holds at a time, beyond the interpreter and its libraries."""
        return self.concurrent * self.task_bytes + self.cache_bytes

    @property
    def cache_capacity(self) -> int:
        """Bytes of decoded chunks to keep, so that the cache takes no more than `cache_bytes`."""
        return int(self.cache_bytes * (1 - HOLES))

    @property
    def bytes_read(self) -> int:
        """Bytes of source samples that all tasks ask for together."""
        return self.affine.in_dtype.itemsize * sum(size_of(task.reads) for task in self)

    def __str__(self) -> str:
        what = self.affine
        rows = (
            ("affine", f"{_sizes(what.in_shape)} {what.in_dtype} -> {_sizes(what.out_shape)} {what.out_dtype}, "
                       f"{what.sampling.mode}"),
            ("tasks", f"{len(self):,} of up to {_sizes(self.block)}"),
            ("bytes read", format_bytes(self.bytes_read)),
            ("bytes written", format_bytes(prod(what.out_shape) * what.out_dtype.itemsize)),
            ("peak bytes per task", format_bytes(self.task_bytes)),
            ("concurrent tasks", f"{self.concurrent}, one kernel thread each"),
            ("peak bytes", f"{format_bytes(self.peak_bytes)} in all, codecs included"),
        )  # fmt: skip
        return "\n".join(f"{name:<20}{value}" for name, value in rows)


def _sizes(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def plan_affine(
    what: Affine,
    unit: Sequence[int],
    concurrent: int,
    memory_limit: int | None,
    block: Sequence[int] | None = None,
) -> AffinePlan:
    """The plan of a run: from one write unit on, the axis whose doubling saves most reading is doubled, for as long as
    a task fits its share of half the memory; the other half is for decoded source chunks. block : where it is given,
    the tasks have that size.

    Raises
    ------
    ValueError
        Not even one write unit per task fits the limit; says the smallest limit that works.
    """
    limit = concurrent * DEFAULT_BYTES_PER_THREAD if memory_limit is None else memory_limit

    def plan_of(block: Sequence[int], cache: int = 0) -> AffinePlan:
        return AffinePlan(what, tuple(block), concurrent, cache)

    found = plan_of(unit if block is None else block)
    if memory_limit is not None and found.peak_bytes > limit:
        raise ValueError(
            f"memory_limit must be at least {found.peak_bytes} bytes ({format_bytes(found.peak_bytes)}) for "
            f"{counted(concurrent, 'thread')} whose tasks each write {_sizes(found.block)} of the target at once; "
            f"got {memory_limit}: use fewer threads, or smaller chunks or shards"
        )
    while block is None:
        candidates = []
        for axis, n in enumerate(what.out_shape):
            if found.block[axis] < n:
                block = list(found.block)
                block[axis] = min(2 * block[axis], unit[axis] * ceil_div(n, unit[axis]))
                candidate = plan_of(block)
                fits = concurrent * candidate.task_bytes <= limit // 2
                if fits and len(candidate) >= TASKS_PER_THREAD * concurrent:
                    candidates.append((candidate.most_read / prod(block), -axis, candidate))
        if not candidates:
            break
        best = min(candidates, key=lambda candidate: candidate[:2])
        if best[0] > 0.995 * found.most_read / prod(found.block) and found.task_bytes > SMALL_TASK_BYTES:
            break
        found = best[2]
    return plan_of(found.block, limit // 2 if found.peak_bytes <= limit // 2 else 0)
