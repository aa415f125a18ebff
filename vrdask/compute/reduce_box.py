"""Whole blocks of samples, each to one sample: from the samples of a box to the box. Calls the kernel `reduce`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import ceil_div
from vrdask.buffers import Empty
from vrdask.compute import builds
from vrdask.compute.threads import threads_for
from vrdask.dtypes import CODES, DType, native
from vrdask.transforms.blocks import HALVES, Blocks
from vrdask.transforms.reference import convert
from vrdask.transforms.reference_blocks import mean_of_integers

Array = npt.NDArray[Any]
Axis = tuple[int, int, int]
"""Size, factor and stride in bytes."""

_kernel = builds.load("reduce", builds.choose())

MEAN, SUM, MAXIMUM, MEDIAN, MAJORITY, HALVED = range(6)
"""As in kernels/reduce/reduce.h."""
_WHAT = {"mean": MEAN, "min": MAXIMUM, "max": MAXIMUM, "median": MEDIAN, "majority": MAJORITY, HALVES: HALVED}

MOST_IN_32_BITS = 1 << 15
"""Samples of 16 bits whose sum 31 bits hold."""
MOST_INNER = 16
"""More samples side by side that a block leaves apart are a row of their own."""
NANOSECONDS = 0.2
"""Of a sample, about."""
TILE = 1024
"""Results of a row that are worked on at a time."""
LARGE = 8 << 20
"""Bytes of samples that come from memory: from a third-level cache rows come as fast in turns."""
LOOKED_THROUGH = 20 << 10
"""Bytes of a block's rows that a first-level cache holds, with room to spare."""
STREAMED = 8 << 20
"""Bytes of a result of which caches keep little for who asked for it: halved floats need not pass through them."""
WIDEST_SUM = 16
"""Bytes, of 64-bit integers."""


def reduce_box(blocks: Blocks, samples: Array, num_threads: int, empty: Empty = np.empty) -> Array:
    """The blocks of `samples`, which begin with a whole block along each axis: the whole array, or a box of it.

    samples : of the input dtype, in any byte order and memory layout; not changed. empty : makes the result's array.
    """
    shape = out_shape(samples.shape, blocks.factors)
    if blocks.mode == "stride":
        found = samples[tuple([slice(None, None, factor) for factor in blocks.factors])]
        return _stored(found.astype(native(found.dtype), copy=False), blocks.out_dtype, empty)
    if 0 in shape:
        return np.empty(shape, blocks.out_dtype)
    plain = samples.astype(native(samples.dtype), copy=False)
    if blocks.mode == "mean" and blocks.out_dtype != blocks.in_dtype:
        return _mean_of_other_dtype(blocks, plain, num_threads, empty)
    found = empty(shape, blocks.in_dtype)
    _run(plain, blocks.factors, _WHAT[blocks.mode], blocks.mode == "min", blocks.sparse, found, num_threads)
    return found if blocks.out_dtype == blocks.in_dtype else _stored(found, blocks.out_dtype, empty)


def block_sums(samples: Array, factors: Sequence[int], num_threads: int, empty: Empty = np.empty) -> Array:
    """The sums of blocks of integers of up to 32 bits, in int64; or of such sums, which may be carried on. They must
    fit: with fewer than 2^31 samples of at most 32 bits they do. Of uint64 they are those modulo 2^64.
    """
    plain = samples.astype(native(samples.dtype), copy=False)
    sums = empty(out_shape(plain.shape, factors), np.dtype(np.int64))
    if sums.size:
        _run(plain, tuple(factors), SUM, False, False, sums, num_threads)
    return sums


def block_counts(shape: Sequence[int], factors: Sequence[int]) -> Array:
    """Samples of each block of an array; what broadcasts to the blocks."""
    along = []
    for n, factor in zip(shape, factors, strict=True):
        counts = np.full(ceil_div(n, factor), factor, np.int64)
        if n % factor:
            counts[-1] = n % factor
        along.append(counts)
    return reduce(np.multiply, np.ix_(*along), np.ones((1,) * len(along), np.int64))


def out_shape(shape: Sequence[int], factors: Sequence[int]) -> tuple[int, ...]:
    """Blocks along each axis."""
    return tuple(map(ceil_div, shape, factors))


def _mean_of_other_dtype(blocks: Blocks, x: Array, num_threads: int, empty: Empty) -> Array:
    if x.dtype.kind == "f":  # the mean in float64, which is what is converted
        wide = np.empty(out_shape(x.shape, blocks.factors))
        _run(x.astype(np.float64), blocks.factors, MEAN, False, False, wide, num_threads)
        return _stored(wide, blocks.out_dtype, empty)
    counts = block_counts(x.shape, blocks.factors)
    if x.dtype.itemsize == 8:  # by halves: Python's integers are put together from them
        low = block_sums((x & np.array(2**32 - 1, x.dtype)).astype(np.uint32), blocks.factors, num_threads)
        high = block_sums((x >> np.array(32, x.dtype)).astype(f"{x.dtype.kind}4"), blocks.factors, num_threads)
        sums: Array = high.astype(object) * 2**32 + low
    else:
        sums = block_sums(x, blocks.factors, num_threads)
    return _stored(mean_of_integers(sums, counts, blocks.out_dtype), blocks.out_dtype, empty)


def _stored(x: Array, dtype: DType, empty: Empty) -> Array:
    result = empty(x.shape, dtype)
    if x.dtype != dtype:
        x = convert(x.view(np.uint8) if x.dtype == np.bool_ else x, dtype)
    result[...] = x
    return result


def _run(
    x: Array, factors: tuple[int, ...], what: int, lowest: bool, sparse: bool, target: Array, num_threads: int
) -> None:
    """One kernel call."""
    if x.dtype == np.bool_:
        x = x.view(np.uint8)
        target = target.view(np.uint8) if target.dtype == np.bool_ else target
    dtype = x.dtype
    laid_out = _layout(x, factors)
    if laid_out is None:
        x = np.ascontiguousarray(x)
        laid_out = _layout(x, factors)
        assert laid_out is not None
    outer, (n, factor, inner) = laid_out
    sign = 1 << (8 * dtype.itemsize - 1)
    flip = sign if dtype.kind == "i" and not (what == SUM and dtype.itemsize == 8) else 0
    if lowest:
        flip ^= 2 * sign - 1
    zero = sign if dtype.kind in "if" else 0
    block = prod(map(min, x.shape, factors))
    rows_bytes = 64 * ceil_div(8 * prod(min(size, f) for size, f, _ in outer), 64)
    tile = min(TILE, ceil_div(n, factor))
    sorted_bytes = block * dtype.itemsize if what in (MEDIAN, MAJORITY) else 0
    width = rows_bytes + 64 * ceil_div(max(tile * inner * WIDEST_SUM, sorted_bytes), 64)
    num_threads = threads_for(NANOSECONDS * x.size, num_threads)
    scratch = np.empty((num_threads, width), np.int8)
    wide = what == SUM or block > MOST_IN_32_BITS
    _kernel.reduce(
        x, target, outer, (n, factor, inner), tile, what, CODES[dtype], wide, sparse, flip, zero,
        target.dtype.itemsize, _first_bytes(x, outer, n * inner), target.nbytes > STREAMED, scratch, rows_bytes,
        num_threads,
    )  # fmt: skip


def _first_bytes(x: Array, outer: list[Axis], n: int) -> int:
    """Bytes of a row of `n` samples where the rows of a block are looked through first: all but its last ones along the
    last outer axis. A cache must hold them until they are worked on.
    """
    factor = outer[-1][1] if outer else 1
    rows = prod(min(size, f) for size, f, _ in outer)
    first = (rows - rows // factor) * n * x.itemsize
    return n * x.itemsize if x.nbytes > LARGE and 0 < first <= LOOKED_THROUGH else 0


def _layout(x: Array, factors: tuple[int, ...]) -> tuple[list[Axis], tuple[int, int, int]] | None:
    """The outer axes; and of the last axis that has blocks its size, its factor and the samples side by side that
    blocks leave apart. None where samples of a row do not lie side by side.
    """
    axes = [axis for axis in zip(x.shape, factors, x.strides, strict=True) if axis[0] > 1]
    inner, size = 1, x.itemsize
    while axes and axes[-1][1] == 1 and axes[-1][2] == size * inner:
        inner *= axes.pop()[0]
    if not axes:
        return [], (inner, 1, 1)
    if inner > MOST_INNER:
        return axes, (inner, 1, 1)
    n, factor, stride = axes.pop()
    if stride != size * inner:
        return None
    return axes, (n, factor, inner)
