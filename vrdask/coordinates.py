"""Where output samples lie on the input axis: exact integer arithmetic on global sizes.

A position is ``base + remainder / denominator`` with integers throughout; nothing is ever floored in floating point.
``floor(i * scale)`` in float64 is wrong for 385 of 16,384 small size pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


class Positions(NamedTuple):
    """Position of output i on the input axis: ``base[i] + remainder[i] / denominator``, in input samples."""

    base: Indices
    remainder: Indices
    denominator: int


def half_pixel(n_in: int, n_out: int) -> Positions:
    """Sample centres at half-integers of both grids: ``(i + 1/2) * n_in / n_out - 1/2``.

    >>> half_pixel(4, 2)
    Positions(base=array([0, 2]), remainder=array([2, 2]), denominator=4)
    """
    base, remainder = np.divmod((2 * np.arange(n_out, dtype=np.int64) + 1) * n_in - n_out, 2 * n_out)
    return Positions(base, remainder, 2 * n_out)


def aligned_corners(n_in: int, n_out: int) -> Positions:
    """First and last samples of both grids coincide: ``i * (n_in - 1) / (n_out - 1)``; a single output lies at 0."""
    denominator = max(n_out - 1, 1)
    base, remainder = np.divmod(np.arange(n_out, dtype=np.int64) * (n_in - 1), denominator)
    return Positions(base, remainder, denominator)


def positions(n_in: int, n_out: int, align_corners: bool) -> Positions:
    return aligned_corners(n_in, n_out) if align_corners else half_pixel(n_in, n_out)


def nearest(n_in: int, n_out: int, align_corners: bool) -> Indices:
    """The input sample nearest to each output; a tie goes up.

    Half-pixel centres as torch's ``nearest-exact``; aligned corners round half up, as volresample does.
    """
    i = np.arange(n_out, dtype=np.int64)
    if not align_corners:
        return (2 * i + 1) * n_in // (2 * n_out)
    span = max(n_out - 1, 1)
    return (2 * i * (n_in - 1) + span) // (2 * span)


def area_bounds(n_in: int, n_out: int) -> tuple[Indices, Indices]:
    """Input interval ``[floor(i * n_in / n_out), ceil((i + 1) * n_in / n_out))`` per output, as torch's ``area``."""
    i = np.arange(n_out, dtype=np.int64)
    return i * n_in // n_out, -(-(i + 1) * n_in // n_out)
