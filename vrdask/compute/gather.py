"""Copy samples along all axes: prepares the calls of the kernel `gather`, and makes them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Interval
from vrdask.compute import builds
from vrdask.compute.table_cuts import alike, are_small
from vrdask.compute.threads import threads_for
from vrdask.transforms.operators import Operator
from vrdask.transforms.resampling import Resampling, tables

Array = npt.NDArray[Any]

_kernel = builds.load("gather", builds.choose())


NANOSECONDS = 0.4
"""Of an item, about."""


def gather_box(resampling: Resampling, source: Array, reads: Box, writes: Box, target: Array, num_threads: int) -> None:
    """Fill `target`, the box `writes` of a result whose every sample is one of the source's, of which `source` holds
    the box `reads`.
    """
    gather = _gathering(resampling, reads, writes, source.shape, source.strides)
    if gather is None:
        source = np.ascontiguousarray(source)
        gather = _gathering(resampling, reads, writes, source.shape, source.strides)
        assert gather is not None
    if num_threads > 1:
        num_threads = min(threads_for(NANOSECONDS * target.size, num_threads), gather.rows)
    gather(source, target, num_threads)


def _gathering(
    resampling: Resampling, reads: Box, writes: Box, shape: tuple[int, ...], strides: tuple[int, ...]
) -> Any:
    if writes != resampling.whole[1]:  # boxes with the same tables share a prepared call
        reads, writes = alike(tables(resampling.stages[0]), reads, writes)
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
    return _kernel.Gather(rows, index.astype(np.int32), stride, contiguous)


_gathering_of_few = lru_cache(maxsize=16)(_gathering_made)


def picks(op: Operator | None, reads: Interval, writes: Interval) -> npt.NDArray[np.int64]:
    """For each output of an interval, the sample it copies, counted from the first sample read."""
    if op is None:
        return np.arange(writes[1] - writes[0])
    return op.rows(*writes).start - reads[0]
