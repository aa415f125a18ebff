"""A run that is cut off anywhere goes on from what it recorded, and ends with the bits of a run that was not."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal

import vrdask
from vrdask import attempts, stores
from vrdask.executors.zarr_to_zarr import prepare

SHAPE, RESULT = (120, 96, 64), (60, 48, 32)
KILLS = 20

RUN = """
import sys, time, vrdask
from vrdask.executors import block_work
apply = block_work.apply
def slowly(*args, **kwargs):
    time.sleep(0.02)
    return apply(*args, **kwargs)
block_work.apply = slowly
vrdask.resample_zarr(sys.argv[1], sys.argv[2], {shape}, mode="cubic", chunks=8, num_threads=2, resume=True,
                     memory_limit="1MB")
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Noise with an empty part, whose chunks are not stored."""
    x = np.random.default_rng(0).integers(1, 60_000, SHAPE).astype("uint16")
    x[:50] = 0
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(16, 16, 16))
    return tmp_path / "in.zarr"


def expected(source: Path) -> np.ndarray:
    return vrdask.resample(zarr.open_array(source, mode="r")[:], RESULT, "cubic")


def files_below(folder: Path) -> list[Path]:
    """Files, the last written last."""
    return sorted(chunks_below(folder), key=lambda path: path.stat().st_mtime_ns)


def chunks_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".partial"]


def opens(target: Path) -> bool:
    try:
        zarr.open_array(target, mode="r")
    except FileNotFoundError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("power_loss", [False, True], ids=["killed", "power loss"])
def test_killed_at_random_moments_and_resumed_ends_bit_identical(source, tmp_path, power_loss):
    target = tmp_path / "out.zarr"
    chance = random.Random(int(power_loss))
    command = [sys.executable, "-c", RUN.format(shape=RESULT), str(source), str(target)]
    for _ in range(KILLS):
        before = len(chunks_below(target))
        process = subprocess.Popen(command)
        wanted = before + chance.randint(1, 6)
        while process.poll() is None and len(chunks_below(target)) < wanted:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        if opens(target):  # the last chunk was there before the signal: then all of it must be
            assert_array_equal(zarr.open_array(target, mode="r")[:], expected(source))
        assert process.returncode == -signal.SIGKILL, "the run was not done yet"
        if power_loss:
            for path in files_below(target)[-3:]:
                os.truncate(path, path.stat().st_size // 2)
    command[2] = command[2].replace("0.02", "0")
    subprocess.run(command, check=True)
    assert_array_equal(zarr.open_array(target, mode="r")[:], expected(source))
    assert not (target / ".vrdask").exists()
    assert not list(target.rglob("*.partial"))


def interrupted(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, after: int = 5, **settings) -> None:
    """A run that fails at its task number `after`."""
    from vrdask.executors import block_work

    apply, calls = block_work.apply, []

    def failing(*args, **kwargs):
        calls.append(args)
        if len(calls) > after:
            raise RuntimeError("cut off")
        return apply(*args, **kwargs)

    arguments = {"mode": "cubic", "chunks": 8, "memory_limit": "1MB", "num_threads": 1} | settings
    with monkeypatch.context() as patch:
        patch.setattr(block_work, "apply", failing)
        with pytest.raises(RuntimeError, match="cut off"):
            vrdask.resample_zarr(source, target, RESULT, **arguments)


def test_resume_does_only_what_was_not_recorded_empty_chunks_included(source, tmp_path, monkeypatch):
    from vrdask.executors import block_work

    target = tmp_path / "out.zarr"
    interrupted(source, target, monkeypatch, after=7)
    apply, calls = block_work.apply, []
    monkeypatch.setattr(block_work, "apply", lambda *args, **kwargs: calls.append(args) or apply(*args, **kwargs))
    job = prepare(source, target, RESULT, mode="cubic", chunks=8, memory_limit="1MB", num_threads=1, resume=True)
    result = job.run()
    assert len(calls) == len(job.plan) - 7
    assert_array_equal(result[:], expected(source))


def test_resume_keeps_the_blocks_it_was_begun_with(source, tmp_path, monkeypatch):
    target = tmp_path / "out.zarr"
    interrupted(source, target, monkeypatch)
    begun = prepare(source, target, RESULT, mode="cubic", chunks=8, resume=True, num_threads=2)
    assert begun.blocks.block == tuple(json.loads((target / ".vrdask" / "job.json").read_text())["blocks"])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"mode": "linear"}, "mode"),
        ({"align_corners": True}, "align_corners"),
        ({"dtype": "float32"}, "dtype"),
        ({"chunks": 16}, "target metadata"),
    ],
)
def test_resume_with_other_settings_is_refused_and_names_them(source, tmp_path, monkeypatch, changed, named):
    target = tmp_path / "out.zarr"
    interrupted(source, target, monkeypatch)
    before = files_below(target)
    settings = {"mode": "cubic", "chunks": 8} | changed
    with pytest.raises(ValueError, match=f"resume must have the settings .*{named}"):
        vrdask.resample_zarr(source, target, RESULT, resume=True, **settings)
    assert files_below(target) == before


def test_an_unfinished_target_is_refused_and_the_message_says_how_to_go_on(source, tmp_path, monkeypatch):
    target = tmp_path / "out.zarr"
    interrupted(source, target, monkeypatch)
    with pytest.raises(FileExistsError, match="unfinished run, which resume=True"):
        vrdask.resample_zarr(source, target, RESULT)
    result = vrdask.resample_zarr(source, target, RESULT, mode="area", overwrite=True)
    assert result.shape == RESULT


def test_resume_begins_where_there_is_nothing_and_refuses_what_is_finished(source, tmp_path):
    target = tmp_path / "out.zarr"
    vrdask.resample_zarr(source, target, RESULT, resume=True)
    with pytest.raises(FileExistsError, match="must hold an unfinished run"):
        vrdask.resample_zarr(source, target, RESULT, resume=True)
    with pytest.raises(ValueError, match="at most one of resume and overwrite"):
        vrdask.resample_zarr(source, target, RESULT, resume=True, overwrite=True)


@pytest.mark.parametrize("settings", [{"resume": True}, {"overwrite": True}, {}], ids=["resume", "overwrite", "plain"])
def test_a_second_run_into_one_target_is_refused(source, tmp_path, settings):
    target = tmp_path / "out.zarr"
    slow = RUN.format(shape=RESULT).replace("0.02", "0.5")
    first = subprocess.Popen([sys.executable, "-c", slow, str(source), str(target)])
    try:
        while not (target / ".vrdask" / "job.json").exists():
            assert first.poll() is None
            time.sleep(0.02)
        with pytest.raises(FileExistsError, match="another run is writing"):
            vrdask.resample_zarr(source, target, RESULT, mode="cubic", chunks=8, **settings)
    finally:
        first.kill()
        first.wait()


def test_a_source_that_changes_during_the_run_is_noticed(source, tmp_path, monkeypatch):
    from vrdask.executors import block_work

    apply = block_work.apply

    def growing(*args, **kwargs):
        zarr.open_array(source, mode="r+").resize((SHAPE[0] + 1, *SHAPE[1:]))
        return apply(*args, **kwargs)

    monkeypatch.setattr(block_work, "apply", growing)
    with pytest.raises(ValueError, match="source must not change during a run"):
        vrdask.resample_zarr(source, tmp_path / "out.zarr", RESULT, num_threads=1)
    assert not opens(tmp_path / "out.zarr")


def test_a_corrupt_source_chunk_is_named_and_nothing_else_is_lost(source, tmp_path):
    target = tmp_path / "out.zarr"
    chunk = source / "c" / "6" / "2" / "1"
    whole = chunk.read_bytes()
    chunk.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RuntimeError, match=r"reading chunk c/6/2/1 \(\[96:112, 32:48, 16:32\]\) of .*in\.zarr failed"):
        vrdask.resample_zarr(source, target, RESULT, mode="cubic", chunks=8, memory_limit="1MB")
    assert not opens(target)
    chunk.write_bytes(whole)
    result = vrdask.resample_zarr(source, target, RESULT, mode="cubic", chunks=8, memory_limit="1MB", resume=True)
    assert_array_equal(result[:], expected(source))


def test_errors_that_pass_are_retried_and_lasting_ones_are_not(source, tmp_path, monkeypatch):
    monkeypatch.setattr(attempts, "SECONDS_BEFORE_RETRIES", (0.0, 0.0))
    failures = [ConnectionResetError("reset"), TimeoutError("slow")]
    get_many = stores.get_many

    def flaky(places):
        if failures and "/c/" in f"/{places[0].path}":
            raise failures.pop()
        return get_many(places)

    monkeypatch.setattr(stores, "get_many", flaky)
    result = vrdask.resample_zarr(source, tmp_path / "out.zarr", RESULT, mode="cubic")
    assert not failures
    assert_array_equal(result[:], expected(source))
    failures.append(OSError(28, "No space left on device"))
    with pytest.raises(RuntimeError, match="No space left"):
        vrdask.resample_zarr(source, tmp_path / "full.zarr", RESULT)
