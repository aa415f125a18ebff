"""NRRD, MetaImage and FreeSurfer's volumes: samples and places as SimpleITK and nibabel read them."""

from __future__ import annotations

import gzip
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from small_files import FORMATS, VOLUME

import vrdask
from vrdask.sources import open_source

SimpleITK = pytest.importorskip("SimpleITK")
nibabel = pytest.importorskip("nibabel")
pytest.importorskip("nrrd")

TO_RAS = np.array([-1, -1, 1])


def world(source, index):
    """Where a sample lies, in RAS+, by our affine."""
    affine = np.array(source.image.affine)
    return affine[:, :-1] @ index + affine[:, -1]


def write(path, data, compressed=False, vector=False):
    image = SimpleITK.GetImageFromArray(data, isVector=vector)
    image.SetSpacing((0.8, 0.7, 3.0))
    image.SetOrigin((-10.0, 20.0, 30.0))
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    image.SetDirection(turn.ravel().tolist())
    SimpleITK.WriteImage(image, path, compressed)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", ["x.nrrd", "x.nhdr", "x.mha", "x.mhd"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4", "f8"])
def test_samples_and_places_are_those_of_itk(tmp_path, name, compressed, dtype):
    write(tmp_path / name, VOLUME.astype(dtype), compressed)
    there = SimpleITK.ReadImage(tmp_path / name)
    source = open_source(tmp_path / name)
    assert source.image.axis_names == ("z", "y", "x")
    assert_array_equal(source.array[:, :, :], SimpleITK.GetArrayFromImage(there))
    assert source.array.dtype == dtype
    box = (slice(3, 5), slice(1, 14), slice(9, 10))
    assert_array_equal(pickle.loads(pickle.dumps(source.array))[box], VOLUME.astype(dtype)[box])
    assert_allclose(source.image.scale, (3.0, 0.7, 0.8), rtol=1e-6)
    for index in ((0, 0, 0), (11, 13, 9), (5, 0, 7)):
        itk = np.array(there.TransformIndexToPhysicalPoint(index[::-1])) * TO_RAS
        assert_allclose(world(source, index), itk, atol=1e-5)


@pytest.mark.parametrize("name", ["x.nrrd", "x.mha"])
def test_colours_come_last(tmp_path, name):
    data = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
    write(tmp_path / name, data, vector=True)
    source = open_source(tmp_path / name)
    assert source.image.axis_names == ("z", "y", "x", "c")
    assert_array_equal(source.array[:, :, :, :], data)
    result = vrdask.resample_zarr(tmp_path / name, tmp_path / "out.zarr", factor=0.5, keep_order=True)
    assert result.shape == (2, 3, 3, 3)


@pytest.mark.parametrize("name", ["volume.mgh", "volume.mgz"])
def test_samples_and_places_are_those_of_nibabel(tmp_path, name):
    FORMATS[name](tmp_path / name)
    data = (tmp_path / name).read_bytes()
    there = nibabel.MGHImage.from_bytes(gzip.decompress(data) if name.endswith("z") else data)
    source = open_source(tmp_path / name)
    assert_array_equal(source.array[:, :, :], np.asarray(there.dataobj).T)
    for index in ((0, 0, 0), (11, 13, 9)):
        assert_allclose(world(source, index), (there.affine @ [*index[::-1], 1])[:3], atol=1e-4)


@pytest.mark.parametrize("name", ["x.mgh", "x.mgz"])
def test_frames_of_freesurfer_come_first(tmp_path, name):
    data = np.random.default_rng(0).random((4, 5, 6, 3)).astype("f4")
    image = nibabel.MGHImage(data, np.diag([-2.0, 1, 3, 1]))
    (tmp_path / name).write_bytes(gzip.compress(image.to_bytes()) if name.endswith("z") else image.to_bytes())
    source = open_source(tmp_path / name)
    assert source.image.axis_names == ("t", "z", "y", "x")
    assert_array_equal(source.array[:, 1:6, :, :], data.T[:, 1:6])


def test_a_header_may_name_no_file_elsewhere(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(100))
    (tmp_path / "in").mkdir()
    for name in ("../secret", str(tmp_path / "secret"), "missing.raw"):
        text = f"NDims = 2\nDimSize = 4 4\nElementType = MET_UCHAR\nElementDataFile = {name}\n"
        (tmp_path / "in/x.mhd").write_text(text)
        with pytest.raises(ValueError, match=r"a MetaImage source must .*x\.mhd"):
            open_source(tmp_path / "in/x.mhd")


@pytest.mark.parametrize("name", ["x.nhdr", "x.mhd"])
def test_the_stamp_tells_a_change_of_the_samples(tmp_path, name):
    write(tmp_path / name, VOLUME)
    source = open_source(tmp_path / name)
    before = source.stamp()
    assert source.stamp() == before
    raw = next(one for one in tmp_path.iterdir() if one.name != name)
    raw.write_bytes(raw.read_bytes() + b"x")
    assert source.stamp() != before
