"""A run that is cut off anywhere goes on from what it recorded, and ends with the bits of a run that was not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cut_off
import numpy as np
import pytest
import zarr
from cut_off import RESULT, expected, interrupted
from numpy.testing import assert_array_equal

import vrdask
import vrdask.api.affine_zarr
from vrdask.api.resample_zarr import prepare
from vrdask.storage import durable

source = cut_off.source

RUN = """
import sys, time, vrdask
from vrdask.runs import task as block_work
apply = block_work.compute_box
def slowly(*args, **kwargs):
    time.sleep(0.02)
    return apply(*args, **kwargs)
block_work.compute_box = slowly
vrdask.resample_zarr(sys.argv[1], sys.argv[2], {shape}, mode="cubic", chunks=8, num_threads=2, resume=True,
                     memory_limit="1MB")
"""


def files_below(folder: Path) -> list[Path]:
    """Files, the last written last."""
    return sorted(chunks_below(folder), key=lambda path: path.stat().st_mtime_ns)


def chunks_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".partial"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process for each kill")
@pytest.mark.parametrize(
    "scenario",
    ["plain", "sharded", "overwrite", "affine", "blocks", "two", "damage",
     "pyramid", "pyramid in shards", "pyramid in Zarr 2", "pyramid in TIFF"],
)  # fmt: skip
def test_killed_at_every_change_of_the_file_system_and_resumed_ends_bit_identical(tmp_path, scenario):
    command = [sys.executable, str(Path(__file__).parents[1] / "crashes.py"), scenario, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(done.stdout) > 20, "kills"


def test_resume_does_only_what_was_not_recorded_empty_chunks_included(source, tmp_path, monkeypatch):
    from vrdask.runs import task

    target = tmp_path / "out.zarr"
    interrupted(source, target, monkeypatch, after=7)
    apply, calls = task.compute_box, []
    monkeypatch.setattr(task, "compute_box", lambda *args, **kwargs: calls.append(args) or apply(*args, **kwargs))
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


def test_resume_begins_where_there_is_nothing_and_has_nothing_to_do_where_all_is_done(source, tmp_path):
    target = tmp_path / "out.zarr"
    vrdask.resample_zarr(source, target, RESULT, resume=True)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    again = vrdask.resample_zarr(source, target, RESULT, resume=True)
    assert_array_equal(again[:], vrdask.resample(zarr.open_array(source, mode="r")[:], RESULT))
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before
    with pytest.raises(ValueError, match="settings that the target was made with; mode differ"):
        vrdask.resample_zarr(source, target, RESULT, mode="cubic", resume=True)
    zarr.create_array(tmp_path / "other.zarr", shape=RESULT, dtype="uint16", chunks=RESULT)
    with pytest.raises(FileExistsError, match="must hold an unfinished run"):
        vrdask.resample_zarr(source, tmp_path / "other.zarr", RESULT, resume=True)
    with pytest.raises(ValueError, match="at most one of resume and overwrite"):
        vrdask.resample_zarr(source, target, RESULT, resume=True, overwrite=True)


def test_what_is_recorded_has_reached_the_disk_before(source, tmp_path, monkeypatch):
    synced: set[tuple[int, int]] = set()
    fsync, put = os.fsync, durable.put

    def noting(handle):
        synced.add((os.fstat(handle).st_dev, os.fstat(handle).st_ino))
        fsync(handle)

    def checking(at, value):
        text = str(at)
        if "/done/" in text or text.endswith("zarr.json"):
            for path in (tmp_path / "out.zarr" / "c").rglob("*"):
                recorded = path.is_dir() or path.suffix != ".partial"
                if text.endswith("zarr.json") and recorded:
                    assert (path.stat().st_dev, path.stat().st_ino) in synced, path
        put(at, value)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(durable, "put", checking)
    vrdask.resample_zarr(source, tmp_path / "out.zarr", RESULT, chunks=8)
    assert len(synced) > 50
    synced.clear()
    monkeypatch.setattr(durable, "put", put)
    monkeypatch.setenv("VRDASK_SYNC", "0")
    vrdask.resample_zarr(source, tmp_path / "fast.zarr", RESULT, chunks=8)
    assert len(synced) < 20, "the record and the metadata alone"


def test_a_finished_target_with_the_rest_of_its_record_is_finished(source, tmp_path):
    target = tmp_path / "out.zarr"
    vrdask.resample_zarr(source, target, RESULT)
    (target / ".vrdask" / "done").mkdir(parents=True)
    (target / ".vrdask" / "job.json").write_text("{}")
    (target / ".vrdask" / "lock.json").write_text("{}")
    with pytest.raises(FileExistsError, match="target must not exist"):
        vrdask.resample_zarr(source, target, RESULT)
    vrdask.resample_zarr(source, target, RESULT, resume=True)
    assert sorted(path.name for path in target.iterdir()) == ["c", "zarr.json"]


def test_how_a_target_was_made_does_not_hold_for_what_is_made_from_it(source, tmp_path):
    first = vrdask.resample_zarr(source, tmp_path / "a.zarr", RESULT)
    second = vrdask.resample_zarr(tmp_path / "a.zarr", tmp_path / "b.zarr", (30, 24, 16))
    assert first.attrs["vrdask"]["made"] != second.attrs["vrdask"]["made"]
    vrdask.resample_zarr(tmp_path / "a.zarr", tmp_path / "b.zarr", (30, 24, 16), resume=True)


def test_an_affine_run_is_gone_on_from_and_is_finished_once(source, tmp_path):
    from vrdask.api.affine_zarr import affine_zarr, prepare

    target, matrix = tmp_path / "out.zarr", [[0, 1, 0.1], [1, 0, 0], [0, 0.1, 1]]

    def stop(done, total):
        raise KeyboardInterrupt

    how = {"mode": "cubic", "fill_value": np.nan, "dtype": "f4", "chunks": 16, "num_threads": 1}
    with pytest.raises(KeyboardInterrupt) as interrupted:
        affine_zarr(source, target, matrix, progress=stop, memory_limit="20MB", **how)
    assert "resume=True (--resume) goes on" in interrupted.value.__notes__[0]
    job = prepare(source, target, matrix, resume=True, **how)
    assert job.blocks.block == tuple(json.loads((target / ".vrdask" / "job.json").read_text())["blocks"])
    for changed in ({"offset": 1}, {"mode": "linear"}, {"padding_mode": "mirror"}, {"fill_value": 0}):
        with pytest.raises(ValueError, match=f"resume must have the settings .*{next(iter(changed))}"):
            affine_zarr(source, target, matrix, resume=True, **(how | changed))
    result = job.run()
    x = zarr.open_array(source, mode="r")[:]
    assert_array_equal(result[:], vrdask.affine_transform(x, matrix, mode="cubic", fill_value=np.nan, dtype="f4"))
    before = (target / "zarr.json").stat().st_mtime_ns
    affine_zarr(source, target, matrix, resume=True, **how)
    assert (target / "zarr.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="that the target was made with; offset differ"):
        affine_zarr(source, target, matrix, 1, resume=True, **how)


def test_a_run_by_blocks_is_gone_on_from_and_is_finished_once(source, tmp_path, monkeypatch):
    from vrdask.api.downsample_zarr import downsample_zarr, prepare
    from vrdask.runs import task

    target, how = tmp_path / "out.zarr", {"factors": (2, 3, 2), "mode": "median", "chunks": 8, "num_threads": 1}

    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as cut:
        downsample_zarr(source, target, progress=stop, memory_limit="1MB", **how)
    assert "resume=True (--resume) goes on" in cut.value.__notes__[0]
    assert not (target / "zarr.json").exists()
    job = prepare(source, target, resume=True, **how)
    assert job.blocks.block == tuple(json.loads((target / ".vrdask" / "job.json").read_text())["blocks"])
    for changed in ({"mode": "mean"}, {"factors": (2, 2, 2)}, {"dtype": "f4"}):
        with pytest.raises(ValueError, match=f"resume must have the settings .*{next(iter(changed))}"):
            downsample_zarr(source, target, resume=True, **(how | changed))
    compute, calls = task.compute_box, []
    monkeypatch.setattr(task, "compute_box", lambda *args, **kwargs: calls.append(args) or compute(*args, **kwargs))
    result = job.run()
    assert 0 < len(calls) < len(job.plan)
    assert_array_equal(result[:], vrdask.downsample(zarr.open_array(source, mode="r")[:], (2, 3, 2), "median"))
    before = (target / "zarr.json").stat().st_mtime_ns
    downsample_zarr(source, target, resume=True, **how)
    assert (target / "zarr.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="that the target was made with; mode differ"):
        downsample_zarr(source, target, resume=True, **(how | {"mode": "min"}))


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
