"""What a source says of how it is to be seen, and the target does not hold, is told in a line."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import ome_images
import pytest
import zarr

import vrdask
from vrdask.api.resample_zarr import prepare
from vrdask.api.write_pyramid import prepare as prepare_pyramid

tifffile = pytest.importorskip("tifffile")
nibabel = pytest.importorskip("nibabel")
COLOURS = np.random.default_rng(0).integers(0, 255, (8, 12, 3), np.uint8)


def picture(path: Path, data: np.ndarray, photometric: str, *tags: tuple, **more) -> Path:
    tifffile.imwrite(path, data, photometric=photometric, metadata=None, extratags=list(tags), **more)
    return path


def orientation(number: int) -> tuple:
    return (274, 3, 1, number, True)


PALETTE = np.tile(np.arange(256, dtype=np.uint16) * 257, (3, 1))
CASES = {
    "turned": (COLOURS, "rgb", [orientation(6)], {}, ["the file's orientation, 6, turns them"]),
    "palette": (COLOURS[..., 0], "palette", [], {"colormap": PALETTE}, ["numbers of colours"]),
    "white": (COLOURS[..., 0], "miniswhite", [orientation(2)], {}, ["orientation, 2,", "of which 0 is white"]),
    "inks": (np.dstack([COLOURS, COLOURS[..., 0]]), "separated", [], {}, ["inks"]),
    "plain": (COLOURS, "rgb", [orientation(1)], {}, []),
}


@pytest.mark.parametrize("name", CASES)
def test_a_picture_is_stored_as_its_numbers_and_that_is_said(tmp_path, name, caplog):
    data, photometric, tags, more, expected = CASES[name]
    path = picture(tmp_path / "x.tif", data, photometric, *tags, **more)
    for target in ("out.zarr", "out.tif"):
        notes = prepare(path, tmp_path / target, factor=0.5).notes
        assert len(notes) == len(expected), notes
        assert all(said in note for said, note in zip(expected, notes, strict=True)), notes
    assert prepare(path, tmp_path / "out.png", factor=0.5).notes == ()  # which shows it
    with caplog.at_level(logging.WARNING):
        vrdask.write_pyramid(path, tmp_path / "pyramid.zarr", levels=0)
    assert all(said in caplog.text for said in expected)


def test_directions_of_a_scan_are_kept_and_said_once(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.zeros((5, 6, 7), "i2"), np.diag([-2.0, 1, 1, 1])), tmp_path / "x.nii")
    (note,) = prepare(tmp_path / "x.nii", tmp_path / "out.zarr", factor=0.5).notes
    assert note.endswith("(RFC-4): z inferior-to-superior, y posterior-to-anterior, x right-to-left")
    assert prepare(tmp_path / "x.nii", tmp_path / "out.nii", factor=0.5).notes == ()
    vrdask.resample_zarr(tmp_path / "x.nii", tmp_path / "out.zarr", factor=0.5)
    assert prepare(tmp_path / "out.zarr", tmp_path / "more.zarr", factor=0.5).notes == ()
    assert prepare_pyramid(tmp_path / "x.nii", tmp_path / "pyramid.zarr").images[0].affine is not None


def test_what_a_tiff_does_not_hold_of_an_image_is_said(tmp_path):
    ome_images.write(tmp_path / "x.zarr", "0.5")
    place = "a TIFF does not hold the place of the source's first sample, z 10, y -3, x 0.25 micrometer"
    assert prepare(tmp_path / "x.zarr", tmp_path / "out.ome.tif", factor=0.5).notes == (place,)
    assert prepare(tmp_path / "x.zarr", tmp_path / "out.tif", factor=0.5).notes == (
        "a TIFF that is no OME-TIFF does not hold the spacing z 4 micrometer", place,
    )  # fmt: skip
    group = zarr.open_group(tmp_path / "x.zarr")
    ome = group.attrs["ome"]
    ome["image-label"] = {}
    ome["multiscales"][0]["axes"] = [{"name": name} for name in "czyx"]
    group.attrs["ome"] = ome
    assert prepare(tmp_path / "x.zarr", tmp_path / "out.ome.tif", factor=0.5).notes[:2] == (
        "an OME-TIFF does not hold the spacing z 4 without a unit, y 1 without a unit, x 1.5 without a unit",
        "an OME-TIFF does not hold image-label",
    )
    nibabel.save(nibabel.Nifti1Image(np.zeros((5, 6, 7), "i2"), np.eye(4)), tmp_path / "x.nii")
    vrdask.resample_zarr(tmp_path / "x.nii", tmp_path / "own.nii", factor=0.5)
    assert (
        prepare(tmp_path / "own.nii", tmp_path / "more.nii", factor=0.5).notes == ()
    )  # of the extension that we write
    image = nibabel.load(tmp_path / "x.nii")
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"a thesis"))
    nibabel.save(image, tmp_path / "said.nii")
    (note,) = prepare(tmp_path / "said.nii", tmp_path / "more.nii", factor=0.5).notes
    assert note == "extensions of the NIfTI header are not carried on"


def test_attributes_that_a_file_does_not_hold_are_named(tmp_path):
    ome_images.write(tmp_path / "x.zarr", "0.5")
    zarr.open_group(tmp_path / "x.zarr").attrs["stain"] = "HE"
    zarr.open_array(tmp_path / "x.zarr" / "s0").attrs["gain"] = 3
    line = "the target does not hold the source's attributes gain, stain"
    for target in ("out.nii", "out.tif"):
        assert line in prepare(tmp_path / "x.zarr", tmp_path / target, factor=0.5).notes
    for target in ("out.zarr", "out.ozx"):
        assert prepare(tmp_path / "x.zarr", tmp_path / target, factor=0.5).notes == ()


def test_the_name_of_an_image_goes_into_an_ome_tiff_and_back(tmp_path):
    ome_images.write(tmp_path / "x.zarr", "0.5")
    group = zarr.open_group(tmp_path / "x.zarr")
    ome = group.attrs["ome"]
    ome["multiscales"][0]["name"] = "cells"
    group.attrs["ome"] = ome
    vrdask.resample_zarr(tmp_path / "x.zarr", tmp_path / "out.ome.tif", factor=0.5)
    assert vrdask.open(tmp_path / "out.ome.tif").image.name == "cells"


def test_a_colour_profile_is_not_carried_on_and_that_is_said(tmp_path):
    colours = pytest.importorskip("PIL.ImageCms")
    profile = colours.ImageCmsProfile(colours.createProfile("sRGB"))
    picture(tmp_path / "x.tif", COLOURS, "rgb", iccprofile=profile.tobytes())
    for target in ("out.zarr", "out.png"):
        (note,) = prepare(tmp_path / "x.tif", tmp_path / target, factor=0.5).notes
        assert "colour profile (ICC) is not carried on" in note
