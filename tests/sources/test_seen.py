"""Pictures as eyes see them: what Pillow shows of the same file."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
import tifffile
from image_files import CHANNELS, COLOUR, GREY, STACK, ome, pyramid, run
from numpy.testing import assert_array_equal
from PIL import Image

import vrdask
from vrdask.sources import open_source

RNG = np.random.default_rng(11)
BYTES = RNG.integers(0, 256, (37, 53), np.uint8)
MORE = RNG.integers(0, 256, (37, 53, 4), np.uint8)
WORDS = RNG.integers(0, 65_536, (37, 53, 4)).astype(np.uint16)
COLOURMAP = RNG.integers(0, 65_536, (3, 256)).astype(np.uint16)

FILES = {
    "white is zero": (BYTES, {"photometric": "miniswhite"}),
    "one bit": (BYTES > 99, {"photometric": "minisblack"}),
    "one bit, white is zero": (BYTES > 99, {"photometric": "miniswhite"}),
    "two bits": (BYTES >> 6, {"photometric": "minisblack", "bitspersample": 2}),
    "four bits": (BYTES >> 4, {"photometric": "minisblack", "bitspersample": 4}),
    "four bits, white is zero": (BYTES >> 4, {"photometric": "miniswhite", "bitspersample": 4}),
    "palette": (BYTES, {"photometric": "palette", "colormap": COLOURMAP}),
    "inks": (MORE, {"photometric": "separated"}),
    "inks in planes": (np.moveaxis(MORE, 2, 0).copy(), {"photometric": "separated", "planarconfig": "separate"}),
    "inks of 16 bits": (WORDS, {"photometric": "separated"}),
    "lightness": (MORE[..., :3].copy(), {"photometric": "cielab"}),
    "luminance": (MORE[..., :3].copy(), {"photometric": "ycbcr", "subsampling": (1, 1)}),
    "luminance in a JPEG": (MORE[..., :3].copy(), {"photometric": "ycbcr", "compression": "jpeg"}),
    "colours of 16 bits": (WORDS[..., :3].copy(), {"photometric": "rgb"}),
    "opacity": (MORE, {"photometric": "rgb", "extrasamples": ["unassalpha"]}),
    "premultiplied": (MORE, {"photometric": "rgb", "extrasamples": ["assocalpha"]}),
}


def as_pillow(path):
    with Image.open(path) as shown:
        shown.load()
        mode = {"1": "L", "L": "L", "RGBA": "RGBA"}.get(shown.mode, "RGB")
        return np.asarray(shown.convert(mode))


def shown(source, target, *options):
    said = run("resample", source, target, "--factor", 1, "--mode", "nearest", *options)
    with Image.open(target) as picture:
        return np.asarray(picture), said


@pytest.mark.parametrize("name", FILES)
def test_a_png_is_what_pillow_shows(tmp_path, name):
    data, options = FILES[name]
    tifffile.imwrite(tmp_path / "x.tif", data, **options)
    found, _ = shown(tmp_path / "x.tif", tmp_path / "x.png")
    assert_array_equal(found, as_pillow(tmp_path / "x.tif"))


@pytest.mark.parametrize("name", ["palette", "inks", "four bits"])
def test_a_smaller_picture_is_what_pillow_shows_resampled(tmp_path, name):
    data, options = FILES[name]
    tifffile.imwrite(tmp_path / "x.tif", data, tile=(16, 16), **options)
    run("resample", tmp_path / "x.tif", tmp_path / "x.png", "--shape", "19,20", "--mode", "lanczos")
    with Image.open(tmp_path / "x.png") as picture:
        expected = vrdask.resample(as_pillow(tmp_path / "x.tif"), (19, 20), "lanczos", axes=(0, 1))
        assert_array_equal(np.asarray(picture), expected)


@pytest.mark.parametrize("data", [BYTES, MORE[..., :3]], ids=["grey", "colours"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_the_right_way_up(tmp_path, orientation, data):
    tag = (274, 3, 1, orientation, True)
    options = {"photometric": "rgb" if data.ndim == 3 else "minisblack", "compression": "zlib", "tile": (16, 16)}
    tifffile.imwrite(tmp_path / "x.tif", data, extratags=[tag], **options)
    found, _ = shown(tmp_path / "x.tif", tmp_path / "x.png")
    assert_array_equal(found, as_pillow(tmp_path / "x.tif"))
    kept = vrdask.resample_zarr(tmp_path / "x.tif", tmp_path / "x.zarr", factor=1, keep_order=True)
    assert_array_equal(kept[...], data)  # an array keeps its numbers where they are


def test_jpeg_2000_of_aperio_is_ycbcr_where_its_compression_says_so(tmp_path):
    rgb = np.stack([np.add.outer(np.arange(32), np.arange(32)) * k for k in (1, 2, 3)], -1).astype(np.uint8)
    luminance = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    for compression, stored in ((33003, luminance), (33005, rgb)):
        tile = imagecodecs.jpeg2k_encode(stored, level=0, codecformat="j2k", mct=False, reversible=True)
        tifffile.imwrite(
            tmp_path / "x.tif", iter([tile]), shape=(32, 32, 3), dtype="u1", tile=(32, 32), photometric="rgb",
            compression=compression,
        )  # fmt: skip
        expected = np.asarray(Image.fromarray(luminance, "YCbCr").convert("RGB")) if compression == 33003 else rgb
        found, _ = shown(tmp_path / "x.tif", tmp_path / f"{compression}.png")
        assert_array_equal(found, expected)
        result = vrdask.resample_zarr(tmp_path / "x.tif", tmp_path / f"{compression}.zarr", factor=1, mode="nearest")
        assert_array_equal(np.moveaxis(result[...], 0, 2), expected)  # how it is stored, not what it means


def test_16_bits_are_shown_from_the_least_to_the_greatest_value(tmp_path):
    data = (WORDS[..., 0] >> 5) + np.uint16(100)
    tifffile.imwrite(tmp_path / "x.tif", data, photometric="minisblack")
    low, high = int(data.min()), int(data.max())

    def levels(low, high):
        return np.rint(np.clip((data.astype(float) - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)

    assert_array_equal(shown(tmp_path / "x.tif", tmp_path / "a.png")[0], levels(low, high))
    found, _ = shown(tmp_path / "x.tif", tmp_path / "b.png", "--window", "500,900")
    assert_array_equal(found, levels(500, 900))
    assert_array_equal(shown(tmp_path / "x.tif", tmp_path / "c.png", "--dtype", "uint16")[0], data)
    floats = np.linspace(-1, 2, 12, dtype=np.float32).reshape(3, 4)
    floats[1, 1] = np.nan
    np.save(tmp_path / "x.npy", floats)
    found, _ = shown(tmp_path / "x.npy", tmp_path / "d.png", "--window", "0,1")
    assert found[0, 0] == 0
    assert found[1, 1] == 0
    assert found[2, 3] == 255


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("900,500", "the lower one first"), ("5,5", "the lower one first"), ("5", "two finite numbers"),
        ("1,2,3", "two finite numbers"), ("nan,3", "two finite numbers"), ("0,inf", "two finite numbers"),
    ],
)  # fmt: skip
def test_a_window_must_be_one(tmp_path, window, said):
    np.save(tmp_path / "x.npy", GREY)
    assert said in run("resample", tmp_path / "x.npy", tmp_path / "x.png", "--factor", 1, "--window", window)
    assert list(tmp_path.iterdir()) == [tmp_path / "x.npy"]


def test_a_window_is_for_pictures(tmp_path):
    np.save(tmp_path / "x.npy", GREY)
    for name in ("x.zarr", "x.tif", "x"):
        said = run("resample", tmp_path / "x.npy", tmp_path / name, "--factor", 1, "--window", "0,9")
        assert "window must be left out for a target other than PNG or JPEG" in said


def test_pages_slices_and_channels_are_no_colours(tmp_path):
    tifffile.imwrite(tmp_path / "pages.tif", STACK[:3], metadata={"axes": "ZYX"}, photometric="minisblack")
    ome(tmp_path / "times.ome.tif", STACK[:3], "TYX")
    ome(tmp_path / "channels.ome.tif", CHANNELS[:, 0], "CYX")
    np.save(tmp_path / "first.npy", CHANNELS[:, 0])
    for name in ("pages.tif", "times.ome.tif", "channels.ome.tif", "first.npy"):
        for suffix, kind in (("png", "PNG"), ("jpg", "JPEG")):
            said = run("resample", tmp_path / name, tmp_path / f"x.{suffix}", "--factor", 0.5)
            assert f"a {kind} must show 2 axes" in said
            assert "are no colours" in said
    run("resample", tmp_path / "channels.ome.tif", tmp_path / "one.png", "--factor", 0.5, "--channel", 1)
    run("resample", tmp_path / "pages.tif", tmp_path / "two.png", "--factor", 0.5, "--region", "z=1:2")
    for name, shape in (("one.png", (45, 55)), ("two.png", (20, 30))):
        with Image.open(tmp_path / name) as picture:
            assert np.asarray(picture).shape == shape


def test_a_jpeg_is_close_to_what_was_resampled(tmp_path):
    smooth = np.stack([np.add.outer(np.arange(64), np.arange(80)) * k // 2 for k in (1, 2, 3)], -1).astype(np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", smooth, photometric="rgb")
    for name in ("x.jpg", "x.jpeg"):
        run("resample", tmp_path / "x.tif", tmp_path / name, "--factor", 0.5, "--mode", "box")
        with Image.open(tmp_path / name) as picture:
            assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (40, 32))
    tifffile.imwrite(tmp_path / "a.tif", MORE, photometric="rgb", extrasamples=["unassalpha"])
    said = run("resample", tmp_path / "a.tif", tmp_path / "a.jpg", "--factor", 1)
    assert "a JPEG must show grey or colours; got colours and opacity" in said
    (tmp_path / "kept.jpg").write_bytes(b"kept")
    said = run("resample", tmp_path / "x.tif", tmp_path / "kept.jpg", "--factor", 1, "--overwrite")
    assert "overwrite must replace a file of the format" in said


def test_a_thumbnail_is_made_from_the_nearest_larger_level(tmp_path, caplog):
    pyramid(tmp_path / "x.tif")
    for options, step, note in (
        (("--factor", 0.2), 4, "made from level 2 (75x100x3)"),
        (("--factor", 0.3), 2, "made from level 1 (150x200x3)"),
        (("--shape", "151,100"), 1, None),
        (("--factor", 0.2, "--level", 0), 1, None),
        (("--factor", 0.2, "--level", 1), 2, None),
    ):
        caplog.clear()
        run("resample", tmp_path / "x.tif", tmp_path / "x.png", "--mode", "lanczos", "--overwrite", *options)
        with Image.open(tmp_path / "x.png") as picture:
            found = np.asarray(picture)
        assert_array_equal(found, vrdask.resample(COLOUR[::step, ::step], found.shape[:2], "lanczos", axes=(0, 1)))
        told = [record.message for record in caplog.records if "made from" in record.message]
        assert [text.partition(",")[0] for text in told] == ([note] if note else [])
    result = vrdask.resample_zarr(open_source(tmp_path / "x.tif", level=0), tmp_path / "y.png", factor=0.2, mode="box")
    assert_array_equal(result[...], vrdask.resample(COLOUR, (60, 80), "box", axes=(0, 1)))


@pytest.mark.parametrize(
    ("names", "letters"), [("YX", "YX"), ("XY", "YX"), ("CXY", "CYX"), ("yxz", "ZYX"), ("TzYx", "TZYX")]
)
def test_axes_of_any_case_and_order_make_right_ome_tiffs(tmp_path, names, letters):
    import zarr

    sizes = dict(zip("TCZYX", (2, 3, 4, 20, 30), strict=True))
    shape = [sizes[name.upper()] for name in names]
    data = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    types = {"T": "time", "C": "channel"}
    axes = [
        {"name": name, "type": types.get(name.upper(), "space"), "scale": 1.0, "translation": 0.0} for name in names
    ]
    zarr.create_array(tmp_path / "x.zarr", data=data, attributes={"vrdask": {"axes": axes}})
    vrdask.resample_zarr(tmp_path / "x.zarr", tmp_path / "x.ome.tif", factor=1, mode="nearest")
    with tifffile.TiffFile(tmp_path / "x.ome.tif") as file:
        assert file.series[0].axes == letters
        order = [names.upper().index(letter) for letter in letters]
        assert_array_equal(file.asarray(), data.transpose(order))


@pytest.mark.parametrize(
    ("shape", "dtype", "said"),
    [((2, 2, 2, 9, 9), "u1", "5 axes without names"), ((9, 9), "u8", "uint64"), ((9, 9), "f2", "float16")],
)
def test_what_ome_tiff_has_no_words_for_is_refused_before_the_run(tmp_path, shape, dtype, said):
    np.save(tmp_path / "x.npy", np.zeros(shape, dtype))
    text = run("resample", tmp_path / "x.npy", tmp_path / "x.ome.tif", "--factor", 1, "--mode", "nearest")
    assert "an OME-TIFF must" in text
    assert said in text
    assert list(tmp_path.iterdir()) == [tmp_path / "x.npy"]


def test_what_cannot_be_shown_is_refused_by_name(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", MORE[..., :3].copy(), photometric="icclab")
    assert "got ICCLAB in" in run("resample", tmp_path / "x.tif", tmp_path / "x.png", "--factor", 1)
    tifffile.imwrite(tmp_path / "y.tif", WORDS[..., :3].copy(), photometric="cielab")
    assert "CIELab must have 8 bits" in run("resample", tmp_path / "y.tif", tmp_path / "y.png", "--factor", 1)
