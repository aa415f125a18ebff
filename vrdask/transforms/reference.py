"""What the kernels compute, in a few lines of numpy: their specification, to the bit.

Slow and plain. Per output sample: the product with the first tap, then product and sum for each further tap in turn, in
the accumulator's precision; of long rows the same with differences, added to a sample; axes in `contraction_order`; one
conversion at the end. In fixed point: a sum of integers that is rounded half up and cut off at 0 and 255, axis by axis,
the last one first. A mean of integers is a fraction.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import DType
from vrdask.transforms.bands import Indices
from vrdask.transforms.fixed_point import FixedPoint, weights_of
from vrdask.transforms.operators import Operator
from vrdask.transforms.prefilter import Prefilter
from vrdask.transforms.resampling import Resampling, Stage, Tables, tables
from vrdask.transforms.sums import FEW, Counts, by_parts, unit_rows

Array = npt.NDArray[Any]


def contract(x: Array, op: Operator, axis: int, in_parts: bool = False) -> Array:
    """`op` along one axis of a float32 or float64 array.

    in_parts : where rows have more taps than `FEW`, they are summed by parts.
    """
    x = np.moveaxis(x, axis, -1)
    if in_parts and op.longest > FEW:
        parts = by_parts(op.weights, op.count, x.dtype)
        with np.errstate(invalid="ignore", over="ignore"):
            between = x[..., 1:] - x[..., :-1]
            result = x[..., op.start + parts.anchor] + _summed(between, op.start, op.count - 1, parts.weights)
    else:
        result = _summed(x, op.start, op.count, unit_rows(op.weights, op.count, x.dtype))
    return np.moveaxis(result, -1, axis)


def _summed(x: Array, start: Indices, count: Counts, weights: Array) -> Array:
    """Each row's products in turn; -0 for a row of none, which changes nothing that it is added to."""
    total = np.full((*x.shape[:-1], len(start)), -0.0, x.dtype)
    for k in range(weights.shape[1]):
        counted = k < count
        with np.errstate(invalid="ignore", over="ignore"):
            more = total[..., counted] + weights[counted, k] * x[..., start[counted] + k]
        total[..., counted] = more
    return total


def prefilter(x: Array, op: Prefilter, axis: int) -> Array:
    """`op` along one axis of a float32 or float64 array."""
    first, second, *factors = op.weights(x.dtype)
    samples = op.samples((0, op.n))
    x = original = np.moveaxis(x, axis, -1)[..., samples % op.n if op.wraps else samples]
    with np.errstate(invalid="ignore", over="ignore"):
        x = x[..., 1:] - x[..., :-1]
        x = x[..., 1:] - x[..., :-1]
        x = first * x[..., 1:] + second * x[..., :-1]
        for k, factor in enumerate(factors[: op.doublings - 1], 1):
            x = x[..., 2**k :] + factor * x[..., : -(2**k)]
        for k, factor in enumerate(factors[op.doublings - 1 :]):
            x = x[..., : -(2**k)] + factor * x[..., 2**k :]
        x = original[..., op.radius : -op.radius] + x
    return np.moveaxis(x, -1, axis)


def fixed_pass(x: npt.NDArray[np.uint8], table: FixedPoint, axis: int) -> npt.NDArray[np.uint8]:
    """Weights in fixed point along one axis."""
    op = table.op
    x = np.moveaxis(x, axis, -1).astype(np.int64)
    total = np.full((*x.shape[:-1], op.n_out), 1 << (table.bits - 1))
    for k in range(op.taps):
        total += table.weights[:, k] * x[..., np.where(k < op.count, op.start + k, op.start)]
    return np.moveaxis((total >> table.bits).clip(0, 255).astype(np.uint8), -1, axis)


def means(x: Array, stage: Tables, wide: bool, dtype: DType) -> Array:
    """The mean of each window of integers: halves to even; a float once rounded, or where sums are `wide` quotient and
    rest once rounded each, and added."""
    total, samples = x.astype(object), np.ones((1,) * x.ndim, object)
    for axis, op in enumerate(stage):
        if op is not None:
            windows = [np.arange(start, start + count) for start, count in zip(op.start, op.count, strict=True)]
            total = np.concatenate([total.take(window, axis).sum(axis, keepdims=True) for window in windows], axis)
            samples = samples * op.count.astype(object).reshape([-1 if k == axis else 1 for k in range(x.ndim)])

    def mean(total: int, samples: int) -> Any:
        if dtype.kind != "f":
            limits = np.iinfo(dtype)
            return min(max(round(Fraction(int(total), samples)), int(limits.min)), int(limits.max))
        whole, rest = divmod(total, samples)
        return float(whole) + float(rest / samples) if wide else float(Fraction(int(total), samples))

    with np.errstate(over="ignore"):
        return np.asarray(np.frompyfunc(mean, 2, 1)(total, samples)).astype(dtype)


def gather(x: Array, op: Operator, axis: int) -> Array:
    """The sample at each start."""
    return np.take(x, op.start, axis=axis)


def convert(x: Array, dtype: DType) -> Array:
    """To another element type in one step: to floats rounded once; to integers half to even, saturating, NaN to 0."""
    with np.errstate(over="ignore"):
        if dtype.kind == "f" or x.dtype == dtype:
            return x.astype(dtype)
    limits = np.iinfo(dtype)
    if x.dtype.kind != "f":
        own = np.iinfo(x.dtype)
        return x.clip(max(int(limits.min), int(own.min)), min(int(limits.max), int(own.max))).astype(dtype)
    x = x.astype(np.float32) if x.dtype == np.float16 else x
    rounded = np.rint(np.where(np.isnan(x), 0, x))
    # The largest 64-bit integers have no float64 of their own: compare with the power of two above them.
    result = np.where(rounded >= float(limits.max), 0, np.maximum(rounded, limits.min)).astype(dtype)
    return np.where(rounded >= float(limits.max), limits.max, result).astype(dtype)


def contraction_order(stage: Stage) -> tuple[int, ...]:
    """The axes of a stage in the order in which they are contracted: shrinking ones first, growing ones last.

    Shrinking axes go first to last and growing axes last to first, so that each step leaves the least to the next. The
    order decides rounding; it follows from global sizes alone.

    >>> from vrdask.transforms.interpolators import linear
    >>> contraction_order((linear(4, 8, False), linear(4, 2, False), None, linear(4, 6, False)))
    (1, 3, 0)
    """
    shrinking = [axis for axis, op in enumerate(stage) if op is not None and op.n_out <= op.n_in]
    growing = [axis for axis, op in enumerate(stage) if op is not None and op.n_out > op.n_in]
    return (*shrinking, *reversed(growing))


def resample(resampling: Resampling, x: Array) -> Array:
    """The whole array at once."""
    x = x.astype(x.dtype.newbyteorder("="))
    if resampling.copies:
        for copied in map(tables, resampling.stages):
            for axis in contraction_order(copied):
                op = copied[axis]
                assert op is not None
                x = gather(x, op, axis)
        return x if resampling.in_dtype == resampling.out_dtype else convert(x, resampling.out_dtype)
    if not resampling.stages:
        return x.copy() if resampling.in_dtype == resampling.out_dtype else convert(x, resampling.out_dtype)
    if resampling.fixed_point:
        for axis in resampling.passes:
            x = fixed_pass(x, weights_of(resampling, axis), axis)
        return x
    if x.dtype.kind != "f" and resampling.is_mean:
        (windows,) = map(tables, resampling.stages)
        return means(x, windows, resampling.sums.by_bits, resampling.out_dtype)
    x = x.astype(resampling.acc_dtype)
    for stage in resampling.stages:
        for axis in contraction_order(stage):
            each = stage[axis]
            assert each is not None
            x = (
                prefilter(x, each, axis)
                if isinstance(each, Prefilter)
                else contract(x, each, axis, resampling.sums.by_parts)
            )
    return convert(x, resampling.out_dtype)
