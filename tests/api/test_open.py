"""`open`: what is at a place, and what it says of itself; read lazily as a dask array and as a DataArray."""

from __future__ import annotations

import math

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import values

import vrdask
from vrdask.storage.readable import StoredArray

X = values((3, 40, 50), "uint16", 1)


@pytest.fixture
def image(tmp_path):
    group = zarr.create_group(tmp_path / "image.zarr")
    group.create_array("0", data=X, chunks=(1, 16, 16))
    group.create_array("1", data=X[:, ::2, ::2], chunks=(1, 16, 16))
    axes = [{"name": "c", "type": "channel"}] + [{"name": n, "type": "space", "unit": "micrometer"} for n in "yx"]
    datasets = [
        {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 0.5, 0.25]},
                                                    {"type": "translation", "translation": [0.0, 10.0, -3.0]}]},
        {"path": "1", "coordinateTransformations": [{"type": "scale", "scale": [1.0, 1.0, 0.5]}]},
    ]  # fmt: skip
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets, "name": "cells"}]}
    return tmp_path / "image.zarr"


def test_what_an_image_says_of_itself(image):
    source = vrdask.open(image)
    assert (source.shape, source.ndim, source.dtype) == (X.shape, 3, X.dtype)
    assert source.axes == ("c", "y", "x")
    assert source.spacing == (1.0, 0.5, 0.25)
    assert source.origin == (0.0, 10.0, -3.0)
    assert source.units == (None, "micrometer", "micrometer")
    assert source.levels == (X.shape, (3, 20, 25))
    half = vrdask.open(image, level=1)
    assert half.shape == half.levels[1]
    assert vrdask.open(image, channel=1).levels == ((40, 50), (20, 25))
    part = vrdask.open(image, region={"y": (4, 20)})
    assert part.origin == (0.0, 12.0, -3.0)
    assert_array_equal(part.to_dask().compute(), X[:, 4:20])


def test_what_says_nothing_is_unknown(tmp_path):
    np.save(tmp_path / "x.npy", X)
    for source in (vrdask.open(tmp_path / "x.npy"), vrdask.open(X), vrdask.open(zarr.create_array({}, data=X))):
        assert source.axes == source.units == (None,) * 3
        assert all(map(math.isnan, (*source.spacing, *source.origin)))
        assert source.levels == (X.shape,)


def test_a_dask_array_of_it(image, monkeypatch):
    source = vrdask.open(image)
    lazy = source.to_dask()
    assert isinstance(lazy, da.Array)
    assert lazy.chunksize == (1, 16, 16)
    assert lazy.name == source.to_dask().name != source.to_dask((3, 20, 20)).name
    assert source.to_dask((3, 20, 20)).chunksize == (3, 20, 20)
    read = []
    original = StoredArray.read
    monkeypatch.setattr(StoredArray, "read", lambda self, box: read.append(box) or original(self, box))
    assert_array_equal(lazy[1, 3:9, 40].compute(scheduler="synchronous"), X[1, 3:9, 40])
    assert len(read) == 1
    assert_array_equal(lazy.compute(scheduler="processes", num_workers=1), X)


INDEX = st.one_of(
    st.integers(-5, 4), st.slices(5), st.builds(slice, st.integers(-7, 7), st.none(), st.sampled_from([1, 2, -1, -3]))
)


@given(index=st.tuples(INDEX, INDEX) | INDEX)
def test_a_stored_array_is_indexed_as_numpy_indexes(index):
    x = np.arange(25).reshape(5, 5)
    stored = StoredArray(zarr.create_array({}, data=x, chunks=(2, 2)))
    assert_array_equal(stored[index], x[index])


def test_a_labelled_array_of_it(image):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    labelled = vrdask.open(image).to_xarray()
    assert isinstance(labelled, xarray.DataArray)
    assert labelled.dims == ("c", "y", "x")
    assert labelled.name == "cells"
    assert labelled.chunks is not None
    assert_array_equal(labelled.y, 10 + 0.5 * np.arange(40))
    assert labelled.x.attrs == {"units": "micrometer"}
    assert_array_equal(labelled.values, X)
    half = vrdask.resample(labelled, factor=0.5, mode="area")
    assert half.shape == (3, 20, 25)
    written = vrdask.resample_zarr(image, image.parent / "half.zarr", factor=0.5, mode="area")
    again = vrdask.open(image.parent / "half.zarr").to_xarray()
    assert_array_equal(half.values, written[:])
    for dim in ("y", "x"):
        assert_array_equal(half[dim], again[dim])


def test_a_source_knows_its_names_and_spacing(image):
    source = vrdask.open(image)
    expected = vrdask.resample(X, (20, 13), "area")
    for asked in (
        {"spacing": {"y": 1, "x": 1}}, {"spacing": 1}, {"shape": {"y": 20, "x": 13}}, {"spacing": "1um"},
        {"shape": (20, 13)}, {"shape": (20, 13), "axes": ("y", "x")}, {"factor": (0.5, 0.25)},
    ):  # fmt: skip
        got = vrdask.resample(source, mode="area", **asked)
        assert isinstance(got, da.Array)
        if got.shape == expected.shape:
            assert_array_equal(got.compute(scheduler="synchronous"), expected)
        else:
            assert got.shape == (3, 20, 12), asked  # 12.5 is rounded half up by spacing, down by nothing
    turned = vrdask.affine_transform(source, [0.5, 2.0], axes=("x", "y"))
    assert_array_equal(turned.compute(), vrdask.affine_transform(X, [0.5, 2.0], axes=(2, 1)))


@pytest.mark.parametrize(
    ("place", "which", "error", "text"),
    [
        ("missing.zarr", {}, FileNotFoundError, "source must exist"),
        ("image.zarr", {"level": 2}, ValueError, "level must be one of 0"),
        ("image.zarr", {"channel": 3}, ValueError, "channel must be one of 0 to 2; got 3"),
        ("image.zarr", {"series": 1}, ValueError, "series must be 0"),
        ("image.zarr", {"region": {"y": (0, 99)}}, ValueError, "region of axis y must"),
        ("image.zarr", {"level": "1"}, TypeError, "level must be an integer"),
    ],
)
def test_what_is_not_there_is_refused(image, place, which, error, text):
    with pytest.raises(error, match=text):
        vrdask.open(image.parent / place, **which)
    with pytest.raises(ValueError, match="level and series must be 0 for a numpy array"):
        vrdask.open(X, level=1)
