"""Where output samples lie on the input axis: exact integer arithmetic on global sizes.

A position is ``base + remainder / denominator`` with integers throughout; nothing is ever floored in floating point.
``floor(i * scale)`` in float64 is wrong for 385 of 16,384 small size pairs. Every function takes the outputs that it is
asked for; all of them where there are none.
"""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


class Positions(NamedTuple):
    """Position of output i on the input axis: ``base[i] + remainder[i] / denominator``, in input samples."""

    base: Indices
    remainder: Indices
    denominator: int


class Period(NamedTuple):
    """Positions repeat: so many outputs on, the same remainder, so many inputs on."""

    outputs: int
    inputs: int


def half_pixel(n_in: int, n_out: int, i: Indices | None = None) -> Positions:
    """Sample centres at half-integers of both grids: ``(i + 1/2) * n_in / n_out - 1/2``.

    >>> half_pixel(4, 2)
    Positions(base=array([0, 2]), remainder=array([2, 2]), denominator=4)
    """
    base, remainder = np.divmod((2 * _outputs(n_out, i) + 1) * n_in - n_out, 2 * n_out)
    return Positions(base, remainder, 2 * n_out)


def aligned_corners(n_in: int, n_out: int, i: Indices | None = None) -> Positions:
    """First and last samples of both grids coincide: ``i * (n_in - 1) / (n_out - 1)``; a single output lies at 0."""
    denominator = max(n_out - 1, 1)
    base, remainder = np.divmod(_outputs(n_out, i) * (n_in - 1), denominator)
    return Positions(base, remainder, denominator)


def positions(n_in: int, n_out: int, align_corners: bool, i: Indices | None = None) -> Positions:
    return aligned_corners(n_in, n_out, i) if align_corners else half_pixel(n_in, n_out, i)


def period(n_in: int, n_out: int, align_corners: bool = False) -> Period:
    """After how many outputs positions repeat.

    >>> period(300, 200), period(9, 5, True)
    (Period(outputs=2, inputs=3), Period(outputs=1, inputs=2))
    """
    inputs, outputs = (n_in - 1, max(n_out - 1, 1)) if align_corners else (n_in, n_out)
    common = gcd(inputs, outputs)
    return Period(outputs // common, inputs // common)


def nearest(n_in: int, n_out: int, align_corners: bool, i: Indices | None = None) -> Indices:
    """The input sample nearest to each output; a tie goes up.

    Half-pixel centres as torch's ``nearest-exact``; aligned corners round half up, as volresample does.
    """
    i = _outputs(n_out, i)
    if not align_corners:
        return (2 * i + 1) * n_in // (2 * n_out)
    span = max(n_out - 1, 1)
    return (2 * i * (n_in - 1) + span) // (2 * span)


def area_bounds(n_in: int, n_out: int, i: Indices | None = None) -> tuple[Indices, Indices]:
    """Input interval ``[floor(i * n_in / n_out), ceil((i + 1) * n_in / n_out))`` per output, as torch's ``area``."""
    i = _outputs(n_out, i)
    return i * n_in // n_out, -(-(i + 1) * n_in // n_out)


def _outputs(n_out: int, i: Indices | None) -> Indices:
    return np.arange(n_out, dtype=np.int64) if i is None else i
