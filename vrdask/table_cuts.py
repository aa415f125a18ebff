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

from vrdask.intervals import Box, Interval, ceil_div
from vrdask.operators import ENTRIES_AT_ONCE, Operator
from vrdask.prefilter import Prefilter

if TYPE_CHECKING:
    from vrdask.resampling import Resampling

TABLE_BYTES = 2 << 20
"""What the tables of a piece may take along one axis, while they are made: a second-level cache holds what is left."""
SMALL_BYTES = 256 << 10
"""Tables of a whole resampling of no more than this are the process's: they are kept, and not counted."""
_MAKING = 64
"""Bytes per entry of a table while some of its rows are made."""
_PER_ROW = 64
"""Bytes per output for starts, counts and whatever else has one entry per output, but the weights."""
_GATHERED = 32


def output_bytes(what: Resampling, axis: int) -> int:
    """What the tables of an axis take per output, while they are made."""
    total = 0
    for stage in what.stages:
        op = stage[axis]
        if isinstance(op, Prefilter):
            total += _GATHERED * ceil_div(what.in_shape[axis], max(what.out_shape[axis], 1))
        elif op is not None:
            # float64 rows, the kernel's, and those again by register: for each channel where they lie along rows
            channels = prod(what.out_shape[axis + 1 :]) if axis == _last(what) else 0
            beside = 1 + (channels if channels < 16 else 0)
            total += op.most_taps * (8 + what.acc_dtype.itemsize * beside) + _PER_ROW * beside
    return total


@lru_cache(maxsize=256)
def are_small(what: Resampling) -> bool:
    """Whether the tables of the whole resampling take so little that they are kept."""
    if what.copies:
        return _gathered_bytes(what, what.out_shape) <= SMALL_BYTES
    return sum(output_bytes(what, axis) * n for axis, n in enumerate(what.out_shape)) <= SMALL_BYTES


@lru_cache(maxsize=256)
def piece_sizes(what: Resampling) -> tuple[int, ...]:
    """Outputs of a piece along each axis at most; of rows that repeat, as many as repeat, some times over."""
    sizes = []
    for axis, n in enumerate(what.out_shape):
        per_output = output_bytes(what, axis)
        size = n if per_output * n <= TABLE_BYTES else max(1, TABLE_BYTES // per_output)
        periods = [op.period.outputs for stage in what.stages if isinstance(op := stage[axis], Operator) and op.period]
        if size < n and periods and max(periods) <= size:
            size -= size % max(periods)
        sizes.append(size)
    return tuple(sizes)


def pieces_of(what: Resampling, writes: Box) -> list[Box] | None:
    """The pieces of a non-empty output box; None where it is one itself."""
    if are_small(what):
        return None
    sizes = _gathered_sizes(what, writes) if what.copies else piece_sizes(what)
    if all(stop - start <= size for (start, stop), size in zip(writes, sizes, strict=True)):
        return None
    return list(product(*(_cut(*one) for one in zip(writes, sizes, strict=True))))


def tables_bytes(what: Resampling, shape: Sequence[int]) -> int:
    """Bound on what tables take while an output box of this shape is computed; 0 where they are kept anyway."""
    if are_small(what) or 0 in shape:
        return 0
    if what.copies:
        box = tuple((0, n) for n in shape)
        return _gathered_bytes(what, [min(n, m) for n, m in zip(shape, _gathered_sizes(what, box), strict=True)])
    total = making = 0
    for axis, (n, most) in enumerate(zip(shape, piece_sizes(what), strict=True)):
        total += min(n, most) * output_bytes(what, axis)
        for stage in what.stages:
            if isinstance(op := stage[axis], Operator):
                making = max(making, min(max(op.most_taps, ENTRIES_AT_ONCE), min(n, most) * op.most_taps))
    return total + _MAKING * making


def _last(what: Resampling) -> int:
    """The last axis that is resampled."""
    return max(axis for stage in what.stages for axis, op in enumerate(stage) if op is not None)


def _cut(writes: Interval, size: int) -> Iterator[Interval]:
    start, stop = writes
    return ((at, min(at + size, stop)) for at in range(start, stop, size))


def _gathered_bytes(what: Resampling, shape: Sequence[int]) -> int:
    """Of the places of rows, and of the items within one."""
    if not what.stages or 0 in shape:
        return 0
    last = _last(what)
    return _GATHERED * (prod(shape[:last]) + shape[last])


def _gathered_sizes(what: Resampling, writes: Box) -> list[int]:
    """Of pieces that lie in one piece in the result: cut along the first axis, and further ones as far as need be."""
    sizes = [stop - start for start, stop in writes]
    for axis in range(len(sizes)):
        while sizes[axis] > 1 and _gathered_bytes(what, sizes) > TABLE_BYTES:
            sizes[axis] = ceil_div(sizes[axis], 2)
        if sizes[axis] > 1:
            break
    return sizes
