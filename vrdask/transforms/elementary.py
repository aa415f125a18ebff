"""Sine and cosine from additions and multiplications alone, so that every processor has the same bits.

The C library's functions have versions for different instruction sets, whose last bits differ, and so has numpy's
power. IEEE 754 leaves no such choice for +, -, * and /. Here a value is a pair of float64, head and tail, whose sum
holds some 106 bits (Dekker 1971): the angle is reduced by multiples of pi / 2, a Taylor series is summed in pairs, and
rounded once. The results are the correctly rounded ones but for about one in 2**40.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Pair = tuple[Floats, Floats]

LARGEST_ANGLE = 2.0**20
"""Multiples of pi / 2 up to here are exact in three steps."""

_HALF_PI = (float.fromhex("0x1.921fb544p+0"), float.fromhex("0x1.0b4611a6p-34"), float.fromhex("0x1.3198a2e037073p-69"))
"""pi / 2: two numbers of 32 bits or fewer, and the rest."""
_TWO_OVER_PI = 2 / math.pi
_TERMS = 14
"""Of a series up to pi / 4: the next is below 2**-110 of the first."""
_SPLIT = 2.0**27 + 1
_AT_ONCE = 1 << 13
"""Angles whose pairs stay in cache."""


def sine(x: npt.ArrayLike) -> Floats:
    """The sine of angles in radians, below `LARGEST_ANGLE`.

    >>> sine([0.0, 3.0, 3.141592653589793]).tolist()
    [0.0, 0.1411200080598672, 1.2246467991473532e-16]
    """
    return _quarter_turned(np.asarray(x, np.float64), 0)


def cosine(x: npt.ArrayLike) -> Floats:
    """The cosine of angles in radians, below `LARGEST_ANGLE`.

    >>> cosine([0.0, 3.0]).tolist()
    [1.0, -0.9899924966004454]
    """
    return _quarter_turned(np.asarray(x, np.float64), 1)


def powers(base: float, count: int) -> Floats:
    """``base**k`` for k < count, each the one before times the base."""
    return np.multiply.accumulate(np.array([1.0, *[base] * (count - 1)]))


def running_sum(rows: Floats) -> Floats:
    """The sums of rows, added up from the left; a column."""
    return np.add.accumulate(rows, axis=-1)[..., -1:]


def _quarter_turned(x: Floats, turns: int) -> Floats:
    """sin(x + turns * pi / 2)."""
    if x.size and float(np.abs(x).max()) > LARGEST_ANGLE:
        raise ValueError(f"angles must be below {LARGEST_ANGLE:.0f}; got {np.abs(x).max()}")
    angles = x.reshape(-1)
    result = np.empty(angles.shape)
    for begin in range(0, len(angles), _AT_ONCE):
        result[begin : begin + _AT_ONCE] = _some_turned(angles[begin : begin + _AT_ONCE], turns)
    return result.reshape(x.shape)


def _some_turned(x: Floats, turns: int) -> Floats:
    quarters = np.rint(x * _TWO_OVER_PI)
    head, tail = _sum(x - quarters * _HALF_PI[0], -quarters * _HALF_PI[1])
    head, tail = _joined(head, tail - quarters * _HALF_PI[2])
    quadrant = (quarters.astype(np.int64) + turns) % 4
    value = np.empty_like(x)
    for first in (0, 1):
        which = np.flatnonzero(quadrant % 2 != first)
        value[which] = _summed((head[which], tail[which]), first)
    return np.where(quadrant < 2, value, -value)


def _summed(angle: Pair, first: int) -> Floats:
    """The cosine of angles up to pi / 4 for 0; for 1 the sine.

    Few terms in pairs decide how all but one in some ten thousand values round (Ziv 1991): what is missing is below
    2**-72 of them.
    """
    head, tail = _in_pairs(angle, first, 5 - first)
    margin = np.abs(head) * 2.0**-70
    value: Floats = head + (tail + margin)
    unsure = np.flatnonzero(value != head + (tail - margin))
    if len(unsure):
        value[unsure] = _rounded(_in_pairs((angle[0][unsure], angle[1][unsure]), first, _TERMS))
    return value


def _in_pairs(angle: Pair, first: int, pairs: int) -> Pair:
    series = _series(_product(angle, angle), first, pairs)
    return _product(angle, series) if first else series


def _series(square: Pair, first: int, pairs: int) -> Pair:
    """The sum over j of ``(-square)**j / (2 * j + first)!``: the cosine for 0; for 1 the sine over its angle.

    pairs : of the terms, the first ones, are summed in pairs.
    """
    zero = np.zeros_like(square[0])
    rest = zero
    for j in reversed(range(pairs, _TERMS)):
        rest = rest * square[0] + (-1) ** j * _inverse_factorial(2 * j + first)[0]
    total = (rest, zero)
    for j in reversed(range(pairs)):
        head, tail = _inverse_factorial(2 * j + first)
        if j % 2:
            head, tail = -head, -tail
        total = _plus(_product(total, square), (zero + head, zero + tail))
    return total


@cache
def _inverse_factorial(n: int) -> tuple[float, float]:
    factorial = math.factorial(n)
    head = 1 / factorial  # of integers: correctly rounded
    numerator, denominator = head.as_integer_ratio()
    return head, (denominator - numerator * factorial) / (denominator * factorial)


def _sum(a: Floats, b: Floats) -> Pair:
    """Two numbers as a pair: exact (Knuth)."""
    head = a + b
    other = head - a
    return head, (a - (head - other)) + (b - other)


def _joined(head: Floats, tail: Floats) -> Pair:
    total = head + tail
    return total, tail - (total - head)


def _plus(a: Pair, b: Pair) -> Pair:
    head, tail = _sum(a[0], b[0])
    return _joined(head, tail + (a[1] + b[1]))


def _product(a: Pair, b: Pair) -> Pair:
    head = a[0] * b[0]
    (a_high, a_low), (b_high, b_low) = _halves(a[0]), _halves(b[0])
    rest = ((a_high * b_high - head) + a_high * b_low + a_low * b_high) + a_low * b_low
    return _joined(head, rest + (a[0] * b[1] + a[1] * b[0]))


def _halves(a: Floats) -> Pair:
    """A number as two of 26 bits (Veltkamp)."""
    scaled = _SPLIT * a
    high = scaled - (scaled - a)
    return high, a - high


def _rounded(pair: Pair) -> Floats:
    return pair[0] + pair[1]
