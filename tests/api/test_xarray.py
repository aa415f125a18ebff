"""Labelled arrays: results have the coordinates of the new samples, names and attributes; lazy where the input is."""

from __future__ import annotations

import warnings
from fractions import Fraction

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import values

import vrdask

xarray = pytest.importorskip("xarray", reason="xarray is not installed")

Y, X = 10 + 0.5 * np.arange(40), 100 - 2.0 * np.arange(50)
SAMPLES = values((40, 50), "float32", 2)
FEW = settings(max_examples=20, deadline=None)


def labelled(samples=SAMPLES, lazy=False):
    coords = {
        "y": ("y", Y, {"units": "um"}), "x": X, "lat": (("y", "x"), Y[:, None] + X), "note": 3,
        "row": ("y", np.arange(40)),
    }  # fmt: skip
    made = xarray.DataArray(samples, coords, ("y", "x"), "cells", {"by": "us"})
    return made.chunk(y=9, x=13) if lazy else made


def ramp(coordinate, dim):
    """A DataArray whose samples are a coordinate of their own."""
    return xarray.DataArray(coordinate.astype("f8"), {dim: coordinate}, (dim,))


SIZES = st.integers(2, 60)


@FEW
@given(
    n=SIZES, m=SIZES, first=st.sampled_from([0, -7.5, 1e4]), step=st.sampled_from([1, 0.1, -2.5]), corners=st.booleans()
)
def test_a_ramp_resampled_is_its_own_coordinate(n, m, first, step, corners):
    x = ramp(first + step * np.arange(n), "x")
    got = vrdask.resample(x, m, "linear", corners)
    inside = (got.x.values - x.x.values.min() > -1e-9) & (got.x.values - x.x.values.max() < 1e-9)
    assert_allclose(got.values[inside], got.x.values[inside], atol=1e-9 * max(1, abs(first)))
    assert got.x.size == m


@FEW
@given(n=SIZES, factor=st.sampled_from([0.3, 0.5, 1.7, "2/3"]), corners=st.booleans())
def test_exact_steps_have_exact_coordinates(n, factor, corners):
    x = ramp(3 + 0.5 * np.arange(n), "x")
    got = vrdask.resample(x, factor=factor, exact=True, align_corners=corners)
    step = 0.5 / float(Fraction(str(factor)))
    assert_allclose(np.diff(got.x), step)
    start = 3 if corners else 3 + (step - 0.5) / 2
    assert_allclose(got.x[0], start)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("mode", ["nearest", "linear", "area", "cubic", "lanczos"])
@pytest.mark.parametrize(
    ("asked", "shape"),
    [
        ({"shape": (23, 71)}, (23, 71)),
        ({"shape": {"x": 25}}, (40, 25)),
        ({"shape": 25, "axes": "x"}, (40, 25)),
        ({"shape": (25, 20), "axes": ("x", "y")}, (20, 25)),
        ({"factor": 0.5}, (20, 25)),
        ({"factor": {"y": 2}}, (80, 50)),
        ({"spacing": {"y": 1, "x": 4}}, (20, 25)),
        ({"spacing": "y=1um"}, (20, 50)),
        ({"spacing": (1, 1)}, (20, 100)),
    ],
)
def test_samples_are_those_of_the_plain_array(asked, shape, mode, lazy):
    x = labelled(lazy=lazy)
    got = vrdask.resample(x, mode=mode, **asked)
    assert (got.dims, got.shape, got.name, got.attrs) == (x.dims, shape, x.name, x.attrs)
    assert isinstance(got.data, da.Array if lazy else np.ndarray)
    assert_array_equal(got.values, vrdask.resample(SAMPLES, shape, mode))
    assert got.y.attrs == {"units": "um"}
    assert got.note == 3
    assert set(got.coords) == set(x.coords)
    assert_allclose(got.lat, got.y.values[:, None] + got.x.values)
    assert_allclose(got.row, (got.y - 10) / 0.5)


def test_nothing_is_computed_at_the_call_nor_loaded_from_files(tmp_path):
    def never(block):
        raise AssertionError("computed")

    lazy = xarray.DataArray(da.ones((8, 9), chunks=4).map_blocks(never, meta=SAMPLES[:0, :0]), dims=("y", "x"))
    assert vrdask.resample(lazy, {"y": 4}).chunks == ((2, 2), (4, 4, 1))
    assert vrdask.affine_transform(lazy, [0.5, 0.5]).chunks is not None
    pytest.importorskip("zarr")
    labelled().to_dataset(name="cells").to_zarr(tmp_path / "x.zarr", consolidated=False)
    with xarray.open_dataset(tmp_path / "x.zarr", engine="zarr", chunks=None, consolidated=False) as opened:
        got = vrdask.resample(opened["cells"], {"y": 20})
        assert isinstance(got.data, da.Array), "a variable that xarray would load whole was loaded"
        assert_array_equal(got.values, vrdask.resample(SAMPLES, (20, 50)))


def test_dimensions_without_coordinates_get_none():
    got = vrdask.resample(xarray.DataArray(SAMPLES, dims=("a", "b")), (20, 20))
    assert not got.coords
    with pytest.raises(ValueError, match="spacing must be known"):
        vrdask.resample(xarray.DataArray(SAMPLES, dims=("a", "b")), spacing={"a": 2})


@pytest.mark.parametrize(
    ("coordinate", "text"),
    [
        (np.arange(50.0) ** 2, "coordinate 'x' must be evenly spaced; got steps from 1 to 97"),
        (np.zeros(50), "coordinate 'x' must be evenly spaced; got steps from 0 to 0"),
        (np.where(np.arange(50) == 7, np.nan, np.arange(50.0)), "coordinate 'x' must be evenly spaced"),
        (np.array(list("ab") * 25), "coordinate 'x' must hold numbers or times; got <U1"),
    ],
)
def test_uneven_coordinates_are_refused_by_name(coordinate, text):
    x = labelled().assign_coords(x=coordinate)
    for call in (
        lambda: vrdask.resample(x, spacing={"x": 1}),
        lambda: vrdask.resample(x, (20, 20)),
        lambda: vrdask.resample(x.chunk(), {"x": 20}),
        lambda: vrdask.affine_transform(x, [1, 0.5]),
    ):
        with pytest.raises(ValueError, match=text):
            call()
    got = vrdask.resample(x, {"y": 20})
    assert_array_equal(got.x, coordinate)
    assert "x" not in vrdask.resample(x.drop_vars("x"), (20, 20)).coords


def test_rounded_coordinates_are_even_enough():
    for coordinate in (np.linspace(-90, 90, 50).astype("f4"), np.round(np.linspace(0, 1, 50), 6), np.arange(50) * 0.1):
        x = xarray.DataArray(SAMPLES, {"x": coordinate}, ("y", "x"))
        got = vrdask.resample(x, {"x": 25})
        assert got.x.dtype == coordinate.dtype
        assert_allclose(got.x, coordinate.reshape(25, 2).mean(1), rtol=1e-5, atol=1e-5)


def test_times_are_coordinates_too():
    time = np.datetime64("2020-01-01", "s") + np.timedelta64(60, "s") * np.arange(40)
    x = xarray.DataArray(SAMPLES, {"time": time.astype("M8[ns]")}, ("time", "x"))
    assert vrdask.resample(x, factor=0.5).shape == (40, 25), "time is resampled where it is named alone"
    got = vrdask.resample(x, factor={"time": 0.5})
    assert_array_equal(got.time, (time[::2] + np.timedelta64(30, "s")).astype("M8[ns]"))
    assert vrdask.resample(x, spacing={"time": "2min"}).time.equals(got.time)


def test_whole_numbers_and_single_samples():
    x = xarray.DataArray(SAMPLES, {"x": np.arange(50)}, ("y", "x"))
    assert_array_equal(vrdask.resample(x, {"x": 25}).x, np.arange(25) * 2 + 0.5)
    one = xarray.DataArray(SAMPLES[:, :1], {"x": [7.0]}, ("y", "x"))
    assert_array_equal(vrdask.resample(one, {"y": 20, "x": 1}).x, [7])
    assert "x" not in vrdask.resample(one, {"x": 3}).coords, "one sample says no step"


def test_coordinates_that_are_no_numbers_are_left_out_with_a_warning():
    x = labelled().assign_coords(letter=("x", np.array(list("ab") * 25)))
    with pytest.warns(UserWarning, match="coordinate 'letter' is left out: <U1 along x"):
        got = vrdask.resample(x, (20, 20))
    assert "letter" not in got.coords
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "letter" in vrdask.resample(x, {"y": 20}).coords


@pytest.mark.parametrize("lazy", [False, True])
def test_affine_maps(lazy):
    x = labelled(lazy=lazy)
    got = vrdask.affine_transform(x, [0.5, -1.0], [3, 49])
    assert_array_equal(got.values, vrdask.affine_transform(SAMPLES, [0.5, -1.0], [3, 49]))
    assert_allclose(got.y, 10 + 0.5 * (0.5 * np.arange(40) + 3))
    assert_allclose(got.x, X[::-1])
    turned = vrdask.affine_transform(x, [[0, 1], [1, 0]], axes=("y", "x"), output_shape=(50, 40))
    assert_array_equal(turned.values, SAMPLES.T)
    assert set(turned.coords) == {"note"}
    one = vrdask.affine_transform(x, [[2.0]], axes="y", output_shape=(20,))
    assert_array_equal(one.values, SAMPLES[::2])
    assert_array_equal(one.y, Y[::2])


def test_grids():
    x = xarray.DataArray(values((2, 3, 8, 9), "float32"), {"c": list("rgb")}, ("n", "c", "y", "x"), "image", {"k": 1})
    points = np.random.default_rng(0).uniform(-1, 1, (2, 4, 5, 2))
    grid = xarray.DataArray(points, {"row": [1, 2, 3, 4]}, ("n", "row", "column", "xy"))
    expected = vrdask.grid_sample(x.values, points)
    for where, dims in ((points, ("n", "c", "y", "x")), (grid, ("n", "c", "row", "column")), (grid.chunk(), None)):
        got = vrdask.grid_sample(x, where)
        assert dims is None or got.dims == dims
        assert (got.name, got.attrs, list(got.c.values)) == ("image", {"k": 1}, list("rgb"))
        assert_array_equal(got.values, expected)
    assert_array_equal(got.row, [1, 2, 3, 4])
    assert got.chunks is not None
    assert isinstance(vrdask.grid_sample(x.values, grid), np.ndarray)


def test_a_dataset_variable_by_variable():
    data = xarray.Dataset(
        {"a": labelled(), "b": ("y", np.arange(40.0)), "c": ("k", np.arange(3)), "d": 5}, attrs={"title": "x"}
    )
    got = vrdask.resample(data, factor={"y": 0.5, "x": 0.5}, mode="area")
    assert got.attrs == {"title": "x"}
    assert dict(got.sizes) == {"y": 20, "x": 25, "k": 3}
    assert_array_equal(got.a.values, vrdask.resample(SAMPLES, (20, 25), "area"))
    assert_array_equal(got.b.values, np.arange(40.0).reshape(20, 2).mean(1))
    assert got.c.identical(data.c)
    assert got.equals(data.vrdask.resample(spacing={"y": 1, "x": 4}, mode="area"))
    assert got.equals(vrdask.resample(data, (20, 25), "area", axes=("y", "x")))
    for asked, text in (
        ({"factor": 0.5}, "axes must be named for a Dataset; got None"),
        ({"factor": {"z": 0.5}}, "axes must be among the Dataset's, y, x, k; got 'z'"),
        ({}, "exactly one of shape, factor, spacing must be given; got none"),
    ):
        with pytest.raises(ValueError, match=text):
            vrdask.resample(data, **asked)


def test_the_accessor():
    x = labelled()
    assert x.vrdask.resample(spacing={"y": 1, "x": 1}).equals(vrdask.resample(x, spacing={"y": 1, "x": 1}))
    assert x.vrdask.resample((20, 20), "cubic").equals(vrdask.resample(x, (20, 20), "cubic"))
    assert x.vrdask.affine_transform([0.5, 0.5]).equals(vrdask.affine_transform(x, [0.5, 0.5]))
    assert x.vrdask.resample_zarr({}, {"y": 20}).shape == (20, 50)


@pytest.mark.parametrize(
    "imports", ["import vrdask, xarray", "import xarray, vrdask", "import xarray, vrdask.planning"]
)
def test_it_is_there_in_whichever_order_both_are_imported(python, imports):
    assert python(f"{imports}; print(hasattr(xarray.DataArray, 'vrdask'))") == "True"
    assert python("import vrdask, sys; print('xarray' in sys.modules)") == "False"


def test_runs_take_names_spacing_and_origin(tmp_path):
    x = labelled(lazy=True)
    made = vrdask.resample_zarr(x, tmp_path / "x.zarr", spacing={"y": 1, "x": 4}, mode="area")
    source, expected = vrdask.open(tmp_path / "x.zarr"), vrdask.resample(x, spacing={"y": 1, "x": 4}, mode="area")
    assert_array_equal(made[:], expected.values)
    assert source.axes == ("y", "x")
    assert source.units == ("micrometer", None)
    assert source.image.name == "cells"
    assert_allclose(source.to_xarray().y, expected.y)


def test_chunks_by_name_and_colours_last():
    x = xarray.DataArray(values((20, 30, 3), "uint8"), dims=("y", "x", "c")).chunk(10)
    got = vrdask.resample(x, (10, 15), chunks={"y": 4})
    assert got.shape == (10, 15, 3)
    assert got.chunks[0] == (4, 4, 2)
    assert_array_equal(got.values, vrdask.resample(x.values, (10, 15), axes=(0, 1)))
    with pytest.raises(ValueError, match="axes must be among those of the array, y, x, c; got 'z'"):
        vrdask.resample(x, {"z": 4})
