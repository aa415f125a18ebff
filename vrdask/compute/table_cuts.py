"""Pieces of an output box whose tables take little memory, and what they take: pure arithmetic on sizes.

A kernel gets the rows of the outputs that it computes. Of a long axis they would take more than the samples do; so it
gets them a piece of the box at a time. A piece is a small chunk, computed from its own source box: it changes no bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from vrdask.boxes import Box, Interval, ceil_div
from vrdask.compute.kept import KEPT_BYTES, KEPT_ROW_BYTES
from vrdask.compute.tiles import CHANNELS
from vrdask.transforms.operators import ENTRIES_AT_ONCE, Operator
from vrdask.transforms.prefilter import Prefilter

if TYPE_CHECKING:
    from vrdask.transforms.resampling import Resampling

TABLE_BYTES = 2 << 20
"""What the tables of a piece may take along one axis, while they are made: a second-level cache holds what is left."""
SMALL_BYTES = 256 << 10
"""Tables of a whole resampling of no more than this are the process's: they are kept, and not counted."""
_MAKING = 64
"""Bytes per entry of a table while some of its rows are made."""
_PER_ROW = 64
"""Bytes per output for starts, counts and whatever else has one entry per output, but the weights."""
_GATHERED = 32
_REGISTER = 64


def axis_bytes(resampling: Resampling, axis: int, outputs: int) -> int:
    """What the tables of so many outputs of an axis take, while they are made."""
    total = 0
    for stage in resampling.stages:
        op = stage[axis]
        if isinstance(op, Prefilter):
            total += _GATHERED * outputs * ceil_div(resampling.in_shape[axis], max(resampling.out_shape[axis], 1))
        elif op is not None:
            itemsize = resampling.acc_dtype.itemsize
            total += outputs * (op.most_taps * (8 + itemsize) + _PER_ROW)  # in float64, and as the kernel has them
            channels = prod(resampling.out_shape[axis + 1 :])
            if axis == _last(resampling) and channels < CHANNELS:  # and again by register
                elements = max(outputs * channels, _REGISTER // itemsize)
                total += elements * (op.most_taps * itemsize + _PER_ROW)
    return total


@lru_cache(maxsize=256)
def are_small(resampling: Resampling) -> bool:
    """Whether the tables of the whole resampling take so little that they are kept."""
    if resampling.copies:
        return _gathered_bytes(resampling, resampling.out_shape) <= SMALL_BYTES
    return sum(axis_bytes(resampling, axis, n) for axis, n in enumerate(resampling.out_shape)) <= SMALL_BYTES


@lru_cache(maxsize=256)
def piece_sizes(resampling: Resampling) -> tuple[int, ...]:
    """Outputs of a piece along each axis at most; of rows that repeat, as many as repeat, some times over."""
    sizes = []
    for axis, n in enumerate(resampling.out_shape):
        total = axis_bytes(resampling, axis, n)
        size = n if total <= TABLE_BYTES else max(1, n * TABLE_BYTES // total)
        periods = [
            op.period.outputs for stage in resampling.stages if isinstance(op := stage[axis], Operator) and op.period
        ]
        if size < n and periods and max(periods) <= size:
            size -= size % max(periods)
        sizes.append(size)
    return tuple(sizes)


def pieces_of(resampling: Resampling, writes: Box) -> list[Box] | None:
    """The pieces of a non-empty output box; None where it is one itself."""
    if are_small(resampling):
        return None
    sizes = _gathered_sizes(resampling, writes) if resampling.copies else piece_sizes(resampling)
    if all(stop - start <= size for (start, stop), size in zip(writes, sizes, strict=True)):
        return None
    return list(product(*(_cut(*one) for one in zip(writes, sizes, strict=True))))


def alike(stage: Sequence[Operator | None], reads: Box, writes: Box) -> tuple[Box, Box]:
    """Boxes between which the tables are the same, counted from where they begin; the same for many boxes."""
    found = []
    for op, (start, stop), interval in zip(stage, reads, writes, strict=True):
        if op is None:
            found.append(((0, stop - start), (0, interval[1] - interval[0])))
        else:
            same, earlier = op.alike(interval)
            found.append(((start - earlier, stop - earlier), same))
    return tuple(pair[0] for pair in found), tuple(pair[1] for pair in found)


def tables_bytes(resampling: Resampling, shape: Sequence[int]) -> int:
    """Bound on what tables take while an output box of this shape is computed; 0 where they are kept anyway."""
    if are_small(resampling) or 0 in shape:
        return 0
    if resampling.copies:
        box = tuple((0, n) for n in shape)
        return _gathered_bytes(
            resampling, [min(n, m) for n, m in zip(shape, _gathered_sizes(resampling, box), strict=True)]
        )
    total = making = 0
    for axis, (n, most) in enumerate(zip(shape, piece_sizes(resampling), strict=True)):
        total += axis_bytes(resampling, axis, min(n, most))
        for stage in resampling.stages:
            if isinstance(op := stage[axis], Operator):
                making = max(making, min(max(op.most_taps, ENTRIES_AT_ONCE), min(n, most) * op.most_taps))
    return total + _MAKING * making


def kept_bytes(resampling: Resampling) -> int:
    """Bound on the tables that a process keeps for its next tasks."""
    if are_small(resampling) or resampling.copies:
        return 0
    total = sum(axis_bytes(resampling, axis, n) for axis, n in enumerate(resampling.out_shape))
    return min(total, KEPT_ROW_BYTES if resampling.fixed_point else KEPT_BYTES)


def _last(resampling: Resampling) -> int:
    """The last axis that is resampled."""
    return max(axis for stage in resampling.stages for axis, op in enumerate(stage) if op is not None)


def _cut(writes: Interval, size: int) -> Iterator[Interval]:
    start, stop = writes
    return ((at, min(at + size, stop)) for at in range(start, stop, size))


def _gathered_bytes(resampling: Resampling, shape: Sequence[int]) -> int:
    """Of the places of rows, and of the items within one."""
    if not resampling.stages or 0 in shape:
        return 0
    last = _last(resampling)
    return _GATHERED * (prod(shape[:last]) + shape[last])


def _gathered_sizes(resampling: Resampling, writes: Box) -> list[int]:
    """Of pieces that lie in one piece in the result: cut along the first axis, and further ones as far as need be."""
    sizes = [stop - start for start, stop in writes]
    for axis in range(len(sizes)):
        while sizes[axis] > 1 and _gathered_bytes(resampling, sizes) > TABLE_BYTES:
            sizes[axis] = ceil_div(sizes[axis], 2)
        if sizes[axis] > 1:
            break
    return sizes
