"""Pixel sizes that a caller gives: what no file says is unknown, and may be told."""

from __future__ import annotations

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from image_files import STACK, ome

import vrdask
from vrdask.cli import main
from vrdask.images.ome_zarr import read_multiscale
from vrdask.sources import open_source

tifffile = pytest.importorskip("tifffile")


@pytest.fixture
def pages(tmp_path):
    options = {"photometric": "minisblack", "metadata": None, "resolution": (10_000, 10_000)}
    tifffile.imwrite(tmp_path / "pages.tif", STACK, resolutionunit="CENTIMETER", **options)
    return tmp_path / "pages.tif"


def test_the_distance_of_pages_is_unknown_until_it_is_given(pages, tmp_path):
    assert open_source(pages).image.axis_names == ("z", "y", "x")
    with pytest.raises(ValueError, match=r"spacing must be known for the source.*gives none for axis z"):
        vrdask.resample_zarr(pages, tmp_path / "out.zarr", spacing=2, axes=(0, 1, 2))
    source = open_source(pages, pixel_size="z=3um")
    assert source.image.axis_names == ("z", "y", "x")
    result = vrdask.resample_zarr(source, tmp_path / "out.zarr", spacing="2um", exact=True)
    assert result.shape == (8, 20, 30)
    image = read_multiscale(zarr.open_group(tmp_path / "out.zarr").attrs.asdict())
    assert [axis["name"] for axis in image.axes] == ["z", "y", "x"]
    assert image.scale == (2.0, 2.0, 2.0)
    assert image.translation == pytest.approx((-0.5, 0.5, 0.5))


def test_an_array_without_names_becomes_an_image(tmp_path):
    np.save(tmp_path / "a.npy", STACK)
    for source in (tmp_path / "a.npy", zarr.create_array({}, data=STACK)):
        options = {"pixel_size": {"z": "2um", "y": 0.5, "x": "500 nm"}, "overwrite": True}
        with pytest.raises(ValueError, match="spacing of axis y must be without a unit"):
            vrdask.resample_zarr(source, tmp_path / "out.zarr", spacing="1um", **options)
        options["pixel_size"]["y"] = "0.5um"
        result = vrdask.resample_zarr(source, tmp_path / "out.zarr", spacing="1um", exact=True, **options)
        assert result.shape == (10, 20, 30)
        image = read_multiscale(zarr.open_group(tmp_path / "out.zarr").attrs.asdict())
        assert [(axis["name"], axis["unit"]) for axis in image.axes] == [
            ("z", "micrometer"), ("y", "micrometer"), ("x", "nanometer"),
        ]  # fmt: skip
        assert image.scale == (1.0, 1.0, 1000.0)


def test_a_wrong_size_is_corrected_and_a_unit_added(tmp_path):
    ome(tmp_path / "a.ome.tif", STACK, "ZYX", X=0.25, Y=0.5, Z=2.0)
    image = open_source(tmp_path / "a.ome.tif", pixel_size={"z": 4}).image
    assert dict(zip(image.axis_names, image.scale, strict=True)) == {"z": 4, "y": 0.5, "x": 0.25}
    assert {axis["unit"] for axis in image.axes} == {"micrometer"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"q": 1, "r": 1}, "axes must be among those of the array, z, y, x"),
        ({"z": "2s"}, "pixel_size of axis z must be in a unit of space; got '2s'"),
        ({"y": "2s"}, "pixel_size of axis y must be in a unit of space"),
        ({"y": -1}, "pixel_size must be positive and finite"),
        ({"y": "2 furlongs"}, "pixel_size must be a number, or one with a known unit"),
        ((1, 2, 3, 4), "pixel_size must give at most 3 numbers"),
    ],
)
def test_sizes_that_are_none_are_refused(pages, given, said):
    with pytest.raises((TypeError, ValueError), match=said):
        open_source(pages, pixel_size=given)


def test_names_are_needed_for_all_axes_of_an_array_without():
    array = zarr.create_array({}, data=STACK)
    for given in ({"y": 1, "x": 1}, 2.0):
        with pytest.raises(ValueError, match="pixel_size must name all 3 axes of an array that does not"):
            open_source(array, pixel_size=given)


def test_another_pixel_size_is_another_source(pages):
    stamps = [open_source(pages, pixel_size=given).stamp() for given in ("z=3um", "z=4um", "z=3um")]
    assert stamps[0] == stamps[2] != stamps[1]
    assert open_source(pages).stamp() not in stamps


def test_a_plain_zarr_array_of_given_size_is_no_level_of_an_image(tmp_path):
    """However it is called: no group tells of it."""
    data = np.random.default_rng(0).random((4, 6, 8)).astype("f4")
    sizes = ("--pixel-size", "z=2um,y=0.5um,x=0.5um")
    for name in ("plain.zarr", "0"):
        place = tmp_path / name
        zarr.create_array(place, data=data, chunks=(4, 4, 4))
        said = CliRunner().invoke(
            main, ["resample", str(place), str(tmp_path / f"out {name}.zarr"), "--spacing", "1um", *sizes]
        )
        assert said.exit_code == 0, said.output
        assert f"{place}: 4x6x8 float32, plain Zarr array: axes z, y, x, spacing z 2, y 0.5" in said.output
        found = CliRunner().invoke(main, ["info", str(place), *sizes, "--json"])
        assert found.exit_code == 0, found.output
        assert '"kind": "Zarr array"' in found.output
        assert '"level": null' in found.output
        said = CliRunner().invoke(main, ["pyramid", str(place), str(tmp_path / f"levels {name}.zarr"), *sizes])
        assert said.exit_code == 0, said.output
        said = CliRunner().invoke(main, ["pyramid", str(place), "--in-place", *sizes])
        assert said.exit_code == 1
        assert "in_place must be an OME-Zarr image" in said.output
