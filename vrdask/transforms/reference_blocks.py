"""What the kernel `reduce` computes, in a few lines of numpy: its specification, to the bit.

Slow and plain. Sums of integers are exact. A float is summed in float64: first, for each place along the last axis that
has blocks, over the block's other places in C order; then these sums, in order. Then it is divided by the count.

Where values are compared (majority, median, min, max), NaN is one value. In median it comes after all others.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import ceil_div
from vrdask.dtypes import DType
from vrdask.transforms.blocks import Blocks
from vrdask.transforms.reference import convert

Array = npt.NDArray[Any]


def downsample(blocks: Blocks, x: Array) -> Array:
    """The blocks of an array that begins with a whole one along each axis: the whole array, or the samples of a box."""
    x = x.astype(x.dtype.newbyteorder("="), copy=False)
    shape = tuple(map(ceil_div, x.shape, blocks.factors))
    result = np.empty(shape, blocks.out_dtype)
    if 0 in shape:
        return result
    if blocks.mode == "stride":
        result[...] = _converted(x[tuple(slice(None, None, factor) for factor in blocks.factors)], blocks.out_dtype)
        return result
    for some in product(*map(_alike, x.shape, blocks.factors)):
        samples = x[tuple(slice(start * step, start * step + count * size) for start, count, step, size in some)]
        counts, sizes = [count for _, count, _, _ in some], [size for *_, size in some]
        apart = samples.reshape([n for pair in zip(counts, sizes, strict=True) for n in pair])
        apart = np.moveaxis(apart, range(1, 2 * x.ndim, 2), range(x.ndim, 2 * x.ndim))
        place = tuple(slice(start, start + count) for start, count, _, _ in some)
        result[place] = _reduced(blocks, apart, sizes)
    return result


def _alike(n: int, factor: int) -> list[tuple[int, int, int, int]]:
    """Blocks of one size along an axis: the first one, how many, the factor, and the size."""
    full, rest = divmod(n, factor)
    whole, last = [(0, full, factor, factor)] if full else [], [(full, 1, factor, rest)] if rest else []
    return whole + last


def _reduced(blocks: Blocks, x: Array, sizes: list[int]) -> Array:
    """Each block, whose samples lie along the last axes, as many as there are sizes."""
    count, outer = prod(sizes), x.shape[: x.ndim - len(sizes)]
    if blocks.mode == "mean":
        if x.dtype.kind == "f":
            return _mean_of_floats(x, sizes, blocks)
        return mean_of_integers(_sums(x.reshape(*outer, count)), count, blocks.out_dtype)
    flat = x.reshape(*outer, count)
    if blocks.mode in ("min", "max"):
        found = _extreme(flat, blocks.mode == "min")
    else:
        ordered = np.sort(flat + 0 if flat.dtype.kind == "f" and blocks.mode == "majority" else flat, axis=-1)
        found = ordered[..., (count - 1) // 2] if blocks.mode == "median" else _majority(ordered, blocks.sparse)
    return _converted(found, blocks.out_dtype)


def _mean_of_floats(x: Array, sizes: list[int], blocks: Blocks) -> Array:
    if not sizes:  # an array without axes
        return convert(x, blocks.out_dtype)
    outer = x.ndim - len(sizes)
    last = max((axis for axis, factor in enumerate(blocks.factors) if factor > 1), default=0)
    along = np.moveaxis(x.astype(np.float64), outer + last, outer)  # the other places, in C order, come after it
    along = along.reshape(*along.shape[: outer + 1], -1)
    with np.errstate(invalid="ignore", over="ignore"):
        sums = along[..., 0]
        for place in range(1, along.shape[-1]):
            sums = sums + along[..., place]
        total = sums[..., 0]
        for place in range(1, sums.shape[-1]):
            total = total + sums[..., place]
        return convert(total / prod(sizes), blocks.out_dtype)


def _sums(x: Array) -> Array:
    return x.astype(object if x.dtype.itemsize == 8 else np.int64).sum(axis=-1)


def mean_of_integers(sums: Array, count: int | Array, dtype: DType) -> Array:
    """Exact sums (of int64, or Python's integers) over their counts: an integer is rounded half to even and saturates;
    a float is the whole quotient plus the rest's, in float64.
    """
    whole, rest = np.floor_divide(sums, count), np.mod(sums, count)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            floats: Array = whole.astype(np.float64) + np.true_divide(rest, count).astype(np.float64)
            return floats.astype(dtype)
    whole = whole + ((2 * rest > count) | ((2 * rest == count) & (whole % 2 == 1)))
    limits = np.iinfo(np.uint8 if dtype == np.bool_ else dtype)
    lowest, highest = int(limits.min), int(limits.max)
    if whole.dtype != object:  # a limit of uint64 is no int64
        lowest, highest = max(lowest, -(2**63)), min(highest, 2**63 - 1)
    result: Array = np.clip(whole, lowest, highest).astype(dtype)
    return result


def _extreme(flat: Array, lowest: bool) -> Array:
    """NaN only where there is nothing else; -0 lies below +0."""
    found: Array = (np.fmin if lowest else np.fmax).reduce(flat, axis=-1)
    if flat.dtype.kind != "f":
        return found
    zero = np.float64(-0.0 if lowest else 0.0).astype(flat.dtype)
    there = ((flat == 0) & (np.signbit(flat) == lowest)).any(axis=-1)
    return np.where((found == 0) & there, zero, found)


def _majority(ordered: Array, sparse: bool) -> Array:
    """Of sorted samples the one of the longest run; of several the first."""
    count = ordered.shape[-1]
    same = ordered[..., 1:] == ordered[..., :-1]
    if ordered.dtype.kind == "f":
        same |= np.isnan(ordered[..., 1:]) & np.isnan(ordered[..., :-1])
    best, most = ordered[..., 0].copy(), np.zeros(ordered.shape[:-1], np.int64)
    run = np.zeros_like(most)
    for place in range(count):
        value = ordered[..., place]
        run = np.where(same[..., place - 1], run + 1, 1) if place else run + 1
        counted = run > most if not sparse else (run > most) & (value != 0)
        best, most = np.where(counted, value, best), np.where(counted, run, most)
    return np.where(most == 0, np.zeros((), ordered.dtype), best) if sparse else best


def _converted(x: Array, dtype: DType) -> Array:
    if x.dtype == dtype:
        return x
    return convert(x.view(np.uint8) if x.dtype == np.bool_ else x, dtype)
