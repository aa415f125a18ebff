"""Pyramids as TIFF: the levels of the definition, in tiles, which tifffile, OpenSlide and our own source open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from block_problems import block_values
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pyramids import downsampled, expected, image_at, small_blocks

import vrdask
from vrdask.cli import main
from vrdask.targets import tiff_pyramid
from vrdask.transforms.blocks import MODES as BLOCK_MODES

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 60_000, (130, 203)).astype("uint16")
COLOURS = RANDOM.integers(0, 255, (130, 203, 3)).astype("uint8")
CHANNELS = RANDOM.integers(0, 60_000, (2, 3, 70, 50)).astype("uint16")
SCALE = (1.0, 0.5, 0.25, 0.125)
SAID = {"omero": {"channels": [{"label": "DAPI", "color": "0000FF"}, {"label": "GFP", "color": "00FF00"}]}}


def levels_of(path: Path) -> list[np.ndarray]:
    """Of the only series of a file, by tifffile."""
    with tifffile.TiffFile(path) as file:
        (series,) = file.series
        return [level.asarray() for level in series.levels]


def assert_levels(path: Path, want: list[np.ndarray]) -> None:
    """By tifffile, and by our own source."""
    found = levels_of(path)
    assert len(found) == len(want)
    for number, (one, right) in enumerate(zip(found, want, strict=True)):
        assert one.dtype == right.dtype
        assert_array_equal(one, right)
        assert_array_equal(vrdask.open(path, level=number).array[(slice(None),) * right.ndim], right)


@pytest.mark.parametrize("packing", ["auto", "deflate:9", "zstd", "zstd:7", "none"])
@pytest.mark.parametrize("name", ["out.ome.tif", "out.tif"])
@pytest.mark.parametrize("x", [GREY, COLOURS, GREY > 30_000], ids=["grey", "colours", "bool"])
def test_levels_are_those_of_the_definition(x, name, packing, tmp_path):
    made = vrdask.write_pyramid(x, tmp_path / name, levels=3, chunks=32, compressors=packing)
    factors = [(2, 2, 1)[: x.ndim]] * 3
    assert_levels(tmp_path / name, expected(x, factors, "mean"))
    assert isinstance(made, zarr.Array)
    assert_array_equal(made[...], x)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@given(data=st.data())
def test_every_level_of_any_image_is_its_definition(tmp_path_factory, data):
    draw = data.draw
    names = draw(st.sampled_from(["yx", "zyx", "cyx", "tyx", "czyx", "tczyx", "yxc"]))
    shape = tuple(draw(st.integers(1, 70) if name in "yx" else st.integers(1, 3)) for name in names)
    dtype, mode = draw(st.sampled_from(["uint8", "int16", "uint32", "float32"])), draw(st.sampled_from(BLOCK_MODES))
    factors = [{name: draw(st.integers(1, 4)) for name in "yx"} for _ in range(draw(st.integers(1, 4)))]
    factors = [step if max(step.values()) > 1 else {"y": 2, "x": 1} for step in factors]
    x = block_values(shape, dtype, draw(st.integers(0, 99)))
    source = zarr.create_array({}, data=x, chunks=tuple(draw(st.integers(1, n)) for n in shape), dimension_names=names)
    path = tmp_path_factory.mktemp("any") / "out.ome.tif"
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch, draw(st.integers(1, 9000)), draw(st.integers(1, 4000)))
        patch.setattr(tiff_pyramid, "CHUNK_BYTES", draw(st.sampled_from([1, 3000, 2 << 20])))
        patch.setattr(tiff_pyramid, "BUFFER_BYTES", draw(st.sampled_from([1, 5000, 16 << 20])))
        vrdask.write_pyramid(
            source, path, factors=factors, mode=mode, chunks={"y": 16, "x": draw(st.sampled_from([16, 48]))},
            num_threads=draw(st.integers(1, 2)), compressors=draw(st.sampled_from(["auto", "zstd:1", "none"])),
        )  # fmt: skip
    steps = [tuple(step.get(name, 1) for name in names) for step in factors]
    for level, right in enumerate(expected(x, steps, mode)):
        found = vrdask.open(path, level=level)
        order = [names.index(name) for name in found.axes]
        kept = right.transpose([*(k for k in range(x.ndim) if k not in order), *order])
        assert_array_equal(np.asarray(found.array[(slice(None),) * found.ndim]), kept.reshape(found.shape))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("mode", ["mean", "majority", "max", "linear"])
def test_pages_channels_names_and_sizes(tmp_path, mode, threads, monkeypatch):
    small_blocks(monkeypatch, 1 << 14, 1 << 12)
    image_at(tmp_path / "in.zarr", CHANNELS, SCALE, "czyx", **SAID)
    path = tmp_path / "out.ome.tif"
    vrdask.write_pyramid(
        tmp_path / "in.zarr", path, levels=2, mode=mode, chunks={"y": 16, "x": 32}, num_threads=threads
    )
    if mode == "linear":
        half = vrdask.resample(CHANNELS, (35, 25))
        want = [CHANNELS, half, vrdask.resample(half, factor=0.5, exact=True, axes=(2, 3))]
    else:
        want = expected(CHANNELS, [(1, 1, 2, 2)] * 2, mode)
    assert_levels(path, want)
    with tifffile.TiffFile(path) as file:
        assert file.series[0].axes == "CZYX"
        assert len(file.pages) == 6
        assert [len(page.subifds) for page in file.pages] == [2] * 6
        assert {page.tile for page in file.pages} == {(16, 32)}
    for level, factor in enumerate((1, 2)):
        source = vrdask.open(path, level=level)
        assert source.axes == ("c", "z", "y", "x")
        assert source.spacing == (1.0, 0.5, 0.25 * factor, 0.125 * factor)
        assert [one["label"] for one in source.image.extra["omero"]["channels"]] == ["DAPI", "GFP"]
        assert [one["color"] for one in source.image.extra["omero"]["channels"]] == ["0000FF", "00FF00"]


def test_a_ramp_lies_where_the_levels_say(tmp_path):
    y, x = np.meshgrid(np.arange(96.0), np.arange(64.0), indexing="ij")
    image_at(tmp_path / "in.zarr", y * 2 + x * 0.5, (2.0, 0.5), "yx")
    vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.ome.tif", levels=3, chunks=16)
    for level in range(4):
        source = vrdask.open(tmp_path / "out.ome.tif", level=level)
        along = zip(source.origin, source.spacing, source.shape, strict=True)
        where = np.add.outer(*(first + step * np.arange(n) for first, step, n in along))
        np.testing.assert_allclose(source.to_dask().compute(), where, rtol=0, atol=1e-9)


def test_colours_among_other_axes_stand_last(tmp_path):
    x = RANDOM.integers(0, 255, (3, 4, 40, 50)).astype("uint8")
    primaries = {"R": "FF0000", "G": "00FF00", "B": "0000FF"}
    channels = [{"label": label, "color": colour} for label, colour in primaries.items()]
    image_at(tmp_path / "in.zarr", x, SCALE, "czyx", omero={"channels": channels})
    vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.ome.tif", levels=1, chunks=16)
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as file:
        assert (file.series[0].axes, file.pages.first.photometric.name) == ("ZYXS", "RGB")
    assert_levels(tmp_path / "out.ome.tif", expected(np.moveaxis(x, 0, 3), [(1, 2, 2, 1)], "mean"))


@pytest.mark.parametrize("name", ["out.ome.tif", "out.tif"])
@pytest.mark.parametrize("colours", [True, False])
def test_jpeg_is_for_the_file_and_levels_are_made_of_the_source(tmp_path, name, colours):
    smooth = (np.add.outer(np.arange(130), np.arange(203)) // 2).astype("uint8")
    x = np.repeat(smooth[..., None], 3, 2) if colours else smooth
    vrdask.write_pyramid(x, tmp_path / name, levels=2, chunks=64, compressors="jpeg:95")
    want = expected(x, [(2, 2, 1)[: x.ndim]] * 2, "mean")
    for found, right in zip(levels_of(tmp_path / name), want, strict=True):
        assert abs(found.astype(int) - right).mean() < 1.5
        assert abs(found[-4:, -4:].astype(int) - right[-4:, -4:]).max() < 8, "what lies beyond the edge shines through"
    with tifffile.TiffFile(tmp_path / name) as file:
        assert file.pages.first.compression.name == "JPEG"


def test_openslide_reads_levels_of_colours(tmp_path):
    openslide = pytest.importorskip("openslide", reason="openslide-python is not installed")
    tifffile.imwrite(tmp_path / "in.tif", COLOURS, photometric="rgb", tile=(32, 32),
                     resolution=(2e4, 2e4), resolutionunit="CENTIMETER")  # fmt: skip
    vrdask.write_pyramid(tmp_path / "in.tif", tmp_path / "out.tif", levels=2, chunks=32)
    with openslide.OpenSlide(tmp_path / "out.tif") as slide:
        want = expected(COLOURS, [(2, 2, 1)] * 2, "mean")
        assert slide.level_dimensions == tuple((one.shape[1], one.shape[0]) for one in want)
        assert float(slide.properties["tiff.XResolution"]) == 2e4
        for level, right in enumerate(want):
            found = np.asarray(slide.read_region((0, 0), level, slide.level_dimensions[level]))
            assert_array_equal(found[..., :3], right)


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64", "uint64", "float16"]
)
def test_every_type_that_a_tiff_holds(tmp_path, dtype):
    x = (RANDOM.integers(0, 2, (70, 90)) if dtype == "bool" else RANDOM.normal(0, 99, (70, 90))).astype(dtype)
    name = "out.tif" if dtype in ("uint64", "float16") else "out.ome.tif"
    for packing in ("deflate", "zstd"):
        vrdask.write_pyramid(x, tmp_path / name, levels=2, chunks=16, compressors=packing, overwrite=True)
        assert_levels(tmp_path / name, expected(x, [(2, 2)] * 2, "mean"))


def test_labels_go_by_majority_and_those_beside_an_image_stay_behind(tmp_path, caplog):
    labels = RANDOM.integers(0, 5, (60, 70)).astype("uint32")
    image_at(tmp_path / "labels.zarr", labels, (1, 1), "yx", **{"image-label": {}})
    vrdask.write_pyramid(tmp_path / "labels.zarr", tmp_path / "labels.ome.tif", levels=2, chunks=16)
    assert_levels(tmp_path / "labels.ome.tif", expected(labels, [(2, 2)] * 2, "majority"))
    image_at(tmp_path / "in.zarr", GREY, (1, 1), "yx")
    group = zarr.open_group(tmp_path / "in.zarr").create_group("labels")
    group.attrs["ome"] = {"version": "0.5", "labels": ["cells"]}
    image_at(group.store_path / "cells", labels, (1, 1), "yx")
    with caplog.at_level("WARNING", "vrdask"):
        vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.ome.tif", levels=1)
    assert [record.message for record in caplog.records] == ["a TIFF has no label images beside it: cells"]


@pytest.mark.parametrize(("factors", "are_levels"), [([2, 2], True), ([3, 3], True), ([2, 3], False)])
def test_pages_that_tifffile_takes_for_no_levels_are_told(tmp_path, caplog, factors, are_levels):
    with caplog.at_level("WARNING", "vrdask"):
        vrdask.write_pyramid(GREY, tmp_path / "out.tif", factors=factors, chunks=16)
    assert bool(caplog.records) != are_levels
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert (len(file.series) == 1) == are_levels
        found = [page.asarray() for page in file.pages]
    for one, right in zip(found, expected(GREY, [(f, f) for f in factors], "mean"), strict=True):
        assert_array_equal(one, right)
    vrdask.write_pyramid(GREY, tmp_path / "out.ome.tif", factors=factors, chunks=16)
    assert_levels(tmp_path / "out.ome.tif", found)


def test_a_place_that_a_tiff_cannot_say_is_told(tmp_path, caplog):
    nibabel = pytest.importorskip("nibabel")
    affine = np.array([[2.0, 0, 0, -9], [0, 2, 0, 5], [0, 0, 3, 7], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(np.zeros((12, 10, 8), "i2"), affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "in.nii")
    with caplog.at_level("WARNING", "vrdask"):
        vrdask.write_pyramid(tmp_path / "in.nii", tmp_path / "out.ome.tif", levels=1)
    assert "not where the image lies" in caplog.text
    assert vrdask.open(tmp_path / "out.ome.tif", level=1).spacing == (3000.0, 4000.0, 4000.0)


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_goes_on_while_the_file_is_put_together(tmp_path, threads):
    seen: list[tuple[int, int]] = []
    vrdask.write_pyramid(GREY, tmp_path / "out.ome.tif", levels=2, chunks=16, num_threads=threads,
                         progress=lambda done, total: seen.append((done, total)))  # fmt: skip
    assert seen == sorted(seen)
    assert {total for _, total in seen} == {seen[-1][0]}
    written = sum(one.nbytes for one in levels_of(tmp_path / "out.ome.tif"))
    assert len({done for done, total in seen if total - done <= written}) > 3


def test_a_large_file_is_a_bigtiff(tmp_path, monkeypatch):
    vrdask.write_pyramid(GREY, tmp_path / "small.ome.tif", levels=1)
    monkeypatch.setattr(tiff_pyramid, "BIG_BYTES", 1000)
    vrdask.write_pyramid(GREY, tmp_path / "big.ome.tif", levels=1)
    for name, is_big in (("small", False), ("big", True)):
        with tifffile.TiffFile(tmp_path / f"{name}.ome.tif") as file:
            assert file.is_bigtiff == is_big
    assert_levels(tmp_path / "big.ome.tif", expected(GREY, [(2, 2)], "mean"))


def test_what_is_there_is_replaced_when_asked_for_and_only_if_it_is_tiff(tmp_path):
    path = tmp_path / "out.ome.tif"
    vrdask.write_pyramid(GREY, path, levels=1)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"target must not exist; got .*overwrite=True"):
        vrdask.write_pyramid(GREY, path, levels=1, mode="max")
    assert path.read_bytes() == before
    vrdask.write_pyramid(GREY, path, levels=1, mode="max", overwrite=True)
    assert_levels(path, [GREY, downsampled(GREY, (2, 2), "max")])
    path.write_text("a letter")
    with pytest.raises(FileExistsError, match="overwrite must replace a file of the format"):
        vrdask.write_pyramid(GREY, path, levels=1, overwrite=True)
    assert path.read_text() == "a letter"


def test_a_finished_file_says_how_it_was_made(tmp_path):
    zarr.create_array(tmp_path / "in.zarr", data=GREY)
    how: dict[str, Any] = {"source": tmp_path / "in.zarr", "target": tmp_path / "out.ome.tif", "levels": 1}
    vrdask.write_pyramid(**how)
    before = (tmp_path / "out.ome.tif").stat().st_mtime_ns
    vrdask.write_pyramid(**how, resume=True)
    assert (tmp_path / "out.ome.tif").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="settings that the target was made with; mode differ"):
        vrdask.write_pyramid(**how, resume=True, mode="min")
    with pytest.raises(ValueError, match="made with; target metadata differ"):
        vrdask.write_pyramid(**how, resume=True, compressors="zstd")


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "pages": (CHANNELS, {"factors": {"z": 2, "x": 2}, "levels": 1}, "factors must be 1 along all axes but .* along z"),
    "tiles": (GREY, {"chunks": 40}, "chunks must be multiples of 16 along y and x"),
    "shards": (GREY, {"shards": 512}, "shards must be left out for a TIFF"),
    "version": (GREY, {"ome_zarr_version": "0.4"}, "ome_zarr_version must be left out for a TIFF"),
    "type": (GREY.astype("uint64"), {}, "an OME-TIFF must hold one of .*; got uint64"),
    "no name": (GREY, {"compressors": "lzma"}, "compressors must be one of deflate, zstd, jpeg, none, auto for a TIFF"),
    "no level": (GREY, {"compressors": "jpeg:200"}, "level of jpeg must be a number from 1 to 100; got '200'"),
    "16 bits": (GREY, {"compressors": "jpeg"}, "jpeg must hold uint8, .*; got uint16"),
    "four": (np.dstack([COLOURS, COLOURS])[..., :4], {"compressors": "jpeg"}, "jpeg .*; got 4 colours of uint8"),
    "axes": (np.zeros((2, 2, 2, 2, 32, 32), "u1"), {}, "an image must have 2 to 5 axes; got 6"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_written(case, tmp_path):
    x, how, said = REFUSED[case]
    with pytest.raises(ValueError, match=said):
        vrdask.write_pyramid(x, tmp_path / "out.ome.tif", **how)
    assert not list(tmp_path.iterdir())


def test_pages_are_for_ome_tiff_and_zarr_codecs_are_not(tmp_path):
    with pytest.raises(
        ValueError, match=r"must have rows, columns and perhaps colours; got c, z, y, x for .*: write .ome"
    ):
        vrdask.write_pyramid(CHANNELS, tmp_path / "out.tif")
    with pytest.raises(TypeError, match="compressors must be a name for a TIFF"):
        vrdask.write_pyramid(GREY, tmp_path / "out.tif", compressors=zarr.codecs.ZstdCodec())
    with pytest.raises(FileNotFoundError, match="the folder of a TIFF must exist"):
        vrdask.write_pyramid(GREY, tmp_path / "nowhere" / "out.tif")
    with pytest.raises(ValueError, match=r"end in \.zarr, \.tif or \.tiff; got .*out\.png"):
        vrdask.write_pyramid(GREY, tmp_path / "out.png")


def test_the_command_line(tmp_path):
    image_at(tmp_path / "in.zarr", CHANNELS, SCALE, "czyx", **SAID)
    run = [
        "pyramid",
        str(tmp_path / "in.zarr"),
        str(tmp_path / "out.ome.tif"),
        "--levels",
        "1",
        "--compressor",
        "zstd:3",
    ]
    planned = CliRunner().invoke(main, [*run, "--dry-run"])
    assert planned.exit_code == 0, planned.output
    assert "level 1             2x3x35x25 uint16, 10.25 KiB; z 0.5 micrometer, y 0.5 micrometer" in planned.output
    assert "; tiles 256x256, zstd" in planned.output
    assert not (tmp_path / "out.ome.tif").exists()
    done = CliRunner().invoke(main, run)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1].endswith("out.ome.tif: 2x3x70x50, 2x3x35x25 uint16")
    shown = CliRunner().invoke(main, ["info", str(tmp_path / "out.ome.tif"), "--level", "1"])
    assert "2x3x35x25" in shown.output
    again = CliRunner().invoke(main, run)
    assert again.exit_code == 1
    assert "--overwrite" in again.output
