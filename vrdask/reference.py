"""What the kernels compute, in a few lines of numpy: their specification, to the bit.

Slow and plain. Per output sample: the product with the first tap, then product and sum for each further tap in turn, in
the accumulator's precision; axes in `contraction_order`; one conversion at the end. In fixed point: a sum of integers
that is rounded half up and cut off at 0 and 255, axis by axis, the last one first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import DType
from vrdask.fixed_point import fixed_point
from vrdask.modes import MODES
from vrdask.operators import Operator
from vrdask.prefilter import Prefilter
from vrdask.resampling import Resampling, contraction_order, tables

Array = npt.NDArray[Any]


def contract(x: Array, op: Operator, axis: int) -> Array:
    """`op` along one axis of a float32 or float64 array."""
    x = np.moveaxis(x, axis, -1)
    weights = op.weights.astype(x.dtype)
    result = weights[:, 0] * x[..., op.start]
    for k in range(1, op.taps):
        counted = k < op.count
        sample = x[..., np.where(counted, op.start + k, op.start)]
        with np.errstate(invalid="ignore"):
            result = np.where(counted, result + weights[:, k] * sample, result)
    return np.moveaxis(result, -1, axis)


def prefilter(x: Array, op: Prefilter, axis: int) -> Array:
    """`op` along one axis of a float32 or float64 array."""
    first, second, *factors = op.weights(x.dtype)
    x = np.moveaxis(x, axis, -1)[..., op.samples((0, op.n))]
    with np.errstate(invalid="ignore"):
        x = first * x[..., 1:] + second * x[..., :-1]
        for k, factor in enumerate(factors[: op.doublings - 1], 1):
            x = x[..., 2**k :] + factor * x[..., : -(2**k)]
        for k, factor in enumerate(factors[op.doublings - 1 :]):
            x = x[..., : -(2**k)] + factor * x[..., 2**k :]
    return np.moveaxis(x, -1, axis)


def fixed_pass(x: npt.NDArray[np.uint8], op: Operator, axis: int) -> npt.NDArray[np.uint8]:
    """`op` in fixed point along one axis."""
    table = fixed_point(op)
    x = np.moveaxis(x, axis, -1).astype(np.int64)
    total = np.full((*x.shape[:-1], op.n_out), 1 << (table.bits - 1))
    for k in range(op.taps):
        total += table.weights[:, k] * x[..., np.where(k < op.count, op.start + k, op.start)]
    return np.moveaxis((total >> table.bits).clip(0, 255).astype(np.uint8), -1, axis)


def gather(x: Array, op: Operator, axis: int) -> Array:
    """The sample at each start."""
    return np.take(x, op.start, axis=axis)


def convert(x: Array, dtype: DType) -> Array:
    """To another element type: floats rounded once; integers half to even, saturating, NaN to 0."""
    with np.errstate(over="ignore"):
        if dtype.kind == "f" or x.dtype == dtype:
            return x.astype(dtype)
    limits = np.iinfo(dtype)
    rounded = np.rint(np.where(np.isnan(x), 0, x))
    # The largest 64-bit integers have no float64 of their own: compare with the power of two above them.
    result = np.where(rounded >= float(limits.max), 0, np.maximum(rounded, limits.min)).astype(dtype)
    return np.where(rounded >= float(limits.max), limits.max, result).astype(dtype)


def resample(what: Resampling, x: Array) -> Array:
    """The whole array at once."""
    x = x.astype(x.dtype.newbyteorder("="))
    if MODES[what.mode].copies:
        for copied in map(tables, what.stages):
            for axis in contraction_order(copied):
                op = copied[axis]
                assert op is not None
                x = gather(x, op, axis)
        return x if what.in_dtype == what.out_dtype else convert(x.astype(what.acc_dtype), what.out_dtype)
    if not what.stages and what.in_dtype == what.out_dtype:
        return x.copy()
    if what.fixed_point:
        (passes,) = map(tables, what.stages)
        for axis in what.passes:
            op = passes[axis]
            assert op is not None
            x = fixed_pass(x, op, axis)
        return x
    x = x.astype(what.acc_dtype)
    for stage in what.stages:
        for axis in contraction_order(stage):
            each = stage[axis]
            assert each is not None
            x = prefilter(x, each, axis) if isinstance(each, Prefilter) else contract(x, each, axis)
    return convert(x, what.out_dtype)
