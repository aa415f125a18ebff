"""Files that are no sources: truncated, without an image, of unknown compression; refused in a line that says why."""

from __future__ import annotations

import gzip
import struct
import sys

import numpy as np
import pytest
from image_files import COLOUR, FILES, GREY, VOLUME, pyramid, run
from numpy.testing import assert_array_equal

import vrdask
from vrdask.sources import open_source

tifffile = pytest.importorskip("tifffile")


@pytest.mark.parametrize("name", [name for name in FILES if ".tif" in name or name.endswith("svs")])
def test_truncated_tiffs_are_refused_before_anything_is_written(name, tmp_path):
    FILES[name][0](tmp_path / name)
    expected = vrdask.resample_zarr(tmp_path / name, tmp_path / "whole.zarr", factor=0.5)
    whole = (tmp_path / name).read_bytes()
    for end in (0, 3, 8, 20, 100, 250, len(whole) // 3, len(whole) // 2, len(whole) - 200):
        (tmp_path / name).write_bytes(whole[:end])
        said = run("resample", tmp_path / name, tmp_path / "out.zarr", "--factor", 0.5, "--overwrite", "--quiet")
        if said:
            assert said.startswith("Error: a TIFF source must "), end
            assert not (tmp_path / "out.zarr").exists()
        else:  # what is missing belongs to another level, or to other pages' directories
            assert end == len(whole) - 200
            assert_array_equal(vrdask.open(tmp_path / "out.zarr").array[...], expected[...])


def test_other_truncated_files_are_refused(tmp_path):
    for name in ("volume.nii", "volume.npy", "volume.nii.gz"):
        FILES[name][0](tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        for end in (0, 5, 200, len(whole) // 2):
            (tmp_path / name).write_bytes(whole[:end])
            said = run("resample", tmp_path / name, tmp_path / "out.zarr", "--factor", 0.5, "--quiet", "--overwrite")
            assert "source must " in said, (name, end)
    with gzip.open(tmp_path / "no.nii.gz", "wb") as file:
        file.write(b"no volume" * 100)
    assert "a NIfTI source must hold a volume" in run("info", tmp_path / "no.nii.gz")


def test_files_without_an_image_are_refused(tmp_path):
    (tmp_path / "text.tif").write_text("no image at all")
    assert "a TIFF source must be whole; got" in run("info", tmp_path / "text.tif")
    (tmp_path / "empty.tif").write_bytes(b"II*\0" + struct.pack("<I", 0))
    assert "a TIFF source must hold an image; got none" in run("info", tmp_path / "empty.tif")
    (tmp_path / "notes.txt").write_text("no image at all")
    assert "source must be Zarr, or a TIFF, DICOM, NIfTI, MGH, NRRD, MetaImage, HDF5, PNG, JPEG or .npy file" in run(
        "info", tmp_path / "notes.txt"
    )
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    assert "a .npy source must hold numbers" in run("info", tmp_path / "objects.npy")


def test_a_compression_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "x.tif"
    for compression, name in ((32771, "ccirlew (32771)"), (65535, "65535")):
        tifffile.imwrite(path, GREY, compression="zlib", tile=(64, 64))
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages[0].tags["Compression"].overwrite(compression)
        said = run("info", path)
        assert f"a TIFF source must have a compression that can be decoded; got {name} in" in said
        assert "neither tifffile nor imagecodecs reads it" in said
    tifffile.imwrite(path, COLOUR, compression="jpeg", tile=(64, 64), photometric="rgb")

    class Missing:
        """A tifffile that finds no imagecodecs, and for some compressions looks elsewhere in vain."""

        def __init__(self, error):
            self.error = error

        def __getitem__(self, compression):
            raise self.error

    for error in (
        KeyError("<COMPRESSION.JPEG: 7> requires the 'imagecodecs' package"),
        ModuleNotFoundError("No module named 'compression'"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(tifffile.TIFF, "DECOMPRESSORS", Missing(error))
            patch.setattr("vrdask.sources.tiff.find_spec", lambda name: None)
            said = run("info", path)
        assert "got jpeg (7) in" in said
        assert "pip install 'vrdask[tiff]'" in said


def test_what_does_not_exist_is_refused_and_what_does_is_listed(tmp_path):
    pyramid(tmp_path / "p.tif")
    np.save(tmp_path / "x.npy", VOLUME)
    tifffile.imwrite(tmp_path / "grey.tif", GREY)
    expected = {
        ("p.tif", "--level", 3): "level must be one of 0 (300x400x3), 1 (150x200x3), 2 (75x100x3) of",
        ("p.tif", "--series", 1): "series must be one of 0 (300x400x3) of",
        ("p.tif", "--channel", 3): "channel must be one of 0 to 2; got 3",
        ("grey.tif", "--channel", 0): "channel must be left out for a source without a channel axis; got shape 300x400",
        ("x.npy", "--level", 1): "level and series must be 0 for",
    }
    for (name, *options), text in expected.items():
        assert text in run("info", tmp_path / name, *options)
        assert text in run("resample", tmp_path / name, tmp_path / "out.zarr", "--factor", 0.5, *options)
    with pytest.raises(FileNotFoundError, match="source must exist"):
        open_source(tmp_path / "missing.tif")


def test_spacing_is_refused_where_the_file_has_none(tmp_path):
    pyramid(tmp_path / "p.tif")
    np.save(tmp_path / "x.npy", VOLUME)
    for name in ("p.tif", "x.npy"):
        said = run("resample", tmp_path / name, tmp_path / "out.zarr", "--spacing", 1.5)
        assert "spacing must be known for the source" in said
        assert "give shape or factor" in said


@pytest.mark.parametrize(
    ("name", "module", "extra"), [("tiled.tif", "tifffile", "tiff"), ("volume.nii", "nibabel", "nifti")]
)
def test_a_missing_package_is_named_with_its_extra(name, module, extra, tmp_path, monkeypatch):
    FILES[name][0](tmp_path / name)
    monkeypatch.setitem(sys.modules, module, None)
    said = run("info", tmp_path / name)
    assert f"needs the package {module}: pip install 'vrdask[{extra}]'" in said


def test_a_damaged_tile_ends_the_run_and_says_where(tmp_path):
    pyramid(tmp_path / "p.tif")
    with tifffile.TiffFile(tmp_path / "p.tif") as file:
        offset = file.pages[0].dataoffsets[3]
    with (tmp_path / "p.tif").open("r+b") as file:
        file.seek(offset)
        file.write(bytes(64))
    said = run("resample", tmp_path / "p.tif", tmp_path / "out.zarr", "--factor", 0.5, "--quiet")
    assert "reading the source at [" in said
