"""The operators of an axis that interpolates: nearest, linear, area, area_exact, and the two steps of cubic.

Where rows begin and end follows from positions in exact integers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import sqrt

import numpy as np

from vrdask.boxes import Interval, first_where
from vrdask.transforms import coordinates
from vrdask.transforms.bands import Indices, Reach, Rows, banded, by_tap, composed, convolved, joined, merged
from vrdask.transforms.coordinates import Period, Step
from vrdask.transforms.elementary import powers, running_sum
from vrdask.transforms.operators import Operator


def reflect(index: Indices, n: int) -> Indices:
    """Fold any integer into [0, n), mirrored about the half-samples -1/2 and n - 1/2 (SciPy's mode "reflect")."""
    index = index % (2 * n)
    return np.minimum(index, 2 * n - 1 - index)


def nearest(n_in: int, n_out: int, align_corners: bool, step: Step | None = None) -> Operator:
    """One tap of weight one."""

    def reach(i: Indices) -> Reach:
        start = coordinates.nearest(n_in, n_out, align_corners, i, step)
        return Reach.of(start, start + 1)

    def band(i: Indices) -> Rows:
        return Rows(reach(i).start, np.ones(len(i), np.int32), np.ones((len(i), 1)))

    period = coordinates.period(n_in, n_out, align_corners, step)
    return Operator(n_in, n_out, band, reach, 1, True, period, (0, _within(n_in, n_out, step, reach)))


def linear(n_in: int, n_out: int, align_corners: bool, step: Step | None = None) -> Operator:
    """The two neighbours of each position, clamped to the axis: torch ``interpolate(mode="linear")``."""

    def band(i: Indices) -> Rows:
        found = coordinates.positions(n_in, n_out, align_corners, i, step)
        (base, remainder, _), (t, u) = found, found.shares
        if base.min() >= 0 and base.max() < n_in - 1:
            return by_tap(base, remainder > 0, u, t)
        return banded(n_in, np.stack([base, base + 1], axis=1).clip(0, n_in - 1), np.stack([u, t], axis=1))

    def reach(i: Indices) -> Reach:
        base, remainder, _ = coordinates.positions(n_in, n_out, align_corners, i, step)
        return Reach.of(base.clip(0, n_in - 1), (base + (remainder > 0)).clip(0, n_in - 1) + 1)

    most = min(2, n_in)
    return Operator(n_in, n_out, band, reach, most, True, *_repeating(n_in, n_out, align_corners, (0, 1), step))


def area(n_in: int, n_out: int, step: Step | None = None) -> Operator:
    """The mean of the samples between integer bounds: torch ``interpolate(mode="area")`` (adaptive average pooling)."""

    def band(i: Indices) -> Rows:
        start, stop = coordinates.area_bounds(n_in, n_out, i, step)
        count = (stop - start).astype(np.int32)
        k = np.arange(count.max(initial=1))
        return Rows(start, count, np.where(k < count[:, None], 1.0 / count[:, None], 0.0))

    def reach(i: Indices) -> Reach:
        return Reach.of(*coordinates.area_bounds(n_in, n_out, i, step))

    inputs, outputs = coordinates.ratio(n_in, n_out, step)
    most, period = min(-(-inputs // outputs) + 1, n_in), coordinates.period(n_in, n_out, step=step)
    return Operator(n_in, n_out, band, reach, most, True, period, (0, _within(n_in, n_out, step, reach)))


def area_exact(n_in: int, n_out: int, step: Step | None = None) -> Operator:
    """The mean over ``[i * n_in / n_out, (i + 1) * n_in / n_out)``, where samples that it holds in part count in part:
    OpenCV's ``INTER_AREA`` on shrinking axes, scikit-image's ``resize_local_mean`` on all. With `step`, over
    ``[i * step, (i + 1) * step)``, cut off at the end of the axis; of a window, that far behind its start.
    """

    def band(i: Indices) -> Rows:
        start, stop = coordinates.area_bounds(n_in, n_out, i, step)
        count = (stop - start).astype(np.int32)
        k = start[:, None] + np.arange(count.max(initial=1))
        first, last, parts = coordinates.area_ends(n_in, n_out, i, step)
        k = k.astype(first.dtype, copy=False)
        held = np.minimum((k + 1) * parts, last[:, None]) - np.maximum(k * parts, first[:, None])
        share = (held / (last - first)[:, None]).astype(np.float64, copy=False)
        return Rows(start, count, np.where(share > 0, share, 0.0))

    return replace(area(n_in, n_out, step), band=band)


def b_spline(n_in: int, n_out: int, align_corners: bool, step: Step | None = None) -> Operator:
    """Cubic B-spline values of coefficients, mirrored at both ends: four taps, to be applied after `prefilter`."""

    def band(i: Indices) -> Rows:
        found = coordinates.positions(n_in, n_out, align_corners, i, step)
        (base, remainder, _), (t, u) = found, found.shares
        t2, u2 = t * t, u * u
        t3, u3 = t2 * t, u2 * u
        weight = u3 / 6, (4 - 6 * t2 + 3 * t3) / 6, (4 - 6 * u2 + 3 * u3) / 6, t3 / 6
        if base.min() >= 1 and base.max() < n_in - 2:
            return by_tap(base - 1, remainder > 0, *weight)
        return banded(n_in, reflect(base[:, None] + np.arange(-1, 3), n_in), np.stack(weight, axis=1))

    def reach(i: Indices) -> Reach:
        base, remainder, _ = coordinates.positions(n_in, n_out, align_corners, i, step)
        samples = [reflect(base + k, n_in) for k in (-1, 0, 1)]
        samples.append(np.where(remainder > 0, reflect(base + 2, n_in), samples[0]))  # at a sample, three taps
        return Reach.of(np.minimum.reduce(samples), np.maximum.reduce(samples) + 1)

    most = min(4, n_in)
    return Operator(n_in, n_out, band, reach, most, True, *_repeating(n_in, n_out, align_corners, (-1, 2), step))


def prefilter(n: int, radius: int) -> Operator:
    """Cubic B-spline coefficients of samples, mirrored at both ends: `scipy.ndimage.spline_filter1d(mode="reflect")`.

    The recursive filter of Unser (1999) has the impulse response ``sqrt(3) * z**abs(k)`` with z = sqrt(3) - 2. Cut off
    at `radius` (13: below 2^-24; 28: below 2^-53) it is a banded matrix like any other, which depends on nothing but
    the position: no recursion, no block grid to anchor, and no NaN beyond its support.
    """
    offset = np.arange(-radius, radius + 1)
    response = powers(sqrt(3.0) - 2.0, radius + 1)[np.abs(offset)]
    response /= running_sum(response)

    def band(i: Indices) -> Rows:
        index = reflect(i[:, None] + offset, n)
        return banded(n, index, np.broadcast_to(response, index.shape))

    def reach(i: Indices) -> Reach:
        return Reach.of(np.maximum(i - radius, 0), np.minimum(i + radius + 1, n))

    inside = (radius, max(radius, n - radius))
    return Operator(n, n, band, reach, min(len(offset), n), True, Period(1, 1), inside)


def compose(outer: Operator, inner: Operator) -> Operator:
    """The product ``outer @ inner``: one table that does what applying `inner`, then `outer`, would do."""
    first, last = inner.interior
    repeats = inner.period == (1, 1) and first < last
    taps = min(outer.most_taps + inner.most_taps - 1, inner.n_in)

    @cache
    def repeating() -> Rows:
        return inner.rows(first, first + 1)

    def by_any(rows: Rows) -> Rows:
        places = [np.minimum(rows.start + k, rows.stop - 1) for k in range(rows.taps)]
        middle = np.unique(np.concatenate(places))
        return composed(rows, joined(list(inner.bands(middle))), middle, inner.n_in)

    def band(outputs: Indices) -> Rows:
        rows = outer.band(outputs)
        within = (rows.start >= first) & (rows.stop <= last) if repeats else np.zeros(len(outputs), bool)
        if not within.any():
            found = by_any(rows)
        else:
            one = repeating()
            found = convolved(rows if within.all() else rows.chosen(within), one.weights[0], first - int(one.start[0]))
            if not within.all():
                found = merged(within, found, by_any(rows.chosen(~within)))
        return found

    def reach(outputs: Indices) -> Reach:
        start, stop, _, _ = outer.reach(outputs)
        return Reach.of(inner.reach(start).start, inner.reach(stop - 1).stop)

    def is_behind(i: int) -> bool:
        return int(outer.reach(np.array([i])).start[0]) >= first

    def is_before(i: int) -> bool:
        return int(outer.reach(np.array([i])).stop[0]) <= last

    if not repeats or outer.period is None:
        return Operator(inner.n_in, outer.n_out, band, reach, taps)
    begin = first_where(is_behind, *outer.interior)
    end = first_where(lambda i: not is_before(i), *outer.interior)
    return Operator(inner.n_in, outer.n_out, band, reach, taps, True, outer.period, (begin, max(begin, end)))


def _within(n_in: int, n_out: int, step: Step | None, reach: Callable[[Indices], Reach]) -> int:
    """Outputs before the first that a step of its own may have cut off at the end of the axis."""
    if step is None:
        return n_out
    return first_where(lambda i: int(reach(np.array([i])).stop[0]) >= n_in, 0, n_out)


def _repeating(
    n_in: int, n_out: int, align_corners: bool, reach: Interval, step: Step | None
) -> tuple[Period, Interval]:
    """The period of rows that weigh the samples of an interval about their position, and the outputs for which it lies
    within the axis.
    """

    def base(i: int) -> int:
        return int(coordinates.positions(n_in, n_out, align_corners, np.array([i]), step).base[0])

    begin = first_where(lambda i: base(i) + reach[0] >= 0, 0, n_out)
    end = first_where(lambda i: base(i) + reach[1] > n_in - 1, 0, n_out)
    return coordinates.period(n_in, n_out, align_corners, step), (begin, max(begin, end))
