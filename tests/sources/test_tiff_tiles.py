"""Tiles of TIFF files: any box is what tifffile reads, whichever way it comes, and each tile is decoded once."""

from __future__ import annotations

import os

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from numpy.testing import assert_array_equal

import vrdask
from vrdask.api.resample_zarr import prepare
from vrdask.planning import choose_blocks
from vrdask.sources import open_source
from vrdask.sources.tiff_tiles import TiledPages

RNG = np.random.default_rng(6)
GREY = RNG.integers(0, 256, (90, 70), np.uint8)
COLOUR = RNG.integers(0, 256, (90, 70, 3), np.uint8)
STACK = RNG.integers(0, 60_000, (2, 3, 50, 40), np.uint16)
TILES = {"tile": (32, 16), "compression": "zlib"}
RGB = {"photometric": "rgb"}
GREYS = {"photometric": "minisblack"}

DIRECTLY = {
    "grey": (GREY, TILES | GREYS),
    "colour": (COLOUR, TILES | RGB),
    "jpeg": (COLOUR, TILES | RGB | {"compression": "jpeg"}),
    "predicted": (GREY, TILES | GREYS | {"predictor": 2}),
    "stack": (STACK, TILES | GREYS),
    "big-endian": (STACK, TILES | GREYS | {"byteorder": ">"}),
}
BEHIND_ZARR = {
    "planes": (np.moveaxis(COLOUR, 2, 0).copy(), TILES | RGB | {"planarconfig": "separate"}),
    "strips": (COLOUR, RGB | {"rowsperstrip": 8, "compression": "zlib"}),
    "depth": (STACK[0], {"tile": (2, 32, 16), "compression": "zlib", "volumetric": True} | GREYS),
}


def write(path, data, options):
    options = dict(options)
    with tifffile.TiffWriter(path, byteorder=options.pop("byteorder", None)) as file:
        file.write(data, **options)
    return path


@pytest.mark.parametrize("name", [*DIRECTLY, *BEHIND_ZARR])
def test_any_box_is_what_tifffile_reads(tmp_path, name):
    path = write(tmp_path / "x.tif", *{**DIRECTLY, **BEHIND_ZARR}[name])
    with tifffile.TiffFile(path) as file:
        assert (TiledPages.of(file.series[0], str(path)) is not None) == (name in DIRECTLY)
    expected = tifffile.imread(path)
    array = open_source(path).array
    for _ in range(40):
        starts = [int(RNG.integers(0, n)) for n in array.shape]
        box = tuple(slice(a, int(RNG.integers(a + 1, n + 1))) for a, n in zip(starts, array.shape, strict=True))
        got = array[box]
        assert got.dtype == expected.dtype
        assert_array_equal(got, expected[box])
    assert array[: array.shape[0], 3:3].shape == (array.shape[0], 0, *array.shape[2:])
    assert_array_equal(array[(slice(1),)], expected[:1])


MORE_SHAPES = {
    "one tile": (GREY[:10, :10], TILES | GREYS),
    "one strip": (COLOUR, RGB | {"rowsperstrip": 1000, "compression": "zlib"}),
    "strips of rows": (STACK, GREYS | {"rowsperstrip": 7, "compression": "zlib"}),
    "one row": (GREY[:1], GREYS | {"rowsperstrip": 1, "compression": "zlib"}),
    "one sample": (GREY[:40, :, None], TILES | GREYS | {"metadata": {"axes": "YXS"}}),
    "opacity": (np.dstack([COLOUR, GREY]), TILES | RGB),
    "two samples": (COLOUR[..., :2], TILES | GREYS | {"planarconfig": "contig"}),
}


@pytest.mark.parametrize("name", [*DIRECTLY, *BEHIND_ZARR, *MORE_SHAPES])
def test_chunks_are_those_of_tifffiles_view(tmp_path, name):
    path = write(tmp_path / "x.tif", *{**DIRECTLY, **BEHIND_ZARR, **MORE_SHAPES}[name])
    source = open_source(path)
    with tifffile.TiffFile(path) as file:
        view = zarr.open_array(file.series[0].aszarr(level=0), mode="r")
        assert source.array.chunks == view.chunks
        assert source.shape == view.shape


def test_tiles_are_read_where_threads_share_a_files_position(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "pread")
    path = write(tmp_path / "x.tif", *DIRECTLY["colour"])
    assert_array_equal(open_source(path).array[5:80, 3:66], COLOUR[5:80, 3:66])


def test_tiles_that_a_file_leaves_out_are_its_background(tmp_path):
    def tiles():
        for number in range(3 * 5):
            yield None if number % 2 else np.full((32, 16), number + 1, np.uint8)

    path = tmp_path / "sparse.tif"
    tifffile.imwrite(path, tiles(), shape=(90, 70), dtype="uint8", **TILES | GREYS)
    assert_array_equal(open_source(path).array[5:80, 3:66], tifffile.imread(path)[5:80, 3:66])


@pytest.mark.parametrize("band_bytes", [1 << 14, choose_blocks.BAND_BYTES])
def test_each_tile_is_decoded_once(tmp_path, monkeypatch, band_bytes):
    path = write(tmp_path / "x.tif", RNG.integers(0, 256, (640, 512), np.uint8), TILES | GREYS)
    decoded: list[int] = []
    whole = TiledPages._decoded

    def counted(self, page, number, empty):
        decoded.append(number)
        return whole(self, page, number, empty)

    monkeypatch.setattr(TiledPages, "_decoded", counted)
    monkeypatch.setattr(choose_blocks, "BAND_BYTES", band_bytes)
    job = prepare(path, tmp_path / "x.zarr", (320, 256), mode="lanczos", chunks=(128, 64), num_threads=2)
    assert (job.blocks.part != job.blocks.block) == (band_bytes < choose_blocks.SMALL_PART_BYTES)
    assert_array_equal(job.run()[...], vrdask.resample(tifffile.imread(path), (320, 256), "lanczos"))
    assert len(decoded) == 20 * 32


@pytest.mark.parametrize("data", [GREY, COLOUR], ids=["grey", "colour"])
def test_jpeg_tiles_are_decoded_into_given_memory(tmp_path, data):
    tiles = TILES | (RGB if data.ndim == 3 else GREYS) | {"compression": "jpeg"}
    array = open_source(write(tmp_path / "x.tif", data, tiles)).array
    made = []

    def empty(shape, dtype):
        made.append(np.empty(shape, dtype))
        return made[-1]

    got = array.chunk((0,) * data.ndim, empty)
    assert np.shares_memory(got, made[0])
    assert_array_equal(got, tifffile.imread(tmp_path / "x.tif")[:32, :16])


def test_jpegs_of_another_size_than_their_tile_are_read_as_by_tifffile(tmp_path):
    # the last tile holds no more than the image does
    whole, cut = (imagecodecs.jpeg8_encode(COLOUR[:n, :16]) for n in (32, 26))
    path = tmp_path / "x.tif"
    options = TILES | {"compression": "jpeg", "photometric": "ycbcr", "subsampling": (1, 1)}
    tifffile.imwrite(path, iter([whole, whole, cut]), shape=(90, 16, 3), dtype="uint8", **options)
    assert_array_equal(open_source(path).array[:90,], tifffile.imread(path))
