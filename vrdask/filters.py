"""Antialiased filters: Pillow's, whose support grows with the downscaling factor.

A filter is a support and a function of x. Shrinking an axis by r stretches both by r, so that each output averages
over all samples that it stands for. Rows are cut off at the ends of the axis and then normalised, as in Pillow's
``precompute_coeffs``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vrdask.operators import Operator, banded

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Filter:
    """`weight(x)` is zero outside ``[-support, support]``; twice the support is an integer."""

    support: float
    weight: Callable[[Floats], Floats]


def _box(x: Floats) -> Floats:
    return np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0)


def _triangle(x: Floats) -> Floats:
    return np.where(np.abs(x) < 1, 1 - np.abs(x), 0.0)


def _hamming(x: Floats) -> Floats:
    window: Floats = 0.54 + 0.46 * np.cos(np.pi * x)
    return np.where(np.abs(x) < 1, np.sinc(x) * window, 0.0)


def _keys(x: Floats) -> Floats:
    """Keys (1981) with a = -1/2."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos(x: Floats) -> Floats:
    return np.where((x >= -3) & (x < 3), np.sinc(x) * np.sinc(x / 3), 0.0)


FILTERS = {
    "box": Filter(0.5, _box),
    "bilinear": Filter(1.0, _triangle),
    "hamming": Filter(1.0, _hamming),
    "bicubic": Filter(2.0, _keys),
    "lanczos": Filter(3.0, _lanczos),
}


def filtered(name: str, n_in: int, n_out: int) -> Operator:
    """The operator of a filter: Pillow's ``Image.resize`` with the filter of this name.

    Output i has its centre at ``(i + 1/2) * n_in / n_out`` and weighs the samples whose centres lie within the support
    of it. All in float64, operation by operation as Pillow has it, not in exact integers: "box" jumps at the ends of
    its support, where samples lie exactly for many sizes, and there Pillow's rounding decides whether they count.
    """
    kernel = FILTERS[name]
    scale = n_in / n_out
    stretch = max(scale, 1.0)
    centre = (np.arange(n_out) + 0.5) * scale
    support = kernel.support * stretch
    start = np.trunc(centre - support + 0.5).astype(np.int64).clip(0, n_in - 1)
    stop = np.trunc(centre + support + 0.5).astype(np.int64).clip(start + 1, n_in)
    index = start[:, None] + np.arange(int((stop - start).max()))
    inside = index < stop[:, None]
    weight = np.where(inside, kernel.weight((index - centre[:, None] + 0.5) * (1 / stretch)), 0.0)
    return banded(n_in, np.where(inside, index, start[:, None]), weight / weight.sum(axis=1, keepdims=True))
