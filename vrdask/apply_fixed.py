"""Apply a fixed-point resampling to one box: passes over axes, last to first, with uint8 between them.

The kernel takes the first two passes at once where the first is along rows: filtered rows go into a ring that stays in
cache. Each further pass is a call of its own.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask import isa
from vrdask.fixed_passes import NARROWEST, Call, calls_of, strips_of
from vrdask.fixed_point import fixed_point
from vrdask.fixed_rows import Layout, Taps, column_table, row_table
from vrdask.intervals import Box, Interval, ceil_div, shape_of, slices_of
from vrdask.operators import Operator
from vrdask.resampling import Resampling

Array = npt.NDArray[Any]

_fixed = isa.load("fixed", isa.choose())

RING_BYTES = 256 << 10
"""What a thread's rows between two passes, or the source rows of an output row, may take: half of a small L2 cache."""
BANDS_PER_THREAD = 4
TAPS_PER_BAND = 12
"""A band of output rows filters the rows around it again; it reads at least so many times the taps of one output."""
BYTES_PER_THREAD = 1 << 16
"""Starting a thread for less work than this costs more than it brings."""


def filter_box(what: Resampling, source: Array, reads: Box, writes: Box, target: Array, num_threads: int) -> None:
    """Fill `target`, the box `writes`, from `source`, the box `reads`; both uint8."""
    calls = calls_of(what)
    axis = what.passes[0]
    for strip in strips_of(what, reads, writes):
        strip_reads = what.reads(strip)
        at, data = strip_reads, source[slices_of(strip_reads, (start for start, _ in reads))]
        for number, call in enumerate(calls):
            result = tuple(strip[k] if k in (call.row, call.column) else interval for k, interval in enumerate(at))
            if number == len(calls) - 1:
                begin = writes[axis][0]
                view = target[(slice(None),) * axis + (slice(strip[axis][0] - begin, strip[axis][1] - begin),)]
            else:
                view = np.empty(shape_of(result), np.uint8)
            _run(what, call, data, at, result, view, num_threads)
            at, data = result, view


def _run(what: Resampling, call: Call, source: Array, reads: Box, writes: Box, target: Array, num_threads: int) -> None:
    """One call of the kernel, from the box `reads` to the box `writes` of the array that it makes."""
    inner = _inner_axis(call, source, target)
    if call.row is not None and not _contiguous(source, inner):
        source = np.ascontiguousarray(source)
    outer = range(inner)
    rows_axis = call.column if call.column is not None else max(outer, key=lambda k: target.shape[k], default=None)
    slices = _slices(source, target, [k for k in outer if k != rows_axis])
    strides = (0, 0) if rows_axis is None else (source.strides[rows_axis], target.strides[rows_axis])
    rows = 1 if rows_axis is None else target.shape[rows_axis]

    (stage,) = what.stages
    row = column = None
    if call.row is not None:
        channels = prod(target.shape[inner + 1 :])
        row = _row(stage[call.row], reads[call.row], writes[call.row], channels, _layout())
    if call.column is not None:
        column = _column(stage[call.column], reads[call.column], writes[call.column])
    units, unit_bytes = (prod(target.shape[inner:]), 1) if row is None else (row["units"], row["unit_bytes"])
    slots = 0 if column is None else column["taps"] + _fixed.BATCH

    threads = max(1, min(num_threads, max(source.size, target.size) // BYTES_PER_THREAD))
    strip = units
    if column is not None:
        most = max(1, max(RING_BYTES // slots, NARROWEST) // unit_bytes)
        strip = ceil_div(units, ceil_div(units, most))
    bands = ceil_div(BANDS_PER_THREAD * threads, len(slices) * ceil_div(units, strip)) if threads > 1 else 1
    if row is not None and column is not None:
        bands = min(bands, max(threads, source.shape[rows_axis or 0] // (TAPS_PER_BAND * column["taps"])))
    band = ceil_div(rows, min(rows, bands))
    pitch = 64 * (ceil_div(strip * unit_bytes, 64) | 1)  # odd: rows a power of two apart compete for few cache lines
    kernel = _fixed.Filter(row, column, rows, units, band, strip, 0 if row is None else slots, pitch)
    scratch = np.empty((max(1, min(threads, kernel.tiles * len(slices))), kernel.scratch_bytes), np.uint8)
    addresses = source.__array_interface__["data"][0], target.__array_interface__["data"][0]
    kernel(*addresses, slices, *strides, prod(source.shape[inner:]), scratch)


def _inner_axis(call: Call, source: Array, target: Array) -> int:
    """The first axis of the kernel's rows: the filtered one, else the first whose samples lie side by side in both."""
    if call.row is not None:
        return call.row
    assert call.column is not None
    inner = call.column + 1
    while not (_contiguous(source, inner) and _contiguous(target, inner)):
        inner += 1
    return inner


def _slices(source: Array, target: Array, axes: list[int]) -> npt.NDArray[np.int64]:
    """Byte offsets in both of every index of `axes`."""
    slices = np.zeros((1, 2), np.int64)
    for k in axes:
        steps = np.arange(target.shape[k])[:, None] * (source.strides[k], target.strides[k])
        slices = (slices[:, None] + steps).reshape(-1, 2)
    return slices


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
    return row_table(_taps(op, reads, writes), channels, layout)


@lru_cache(maxsize=64)
def _column(op: Operator, reads: Interval, writes: Interval) -> dict[str, Any]:
    return column_table(_taps(op, reads, writes))


def _taps(op: Operator, reads: Interval, writes: Interval) -> Taps:
    part = slice(*writes)
    table = fixed_point(op)
    return Taps(
        op.start[part] - reads[0], op.count[part], table.weights[part], table.parts(_fixed.LOW)[:, part], table.bits
    )
