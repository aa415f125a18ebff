"""Slides and pictures as OME-Zarr: colours become channels, which say so; nothing that is said is lost."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import zarr
from clusters import two_workers
from image_files import CHANNELS, COLOUR, GREY, run, slide
from numpy.testing import assert_array_equal

import vrdask
from vrdask.api.resample_zarr import prepare
from vrdask.sources import open_source
from vrdask.sources.tiff_tiles import TiledPages

RGBA = np.dstack([COLOUR, GREY])
TILES = {"tile": (64, 64), "compression": "zlib", "photometric": "rgb"}


def ihc(path):
    data = pytest.importorskip("skimage.data").immunohistochemistry()
    tifffile.imwrite(path, data, **TILES)
    return data


def said_of(group) -> dict:
    attributes = group.attrs.asdict()
    return attributes.get("ome", attributes)


def labels_of(group):
    return [(one["label"], one["color"]) for one in said_of(group)["omero"]["channels"]]


PRIMARIES = [("R", "FF0000"), ("G", "00FF00"), ("B", "0000FF")]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("data", [COLOUR, RGBA, COLOUR.astype("u2") * 257], ids=["rgb", "rgba", "16 bits"])
def test_colours_become_channels(tmp_path, data, version):
    extra = {"extrasamples": ["unassalpha"]} if data.shape[2] == 4 else {}
    resolution = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(tmp_path / "x.tif", data, **TILES, **extra, **resolution)
    target = tmp_path / "x.zarr"
    result = vrdask.resample_zarr(tmp_path / "x.tif", target, factor=0.3, mode="area", ome_zarr_version=version)
    assert_array_equal(result[...], np.moveaxis(vrdask.resample(data, (90, 120), "area", axes=(0, 1)), 2, 0))
    group = zarr.open_group(target, mode="r")
    assert group.metadata.zarr_format == (2 if version == "0.4" else 3)
    (image,) = said_of(group)["multiscales"]
    assert image.get("version", said_of(group).get("version")) == version
    assert [axis["name"] for axis in image["axes"]] == ["c", "y", "x"]
    assert image["datasets"][0]["coordinateTransformations"][0]["scale"] == pytest.approx([1, 0.5 / 0.3, 0.5 / 0.3])
    assert labels_of(group) == PRIMARIES + ([("A", "FFFFFF")] if data.shape[2] == 4 else [])
    top = np.iinfo(data.dtype).max
    assert all(
        one["window"] == {"min": 0, "max": top, "start": 0, "end": top} for one in said_of(group)["omero"]["channels"]
    )
    if version == "0.4":
        document = json.loads((target / "0" / ".zarray").read_text())
        assert document["dimension_separator"] == "/"
        assert (target / "0" / "0" / "0" / "0").is_file()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_picture_without_pixel_size_is_an_image_that_says_so(tmp_path, version):
    data = ihc(tmp_path / "ihc.tif")
    target = tmp_path / "ihc.zarr"
    done = run("resample", tmp_path / "ihc.tif", target, "--factor", 0.5, "--ome-version", version)
    assert f"3x256x256 uint8, OME-Zarr {version} image: axes c, y, x, spacing unknown" in done
    models = pytest.importorskip(f"ome_zarr_models.v0{version[-1]}")
    found = models.Image.from_zarr(zarr.open_group(target, mode="r"))
    assert found.attributes is not None
    assert labels_of(zarr.open_group(target)) == PRIMARIES
    source = open_source(target)
    assert np.isnan(source.spacing[1:]).all()
    refused = run("resample", target, tmp_path / "y.zarr", "--spacing", 2)
    assert "spacing" in refused
    assert not (tmp_path / "y.zarr").exists()
    vrdask.resample_zarr(target, tmp_path / "z.zarr", factor=0.5, mode="area")  # as before, once more
    again = open_source(tmp_path / "z.zarr")
    assert np.isnan(again.spacing[1:]).all()
    assert labels_of(zarr.open_group(tmp_path / "z.zarr")) == PRIMARIES
    half = vrdask.resample(data, (256, 256), axes=(0, 1))
    assert_array_equal(again.array[...], np.moveaxis(vrdask.resample(half, (128, 128), "area", axes=(0, 1)), 2, 0))


def test_every_version_is_valid_to_yaozarrs(tmp_path):
    yaozarrs = pytest.importorskip("yaozarrs")
    slide(tmp_path / "slide.svs")
    for version in ("0.4", "0.5"):
        target = tmp_path / f"{version}.zarr"
        vrdask.resample_zarr(tmp_path / "slide.svs", target, factor=0.5, ome_zarr_version=version)
        yaozarrs.validate_zarr_store(target)


def test_readers_of_ome_zarr_see_the_same_numbers(tmp_path):
    slide(tmp_path / "slide.svs")
    for version in ("0.4", "0.5"):
        target = tmp_path / f"{version}.zarr"
        expected = vrdask.resample_zarr(tmp_path / "slide.svs", target, factor=0.5, ome_zarr_version=version)[...]
        parsed = pytest.importorskip("ome_zarr.io").parse_url(str(target))
        (node,) = pytest.importorskip("ome_zarr.reader").Reader(parsed)()
        assert_array_equal(np.asarray(node.data[0]), expected)
        assert node.metadata["channel_names"] == ["R", "G", "B"]
        assert node.metadata["axes"][0]["type"] == "channel"
        ngff = pytest.importorskip("ngff_zarr")
        image = ngff.from_ngff_zarr(str(target)).images[0]
        assert list(image.dims) == ["c", "y", "x"]
        assert image.scale["x"] == pytest.approx(0.998)
        assert_array_equal(np.asarray(image.data), expected)


def test_the_order_of_a_source_is_kept_where_it_is_asked_for(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", COLOUR, **TILES)
    run("resample", tmp_path / "x.tif", tmp_path / "x.zarr", "--factor", 0.5, "--keep-order", "--quiet")
    array = zarr.open_array(tmp_path / "x.zarr")
    assert_array_equal(array[...], vrdask.resample(COLOUR, (150, 200), axes=(0, 1)))
    run("resample", tmp_path / "x.zarr", tmp_path / "y.zarr", "--factor", 0.5, "--quiet")  # and is not forgotten
    assert labels_of(zarr.open_group(tmp_path / "y.zarr")) == PRIMARIES
    assert zarr.open_group(tmp_path / "y.zarr")["0"].shape == (3, 75, 100)


@pytest.mark.parametrize("chunks", [None, (32, 48, 1), (32, 48, 3), {"y": 40, "x": 24}])
@pytest.mark.parametrize("mode", ["lanczos", "linear", "area"])
def test_every_tile_is_decoded_once(tmp_path, monkeypatch, chunks, mode):
    tifffile.imwrite(tmp_path / "x.tif", COLOUR, **TILES)
    decoded: list[int] = []
    whole = TiledPages._decoded

    def counted(self, page, number, empty):
        decoded.append(number)
        return whole(self, page, number, empty)

    monkeypatch.setattr(TiledPages, "_decoded", counted)
    job = prepare(tmp_path / "x.tif", tmp_path / "x.zarr", factor=0.5, mode=mode, chunks=chunks, num_threads=1)
    assert job.blocks.decoded_bytes == COLOUR.nbytes
    result = job.run()
    assert_array_equal(result[...], np.moveaxis(vrdask.resample(COLOUR, (150, 200), mode, axes=(0, 1)), 2, 0))
    if chunks is not None:
        by_axis = chunks if isinstance(chunks, dict) else dict(zip("yxc", chunks, strict=True))
        assert result.chunks == (by_axis.get("c", 3), by_axis["y"], by_axis["x"])
    assert len(decoded) == 5 * 7


def test_slices_and_times_stand_where_ome_zarr_has_them(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 20, 30), np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", data, imagej=True, metadata={"axes": "TZCYX", "unit": "um", "spacing": 2.0})
    result = vrdask.resample_zarr(
        tmp_path / "x.tif", tmp_path / "x.zarr", factor=1, mode="nearest", chunks=(1, 1, 1, 9, 9)
    )
    names = open_source(tmp_path / "x.zarr").axes
    if names == ("t", "c", "z", "y", "x"):
        assert_array_equal(result[...], data.transpose(0, 2, 1, 3, 4))
        assert result.chunks == (1, 1, 1, 9, 9)
    else:  # a file without a pixel size is an array by itself, as it was
        assert_array_equal(result[...], data)
    colours = np.random.default_rng(1).integers(0, 256, (4, 20, 30, 3), np.uint8)
    tifffile.imwrite(tmp_path / "z.ome.tif", colours, ome=True, photometric="rgb", metadata={"axes": "ZYXS"})
    result = vrdask.resample_zarr(tmp_path / "z.ome.tif", tmp_path / "z.zarr", factor=1, mode="nearest")
    assert open_source(tmp_path / "z.zarr").axes == ("c", "z", "y", "x")
    assert_array_equal(result[...], np.moveaxis(colours, 3, 0))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_run_is_resumed_and_done(tmp_path, version):
    tifffile.imwrite(tmp_path / "x.tif", COLOUR, **TILES)

    def stop(done, total):
        if done:
            raise InterruptedError

    options = {"factor": 0.5, "mode": "area", "chunks": (16, 16, 3), "ome_zarr_version": version, "num_threads": 1}
    place = tmp_path / "x.zarr"
    with pytest.raises(InterruptedError):
        vrdask.resample_zarr(tmp_path / "x.tif", place, progress=stop, memory_limit="64MiB", **options)
    assert not {"zarr.json", ".zgroup"} & {one.name for one in place.iterdir()}
    result = vrdask.resample_zarr(tmp_path / "x.tif", place, resume=True, memory_limit="64MiB", **options)
    assert_array_equal(result[...], np.moveaxis(vrdask.resample(COLOUR, (150, 200), "area", axes=(0, 1)), 2, 0))
    before = {one: one.stat().st_mtime_ns for one in place.rglob("*") if one.is_file()}
    vrdask.resample_zarr(tmp_path / "x.tif", place, resume=True, memory_limit="64MiB", **options)
    assert before == {one: one.stat().st_mtime_ns for one in place.rglob("*") if one.is_file()}


class TestOnACluster:
    """In a class, so that the client is no longer the active one in the tests that follow."""

    def test_workers_write_them_turned(self, tmp_path):
        tifffile.imwrite(tmp_path / "x.tif", COLOUR, **TILES)
        with two_workers():
            result = vrdask.resample_zarr(tmp_path / "x.tif", tmp_path / "x.zarr", factor=0.5, chunks=(32, 32, 3))
        assert_array_equal(result[...], np.moveaxis(vrdask.resample(COLOUR, (150, 200), axes=(0, 1)), 2, 0))


def test_an_affine_map_of_colours_is_an_image_too(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", COLOUR, **TILES)
    result = vrdask.affine_zarr(
        tmp_path / "x.tif", tmp_path / "x.zarr", [2.0, 2.0], output_shape=(150, 200), axes=(0, 1)
    )
    expected = vrdask.affine_transform(COLOUR, [2.0, 2.0], output_shape=(150, 200), axes=(0, 1))
    assert_array_equal(result[...], np.moveaxis(expected, 2, 0))
    assert labels_of(zarr.open_group(tmp_path / "x.zarr")) == PRIMARIES


def test_names_and_colours_of_channels_go_there_and_back(tmp_path):
    channels = {"Name": ["DAPI", "GFP", "far red"], "Color": [65535, 16711935, -16776961]}
    said = {"axes": "CYX", "Channel": channels, "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
    said |= {"PhysicalSizeY": 0.5, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(tmp_path / "x.ome.tif", CHANNELS[:, 0], ome=True, photometric="minisblack", metadata=said)
    vrdask.resample_zarr(tmp_path / "x.ome.tif", tmp_path / "x.zarr", factor=0.5)
    expected = [("DAPI", "0000FF"), ("GFP", "00FF00"), ("far red", "FF0000")]
    assert labels_of(zarr.open_group(tmp_path / "x.zarr")) == expected
    vrdask.resample_zarr(tmp_path / "x.zarr", tmp_path / "back.ome.tif", factor=2)
    vrdask.resample_zarr(tmp_path / "back.ome.tif", tmp_path / "again.zarr", factor=1)
    assert labels_of(zarr.open_group(tmp_path / "again.zarr")) == expected
    run("resample", tmp_path / "x.zarr", tmp_path / "one.zarr", "--factor", 1, "--channel", 2, "--quiet")
    assert labels_of(zarr.open_group(tmp_path / "one.zarr")) == expected[2:]


@pytest.mark.parametrize("to", ["0.4", "0.5"])
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_what_a_group_says_beside_its_image_stays(tmp_path, version, to):
    group = zarr.create_group(tmp_path / "x.zarr", zarr_format=2 if version == "0.4" else 3)
    group.create_array("s0", data=GREY, chunks=(64, 64))
    step = {"type": "scale", "scale": [0.5, 0.5]}
    image = {
        "axes": [{"name": name, "type": "space"} for name in "yx"],
        "datasets": [{"path": "s0", "coordinateTransformations": [step]}],
    }
    omero = {"channels": [{"label": "only", "color": "FF0000", "window": {"min": 0, "max": 9, "start": 1, "end": 5}}]}
    ours = {"acquisition": {"by": "someone"}, "nested": [1, {"a": None}]}
    said = {"multiscales": [image], "omero": omero}
    if version == "0.4":
        image["version"] = "0.4"
        group.attrs.update({**said, **ours})
    else:
        group.attrs.update({"ome": {"version": "0.5", **said}, **ours})
    vrdask.resample_zarr(tmp_path / "x.zarr", tmp_path / "y.zarr", factor=0.5, ome_zarr_version=to)
    made = zarr.open_group(tmp_path / "y.zarr", mode="r")
    attributes = made.attrs.asdict()
    assert {key: attributes[key] for key in ours} == ours
    assert said_of(made)["omero"]["channels"] == omero["channels"]
    assert ("ome" in attributes) == (to == "0.5")


def test_versions_and_shards_that_cannot_be_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", COLOUR, **TILES)
    with pytest.raises(ValueError, match=r"ome_zarr_version must be 0\.4 or 0\.5; got '0\.6'"):
        vrdask.resample_zarr(tmp_path / "x.tif", tmp_path / "x.zarr", factor=0.5, ome_zarr_version="0.6")
    with pytest.raises(ValueError, match=r"shards must be None for OME-Zarr 0\.4"):
        vrdask.resample_zarr(
            tmp_path / "x.tif", tmp_path / "x.zarr", factor=0.5, ome_zarr_version="0.4", chunks=16, shards=32
        )
    assert not (tmp_path / "x.zarr").exists()


def test_shards_are_turned_with_their_chunks(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", COLOUR, **TILES)
    result = vrdask.resample_zarr(
        tmp_path / "x.tif", tmp_path / "x.zarr", factor=0.5, chunks=(16, 20, 3), shards=(32, 60, 3)
    )
    assert (result.chunks, result.shards) == ((3, 16, 20), (3, 32, 60))
    assert_array_equal(result[...], np.moveaxis(vrdask.resample(COLOUR, (150, 200), axes=(0, 1)), 2, 0))
