"""Means of integers whose sums no float64 holds, of 64 bits or over very many samples; and means of very long rows.

Samples are taken apart into pieces of few bits, as their bytes lie; the pieces of windows are summed, exactly, by the
contraction or as they lie; and sums are put together while they are divided, as long division goes:

    sum over j of sums[j] * 2**(j * bits)  =  quotient * divisor + remainder

Slab by slab, since sums take more memory than results.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import reduce
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, ceil_div, shape_of, slabs_of, within
from vrdask.transforms import reference
from vrdask.transforms.coordinates import area_bounds
from vrdask.transforms.resampling import Resampling
from vrdask.transforms.sums import BITS, Pair, by_axis, has_long_rows, is_resampled, window_counts, window_lengths

Array = npt.NDArray[Any]
Int64s = npt.NDArray[np.int64]
Run = Callable[[Resampling, Array, Box, Box, Array, int], None]
"""The contraction: fills an array of float64 with sums, since weights are 1."""

SLAB_BYTES = 2 << 20
"""What samples that are taken apart, or sums, may take at a time."""


def mean_box(
    resampling: Resampling, source: Array, reads: Box, writes: Box, target: Array, num_threads: int, run: Run
) -> None:
    """Fill `target` with the exact means, halves to even; a float result is the quotient and the rest, added once."""
    longest = max(range(len(writes)), key=lambda axis: writes[axis][1] - writes[axis][0])
    count = min(writes[longest][1] - writes[longest][0], ceil_div(8 * max(source.size, target.size), SLAB_BYTES))
    sizes = resampling.in_shape, resampling.out_shape, resampling.steps
    pairs = by_axis(*sizes)
    most = prod(max(window_lengths(*pair)) for pair in pairs if is_resampled(*pair))
    long_rows = has_long_rows(*sizes)
    for box in slabs_of(writes, longest, count):
        needed = resampling.reads(box)
        samples = source[within(needed, reads)]
        counts = [window_counts(n_in, n_out, side, step) for (n_in, n_out, step), side in zip(pairs, box, strict=True)]
        divisor = reduce(np.multiply, np.ix_(*counts))
        quotient, remainder = np.zeros(shape_of(box), np.int64), np.zeros(shape_of(box), np.int64)
        pieces, bits = taken_apart(samples, most)
        sums = np.empty(shape_of(box))
        for piece in pieces:  # the highest bits first; remainders are below the divisor, so nothing overflows
            if long_rows:
                found = _summed(pairs, piece, needed, box)
            else:
                run(resampling, piece, needed, box, sums, num_threads)
                found = sums.astype(np.int64)
            whole = (remainder << bits) + found
            more, remainder = np.divmod(whole, divisor)
            quotient = (quotient << bits) + more
        _store(quotient, remainder, divisor, resampling, target[within(box, writes)])


def taken_apart(x: Array, most: int) -> tuple[list[Array], int]:
    """Pieces of an integer array, the highest first, and their bits: float64 holds sums of `most` samples of one.

    The highest is signed where samples are. One piece, the samples themselves, where that will do.

    >>> [piece.tolist() for piece in taken_apart(np.array([-1, 2**32 + 5]), 1000)[0]]
    [[-1, 1], [4294967295, 5]]
    """
    for size in (8, 4, 2, 1):
        if size <= x.itemsize and (most << 8 * size) <= 2 ** BITS[8]:
            break
    else:
        raise ValueError(f"a window must have fewer than 2^45 samples; got {most}")
    if size >= x.itemsize:
        return [x], 0
    unsigned = np.ascontiguousarray(x)[..., None].view(f"u{size}")
    order = range(unsigned.shape[-1])
    digits = [unsigned[..., k] for k in (reversed(order) if sys.byteorder == "little" else order)]
    return [digits[0].view(f"{x.dtype.kind}{size}"), *digits[1:]], 8 * size


def _summed(pairs: list[Pair], x: Array, reads: Box, writes: Box) -> Int64s:
    """The sums of windows, the last axis's first: that leaves little to the others."""
    for axis in reversed(range(len(pairs))):
        n_in, n_out, step = pairs[axis]
        if is_resampled(*pairs[axis]):
            starts, stops = area_bounds(n_in, n_out, np.arange(*writes[axis]), step)
            lines = np.moveaxis(x, axis, -1)
            windows = zip(starts - reads[axis][0], stops - reads[axis][0], strict=True)
            x = np.stack([lines[..., a:b].sum(axis=-1, dtype=np.int64) for a, b in windows], axis)
    return x


def _store(quotient: Int64s, remainder: Int64s, divisor: Int64s, resampling: Resampling, target: Array) -> None:
    unsigned = resampling.in_dtype.kind == "u"
    if target.dtype.kind == "f":
        whole = quotient.view(np.uint64) if unsigned else quotient
        with np.errstate(over="ignore"):
            target[...] = whole.astype(np.float64) + remainder / divisor
        return
    twice = 2 * remainder
    quotient += (twice > divisor) | ((twice == divisor) & (quotient & 1 == 1))
    target[...] = reference.convert(quotient.view(np.uint64) if unsigned else quotient, target.dtype)
