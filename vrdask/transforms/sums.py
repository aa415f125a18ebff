"""How samples add up: in which precision, with which weights, and what a sum is divided by. Pure arithmetic.

Everything follows from global sizes and types. Four laws:

- **A constant stays that constant.** Rows of more than two taps are summed by parts: not samples are weighed but the
  differences between neighbours, and their sum is added to one of the samples (`by_parts`).
- **Two weights add up to exactly 1** in the precision of the sums (`unit_rows`), which keeps every constant within a
  unit in the last place, in any number of axes.
- **Long rows are summed in float64.** A running float32 sum of n samples of about one size is off by up to n * 2**-25.6
  of it: within 1e-6 up to `LONGEST` taps. In float64 2**25 taps are within 1e-8.
- **The mean of integers is their exact sum, divided once**, halves to even (`means`).

The mean. Along an axis windows have at most two lengths. With their least common multiple m an output is the sum of
``(m // length) * samples``, over m: whole numbers alone. Over several axes the multiples multiply, to M, which is one
divisor for all outputs. Let a sum S, exact in a float of p bits (24, 53), be below ``2**(p - 1)``; then ``rint(S / M)``
is S / M rounded half to even, although it rounds twice: a quotient that is not halfway between two integers is at least
``1 / (2 * M)`` from any such point, and the division moves it by at most ``S / M * 2**-p``, which is less. (Multiplying
by 1 / M would not do: it misses the halves.) Where M is a power of two, weights of 1 over the length are exact as they
are, and nothing needs dividing. Sums that no float64 holds are made in pieces (`mean`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, lcm, prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Interval, ceil_div
from vrdask.dtypes import DType, native, needs_float64
from vrdask.transforms.coordinates import Step, Window, area_bounds, parts, ratio
from vrdask.transforms.filters import FILTERS

FEW = 2
"""Taps of rows that are summed as they are."""
LONGEST = 48
"""Taps of one row that are summed in float32 at most."""
LONG_ROW = 4096
"""Samples of a window along a row above which integers are summed as they lie: tables of rows are wide."""
ENTRIES_AT_ONCE = 1 << 14
"""Of a table whose weights are rounded: they stay in cache."""
ROWS_AT_ONCE = 1 << 12
"""The same where rows are rounded tap by tap."""
CHANNELS = 16
"""Trailing samples that make a row of their own: fewer share that of the last resampled axis (`tiles`)."""
BITS = {4: 24, 8: 53}
"""Of a float's significand, by its size in bytes."""

Steps: TypeAlias = Sequence[Step | None]
"""By axis, input samples from one output to the next; None where the sizes of the axis say it."""
Pair: TypeAlias = tuple[int, int, Step | None]
"""Sizes of an axis before and after, and its step."""
Weights = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int32]
Rounded = npt.NDArray[np.float32 | np.float64]


@dataclass(frozen=True)
class Sums:
    """How a resampling sums.

    double : in float64.
    multiples : for a mean of integers by axis, whole multiples of its windows' lengths; a tap weighs the multiple over
        the length of its window. None where taps have their table's weights.
    divisor : of a sum, at the end; 0 for none.
    by_bits : float64 does not hold the sums, which are made of some bits of the samples at a time, with weights of 1;
        or rows are too long for a table.
    by_parts : axes whose rows have more than `FEW` taps are summed by parts. Exact sums have no need of it.
    """

    double: bool
    multiples: tuple[int, ...] | None = None
    divisor: int = 0
    by_bits: bool = False
    by_parts: bool = False


def sums(
    modes: Sequence[str],
    in_shape: Sequence[int],
    out_shape: Sequence[int],
    in_dtype: DType,
    out_dtype: DType,
    steps: Steps | None = None,
) -> Sums:
    """How a resampling between these sizes and types sums.

    modes : by axis. steps : by axis, where they are not those of the sizes.
    """
    pairs = by_axis(in_shape, out_shape, steps)
    changed = [(mode, pair) for mode, pair in zip(modes, pairs, strict=True) if is_resampled(*pair)]
    double = needs_float64(in_dtype, out_dtype)
    if is_mean(changed) and native(in_dtype).kind in "iu" and all(n_in and n_out for _, (n_in, n_out, _) in changed):
        return means(in_shape, out_shape, in_dtype, out_dtype, double, steps)
    return Sums(double or any(taps_at_most(mode, *pair) > LONGEST for mode, pair in changed), by_parts=True)


def by_axis(in_shape: Sequence[int], out_shape: Sequence[int], steps: Steps | None) -> list[Pair]:
    """Sizes and step of every axis."""
    return list(zip(in_shape, out_shape, steps or (None,) * len(in_shape), strict=True))


def is_resampled(n_in: int, n_out: int, step: Step | None) -> bool:
    return n_in != n_out or step is not None


def is_mean(changed: Sequence[tuple[str, Pair]]) -> bool:
    """Whether results are means of windows: "area" always, "area_exact" and "box" where all ratios are whole.

    changed : mode, sizes and step of each axis that is resampled; all must have one mode.
    """
    modes = {mode for mode, _ in changed}
    return modes == {"area"} or (
        len(modes) == 1 and modes <= {"area_exact", "box"} and all(_is_whole(*pair) for _, pair in changed)
    )


def _is_whole(n_in: int, n_out: int, step: Step | None) -> bool:
    if step is None:
        return n_out != 0 and n_in % n_out == 0
    return parts(n_in, n_out, step)[1] == 1


def taps_at_most(mode: str, n_in: int, n_out: int, step: Step | None = None) -> int:
    """A bound on the taps of a row, which other modes than these have few of.

    >>> taps_at_most("area", 7, 3), taps_at_most("lanczos", 730, 100), taps_at_most("cubic", 99999, 2)
    (3, 45, 0)
    """
    if mode in ("area", "area_exact"):
        return max(window_lengths(n_in, n_out, step))
    inputs, outputs = ratio(n_in, n_out, step)
    if mode in FILTERS and inputs > outputs:
        return ceil_div(int(2 * FILTERS[mode].support) * inputs, outputs) + 1
    return 0


def window_lengths(n_in: int, n_out: int, step: Step | None = None) -> tuple[int, ...]:
    """The lengths that windows of `coordinates.area_bounds` have: the least, the largest; no others occur.

    With ``n_in / n_out = p / q`` in lowest terms, window i begins ``j / q`` behind a whole number, where
    ``j = i * p % q`` takes every value below q, and is ``ceil((j + p) / q)`` long. With a step of its own, p / q, the
    last window may be cut off: its length comes third, and the others may be those of windows that there are none of.
    Those along a `Window` begin ``(i * p + a) / q`` behind the first sample, p and q perhaps not in lowest terms.

    >>> window_lengths(6, 2), window_lengths(7, 3), window_lengths(5, 2), window_lengths(2, 5)
    ((3, 3), (3, 3), (3, 3), (1, 2))
    >>> from fractions import Fraction
    >>> window_lengths(5, 3, Fraction(2)), window_lengths(4, 1, Fraction(3)), window_lengths(2, 1, Fraction(3))
    ((2, 2, 1), (3,), (2,))
    >>> window_lengths(9, 4, Window(Fraction(1, 4), Fraction(3, 2)))  # from 1/4 to 7/4, to 13/4, to 19/4, to 25/4
    (2, 3, 3)
    """
    p, q, first = parts(n_in, n_out, step)
    if not isinstance(step, Window):
        common = gcd(p, q)
        p, q = p // common, q // common
    lengths = ceil_div(p, q), ceil_div(p - 1 + q, q)
    if step is None:
        return lengths
    last = n_in - ((n_out - 1) * p + first) // q
    if n_out == 1:
        return (min(last, ceil_div(first + p, q) - first // q),)
    return (*lengths, min(last, lengths[1]))


def window_counts(n_in: int, n_out: int, writes: Interval, step: Step | None = None) -> npt.NDArray[np.int64]:
    """Samples in the windows of an output interval."""
    start, stop = area_bounds(n_in, n_out, np.arange(*writes), step)
    return stop - start


def means(
    in_shape: Sequence[int],
    out_shape: Sequence[int],
    in_dtype: DType,
    out_dtype: DType,
    double: bool,
    steps: Steps | None = None,
) -> Sums:
    """How windows of integers are averaged exactly."""
    lengths = [window_lengths(*pair) if is_resampled(*pair) else (1,) for pair in by_axis(in_shape, out_shape, steps)]
    multiples = tuple(lcm(*each) for each in lengths)
    total = prod(multiples)
    if has_long_rows(in_shape, out_shape, steps):
        return Sums(True, (1,) * len(lengths), 0, by_bits=True)
    limits = np.iinfo(in_dtype)
    largest = max(-int(limits.min), int(limits.max)) * total
    exact = total & (total - 1) == 0
    for bits, fits in ((24, not double), (53, True)):
        # a quotient in float32 that becomes a float16 rounds twice; with divisors below 2**12 that is safe, as above
        narrow = bits == 24 and native(out_dtype) == np.float16 and total >= 2**12
        if fits and not narrow and largest < 2 ** (bits if exact else bits - 1):
            return Sums(bits == 53) if exact else Sums(bits == 53, multiples, total)
    return Sums(True, (1,) * len(lengths), 0, by_bits=True)


def has_long_rows(in_shape: Sequence[int], out_shape: Sequence[int], steps: Steps | None = None) -> bool:
    """Whether windows along rows are so long that a mean of integers takes no table.

    >>> has_long_rows((9, 10**6, 3), (9, 2, 3)), has_long_rows((9, 10**6, 64), (9, 2, 64))
    (True, False)
    """
    axes = by_axis(in_shape, out_shape, steps)
    last = max(axis for axis, pair in enumerate(axes) if is_resampled(*pair))
    return max(window_lengths(*axes[last])) > LONG_ROW and prod(in_shape[last + 1 :]) < CHANNELS


def kernel_weights(
    weights: npt.NDArray[np.float64], count: npt.NDArray[np.int32], dtype: DType, multiple: int | None = None
) -> npt.NDArray[np.float32 | np.float64]:
    """Rows of weights as they are multiplied: each a function of that row alone.

    multiple : of a mean of integers; 1 for weights of 1. None for `unit_rows`.
    """
    if multiple is None:
        return unit_rows(weights, count, dtype)
    counted = np.arange(weights.shape[1]) < count[:, None]
    each = np.ones(len(count)) if multiple == 1 else multiple // count
    return np.where(counted, each[:, None], 0).astype(dtype)


@dataclass(frozen=True)
class Parts:
    """Rows summed by parts: ``x[anchor] + sum over k of weights[k] * (x[k + 1] - x[k])``, x from a row's start on.

    anchor : (outputs,) int32. weights : (outputs, taps), of which the last counts for nothing, since there are as many
    differences as taps but for one.
    """

    anchor: Counts
    weights: Rounded


def by_parts(weights: Weights, count: Counts, dtype: DType) -> Parts:
    """Rows of weights that add up to 1, by parts (Abel's summation): of a constant exactly that constant.

    The anchor is the tap of the largest weight, the first of several. A difference weighs what all taps weigh on that
    side of it on which the anchor is not, so its weight fades as the row's do towards its ends.

    >>> parts = by_parts(np.array([[0.125, 0.75, 0.125]]), np.array([3], np.int32), np.dtype("float32"))
    >>> parts.anchor.tolist(), parts.weights.tolist()
    ([1], [[-0.125, 0.125, 0.0]])
    """
    anchor = np.empty(len(weights), np.int32)
    result = np.zeros_like(weights, dtype)
    taps = np.arange(weights.shape[1] - 1)
    many = max(1, ENTRIES_AT_ONCE // weights.shape[1])
    for begin in range(0, len(weights), many):
        rows = slice(begin, begin + many)
        some = weights[rows]
        anchor[rows] = np.abs(some).argmax(axis=1)
        before = np.negative(np.cumsum(some, axis=1)[:, :-1])
        behind = np.cumsum(some[:, :0:-1], axis=1)[:, ::-1]
        each = np.where(taps < anchor[rows, None], before, behind)
        result[rows, :-1] = np.where(taps + 1 < count[rows, None], each, 0)
    return Parts(anchor, result)


def unit_rows(
    weights: npt.NDArray[np.float64], count: npt.NDArray[np.int32], dtype: DType
) -> npt.NDArray[np.float32 | np.float64]:
    """Rows that add up to 1, rounded such that they still do.

    Not weights are rounded but their running sums, to multiples of a unit; a weight is the difference of two. The unit
    is the last place of numbers just below 1, or of 2 in rows with negative weights, whose running sums pass 1. So
    sums of weights are exact in any length, and finer weights would drown in the rounding of the sums. Beyond its count
    a row is zero, before and after.

    >>> unit_rows(np.array([[1 / 3, 1 / 3, 1 / 3]]), np.array([3], np.int32), np.dtype("float32")).sum()
    np.float32(1.0)
    """
    result = np.empty_like(weights, dtype)
    tap_by_tap = weights.strides[0] < weights.strides[1]
    many = ROWS_AT_ONCE if tap_by_tap else max(1, ENTRIES_AT_ONCE // weights.shape[1])
    round_some = _round_by_tap if tap_by_tap else _round_by_row
    for begin in range(0, len(weights), many):
        rows = slice(begin, begin + many)
        some = weights[rows]
        least = some.min(axis=1)
        negative = least < 0 if least.min() < 0 else np.zeros(len(some), bool)
        ones = np.where(negative, 0.5, 1.0) * 2.0 ** BITS[dtype.itemsize]  # 1, in units of the row
        round_some(some, count[rows], ones, np.where(negative, np.inf, ones), result[rows])
    return result


def _round_by_row(some: Weights, count: Counts, ones: Weights, most: Weights, out: Rounded) -> None:
    ones = ones[:, None]
    running = np.cumsum(some, axis=1)
    running *= ones
    np.rint(running, out=running)
    np.minimum(running, most[:, None], out=running)
    np.copyto(running, ones, where=np.arange(1, some.shape[1] + 1) >= count[:, None])
    running[:, 1:] -= running[:, :-1]
    np.divide(running, ones, out=out, casting="same_kind")


def _round_by_tap(some: Weights, count: Counts, ones: Weights, most: Weights, out: Rounded) -> None:
    """The same operations, of one tap of all rows at a time."""
    running, before, now = np.zeros(len(some)), np.zeros(len(some)), np.empty(len(some))
    units = 1 / ones  # a power of two: its multiples are as exact as quotients
    shortest, bounded = int(count.min()), bool((most == ones).any())
    for k in range(some.shape[1]):
        running += some[:, k]
        np.multiply(running, ones, out=now)
        np.rint(now, out=now)
        if bounded:
            np.minimum(now, most, out=now)
        if k + 1 >= shortest:
            np.copyto(now, ones, where=k + 1 >= count)
        np.subtract(now, before, out=before)
        np.multiply(before, units, out=out[:, k], casting="same_kind")
        before, now = now, before
