"""Apply a resampling to one box: from the source samples that an output box reads to the output box.

Everything above this (in memory, dask, Zarr) is a way to choose boxes and to bring their samples here. The bits of an
output sample depend on the resampling alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask import buffers
from vrdask.boxes import Box, shape_of, size_of, within
from vrdask.buffers import Empty
from vrdask.compute.contract import contract_box
from vrdask.compute.gather import gather_box
from vrdask.compute.mean import mean_box
from vrdask.compute.prefilter import prefilter_box
from vrdask.compute.reduce_box import reduce_box
from vrdask.compute.slabs import Group, slabs
from vrdask.compute.stand_ins import in_numbers, numbers_of, samples_of, with_parts
from vrdask.compute.table_cuts import pieces_of
from vrdask.compute.uint8_filter.whole_box import filter_box
from vrdask.dtypes import DType, in_native_order, native
from vrdask.transforms.resampling import Resampling, prefilter_of

Array = npt.NDArray[Any]


def apply(
    resampling: Resampling, source: Array, reads: Box, writes: Box, num_threads: int, empty: Empty = np.empty
) -> Array:
    """The output box `writes`, from `source`, which holds the samples of the box `reads`.

    source : of shape ``shape_of(reads)``, where reads is ``resampling.reads(writes)``, and of its input dtype, in any
        byte order and memory layout; not changed.
    empty : makes the result's array.
    """
    is_whole = writes is resampling.whole[1]
    shape, dtype = resampling.out_shape if is_whole else shape_of(writes), resampling.out_dtype
    if 0 in shape:
        return np.empty(shape, dtype)
    if (of_numbers := in_numbers(resampling)) is not None:
        boxes = with_parts(source.dtype, reads), with_parts(source.dtype, writes)
        return samples_of(apply(of_numbers, numbers_of(source), *boxes, num_threads, empty), dtype, empty)
    if resampling.blocks is not None:
        return reduce_box(resampling.blocks, source, num_threads, empty)
    data = source
    if resampling.stages:
        data = empty(shape, source.dtype if resampling.copies and source.dtype != dtype else dtype)
        pieces = pieces_of(resampling, writes)
        if pieces is None:
            _fill(resampling, source, reads, writes, data, num_threads)
        else:
            for piece in pieces:
                box = resampling.reads(piece)
                _fill(resampling, source[within(box, reads)], box, piece, data[within(piece, writes)], num_threads)
    if data.dtype is dtype and data is not source:
        return data
    if native(data.dtype) != dtype:
        copies, data = data, empty(shape, dtype)
        _run_stage(resampling, None, in_native_order(copies), writes, writes, data, num_threads)
    return data.astype(dtype, order="C", copy=data is source)


def _fill(resampling: Resampling, source: Array, reads: Box, writes: Box, target: Array, num_threads: int) -> None:
    """A box whose tables take little memory."""
    if resampling.copies:
        gather_box(resampling, source, reads, writes, target, num_threads)
    elif resampling.fixed_point:
        filter_box(resampling, source, reads, writes, target, num_threads)
    elif resampling.sums.by_bits:
        mean_box(resampling, in_native_order(source), reads, writes, target, num_threads, _run_stages)
    else:
        _run_stages(resampling, in_native_order(source), reads, writes, target, num_threads)


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
    else:
        contract_box(resampling, number, data, reads, writes, target, num_threads)
