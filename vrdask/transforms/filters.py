"""Antialiased filters: Pillow's, whose support grows with the downscaling factor.

A filter is a support and a function of x. Shrinking an axis by r stretches both by r, so that each output averages
over all samples that it stands for. Rows are cut off at the ends of the axis and then normalised, as in Pillow's
``precompute_coeffs``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import lcm

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Interval
from vrdask.transforms import coordinates
from vrdask.transforms.bands import Indices, Reach, Rows, windowed
from vrdask.transforms.coordinates import Period, Step
from vrdask.transforms.elementary import cosine, running_sum, sine
from vrdask.transforms.operators import Operator

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Filter:
    """`weight(x)` is zero outside ``[-support, support]``; twice the support is an integer.

    counts : whether a weight is not zero, where that is known without it.
    """

    support: float
    weight: Callable[[Floats], Floats]
    counts: Callable[[Floats], npt.NDArray[np.bool_]] | None = None

    def is_tap(self, x: Floats) -> npt.NDArray[np.bool_]:
        return self.weight(x) != 0 if self.counts is None else self.counts(x)


def _box(x: Floats) -> Floats:
    return np.where((x > -0.5) & (x <= 0.5), 1.0, 0.0)


def _triangle(x: Floats) -> Floats:
    return np.where(np.abs(x) < 1, 1 - np.abs(x), 0.0)


_HAMMING = float(np.float32(0.54)), float(np.float32(0.46))
"""In single precision, as Pillow has them: that decides some weights of 22 bits."""


def _hamming(x: Floats) -> Floats:
    x = np.clip(x, -1, 1)
    window: Floats = _HAMMING[0] + _HAMMING[1] * cosine(np.pi * x)
    return np.where(np.abs(x) < 1, _sinc(x) * window, 0.0)


def _keys(x: Floats) -> Floats:
    """Keys (1981) with a = -1/2."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * -0.5
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos(x: Floats) -> Floats:
    inside = np.clip(x, -3, 3)
    return np.where((x >= -3) & (x < 3), _sinc(inside) * _sinc(inside / 3), 0.0)


def _magic_2013(x: Floats) -> Floats:
    """Costella's Magic Kernel Sharp of 2013."""
    x = np.abs(x)
    first = 1.0625 - 1.75 * x * x
    second = (x - 1) * (x - 1.75)
    third = -0.125 * (x - 2.5) * (x - 2.5)
    return _piecewise(x, first, second, third)


def _magic_2021(x: Floats) -> Floats:
    """Costella's Magic Kernel Sharp of 2021."""
    x = np.abs(x)
    first = 577 / 576 - 239 / 144 * x * x
    second = 35 / 36 * (x - 1) * (x - 239 / 140)
    third = 1 / 6 * (x - 2) * (65 / 24 - x)
    fourth = 1 / 36 * (x - 3) * (x - 3.75)
    fifth = -1 / 288 * (x - 4.5) * (x - 4.5)
    return _piecewise(x, first, second, third, fourth, fifth)


def _piecewise(x: Floats, *pieces: Floats) -> Floats:
    """The first piece up to 1/2, each further one a unit further, zero behind the last."""
    result = np.zeros_like(x)
    for number in reversed(range(len(pieces))):
        result = np.where(x <= number + 0.5, pieces[number], result)
    return result


def _sinc(x: Floats) -> Floats:
    """``sin(pi * x) / (pi * x)``; 1 at 0."""
    angle = np.pi * np.where(x == 0, 1.0, x)
    return np.where(x == 0, 1.0, sine(angle) / angle)


FILTERS = {
    "box": Filter(0.5, _box),
    "bilinear": Filter(1.0, _triangle),
    "hamming": Filter(1.0, _hamming, lambda x: np.abs(x) < 1),  # no sine of a float but that of 0 is 0
    "bicubic": Filter(2.0, _keys),
    "lanczos": Filter(3.0, _lanczos, lambda x: (x >= -3) & (x < 3)),
    "mks2013": Filter(2.5, _magic_2013),
    "mks2021": Filter(4.5, _magic_2021),
}


def filtered(name: str, n_in: int, n_out: int, step: Step | None = None) -> Operator:
    """The operator of a filter: Pillow's ``Image.resize`` with the filter of this name.

    Output i has its centre at ``(i + 1/2) * n_in / n_out`` and weighs the samples whose centres lie within the support
    of it. All in float64, operation by operation as Pillow has it, not in exact integers: "box" jumps at the ends of
    its support, where samples lie exactly for many sizes, and there Pillow's rounding decides whether they count.
    With `step`, centres are at ``(i + 1/2) * step``, as Pillow's ``box=(0, n_out * step)`` has them where it lies
    within the axis; one beyond its end counts as at its end. Those of a window begin at its start: Pillow's
    ``box=(start, start + n_out * step)``, which cuts off no support: samples beyond the window count.
    """
    inputs, outputs = coordinates.ratio(n_in, n_out, step)
    most = min(n_in, int(2 * FILTERS[name].support * max(inputs / outputs, 1.0)) + 2)
    end = n_in if step is None else float(np.nextafter(n_in, 0))
    centres = _Centres(inputs / outputs, end, float(coordinates.start_of(step)))
    band, reach = partial(_rows, name, n_in, centres, most), partial(_reach, name, n_in, centres)
    return Operator(n_in, n_out, band, reach, most, False, *_repeating(most, n_in, n_out, step))


@dataclass(frozen=True)
class _Centres:
    """Of outputs: so many samples apart, from the start on, the last of them where the axis ends at most."""

    scale: float
    end: float
    start: float

    @property
    def stretch(self) -> float:
        """Of the filter."""
        return max(self.scale, 1.0)

    def of(self, i: Indices) -> Floats:
        return np.minimum(self.start + (i.astype(np.float64) + 0.5) * self.scale, self.end)


def _repeating(most: int, n_in: int, n_out: int, step: Step | None) -> tuple[Period | None, Interval]:
    """The period of rows and the outputs that have it: where the ratio is a fraction of a power of two, positions are
    not rounded at all.
    """
    period, (inputs, outputs) = coordinates.period(n_in, n_out, step=step), coordinates.ratio(n_in, n_out, step)
    parts = lcm(period.outputs, coordinates.start_of(step).denominator)
    if parts & (parts - 1) or max(n_in, n_out) * parts >= 2**40:
        return None, (0, 0)
    ends = 2 * (most * outputs // inputs + 2)  # what rows at the ends weigh, and those that are sorted in with them
    return period, (min(ends, n_out), max(min(ends, n_out), n_out - ends))


def _rows(name: str, n_in: int, centres: _Centres, most: int, i: Indices) -> Rows:
    """most : a bound on taps. Weights are added up from the left, as in Pillow: zeros behind change nothing."""
    centre, stretch = centres.of(i), centres.stretch
    start, stop = _supports(FILTERS[name].support * stretch, centre, n_in)
    index = start[:, None] + np.arange(most)
    weight = np.where(index < stop[:, None], FILTERS[name].weight(_places(index, centre[:, None], stretch)), 0.0)
    return windowed(start, weight / running_sum(weight))


def _reach(name: str, n_in: int, centres: _Centres, i: Indices) -> Reach:
    """From both ends of the support inwards, as far as weights are zero: few samples."""
    centre, stretch = centres.of(i), centres.stretch
    first, last = _supports(FILTERS[name].support * stretch, centre, n_in)

    def walked(at: Indices, step: int) -> Indices:
        at, going = at.copy(), np.arange(len(at))
        while len(going := going[~FILTERS[name].is_tap(_places(at[going], centre[going], stretch))]):
            at[going] += step
            going = going[(at[going] > first[going]) & (at[going] < last[going] - 1)]
        return at

    return Reach(walked(first, 1), walked(last - 1, -1) + 1, first, last)


def _places(index: Indices, centre: Floats, stretch: float) -> Floats:
    """Samples as a filter sees them."""
    return (index - centre + 0.5) * (1 / stretch)


def _supports(support: float, centre: Floats, n_in: int) -> tuple[Indices, Indices]:
    start = np.trunc(centre - support + 0.5).astype(np.int64).clip(0, n_in - 1)
    stop = np.trunc(centre + support + 0.5).astype(np.int64).clip(start + 1, n_in)
    return start, stop
