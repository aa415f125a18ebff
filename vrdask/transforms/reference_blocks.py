"""What the kernel `reduce` computes, in a few lines of numpy: its specification, to the bit.

Slow and plain. Sums of integers are exact. Floats are added up in C order, in float64, and divided by their count; so a
constant of up to 32 bits stays what it is. Where values are compared (majority, median, min, max), -0 lies below +0,
but is +0 in majority; and NaN is one value, above all others: but min and max have it only where there is nothing else.
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
    count = prod(sizes)
    flat = x.reshape(*x.shape[: x.ndim - len(sizes)], count)
    if blocks.mode == "mean":
        if x.dtype.kind != "f":
            return mean_of_integers(_sums(flat), count, blocks.out_dtype)
        total = flat[..., 0].astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            for place in range(1, count):
                total = total + flat[..., place]
            return convert(total / count, blocks.out_dtype)
    keys = _keys(flat, blocks.mode)
    if blocks.mode in ("min", "max"):
        found = keys.min(axis=-1) if blocks.mode == "min" else keys.max(axis=-1)
    elif blocks.mode == "median":
        found = np.sort(keys, axis=-1)[..., (count - 1) // 2]
    else:
        found = _majority(np.sort(keys, axis=-1), _keys(np.zeros(1, x.dtype), "majority") if blocks.sparse else None)
    return _converted(_values(found, x.dtype), blocks.out_dtype)


def _sums(x: Array) -> Array:
    sums: Array = x.astype(object if x.dtype.itemsize == 8 else np.int64).sum(axis=-1)
    return sums


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


def _keys(x: Array, mode: str) -> Array:
    """Integers in the order of the samples: of floats the bits, of which those of negative ones are turned round."""
    if x.dtype.kind != "f":
        return x
    bits = x.view(f"i{x.itemsize}")
    least, most = np.iinfo(bits.dtype).min, np.iinfo(bits.dtype).max
    keys = np.where(bits < 0, ~bits ^ bits.dtype.type(least), bits)
    if mode == "majority":
        keys = np.where(x == 0, 0, keys)
    return np.where(np.isnan(x), bits.dtype.type(least if mode == "max" else most), keys).astype(bits.dtype)


def _values(keys: Array, dtype: DType) -> Array:
    if dtype.kind != "f":
        return keys
    least, most = np.iinfo(keys.dtype).min, np.iinfo(keys.dtype).max
    bits: Array = np.where(keys < 0, ~(keys ^ keys.dtype.type(least)), keys)
    return np.where((keys == least) | (keys == most), dtype.type("nan"), bits.view(dtype))


def _majority(ordered: Array, skipped: Array | None) -> Array:
    """Of sorted keys the one of the longest run; of several the first. skipped : only where there is nothing else."""
    most, run = np.zeros((2, *ordered.shape[:-1]), np.int64)
    best = ordered[..., 0].copy()
    for place in range(ordered.shape[-1]):
        key = ordered[..., place]
        run = np.where(key == ordered[..., place - 1], run + 1, 1) if place else run + 1
        counts = run > most if skipped is None else (run > most) & (key != skipped)
        best, most = np.where(counts, key, best), np.where(counts, run, most)
    return best if skipped is None else np.where(most == 0, skipped, best)


def _converted(x: Array, dtype: DType) -> Array:
    if x.dtype == dtype:
        return x
    return convert(x.view(np.uint8) if x.dtype == np.bool_ else x, dtype)
