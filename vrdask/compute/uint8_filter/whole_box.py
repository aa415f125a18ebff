"""Apply a fixed-point resampling to one box: passes over axes, last to first, with uint8 between them.

The kernel takes the first two passes at once where the first is along rows: filtered rows go into a ring that stays in
cache. Each further pass is a call of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Interval, ceil_div, shape_of, within
from vrdask.compute import builds
from vrdask.compute.kept import KEPT_ROW_BYTES, Kept, table_bytes
from vrdask.compute.table_cuts import alike, are_small
from vrdask.compute.threads import threads_for
from vrdask.compute.uint8_filter.passes import NARROWEST, Call, calls_of, strip_axis, strips_of
from vrdask.compute.uint8_filter.tables import Layout, Taps, column_table, row_table
from vrdask.transforms.fixed_point import FixedPoint, weights_of
from vrdask.transforms.resampling import Resampling, tables

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

_fixed = builds.load("uint8_filter", builds.choose())

RING_BYTES = 256 << 10
"""What a thread's rows between two passes may take: half of a small L2 cache."""
TAPS_BYTES = 32 << 10
"""What the source rows of an output row may take where there is one pass: a small L1 cache."""
BANDS_PER_THREAD = 4
TAPS_PER_BAND = 12
"""A band of output rows filters the rows around it again; it reads at least so many times the taps of one output."""
NANOSECONDS = 1.0
"""Of a sample, read or written, about."""


def filter_box(resampling: Resampling, source: Array, reads: Box, writes: Box, target: Array, num_threads: int) -> None:
    """Fill `target`, the box `writes`, from `source`, the box `reads`; both uint8."""
    calls, axis = calls_of(resampling), strip_axis(resampling)
    for strip in strips_of(resampling, reads, writes):
        strip_reads = resampling.reads(strip)
        at, data = strip_reads, source[within(strip_reads, reads)]
        for number, call in enumerate(calls):
            result = tuple(strip[k] if k in (call.row, call.column) else interval for k, interval in enumerate(at))
            if number == len(calls) - 1:
                begin = writes[axis][0]
                view = target[(slice(None),) * axis + (slice(strip[axis][0] - begin, strip[axis][1] - begin),)]
            else:
                view = np.empty(shape_of(result), np.uint8)
            run_call(resampling, call, data, at, result, view, num_threads)
            at, data = result, view


def run_call(
    resampling: Resampling, call: Call, source: Array, reads: Box, writes: Box, target: Array, num_threads: int
) -> None:
    """One call of the kernel, from the box `reads` to the box `writes` of the array that it makes."""
    if call.row is not None and not contiguous(source.shape, source.strides, call.row):
        source = np.ascontiguousarray(source)
    threads = threads_for(NANOSECONDS * max(source.size, target.size), num_threads)
    prepared: Callable[..., Any] = _prepared_of_few
    if not are_small(resampling):
        prepared = _prepared_of_many
        (stage,) = map(tables, resampling.stages)
        reads, writes = alike([op if axis in call else None for axis, op in enumerate(stage)], reads, writes)
    kernel, slices, strides, src_bytes, _ = prepared(
        resampling, call, reads, writes, source.strides, target.strides, threads
    )
    scratch = np.empty((max(1, min(threads, kernel.tiles * len(slices))), kernel.scratch_bytes), np.uint8)
    kernel(source, target, slices, *strides, src_bytes, scratch)


def _prepared(
    resampling: Resampling, call: Call, reads: Box, writes: Box, in_strides: Shape, out_strides: Shape, threads: int
) -> tuple[Any, npt.NDArray[np.int64], tuple[int, int], int, int]:
    """The kernel with its tables and tiles; byte offsets of slices; strides of their rows; bytes of a source row; and
    of all tables.
    """
    in_shape, out_shape = shape_of(reads), shape_of(writes)
    inner = call.row
    if inner is None:
        inner = _inner_axis(call, (in_shape, in_strides), (out_shape, out_strides))
    slices, rows, in_stride, out_stride = row_slices(out_shape[:inner], in_strides, out_strides, call.column)

    row = column = None
    if call.row is not None:
        row = _row(
            weights_of(resampling, call.row), reads[call.row], writes[call.row], prod(out_shape[inner + 1 :]), _layout()
        )
    if call.column is not None:
        column = _column(weights_of(resampling, call.column), reads[call.column], writes[call.column])
    units, unit_bytes = (prod(out_shape[inner:]), 1) if row is None else (row["units"], row["unit_bytes"])
    slots = 0 if column is None else column["taps"] + _fixed.BATCH

    strip = units
    if column is not None:
        most = max(1, max((TAPS_BYTES if row is None else RING_BYTES) // slots, NARROWEST) // unit_bytes)
        strip = ceil_div(units, ceil_div(units, most))
    bands = ceil_div(BANDS_PER_THREAD * threads, len(slices) * ceil_div(units, strip)) if threads > 1 else 1
    if row is not None and column is not None:
        bands = min(bands, max(threads, in_shape[call.column or 0] // (TAPS_PER_BAND * column["taps"])))
    band = ceil_div(rows, min(rows, bands))
    pitch = 64 * (ceil_div(strip * unit_bytes, 64) | 1)  # odd: rows a power of two apart compete for few cache lines
    kernel = _fixed.Filter(row, column, rows, units, band, strip, 0 if row is None else slots, pitch)
    return kernel, slices, (in_stride, out_stride), prod(in_shape[inner:]), table_bytes([row, column, slices])


_prepared_of_few = lru_cache(maxsize=1024)(_prepared)
_prepared_of_many = Kept(_prepared, size=lambda prepared: prepared[-1], most_bytes=KEPT_ROW_BYTES)


def piece_filter(table: FixedPoint, columns: Interval, kept: int, keep: int, writes: Interval, channels: int) -> Any:
    """The kernel that filters rows of pieces which hold some columns, into the outputs `writes`.

    kept, keep : columns that the piece before has kept of each row, and that this one keeps for the next.
    """
    same, earlier = table.op.alike(writes)
    return _piece_filter(table, (columns[0] - earlier, columns[1] - earlier), kept, keep, same, channels)[0]


def _piece_filter_made(
    table: FixedPoint, columns: Interval, kept: int, keep: int, writes: Interval, channels: int
) -> tuple[Any, int]:
    start, stop = columns
    row = _row(table, (start - kept, stop), writes, channels, _layout()) if writes[0] < writes[1] else None
    return _fixed.PieceFilter(row, (stop - start) * channels, kept * channels, keep * channels), table_bytes(row)


_piece_filter = Kept(_piece_filter_made, size=lambda made: made[1], most_bytes=KEPT_ROW_BYTES)


@lru_cache(maxsize=256)
def row_slices(
    shape: Shape, in_strides: Shape, out_strides: Shape, rows_axis: int | None = None
) -> tuple[npt.NDArray[np.int64], int, int, int]:
    """The rows that stand in the axes of a shape, by slices: byte offsets of the slices in the source and the target;
    rows of a slice, along `rows_axis` or the longest axis, and bytes between them in both.
    """
    if rows_axis is None:
        rows_axis = max(range(len(shape)), key=lambda k: shape[k], default=None)
    slices = np.zeros((1, 2), np.int64)
    for k, size in enumerate(shape):
        if k != rows_axis:
            steps = np.arange(size)[:, None] * (in_strides[k], out_strides[k])
            slices = (slices[:, None] + steps).reshape(-1, 2)
    if rows_axis is None:
        return slices, 1, 0, 0
    return slices, shape[rows_axis], in_strides[rows_axis], out_strides[rows_axis]


def _inner_axis(call: Call, *arrays: tuple[Shape, Shape]) -> int:
    """The first axis below a column whose samples, of all axes from there on, lie side by side in every array."""
    assert call.column is not None
    inner = call.column + 1
    while not all(contiguous(shape, strides, inner) for shape, strides in arrays):
        inner += 1
    return inner


def contiguous(shape: Shape, strides: Shape, axis: int) -> bool:
    """Whether the bytes of the axes from `axis` on lie side by side, in C order."""
    expected = 1
    for k in reversed(range(axis, len(shape))):
        if shape[k] > 1:
            if strides[k] != expected:
                return False
            expected *= shape[k]
    return True


def _layout() -> Layout:
    return Layout(_fixed.LANES, _fixed.WINDOWS, _fixed.PAIRS)


def _made_row(table: FixedPoint, reads: Interval, writes: Interval, channels: int, layout: Layout) -> dict[str, Any]:
    return row_table(_taps(table, reads, writes), channels, layout)


def _made_column(table: FixedPoint, reads: Interval, writes: Interval) -> dict[str, Any]:
    return column_table(_taps(table, reads, writes))


_row = Kept(_made_row, size=table_bytes, most_bytes=KEPT_ROW_BYTES)
_column = Kept(_made_column, size=table_bytes)


def _taps(table: FixedPoint, reads: Interval, writes: Interval) -> Taps:
    rows = table.op.rows(*writes)
    weights = table.of(rows)
    return Taps(rows.start - reads[0], rows.count, weights, table.digits(_fixed.LOW, weights), table.bits)
