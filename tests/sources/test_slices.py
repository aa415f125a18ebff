"""Folders and patterns of images: the stack of what the images' own libraries read, in natural order."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import zarr
from image_files import run
from numpy.testing import assert_array_equal
from refusals import refused

import vrdask
from vrdask.images.ome_zarr import read_multiscale
from vrdask.sources import open_source, slices
from vrdask.sources.tiff_slice import TIFF

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")
Picture = pytest.importorskip("PIL.Image")

STACK = np.random.default_rng(0).integers(0, 60_000, (12, 40, 50), np.uint16)
BYTES = (STACK >> 8).astype(np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (12, 20, 30, 3), np.uint8)
SIZES = "z=10um,y=10um,x=10um"


def png(path, data, mode=None):
    picture = Picture.fromarray(data)
    (picture if mode is None else picture.convert(mode)).save(path)


KINDS = {
    "plain.tif": (STACK, tifffile.imwrite),
    "packed.tiff": (STACK, lambda path, x: tifffile.imwrite(path, x, compression="zlib", rowsperstrip=7)),
    "tiled.TIF": (STACK, lambda path, x: tifffile.imwrite(path, x, compression="lzw", tile=(16, 16))),
    "motorola.tif": (STACK, lambda path, x: tifffile.imwrite(path, x.astype(">u2"), byteorder=">")),
    "float.tif": (STACK.astype("f4"), tifffile.imwrite),
    "rgb.tif": (COLOURS, lambda path, x: tifffile.imwrite(path, x, photometric="rgb", compression="zlib")),
    "planes.tif": (
        COLOURS,
        lambda path, x: tifffile.imwrite(path, np.moveaxis(x, 2, 0), photometric="rgb", planarconfig="separate"),
    ),
    "grey.png": (BYTES, png),
    "deep.png": (STACK, png),
    "rgb.png": (COLOURS, png),
    "mask.png": (BYTES > 100, png),
    "palette.png": (None, lambda path, x: png(path, BYTES[0, :20, :30] + x[0, 0, 0], "P")),
    "photo.jpg": (None, lambda path, x: png(path, x)),
}


def stack(folder, kind="plain.tif", count=12, data=None, first=1):
    """A folder of slices, and what their own library reads of them: without zeros before the numbers."""
    data, write = (KINDS[kind][0] if data is None else data, KINDS[kind][1])
    folder.mkdir(exist_ok=True)
    name, suffix = kind.split(".")
    data = COLOURS if data is None else data
    for number, one in enumerate(data[:count], first):
        write(folder / f"{name}_{number}.{suffix}", one)
    paths = [folder / f"{name}_{number}.{suffix}" for number in range(first, first + count)]
    if suffix in ("png", "jpg"):
        return paths, np.stack([np.asarray(Picture.open(path)) for path in paths])
    read = [tifffile.imread(path) for path in paths]
    return paths, np.stack([np.moveaxis(one, 0, -1) if kind == "planes.tif" else one for one in read])


@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_and_a_pattern_are_the_stack_of_their_images(tmp_path, kind):
    _, expected = stack(tmp_path / "scan", kind)
    if KINDS[kind][0] is not None:
        assert_array_equal(expected, KINDS[kind][0])
    for place in (tmp_path / "scan", f"{tmp_path}/scan/*_*.*"):
        source = open_source(place)
        assert source.axes == ("z", "y", "x", "c")[: expected.ndim]
        assert (source.shape, source.dtype) == (expected.shape, expected.dtype)
        assert source.array.chunks == (1, *expected.shape[1:])
        assert_array_equal(source.array[:, :, :], expected)
        assert_array_equal(source.array[3:9:1, 5:20, 7:9], expected[3:9, 5:20, 7:9])
        assert source.array[3:3, 5:20, 7:9].shape == (0, 15, 2, *expected.shape[3:])
        made = pickle.loads(pickle.dumps(source.array)).chunk((4, 0, 0, 0)[: expected.ndim], np.empty)
        assert_array_equal(made, expected[4:5])
    axes = (0, 1, 2)
    result = vrdask.resample_zarr(
        tmp_path / "scan", tmp_path / "out.zarr", factor=0.5, mode="area", memory_limit="60MiB", keep_order=True
    )
    shape = tuple(n // 2 for n in expected.shape[:3])
    if expected.dtype == bool:
        assert result.dtype == bool
    assert_array_equal(result[:], vrdask.resample(expected, shape, "area", axes=axes))


def test_images_of_colours_are_shown_as_such(tmp_path):
    for kind, labels in {"rgb.png": list("RGB"), "rgb.tif": list("RGB"), "grey.png": []}.items():
        stack(tmp_path / kind, kind)
        told = json.loads(run("info", tmp_path / kind, "--json"))
        assert told["channels"] == labels
    stack(tmp_path / "palette.png", "palette.png")
    region = vrdask.open(tmp_path / "palette.png", region="z=2:3")
    run("resample", tmp_path / "palette.png", tmp_path / "out.png", "--region", "z=2:3", "--factor", "1", "--mode",
        "nearest", "--quiet")  # fmt: skip
    assert region.shape == (1, 20, 30)
    shown = np.asarray(Picture.open(tmp_path / "out.png"))
    expected = Picture.open(tmp_path / "palette.png" / "palette_3.png").convert("RGB")
    assert_array_equal(shown.reshape(20, 30, -1), np.asarray(expected).reshape(20, 30, -1)[..., : shown.shape[-1]])


def test_the_command_gives_the_bits_of_the_whole_and_where_they_lie(tmp_path):
    _, expected = stack(tmp_path / "scan")
    run("resample", f"{tmp_path}/scan/*.tif", tmp_path / "scan.zarr", "--pixel-size", SIZES, "--factor", 0.5)
    group = zarr.open_group(tmp_path / "scan.zarr")
    assert_array_equal(group["0"][:], vrdask.resample(expected, (6, 20, 25)))
    image = read_multiscale(group.attrs.asdict())
    assert (image.axis_names, image.scale, image.translation) == (("z", "y", "x"), (20.0,) * 3, (5.0,) * 3)
    run("pyramid", f"{tmp_path}/scan", tmp_path / "levels.zarr", "--pixel-size", SIZES, "--levels", 1)
    assert_array_equal(zarr.open_group(tmp_path / "levels.zarr")["1"][:], vrdask.downsample(expected, 2))
    run("affine", f"{tmp_path}/scan", tmp_path / "same.zarr", "--matrix", _identity(tmp_path), "--mode", "nearest")
    assert_array_equal(zarr.open_array(tmp_path / "same.zarr")[:], expected)


def _identity(folder):
    np.savetxt(folder / "matrix.txt", np.eye(3))
    return folder / "matrix.txt"


@pytest.mark.parametrize("mode", ["cubic", "lanczos", "nearest"])
def test_each_file_is_read_once_whatever_the_tasks(tmp_path, monkeypatch, mode):
    paths, expected = stack(tmp_path / "scan")
    read = Counter()

    def counting(path, form, empty):
        read[path] += 1
        return TIFF.read(path, form, empty)

    monkeypatch.setattr(slices, "FORMATS", (replace(TIFF, read=counting),))
    source = open_source(tmp_path / "scan")
    assert not read
    options = {"factor": 0.75, "chunks": (3, 10, 10), "mode": mode, "num_threads": 1, "memory_limit": "1MiB"}
    result = vrdask.resample_zarr(source, tmp_path / "out.zarr", **options)
    assert_array_equal(result[:], vrdask.resample(expected, result.shape, mode))
    assert read == {str(path): 1 for path in paths}


def test_only_headers_are_read_on_opening(tmp_path):
    paths, _ = stack(tmp_path / "scan")
    for path in paths:
        data = bytearray(path.read_bytes())
        with tifffile.TiffFile(path) as file:
            offset = file.pages[0].dataoffsets[0]
        data[offset:] = bytes(len(data) - offset)
        path.write_bytes(data)
    assert open_source(tmp_path / "scan").shape == STACK.shape


def test_the_sizes_that_files_say_are_taken(tmp_path):
    for number, one in enumerate(STACK[:3]):
        options = {"resolution": (10_000, 20_000), "resolutionunit": "CENTIMETER", "metadata": None}
        tifffile.imwrite(tmp_path / f"{number}.tif", one, **options)
    source = open_source(tmp_path)
    assert source.spacing[1:] == (0.5, 1.0)
    assert np.isnan(source.spacing[0])
    with pytest.raises(ValueError, match="spacing must be known for the source"):
        vrdask.resample_zarr(source, tmp_path / "out.zarr", spacing=1)


def test_stamps_tell_what_has_changed(tmp_path):
    paths, _ = stack(tmp_path / "scan")
    before = open_source(tmp_path / "scan").stamp()
    assert open_source(f"{tmp_path}/scan/*.tif").stamp() == before
    tifffile.imwrite(paths[3], STACK[4], compression="zlib")
    assert open_source(tmp_path / "scan").stamp() != before
    json.dumps(before)


def test_a_number_that_is_left_out_is_told(tmp_path):
    paths, _ = stack(tmp_path / "scan")
    assert "note" not in dict(open_source(tmp_path / "scan").details)
    paths[5].unlink()
    said = run("info", tmp_path / "scan")
    assert f"numbers of files are left out: {paths[4]} is followed by {paths[6]}" in said
    assert "stack of 11 TIFF files" in said


@pytest.mark.parametrize("kind", ["grey.png", "deep.png", "rgb.png", "mask.png", "palette.png", "photo.jpg"])
def test_a_picture_by_itself_has_no_slices(tmp_path, kind):
    paths, expected = stack(tmp_path / "scan", kind, count=1)
    source = open_source(paths[0])
    assert source.axes == ("y", "x", "c")[: expected.ndim - 1]
    assert_array_equal(source.array[:, :], expected[0])
    assert_array_equal(source.array[3:7, 2:5], expected[0, 3:7, 2:5])
    shape = tuple(n // 2 for n in expected.shape[1:3])
    result = vrdask.resample_zarr(paths[0], tmp_path / "out.zarr", factor=0.5, mode="area", keep_order=True)
    assert_array_equal(np.asarray(result[:]), vrdask.resample(expected[0], shape, "area", axes=(0, 1)))
    told = run("resample", paths[0], paths[0], "--factor", 0.5, "--overwrite")
    assert "target must lie outside the source" in told


def test_a_turned_photograph_is_shown_upright(tmp_path):
    exif = Picture.Exif()
    exif[0x0112] = 6
    Picture.fromarray(COLOURS[0]).save(tmp_path / "photo.jpg", exif=exif, quality=95)
    stored = np.asarray(Picture.open(tmp_path / "photo.jpg"))
    assert_array_equal(open_source(tmp_path / "photo.jpg").array[:, :], stored)
    run("resample", tmp_path / "photo.jpg", tmp_path / "out.png", "--factor", 1, "--mode", "nearest", "--quiet")
    assert_array_equal(np.asarray(Picture.open(tmp_path / "out.png")), np.rot90(stored, -1))


# What is refused


def test_a_slice_that_deviates_is_named(tmp_path):
    paths, _ = stack(tmp_path / "scan")
    for wrong, said in ((STACK[0, :-1], "39x50 uint16"), (BYTES[0], "40x50 uint8"), (COLOURS[0], "20x30x3 uint8")):
        tifffile.imwrite(paths[7], wrong, photometric="rgb" if wrong.ndim == 3 else "minisblack")
        told = f"slices must agree in size and type; got {said} in {paths[7]} of "
        assert f"{told}{tmp_path / 'scan'}, where {paths[0]} has 40x50 uint16" in refused(tmp_path / "scan", tmp_path)
        assert told in refused(f"{tmp_path}/scan/*.tif", tmp_path)


def test_a_slice_that_cannot_be_read_is_named(tmp_path):
    paths, _ = stack(tmp_path / "scan", "packed.tiff")
    whole = paths[7].read_bytes()
    for damaged in (whole[:-20], whole[:100], b"", b"nonsense", bytes(200)):
        paths[7].write_bytes(damaged)
        assert str(paths[7]) in refused(tmp_path / "scan", tmp_path)
    paths, _ = stack(tmp_path / "pictures", "deep.png")
    whole = paths[7].read_bytes()
    for damaged in (whole[:30], b"", bytes(200)):
        paths[7].write_bytes(damaged)
        assert str(paths[7]) in refused(tmp_path / "pictures", tmp_path)
    paths[7].write_bytes(whole[:-1000])
    told = run("resample", tmp_path / "pictures", tmp_path / "out.zarr", "--factor", 0.5, "--quiet")
    assert f"a PNG source must have samples that can be decoded; got {paths[7]}" in told
    assert told.count("\n") == 1


def test_what_is_no_stack_is_refused_by_name(tmp_path):
    stack(tmp_path / "scan")
    (tmp_path / "scan" / "notes.txt").write_text("of no matter")
    (tmp_path / "scan" / "._plain_1.tif").write_text("of no matter")
    assert open_source(tmp_path / "scan").shape == STACK.shape
    png(tmp_path / "scan" / "preview.png", BYTES[0])
    said = f"must be a folder of images of one format; got {tmp_path / 'scan'} with 1 PNG, 12 TIFF: choose by a pattern"
    assert said in refused(tmp_path / "scan", tmp_path)
    assert "/scan/*.jpg, a pattern that matches no file" in refused(f"{tmp_path}/scan/*.jpg", tmp_path)
    assert f"which matches the folder {tmp_path / 'scan'}" in refused(f"{tmp_path}/sc*", tmp_path)
    assert "slices must be TIFF, PNG, JPEG or DICOM files; got " in refused(f"{tmp_path}/**", tmp_path)
    assert "slices must be TIFF, PNG, JPEG or DICOM files; got " in refused(f"{tmp_path}/scan/*.txt", tmp_path)
    assert "level and series must be 0" in refused(f"{tmp_path}/scan/plain*", tmp_path, options=["--level", "1"])
    (tmp_path / "volumes").mkdir()
    tifffile.imwrite(tmp_path / "volumes" / "a.tif", STACK)
    assert "a slice must be one image; got " in refused(tmp_path / "volumes", tmp_path)
    Picture.fromarray(COLOURS[0]).convert("CMYK").save(tmp_path / "volumes" / "inks.jpg")
    assert "a picture must be grey, a palette or RGB; got " in refused(f"{tmp_path}/volumes/*.jpg", tmp_path)
    (tmp_path / "empty").mkdir()
    assert "found neither at" in refused(tmp_path / "empty", tmp_path)


def test_a_name_with_a_star_is_a_name_where_there_is_such_a_file(tmp_path):
    tifffile.imwrite(tmp_path / "a[1].tif", STACK[0])
    tifffile.imwrite(tmp_path / "a1.tif", STACK[1])
    assert_array_equal(open_source(tmp_path / "a[1].tif").array[:, :], STACK[0])
    assert_array_equal(open_source(tmp_path / "a[0-9].tif").array[:, :, :], STACK[1:2])


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_no_slice_and_no_folder_of_them_is_a_target(tmp_path, overwrite):
    paths, _ = stack(tmp_path / "scan")
    before = {path: path.read_bytes() for path in paths}
    (tmp_path / "link.tif").symlink_to(paths[2])
    region = ["--region", "z=0:1", "--factor", 0.5, *overwrite]
    for place in (f"{tmp_path}/scan/*.tif", tmp_path / "scan"):
        for target in (paths[3], tmp_path / "scan", tmp_path, tmp_path / "link.tif"):
            told = run("resample", place, target, *region)
            assert "target must lie outside the source" in told, told
    told = run("pyramid", f"{tmp_path}/scan/*.tif", tmp_path / "scan", *overwrite)
    assert "target must lie outside the source" in told
    assert "target must lie outside the source" in run("resample", tmp_path / "scan", tmp_path / "scan/x.zarr", *region)
    assert {path: path.read_bytes() for path in paths} == before
    assert run("resample", f"{tmp_path}/scan/*.tif", tmp_path / "scan" / "out.zarr", *region, "--quiet") == ""


# Pages of one file


@pytest.mark.parametrize(
    "options", [{"metadata": None}, {}, {"metadata": None, "compression": "zlib", "tile": (16, 16)}]
)
def test_pages_without_axes_are_slices(tmp_path, options):
    tifffile.imwrite(tmp_path / "pages.tif", STACK, photometric="minisblack", **options)
    source = open_source(tmp_path / "pages.tif")
    assert source.axes == ("z", "y", "x")
    run("resample", tmp_path / "pages.tif", tmp_path / "out.zarr", "--factor", 0.5, "--pixel-size", SIZES)
    group = zarr.open_group(tmp_path / "out.zarr")
    assert_array_equal(group["0"][:], vrdask.resample(STACK, (6, 20, 25)))
    assert open_source(tmp_path / "pages.tif", pixel_size="t=2s").axes == ("t", "y", "x")
    tifffile.imwrite(tmp_path / "colours.tif", COLOURS, photometric="rgb", metadata=None)
    assert open_source(tmp_path / "colours.tif").axes == ("z", "y", "x", "c")
