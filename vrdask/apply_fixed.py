"""Apply a fixed-point resampling to one box: passes over axes, last to first, with uint8 between them.

The kernel takes the first two passes at once where the first is along rows: filtered rows go into a ring that stays in
cache. Each further pass is a call of its own, in strips of the row.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vrdask import isa
from vrdask.fixed_point import fixed_point
from vrdask.fixed_rows import Layout, as_bytes, column_table, row_table
from vrdask.intervals import Box, Interval, ceil_div, shape_of, size_of, slices_of
from vrdask.operators import Operator
from vrdask.resampling import BETWEEN_BYTES, Resampling
from vrdask.tiles import CHANNELS

Array = npt.NDArray[Any]

_fixed = isa.load("fixed", isa.choose())

RING_BYTES = 256 << 10
"""What a thread's rows between two passes, or the source rows of an output row, may take: half of a small L2 cache."""
NARROWEST = 256
"""Bytes of a strip: shorter ones would not be worth a tile."""
BANDS_PER_THREAD = 4
TAPS_PER_BAND = 12
"""A band of output rows filters the rows around it again; it reads at least so many times the taps of one output."""
BYTES_PER_THREAD = 1 << 16
"""Starting a thread for less work than this costs more than it brings."""


class Call(NamedTuple):
    """Axes that one call of the kernel filters: along rows and down columns, or one of them."""

    row: int | None
    column: int | None


def calls_of(what: Resampling) -> list[Call]:
    """The calls of a fixed-point resampling, in order."""
    first, *others = what.passes
    if prod(what.out_shape[first + 1 :]) >= CHANNELS:
        return [Call(None, axis) for axis in what.passes]
    together = Call(first, others[0] if others else None)
    return [together, *(Call(None, axis) for axis in others[1:])]


def filter_box(what: Resampling, source: Array, reads: Box, writes: Box, target: Array, num_threads: int) -> None:
    """Fill `target`, the box `writes`, from `source`, the box `reads`; both uint8."""
    calls = calls_of(what)
    axis = what.passes[0]
    for strip in _strips(what, calls, reads, writes):
        strip_reads = what.reads(strip)
        at, data = strip_reads, source[slices_of(strip_reads, (start for start, _ in reads))]
        for number, call in enumerate(calls):
            result = tuple(
                strip[k] if k in (call.row, call.column) else interval for k, interval in enumerate(at)
            )
            if number == len(calls) - 1:
                begin = writes[axis][0]
                view = target[(slice(None),) * axis + (slice(strip[axis][0] - begin, strip[axis][1] - begin),)]
            else:
                view = np.empty(shape_of(result), np.uint8)
            _run(what, call, data, at, result, view, num_threads)
            at, data = result, view


def _strips(what: Resampling, calls: list[Call], reads: Box, writes: Box) -> list[Box]:
    """Output boxes whose arrays between calls take `BETWEEN_BYTES` where that can be.

    Cut along the axis of the first pass, so that no sample is filtered twice.
    """
    axis = what.passes[0]
    start, stop = writes[axis]
    count = min(ceil_div(between_bytes(calls, reads, writes), BETWEEN_BYTES), ceil_div(stop - start, NARROWEST))
    count = max(1, count)
    edges = [start + (stop - start) * k // count for k in range(count + 1)]
    return [(*writes[:axis], strip, *writes[axis + 1 :]) for strip in pairwise(edges)]


def between_bytes(calls: list[Call], reads: Box, writes: Box) -> int:
    """Bytes of the arrays between calls, of a box that is not cut into strips."""
    at, total = reads, 0
    for call in calls[:-1]:
        at = tuple(writes[k] if k in (call.row, call.column) else interval for k, interval in enumerate(at))
        total += size_of(at)
    return total


def _run(
    what: Resampling, call: Call, source: Array, reads: Box, writes: Box, target: Array, num_threads: int
) -> None:
    """One call of the kernel, from the box `reads` to the box `writes` of the array that it makes."""
    (stage,) = what.stages
    threads = max(1, min(num_threads, max(source.size, target.size) // BYTES_PER_THREAD))
    inner = call.row
    if inner is None:
        assert call.column is not None
        inner = call.column + 1
        while not (_contiguous(source, inner) and _contiguous(target, inner)):
            inner += 1
    elif not _contiguous(source, inner):
        source = np.ascontiguousarray(source)
    rows_axis = call.column if call.column is not None else max(range(inner), key=lambda k: target.shape[k], default=None)
    others = [k for k in range(inner) if k != rows_axis]
    row = column = None
    units = prod(target.shape[inner:])
    rows = 1 if rows_axis is None else target.shape[rows_axis]
    unit_bytes, slots = 1, 0
    if call.row is not None:
        row = _row(stage[call.row], reads[call.row], writes[call.row], prod(target.shape[inner + 1 :]), _layout())
        units, unit_bytes = row["units"], row["unit_bytes"]
    if call.column is not None:
        column = _column(stage[call.column], reads[call.column], writes[call.column])
        slots = column["taps"] + _fixed.BATCH
    strip = units
    if column is not None:
        strip = min(units, max(RING_BYTES // slots, NARROWEST) // unit_bytes)
        strip = ceil_div(units, ceil_div(units, strip))
    slices = np.zeros((1, 2), np.int64)
    for k in others:
        steps = np.arange(target.shape[k])[:, None] * (source.strides[k], target.strides[k])
        slices = (slices[:, None] + steps).reshape(-1, 2)
    bands = 1
    if threads > 1:
        bands = ceil_div(BANDS_PER_THREAD * threads, len(slices) * ceil_div(units, strip))
        if column is not None and row is not None:
            most = (reads[call.column][1] - reads[call.column][0]) // (TAPS_PER_BAND * column["taps"])
            bands = min(bands, max(threads, most))
    band = ceil_div(rows, min(rows, bands))
    pitch = 64 * (ceil_div(strip * unit_bytes, 64) + 1 | 1) if row is not None else 0
    kernel = _fixed.Filter(row, column, rows, units, band, strip, slots if row is not None else 0, pitch)
    threads = max(1, min(threads, kernel.tiles * len(slices)))
    scratch = np.empty((threads, kernel.scratch_bytes), np.uint8)
    stride = (0, 0) if rows_axis is None else (source.strides[rows_axis], target.strides[rows_axis])
    src_bytes = prod(source.shape[inner:])
    address = source.__array_interface__["data"][0], target.__array_interface__["data"][0]
    kernel(*address, np.ascontiguousarray(slices), *stride, src_bytes, scratch)


def _contiguous(x: Array, axis: int) -> bool:
    """Whether the samples of the axes from `axis` on lie side by side, in C order."""
    expected = x.itemsize
    for k in reversed(range(axis, x.ndim)):
        if x.shape[k] > 1:
            if x.strides[k] != expected:
                return False
            expected *= x.shape[k]
    return True


def _layout() -> Layout:
    return Layout(_fixed.LANES, _fixed.WINDOWS)


@lru_cache(maxsize=64)
def _row(op: Operator, reads: Interval, writes: Interval, channels: int, layout: Layout) -> dict[str, Any]:
    begin, end = writes
    table = fixed_point(op)
    return row_table(
        op.start[begin:end] - reads[0], op.count[begin:end], table.weights[begin:end], table.bits, channels, layout
    )


@lru_cache(maxsize=64)
def _column(op: Operator, reads: Interval, writes: Interval) -> dict[str, Any]:
    begin, end = writes
    table = fixed_point(op)
    return column_table(op.start[begin:end] - reads[0], op.count[begin:end], table.weights[begin:end], table.bits)
