"""The operator of an axis: a banded matrix, as a table with one row of taps per output sample.

    out[i] = sum over k < count[i] of weights[i, k] * source[start[i] + k]

One object answers three questions: what the kernel multiplies (`Operator.rows`), which source interval an output
interval reads (`Operator.reads`: its first and last row, since starts and stops are sorted), and why chunk seams are
exact (any slice of the table holds the same numbers). Boundaries are folded in: a clamped or mirrored tap adds its
weight to the sample it lands on. Rows keep their true length, so that a NaN outside the support cannot enter as
``0 * nan``.

No table is made before it is asked for, and then no more of it: rows follow from the sizes of the axis and from their
own numbers (`bands`). A small table is kept whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Interval, first_where
from vrdask.transforms import coordinates
from vrdask.transforms.bands import (
    Band,
    Indices,
    Rows,
    Weights,
    banded,
    composed,
    convolved,
    joined,
    merged,
    repeated,
    windowed,
)
from vrdask.transforms.coordinates import Period
from vrdask.transforms.elementary import powers, running_sum

Taps = tuple[Indices, Weights]
"""Of some outputs: (outputs, k) source samples, and what each of them weighs."""

Windows = tuple[Indices, Indices, Weights]
"""Of some outputs: the samples that each may weigh, from the first to behind the last, and (outputs, k) weights."""

SMALL_TABLE = 1 << 15
"""Entries of a table that is kept whole."""
ENTRIES_AT_ONCE = 1 << 15
"""Of a table that is being made: what it takes besides is a few times as much."""


@dataclass(frozen=True, eq=False)
class Operator:
    """A banded matrix of shape (n_out, n_in).

    band : makes rows, of outputs in any order. taps : of a row, at most. ascending : whether starts and stops of
    `band` are sorted as they are (see `Band`). period : of rows within the outputs of `interior`.
    """

    n_in: int
    n_out: int
    band: Callable[[Indices], Band]
    most_taps: int
    ascending: bool = True
    period: Period | None = None
    interior: Interval = (0, 0)

    @property
    def is_small(self) -> bool:
        """Whether the whole table is kept."""
        return self.n_out * self.most_taps <= SMALL_TABLE

    @cached_property
    def taps(self) -> int:
        """Of a row at most; of a large table it is a bound."""
        return self._whole.taps if self.is_small else self.most_taps

    def rows(self, begin: int, end: int) -> Rows:
        """The rows of a non-empty interval of outputs: the same numbers, whatever the interval."""
        return self._whole.part(begin, end) if self.is_small else self._made(begin, end)

    def reads(self, writes: Interval) -> Interval:
        """The source interval that a non-empty output interval depends on: no sample more."""
        starts, stops = self.reads_many(np.array([writes[0]]), np.array([writes[1]]))
        return int(starts[0]), int(stops[0])

    def reads_many(self, starts: Indices, stops: Indices) -> tuple[Indices, Indices]:
        """`reads` for arrays of output intervals."""
        if self.is_small:
            return self._whole.start[starts], self._whole.stop[stops - 1]
        outputs, place = np.unique(np.concatenate([starts, stops - 1]), return_inverse=True)
        begin, end = self._ends(outputs)
        return begin[place[: len(starts)]], end[place[len(starts) :]]

    def alike(self, writes: Interval) -> tuple[Interval, int]:
        """An output interval, the same for many, whose rows are those of `writes` but for a number of source samples
        that they begin earlier: that interval, and the number.
        """
        begin, end = writes
        if self.period is None or begin < self.interior[0] or end > self.interior[1]:
            return writes, 0
        times = (begin - self.interior[0]) // self.period.outputs
        earlier = times * self.period.outputs
        return (begin - earlier, end - earlier), times * self.period.inputs

    @cached_property
    def largest_weight(self) -> float:
        """Of the whole table, without its sign; the table is made once for that, some rows at a time."""
        many = max(1, ENTRIES_AT_ONCE // self.most_taps)
        first, last = self.interior
        once = last if self.period is None else min(last, first + self.period.outputs)
        begins = (at for part in (range(0, once, many), range(last, self.n_out, many)) for at in part)
        return max(float(np.abs(self.rows(at, min(at + many, self.n_out)).weights).max()) for at in begins)

    def extents(self, begin: int, end: int) -> tuple[Indices, Indices]:
        """Starts and stops of the rows of a non-empty interval of outputs."""
        many = max(1, ENTRIES_AT_ONCE // self.most_taps)
        rows = (self.rows(at, min(at + many, end)) for at in range(begin, end, many))
        starts, stops = zip(*((one.start, one.stop) for one in rows), strict=True)
        return np.concatenate(starts), np.concatenate(stops)

    @property
    def start(self) -> Indices:
        """Of the whole table: the first source sample of each output."""
        return self._whole.start

    @property
    def count(self) -> npt.NDArray[np.int32]:
        """Of the whole table: the number of taps of each output."""
        return self._whole.count

    @property
    def weights(self) -> Weights:
        """Of the whole table: (n_out, taps) float64; row i counts up to ``count[i]``."""
        return self._whole.weights

    def dense(self) -> Weights:
        """The matrix itself."""
        matrix, rows = np.zeros((self.n_out, self.n_in)), self._whole
        for i, (start, count) in enumerate(zip(rows.start, rows.count, strict=True)):
            matrix[i, start : start + count] = rows.weights[i, :count]
        return matrix

    @property
    def _whole(self) -> Rows:
        return self._small if self.is_small else _whole_table(self)

    @cached_property
    def _small(self) -> Rows:
        return self._made(0, self.n_out)

    def _made(self, begin: int, end: int) -> Rows:
        """Rows, those that repeat made once."""
        if self.period is None:
            return self._each(begin, end)
        first, last = max(begin, self.interior[0]), min(end, self.interior[1])
        if last - first <= 2 * self.period.outputs:
            return self._each(begin, end)
        once = self._each(first, first + self.period.outputs)
        pieces = [repeated(once, last - first, self.period.inputs)]
        if begin < first:
            pieces.insert(0, self._each(begin, first))
        if last < end:
            pieces.append(self._each(last, end))
        return joined(pieces)

    def _each(self, begin: int, end: int) -> Rows:
        """Rows, made one by one."""
        bands = list(self.bands(np.arange(begin, end)))
        rows = joined([band.rows for band in bands])
        if self.ascending:
            return rows
        start, stop = rows.start.copy(), rows.stop
        (start[-1],), _ = self._ends(np.array([end - 1]))
        _, (stop[0],) = self._ends(np.array([begin]))
        return rows.widened(np.minimum.accumulate(start[::-1])[::-1], np.maximum.accumulate(stop))

    def bands(self, outputs: Indices) -> Iterator[Band]:
        """Rows of outputs in any order, a bounded number at a time."""
        return map(self.band, self._some(outputs))

    def _some(self, outputs: Indices) -> Iterator[Indices]:
        many = max(1, ENTRIES_AT_ONCE // self.most_taps)
        return (outputs[k : k + many] for k in range(0, max(len(outputs), 1), many))

    def _ends(self, outputs: Indices) -> tuple[Indices, Indices]:
        """First samples and stops of rows in any order, sorted as those of the whole table are."""
        found = []
        for some in self._some(outputs):
            band = self.band(some)
            start, stop = band.rows.start, band.rows.stop
            if not self.ascending:
                start, stop = self._walked(some, start, band.first, 1), self._walked(some, stop, band.last, -1)
            found.append((start, stop))
        starts, stops = zip(*found, strict=True)
        return np.concatenate(starts), np.concatenate(stops)

    def _walked(self, at: Indices, ends: Indices, bounds: Indices, step: int) -> Indices:
        """Starts of rows that begin no later than any behind them (step 1), or stops of rows that end no earlier than
        any before them (-1).

        None behind a row whose bound has reached that begins earlier, so the walk is short.
        """
        ends, walking = ends.copy(), np.arange(len(at))
        while len(walking):
            going = ((ends[walking] - bounds) * step > 0) & (at + step >= 0) & (at + step < self.n_out)
            walking, at = walking[going], at[going] + step
            if not len(walking):
                break
            rows, first, last = self.band(at)
            if step > 0:
                ends[walking], bounds = np.minimum(ends[walking], rows.start), first
            else:
                ends[walking], bounds = np.maximum(ends[walking], rows.stop), last
        return ends


@lru_cache(maxsize=1)
def _whole_table(op: Operator) -> Rows:
    return op.rows(0, op.n_out)


def from_taps(
    n_in: int,
    n_out: int,
    taps: Callable[[Indices], Taps],
    most_taps: int,
    period: Period | None = None,
    interior: Interval = (0, 0),
) -> Operator:
    """The operator whose row i adds weights onto source samples, as `taps` has them of any outputs (see `banded`)."""
    return Operator(n_in, n_out, lambda i: banded(n_in, *taps(i)), min(most_taps, n_in), True, period, interior)


def from_windows(
    n_in: int, n_out: int, windows: Callable[[Indices], Windows], most_taps: int, *repeating: Any
) -> Operator:
    """The operator whose row i weighs the samples of a window, as `windows` has it of any outputs.

    repeating : the last fields of an `Operator`: whether it ascends, its period and interior.
    """
    return Operator(n_in, n_out, lambda i: windowed(*windows(i)), min(most_taps, n_in), *repeating)


def reflect(index: Indices, n: int) -> Indices:
    """Fold any integer into [0, n), mirrored about the half-samples -1/2 and n - 1/2 (SciPy's mode "reflect")."""
    index = index % (2 * n)
    return np.minimum(index, 2 * n - 1 - index)


def nearest(n_in: int, n_out: int, align_corners: bool) -> Operator:
    """One tap of weight one."""

    def windows(i: Indices) -> Windows:
        start = coordinates.nearest(n_in, n_out, align_corners, i)
        return start, start + 1, np.ones((len(i), 1))

    return from_windows(n_in, n_out, windows, 1, True, coordinates.period(n_in, n_out, align_corners), (0, n_out))


def linear(n_in: int, n_out: int, align_corners: bool) -> Operator:
    """The two neighbours of each position, clamped to the axis: torch ``interpolate(mode="linear")``."""
    taps = partial(_linear_taps, n_in, n_out, align_corners)
    return from_taps(n_in, n_out, taps, 2, *_repeating(n_in, n_out, align_corners, (0, 1)))


def _linear_taps(n_in: int, n_out: int, align_corners: bool, i: Indices) -> Taps:
    base, remainder, denominator = coordinates.positions(n_in, n_out, align_corners, i)
    index = np.stack([base, base + 1], axis=1).clip(0, n_in - 1)
    weight = np.stack([denominator - remainder, remainder], axis=1) / denominator
    return index, weight


def area(n_in: int, n_out: int) -> Operator:
    """The mean of the samples between integer bounds: torch ``interpolate(mode="area")`` (adaptive average pooling)."""
    windows, most = partial(_area_windows, n_in, n_out), -(-n_in // n_out) + 1
    return from_windows(n_in, n_out, windows, most, True, coordinates.period(n_in, n_out), (0, n_out))


def _area_windows(n_in: int, n_out: int, i: Indices) -> Windows:
    start, stop = coordinates.area_bounds(n_in, n_out, i)
    count = (stop - start).astype(np.int32)
    k = np.arange(count.max(initial=1))
    weights = np.where(k < count[:, None], 1.0 / count[:, None], 0.0)
    return start, stop, weights


def b_spline(n_in: int, n_out: int, align_corners: bool) -> Operator:
    """Cubic B-spline values of coefficients, mirrored at both ends: four taps, to be applied after `prefilter`."""
    taps = partial(_b_spline_taps, n_in, n_out, align_corners)
    return from_taps(n_in, n_out, taps, 4, *_repeating(n_in, n_out, align_corners, (-1, 2)))


def _b_spline_taps(n_in: int, n_out: int, align_corners: bool, i: Indices) -> Taps:
    base, remainder, denominator = coordinates.positions(n_in, n_out, align_corners, i)
    t, u = remainder / denominator, (denominator - remainder) / denominator
    t2, u2 = t * t, u * u
    weight = np.stack([u2 * u, 4 - 6 * t2 + 3 * (t2 * t), 4 - 6 * u2 + 3 * (u2 * u), t2 * t], axis=1) / 6
    return reflect(base[:, None] + np.arange(-1, 3), n_in), weight


def prefilter(n: int, radius: int) -> Operator:
    """Cubic B-spline coefficients of samples, mirrored at both ends: `scipy.ndimage.spline_filter1d(mode="reflect")`.

    The recursive filter of Unser (1999) has the impulse response ``sqrt(3) * z**abs(k)`` with z = sqrt(3) - 2. Cut off
    at `radius` (13: below 2^-24; 28: below 2^-53) it is a banded matrix like any other, which depends on nothing but
    the position: no recursion, no block grid to anchor, and no NaN beyond its support.
    """
    offset = np.arange(-radius, radius + 1)
    response = powers(sqrt(3.0) - 2.0, radius + 1)[np.abs(offset)]
    response /= running_sum(response)

    def taps(i: Indices) -> Taps:
        index = reflect(i[:, None] + offset, n)
        return index, np.broadcast_to(response, index.shape)

    inside = (radius, max(radius, n - radius))
    return from_taps(n, n, taps, len(offset), Period(1, 1), inside)


def compose(outer: Operator, inner: Operator) -> Operator:
    """The product ``outer @ inner``: one table that does what applying `inner`, then `outer`, would do."""
    first, last = inner.interior
    repeats = inner.period == (1, 1) and first < last
    taps = min(outer.most_taps + inner.most_taps - 1, inner.n_in)

    def by_any(rows: Rows) -> Rows:
        places = [np.minimum(rows.start + k, rows.stop - 1) for k in range(rows.taps)]
        middle = np.unique(np.concatenate(places))
        return composed(rows, joined([one.rows for one in inner.bands(middle)]), middle, inner.n_in)

    def band(outputs: Indices) -> Band:
        rows = outer.band(outputs).rows
        within = (rows.start >= first) & (rows.stop <= last) if repeats else np.zeros(len(outputs), bool)
        if not within.any():
            found = by_any(rows)
        else:
            one = inner.rows(first, first + 1)
            found = convolved(rows.chosen(within), one.weights[0], first - int(one.start[0]))
            if not within.all():
                found = merged(within, found, by_any(rows.chosen(~within)))
        return Band(found, found.start, found.stop)

    def is_behind(i: int) -> bool:
        return int(outer.band(np.array([i])).rows.start[0]) >= first

    def is_before(i: int) -> bool:
        return int(outer.band(np.array([i])).rows.stop[0]) <= last

    if not repeats or outer.period is None:
        return Operator(inner.n_in, outer.n_out, band, taps)
    begin = first_where(is_behind, *outer.interior)
    end = first_where(lambda i: not is_before(i), *outer.interior)
    return Operator(inner.n_in, outer.n_out, band, taps, True, outer.period, (begin, max(begin, end)))


def _repeating(n_in: int, n_out: int, align_corners: bool, reach: Interval) -> tuple[Period, Interval]:
    """The period of rows that weigh the samples of an interval about their position, and the outputs for which it lies
    within the axis.
    """

    def base(i: int) -> int:
        return int(coordinates.positions(n_in, n_out, align_corners, np.array([i])).base[0])

    begin = first_where(lambda i: base(i) + reach[0] >= 0, 0, n_out)
    end = first_where(lambda i: base(i) + reach[1] > n_in - 1, 0, n_out)
    return coordinates.period(n_in, n_out, align_corners), (begin, max(begin, end))
