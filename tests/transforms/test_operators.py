"""Operators are the banded matrices they claim to be, and read exactly the samples they weigh."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import MODES, sizes

from vrdask.transforms import interpolators, operators, reference
from vrdask.transforms.modes import MODES as KNOWN
from vrdask.transforms.modes import axis_operators
from vrdask.transforms.prefilter import Prefilter

AXIS = sizes(130)
CASES = [(mode, corners) for mode in MODES for corners in (False, True) if "area" not in mode or not corners]


def product_of(mode, n_in, n_out, align_corners):
    """The dense matrix of both operators of an axis."""
    first, second = axis_operators(mode, n_in, n_out, align_corners, True)
    if second is None:
        return np.eye(n_in)
    return second.dense() @ responses(first) if first is not None else second.dense()


def responses(op, dtype="float64"):
    """The matrix of a prefilter, from what it makes of each sample alone."""
    return reference.prefilter(np.eye(op.n, dtype=dtype), op, 0)


@pytest.mark.parametrize(("mode", "align_corners"), CASES)
@given(n_in=AXIS, n_out=AXIS)
def test_dense_matrix_equals_the_one_from_the_definition(mode, align_corners, n_in, n_out):
    expected = oracles.matrix(mode, n_in, n_out, align_corners)
    assert_allclose(product_of(mode, n_in, n_out, align_corners), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("mode", "align_corners"), CASES)
@given(n_in=AXIS, n_out=AXIS, double=st.booleans())
def test_rows_are_sorted_true_to_length_and_sum_to_one(mode, align_corners, n_in, n_out, double):
    for op in axis_operators(mode, n_in, n_out, align_corners, double):
        if op is None or isinstance(op, Prefilter):
            continue
        stop = op.start + op.count
        assert (np.diff(op.start) >= 0).all()
        assert (np.diff(stop) >= 0).all()
        assert op.start.min() >= 0
        assert stop.max() <= op.n_in
        k = np.arange(op.taps)
        assert op.taps == op.count.max()
        assert (op.count >= 1).all()
        assert (op.weights[k >= op.count[:, None]] == 0).all()
        if mode != "cubic":  # where taps of a product may cancel by accident
            assert (op.weights[:, 0] != 0).all()
            assert (op.weights[np.arange(op.n_out), op.count - 1] != 0).all()
        assert_allclose(op.weights.sum(axis=1), 1, rtol=0, atol=2e-15)


@pytest.mark.parametrize(("mode", "align_corners"), CASES)
@given(n_in=AXIS, n_out=AXIS, double=st.booleans(), data=st.data())
def test_reads_are_the_smallest_interval_with_every_weighed_sample(mode, align_corners, n_in, n_out, double, data):
    start = data.draw(st.integers(0, n_out - 1))
    stop = data.draw(st.integers(start + 1, n_out))
    support = oracles.support(mode, n_in, n_out, align_corners, double)
    intervals = [(start, stop), (0, n_out)]
    weighed = [np.flatnonzero(support[slice(*interval)].any(axis=0)) for interval in intervals]
    expected = [(found[0], found[-1] + 1) for found in weighed]
    one_by_one, at_once = intervals, tuple(np.array(intervals).T)
    for op in reversed(axis_operators(mode, n_in, n_out, align_corners, double)):
        if op is not None:
            one_by_one = [op.reads(interval) for interval in one_by_one]
            at_once = op.reads_many(*at_once)
    assert one_by_one == expected
    assert_array_equal(np.transpose(at_once), expected)


@given(n_in=AXIS, n_out=AXIS, align_corners=st.booleans())
def test_linear_has_no_tap_of_weight_zero(n_in, n_out, align_corners):
    op = interpolators.linear(n_in, n_out, align_corners)
    for i in range(n_out):
        p = oracles.position(i, n_in, n_out, align_corners)
        inside = p != floor(p) and 0 < p < n_in - 1
        assert op.count[i] == (2 if inside else 1)
        if inside:
            assert op.weights[i, 1] == float(p - floor(p)), "rounded once from the exact fraction"
        clamped = min(max(p, Fraction(0)), Fraction(n_in - 1))
        assert op.start[i] == floor(clamped)


@given(a=sizes(40), b=sizes(40), c=sizes(40), corners=st.booleans())
def test_compose_is_the_matrix_product(a, b, c, corners):
    outer, inner = interpolators.b_spline(b, c, corners), interpolators.linear(a, b, corners)
    composed = interpolators.compose(outer, inner)
    assert_allclose(composed.dense(), outer.dense() @ inner.dense(), rtol=0, atol=4e-16)


@given(st.data())
def test_rows_of_any_outputs_are_those_of_the_whole_table(data):
    # a table is never made whole where it is large: some rows at a time, and those that repeat once
    mode = data.draw(st.sampled_from(sorted(KNOWN)))
    n_in, n_out, double = data.draw(sizes(400)), data.draw(sizes(400)), data.draw(st.booleans())
    align_corners = KNOWN[mode].takes_align_corners and data.draw(st.booleans())
    step = None
    if data.draw(st.booleans()):
        most = data.draw(st.sampled_from([9, 10**17]))
        step = data.draw(st.fractions(Fraction(1, 9), 9, max_denominator=most) | st.integers(1, 9).map(Fraction))
        n_out = floor((n_in - 1) / step) + 1 if align_corners else max(1, floor(n_in / step + Fraction(1, 2)))
    begin = data.draw(st.integers(0, n_out - 1))
    end = data.draw(st.integers(begin + 1, n_out))
    _, whole = KNOWN[mode].rows(n_in, n_out, align_corners, double, step)
    starts, stops, dense = whole.start, whole.start + whole.count, whole.dense()
    assert (np.diff(starts) >= 0).all()
    assert (np.diff(stops) >= 0).all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operators, "SMALL_TABLE", 0)
        patch.setattr(operators, "ENTRIES_AT_ONCE", data.draw(st.integers(1, 600)))
        _, op = KNOWN[mode].rows(n_in, n_out, align_corners, double, step)
        rows = op.rows(begin, end)
        assert op.reads((begin, end)) == (starts[begin], stops[end - 1])
        assert_array_equal(rows.start, starts[begin:end])
        assert_array_equal(rows.stop, stops[begin:end])
        for i, row in enumerate(range(begin, end)):
            assert_array_equal(rows.weights[i, : rows.count[i]], dense[row, starts[row] : stops[row]])
        alike, earlier = op.alike((begin, end))
        again = op.rows(*alike)
        assert_array_equal(again.start + (rows.start[0] - again.start[0]), rows.start)
        assert_array_equal(again.count, rows.count)
        taps = int(rows.count.max())
        assert_array_equal(again.weights[:, :taps], rows.weights[:, :taps])
        assert earlier == rows.start[0] - again.start[0]


@given(st.data())
def test_ends_made_without_weights_are_those_of_dense_rows(data):
    mode = data.draw(st.sampled_from(sorted(KNOWN)))
    n_in, n_out, double = data.draw(sizes(600)), data.draw(sizes(600)), data.draw(st.booleans())
    align_corners = KNOWN[mode].takes_align_corners and data.draw(st.booleans())
    _, op = KNOWN[mode].rows(n_in, n_out, align_corners, double)
    begin = data.draw(st.integers(0, n_out - 1))
    outputs = np.arange(begin, data.draw(st.integers(begin + 1, n_out)))
    rows, found = op.band(outputs), op.reach(outputs)
    assert_array_equal(found.start, rows.start)
    assert_array_equal(found.stop, rows.stop)
    assert (found.first <= found.start).all()
    assert (found.last >= found.stop).all()
    starts, stops = op.extents(0, n_out)
    assert_array_equal(starts, op.start)
    assert_array_equal(stops, op.start + op.count)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 28, 57, 200])
def test_prefilter_is_scipys_recursion_cut_off(n, double, mirror):
    from scipy import ndimage

    x = np.random.default_rng(n).random(n)
    # scipy 1.17 starts mode "reflect" from a first sample that it has overwritten already: off by z**(2 n - 1)
    startled = (2 - 3**0.5) ** (2 * n - 1) if n > 1 and not mirror else 0
    expected = ndimage.spline_filter1d(x, order=3, mode="mirror" if mirror else "reflect")
    filtered = responses(Prefilter.precise(n, double, mirror)) @ x
    assert_allclose(filtered, expected, rtol=0, atol=startled + (1e-14 if double else 2.0**-26))
    if not mirror:
        table = interpolators.prefilter(n, 28 if double else 13).dense() @ x
        assert_allclose(table, expected, rtol=0, atol=startled + (1e-14 if double else 2.0**-23))


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 100])
def test_prefilter_keeps_a_constant_and_reads_its_radius(n, mirror):
    for double, radius in ((False, 16), (True, 32)):
        op = Prefilter.precise(n, double, mirror)
        assert op.radius == radius
        matrix = responses(op)
        assert_allclose(matrix.sum(axis=1), 1, rtol=0, atol=2e-15)
        for i in range(n):
            found = np.flatnonzero(matrix[i])
            assert op.reads((i, i + 1)) == (found[0], found[-1] + 1)


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_reflect_walks_back_and_forth(n):
    index = np.arange(-60, 60)
    assert interpolators.reflect(index, n).tolist() == [oracles.mirrored(int(j), n) for j in index]


def test_a_row_of_more_taps_than_it_can_count_is_refused():
    table = interpolators.area(2**32, 1)
    assert table.reads((0, 1)) == (0, 2**32)
    with pytest.raises(ValueError, match=r"an output must weigh fewer than 2\^31 samples .*; got 4294967296"):
        table.rows(0, 1)
