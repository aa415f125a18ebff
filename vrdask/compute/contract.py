"""Contract a stage along its axes, or convert samples: prepares the calls of the kernel `contract`, and makes them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask import buffers
from vrdask.boxes import Box, shape_of
from vrdask.compute import builds
from vrdask.compute.kept import Kept, table_bytes
from vrdask.compute.table_cuts import alike, are_small
from vrdask.compute.threads import threads_for
from vrdask.compute.tiles import SHARED_ROWS, Dim, choose_tiles, dims_of
from vrdask.dtypes import CODES, DType
from vrdask.transforms.resampling import Resampling, tables
from vrdask.transforms.sums import by_parts, kernel_weights

Array = npt.NDArray[Any]

SPARSE = 1
"""Samples for each output of a row from which on most of them count for none."""

_kernel = builds.load("contract", builds.choose())


NANOSECONDS_READ, NANOSECONDS_WRITTEN = 0.03, 0.15
"""For each tap of a sample's axes, of a sample that is read, and of one that is written."""


def contract_box(
    resampling: Resampling, number: int | None, data: Array, reads: Box, writes: Box, target: Array, num_threads: int
) -> None:
    """A stage that is no prefilter, by its number, from the box `reads` of its input into `target`, the box `writes` of
    its output; None converts samples to the target's dtype.
    """
    threads = num_threads
    if threads > 1:
        threads = threads_for(_nanoseconds(resampling, number, data.size, target.size), num_threads)
    joined, contraction = _contraction(resampling, number, data.dtype, target.dtype, reads, writes, threads)
    if data.ndim > joined + 1:
        data, target = (array.reshape(*array.shape[:joined], -1) for array in (data, target))
    if data.strides[-1] != data.itemsize:
        data = np.ascontiguousarray(data)
    threads = min(threads, contraction.tiles)
    contraction(data, target, buffers.workspace("scratch", threads * contraction.scratch_bytes), threads)


def _nanoseconds(resampling: Resampling, number: int | None, read: int, written: int) -> float:
    """What a call takes one thread, within a factor of some three."""
    return _taps(resampling, number) * (NANOSECONDS_READ * read + NANOSECONDS_WRITTEN * written)


@lru_cache(maxsize=256)
def _taps(resampling: Resampling, number: int | None) -> int:
    """Of all axes together."""
    ops = () if number is None else tables(resampling.stages[number])
    return sum(op.most_taps for op in ops if op is not None) or 1


def _contraction(
    resampling: Resampling, number: int | None, in_dtype: DType, out_dtype: DType, reads: Box, writes: Box, threads: int
) -> tuple[int, Any]:
    """The prepared kernel call, and how many leading axes keep their own axis; the others are one row.

    One call serves all boxes that have the same tables, as most parts of a volume have at a ratio that repeats.
    """
    if number is not None and writes != resampling.whole[1]:
        reads, writes = alike(tables(resampling.stages[number]), reads, writes)
    make = _contraction_of_few if are_small(resampling) else _contraction_of_many
    return make(resampling, number, in_dtype, out_dtype, reads, writes, threads)[:2]


def _prepared(
    resampling: Resampling, number: int | None, in_dtype: DType, out_dtype: DType, reads: Box, writes: Box, threads: int
) -> tuple[int, Any, int]:
    """The same made, and the bytes of its tables."""
    stage = None if number is None else tables(resampling.stages[number])
    if stage is None:  # nothing to contract: convert
        shape = shape_of(writes)
        dims = [Dim("loop", axis, size, size) for axis, size in enumerate(shape[:-1])]
        dims.append(Dim("copy", len(shape) - 1, shape[-1], shape[-1]))
        for dim in dims[:-1]:
            dim.tile = 1
    else:
        dims = dims_of(stage, writes, resampling.sums.by_parts)
        choose_tiles(dims, resampling.acc_dtype.itemsize, threads)
    acc_dtype = resampling.acc_dtype
    multiples = resampling.sums.multiples or (None,) * len(writes)
    described = [_kernel_dim(dim, reads, in_dtype, acc_dtype, multiples) for dim in dims]
    codes = CODES[in_dtype], CODES[out_dtype], CODES[acc_dtype]
    prepared = _kernel.Contraction(described, *codes, 0 if stage is None else resampling.sums.divisor)
    return len(dims) - 1, prepared, table_bytes(described)


_contraction_of_few = lru_cache(maxsize=64)(_prepared)
_contraction_of_many = Kept(_prepared, size=lambda prepared: prepared[2])


def _kernel_dim(
    dim: Dim, reads: Box, in_dtype: DType, acc_dtype: DType, multiples: tuple[int | None, ...]
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "kind": dim.kind, "size": dim.size, "tile": dim.tile, "max_reads": dim.max_reads,
    }  # fmt: skip
    rows = dim.rows
    if rows is None:
        return described
    group_reads = dim.group_reads
    described |= {"taps": dim.taps, "group": dim.group, "group_reads": group_reads}
    described["share"] = dim.group > 1 and dim.shares and group_reads <= SHARED_ROWS
    start = rows.start - reads[dim.axis][0]
    count = rows.count
    weights = rows.weights[:, : dim.taps]
    arrays: dict[str, Array] = {"start": start, "count": count}
    if dim.by_parts:
        parts = by_parts(weights, count, acc_dtype)
        arrays |= {"anchor": parts.anchor, "weights": parts.weights}
    else:
        arrays["weights"] = kernel_weights(weights, count, acc_dtype, multiples[dim.axis])
    if dim.kind == "row":
        described |= {"step": dim.channels, "channels": dim.channels}
        arrays |= row_tables(arrays, dim.channels)
        described["windows"] = 0
        if _in_byte_rows(dim, in_dtype, acc_dtype):
            described["windows"], more = byte_tables(arrays, dim.channels)
            arrays |= more
    described["tables"] = {name: _as_bytes(array) for name, array in arrays.items()}
    return described


def _in_byte_rows(dim: Dim, in_dtype: DType, acc_dtype: DType) -> bool:
    """Whether a row's samples are best converted where they are asked for: of uint8 that shrinks, two at a time."""
    assert dim.start is not None
    assert dim.stop is not None
    shrinks = int(dim.stop[-1] - dim.start[0]) >= len(dim.start)
    of_bytes = in_dtype == np.uint8 and acc_dtype == np.float32
    return bool(_kernel.BYTE_ROWS and of_bytes and dim.taps == 2 and dim.sums_few and shrinks)


def byte_tables(tables: dict[str, Array], step: int) -> tuple[int, dict[str, Array]]:
    """How many windows of 16 bytes hold the samples of any four lanes, one or two, where they begin, and which of their
    bytes those are; 0 and nothing where it takes more.
    """
    index, lane_count = (tables[name].reshape(-1, 4) for name in ("index", "lane_count"))
    window = index.min(axis=1)
    within = index - window[:, None]
    windows = int((within + (lane_count - 1) * step).max()) // 16 + 1
    if windows > 2:
        return 0, {}
    return windows, {
        "window": window,
        "pattern": within | np.int32(-0x7F7F8000),
    }  # 0x80808000: no byte


def _as_bytes(table: Array) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(table).reshape(-1).view(np.uint8)


def row_tables(tables: dict[str, Array], channels: int) -> dict[str, Array]:
    """A row's table by blocks of lanes, one lane per output element (position and channel): see
    kernels/contract/contract.h. Of sums by parts the taps are differences.
    """
    start, weights, anchor = tables["start"], tables["weights"], tables.get("anchor")
    count = tables["count"] if anchor is None else tables["count"] - np.int32(1)
    lanes: int = _kernel.LANES[weights.itemsize]
    elements = len(start) * channels
    blocks = -(-elements // lanes)
    element = np.minimum(np.arange(blocks * lanes), elements - 1)
    position, channel = np.divmod(element, channels)
    first = (start[position] * channels + channel).reshape(blocks, lanes)
    base = first[:, 0] if channels == 1 else first.min(axis=1)  # starts are sorted
    index = (first - base[:, None]).astype(np.int32)
    lane_count = count[position].reshape(blocks, lanes)
    all_taps, any_taps = lane_count.min(axis=1), lane_count.max(axis=1)
    consecutive = (index == np.arange(lanes)).all(axis=1) & (all_taps == any_taps)
    halves = index.reshape(blocks, 2, lanes // 2)
    nearest, furthest = halves.min(axis=2), halves.max(axis=2)
    spans = furthest.max(axis=1), (furthest - nearest).max(axis=1)
    shape = np.stack([all_taps, any_taps, spans[0], consecutive, *nearest.T, spans[1]], axis=1)
    taps = weights.shape[1]
    by_tap = np.empty((blocks, taps, lanes), weights.dtype)
    whole = elements // lanes if channels == 1 else 0
    by_tap[:whole] = weights[: whole * lanes].reshape(whole, lanes, taps).transpose(0, 2, 1)
    rest = weights[position[whole * lanes :]]
    by_tap[whole:] = rest.reshape(blocks - whole, lanes, taps).transpose(0, 2, 1)
    found = {"base": base, "index": index, "lane_count": lane_count, "shape": shape.astype(np.int32), "weights": by_tap}
    if anchor is None:
        return found
    anchored = index + anchor[position].reshape(blocks, lanes) * np.int32(channels)
    least = anchored.min(axis=1)
    in_step = (anchored == anchored[:, :1] + np.arange(lanes, dtype=np.int32)).all(axis=1)
    return found | {"anchor": anchored, "reach": np.stack([least, anchored.max(axis=1) - least, in_step], axis=1)}
