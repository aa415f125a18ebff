"""Targets of labelled arrays open in xarray with coordinates, and stay what readers of OME-Zarr take."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal

import vrdask
from vrdask.sources import open_source

xarray = pytest.importorskip("xarray", reason="vrdask[xarray] is not installed")

X = np.random.default_rng(0).random((8, 10, 12)).astype("f4")


def volume(**more):
    coords = {"z": 2.0 * np.arange(8), "y": ("y", 5 + 0.5 * np.arange(10), {"units": "um"}), "x": 0.5 * np.arange(12)}
    return xarray.DataArray(X, coords | more, ("z", "y", "x"), "ct", {"scanner": "one", "window": np.array([0, 1])})


def weather(**more):
    days = np.arange("2000-01-01", "2000-01-09", dtype="M8[D]").astype("M8[ns]")
    coords = {"time": days, "lat": 5 + 0.5 * np.arange(10), "lon": 0.5 * np.arange(12)}
    return xarray.DataArray(X, coords | more, ("time", "lat", "lon"), "t2m", {"units": "K"})


def opened(place, **options):
    with xarray.open_zarr(place, consolidated=False, **options) as found:
        return found.load()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_image_has_its_coordinates_beside_it(tmp_path, version):
    x = volume()
    vrdask.resample_zarr(x, tmp_path / "x.zarr", factor=0.5, mode="cubic", ome_zarr_version=version)
    found, expected = opened(tmp_path / "x.zarr"), vrdask.resample(x, (4, 5, 6), "cubic")
    assert_array_equal(found["0"], expected)
    for name in "zyx":
        assert_array_equal(found[name], expected[name])
    assert found.y.attrs == {"units": "um"}
    assert found["0"].attrs["scanner"] == "one"
    source = open_source(tmp_path / "x.zarr")
    assert_allclose(source.origin, [float(found[name][0]) for name in "zyx"])
    assert_allclose(source.spacing, [float(found[name][1] - found[name][0]) for name in "zyx"])


def test_validators_take_an_image_with_coordinates(tmp_path):
    models, yaozarrs = pytest.importorskip("ome_zarr_models"), pytest.importorskip("yaozarrs")
    vrdask.resample_zarr(volume(time=np.datetime64("2000-01-01", "ns")), tmp_path / "x.zarr", factor=0.5)
    yaozarrs.validate_zarr_store(tmp_path / "x.zarr")
    assert models.open_ome_zarr(zarr.open_group(tmp_path / "x.zarr", mode="r")).attributes.ome.version == "0.5"
    assert opened(tmp_path / "x.zarr").time == np.datetime64("2000-01-01")


def test_what_is_no_image_becomes_a_variable_of_a_group(tmp_path):
    x = weather(level=500, name=("time", [f"day {k}" for k in range(8)]), of=("lat", np.arange(10) ** 2))
    made = vrdask.resample_zarr(x, tmp_path / "x.zarr", factor=0.5)
    assert made.path == "t2m"
    expected = vrdask.resample(x, (5, 6))
    found = opened(tmp_path / "x.zarr")
    xarray.testing.assert_equal(found.t2m, expected)
    assert found.t2m.attrs["units"] == "K"
    source = open_source(tmp_path / "x.zarr")
    assert source.axes == ("time", "lat", "lon")
    assert_allclose(source.spacing, (86400, 1, 1))
    again = vrdask.resample_zarr(tmp_path / "x.zarr", tmp_path / "y.zarr", factor=2)
    assert again.shape == X.shape


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (lambda x, to: vrdask.downsample_zarr(x, to, 2), lambda x: vrdask.downsample(x, 2)),
        (
            lambda x, to: vrdask.affine_zarr(x, to, np.diag([2.0, 0.5]), [1, 0], (8, 5, 24)),
            lambda x: vrdask.affine_transform(x, np.diag([2.0, 0.5]), [1, 0], (8, 5, 24)),
        ),
        (
            lambda x, to: vrdask.resample_zarr(x, to, (4, 6), region={"lat": (2, 9), "lon": (3, 12)}),
            lambda x: vrdask.resample(x.isel(lat=slice(2, 9), lon=slice(3, 12)), (4, 6)),
        ),
    ],
)  # fmt: skip
def test_every_run_keeps_coordinates(tmp_path, run, expected):
    x = weather()
    run(x, tmp_path / "x.zarr")
    xarray.testing.assert_equal(opened(tmp_path / "x.zarr").t2m, expected(x))


def test_what_is_uneven_or_given_anew_is_left_out(tmp_path):
    x = volume(z=np.arange(8.0) ** 2)
    vrdask.resample_zarr(x, tmp_path / "x.zarr", (4, 5, 6))
    assert set(opened(tmp_path / "x.zarr").coords) == {"y", "x"}
    vrdask.resample_zarr(x, tmp_path / "y.zarr", (5, 6))
    assert_array_equal(opened(tmp_path / "y.zarr").z, x.z)
    vrdask.resample_zarr(volume(), tmp_path / "z.zarr", factor=0.5, pixel_size="z=3,y=3,x=3")
    assert not opened(tmp_path / "z.zarr").coords


@pytest.mark.parametrize("name", [None, "a/b", "lat", "__x", ".."])
def test_names_that_cannot_be_used_are_replaced(tmp_path, name):
    made = vrdask.resample_zarr(weather().rename(name), tmp_path / "x.zarr", factor=0.5)
    assert made.path == "data"
    assert open_source(tmp_path / "x.zarr").shape == (8, 5, 6)


def test_a_run_can_be_repeated_and_replaced(tmp_path):
    x = weather()
    vrdask.resample_zarr(x, tmp_path / "x.zarr", factor=0.5)
    made = vrdask.resample_zarr(x, tmp_path / "x.zarr", factor=0.5, resume=True)
    assert made.path == "t2m"
    vrdask.resample_zarr(x.rename("other"), tmp_path / "x.zarr", factor=0.25, overwrite=True)
    assert set(opened(tmp_path / "x.zarr")) == {"other"}


def test_stores_that_xarray_writes_are_sources(tmp_path):
    x = weather()
    x.to_zarr(tmp_path / "x.zarr", consolidated=False)
    source = open_source(tmp_path / "x.zarr")
    assert source.axes == ("time", "lat", "lon")
    assert_array_equal(source.spacing, (86400, 0.5, 0.5))
    assert source.origin[1:] == (5, 0)
    assert_array_equal(source.array[:], X)
    made = vrdask.resample_zarr(tmp_path / "x.zarr", tmp_path / "y.zarr", factor=0.5)
    assert_array_equal(made[:], vrdask.resample(X, (5, 6)))
    x.to_dataset(name="a").assign(b=x).to_zarr(tmp_path / "two.zarr", consolidated=False)
    with pytest.raises(
        ValueError, match=r"source must be an array or an OME-Zarr image; .* with the arrays: a, b, lat"
    ):
        open_source(tmp_path / "two.zarr")


def test_coordinates_in_memory_and_behind_urls(tmp_path):
    store: dict = {}
    vrdask.resample_zarr(weather(), store, factor=0.5)
    assert "lat/zarr.json" in store
    fsspec = pytest.importorskip("fsspec")
    vrdask.resample_zarr(weather(), "memory://coordinates/x.zarr", factor=0.5)
    try:
        assert set(opened("memory://coordinates/x.zarr").coords) == {"time", "lat", "lon"}
    finally:
        fsspec.filesystem("memory").rm("/coordinates", recursive=True)
