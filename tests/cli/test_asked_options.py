"""Sizes, axes, regions and units on the command line, and what a run says of its source and its result."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from numpy.testing import assert_array_equal

import vrdask
from vrdask.cli import main
from vrdask.images.axes import image_of
from vrdask.images.ome_zarr import group_attributes, read_multiscale

SHAPE = (3, 10, 24, 26)


@pytest.fixture
def image(tmp_path):
    sizes = {"z": (3.0, "millimeter"), "y": (1.0, "millimeter"), "x": (1.0, "millimeter")}
    group = zarr.create_group(tmp_path / "in.zarr", attributes=group_attributes(image_of("czyx", sizes)))
    x = np.random.default_rng(0).random(SHAPE).astype("float32")
    group.create_array("0", shape=SHAPE, dtype="float32", chunks=(1, 5, 10, 10))[:] = x
    return tmp_path / "in.zarr"


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def made(image, *options):
    """The array that a run makes, and its geometry."""
    target = image.parent / "out.zarr"
    done = run("resample", image, target, *options, "--overwrite", "--quiet")
    assert (done.exit_code, done.output) == (0, "")
    group = zarr.open_group(target, mode="r")
    return group["0"], read_multiscale(group.attrs.asdict())


@pytest.mark.parametrize(
    ("options", "shape", "scale"),
    [
        (["--factor", "z=1,y=0.5"], (3, 10, 12, 26), (3, 2, 1)),
        (["--factor", "0.5", "--axes", "y,x"], (3, 10, 12, 13), (3, 2, 2)),
        (["--shape", "y=12,x=6"], (3, 10, 12, 6), (3, 2, 26 / 6)),
        (["--shape", "c=3,z=5"], (3, 5, 24, 26), (6, 1, 1)),
        (["--spacing", "1500um"], (3, 20, 16, 17), (1.5, 1.5, 26 / 17)),
        (["--spacing", "1500um", "--exact"], (3, 20, 16, 17), (1.5, 1.5, 1.5)),
        (["--spacing", "z=0.2 cm,x=2", "--exact"], (3, 15, 24, 13), (2, 1, 2)),
        (["--factor", "0.3", "--exact"], (3, 3, 7, 8), (10, 10 / 3, 10 / 3)),
        (["--factor", "1/3", "--axes", "-1"], (3, 10, 24, 9), (3, 1, 26 / 9)),
        (["--factor", "0.5", "--region", "z=2:8,x=:13"], (3, 3, 12, 7), (6, 2, 13 / 7)),
        (["--spacing", "2", "--pixel-size", "z=1mm"], (3, 5, 12, 13), (2, 2, 2)),
    ],
)
def test_named_axes_units_and_regions(image, options, shape, scale):
    array, said = made(image, *options)
    assert array.shape == shape
    assert said.scale[1:] == pytest.approx(scale, rel=1e-15)


def test_the_samples_are_those_of_the_region(image):
    array, said = made(
        image, "--factor", "0.7", "--exact", "--mode", "cubic", "--region", "z=2:8,y=3:", "--axes", "y,x"
    )
    x = zarr.open_group(image, mode="r")["0"][:]
    assert_array_equal(array[:], vrdask.resample(x[:, 2:8, 3:], factor=0.7, exact=True, mode="cubic", axes=(2, 3)))
    first = (1 / 0.7 - 1) / 2
    assert said.translation == pytest.approx((0, 6, 3 + first, first))


def test_python_takes_the_same(image, tmp_path):
    result = vrdask.resample_zarr(
        image, tmp_path / "out.zarr", {"y": 12, "x": 6}, region={"z": (2, 8)}, chunks={"x": 3}, shards={"x": 6, "z": 10}
    )
    assert (result.shape, result.chunks, result.shards) == ((3, 6, 12, 6), (1, 5, 10, 3), (1, 10, 10, 6))
    x = zarr.open_group(image, mode="r")["0"][:]
    assert_array_equal(result[:], vrdask.resample(x[:, 2:8], (12, 6)))


@pytest.mark.parametrize(
    ("options", "chunks", "shards"),
    [
        (["--chunks", "4"], (1, 4, 4, 4), None),
        (["--chunks", "2,4,6"], (1, 2, 4, 6), None),
        (["--chunks", "3,2,4,6"], (3, 2, 4, 6), None),
        (["--chunks", "x=6"], (1, 5, 10, 6), None),
        (["--chunks", "2,4,6", "--shards", "4,8,12"], (1, 2, 4, 6), (1, 4, 8, 12)),
        (["--shards", "y=20"], (1, 5, 10, 10), (1, 5, 20, 10)),
        (["--chunks", "c=2,x=13", "--shards", "c=2,x=26"], (2, 5, 10, 13), (2, 5, 10, 26)),
    ],
)
def test_chunks_and_shards_take_the_axes_of_space(image, options, chunks, shards):
    array, _ = made(image, "--factor", "1", *options)
    assert (array.chunks, array.shards) == (chunks, shards)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--factor", "0.5", "--factor", "2"], 2, "--factor must be given once; got it 2 times"),
        (["--factor=0.5", "--mode", "cubic", "--mode=linear"], 2, "--mode must be given once"),
        (["--factor", "0.5", "--chunks", "4", "--chunks", "8"], 2, "--chunks must be given once"),
        (["--factor", "q=0.5"], 1, "axes must be among those of the array, c, z, y, x; got 'q'"),
        (["--factor", "y=0.5,x"], 2, "name every axis or none"),
        (["--factor", "2um"], 2, "must be numbers with commas"),
        (["--factor", "y=0.5", "--axes", "y"], 1, "axes must be left out where factor names them"),
        (["--shape", "y=1.5"], 2, "must be numbers with commas"),
        (["--spacing", "2 parsecs and more"], 2, "with units or without"),
        (["--spacing", "2s"], 1, "spacing of axis z must be in millimeter"),
        (["--spacing", "c=2"], 1, "gives none for axis c"),
        (["--shape", "4", "--exact"], 1, "exact must be False with shape"),
        (["--factor", "0.5", "--region", "z=2:11"], 1, "stop behind that and at 10 at most; got 2:11"),
        (["--factor", "0.5", "--region", "z=2"], 1, "region of axis z must be a start and a stop"),
        (["--factor", "0.5", "--region", "w=2:4"], 1, "axes must be among"),
        (["--factor", "0.5", "--pixel-size", "y=2s"], 1, "pixel_size of axis y must be in a unit of space"),
        (["--factor", "0.5", "--chunks", "4,4"], 1, "chunks must have one size per axis; got 2 for 4 axes"),
        (["--factor", "0.5", "--chunks", "y=0"], 1, "chunks must be positive"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(image, tmp_path, arguments, status, said):
    result = run("resample", image, tmp_path / "out.zarr", *arguments)
    assert (result.exit_code, "Traceback" in result.output) == (status, False)
    assert said in " ".join(result.output.split())
    assert not (tmp_path / "out.zarr").exists()


def test_a_run_says_what_it_reads_and_what_it_has_made(image, tmp_path, caplog):
    before = (
        "3x10x24x26 float32, level of an OME-Zarr image: axes c, z, y, x, spacing z 3, y 1, x 1 millimeter, origin z 0"
    )
    after = "3x15x12x13 float32, OME-Zarr 0.5 image: axes c, z, y, x, spacing z 2, y 2, x 2 millimeter, origin z -0.5"
    target = tmp_path / "out.zarr"
    dry = run("resample", image, target, "--spacing", "2", "--exact", "--dry-run").output
    assert f"source              {before}" in dry
    assert f"result              {after}" in dry
    done = run("resample", image, target, "--spacing", "2", "--exact").output
    assert f"{image}: {before}" in done
    assert f"{target}: {after}" in done
    with caplog.at_level(logging.INFO, "vrdask"):
        vrdask.resample_zarr(image, target, spacing=2, exact=True, overwrite=True)
    assert [record.getMessage().split(",")[0] for record in caplog.records if record.name == "vrdask"] == [
        "source: 3x10x24x26 float32", "result: 3x15x12x13 float32",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "because"),
    [
        (None, "plain Zarr array, because nothing is known of its axes: axes without names, spacing unknown"),
        (("t", "y", "x"), "because nothing but their names is known of its axes: axes t, y, x, spacing unknown"),
        ("zyx", "because its spacing along z, y, x is unknown: axes z, y, x, spacing unknown"),
        ("yxc", "because OME-Zarr has no axes y, x, c in this order: axes y, x, c, spacing y 2, x 2 micrometer"),
    ],
)
def test_a_plain_result_says_why(tmp_path, names, because):
    from vrdask.images.axes import attributes_of

    sizes = {"y": (1.0, "micrometer"), "x": (1.0, "micrometer")} if names == "yxc" else {}
    said = {"dimension_names": names} if isinstance(names, tuple) else {}
    said |= {"attributes": attributes_of(image_of(names, sizes))} if isinstance(names, str) else {}
    zarr.create_array(tmp_path / "in.zarr", data=np.zeros((6, 8, 4)), **said)
    command = ["resample", tmp_path / "in.zarr", tmp_path / "out.zarr", "--factor", "0.5", "--keep-order"]
    said = run(*command, "--dry-run").output
    assert because in said
