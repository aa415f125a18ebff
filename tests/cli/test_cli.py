"""The command line, as a user calls it: results, the plan, progress, and errors in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner, Result
from numpy.testing import assert_array_equal
from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

import vrdask
from vrdask.cli import main


@pytest.fixture
def source(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).integers(0, 60_000, (30, 40, 50)).astype("uint16")
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(16, 16, 16))
    return tmp_path / "in.zarr"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An OME-Zarr image with thick slices."""
    scale = {"type": "scale", "scale": [3.0, 1.0, 1.0]}
    group = zarr.create_group(tmp_path / "image.zarr")
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {
                "axes": [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"],
                "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
            }
        ],
    }
    group.create_array("0", data=np.arange(10 * 20 * 20, dtype="float32").reshape(10, 20, 20), chunks=(5, 10, 10))
    return tmp_path / "image.zarr"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("mode", ["nearest", "linear", "area", "cubic", "lanczos"])
def test_resample_writes_what_the_function_returns(source, tmp_path, mode):
    result = run("resample", source, tmp_path / "out.zarr", "--shape", "15,55,20", "--mode", mode)
    assert result.exit_code == 0, result.output
    x = zarr.open_array(source, mode="r")[:]
    assert_array_equal(zarr.open_array(tmp_path / "out.zarr", mode="r")[:], vrdask.resample(x, (15, 55, 20), mode))


def test_every_option_reaches_the_result(source, tmp_path):
    result = run(
        "resample", source, tmp_path / "out.zarr", "--shape", "20,25", "--axes", "0,2", "--mode", "cubic",
        "--align-corners", "--dtype", "float32", "--chunks", "10,20,5", "--shards", "20,40,25", "--threads", "1",
        "--memory-limit", "64MiB", "--compressor", "gzip:3", "--quiet",
    )  # fmt: skip
    assert (result.exit_code, result.output) == (0, "")
    array = zarr.open_array(tmp_path / "out.zarr", mode="r")
    assert (array.chunks, array.shards, array.dtype) == ((10, 20, 5), (20, 40, 25), np.dtype("float32"))
    assert array.compressors == (GzipCodec(level=3),)
    x = zarr.open_array(source, mode="r")[:]
    assert_array_equal(array[:], vrdask.resample(x, (20, 25), "cubic", True, axes=(0, 2), dtype="float32"))


@pytest.mark.parametrize(
    ("option", "value", "shape"),
    [("--factor", "0.5", (5, 10, 10)), ("--factor", "1,0.5,0.25", (10, 10, 5)), ("--spacing", "1.5", (20, 13, 13))],
)
def test_factor_and_spacing_give_the_shape(image, tmp_path, option, value, shape):
    result = run("resample", image, tmp_path / "out.zarr", option, value)
    assert result.exit_code == 0, result.output
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert group["0"].shape == shape
    (dataset,) = group.attrs["ome"]["multiscales"][0]["datasets"]
    scale = dataset["coordinateTransformations"][0]["scale"]
    assert np.allclose(np.multiply(scale, shape), (30, 20, 20))


@pytest.mark.parametrize(
    ("name", "codecs"),
    [
        ("zstd:5", (ZstdCodec(level=5),)),
        ("gzip", (GzipCodec(level=5),)),
        ("blosc:1", (BloscCodec(cname="zstd", clevel=1, typesize=2, shuffle="shuffle"),)),
        ("lz4", (BloscCodec(cname="lz4", clevel=5, typesize=2, shuffle="shuffle"),)),
        ("none", ()),
        ("auto", (ZstdCodec(level=0),)),
    ],
)
def test_compressors_by_name(source, tmp_path, name, codecs):
    result = run("resample", source, tmp_path / "out.zarr", "--shape", "15,20,25", "--compressor", name)
    assert result.exit_code == 0, result.output
    array = zarr.open_array(tmp_path / "out.zarr", mode="r")
    assert array.compressors == codecs
    assert_array_equal(array[:], vrdask.resample(zarr.open_array(source, mode="r")[:], (15, 20, 25)))


@pytest.mark.slow
def test_a_local_cluster_for_the_run(source, tmp_path):
    command = [sys.executable, "-m", "vrdask", "resample", str(source), str(tmp_path / "out.zarr"), "--factor", "0.5"]
    done = subprocess.run([*command, "--workers", "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    x = zarr.open_array(source, mode="r")[:]
    assert_array_equal(zarr.open_array(tmp_path / "out.zarr", mode="r")[:], vrdask.resample(x, (15, 20, 25)))


def test_dry_run_prints_the_plan_and_writes_nothing(source, tmp_path):
    result = run("resample", source, tmp_path / "out.zarr", "--factor", "0.5", "--compressor", "zstd:5", "--dry-run")
    assert result.exit_code == 0
    for word in (
        "Zstd level 5",
        "tasks",
        "bytes read",
        "read amplification",
        "peak bytes",
        "concurrent tasks",
        "one kernel thread",
        "codecs",
    ):
        assert word in result.output
    assert not (tmp_path / "out.zarr").exists()


def test_progress_is_plain_lines_where_there_is_no_terminal(source, tmp_path):
    command = [sys.executable, "-m", "vrdask", "resample", str(source), str(tmp_path / "out.zarr"), "--factor", "0.5"]
    loud = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "100 %" in loud.stderr
    assert "voxels/s" in loud.stderr
    assert "\x1b" not in loud.stderr
    quiet = subprocess.run([*command, "--overwrite", "--quiet"], capture_output=True, text=True, check=True)
    assert quiet.stdout + quiet.stderr == ""


def test_an_existing_target_is_refused_replaced_or_left(source, tmp_path):
    target = tmp_path / "out.zarr"
    assert run("resample", source, target, "--factor", "0.5").exit_code == 0
    again = run("resample", source, target, "--factor", "0.25")
    assert again.exit_code == 1
    assert "target must not exist" in again.output
    assert "--overwrite" in again.output
    assert zarr.open_array(target, mode="r").shape == (15, 20, 25)
    assert run("resample", source, target, "--factor", "0.25", "--overwrite").exit_code == 0
    assert zarr.open_array(target, mode="r").shape == (8, 10, 13)


def test_no_sync_does_not_wait_for_the_disk(source, tmp_path, monkeypatch):
    waits, fsync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: waits.append(handle) or fsync(handle))
    (tmp_path / "map.txt").write_text("2 0 0\n0 2 0\n0 0 2\n")
    for command in (("resample", "--factor", "0.5"), ("affine", "--matrix", tmp_path / "map.txt")):
        counts = []
        for option in ("--quiet", "--no-sync"):
            waits.clear()
            name, *options = command
            assert (
                run(name, source, tmp_path / "out.zarr", *options, "--chunks", "4", option, "--overwrite").exit_code
                == 0
            )
            counts.append(len(waits))
        assert counts[0] > counts[1] + 100


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--shape", "0,4,4"], 1, "shape must hold positive sizes; got 0"),
        (["--shape", "4,4,4,4"], 1, "shape must give at most 3 sizes"),
        (["--factor", "-1"], 1, "factor must be positive and finite"),
        (["--spacing", "1"], 1, "spacing must be known for the source"),
        (["--factor", "0.5", "--mode", "area", "--align-corners"], 1, "align_corners must be False with mode 'area'"),
        (["--factor", "0.5", "--memory-limit", "10"], 1, "memory_limit must be at least"),
        (["--factor", "0.5", "--chunks", "8", "--shards", "12"], 1, "chunks must divide shards"),
        (
            ["--factor", "0.5", "--compressor", "zip"],
            1,
            "compressors must be one of zstd, blosc, gzip, lz4, none, auto",
        ),
        (["--factor", "0.5", "--compressor", "zstd:high"], 1, "level of zstd must be a number"),
        (["--factor", "0.5", "--dtype", "nonsense"], 1, "nonsense"),
        (["--factor", "0.5", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], 2, "at most one of --scheduler"),
        (["--factor", "0.5", "--resume", "--overwrite"], 1, "at most one of resume and overwrite"),
        ([], 2, "exactly one of --shape, --factor and --spacing"),
        (["--factor", "0.5", "--shape", "4"], 2, "exactly one of --shape, --factor and --spacing"),
        (["--factor", "half"], 2, "must be numbers with commas"),
        (["--factor", "0.5", "--mode", "quintic"], 2, "quintic"),
    ],
)
def test_an_error_is_told_in_words_with_its_status(source, tmp_path, arguments, status, said):
    result = run("resample", source, tmp_path / "out.zarr", *arguments)
    assert result.exit_code == status
    assert said in result.output
    assert "Traceback" not in result.output
    assert status == 2 or len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out.zarr").exists()


def test_a_source_that_is_not_there_or_no_array(tmp_path):
    missing = run("resample", tmp_path / "no.zarr", tmp_path / "out.zarr", "--factor", "0.5")
    assert missing.exit_code == 1
    assert "source must exist" in missing.output
    zarr.create_group(tmp_path / "group.zarr").create_array("a", data=np.zeros(3))
    group = run("resample", tmp_path / "group.zarr", tmp_path / "out.zarr", "--factor", "0.5")
    assert group.exit_code == 1
    assert "with the arrays: a" in group.output


def test_info_says_what_an_image_is(image):
    result = run("info", image)
    assert result.exit_code == 0
    for said in ("10x20x20", "float32", "5x10x10", "z, y, x", "3 millimeter"):
        assert said in result.output


def test_the_demo_proves_the_seams_exact_and_draws_them(tmp_path):
    pytest.importorskip("matplotlib", reason="vrdask[pictures] is not installed")
    result = run("demo", "--size", "150", "--folder", tmp_path / "demo", "--quiet")
    assert result.exit_code == 0, result.output
    assert "0 of " in result.output
    for said in ("time", "Mvoxels/s", "peak memory", "picture"):
        assert said in result.output
    assert (tmp_path / "demo" / "seams.png").stat().st_size > 10_000


def test_help_names_the_commands():
    result = run("--help")
    assert result.exit_code == 0
    assert all(command in result.output for command in ("resample", "info", "demo"))
    assert vrdask.__version__ in run("--version").output
