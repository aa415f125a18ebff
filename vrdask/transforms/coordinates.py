"""Where output samples lie on the input axis: exact integer arithmetic on global sizes.

A position is ``base + remainder / denominator`` with integers throughout; nothing is ever floored in floating point.
``floor(i * scale)`` in float64 is wrong for 385 of 16,384 small size pairs. Every function takes the outputs that it is
asked for; all of them where there are none.

The step from one output to the next is the ratio of the sizes, ``n_in / n_out``, so that both grids cover the same
extent. Or it is the one asked for, `step`, an exact fraction; then the last output's share may end before the axis
does, or behind it: by half a step at most, unless it is the only one. Decimals of 17 digits make fractions whose
multiples pass 64 bits: of those, positions are computed in integers of any size.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


class Positions(NamedTuple):
    """Position of output i on the input axis: ``base[i] + remainder[i] / denominator``, in input samples."""

    base: Indices
    remainder: npt.NDArray[Any]
    denominator: int

    @property
    def shares(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """How far a position lies behind the sample at its base, and before the next one."""
        behind, before = self.remainder / self.denominator, (self.denominator - self.remainder) / self.denominator
        return behind.astype(np.float64, copy=False), before.astype(np.float64, copy=False)


class Period(NamedTuple):
    """Positions repeat: so many outputs on, the same remainder, so many inputs on."""

    outputs: int
    inputs: int


def half_pixel(n_in: int, n_out: int, i: Indices | None = None, step: Fraction | None = None) -> Positions:
    """Sample centres at half-integers of both grids: ``(i + 1/2) * n_in / n_out - 1/2``, or times `step`.

    >>> half_pixel(4, 2)
    Positions(base=array([0, 2]), remainder=array([2, 2]), denominator=4)
    """
    inputs, outputs = ratio(n_in, n_out, step)
    return _divided((2 * _outputs(n_out, i, step) + 1) * inputs - outputs, 2 * outputs)


def aligned_corners(n_in: int, n_out: int, i: Indices | None = None, step: Fraction | None = None) -> Positions:
    """First and last samples of both grids coincide: ``i * (n_in - 1) / (n_out - 1)``; a single output lies at 0.

    With `step` the first ones do: ``i * step``.
    """
    inputs, outputs = ratio(n_in - 1, max(n_out - 1, 1), step)
    return _divided(_outputs(n_out, i, step) * inputs, outputs)


def positions(
    n_in: int, n_out: int, align_corners: bool, i: Indices | None = None, step: Fraction | None = None
) -> Positions:
    return aligned_corners(n_in, n_out, i, step) if align_corners else half_pixel(n_in, n_out, i, step)


def ratio(n_in: int, n_out: int, step: Fraction | None = None) -> tuple[int, int]:
    """So many inputs for so many outputs."""
    return (n_in, n_out) if step is None else step.as_integer_ratio()


def period(n_in: int, n_out: int, align_corners: bool = False, step: Fraction | None = None) -> Period:
    """After how many outputs positions repeat.

    >>> period(300, 200), period(9, 5, True)
    (Period(outputs=2, inputs=3), Period(outputs=1, inputs=2))
    """
    inputs, outputs = ratio(n_in - 1, max(n_out - 1, 1), step) if align_corners else ratio(n_in, n_out, step)
    common = gcd(inputs, outputs)
    return Period(outputs // common, inputs // common)


def nearest(
    n_in: int, n_out: int, align_corners: bool, i: Indices | None = None, step: Fraction | None = None
) -> Indices:
    """The input sample nearest to each output; a tie goes up.

    Half-pixel centres as torch's ``nearest-exact``; aligned corners round half up, as volresample does.
    """
    i = _outputs(n_out, i, step)
    if not align_corners:
        inputs, outputs = ratio(n_in, n_out, step)
        found = (2 * i + 1) * inputs // (2 * outputs)
    else:
        inputs, outputs = ratio(n_in - 1, max(n_out - 1, 1), step)
        found = (2 * i * inputs + outputs) // (2 * outputs)
    return found if step is None else np.minimum(found, n_in - 1).astype(np.int64)


def area_bounds(
    n_in: int, n_out: int, i: Indices | None = None, step: Fraction | None = None
) -> tuple[Indices, Indices]:
    """Input interval ``[floor(i * n_in / n_out), ceil((i + 1) * n_in / n_out))`` per output, as torch's ``area``.

    With `step` ``[floor(i * step), ceil((i + 1) * step))``, cut off at the end of the axis.
    """
    i = _outputs(n_out, i, step)
    inputs, outputs = ratio(n_in, n_out, step)
    start, stop = i * inputs // outputs, -(-(i + 1) * inputs // outputs)
    return (start, stop) if step is None else (start.astype(np.int64), np.minimum(stop, n_in).astype(np.int64))


def area_ends(
    n_in: int, n_out: int, i: Indices, step: Fraction | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], int]:
    """Where the share of an output begins and ends, in parts of a sample, and how many parts a sample has."""
    i = _outputs(n_out, i, step)
    inputs, outputs = ratio(n_in, n_out, step)
    return i * inputs, np.minimum((i + 1) * inputs, n_in * outputs), outputs


def _outputs(n_out: int, i: Indices | None, step: Fraction | None) -> npt.NDArray[Any]:
    """Numbers of outputs, as Python's integers where multiples of a step pass 64 bits."""
    i = np.arange(n_out, dtype=np.int64) if i is None else i
    if step is None or 2 * ((n_out + 1) * step.numerator + step.denominator) < 2**63:
        return i
    return i.astype(object)


def _divided(numerator: npt.NDArray[Any], denominator: int) -> Positions:
    if numerator.dtype == object:
        return Positions((numerator // denominator).astype(np.int64), numerator % denominator, denominator)
    return Positions(*np.divmod(numerator, denominator), denominator)
