"""Sample one box: from the samples that its positions weigh to its values. Calls the kernel.

Everything above this chooses boxes and brings their samples here. The bits of a value depend on the sampling and on its
position alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Interval, ceil_div, shape_of, size_of, slices_of, whole, within
from vrdask.buffers import Empty
from vrdask.compute import builds
from vrdask.compute.footprint import KERNEL_AXES
from vrdask.compute.resample_box import apply
from vrdask.compute.stand_ins import joined, parts_of
from vrdask.dtypes import CODES, DType, native
from vrdask.transforms.affine import Affine
from vrdask.transforms.grid import GridSampling
from vrdask.transforms.reference_sampling import affine_positions, at_positions, grid_positions, padded, split
from vrdask.transforms.resampling import resampling
from vrdask.transforms.sampling import Sampling
from vrdask.transforms.spline_coefficients import SplineFilter

Array = npt.NDArray[Any]

_kernel = builds.load("sample", builds.choose())

_POINTS_AT_ONCE = 8192
_TILE = (16, 16, 256)
"""An affine map's results are taken in boxes of this size."""
_ROW = 2048
"""A grid's points are taken in rows of this many."""
_VOXELS_PER_POINT = 4
"""An input of fewer is filtered or converted whole: finding the box would take longer than it saves."""
FAR = 1 << 40
"""Positions from here on are not told from each other where axes wrap."""
_VALUES_AT_ONCE = 1 << 18
"""Samples that numpy weighs at a time."""


def sample_affine(
    affine: Affine, source: Array, reads: Box, writes: Box, num_threads: int, empty: Empty = np.empty
) -> Array:
    """The output box `writes`, from `source`, which holds the samples of the box ``affine.reads(writes)``.

    empty : makes the result's array.
    """
    if of_numbers := affine.sampling.in_numbers:
        parts = [
            sample_affine(replace(affine, sampling=one), part, reads, writes, num_threads)
            for one, part in zip(of_numbers, parts_of(source), strict=True)
        ]
        return joined(parts, affine.out_dtype, empty)
    window = affine.window(writes)
    if any(start >= stop for start, stop in window):
        return np.broadcast_to(affine.sampling.fill_item, shape_of(writes)).copy()
    data = _data(affine.sampling, affine.prefilter, source, reads, window, affine.in_shape, num_threads)
    result = empty(shape_of(writes), affine.sampling.out_dtype)
    if len(affine.axes) > KERNEL_AXES:
        _sample_in_numpy(affine, data, window, writes, result)
        return result
    axes: list[dict[str, Any] | None] = [None] * KERNEL_AXES
    first, stride = [0, 0, 0], [0, 0, 0]
    sizes = [1, 1, 1]
    dummies = KERNEL_AXES - len(affine.axes)
    for number, axis in enumerate(affine.axes):
        place = dummies + number
        axes[place] = _axis(affine.sampling, number, window[axis], data.strides[axis]) | {
            "matrix": (0.0,) * dummies + affine.matrix[number],
            "offset": affine.offset[number],
        }
        first[place], stride[place] = writes[axis][0], result.strides[axis]
        sizes[place] = result.shape[axis]
    rest = [axis for axis in range(data.ndim) if axis not in affine.axes]
    width = sizes[2]
    _run(
        affine.sampling, axes, data, result, num_threads, _tile(sizes, num_threads),
        points=prod(sizes), width=width, inner=sizes[1], first=first, dst=stride,
        src_channel=_offsets(data, rest), dst_channel=_offsets(result, rest),
    )  # fmt: skip
    return result


def _sample_in_numpy(affine: Affine, data: Array, window: Box, writes: Box, result: Array) -> None:
    """A map of more axes than the kernel has: its specification, a few outputs at a time, into `result`.

    An output of four axes sums 16 samples, a cubic one 256: about as long as SciPy takes.
    """
    last = tuple(range(-len(affine.axes), 0))
    data, result = (np.moveaxis(array, affine.axes, last) for array in (data, result))
    held, outputs = (tuple(box[axis] for axis in affine.axes) for box in (window, writes))
    values = prod(data.shape[: -len(last)]) * affine.sampling.taps ** len(last)
    left, pieces = max(1, _VALUES_AT_ONCE // max(1, values)), []
    for start, stop in reversed(outputs):
        size = max(1, min(left, stop - start))
        left //= size
        pieces.append([(at, min(at + size, stop)) for at in range(start, stop, size)])
    for box in product(*reversed(pieces)):
        made = at_positions(affine.sampling, data, affine_positions(affine, box), held)
        place: tuple[Any, ...] = (..., *within(box, outputs))
        result[place] = made


def sample_grid(
    grid_sampling: GridSampling, source: Array, reads: Box, window: Box, grid: Array, channels: int, num_threads: int,
    empty: Empty = np.empty,
) -> Array:  # fmt: skip
    """Values at the positions of `grid`.

    source : (n, c, ..), which holds the box `reads` of the input, ``grid_sampling.reads(window)``.
    window : the box of what is sampled that holds every sample the grid's positions weigh; see `touched`.
    grid : (n, .., rank), numbers for the same n.
    channels : c, of the result where the window is empty.
    empty : makes the result's array.
    """
    if of_numbers := grid_sampling.sampling.in_numbers:
        parts = [
            sample_grid(replace(grid_sampling, sampling=one), part, reads, window, grid, channels, num_threads)
            for one, part in zip(of_numbers, parts_of(source), strict=True)
        ]
        return joined(parts, grid_sampling.sampling.out_dtype, empty)
    grid = _numbers(grid_sampling, grid)
    shape = (grid.shape[0], channels, *grid.shape[1:-1])
    if any(start >= stop for start, stop in window) or 0 in shape:
        return np.broadcast_to(grid_sampling.sampling.fill_item, shape).copy()
    how = grid_sampling.sampling, grid_sampling.prefilter
    data = _data(*how, source, reads, window, grid_sampling.in_shape, num_threads)
    result = empty(shape, grid_sampling.sampling.out_dtype)
    item = result.itemsize
    for n in range(len(grid)):
        axes = _grid_axes(grid_sampling, window, data.strides)
        _run(
            grid_sampling.sampling, axes, data[n], result[n], num_threads, (1, max(1, _POINTS_AT_ONCE // _ROW), _ROW),
            **_grid_points(grid_sampling, grid[n]), dst=(0, _ROW * item, item),
            src_channel=_offsets(data[n], [0]), dst_channel=_offsets(result[n], [0]),
        )  # fmt: skip
    return result


def sample_grid_at_once(
    grid_sampling: GridSampling, x: Array, grid: Array, num_threads: int, empty: Empty = np.empty
) -> Array:  # fmt: skip
    """Values of a whole input at a whole grid.

    Where the input is filtered or converted before it is sampled and a grid has few points, it is cut to the box that
    they weigh, for each batch its own. Many points take longer than what they sample.
    """
    everything, (batches, channels, *sizes) = whole(x.shape), x.shape
    sampling = grid_sampling.sampling
    prepared = grid_sampling.prefilter is not None or not x.dtype.isnative or _converts_first(sampling, x.dtype)
    prepared = prepared or bool(sampling.in_numbers) or sampling.wraps
    if not prepared or prod(grid.shape[1:-1]) * _VOXELS_PER_POINT > prod(sizes):
        window = (*everything[:2], *map(sampling.every, sizes))
        return sample_grid(grid_sampling, x, everything, window, grid, channels, num_threads, empty)
    result = empty(grid_sampling.out_shape, grid_sampling.sampling.out_dtype)
    for n in range(batches):
        window = ((n, n + 1), (0, channels), *touched(grid_sampling, grid[n : n + 1]))
        reads = grid_sampling.reads(window) if size_of(window) else window
        one = slice(n, n + 1)
        if sampling.wraps and size_of(reads):
            reads = ((n, n + 1), *everything[1:])
        result[one] = sample_grid(grid_sampling, x[slices_of(reads)], reads, window, grid[one], channels, num_threads)
    return result


def touched(grid_sampling: GridSampling, grid: Array) -> Box:
    """Per spatial axis the interval of samples (cubic: coefficients) that a grid's positions weigh; (0, 0) for none."""
    grid = _numbers(grid_sampling, grid)
    if grid_sampling.sampling.wraps:
        return _touched_around(grid_sampling, grid)
    whole = tuple((0, n) for n in grid_sampling.in_shape)
    none = np.zeros(0, np.int64)
    sampling = grid_sampling.sampling
    low, high = list(sampling.sizes), [-1] * grid_sampling.rank
    for n in range(len(grid)):
        axes = _grid_axes(grid_sampling, whole, (0,) * len(whole))
        sampler = _kernel.Sampler(
            axes, taps=sampling.taps, rule=sampling.padding.rule, rounding=int(sampling.half_up), two_d=sampling.two_d,
            **_grid_points(grid_sampling, grid[n]), dst=(0, 0, 0), src_channel=none, dst_channel=none,
        )  # fmt: skip
        for axis, (first, last) in enumerate(sampler.extent()[3 - grid_sampling.rank :]):
            low[axis], high[axis] = min(low[axis], first), max(high[axis], last)
    if any(last < first for first, last in zip(low, high, strict=True)):
        return ((0, 0),) * grid_sampling.rank
    return tuple((first, last + 1) for first, last in zip(low, high, strict=True))


def _touched_around(grid_sampling: GridSampling, grid: Array) -> Box:
    """The same where axes wrap, perhaps across an end. All taps: a window there does not slide."""
    sampling, found = grid_sampling.sampling, []
    for n, at in zip(sampling.sizes, grid_positions(grid_sampling, grid), strict=True):
        at = at[np.isfinite(at)]
        if not at.size:
            return ((0, 0),) * grid_sampling.rank
        if float(np.abs(at).max()) >= FAR:
            found.append(sampling.every(n))
            continue
        index, _ = split(sampling, n, padded(sampling, n, at))
        index += n * np.rint((np.floor(at).astype(np.int64) - index) / n).astype(np.int64)  # before it was moved
        found.append(sampling.around(n, int(index.min()), int(index.max())))
    return tuple(found)


def _tile(sizes: Sequence[int], num_threads: int) -> tuple[int, int, int]:
    """The boxes of an affine map's results that threads take in turn.

    A row of results crosses rows and slabs of samples, and those beside it cross the same ones: compact boxes find them
    in the cache. Where results are few, threads still have several boxes each.
    """
    outer, inner, points = _TILE
    return max(1, min(outer, sizes[0] // (4 * num_threads))), inner, points


def _numbers(grid_sampling: GridSampling, grid: Array) -> Array:
    return np.ascontiguousarray(grid, grid_sampling.grid_dtype)


def _data(
    sampling: Sampling, prefilter: SplineFilter | None, source: Array, reads: Box, window: Box, shape: tuple[int, ...],
    num_threads: int,
) -> Array:  # fmt: skip
    """What the kernel samples: the window's samples or coefficients, in this machine's byte order."""
    source = source.astype(source.dtype.newbyteorder("="), copy=False)
    if sampling.wraps:
        needed = window if prefilter is None else prefilter.reads(window)
        source, reads = _unrolled(source, reads, needed, shape), needed
    if prefilter is not None:
        return apply(prefilter, source, reads, window, num_threads)
    if reads != window:
        source = source[within(window, reads)]
    if _converts_first(sampling, source.dtype):
        copies = resampling(source.shape, source.shape, "nearest", in_dtype=source.dtype, out_dtype=sampling.out_dtype)
        return apply(copies, source, *copies.whole, num_threads)
    return source


def _unrolled(source: Array, reads: Box, needed: Box, shape: tuple[int, ...]) -> Array:
    """A box of an array of this shape that goes on with its first sample behind its last along any axis, from one that
    holds all its samples: a part of that where they lie there as they are needed.
    """
    along = []
    for (first, end), (start, stop), n in zip(reads, needed, shape, strict=True):
        runs, at = [], start
        while at < stop:
            here = (at - first) % n
            many = min(end - first - here, stop - at)
            assert many > 0, (reads, needed)
            runs.append((slice(at - start, at - start + many), slice(here, here + many)))
            at += many
        along.append(runs)
    if all(len(runs) == 1 for runs in along):
        return source[tuple([runs[0][1] for runs in along])]
    result = np.empty(shape_of(needed), source.dtype)
    for one in product(*along):
        result[tuple([to for to, _ in one])] = source[tuple([here for _, here in one])]
    return result


def _converts_first(sampling: Sampling, dtype: DType) -> bool:
    """Whether samples become the result's type before they are picked."""
    return sampling.mode == "nearest" and native(dtype) != sampling.out_dtype


def _axis(sampling: Sampling, number: int, held: Interval, stride: int) -> dict[str, Any]:
    n = sampling.sizes[number]
    return {
        "n": n, "origin": held[0], "held": held[1] - held[0], "stride": stride, "low": sampling.low,
        "slack": sampling.slack(n),
    }  # fmt: skip


def _grid_axes(grid_sampling: GridSampling, window: Box, strides: Sequence[int]) -> list[dict[str, Any] | None]:
    axes: list[dict[str, Any] | None] = [None] * (3 - grid_sampling.rank)
    for number in range(grid_sampling.rank):
        scale, shift = grid_sampling.scale_and_shift(number)
        axis = _axis(grid_sampling.sampling, number, window[number + 2], strides[number + 2])
        axes.append(axis | {"scale": scale, "shift": shift})
    return axes


def _grid_points(grid_sampling: GridSampling, grid: Array) -> dict[str, Any]:
    points = prod(grid.shape[:-1])
    return {
        "grid": grid.__array_interface__["data"][0], "grid_is_double": grid.dtype == np.float64,
        "rank": grid_sampling.rank, "points": points, "width": _ROW, "inner": max(ceil_div(points, _ROW), 1),
    }  # fmt: skip


def _offsets(array: Array, axes: Sequence[int]) -> npt.NDArray[np.int64]:
    """Bytes from the first item to that of each index along `axes`, in C order."""
    total = np.zeros(1, np.int64)
    for axis in axes:
        total = (total[:, None] + np.arange(array.shape[axis]) * array.strides[axis]).reshape(-1)
    return total


def _run(
    sampling: Sampling,
    axes: Sequence[dict[str, Any] | None],
    data: Array,
    result: Array,
    num_threads: int,
    tile: Sequence[int],
    **points: Any,
) -> None:
    codes: dict[str, Any] = {"item_size": data.itemsize}
    if sampling.mode != "nearest":
        codes = {
            "in_type": CODES[data.dtype], "acc_type": CODES[sampling.acc_dtype], "out_type": CODES[result.dtype],
            "fill": float(sampling.fill), "fill_taps": sampling.padding.fills_taps,
        }  # fmt: skip
    sampler = _kernel.Sampler(
        axes, taps=sampling.taps, rule=sampling.padding.rule, rounding=int(sampling.half_up), two_d=sampling.two_d,
        mirror=sampling.mirror, fill_item=sampling.fill_item.tobytes(), **codes, **points,
    )  # fmt: skip
    threads = max(1, min(num_threads, result.size // _POINTS_AT_ONCE))
    sampler.run(data.__array_interface__["data"][0], result.__array_interface__["data"][0], tile, threads)
