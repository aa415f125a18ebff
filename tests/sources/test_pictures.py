"""Pictures as targets (PNG, TIFF): they hold the result, and are refused where they cannot."""

from __future__ import annotations

import image_files
import numpy as np
import pytest
from image_files import CHANNELS, COLOUR, GREY, VOLUME, run, sizes_of, slide
from numpy.testing import assert_array_equal
from PIL import Image

import vrdask
from vrdask.sources import open_source

tifffile = pytest.importorskip("tifffile")

file = image_files.file


def test_a_thumbnail_is_one_command(tmp_path):
    slide(tmp_path / "slide.svs")
    out = tmp_path / "thumb.png"
    done = run("resample", tmp_path / "slide.svs", out, "--factor", 0.1, "--mode", "lanczos", "--level", 0)
    assert "thumb.png: 30x40x3 uint8, a picture: axes y, x, c" in done
    decoded = tifffile.imread(tmp_path / "slide.svs", series=0, level=0)
    with Image.open(out) as shown:
        assert shown.mode == "RGB"
        assert_array_equal(np.asarray(shown), vrdask.resample(decoded, (30, 40), "lanczos", axes=(0, 1)))
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@pytest.mark.parametrize("data", [GREY, GREY.astype("u2") * 257, COLOUR, np.dstack([COLOUR, GREY]), COLOUR[..., :2]])
def test_png_holds_the_result(data, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, data)
    # of 16 bits the numbers are kept where they are asked for
    vrdask.resample_zarr(path, tmp_path / "x.png", (60, 70), mode="bicubic", axes=(0, 1), dtype=data.dtype)
    with Image.open(tmp_path / "x.png") as shown:
        assert_array_equal(np.asarray(shown), vrdask.resample(data, (60, 70), "bicubic", axes=(0, 1)))


def test_png_of_channels_first_is_turned(tmp_path):
    planes = {"planarconfig": "separate", "photometric": "rgb"}
    tifffile.imwrite(tmp_path / "c.ome.tif", CHANNELS[:, 0], ome=True, metadata={"axes": "SYX"}, **planes)
    vrdask.resample_zarr(tmp_path / "c.ome.tif", tmp_path / "c.png", factor=0.5, mode="box")
    with Image.open(tmp_path / "c.png") as shown:
        assert_array_equal(np.asarray(shown).transpose(2, 0, 1), vrdask.resample(CHANNELS[:, 0], (45, 55), "box"))


@pytest.mark.parametrize("name", ["out.tif", "out.ome.tif"])
def test_tiff_holds_the_result_and_its_pixel_size(file, name, tmp_path):
    path, _, axes = file
    vrdask.resample_zarr(path, tmp_path / name, factor=0.5, mode="area")
    expected = vrdask.resample_zarr(path, tmp_path / "out.zarr", factor=0.5, mode="area", keep_order=True)
    stored = expected[...].T if axes == "xyz" else expected[...]  # a TIFF's axes end with y, x
    assert_array_equal(tifffile.imread(tmp_path / name), stored)
    known = open_source(path).image
    if known is not None and not np.isnan(known.scale).any() and "micrometer" in str(known.axes):
        assert sizes_of(tmp_path / name)["x"][0] == pytest.approx(2 * sizes_of(path)["x"][0])


def test_pictures_are_refused_where_they_cannot_be(tmp_path):
    np.save(tmp_path / "x.npy", VOLUME)
    np.save(tmp_path / "wide.npy", COLOUR.astype("f4"))
    np.save(tmp_path / "grey.npy", GREY)
    (tmp_path / "kept.png").write_bytes(b"kept")

    def refused(source, target, *options):
        return run("resample", tmp_path / source, tmp_path / target, "--factor", 0.5, *options)

    assert "a PNG must show 2 axes, and up to 4 channels of a third; got 10x13x15" in refused("x.npy", "a.png")
    assert "a PNG must hold integers of 8 or 16 bits, or have a window; got float32" in refused(
        "wide.npy", "a.png", "--axes", "0"
    )
    assert "target must not exist; got" in refused("grey.npy", "kept.png")
    assert "the folder of a picture must exist" in refused("grey.npy", "nowhere/a.png")
    assert "a picture must fit in memory, 10.00 KiB; got a result that takes" in refused(
        "grey.npy", "a.png", "--memory-limit", "10KiB"
    )
    assert "chunks and shards must be None for a picture" in refused("grey.npy", "a.png", "--chunks", "8")
    assert (tmp_path / "kept.png").read_bytes() == b"kept"
    assert "overwrite must replace a file of the format" in refused("grey.npy", "kept.png", "--overwrite", "--quiet")
    assert (tmp_path / "kept.png").read_bytes() == b"kept"
    for before in (b"", b"\x89PNG\r\n\x1a\nand more"):
        (tmp_path / "kept.png").write_bytes(before)
        assert refused("grey.npy", "kept.png", "--overwrite", "--quiet") == ""
        assert (tmp_path / "kept.png").stat().st_size > 100
    assert not (tmp_path / "a.png").exists()


def test_tiff_refuses_types_that_it_has_none_for(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    with pytest.raises(ValueError, match="a TIFF must hold numbers that it has types for; got bfloat16"):
        vrdask.resample_zarr(np.ones((8, 8), ml_dtypes.bfloat16), tmp_path / "x.tif", (4, 4))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_what_a_run_gives_back_of_a_picture_has_its_samples(tmp_path, name):
    x = np.arange(400).astype("u1").reshape(20, 20)
    made = vrdask.resample_zarr(x, tmp_path / name, (10, 20), mode="nearest")
    assert made.shape == (10, 20)
    assert made.dtype == "u1"
    assert_array_equal(made[...], np.asarray(Image.open(tmp_path / name)))
    assert_array_equal(made[3:7, 5:], vrdask.resample(x, (10, 20), mode="nearest")[3:7, 5:])
