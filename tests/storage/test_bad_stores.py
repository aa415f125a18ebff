"""Stores that fail: one line that says what, exit status 1, and a run that goes on where it makes sense."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from numpy.testing import assert_array_equal
from zarr.storage import LocalStore

import vrdask
from vrdask.cli import main

SHAPE, RESULT = (64, 64, 64), (32, 32, 32)
OPTIONS = ("--factor", "0.5", "--chunks", "8", "--memory-limit", "1MB", "--threads", "1", "--quiet")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).integers(1, 60_000, SHAPE).astype("uint16")
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(16, 16, 16))
    return tmp_path / "in.zarr"


def fails(*arguments: object) -> str:
    """What a command that ends with status 1 says, in one line."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 1, result.output
    assert len(result.output.strip().splitlines()) == 1, result.output
    return result.output


def is_resumed(source: Path, target: Path) -> None:
    before = [path for path in (target / "c").rglob("*") if path.is_file()] if target.exists() else []
    times = {path: path.stat().st_mtime_ns for path in before}
    result = CliRunner().invoke(main, ["resample", str(source), str(target), *OPTIONS, "--resume"])
    assert result.exit_code == 0, result.output
    assert_array_equal(
        zarr.open_array(target, mode="r")[:], vrdask.resample(zarr.open_array(source, mode="r")[:], RESULT)
    )
    assert before, "something had been done"
    assert sum(path.stat().st_mtime_ns == time for path, time in times.items()) > len(before) / 2, "and was kept"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for half of the result."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160k,nr_inodes=1000", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small file system; the next test has a limit on file sizes instead")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs")
def test_a_full_disk(source, small_disk):
    said = fails("resample", source, small_disk / "out.zarr", *OPTIONS)
    assert "No space left on device" in said
    assert "writing chunk c/" in said
    subprocess.run(["mount", "-o", "remount,size=10m", str(small_disk)], check=True)
    is_resumed(source, small_disk / "out.zarr")


@pytest.mark.skipif(sys.platform == "win32", reason="limits are of POSIX")
def test_a_limit_on_the_size_of_files(source, tmp_path):
    target = tmp_path / "out.zarr"
    command = [sys.executable, "-m", "vrdask", "resample", str(source), str(target), "--factor", "0.5", "--quiet"]

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    done = subprocess.run(
        [*command, "--chunks", "16", "--threads", "1"], capture_output=True, text=True, check=False, preexec_fn=limited
    )
    assert done.returncode == 1
    assert "writing chunk c/0/0/0" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    again = subprocess.run([*command, "--chunks", "16", "--resume"], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr


def test_a_target_that_is_read_only(source, tmp_path):
    with pytest.raises(ValueError, match=r"target must be writable; got .* read-only"):
        vrdask.resample_zarr(source, LocalStore(tmp_path / "out.zarr", read_only=True), RESULT)
    zarr.create_array(tmp_path / "there.zarr", shape=RESULT, dtype="uint16", chunks=(8, 8, 8))
    with pytest.raises(ValueError, match=r"target must be writable; got .* read-only"):
        vrdask.resample_zarr(source, zarr.open_array(str(tmp_path / "there.zarr"), mode="r"), RESULT)


def test_a_source_that_is_read_only(source, tmp_path):
    result = vrdask.resample_zarr(LocalStore(source, read_only=True), tmp_path / "out.zarr", RESULT)
    assert_array_equal(result[:], vrdask.resample(zarr.open_array(source, mode="r")[:], RESULT))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(source, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "ermission" in fails("resample", source, tmp_path / "locked" / "out.zarr", *OPTIONS)


def test_a_target_below_a_file(source, tmp_path):
    (tmp_path / "file").write_text("")
    said = fails("resample", source, tmp_path / "file" / "out.zarr", *OPTIONS)
    assert "file" in said


def test_a_corrupt_chunk_is_named_and_nothing_else_is_lost(source, tmp_path):
    chunk = source / "c" / "3" / "3" / "3"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[:-100])
    said = fails("resample", source, tmp_path / "out.zarr", *OPTIONS)
    assert "reading chunk c/3/3/3 ([48:64, 48:64, 48:64]) of file://" in said
    chunk.write_bytes(whole)
    is_resumed(source, tmp_path / "out.zarr")


def test_a_source_that_changes_size(source, tmp_path):
    (source / "c" / "3" / "3" / "3").write_bytes(b"")
    fails("resample", source, tmp_path / "out.zarr", *OPTIONS)
    zarr.open_array(source, mode="r+").resize((60, 64, 64))
    said = fails("resample", source, tmp_path / "out.zarr", *OPTIONS[2:], "--shape", "32,32,32", "--resume")
    assert "resume must have the settings that the run was begun with; source metadata differ" in said


def test_an_unknown_codec(source, tmp_path):
    metadata = json.loads((source / "zarr.json").read_text())
    metadata["codecs"][1] = {"name": "middle-out", "configuration": {}}
    (source / "zarr.json").write_text(json.dumps(metadata))
    assert "middle-out" in fails("resample", source, tmp_path / "out.zarr", *OPTIONS)
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--memory-limit", "1kB"), "memory_limit must be at least"),
        (("--chunks", "8", "--shards", "20"), "chunks must divide shards; got chunks of 8 and shards of 20"),
    ],
)
def test_what_cannot_be_done_writes_nothing(source, tmp_path, options, said):
    assert said in fails("resample", source, tmp_path / "out.zarr", "--factor", "0.5", *options)
    assert not (tmp_path / "out.zarr").exists()
