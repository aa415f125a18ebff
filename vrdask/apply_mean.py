"""Means of integers whose sums no float64 holds: of 64 bits, or over very many samples.

Samples are taken apart into pieces of few bits, as their bytes lie; the contraction sums the pieces of windows, exactly;
and sums are put together while they are divided, as long division goes:

    sum over j of sums[j] * 2**(j * bits)  =  quotient * divisor + remainder

Slab by slab, since sums take more memory than results.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask import reference
from vrdask.intervals import Box, ceil_div, shape_of, size_of, slabs_of, within
from vrdask.operators import Operator
from vrdask.resampling import Resampling, tables
from vrdask.sums import BITS

Array = npt.NDArray[Any]
Int64s = npt.NDArray[np.int64]
Run = Callable[[Resampling, Array, Box, Box, Array, int], None]
"""The contraction: fills an array of float64 with sums, since weights are 1."""

SLAB_BYTES = 2 << 20
"""What samples that are taken apart, or sums, may take at a time."""


def mean_box(
    what: Resampling, source: Array, reads: Box, writes: Box, target: Array, num_threads: int, run: Run
) -> None:
    """Fill `target` with the exact means, halves to even; a float result is the quotient and the rest, added once."""
    longest = max(range(len(writes)), key=lambda axis: writes[axis][1] - writes[axis][0])
    count = min(writes[longest][1] - writes[longest][0], ceil_div(8 * max(source.size, target.size), SLAB_BYTES))
    (stage,) = map(tables, what.stages)
    most = prod(int(op.count.max()) for op in stage if op is not None)
    for box in slabs_of(writes, longest, count):
        needed = what.reads(box)
        samples = source[within(needed, reads)]
        divisor = _divisors(stage, box)
        quotient, remainder = np.zeros(shape_of(box), np.int64), np.zeros(shape_of(box), np.int64)
        pieces, bits = taken_apart(samples, most)
        sums = np.empty(shape_of(box))
        for piece in pieces:  # the highest bits first; remainders are below the divisor, so nothing overflows
            run(what, piece, needed, box, sums, num_threads)
            whole = (remainder << bits) + sums.astype(np.int64)
            more, remainder = np.divmod(whole, divisor)
            quotient = (quotient << bits) + more
        _store(quotient, remainder, divisor, what, target[within(box, writes)])


def taken_apart(x: Array, most: int) -> tuple[list[Array], int]:
    """Pieces of an integer array, the highest first, and their bits: sums of `most` samples of one are exact in float64.

    The highest is signed where samples are. One piece, the samples themselves, where that will do.

    >>> [piece.tolist() for piece in taken_apart(np.array([-1, 2**32 + 5]), 1000)[0]]
    [[-1, 1], [4294967295, 5]]
    """
    for size in (8, 4, 2, 1):
        if size <= x.itemsize and most << 8 * size <= 2 ** BITS[8]:
            break
    else:
        raise ValueError(f"a window must have fewer than 2^45 samples; got {most}")
    if size == x.itemsize:
        return [x], 0
    unsigned = np.ascontiguousarray(x)[..., None].view(f"u{size}")
    order = range(unsigned.shape[-1])
    parts = [unsigned[..., k] for k in (reversed(order) if sys.byteorder == "little" else order)]
    return [parts[0].view(f"{x.dtype.kind}{size}"), *parts[1:]], 8 * size


def _divisors(stage: tuple[Operator | None, ...], box: Box) -> Int64s:
    """The number of samples of each output's window."""
    divisor = np.ones((1,) * len(box), np.int64)
    for axis, (op, (start, stop)) in enumerate(zip(stage, box, strict=True)):
        if op is not None:
            counts = op.count[start:stop].astype(np.int64)
            divisor = divisor * counts.reshape([-1 if k == axis else 1 for k in range(len(box))])
    return divisor


def _store(quotient: Int64s, remainder: Int64s, divisor: Int64s, what: Resampling, target: Array) -> None:
    unsigned = what.in_dtype.kind == "u"
    if target.dtype.kind == "f":
        whole = quotient.view(np.uint64) if unsigned else quotient
        with np.errstate(over="ignore"):
            target[...] = whole.astype(np.float64) + remainder / divisor
        return
    twice = 2 * remainder
    quotient += (twice > divisor) | ((twice == divisor) & (quotient & 1 == 1))
    target[...] = reference.convert(quotient.view(np.uint64) if unsigned else quotient, target.dtype)
