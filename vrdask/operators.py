"""The operator of an axis: a banded matrix, stored as a table with one row of taps per output sample.

    out[i] = sum over k < count[i] of weights[i, k] * source[start[i] + k]

One object answers three questions: what the kernel multiplies (the table), which source interval an output interval
reads (`Operator.reads`: two look-ups, since starts and stops are sorted), and why chunk seams are exact (a slice of the
table holds the same numbers). Boundaries are folded in: a clamped or mirrored tap adds its weight to the sample it
lands on. Rows keep their true length, so that a NaN outside the support cannot enter as ``0 * nan``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vrdask import coordinates
from vrdask.intervals import Interval

Weights = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, eq=False)
class Operator:
    """A banded matrix of shape (n_out, n_in).

    start, count : (n_out,) integers; first source sample and number of taps of each output. ``start`` and
        ``start + count`` are sorted.
    weights : (n_out, taps) float64; row i counts up to ``count[i]``.
    """

    n_in: int
    start: Indices
    count: npt.NDArray[np.int32]
    weights: Weights

    @property
    def n_out(self) -> int:
        return len(self.start)

    @property
    def taps(self) -> int:
        return int(self.weights.shape[1])

    def reads(self, writes: Interval) -> Interval:
        """The source interval that a non-empty output interval depends on: no sample more."""
        first, last = writes[0], writes[1] - 1
        return int(self.start[first]), int(self.start[last]) + int(self.count[last])

    def reads_many(self, starts: Indices, stops: Indices) -> tuple[Indices, Indices]:
        """`reads` for arrays of output intervals."""
        last = stops - 1
        return self.start[starts], self.start[last] + self.count[last]

    def dense(self) -> Weights:
        """The matrix itself."""
        matrix = np.zeros((self.n_out, self.n_in))
        for i, (start, count) in enumerate(zip(self.start, self.count, strict=True)):
            matrix[i, start : start + count] = self.weights[i, :count]
        return matrix


def banded(n_in: int, index: Indices, weight: Weights) -> Operator:
    """The operator whose row i adds ``weight[i, k]`` onto source sample ``index[i, k]``, for all k.

    Taps of weight zero are not part of the support, but for those that keep starts and stops sorted: a filter that is
    zero at whole numbers has rows of one tap, between rows that begin before it and end after it. Indices of one row
    may repeat (folded boundaries).
    """
    counts = weight != 0
    low = np.where(counts, index, n_in).min(axis=1)
    high = np.where(counts, index, -1).max(axis=1) + 1
    low = np.minimum.accumulate(low[::-1])[::-1]
    high = np.maximum.accumulate(high)
    count = (high - low).astype(np.int32)
    table = np.zeros((len(index), int(count.max(initial=1))))
    rows = np.broadcast_to(np.arange(len(index))[:, None], index.shape)
    np.add.at(table, (rows[counts], (index - low[:, None])[counts]), weight[counts])
    return Operator(n_in, low, count, table)


def reflect(index: Indices, n: int) -> Indices:
    """Fold any integer into [0, n), mirrored about the half-samples -1/2 and n - 1/2 (SciPy's mode "reflect")."""
    index = index % (2 * n)
    return np.minimum(index, 2 * n - 1 - index)


def nearest(n_in: int, n_out: int, align_corners: bool) -> Operator:
    """One tap of weight one."""
    start = coordinates.nearest(n_in, n_out, align_corners)
    return Operator(n_in, start, np.ones(n_out, np.int32), np.ones((n_out, 1)))


def linear(n_in: int, n_out: int, align_corners: bool) -> Operator:
    """The two neighbours of each position, clamped to the axis: torch ``interpolate(mode="linear")``."""
    base, remainder, denominator = coordinates.positions(n_in, n_out, align_corners)
    index = np.stack([base, base + 1], axis=1).clip(0, n_in - 1)
    weight = np.stack([denominator - remainder, remainder], axis=1) / denominator
    return banded(n_in, index, weight)


def area(n_in: int, n_out: int) -> Operator:
    """The mean of the samples between integer bounds: torch ``interpolate(mode="area")`` (adaptive average pooling)."""
    start, stop = coordinates.area_bounds(n_in, n_out)
    count = (stop - start).astype(np.int32)
    k = np.arange(count.max())
    weights = np.where(k < count[:, None], 1.0 / count[:, None], 0.0)
    return Operator(n_in, start, count, weights)


def b_spline(n_in: int, n_out: int, align_corners: bool) -> Operator:
    """Cubic B-spline values of coefficients, mirrored at both ends: four taps, to be applied after `prefilter`."""
    base, remainder, denominator = coordinates.positions(n_in, n_out, align_corners)
    t, u = remainder / denominator, (denominator - remainder) / denominator
    weight = np.stack([u**3, 4 - 6 * t**2 + 3 * t**3, 4 - 6 * u**2 + 3 * u**3, t**3], axis=1) / 6
    return banded(n_in, reflect(base[:, None] + np.arange(-1, 3), n_in), weight)


def prefilter(n: int, radius: int) -> Operator:
    """Cubic B-spline coefficients of samples, mirrored at both ends: `scipy.ndimage.spline_filter1d(mode="reflect")`.

    The recursive filter of Unser (1999) has the impulse response ``sqrt(3) * z**abs(k)`` with z = sqrt(3) - 2. Cut off
    at `radius` (13: below 2^-24; 28: below 2^-53) it is a banded matrix like any other, which depends on nothing but
    the position: no recursion, no block grid to anchor, and no NaN beyond its support.
    """
    offset = np.arange(-radius, radius + 1)
    response = (np.sqrt(3.0) - 2.0) ** np.abs(offset)
    response /= response.sum()
    index = reflect(np.arange(n)[:, None] + offset, n)
    return banded(n, index, np.broadcast_to(response, index.shape))


def compose(outer: Operator, inner: Operator) -> Operator:
    """The product ``outer @ inner``: one table that does what applying `inner`, then `outer`, would do."""
    parts = []
    for begin in range(0, outer.n_out, _ROWS_AT_ONCE):
        rows = slice(begin, begin + _ROWS_AT_ONCE)
        counted = np.arange(outer.taps) < outer.count[rows, None]
        middle = np.where(counted, outer.start[rows, None] + np.arange(outer.taps), outer.start[rows, None])
        weight = np.where(counted, outer.weights[rows], 0.0)[:, :, None] * inner.weights[middle]
        inside = np.arange(inner.taps) < inner.count[middle][:, :, None]
        index = inner.start[middle][:, :, None] + np.arange(inner.taps)
        flat = (len(weight), -1)
        parts.append(
            banded(inner.n_in, np.where(inside, index, 0).reshape(flat), np.where(inside, weight, 0.0).reshape(flat))
        )
    taps = max(part.taps for part in parts)
    return Operator(
        inner.n_in,
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.count for part in parts]),
        np.concatenate([np.pad(part.weights, ((0, 0), (0, taps - part.taps))) for part in parts]),
    )
