"""How a fixed-point resampling is cut into calls of its kernel, and what lies between them.

One call filters along rows and, through a ring of rows that stays in cache, down the columns of a second axis. Every
further axis takes a call of its own, with an array between the two.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import NamedTuple

from vrdask.boxes import Box, ceil_div, size_of, slabs_of
from vrdask.compute.slabs import SLAB_BYTES
from vrdask.compute.table_cuts import TABLE_BYTES, axis_bytes
from vrdask.compute.tiles import CHANNELS
from vrdask.transforms.operators import Operator
from vrdask.transforms.resampling import Resampling

NARROWEST = 256
"""Samples of a strip: shorter ones would not be worth a tile."""
TAPS_PER_PIECE = 4
"""A piece holds at least so many times the taps of an output along its rows: their ends are kept."""
SMALLEST_PIECE = 128 << 10
"""Bytes of a piece that is worth calls of its own."""


class Call(NamedTuple):
    """Axes that one call of the kernel filters: along rows and down columns, or one of them."""

    row: int | None
    column: int | None


@lru_cache(maxsize=64)
def calls_of(resampling: Resampling) -> tuple[Call, ...]:
    """The calls of a fixed-point resampling, in order: its passes, and where one is along rows, the next one with it.

    Whether it is decides no bit: rows hold an axis behind which there are fewer than `CHANNELS` samples per position.
    """
    sizes, calls, axes = list(resampling.in_shape), [], list(resampling.passes)
    while axes:
        axis = axes.pop(0)
        along_row = prod(sizes[axis + 1 :]) < CHANNELS
        column = axes.pop(0) if along_row and axes and axes[0] < axis else None
        calls.append(Call(axis, column) if along_row else Call(None, axis))
        for done in (axis, column):
            if done is not None:
                sizes[done] = resampling.out_shape[done]
    return tuple(calls)


def strip_axis(resampling: Resampling) -> int:
    """The axis along which strips are cut: the last resampled one, a long one where a picture is wide.

    Where it has the first pass, no sample is filtered twice; elsewhere those that two strips read are.
    """
    return max(resampling.passes)


def strips_of(resampling: Resampling, reads: Box, writes: Box) -> list[Box]:
    """Output boxes whose arrays between calls take `SLAB_BYTES` where that can be."""
    axis = strip_axis(resampling)
    start, stop = writes[axis]
    count = _strip_count(_between_bytes(resampling, reads, writes), stop - start)
    return slabs_of(writes, axis, count)


def peak_between_bytes(resampling: Resampling, reads: Box, writes: Box) -> int:
    """Bound on the bytes of the arrays between calls, of one strip of a box."""
    if not resampling.passes:
        return 0
    axis = strip_axis(resampling)
    if axis != resampling.passes[0]:
        return max(
            _between_bytes(resampling, resampling.reads(strip), strip) for strip in strips_of(resampling, reads, writes)
        )
    start, stop = writes[axis]
    between, size = _between_bytes(resampling, reads, writes), max(1, stop - start)
    return ceil_div(between, size) * ceil_div(size, _strip_count(between, size))


def _strip_count(between: int, size: int) -> int:
    return max(1, min(ceil_div(between, SLAB_BYTES), ceil_div(size, NARROWEST)))


def _between_bytes(resampling: Resampling, reads: Box, writes: Box) -> int:
    """Bytes of the arrays between calls, of a box that is not cut into strips."""
    at, total = reads, 0
    for call in calls_of(resampling)[:-1]:
        at = tuple(writes[k] if k in call else interval for k, interval in enumerate(at))
        total += size_of(at)
    return total


def goes_by_chunk(resampling: Resampling, stored: tuple[int, ...] | None) -> bool:
    """Whether what a box reads may come in pieces, stored chunks of these sizes, and is better off so.

    Each is filtered along its rows while it is in a cache: so there are rows, which chunks cut only between positions,
    and at most one pass after that. None : there are no such chunks.
    """
    if (
        stored is None
        or not resampling.fixed_point
        or len(calls_of(resampling)) != 1
        or calls_of(resampling)[0].row is None
    ):
        return False
    axis = resampling.passes[0]
    op = resampling.stages[0][axis]
    assert isinstance(op, Operator)
    wide = stored[axis] >= min(resampling.in_shape[axis], TAPS_PER_PIECE * op.taps)
    outputs = ceil_div(stored[axis] * resampling.out_shape[axis], resampling.in_shape[axis])
    wide = wide and axis_bytes(resampling, axis, outputs) <= TABLE_BYTES
    whole = stored[axis + 1 :] == resampling.in_shape[axis + 1 :]  # a row's positions hold all their channels
    return wide and whole and prod(stored) >= SMALLEST_PIECE


def between_chunks(resampling: Resampling, reads: Box, writes: Box) -> Box:
    """What the pass along rows leaves of the pieces of a box."""
    return tuple(writes[k] if k == resampling.passes[0] else interval for k, interval in enumerate(reads))


def by_chunk_bytes(resampling: Resampling, reads: Box, writes: Box, stored: tuple[int, ...]) -> int:
    """Bound on the bytes that are kept of the pieces of a box: what is put together of them, and the ends of rows."""
    axis = resampling.passes[0]
    op = resampling.stages[0][axis]
    assert isinstance(op, Operator)
    rows = prod(min(size, stop - start) for size, (start, stop) in zip(stored[:axis], reads[:axis], strict=True))
    ends = rows * op.taps * prod(stored[axis + 1 :])
    start, stop = writes[axis]
    ends += 16 * (stop - start)  # where the taps of its outputs begin and end
    return ends + (size_of(between_chunks(resampling, reads, writes)) if len(resampling.passes) > 1 else 0)
