"""Sums keep what they are made of: means of integers exactly, long rows their digits, constants their value."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, prod

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import DTYPES, INTEGERS, limits, sizes, values

import vrdask
from vrdask.compute import builds
from vrdask.transforms import interpolators, sums
from vrdask.transforms.filters import FILTERS
from vrdask.transforms.modes import MODES, axis_operators
from vrdask.transforms.resampling import resampling

BUILDS = builds.supported()


# Means of integers


def exact_mean(x, shape, dtype):
    """Of an array's first axes, by the definition."""
    total = x.astype(object)
    count = np.ones((1,) * x.ndim, object)
    for axis, n_out in enumerate(shape):
        n_in = x.shape[axis]
        if n_in == n_out:
            continue
        bounds = [(floor(Fraction(i * n_in, n_out)), ceil(Fraction((i + 1) * n_in, n_out))) for i in range(n_out)]
        total = np.concatenate([total.take(range(*b), axis).sum(axis, keepdims=True) for b in bounds], axis)
        lengths = np.array([b[1] - b[0] for b in bounds], object)
        count = count * lengths.reshape([-1 if k == axis else 1 for k in range(x.ndim)])
    low, high = limits(dtype)
    halves_to_even = np.frompyfunc(lambda s, n: min(max(round(Fraction(int(s), int(n))), low), high), 2, 1)
    return np.asarray(halves_to_even(total, count)).astype(dtype)


@st.composite
def averages(draw):
    count = draw(st.integers(1, 3))
    largest = {1: 130, 2: 40, 3: 14}[count]
    in_shape = tuple(draw(sizes(largest)) for _ in range(count))
    shape = tuple(draw(sizes(n)) for n in in_shape)
    dtypes = st.sampled_from(INTEGERS)
    return in_shape, shape, draw(dtypes), draw(st.none() | dtypes), draw(st.integers(0, 99))


@given(case=averages(), ties=st.booleans())
def test_area_of_integers_is_the_exact_mean_halves_to_even(machine, case, ties):
    in_shape, shape, dtype, out_dtype, seed = case
    x = np.random.default_rng(seed).integers(0, 2, in_shape, dtype) if ties else values(in_shape, dtype, seed)
    expected = exact_mean(x, shape, out_dtype or dtype)
    for build in BUILDS:
        with machine(build):
            assert_array_equal(vrdask.resample(x, shape, "area", dtype=out_dtype), expected)


def test_two_and_a_half_is_two():
    x = np.array([4, 0, 7, 3, 1, 0], np.uint8)
    assert vrdask.resample(x, 1, "area").tolist() == [2]
    assert vrdask.resample(x, 1, "area", dtype="float32").tolist() == [2.5]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("count", [3, 5, 6, 7, 9, 10, 12, 15, 28, 30, 63, 127])
def test_sums_beside_every_tie_round_to_their_own_side(dtype, count):
    # windows whose sums are (h + 1/2) * count - 1/2, exactly, or + 1/2: what a product with 1 / count gets wrong
    low, high = limits(dtype)
    halves = np.unique(np.linspace(low, high - 1, 300).astype(int))
    totals = [(2 * int(h) + 1) * count + d for h in halves for d in (-2, -1, 0, 1, 2)]
    totals = [t // 2 for t in totals if t % 2 == 0]
    share = [[(t // count) + (k < t % count) for k in range(count)] for t in totals]
    x = np.array(share).clip(low, high).astype(dtype)
    expected = exact_mean(x, (len(x), 1), dtype)
    for shape in (((len(x), 1), x), ((1, len(x)), np.ascontiguousarray(x.T))):
        sizes, array = shape
        got = vrdask.resample(array, sizes, "area")
        assert_array_equal(got.reshape(-1), expected.reshape(-1))


@pytest.mark.parametrize(
    ("in_shape", "shape", "dtype", "kind"),
    [
        ((64, 64, 64), (32, 32, 32), "uint8", "table"), ((64, 64, 64), (32, 32, 32), "uint16", "table"),
        ((1024, 512), (2, 2), "uint8", "table, float64"), ((60, 60, 60), (20, 20, 20), "uint8", "divided"),
        ((100, 100), (43, 43), "uint8", "divided"), ((100,) * 3, (17,) * 3, "uint16", "divided, float64"),
        ((9000, 7000), (7, 9), "uint16", "in pieces"), ((40,), (20,), "uint64", "in pieces"),
        ((9000, 3), (2, 3), "uint8", "in pieces"), ((9000, 16), (2, 16), "uint8", "divided"),
    ],
)  # fmt: skip
def test_how_sums_are_made_follows_from_sizes_alone(in_shape, shape, dtype, kind):
    # each kind of exact mean, and where one ends and the next begins: float32 as long as it holds the sums
    what = resampling(in_shape, shape, "area", in_dtype=dtype)
    found = "in pieces" if what.sums.by_bits else "divided" if what.sums.divisor else "table"
    if not what.sums.by_bits and what.double:
        found += ", float64"
    assert found == kind


def test_thousands_of_slices_keep_their_value():
    x = np.broadcast_to(np.uint16(40001), (1024, 3, 5))
    for mode in ("area", "box"):
        assert (vrdask.resample(x, 1, mode, axes=0) == 40001).all()
        assert (vrdask.resample(x, (1, 1), mode, axes=(0, 2)) == 40001).all()
    assert (vrdask.resample(x, 1, "area", axes=0, dtype="float32") == 40001).all()


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("n", [1000, 4097, 2**17 + 1])
def test_long_windows_of_extremes_are_exact(dtype, n):
    low, high = limits(dtype)
    for x in (np.full((n, 2), high, dtype), np.full((n, 2), low, dtype)):
        x[0, 1] = x[0, 0] // 2
        got = vrdask.resample(x, 1, "area", axes=0)
        assert_array_equal(got, exact_mean(x, (1, 2), dtype))
        assert_array_equal(vrdask.resample(x, 3, "area", axes=0)[1:], np.full((2, 2), x[1, 0]))
    row = values((n,), dtype, 3)
    assert_array_equal(vrdask.resample(row, 2, "area"), exact_mean(row, (2,), dtype))
    lazy = vrdask.resample(da.from_array(row, chunks=999), 2, "area", chunks=1)
    assert_array_equal(lazy.compute(), exact_mean(row, (2,), dtype))


def test_two_to_the_25_ones_are_one():
    x = np.broadcast_to(np.ones(2**13, np.uint8), (2**12, 2**13))
    assert vrdask.resample(x, (1, 1), "area").tolist() == [[1]]
    assert vrdask.resample(np.ones(2**25, np.uint8), 1, "area").tolist() == [1]


def test_a_mean_of_two_to_the_31_samples():
    # no memory but a row's: rows are one row again and again
    row = np.arange(2**15 + 1, dtype=np.uint16) % 1000 + 60_000
    x = np.broadcast_to(row, (2**16 + 1, len(row)))
    assert x.size > 2**31
    exact = Fraction(int(row.astype(int).sum()), len(row))
    assert vrdask.resample(x, (1, 1), "area").tolist() == [[round(exact)]]
    assert vrdask.resample(x, (1, 1), "area", dtype="float64").tolist() == [[float(exact)]]


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_64_bit_integers_as_floats_are_their_mean(dtype):
    x = values((60, 50), dtype, 4)
    for shape in ((20, 25), (7, 11)):
        exact = vrdask.resample(x, shape, "area")
        got = vrdask.resample(x, shape, "area", dtype="float64")
        assert abs(got - exact.astype(float)).max() <= 2048  # a unit in the last place of 2**64
    small = x % np.array(1000, dtype)
    sums_of_six = small.reshape(20, 3, 25, 2).sum(axis=(1, 3))
    assert_array_equal(vrdask.resample(small, (20, 25), "area", dtype="float64"), sums_of_six / 6)


@pytest.mark.parametrize("dtype", INTEGERS[1:])
def test_box_at_whole_ratios_is_the_mean(dtype):
    x = values((60, 35), dtype, 5)
    for shape in ((20, 5), (60, 7), (1, 1), (12, 35)):
        assert_array_equal(vrdask.resample(x, shape, "box"), exact_mean(x, shape, dtype))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64"])
def test_means_come_chunk_by_chunk(dtype):
    x = values((50, 40, 33), dtype, 6)
    for shape in ((17, 13, 11), (25, 8, 33), (7, 40, 3)):
        lazy = vrdask.resample(da.from_array(x, chunks=(9, 40, 5)), shape, "area", chunks=(4, 3, 2))
        assert_array_equal(lazy.compute(), exact_mean(x, shape, dtype))


# Long rows of floats


@pytest.mark.parametrize("mode", ["area", *FILTERS])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n_in", "n_out"), [(4000, 90), (5000, 100), (50_000, 3), (2**20, 1), (2**20 + 7, 2)])
def test_rows_of_any_length_keep_their_digits(mode, dtype, n_in, n_out):
    x = np.random.default_rng(n_in).random((n_in, 2)).astype(dtype) + 1
    op, exact = axis_operators(mode, n_in, n_out, False, True)[1], []
    for start, count, weights in zip(op.start, op.count, op.weights, strict=True):
        exact.append(weights[:count].astype(np.longdouble) @ x[start : start + count].astype(np.longdouble))
    for array, axis in ((x, 0), (np.ascontiguousarray(x.T), 1)):
        got = np.moveaxis(vrdask.resample(array, n_out, mode, axes=axis), axis, 0)
        np.testing.assert_allclose(got, np.array(exact, float), rtol=1e-6, atol=0)


def test_several_long_axes_keep_their_digits():
    x = np.random.default_rng(1).random((600, 700, 200)).astype("float32")
    for mode in ("area", "box", "bilinear"):
        got = vrdask.resample(x, (2, 3, 1), mode)
        exact = vrdask.resample(x.astype(float), (2, 3, 1), mode)
        np.testing.assert_allclose(got, exact, rtol=1e-6, atol=0)


# Rows of weights


@pytest.mark.parametrize("mode", [name for name in MODES if name != "nearest"])
@pytest.mark.parametrize(("n_in", "n_out"), [(97, 31), (100, 50), (31, 97), (1000, 13), (7, 7001), (7001, 7), (2, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_add_up_to_one_and_their_beginnings_are_exact(mode, n_in, n_out, dtype):
    op = axis_operators(mode, n_in, n_out, False, dtype == "float64")[1]
    rows = sums.kernel_weights(op.weights, op.count, np.dtype(dtype))
    running = np.zeros(n_out, dtype)
    exact = [Fraction(0)] * n_out
    for tap in rows.T:
        running = running + tap
        exact = [total + Fraction(float(weight)) for total, weight in zip(exact, tap, strict=True)]
        assert [Fraction(float(value)) for value in running] == exact
    assert set(exact) == {1}
    # float64 sums of weights that are not so fine themselves: the last tap takes what is left
    assert abs(rows - op.weights).max() <= (2.0**-22 if dtype == "float32" else 2.0**-52 * max(op.taps, 8))


@pytest.mark.parametrize("mode", [name for name in MODES if name != "nearest"])
@pytest.mark.parametrize(("n_in", "n_out"), [(97, 31), (100, 50), (31, 97), (1000, 13), (33, 99), (7001, 7), (2, 3)])
def test_sums_by_parts_are_those_of_the_weights(mode, n_in, n_out):
    op = axis_operators(mode, n_in, n_out, False, True)[1]
    parts = sums.by_parts(op.weights, op.count, np.dtype("float64"))
    assert ((parts.anchor >= 0) & (parts.anchor < op.count)).all()
    for i, (anchor, count) in enumerate(zip(parts.anchor, op.count, strict=True)):
        back = np.zeros(count)
        back[anchor] = 1
        back[1:] += parts.weights[i, : count - 1]
        back[:-1] -= parts.weights[i, : count - 1]
        assert (parts.weights[i, count - 1 :] == 0).all()
        assert abs(op.weights[i, anchor]) == abs(op.weights[i]).max()
        np.testing.assert_allclose(back, op.weights[i, :count], rtol=0, atol=1e-15 * max(op.taps, 8))


def test_a_slice_of_a_table_has_the_same_weights():
    op = interpolators.compose(interpolators.b_spline(99, 40, False), interpolators.prefilter(99, 13))
    for dtype in map(np.dtype, ("float32", "float64")):
        rows = sums.kernel_weights(op.weights, op.count, dtype)
        for part in (slice(0, 3), slice(17, 18), slice(20, 40)):
            width = int(op.count[part].max())
            alone = sums.kernel_weights(op.weights[part, :width], op.count[part], dtype)
            assert_array_equal(rows[part, :width], alone)
            parts = sums.by_parts(op.weights[part, :width], op.count[part], dtype)
            assert_array_equal(sums.by_parts(op.weights, op.count, dtype).weights[part, :width], parts.weights)


SHAPES = [((9, 31), (20, 13)), ((40, 50, 9), (13, 21, 30)), ((200,), (3,)), ((5, 300), (5, 77)), ((33,), (100,))]


@pytest.mark.parametrize("mode", [name for name in MODES if name != "nearest"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("in_shape", "shape"), SHAPES)
def test_a_constant_stays(machine, mode, dtype, in_shape, shape):
    """To the bit where rows are summed by parts; within a unit in the last place between two samples."""
    rng = np.random.default_rng(len(mode))
    constants = [1, 2, 3, 100] if "int" in dtype else [1, 0.5, -2, 2.0**-14, 0.1, 1 / 3, -1000.3, *rng.uniform(1, 2, 5)]
    if "int" in dtype:
        constants += limits(dtype) if dtype not in ("int64", "uint64") else [2**40 + 1]
    rows = [
        axis_operators(mode, *sizes, False, True)[1]
        for sizes in zip(in_shape, shape, strict=True)
        if len({*sizes}) == 2
    ]
    parts = not any(op.longest <= sums.FEW for op in rows)
    for constant in constants:
        x = np.full(in_shape, constant, dtype)
        got = vrdask.resample(x, shape, mode)
        if "int" in dtype or parts:
            assert (got == x.flat[0]).all()
        else:
            assert abs(got.astype(float) - x.flat[0].astype(float)).max() <= np.spacing(abs(x.flat[0]))


@pytest.mark.parametrize("mode", ["linear", "area", "box", "bilinear", "hamming"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_modes_of_positive_weights_keep_the_most_negative_float(mode, dtype):
    nodata = np.finfo(dtype).min
    for in_shape, shape in SHAPES:
        got = vrdask.resample(np.full(in_shape, nodata, dtype), shape, mode)
        assert np.isfinite(got).all()
        np.testing.assert_allclose(got, nodata, rtol=4 * np.finfo(dtype).eps)


def test_windows_of_a_mean_have_the_lengths_that_are_said():
    for n_in in range(1, 50):
        for n_out in range(1, 50):
            found = {ceil(Fraction((i + 1) * n_in, n_out)) - i * n_in // n_out for i in range(n_out)}
            assert found == set(sums.window_lengths(n_in, n_out))
            assert prod(sums.window_lengths(n_in, n_out)) % max(found) == 0


@pytest.mark.parametrize("mode", ["area", *FILTERS])
def test_no_row_has_more_taps_than_are_said(mode):
    for n_in, n_out in ((100, 7), (99, 98), (1000, 33), (64, 64 // 3), (7, 1), (50, 25), (49, 25)):
        op = axis_operators(mode, n_in, n_out, False, False)[1]
        assert op.taps <= sums.taps_at_most(mode, n_in, n_out)
