"""bool, bfloat16 and complex numbers in modes that compute: as the numbers that stand in for them, to the bit."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import FILTERS, MODES, values

import vrdask
from vrdask.compute.footprint import between_bytes
from vrdask.transforms.affine import affine
from vrdask.transforms.resampling import resampling

ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes, which comes with tensorstore, is not installed")
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
SHAPE = (13, 14)
SIZES = st.tuples(*[st.integers(1, 40)] * 2)
ALL_MODES = (*MODES, *FILTERS)
FEW = settings(max_examples=6, deadline=None)
MAP = [[0.7, 0.2], [-0.1, 0.8]]


def complex_of(dtype, shape=SHAPE, seed=0):
    part = f"f{np.dtype(dtype).itemsize // 2}"
    return (values(shape, part, 2 * seed) + 1j * values(shape, part, 2 * seed + 2)).astype(dtype)


def same(a, b):
    """Equal bits, whatever the type."""
    assert a.dtype == b.dtype
    assert_array_equal(np.ascontiguousarray(a).view("u1"), np.ascontiguousarray(b).view("u1"))


def layouts(x):
    yield x
    yield np.asfortranarray(x)
    yield np.repeat(x, 2, axis=1)[:, ::2]
    yield np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]
    if x.dtype != BFLOAT16:
        yield x.astype(x.dtype.newbyteorder())


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("mode", ALL_MODES)
@FEW
@given(shape=SIZES, seed=st.integers(0, 9))
def test_complex_numbers_are_resampled_by_their_parts(mode, dtype, shape, seed):
    x = complex_of(dtype, seed=seed)
    parts = [vrdask.resample(np.ascontiguousarray(part), shape, mode) for part in (x.real, x.imag)]
    expected = np.empty(shape, dtype)
    expected.real, expected.imag = parts
    for one in layouts(x):
        same(vrdask.resample(one, shape, mode), expected)


@pytest.mark.parametrize("mode", ALL_MODES)
@FEW
@given(shape=SIZES, seed=st.integers(0, 9))
def test_bool_is_0_and_1_rounded_half_to_even(mode, shape, seed):
    x = np.random.default_rng(seed).random(SHAPE) > 0.5
    expected = vrdask.resample(x.view("u1"), shape, mode, dtype="int8") > 0
    for one in layouts(x):
        same(vrdask.resample(one, shape, mode), expected)
    value = vrdask.resample(x.astype("f8"), shape, mode)
    clear = np.abs(value - 0.5) > 1e-5
    assert_array_equal(expected[clear], value[clear] > 0.5)


@pytest.mark.parametrize("mode", ["linear", "area", "box"])
def test_halves_of_bool_are_false(mode):
    assert_array_equal(vrdask.resample(np.array([False, True, True, True, True, False]), 3, mode), [False, True, False])


@pytest.mark.parametrize("mode", ALL_MODES)
@FEW
@given(shape=SIZES, seed=st.integers(0, 9))
def test_bfloat16_is_computed_in_float32(mode, shape, seed):
    x = values(SHAPE, "float32", 2 * seed).astype(BFLOAT16)
    expected = vrdask.resample(x.astype("f4"), shape, mode).astype(BFLOAT16)
    for one in layouts(x):
        same(vrdask.resample(one, shape, mode), expected)
    same(vrdask.resample(x, shape, mode, dtype="f4"), vrdask.resample(x.astype("f4"), shape, mode))
    same(vrdask.resample(x.astype("f4"), shape, mode, dtype=BFLOAT16), expected)


def samples(dtype, shape=SHAPE):
    if dtype == "bool":
        return np.random.default_rng(1).random(shape) > 0.5
    return values(shape, "float32", 2).astype(BFLOAT16) if dtype == "bfloat16" else complex_of(dtype, shape)


@pytest.mark.parametrize("dtype", ["bool", "bfloat16", "complex64", "complex128"])
@pytest.mark.parametrize("mode", ALL_MODES)
@FEW
@given(shape=SIZES, chunks=st.integers(1, 9), out=st.integers(1, 9))
def test_by_chunks_equals_at_once(mode, dtype, shape, chunks, out):
    x = samples(dtype)
    lazy = vrdask.resample(da.from_array(x, chunks=chunks), shape, mode, chunks=max(out, max(shape) // 6))
    assert lazy.dtype == lazy._meta.dtype == x.dtype
    same(lazy.compute(scheduler="synchronous"), vrdask.resample(x, shape, mode))


@pytest.mark.parametrize("dtype", ["bool", "complex64", "complex128"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "area", "cubic", "lanczos"])
def test_zarr_to_zarr_equals_at_once(mode, dtype):
    x = samples(dtype, (40, 50))
    source = zarr.create_array({}, data=x, chunks=(7, 9))
    made = vrdask.resample_zarr(source, zarr.storage.MemoryStore(), (23, 71), mode=mode, chunks=(5, 6))
    same(made[:], vrdask.resample(x, (23, 71), mode))
    if mode in ("nearest", "linear", "cubic"):
        made = vrdask.affine_zarr(source, zarr.storage.MemoryStore(), MAP, mode=mode)
        same(made[:], vrdask.affine_transform(x, MAP, mode=mode))


@pytest.mark.parametrize("padding", ["constant", "border", "zeros", "mirror"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_affine_maps(mode, padding):
    x = complex_of("complex64")
    options = {"mode": mode, "padding_mode": padding}
    parts = [
        vrdask.affine_transform(part, MAP, fill_value=fill, **options)
        for part, fill in ((x.real, 1), (x.imag, -2))
    ]  # fmt: skip
    for one in layouts(x):
        got = vrdask.affine_transform(one, MAP, fill_value=1 - 2j, **options)
        assert_array_equal(got, parts[0] + 1j * parts[1])
    lazy = vrdask.affine_transform(da.from_array(x, chunks=4), MAP, fill_value=1 - 2j, **options)
    same(lazy.compute(scheduler="synchronous"), got)
    bits, small = samples("bool"), samples("bfloat16")
    value = vrdask.affine_transform(bits.view("i1"), MAP, fill_value=1, **options)
    same(vrdask.affine_transform(bits, MAP, fill_value=True, **options), value > 0)
    expected = vrdask.affine_transform(small.astype("f4"), MAP, fill_value=0.5, **options).astype(BFLOAT16)
    same(vrdask.affine_transform(small, MAP, fill_value=0.5, **options), expected)


@pytest.mark.parametrize("padding", ["constant", "border", "zeros", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("points", [2, 40])
def test_grids(mode, padding, points):
    x = complex_of("complex128", (2, 3, 13, 14))
    grid = np.random.default_rng(3).uniform(-1.3, 1.3, (2, points, points, 2))
    parts = [
        vrdask.grid_sample(np.ascontiguousarray(part), grid, mode, padding, fill)
        for part, fill in ((x.real, 1), (x.imag, -2))
    ]
    got = vrdask.grid_sample(x, grid, mode, padding, 1 - 2j)
    assert_array_equal(got, parts[0] + 1j * parts[1])
    for source, where in ((da.from_array(x, chunks=5), grid), (da.from_array(x, chunks=5), da.from_array(grid))):
        lazy = vrdask.grid_sample(source, where, mode, padding, 1 - 2j)
        same(lazy.compute(scheduler="synchronous"), got)
    bits, small = samples("bool", x.shape), samples("bfloat16", x.shape)
    value = vrdask.grid_sample(bits.view("i1"), grid, mode, padding)
    same(vrdask.grid_sample(bits, grid, mode, padding), value > 0)
    expected = vrdask.grid_sample(small.astype("f4"), grid, mode, padding).astype(BFLOAT16)
    same(vrdask.grid_sample(small, grid, mode, padding), expected)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_other_types_of_the_result(mode):
    x, bits = complex_of("complex64"), samples("bool")
    wide = vrdask.resample(x, (9, 9), mode, dtype="complex128")
    same(wide.real.copy(), vrdask.resample(x.real.copy(), (9, 9), mode, dtype="float64"))
    same(vrdask.resample(bits, (9, 9), mode, dtype="f4"), vrdask.resample(bits.view("u1"), (9, 9), mode, dtype="f4"))
    numbers = np.array([0, 0.4, 0.5, 0.6, 1.5, 2, -3, 200])
    assert vrdask.resample(numbers, 8, mode, dtype=bool).tolist() == [0, 0, 0, 1, 1, 1, 0, 1]
    for one, dtype, text in (
        (
            x,
            "float32",
            "dtype must be one of complex64, complex128 for an array of complex64; got float32: take x.real",
        ),
        (bits, "complex64", "for an array of bool; got complex64"),
        (np.zeros(4, np.clongdouble), None if mode == "linear" else "complex64", "must be one of uint8, .*; got compl"),
    ):
        with pytest.raises(TypeError, match=text):
            vrdask.resample(one, 3, mode, dtype=dtype)


def test_what_copies_take_is_planned():
    small = resampling((64, 64), (32, 32), "linear", in_dtype=BFLOAT16)
    numbers = resampling((64, 64), (32, 32), "linear")
    boxes = small.whole
    assert between_bytes(small, *boxes) == between_bytes(numbers, *boxes) + 4 * (64**2 + 32**2)
    two = resampling((64, 64), (128, 128), "cubic", in_dtype="complex64")
    one = resampling((64, 64, 2), (128, 128, 2), "cubic")
    assert between_bytes(two, *two.whole) == between_bytes(one, *one.whole)
    turned = affine((64, 64), "complex64", np.eye(2) * 0.7, mode="linear")
    assert between_bytes(turned, *small.whole) == 8 * 32**2
