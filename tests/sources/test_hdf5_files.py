"""HDF5 that asks for more than its file: filters of plugins, samples in other files; and the files of Imaris."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal
from small_files import FORMATS, imaris, packed_hdf5

import vrdask
from vrdask.cli import main
from vrdask.sources import open_source
from vrdask.storage.retry import StoreError

h5py = pytest.importorskip("h5py", reason="vrdask[hdf5] is not installed")

X = np.random.default_rng(2).integers(0, 4000, (20, 30, 40)).astype("u2")


# Filters, and other files


def test_filters_of_plugins(tmp_path, python):
    pytest.importorskip("hdf5plugin")
    path = tmp_path / "x.h5"
    made = f"""
import h5py, hdf5plugin, numpy
with h5py.File({str(path)!r}, "w") as file:
    data = numpy.arange(24000, dtype="u2").reshape(20, 30, 40)
    file.create_dataset("raw", data=data, chunks=(7, 9, 11), **hdf5plugin.Blosc(cname="zstd"))
"""
    python(made)
    read = f"""
import sys
from vrdask.sources import open_source
from vrdask.storage.retry import StoreError
sys.modules["hdf5plugin"] = MODULE
try:
    print(open_source({str(path)!r}).array[19:20, 29:30, 39:40].ravel())
except Exception as error:
    print(type(error).__name__, error)
"""
    said = python(read.replace("MODULE", "None"))
    assert said == (
        f"ModuleNotFoundError reading {path}::/raw needs HDF5's filter 32001 (blosc), which the package hdf5plugin may "
        "bring: pip install hdf5plugin"
    )
    assert python(read.replace('sys.modules["hdf5plugin"] = MODULE', "")) == "[23999]"


def test_a_file_that_another_process_writes_is_told_as_such(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)
    path = packed_hdf5(tmp_path / "x.h5", X)
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StoreError, match=r"^opening .*x\.h5 failed: another process is writing it; HDF5_USE_FILE"):
            open_source(path)


def test_h5py_is_asked_for(tmp_path, python):
    path = packed_hdf5(tmp_path / "x.h5", X)
    said = python(f"""
import sys
sys.modules["h5py"] = None
from vrdask.sources import open_source
from vrdask.storage.retry import StoreError
try:
    open_source({str(path)!r})
except ModuleNotFoundError as error:
    print(error)
""")
    assert said == f"reading {path} needs the package h5py: pip install 'vrdask[hdf5]'"


def test_links_and_virtual_datasets_are_read_where_their_files_are_beside(tmp_path):
    (tmp_path / "in").mkdir()
    part = packed_hdf5(tmp_path / "in/part.h5", X)
    packed_hdf5(tmp_path / "far.h5", X)
    master = tmp_path / "in/master.h5"
    layout = h5py.VirtualLayout((40, 30, 40), "u2")
    layout[:20] = h5py.VirtualSource("part.h5", "raw", (20, 30, 40))
    with h5py.File(master, "w") as file:
        file["link"] = h5py.ExternalLink("part.h5", "/raw")
        file["far"] = h5py.ExternalLink("../far.h5", "/raw")
        file["soft"] = h5py.SoftLink("/link")
        file.create_virtual_dataset("virtual", layout, fillvalue=5)
        far = h5py.VirtualLayout((20, 30, 40), "u2")
        far[:] = h5py.VirtualSource(str(tmp_path / "far.h5"), "raw", (20, 30, 40))
        file.create_virtual_dataset("virtual far", far)
        file.create_dataset("raw bytes", (4, 4), "u1", external=[(str(tmp_path / "far.h5"), 0, 16)])
    for name in ("link", "soft"):
        source = open_source(f"{master}::/{name}")
        assert_array_equal(pickle.loads(pickle.dumps(source.array))[:, :, :], X)
        assert source.array.chunks == (7, 9, 11)
    virtual = open_source(f"{master}::/virtual")
    assert_array_equal(virtual.array[:20, :, :], X)
    assert (virtual.array[20:, :, :] == 5).all()
    before = virtual.stamp()
    for name in ("far", "virtual far"):
        with pytest.raises(ValueError, match=r"an HDF5 source must have its samples in files beside it; got .*far.h5"):
            open_source(f"{master}::/{name}")
    with pytest.raises(ValueError, match="an HDF5 source must hold its samples itself"):
        open_source(f"{master}::/raw bytes")
    os.utime(part, (1, 1))
    assert virtual.stamp() != before
    part.unlink()
    with pytest.raises(ValueError, match="an HDF5 source must have its samples in files beside it; got part"):
        open_source(f"{master}::/virtual")


# Imaris


def test_an_imaris_file_is_an_image_with_levels(tmp_path):
    imaris(tmp_path / "x.ims", X, 3)
    for level, step in enumerate((1, 2, 4)):
        source = open_source(tmp_path / "x.ims", level=level)
        assert_array_equal(source.array[:, :, :], X[::step, ::step, ::step])
        assert source.axes == ("z", "y", "x")
        extent = (np.array(X.shape) * (2.0, 0.6, 0.5)) / source.shape
        assert_allclose(source.spacing, extent)
        assert_allclose(source.origin, extent / 2 + (20, 10, 0))
        assert source.units == ("micrometer",) * 3
    assert source.levels == ((20, 30, 40), (10, 15, 20), (5, 8, 10))
    told = CliRunner().invoke(main, ["info", str(tmp_path / "x.ims"), "--level", "1"]).output
    assert "Imaris" in told
    assert "10x15x20" in told
    with pytest.raises(ValueError, match=r"level must be one of 0 .20x30x40., .*; got 3"):
        open_source(tmp_path / "x.ims", level=3)


def test_times_and_channels_of_imaris_are_axes(tmp_path):
    data = np.random.default_rng(3).integers(0, 255, (3, 2, 9, 12, 14), np.uint8)
    imaris(tmp_path / "x.ims", data)
    source = open_source(tmp_path / "x.ims")
    assert source.axes == ("t", "c", "z", "y", "x")
    assert_array_equal(source.array[1:3, :, 2:9, :, 3:4], data[1:3, :, 2:9, :, 3:4])
    assert source.array.chunks == (1, 1, 4, 8, 8)
    made = vrdask.resample_zarr(tmp_path / "x.ims", tmp_path / "o.zarr", factor=0.5, mode="cubic", num_threads=2)
    assert_array_equal(made[:], vrdask.resample(data, made.shape[2:], "cubic"))
    labels = [one["label"] for one in open_source(tmp_path / "o.zarr").image.extra["omero"]["channels"]]
    assert labels == ["dye 0", "dye 1"]
    one = open_source(tmp_path / "x.ims", channel=1)
    assert_array_equal(one.array[:, :, :, :], data[:, 1])


def test_a_dataset_of_imaris_is_cut_to_its_size(tmp_path):
    imaris(tmp_path / "x.ims", X)
    source = open_source(f"{tmp_path}/x.ims::/DataSet/ResolutionLevel 1/TimePoint 0/Channel 0/Data")
    assert_array_equal(source.array[:, :, :], X[::2, ::2, ::2])
    assert source.spacing == open_source(tmp_path / "x.ims", level=1).spacing


@pytest.mark.parametrize("name", ["plain.h5", "chunks.h5", "image.ims"])
def test_small_files_say_where_their_samples_lie(tmp_path, name):
    FORMATS[name](tmp_path / name)
    assert open_source(tmp_path / name).spacing[0] == 2.0
