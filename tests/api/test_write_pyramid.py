"""Pyramids as others read them: metadata that validate, levels where they lie, labels, images in place; refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from click.testing import CliRunner
from numpy.testing import assert_array_equal
from pyramids import downsampled, expected, image_at, levels_of
from zarr.storage import MemoryStore

import vrdask
from vrdask.api.write_pyramid import prepare
from vrdask.cli import main
from vrdask.runs.locks import Lock
from vrdask.runs.record import FOLDER
from vrdask.sources import open_source

X = np.random.default_rng(0).integers(0, 60_000, (2, 20, 37, 30)).astype("uint16")
SCALE = (1.0, 0.5, 0.1, 0.1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    image_at(tmp_path / "in.zarr", X, SCALE, "czyx", mine=3)
    return tmp_path / "in.zarr"


def multiscale(group: zarr.Group) -> dict[str, Any]:
    attributes = group.attrs.asdict()
    return attributes.get("ome", attributes)["multiscales"][0]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_validators_take_the_metadata(source, tmp_path, version):
    models = pytest.importorskip(f"ome_zarr_models.v{version.replace('.', '')}", reason="ome-zarr-models is missing")
    target = tmp_path / "out.zarr"
    vrdask.write_pyramid(source, target, ome_zarr_version=version, levels=2)
    image = models.Image.from_zarr(zarr.open_group(target, mode="r"))
    attributes = image.attributes if version == "0.4" else image.attributes.ome
    assert [one.path for one in attributes.multiscales[0].datasets] == ["0", "1", "2"]
    pytest.importorskip("yaozarrs", reason="yaozarrs is not installed").validate_zarr_store(str(target))


def opened_by_ome_zarr_py(place: Path) -> list[tuple[Any, Any, Any]]:
    io = pytest.importorskip("ome_zarr.io", reason="ome-zarr is not installed")
    reader = pytest.importorskip("ome_zarr.reader", reason="ome-zarr is not installed")
    (node,) = reader.Reader(io.parse_url(str(place)))()
    said = [{one["type"]: one[one["type"]] for one in level} for level in node.metadata["coordinateTransformations"]]
    return [(data, one["scale"], one["translation"]) for data, one in zip(node.data, said, strict=True)]


def opened_by_ngff_zarr(place: Path) -> list[tuple[Any, Any, Any]]:
    ngff_zarr = pytest.importorskip("ngff_zarr", reason="ngff-zarr is not installed")
    images = ngff_zarr.from_ngff_zarr(str(place)).images
    return [(one.data, [one.scale[d] for d in one.dims], [one.translation[d] for d in one.dims]) for one in images]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("opened", [opened_by_ome_zarr_py, opened_by_ngff_zarr])
def test_others_open_every_level_with_the_same_extent(tmp_path, version, opened):
    x = X[:, :, :36, :28]
    image_at(tmp_path / "in.zarr", x, SCALE, "czyx")
    vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", ome_zarr_version=version, levels=2)
    levels = opened(tmp_path / "out.zarr")
    for (data, scale, translation), want in zip(levels, expected(x, [(1, 2, 2, 2)] * 2, "mean"), strict=True):
        assert_array_equal(np.asarray(data), want)
        first = np.array(translation) - np.array(scale) / 2
        np.testing.assert_allclose(first, -np.array(SCALE) / 2, rtol=0, atol=1e-12)
        np.testing.assert_allclose(first + np.array(scale) * data.shape, (np.array(x.shape) - 0.5) * SCALE, atol=1e-12)


def test_scale_and_translation_are_exact_products(tmp_path):
    image_at(tmp_path / "in.zarr", X[0], (0.3, 0.1, 0.7))
    group = vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", factors=[{"z": 3, "y": 2}, 3])
    said = [[one[one["type"]] for one in level["coordinateTransformations"]] for level in multiscale(group)["datasets"]]
    np.testing.assert_allclose(said[1], [[0.9, 0.2, 0.7], [0.3, 0.05, 0.0]], rtol=2e-16)
    np.testing.assert_allclose(said[2], [[2.7, 0.6, 2.1], [1.2, 0.25, 0.7]], rtol=2e-16)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_what_nobody_knows_is_unknown_at_every_level(tmp_path, version):
    zarr.create_array(tmp_path / "in.zarr", data=X[0], chunks=(8, 8, 8))
    how: dict[str, Any] = {"ome_zarr_version": version, "levels": 2, "axes": ("y", "x")}
    group = vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", **how)
    assert group.attrs["vrdask"]["unknown"] == ["z", "y", "x"]
    for dataset in multiscale(group)["datasets"]:
        scale, translation = dataset["coordinateTransformations"]
        assert scale == {"type": "scale", "scale": [1.0, 1.0, 1.0]}
        assert translation == {"type": "translation", "translation": [0.0, 0.0, 0.0]}
    for level in range(3):
        assert np.isnan(open_source(tmp_path / "out.zarr", level=level).spacing).all()
    vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", **how, resume=True)  # nothing is left to do
    vrdask.write_pyramid(tmp_path / "out.zarr", in_place=True, overwrite=True, levels=1)
    assert zarr.open_group(tmp_path / "out.zarr").attrs["vrdask"]["unknown"] == ["z", "y", "x"]
    assert np.isnan(open_source(tmp_path / "out.zarr", level=1).spacing).all()
    again = vrdask.write_pyramid(tmp_path / "out.zarr", tmp_path / "again.zarr", **how)
    assert again.attrs["vrdask"]["unknown"] == ["z", "y", "x"]
    assert again.attrs["vrdask"]["made"] != group.attrs["vrdask"]["made"]


def test_of_a_spacing_that_is_known_along_some_axes_the_rest_is_unknown(tmp_path):
    metadata = {"unit": "um", "axes": "ZYX"}
    tifffile.imwrite(tmp_path / "in.tif", X[0], imagej=True, resolution=(2.0, 2.0), metadata=metadata)
    source = open_source(tmp_path / "in.tif")
    unknown = [name for name, step in zip(source.axes, source.spacing, strict=True) if np.isnan(step)]
    group = vrdask.write_pyramid(source, tmp_path / "tif.zarr", levels=1)
    assert group.attrs["vrdask"].get("unknown", []) == unknown == ["z"]
    scales = [level["coordinateTransformations"][0]["scale"] for level in multiscale(group)["datasets"]]
    assert scales == [[1.0, 0.5, 0.5], [1.0, 1.0, 1.0]]


def test_a_plain_array_of_which_the_pixel_size_is_told_is_an_image(tmp_path):
    zarr.create_array(tmp_path / "in.zarr", data=X[0], chunks=(8, 8, 8), dimension_names=("z", "y", "x"))
    source = open_source(tmp_path / "in.zarr", pixel_size="z=2um,y=0.5um,x=0.5um")
    group = vrdask.write_pyramid(source, tmp_path / "out.zarr", factors="auto", levels=2)
    scales = [level["coordinateTransformations"][0]["scale"] for level in multiscale(group)["datasets"]]
    assert scales == [[2.0, 0.5, 0.5], [2.0, 1.0, 1.0], [2.0, 2.0, 2.0]]
    vrdask.resample_zarr(source, tmp_path / "half.zarr", factor=0.5)
    assert open_source(tmp_path / "half.zarr").spacing[0] == 4.0
    with pytest.raises(ValueError, match="in_place must be an OME-Zarr image"):
        prepare(source, in_place=True)


def test_auto_makes_voxels_as_long_as_wide_first(source, tmp_path):
    group = vrdask.write_pyramid(source, tmp_path / "out.zarr", factors="auto", chunks=8)
    scales = [level["coordinateTransformations"][0]["scale"] for level in multiscale(group)["datasets"]]
    assert (
        scales
        == [[1, 0.5, 0.1, 0.1], [1, 0.5, 0.2, 0.2], [1, 0.5, 0.4, 0.4], [1, 1.0, 0.8, 0.8], [1, 2.0, 1.6, 1.6]][
            : len(scales)
        ]
    )
    assert len(scales) >= 4


def test_what_the_source_says_is_kept_and_windows_are_added(tmp_path):
    omero = {"channels": [{"color": "00FF00", "label": "a"}, {"color": "FF0000", "window": {"start": 0, "end": 1}}]}
    image_at(tmp_path / "in.zarr", X, SCALE, "czyx", omero=omero)
    zarr.open_group(tmp_path / "in.zarr").attrs["mine"] = {"a": 1}
    group = vrdask.write_pyramid(tmp_path / "in.zarr", tmp_path / "out.zarr", levels=1)
    smallest = group["1"][0]
    first, second = group.attrs["ome"]["omero"]["channels"]
    window = {"min": 0, "max": 65535, "start": int(smallest.min()), "end": int(smallest.max())}
    assert first == {**omero["channels"][0], "window": window}
    assert second == omero["channels"][1]
    assert group.attrs["mine"] == {"a": 1}
    assert (multiscale(group)["name"], multiscale(group)["type"]) == ("cells", "mean")
    assert multiscale(group)["metadata"]["method"] == "vrdask.write_pyramid"


def test_label_images_come_along_by_majority(source, tmp_path):
    labels = (X[0] % 3).astype("uint32")
    group = zarr.open_group(source).create_group("labels", attributes={"ome": {"version": "0.5", "labels": ["cells"]}})
    image_at(group.store_path / "cells", labels, SCALE[1:])
    for place in (tmp_path / "out.zarr", None):
        made = vrdask.write_pyramid(source, place, factors=[{"y": 2, "x": 2}, 2], in_place=place is None)
        found = made["labels/cells"]
        assert made["labels"].attrs["ome"]["labels"] == ["cells"]
        for level, want in zip(levels_of(found), expected(labels, [(1, 2, 2), (2, 2, 2)], "majority"), strict=True):
            assert_array_equal(level[:], want)
    assert "image-label" in zarr.open_group(tmp_path / "out.zarr")["labels/cells"].attrs["ome"]
    assert "labels" not in vrdask.write_pyramid(source, tmp_path / "without.zarr", with_labels=False)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_levels_are_added_in_place(tmp_path, version):
    image_at(tmp_path / "in.zarr", X[0], SCALE[1:], version=version, path="s0", chunks=(8, 16, 16))
    before = (tmp_path / "in.zarr" / "s0").stat().st_mtime_ns
    group = vrdask.write_pyramid(tmp_path / "in.zarr", in_place=True, levels=2)
    assert [one["path"] for one in multiscale(group)["datasets"]] == ["s0", "s1", "s2"]
    for level, want in zip(levels_of(group), expected(X[0], [(2, 2, 2)] * 2, "mean"), strict=True):
        assert level.metadata.zarr_format == (2 if version == "0.4" else 3)
        assert_array_equal(level[:], want)
    assert (tmp_path / "in.zarr" / "s0").stat().st_mtime_ns == before
    with pytest.raises(FileExistsError, match=r"levels s1, s2 of .*overwrite=True"):
        vrdask.write_pyramid(tmp_path / "in.zarr", in_place=True, levels=2, mode="min")
    group = vrdask.write_pyramid(tmp_path / "in.zarr", in_place=True, levels=1, mode="min", overwrite=True)
    assert [one["path"] for one in multiscale(group)["datasets"]] == ["s0", "s1"]
    assert_array_equal(group["s1"][:], downsampled(X[0], (2, 2, 2), "min"))
    assert not (tmp_path / "in.zarr" / "s2").exists()


def test_colours_of_a_slide_become_channels(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 255, (90, 70, 3)).astype("uint8")
    tifffile.imwrite(tmp_path / "slide.tif", rgb, tile=(16, 16), photometric="rgb")
    group = vrdask.write_pyramid(tmp_path / "slide.tif", tmp_path / "out.zarr", chunks=16, levels=2)
    for level, want in zip(levels_of(group), expected(rgb.transpose(2, 0, 1), [(1, 2, 2)] * 2, "mean"), strict=True):
        assert_array_equal(level[:], want)
    channels = group.attrs["ome"]["omero"]["channels"]
    assert [one["color"] for one in channels] == ["FF0000", "00FF00", "0000FF"]
    assert [axis["name"] for axis in multiscale(group)["axes"]] == ["c", "y", "x"]
    assert multiscale(group)["axes"][1] == {"name": "y", "type": "space"}


def test_a_volume_of_a_scanner_keeps_its_place(tmp_path):
    affine = np.array([[2.0, 0.1, 0, -9], [-0.1, 2, 0, 5], [0, 0, 3, 7], [0, 0, 0, 1]])
    nibabel.save(nibabel.Nifti1Image(np.arange(24 * 20 * 16, dtype="i2").reshape(24, 20, 16), affine),
                 tmp_path / "in.nii.gz")  # fmt: skip
    vrdask.write_pyramid(tmp_path / "in.nii.gz", tmp_path / "out.zarr", levels=1)
    full, half = (open_source(tmp_path / "out.zarr", level=level).image for level in (0, 1))
    assert_array_equal(np.array(half.affine)[:, :3], 2 * np.array(full.affine)[:, :3])
    centre = np.array(full.affine) @ [0.5, 0.5, 0.5, 1]
    np.testing.assert_allclose(np.array(half.affine)[:, 3], centre)


@pytest.mark.parametrize("held", ["numpy", "dask"])
def test_arrays_that_a_caller_holds(held):
    x = X[0, 0]
    given = x if held == "numpy" else da.from_array(x, chunks=(10, 7))
    group = vrdask.write_pyramid(given, MemoryStore(), chunks=8, levels=2)
    for level, want in zip(levels_of(group), expected(x, [(2, 2)] * 2, "mean"), strict=True):
        assert_array_equal(level[:], want)


def test_an_image_that_is_being_written_is_left_alone(tmp_path):
    image_at(tmp_path / "in.zarr", X[0], SCALE[1:])
    lock = Lock((zarr.open_group(tmp_path / "in.zarr").store_path) / FOLDER)
    lock.take()
    with pytest.raises(FileExistsError, match="another run is writing"):
        prepare(tmp_path / "in.zarr", in_place=True)
    lock.release()


def test_shards_and_chunks_are_no_larger_than_a_level():
    source = zarr.create_array({}, data=X[0], chunks=(20, 37, 30))
    group = vrdask.write_pyramid(source, MemoryStore(), chunks=8, shards=16, levels=2)
    assert [level.shards for level in levels_of(group)] == [(16, 16, 16), (16, 16, 16), (5, 16, 8)]
    assert [level.chunks for level in levels_of(group)] == [(8, 8, 8), (8, 8, 8), (5, 8, 8)]


def plain() -> zarr.Array[Any]:
    return zarr.create_array({}, data=X[0], chunks=(8, 8, 8))


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "factor below 1": ({"factors": 0}, ValueError, "at least 1; got 0"),
    "not whole": ({"factors": 1.5}, ValueError, "whole numbers where samples stand for whole blocks; got 1.5"),
    "text": ({"factors": "two"}, ValueError, "numbers or 'auto'; got 'two'"),
    "nothing smaller": ({"factors": 1}, ValueError, "make some axis smaller"),
    "no such axis": ({"factors": {"q": 2}}, ValueError, "name axes of the source, z, y, x; got q"),
    "more levels than there are": ({"levels": 9}, ValueError, "levels must be at most 6, .* 1x1x1; got 9"),
    "levels and a list": ({"factors": [2, 2], "levels": 3}, ValueError, "as many as factors gives; got 3 and 2"),
    "vanishing": ({"factors": [30, 30], "mode": "area"}, ValueError, "keep a sample"),
    "below 1 of resample": ({"factors": 0.5, "mode": "linear"}, ValueError, "at least 1; got 0.5"),
    "mode": ({"mode": "mode"}, ValueError, "mode must be one of mean, majority"),
    "auto without spacing": ({"factors": "auto"}, ValueError, "not known along z, y, x"),
    "version": ({"ome_zarr_version": "0.3"}, ValueError, "one of 0.4, 0.5; got '0.3'"),
    "shards in Zarr 2": ({"ome_zarr_version": "0.4", "shards": 16}, ValueError, "shards must be None for OME-Zarr 0.4"),
    "chunks in shards": ({"chunks": 8, "shards": 12}, ValueError, "chunks must divide shards"),
    "memory": ({"memory_limit": "1kB"}, ValueError, "memory_limit must be at least"),
    "both": ({"resume": True, "overwrite": True}, ValueError, "at most one"),
    "in place and a target": ({"in_place": True}, ValueError, "exactly one of target and in_place"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_before_anything_is_written(case, tmp_path):
    how, kind, said = REFUSED[case]
    with pytest.raises(kind, match=said):
        vrdask.write_pyramid(plain(), tmp_path / "out.zarr", **how)
    assert not (tmp_path / "out.zarr").exists()


def test_labels_are_not_mixed(tmp_path):
    image_at(tmp_path / "in.zarr", X[0], SCALE[1:], **{"image-label": {}})
    with pytest.raises(ValueError, match="labels, which must not be mixed; got 'mean'"):
        prepare(tmp_path / "in.zarr", MemoryStore(), mode="mean")
    assert prepare(tmp_path / "in.zarr", MemoryStore(), mode="mean", force=True).pyramid.mode == "mean"
    image_at(tmp_path / "float.zarr", X[0].astype("float32"), SCALE[1:], **{"image-label": {}})
    with pytest.raises(TypeError, match="labels must be integers; got float32"):
        prepare(tmp_path / "float.zarr", MemoryStore())


def test_what_is_no_image_gets_no_levels_in_place(tmp_path):
    zarr.create_array(tmp_path / "plain.zarr", data=X[0])
    with pytest.raises(ValueError, match="in_place must be an OME-Zarr image"):
        prepare(tmp_path / "plain.zarr", in_place=True)
    image_at(tmp_path / "wrong.zarr", X[0], SCALE[1:], version="0.4")
    group = zarr.open_group(tmp_path / "wrong.zarr")
    group.attrs.put({"ome": {"version": "0.5", "multiscales": group.attrs["multiscales"]}})
    with pytest.raises(ValueError, match=r"0\.5 in Zarr 3, or 0.4 in Zarr 2; got 0.5 in Zarr 2"):
        prepare(tmp_path / "wrong.zarr", in_place=True)
    image_at(tmp_path / "in.zarr", X[0], SCALE[1:])
    with pytest.raises(ValueError, match=r"that of the image in place, 0\.5; got 0.4"):
        prepare(tmp_path / "in.zarr", in_place=True, ome_zarr_version="0.4")
    with pytest.raises(ValueError, match="target must lie outside the source"):
        prepare(tmp_path / "in.zarr", tmp_path / "in.zarr", overwrite=True)


def test_the_command_line(source, tmp_path):
    target = str(tmp_path / "out.zarr")
    run = ["pyramid", str(source), target, "--factors", "1,2,2", "--factors", "z=2,y=2,x=2"]
    planned = CliRunner().invoke(main, [*run, "--dry-run"])
    assert planned.exit_code == 0, planned.output
    assert "level 1             2x20x19x15 uint16, 22.27 KiB; z 0.5 micrometer, y 0.2 micrometer" in planned.output
    assert not (tmp_path / "out.zarr").exists()
    done = CliRunner().invoke(main, run)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[-1] == f"{target}: 2x20x37x30, 2x20x19x15, 2x10x10x8 uint16"
    again = CliRunner().invoke(main, run)
    assert again.exit_code == 1
    assert "--overwrite" in again.output
    assert CliRunner().invoke(main, [*run, "--resume", "--quiet"]).output == ""
    assert CliRunner().invoke(main, ["pyramid", str(source)]).exit_code == 2
    assert CliRunner().invoke(main, ["pyramid", str(source), "--in-place", "--quiet"]).exit_code == 0
    assert len(levels_of(zarr.open_group(source, mode="r"))) > 1
