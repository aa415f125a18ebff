"""Weights in fixed point: what uint8 filters multiply with.

A table becomes 16-bit integers with one precision for the whole axis, as in Pillow-SIMD:

    out[i] = clip((sum over k of weights[i, k] * source[start[i] + k] + 2**(bits - 1)) >> bits, 0, 255)

Sums of integers are exact in any order, so that kernels may add as they like and give equal bits. Every row adds up to
exactly ``2**bits``: a constant stays constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vrdask.operators import Operator, Weights

MOST_BITS = 22
"""With more, a row could leave 32 bits: 255 * 2**22 is half of what they hold, and overshoot takes of the rest."""
LARGEST_WEIGHT = 2**15 - 1
LARGEST_SUM = 2**31 - 1


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """The weights of an operator in units of ``2**-bits``; zero beyond a row's count.

    weights : (n_out, taps) int16.
    """

    weights: npt.NDArray[np.int16]
    bits: int


@lru_cache(maxsize=128)
def fixed_point(op: Operator) -> FixedPoint:
    """An operator's weights at the highest precision for which weights fit in 16 bits and sums in 32.

    >>> from vrdask.operators import area
    >>> table = fixed_point(area(9, 3))
    >>> table.bits, table.weights[0].tolist()
    (16, [21846, 21845, 21845])
    """
    for bits in range(MOST_BITS, 0, -1):
        if np.abs(op.weights).max() * 2**bits > LARGEST_WEIGHT:
            continue
        weights = _apportioned(op, bits)
        if 255 * np.abs(weights).sum(axis=1).max() + 2 ** (bits - 1) <= LARGEST_SUM:
            return FixedPoint(weights.astype(np.int16), bits)
    raise AssertionError("weights of at most 1 or so fit with few bits")


def _apportioned(op: Operator, bits: int) -> npt.NDArray[np.int64]:
    """Each weight rounded down or up, those with the largest remainders up, such that rows add up to ``2**bits``."""
    exact: Weights = op.weights * 2.0**bits
    down = np.floor(exact)
    missing = 2**bits - down.sum(axis=1).astype(np.int64)
    counted = np.arange(op.taps) < op.count[:, None]
    remainder = np.where(counted & (exact != 0), exact - down, -1.0)
    rank = np.empty(exact.shape, np.int64)
    order = np.argsort(-remainder, axis=1, kind="stable")
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(op.taps), exact.shape), axis=1)
    result: npt.NDArray[np.int64] = (down + (rank < missing[:, None])).astype(np.int64)
    return result
