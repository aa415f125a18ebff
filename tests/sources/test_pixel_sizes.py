"""Pixel sizes of files: found, told by `vrdask info`, and those of the target follow."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from image_files import CHANNELS, GREY, STACK, nifti, ome, pyramid, run, sizes_of, slide
from numpy.testing import assert_allclose

import vrdask
from vrdask.images.ome_zarr import read_multiscale

tifffile = pytest.importorskip("tifffile")


def test_pixel_sizes_are_found(tmp_path):
    def approximately(micrometres, **sizes):
        return {axis: (pytest.approx(size), micrometres) for axis, size in sizes.items()}

    path = tmp_path / "a.ome.tif"
    ome(path, CHANNELS, "CZYX", X=0.25, Y=0.5, Z=2.0)
    assert sizes_of(path) == approximately("micrometer", x=0.25, y=0.5, z=2.0)
    slide(tmp_path / "a.svs")
    assert sizes_of(tmp_path / "a.svs") == approximately("micrometer", x=0.499, y=0.499)
    assert sizes_of(tmp_path / "a.svs", level=1) == approximately("micrometer", x=4 * 0.499, y=4 * 0.499)
    tifffile.imwrite(tmp_path / "cm.tif", GREY, resolution=(20_000, 10_000), resolutionunit="CENTIMETER")
    assert sizes_of(tmp_path / "cm.tif") == approximately("micrometer", x=0.5, y=1)
    tifffile.imwrite(tmp_path / "inch.tif", GREY, resolution=(25_400, 25_400), resolutionunit="INCH")
    assert sizes_of(tmp_path / "inch.tif") == approximately("micrometer", x=1, y=1)
    metadata = {"axes": "ZYX", "spacing": 3.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "ij.tif", STACK, imagej=True, resolution=(2, 4), metadata=metadata)
    assert sizes_of(tmp_path / "ij.tif") == approximately("micrometer", x=0.5, y=0.25, z=3)
    nifti(tmp_path / "a.nii.gz")
    assert sizes_of(tmp_path / "a.nii.gz") == approximately("millimeter", x=0.8, y=0.8, z=3)
    pyramid(tmp_path / "none.tif")
    assert all(np.isnan(size) for size, _ in sizes_of(tmp_path / "none.tif").values())


def test_spacing_resamples_a_file_and_its_target_says_so(tmp_path):
    nifti(tmp_path / "ct.nii")
    result = vrdask.resample_zarr(tmp_path / "ct.nii", tmp_path / "ct.zarr", spacing=1.5, mode="linear")
    assert result.shape == (60, 13, 11)
    image = read_multiscale(zarr.open_group(tmp_path / "ct.zarr").attrs.asdict())
    assert image.scale == pytest.approx((1.5, 0.8 * 25 / 13, 0.8 * 20 / 11))
    right = {"type": "anatomical", "value": "left-to-right"}
    assert image.axes[2] == {"name": "x", "type": "space", "unit": "millimeter", "orientation": right}
    # colours last is no OME-Zarr: kept so, it is an array that says its pixel size itself, and is read back with it
    slide(tmp_path / "slide.svs")
    result = vrdask.resample_zarr(
        tmp_path / "slide.svs", tmp_path / "slide.zarr", spacing=0.998, mode="lanczos", keep_order=True
    )
    assert result.shape == (150, 200, 3)
    assert result.metadata.dimension_names == ("y", "x", "c")
    again = vrdask.resample_zarr(
        tmp_path / "slide.zarr", tmp_path / "small.zarr", spacing=1.996, mode="area", keep_order=True
    )
    assert again.shape == (75, 100, 3)
    assert sizes_of(tmp_path / "small.zarr")["x"] == (pytest.approx(1.996), "micrometer")


def test_a_ramp_in_a_file_becomes_the_coordinates_that_its_target_gives(tmp_path):
    ramp = np.broadcast_to(np.arange(64, dtype=np.float32) * 0.5, (48, 64)).copy()
    ome(tmp_path / "ramp.ome.tif", ramp, "YX", X=0.5, Y=0.5)
    result = vrdask.resample_zarr(tmp_path / "ramp.ome.tif", tmp_path / "ramp.zarr", (48, 23), mode="area")
    image = read_multiscale(zarr.open_group(tmp_path / "ramp.zarr").attrs.asdict())
    inner = np.arange(23)[2:-2] * image.scale[1] + image.translation[1]
    linear = vrdask.resample(ramp, (48, 23), "linear")[0, 2:-2]
    assert_allclose(linear, inner, atol=1e-5)
    assert result.shape == (48, 23)


def test_info_says_what_is_there(tmp_path):
    slide(tmp_path / "slide.svs")
    said = run("info", tmp_path / "slide.svs", "--level", 1)
    for line in (
        r"levels          0: 300x400x3, 1: 75x100x3",
        r"level           1",
        r"shape           75x100x3",
        r"axes            y, x, c",
        r"dtype           uint8",
        r"chunks          128x128x3",
        r"compression     jpeg (7)",
        r"pixel size      y 1.996 micrometer, x 1.996 micrometer",
    ):
        assert line in said
    nifti(tmp_path / "a.nii.gz")
    assert "decompresses it once" in run("info", tmp_path / "a.nii.gz")
    assert "z 3 millimeter" in run("info", tmp_path / "a.nii.gz")
