"""What the sampler computes, in a few lines of numpy: its specification, to the bit.

Slow and plain; always on the whole array. Steps as in kernels/sample/sample.h: positions, padding, index and fraction,
taps with folded indices, and sums along the axes from first to last in which a tap of weight zero does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, shape_of, whole
from vrdask.transforms import reference
from vrdask.transforms.affine import Affine
from vrdask.transforms.grid import GridSampling
from vrdask.transforms.interpolators import reflect
from vrdask.transforms.prefilter import mirrored
from vrdask.transforms.sampling import Sampling
from vrdask.transforms.spline_coefficients import SplineFilter

Array = npt.NDArray[Any]


def grid_positions(grid_sampling: GridSampling, grid: Array) -> list[Array]:
    """Per spatial axis, positions of shape (N, ..): float32 or float64 as the grid is."""
    grid = grid.astype(grid_sampling.grid_dtype)
    real = grid_sampling.grid_dtype.type
    result = []
    for axis in range(grid_sampling.rank):
        scale, shift = grid_sampling.scale_and_shift(axis)
        with np.errstate(over="ignore", invalid="ignore"):
            result.append((grid[..., grid_sampling.rank - 1 - axis] + real(1)) * real(scale) - real(shift))
    return result


def affine_positions(affine: Affine, box: Box) -> list[Array]:
    """Per sampled axis, float64 positions of a box of the sampled output axes."""
    sizes = shape_of(box)
    index = [np.arange(*ends, dtype=np.float64).reshape([-1 if k == j else 1 for j in range(len(sizes))])
             for k, ends in enumerate(box)]  # fmt: skip
    result = []
    for row, offset in zip(affine.matrix, affine.offset, strict=True):
        total = row[0] * index[0]
        for factor, i in zip(row[1:], index[1:], strict=True):
            total = total + factor * i
        result.append(np.broadcast_to(total + offset, sizes))
    return result


def padded(sampling: Sampling, n: int, at: Array) -> Array:
    """Positions after the padding rule."""
    real = at.dtype.type
    last, low = real(n - 1), real(sampling.low)
    span = last - 2 * low
    rule = sampling.padding.rule
    with np.errstate(invalid="ignore", over="ignore"):
        if rule == "wrap":
            rest: Array = np.fmod(at, real(n))
            return np.where(rest < 0, rest + real(n), rest)
        if rule == "inside":
            slack = real(sampling.slack(n))
            at = np.where((at < 0) & (at >= -slack), real(0), at)
            return np.where((at > last) & (at <= last + slack), last, at)
        if rule == "reflect":
            if not span > 0:
                return np.zeros_like(at)
            from_low = np.abs(at - low)
            limit = real(2**22 if real == np.float32 else 2**30)
            near = np.abs(at) < limit
            extra = from_low - np.trunc(from_low / (2 * span)) * (2 * span)
            folded = np.minimum(extra, 2 * span - extra)
            if not sampling.two_d:
                flips = np.floor(from_low / span).astype(np.float64)
                remainder = np.fmod(from_low, span)
                far = np.where((flips < 2**31) & (np.fmod(flips, 2) == 1), span - remainder, remainder)
                folded = np.where(near, folded, far)
            at = folded + low
        if rule in ("reflect", "clamp"):
            first = low if sampling.mode == "cubic" else real(0)
            return np.where(np.isnan(at), first if sampling.two_d else last - first, at.clip(first, last - first))
    return at


def split(sampling: Sampling, n: int, at: Array) -> tuple[Array, Array]:
    """Index and fraction; for "nearest" the index rounded to, and zeros."""
    real = at.dtype.type
    at = np.where(np.isnan(at), real(-4), at.clip(real(-4), real(n + 4)))
    if sampling.mode == "nearest":
        index = np.floor(at + real(0.5)) if sampling.half_up else np.rint(at)
        return index.astype(np.int64), np.zeros_like(at)
    index = np.floor(at)
    return index.astype(np.int64), at - index


def weights(sampling: Sampling, fraction: Array) -> list[Array]:
    """One weight per tap, in the accumulator's precision; taps begin at index, for "cubic" one before it."""
    real = sampling.acc_dtype.type
    t = fraction.astype(real)
    u = real(1) - t
    if sampling.mode == "linear":
        return [u, t]
    tt, uu = t * t, u * u
    inner = [(4 - 6 * square + 3 * (square * x)) / real(6) for square, x in ((tt, t), (uu, u))]
    return [uu * u / real(6), *inner, tt * t / real(6)]


def taps(sampling: Sampling, n: int, at: Array) -> tuple[Array, Array, Array]:
    """Per point the first sample of its window, a weight for each of its samples, and the sum of the weights."""
    index, fraction = split(sampling, n, at)
    count = sampling.taps
    result = np.zeros((count, *at.shape), sampling.acc_dtype)
    first = index - (count == 4)
    start = first if sampling.wraps else first.clip(0, max(n - count, 0))
    for k, weight in enumerate(weights(sampling, fraction)):
        to = first + k
        if sampling.wraps:
            result[k] = weight
            continue
        if count == 4:
            to = mirrored(to, n) if sampling.mirror else reflect(to, n)
        for slot in range(count):
            here = (to - start == slot) & (to >= 0) & (to < n) & (weight != 0)
            result[slot] = np.where(here, result[slot] + weight, result[slot])
    there = result[0] + result[1]
    return start, result, np.where((result[0] != 0) & (result[1] != 0), 1, there)


def _pick(x: Array, index: Sequence[Array]) -> Array:
    """Samples of the last axes."""
    picked: Array = x[(slice(None),) * (x.ndim - len(index)) + tuple(index)]
    return picked


def contracted(taps: list[Array], weight: Array) -> Array:
    """The sum of weight times tap in ascending order; taps of weight zero do not count."""
    total: Array = weight[0] * taps[0]
    some = weight[0] != 0
    for w, tap in zip(weight[1:], taps[1:], strict=True):
        product = w * tap
        total = np.where(w == 0, total, np.where(some, total + product, product))
        some = some | (w != 0)
    return total


def at_positions(sampling: Sampling, x: Array, positions: list[Array], held: Box | None = None) -> Array:
    """Values of `x`, whose last axes are sampled, at positions that all leading axes share.

    held : the box of samples, one interval per sampled axis, that `x` holds: those that the positions weigh; by default
        all.
    """
    sizes = sampling.sizes
    held = whole(sizes) if held is None else held

    def place(axis: int, index: Array) -> Array:
        start, stop = held[axis]
        if sampling.wraps:
            return ((index - start) % sizes[axis]).clip(0, stop - start - 1)
        return index.clip(start, stop - 1) - start

    inside = np.ones(positions[0].shape, bool)
    positions = [padded(sampling, n, at) for n, at in zip(sizes, positions, strict=True)]
    if sampling.padding.rule == "inside":
        for n, at in zip(sizes, positions, strict=True):
            inside &= (at >= 0) & (at <= n - 1)
    if sampling.wraps:
        for at in positions:
            inside &= np.isfinite(at)
    if sampling.mode == "nearest":
        index = [split(sampling, n, at)[0] for n, at in zip(sizes, positions, strict=True)]
        for n, i in zip(sizes, index, strict=True):
            inside &= (i >= 0) & ((i < n) | sampling.wraps)
        if x.dtype != sampling.out_dtype:
            x = reference.convert(x, sampling.out_dtype)
        values = _pick(x, [place(axis, i) for axis, i in enumerate(index)])
        return np.where(inside, values, sampling.fill_item)
    found = [taps(sampling, n, at) for n, at in zip(sizes, positions, strict=True)]
    x = x.astype(sampling.acc_dtype)

    def along(axis: int, chosen: tuple[Array, ...]) -> Array:
        if axis == len(sizes):
            return _pick(x, chosen)
        start, _, _ = found[axis]
        return np.stack([along(axis + 1, (*chosen, place(axis, start + k))) for k in range(sampling.taps)])

    with np.errstate(invalid="ignore", over="ignore"):
        values = along(0, ())
        for _, weight, _ in found:
            batch = (1,) * (values.ndim - weight.ndim)
            values = contracted(list(values), weight.reshape(weight.shape[0], *batch, *weight.shape[1:]))
    fill = sampling.acc_dtype.type(sampling.fill)
    there = np.ones(inside.shape, sampling.acc_dtype)
    for _, weight, share in found:
        inside &= (weight != 0).any(axis=0)
        there = there * share.astype(sampling.acc_dtype)
    if sampling.padding.fills_taps and fill != 0:
        missing = 1 - there
        with np.errstate(invalid="ignore", over="ignore"):
            values = np.where(missing != 0, values + fill * missing, values)
    return reference.convert(np.where(inside, values, fill), sampling.out_dtype)


def coefficients(prefilter: SplineFilter | None, x: Array) -> Array:
    return x if prefilter is None else reference.resample(prefilter, x)


def grid_sample(grid_sampling: GridSampling, x: Array, grid: Array) -> Array:
    """The whole result at once."""
    data = coefficients(grid_sampling.prefilter, x)
    positions = grid_positions(grid_sampling, grid)
    return np.stack([
        at_positions(grid_sampling.sampling, data[n], [at[n] for at in positions]) for n in range(len(x))
    ])  # fmt: skip


def affine_transform(affine: Affine, x: Array) -> Array:
    """The whole result at once."""
    data = coefficients(affine.prefilter, x)
    last = tuple(range(-len(affine.axes), 0))
    outputs = whole([affine.out_shape[axis] for axis in affine.axes])
    result = at_positions(affine.sampling, np.moveaxis(data, affine.axes, last), affine_positions(affine, outputs))
    return np.moveaxis(result, last, affine.axes)
