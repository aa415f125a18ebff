"""Weights in fixed point: what uint8 filters multiply with.

A table becomes integers with one precision for the whole axis:

    out[i] = clip((sum over k of weights[i, k] * source[start[i] + k] + 2**(bits - 1)) >> bits, 0, 255)

Sums of integers are exact in any order, so that kernels may add as they like and give equal bits.

Where the axis shrinks enough for weights of 16 bits to be precise, they have 16 bits, as in Pillow-SIMD, and every row
adds up to exactly ``2**bits``. Elsewhere a weight may be near 1: rounded to 16 bits it would move samples between the
passes by a grey level, and a second pass results by two. There weights have Pillow's own 22 bits, in two digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from vrdask.transforms.bands import Rows, Weights
from vrdask.transforms.operators import Operator
from vrdask.transforms.resampling import Resampling, tables

MOST_BITS = 22
"""Pillow's precision. With more, a row could leave 32 bits: 255 * 2**22 is half of what they hold."""
PRECISE_BITS = 17
"""The least precision of 16-bit weights: they are below 1/4 then."""
LARGEST_WEIGHT = 2**15 - 1
LARGEST_SUM = 2**31 - 1


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """The weights of an operator in units of ``2**-bits``.

    wide : whether 16 bits do not hold every weight.
    """

    op: Operator
    bits: int
    wide: bool

    def of(self, rows: Rows) -> npt.NDArray[np.int32]:
        """(outputs, taps) int32: the weights of some rows; zero beyond a row's count."""
        if not self.wide:
            return _apportioned(rows, self.bits)
        exact = rows.weights * 2.0**self.bits  # halves go away from zero, as Pillow rounds them
        weights: npt.NDArray[np.int32] = np.trunc(exact + np.copysign(0.5, exact)).astype(np.int32)
        largest = 255 * np.abs(weights.astype(np.int64)).sum(axis=1).max() + 2 ** (self.bits - 1)
        assert largest <= LARGEST_SUM, "filters overshoot by a few tenths"
        return weights

    @cached_property
    def weights(self) -> npt.NDArray[np.int32]:
        """(n_out, taps) int32: those of the whole table."""
        return self.of(self.op.rows(0, self.op.n_out))

    def digits(self, low_bits: int, weights: npt.NDArray[np.int32] | None = None) -> npt.NDArray[np.int16]:
        """(digits, outputs, taps): weights, of the whole table where none are given, or these in two digits:
        ``high * 2**low_bits + low``.
        """
        weights = self.weights if weights is None else weights
        if not self.wide:
            return weights[None].astype(np.int16)
        return np.stack([weights >> low_bits, weights & ((1 << low_bits) - 1)]).astype(np.int16)


@lru_cache(maxsize=128)
def fixed_point(op: Operator, precise: bool = False) -> FixedPoint:
    """An operator's weights: of 16 bits at the highest precision where that will do, else of `MOST_BITS`.

    precise : it will not do, although the weights are small.

    >>> from vrdask.transforms.interpolators import area
    >>> fixed_point(area(2, 1)).weights.tolist(), fixed_point(area(9, 1)).weights.tolist()
    ([[2097152, 2097152]], [[29128, 29127, 29127, 29127, 29127, 29127, 29127, 29127, 29127]])
    """
    largest = op.largest_weight
    for bits in range(MOST_BITS, PRECISE_BITS - 1, -1) if not precise else ():
        if largest * 2**bits <= LARGEST_WEIGHT:
            return FixedPoint(op, bits, wide=False)
    return FixedPoint(op, MOST_BITS, wide=True)


def _apportioned(rows: Rows, bits: int) -> npt.NDArray[np.int32]:
    """Each weight rounded down or up, those with the largest remainders up, such that rows add up to ``2**bits``."""
    exact: Weights = rows.weights * 2.0**bits
    down = np.floor(exact)
    missing = 2**bits - down.sum(axis=1).astype(np.int64)
    counted = np.arange(rows.taps) < rows.count[:, None]
    remainder = np.where(counted & (exact != 0), exact - down, -1.0)
    rank = np.empty(exact.shape, np.int64)
    order = np.argsort(-remainder, axis=1, kind="stable")
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(rows.taps), exact.shape), axis=1)
    result: npt.NDArray[np.int32] = (down + (rank < missing[:, None])).astype(np.int32)
    return result


@lru_cache(maxsize=128)
def weights_of(resampling: Resampling, axis: int) -> FixedPoint:
    """The weights of the pass along an axis.

    With 16 bits some samples round the other way, by a grey level. A later pass over many samples levels that out;
    one over few, whose weights add up to more than 1 without their signs, may make two levels of it. Before such a pass
    weights have Pillow's own precision.
    """
    (stage,) = map(tables, resampling.stages)
    later = resampling.passes[resampling.passes.index(axis) + 1 :]
    ops = [op for k in (axis, *later) if (op := stage[k]) is not None]
    return fixed_point(ops[0], precise=any(fixed_point(op).wide for op in ops[1:]))
