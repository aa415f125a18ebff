"""Apply a resampling to one box: from the source samples that an output box reads to the output box.

Everything above this (in memory, dask, Zarr) is a way to choose boxes and to bring their samples here. The bits of an
output sample depend on the resampling alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask import buffers
from vrdask.boxes import Box, Interval, shape_of, size_of, within
from vrdask.buffers import Empty
from vrdask.compute import builds
from vrdask.compute.kept import Kept, table_bytes
from vrdask.compute.mean import mean_box
from vrdask.compute.prefilter import prefilter_box
from vrdask.compute.slabs import Group, slabs
from vrdask.compute.table_cuts import alike, are_small, pieces_of
from vrdask.compute.threads import threads_for
from vrdask.compute.tiles import SHARED_ROWS, Level, choose_tiles, levels_of
from vrdask.compute.uint8_filter.whole_box import filter_box
from vrdask.dtypes import CODES, DType, native
from vrdask.transforms.operators import Operator
from vrdask.transforms.resampling import Resampling, prefilter_of, tables
from vrdask.transforms.sums import kernel_weights

Array = npt.NDArray[Any]

ISA = builds.choose()
_contract = builds.load("contract", ISA)
_gather = builds.load("gather", ISA)


def apply(
    resampling: Resampling, source: Array, reads: Box, writes: Box, num_threads: int, empty: Empty = np.empty
) -> Array:
    """The output box `writes`, from `source`, which holds the samples of the box `reads`.

    source : of shape ``shape_of(reads)``, where reads is ``resampling.reads(writes)``, and of its input dtype, in any
        byte order and memory layout; not changed.
    empty : makes the result's array.
    """
    shape, dtype = shape_of(writes), resampling.out_dtype
    if 0 in shape:
        return np.empty(shape, dtype)
    data = source
    if resampling.stages:
        data = empty(shape, source.dtype if resampling.copies else dtype)
        pieces = pieces_of(resampling, writes)
        if pieces is None:
            _fill(resampling, source, reads, writes, data, num_threads)
        else:
            for piece in pieces:
                box = resampling.reads(piece)
                _fill(resampling, source[within(box, reads)], box, piece, data[within(piece, writes)], num_threads)
    if native(data.dtype) != dtype:
        copies, data = data, empty(shape, dtype)
        _run_stage(resampling, None, copies.astype(native(copies.dtype), copy=False), writes, writes, data, num_threads)
    return data.astype(dtype, order="C", copy=data is source)


def _fill(resampling: Resampling, source: Array, reads: Box, writes: Box, target: Array, num_threads: int) -> None:
    """A box whose tables take little memory."""
    if resampling.copies:
        _gather_box(resampling, source, reads, writes, target, num_threads)
    elif resampling.fixed_point:
        filter_box(resampling, source, reads, writes, target, num_threads)
    elif resampling.sums.by_bits:
        mean_box(
            resampling, source.astype(native(source.dtype), copy=False), reads, writes, target, num_threads, _run_stages
        )
    else:
        _run_stages(resampling, source.astype(native(source.dtype), copy=False), reads, writes, target, num_threads)


def _run_stages(
    resampling: Resampling, source: Array, reads: Box, writes: Box, target: Array, num_threads: int
) -> None:
    """One stage; or several, with what lies between them in slabs."""
    if len(resampling.stages) == 1:
        _run_stage(resampling, 0, source, reads, writes, target, num_threads)
        return
    plan = slabs(resampling, writes)
    wide = [buffers.workspace(f"between_{k}", size) for k, size in enumerate(plan.wide)]
    thin = [buffers.workspace(f"thin_{k}", size) for k, size in enumerate(plan.thin)]
    for groups in plan.groups:
        data = source[within(groups[0].boxes[0], reads)]
        for number, group in enumerate(groups):
            box = group.boxes[-1]
            last = number == len(groups) - 1
            to = target[within(box, writes)] if last else _array(wide[number % 2], box, resampling.acc_dtype)
            for boxes in group.slabs:
                begin, end = data[within(boxes[0], group.boxes[0])], to[within(boxes[-1], box)]
                _run_group(resampling, group, boxes, begin, end, thin, num_threads)
            data = to


def _run_group(
    resampling: Resampling,
    group: Group,
    boxes: tuple[Box, ...],
    data: Array,
    target: Array,
    thin: Sequence[Array],
    num_threads: int,
) -> None:
    """The stages of a group from the first of `boxes` to the last."""
    for k, (reads, writes) in enumerate(pairwise(boxes)):
        to = target if k == len(boxes) - 2 else _array(thin[k % 2], writes, resampling.acc_dtype)
        _run_stage(resampling, group.first + k, data, reads, writes, to, num_threads)
        data = to


def _array(memory: Array, box: Box, dtype: DType) -> Array:
    return memory[: size_of(box) * dtype.itemsize].view(dtype).reshape(shape_of(box))


def _run_stage(
    resampling: Resampling, number: int | None, data: Array, reads: Box, writes: Box, target: Array, num_threads: int
) -> None:
    """A stage, by its number, or only the conversion to the target's dtype."""
    if number is not None and (found := prefilter_of(resampling.stages[number])):
        axis, op = found
        prefilter_box(op, axis, data, reads[axis], writes[axis], target, num_threads)
        return
    threads = threads_for(max(data.size, target.size), num_threads)
    joined, contraction = _contraction(resampling, number, data.dtype, target.dtype, reads, writes, threads)
    if data.ndim > joined + 1:
        data, target = (array.reshape(*array.shape[:joined], -1) for array in (data, target))
    if data.strides[-1] != data.itemsize:
        data = np.ascontiguousarray(data)
    threads = min(threads, contraction.tiles)
    contraction(data, target, buffers.workspace("scratch", threads * contraction.scratch_bytes), threads)


def _contraction(
    resampling: Resampling, number: int | None, in_dtype: DType, out_dtype: DType, reads: Box, writes: Box, threads: int
) -> tuple[int, Any]:
    """The prepared kernel call, and how many leading axes keep their own level; the others are one row."""
    if are_small(resampling):
        return _contraction_of_few(resampling, number, in_dtype, out_dtype, reads, writes, threads)[:2]
    if number is not None:
        reads, writes = alike(tables(resampling.stages[number]), reads, writes)
    return _contraction_of_many(resampling, number, in_dtype, out_dtype, reads, writes, threads)[:2]


def _prepared(
    resampling: Resampling, number: int | None, in_dtype: DType, out_dtype: DType, reads: Box, writes: Box, threads: int
) -> tuple[int, Any, int]:
    """The same made, and the bytes of its tables."""
    stage = None if number is None else tables(resampling.stages[number])
    if stage is None:  # nothing to contract: convert
        shape = shape_of(writes)
        levels = [Level("loop", axis, size, size) for axis, size in enumerate(shape[:-1])]
        levels.append(Level("copy", len(shape) - 1, shape[-1], shape[-1]))
        for level in levels[:-1]:
            level.tile = 1
    else:
        levels = levels_of(stage, writes)
        choose_tiles(levels, resampling.acc_dtype.itemsize, threads)
    acc_dtype = resampling.acc_dtype
    multiples = resampling.sums.multiples or (None,) * len(writes)
    described = [_kernel_level(level, reads, acc_dtype, multiples) for level in levels]
    codes = CODES[in_dtype], CODES[out_dtype], CODES[acc_dtype]
    prepared = _contract.Contraction(described, *codes, 0 if stage is None else resampling.sums.divisor)
    return len(levels) - 1, prepared, table_bytes(described)


_contraction_of_few = lru_cache(maxsize=64)(_prepared)
_contraction_of_many = Kept(_prepared, size=lambda prepared: prepared[2])


def _kernel_level(level: Level, reads: Box, acc_dtype: DType, multiples: tuple[int | None, ...]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "kind": level.kind, "size": level.size, "tile": level.tile, "max_reads": level.max_reads,
    }  # fmt: skip
    rows = level.rows
    if rows is None:
        return described
    group_reads = level.group_reads
    described |= {"taps": level.taps, "group": level.group, "group_reads": group_reads}
    described["share"] = level.group > 1 and level.shares and group_reads <= SHARED_ROWS
    start = rows.start - reads[level.axis][0]
    count = rows.count
    weights = kernel_weights(rows.weights[:, : level.taps], count, acc_dtype, multiples[level.axis])
    arrays: dict[str, Array] = {"start": start, "count": count, "weights": weights}
    if level.kind == "row":
        described |= {"step": level.channels, "channels": level.channels}
        arrays |= row_tables(start, count, weights, level.channels)
    described["tables"] = {name: _as_bytes(array) for name, array in arrays.items()}
    return described


def _as_bytes(table: Array) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(table).reshape(-1).view(np.uint8)


def row_tables(
    start: npt.NDArray[np.int64], count: npt.NDArray[np.int32], weights: Array, channels: int
) -> dict[str, Array]:
    """A row's table by blocks of lanes, one lane per output element (position and channel): see
    kernels/contract/contract.h.
    """
    lanes: int = _contract.LANES[weights.itemsize]
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
    furthest = index[:, -1] if channels == 1 else index.max(axis=1)
    shape = np.stack([all_taps, any_taps, furthest, consecutive], axis=1)
    taps = weights.shape[1]
    by_tap = np.empty((blocks, taps, lanes), weights.dtype)
    whole = elements // lanes if channels == 1 else 0
    by_tap[:whole] = weights[: whole * lanes].reshape(whole, lanes, taps).transpose(0, 2, 1)
    rest = weights[position[whole * lanes :]]
    by_tap[whole:] = rest.reshape(blocks - whole, lanes, taps).transpose(0, 2, 1)
    return {"base": base, "index": index, "lane_count": lane_count, "shape": shape.astype(np.int32), "weights": by_tap}


def _gather_box(
    resampling: Resampling, source: Array, reads: Box, writes: Box, target: Array, num_threads: int
) -> None:
    gather = _gathering(resampling, reads, writes, source.shape, source.strides)
    if gather is None:
        source = np.ascontiguousarray(source)
        gather = _gathering(resampling, reads, writes, source.shape, source.strides)
        assert gather is not None
    gather(source, target, min(threads_for(target.nbytes // 4, num_threads), gather.rows))


def _gathering(
    resampling: Resampling, reads: Box, writes: Box, shape: tuple[int, ...], strides: tuple[int, ...]
) -> Any:
    make = _gathering_of_few if are_small(resampling) else _gathering_made
    return make(resampling, reads, writes, shape, strides)


def _gathering_made(
    resampling: Resampling, reads: Box, writes: Box, shape: tuple[int, ...], strides: tuple[int, ...]
) -> Any:
    """The prepared kernel call for a source of this layout; None where a row's samples do not lie side by side."""
    (stage,) = map(tables, resampling.stages)
    last = max(axis for axis, op in enumerate(stage) if op is not None)
    contiguous = resampling.in_dtype.itemsize
    for size, step in zip(shape[:last:-1], strides[:last:-1], strict=True):
        if size > 1 and step != contiguous:
            return None
        contiguous *= size
    if shape[last] > 1 and strides[last] != contiguous:
        return None
    rows = np.zeros(1, np.int64)
    for axis, stride in enumerate(strides[:last]):
        rows = (rows[:, None] + picks(stage[axis], reads[axis], writes[axis]) * stride).reshape(-1)
    index = picks(stage[last], reads[last], writes[last])
    rows = rows + index[0] * contiguous
    index = index - index[0]
    if index[-1] > np.iinfo(np.int32).max:  # a row too long for the kernel's indices: every item a row of its own
        rows, index = (rows[:, None] + index * contiguous).reshape(-1), np.zeros(1, np.int64)
    steps = np.diff(index)
    stride = int(steps[0]) if len(steps) and (steps == steps[0]).all() else 0
    return _gather.Gather(rows, index.astype(np.int32), stride, contiguous)


_gathering_of_few = lru_cache(maxsize=16)(_gathering_made)


def picks(op: Operator | None, reads: Interval, writes: Interval) -> npt.NDArray[np.int64]:
    """For each output of an interval, the sample it copies, counted from the first sample read."""
    if op is None:
        return np.arange(writes[1] - writes[0])
    return op.rows(*writes).start - reads[0]
