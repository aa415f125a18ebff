"""Apply the prefilter of cubic B-splines along one axis of a box.

The lines of an axis lie side by side: a run of them, neighbours in memory, is cut into strips that the kernel filters
together in cache. Along the last axis the run is the channels of a sample, or one element.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask import buffers
from vrdask.boxes import Interval, ceil_div
from vrdask.buffers import CACHE_LINE
from vrdask.compute import builds
from vrdask.compute.threads import threads_for
from vrdask.dtypes import CODES, DType
from vrdask.transforms.prefilter import Prefilter

Array = npt.NDArray[Any]

_prefilter = builds.load("prefilter", builds.choose())

NARROW_BYTES = 256
"""Of a sample of a strip at least: some neighbouring cache lines."""
NANOSECONDS = 1.0
"""Of a coefficient, about."""
PIECE_BYTES = 64 << 10
"""Of a piece of a strip: little enough for the second-level cache, and nearly for the first."""


def prefilter_box(
    op: Prefilter, axis: int, source: Array, reads: Interval, writes: Interval, target: Array, num_threads: int
) -> None:
    """Fill `target`, of float32 or float64, with the coefficients of `source`.

    reads, writes : what the two hold along `axis`; their other axes are equal.
    """
    if source.strides[-1] != source.itemsize and source.shape[-1] > 1:
        source = np.ascontiguousarray(source)
    run, starts = _runs(source.shape, source.strides, target.strides, axis, source.itemsize, target.itemsize)
    index, plain, weights = _tables(op, reads, writes, target.dtype)
    width, length, pitch = _piece(run, writes[1] - writes[0], 2 * op.radius, target.itemsize)
    threads = threads_for(NANOSECONDS * target.size, num_threads)
    held = (length + 2 * op.radius + _prefilter.SPARE) * pitch
    size = ceil_div(held * target.itemsize, CACHE_LINE) * CACHE_LINE
    _prefilter.prefilter(
        source,
        target,
        CODES[source.dtype],
        CODES[target.dtype],
        weights,
        index,
        plain,
        (source.strides[axis], target.strides[axis]),
        starts,
        run,
        width,
        pitch,
        length,
        buffers.workspace("scratch", threads * size).reshape(threads, size),
    )


def _piece(run: int, outputs: int, margin: int, itemsize: int) -> tuple[int, int, int]:
    """Lines and outputs that are filtered together, and the elements from one sample to the next while they are."""
    line = CACHE_LINE // itemsize
    narrow = min(run, NARROW_BYTES // itemsize)
    longest = max(2 * margin, PIECE_BYTES // (narrow * itemsize) - margin)
    length = ceil_div(outputs, ceil_div(outputs, longest))
    width = min(run, max(narrow, PIECE_BYTES // ((length + margin) * itemsize) // line * line))
    if width < line // 2:
        return width, length, width
    lines = ceil_div(width, line)
    return width, length, (lines + 1 + lines % 2) * line


@lru_cache(maxsize=64)
def _tables(
    op: Prefilter, reads: Interval, writes: Interval, dtype: DType
) -> tuple[npt.NDArray[np.int64], Interval, npt.NDArray[np.uint8]]:
    """Samples, counted from the first that is held; the positions whose samples are consecutive; weights."""
    return op.samples(writes) - reads[0], op.plain(writes), op.weights(dtype).view(np.uint8)


@lru_cache(maxsize=64)
def _runs(
    shape: tuple[int, ...], source: tuple[int, ...], target: tuple[int, ...], axis: int, in_size: int, out_size: int
) -> tuple[int, npt.NDArray[np.int64]]:
    """Lines of `axis` that are neighbours in both arrays, of these strides; where each such run begins, in bytes."""
    run, last = 1, len(shape) - 1
    while last > axis and (shape[last] == 1 or (source[last], target[last]) == (run * in_size, run * out_size)):
        run *= shape[last]
        last -= 1
    starts = np.zeros((1, 2), np.int64)
    for k in range(last + 1):
        if k != axis:
            steps = np.arange(shape[k])[:, None] * np.array([source[k], target[k]])
            starts = (starts[:, None] + steps).reshape(-1, 2)
    return run, starts
