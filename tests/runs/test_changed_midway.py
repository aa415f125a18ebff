"""What others do to a target while a run writes it, or just before: it is noticed, and nothing wrong is published."""

from __future__ import annotations

import json
import sys
import time

import pytest
import rivals
import zarr
from numpy.testing import assert_array_equal
from rivals import RUNS, X, claim, lay
from zarr.storage import MemoryStore

import vrdask
from vrdask.api.affine_zarr import prepare
from vrdask.runs import record, task
from vrdask.runs.locks import LostLockError
from vrdask.storage import objects as stores

source = rivals.source


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("damage", ["gone", "cut", "all gone"])
def test_an_object_that_is_gone_or_cut_midway_is_noticed_by_listing(source, run, damage):
    import fsspec

    files, damaged = fsspec.filesystem("memory"), []
    place = f"/damaged/{run}-{damage}.zarr"

    def progress(done, total):
        found = files.find(f"{place}/c")
        if found and not damaged:
            damaged.append(found[0])
            files.rm(found[0])
            if damage == "cut":
                files.pipe(found[0], b"")
            if damage == "all gone":
                files.rm(f"{place}/c", recursive=True)

    with pytest.raises(RuntimeError, match="target must not change during a run; "):
        RUNS[run](source, f"memory:/{place}", progress=progress)
    assert damaged
    assert not files.exists(f"{place}/zarr.json")
    result = RUNS[run](source, f"memory:/{place}", resume=True)
    expected = RUNS[run](source, MemoryStore())
    assert_array_equal(result[:], expected[:])
    assert not files.exists(f"{place}/.vrdask/lock.json")


@pytest.mark.parametrize("run", RUNS)
def test_a_run_whose_lock_is_taken_over_publishes_nothing(source, tmp_path, run, monkeypatch):
    target = tmp_path / "out.zarr"
    held = json.dumps(claim(space=None))

    def progress(done, total):
        (target / ".vrdask" / "lock.json").write_text(held)

    with pytest.raises(LostLockError, match="another has taken it over"):
        RUNS[run](source, target, progress=progress)
    assert not (target / "zarr.json").exists()
    assert (target / ".vrdask" / "lock.json").read_text() == held


def test_a_run_whose_lock_is_taken_over_stops_at_its_next_beat(source, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "SECONDS_BETWEEN_FLUSHES", 0.01)
    monkeypatch.setattr(record, "SECONDS_BETWEEN_BEATS", 0.0)
    target, seen = tmp_path / "out.zarr", []

    def progress(done, total):
        seen.append(done)
        (target / ".vrdask" / "lock.json").write_text(json.dumps(claim(space=None)))
        time.sleep(0.1)

    with pytest.raises(LostLockError):
        RUNS["resample"](source, target, progress=progress, num_threads=1, memory_limit="30kB")
    assert len(seen) < 16


def test_the_old_result_goes_when_the_new_run_may_begin(source, tmp_path, monkeypatch):
    target = tmp_path / "out.zarr"
    RUNS["resample"](source, target)
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    first = prepare(source, target, [2, 2], overwrite=True)
    lock = lay(target, claim(space=None))
    with pytest.raises(FileExistsError, match="another run"):
        first.run()
    lock.unlink()
    lock.parent.rmdir()
    assert {path: path.read_bytes() for path in target.rglob("*") if path.is_file()} == before


def test_what_came_between_the_check_and_the_lock_is_not_replaced(source, tmp_path):
    target = tmp_path / "out.zarr"
    job = prepare(source, target, [2, 2])
    RUNS["resample"](source, target)
    with pytest.raises(FileExistsError, match="target must not exist"):
        job.run()
    assert_array_equal(zarr.open_array(target, mode="r")[:], vrdask.resample(X, (16, 16)))
    assert not (target / ".vrdask").exists()
    (tmp_path / "other").mkdir()
    job = prepare(source, tmp_path / "other", [2, 2], overwrite=True)
    (tmp_path / "other" / "thesis.txt").write_text("years")
    with pytest.raises(FileExistsError, match="must replace Zarr"):
        job.run()
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.txt"]


def test_an_error_midway_is_not_hidden_by_those_of_the_clean_up(source, tmp_path, monkeypatch):
    def fails(*args, **kwargs):
        raise RuntimeError("what went wrong")

    def refuses(at):
        raise PermissionError(13, "no", str(at))

    monkeypatch.setattr(task, "compute_box", fails)
    monkeypatch.setattr(stores, "remove", refuses)
    with pytest.raises(RuntimeError, match="what went wrong"):
        RUNS["resample"](source, tmp_path / "out.zarr")


@pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be removed there")
def test_a_target_that_is_removed_midway(source, tmp_path):
    import shutil

    target = tmp_path / "out.zarr"

    def progress(done, total):
        shutil.rmtree(target)
        target.write_text("a file now")

    with pytest.raises((RuntimeError, OSError), match=r"out\.zarr"):
        RUNS["resample"](source, target, progress=progress, num_threads=1, memory_limit="30kB")
    assert target.read_text() == "a file now"
