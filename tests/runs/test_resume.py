"""A run that is cut off anywhere goes on from what it recorded, and ends with the bits of a run that was not."""

from __future__ import annotations

import json
import os
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
import vrdask.api.affine_zarr
from vrdask.api.resample_zarr import prepare
from vrdask.storage import durable, objects, retry

SHAPE, RESULT = (120, 96, 64), (60, 48, 32)

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
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process for each kill")
@pytest.mark.parametrize("scenario", ["plain", "sharded", "overwrite", "affine", "two", "damage"])
def test_killed_at_every_change_of_the_file_system_and_resumed_ends_bit_identical(tmp_path, scenario):
    command = [sys.executable, str(Path(__file__).parents[1] / "crashes.py"), scenario, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert int(done.stdout) > 20, "kills"


def interrupted(source: Path, target: Path, monkeypatch: pytest.MonkeyPatch, after: int = 5, **settings) -> None:
    """A run that fails at its task number `after`."""
    from vrdask.runs import task

    apply, calls = task.compute_box, []

    def failing(*args, **kwargs):
        calls.append(args)
        if len(calls) > after:
            raise RuntimeError("cut off")
        return apply(*args, **kwargs)

    arguments = {"mode": "cubic", "chunks": 8, "memory_limit": "1MB", "num_threads": 1} | settings
    with monkeypatch.context() as patch:
        patch.setattr(task, "compute_box", failing)
        with pytest.raises(RuntimeError, match="cut off"):
            vrdask.resample_zarr(source, target, RESULT, **arguments)


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


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 1
    path.write_bytes(held)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


DAMAGES = [zero, flip, cut, Path.unlink]


@pytest.mark.parametrize("shards", [None, 16])
@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_longer_as_it_was_written_is_done_again(source, tmp_path, monkeypatch, damage, shards):
    target = tmp_path / "out.zarr"
    how = {"shards": shards}
    interrupted(source, target, monkeypatch, after=20 if shards is None else 6, **how)
    damaged = max((path for path in (target / "c").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    damage(damaged)
    result = vrdask.resample_zarr(source, target, RESULT, mode="cubic", chunks=8, resume=True, **how)
    assert_array_equal(result[:], expected(source))


@pytest.mark.parametrize("compressors", ["auto", "none"])
def test_a_chunk_where_none_was_written_is_removed(source, tmp_path, monkeypatch, compressors):
    target = tmp_path / "out.zarr"
    interrupted(source, target, monkeypatch, after=20, compressors=compressors)
    empty = target / "c" / "0" / "0" / "0"
    assert not empty.exists()
    empty.parent.mkdir(parents=True, exist_ok=True)
    empty.write_bytes(b"not ours")
    result = vrdask.resample_zarr(source, target, RESULT, mode="cubic", chunks=8, compressors=compressors, resume=True)
    assert_array_equal(result[:], expected(source))


@pytest.mark.parametrize("damage", [cut, Path.unlink])
@pytest.mark.parametrize("affine", [False, True])
def test_a_target_that_is_damaged_midway_is_not_published(source, tmp_path, damage, affine):
    target, seen = tmp_path / "out.zarr", []

    def progress(done, total):
        files = [path for path in (target / "c").rglob("*") if path.is_file() and path.suffix != ".partial"]
        if files and not seen:
            seen.append(files[0])
            damage(files[0])

    def run(**how):
        if affine:
            return vrdask.api.affine_zarr.affine_zarr(source, target, [2, 2, 2], 0, RESULT, chunks=8, **how)
        return vrdask.resample_zarr(source, target, RESULT, chunks=8, memory_limit="1MB", **how)

    with pytest.raises(RuntimeError, match=r"target must not change during a run; 1 of \d+ blocks .* c/\d/\d/\d first"):
        run(progress=progress)
    assert seen
    assert not opens(target)
    result = run(resume=True)
    x = zarr.open_array(source, mode="r")[:]
    assert_array_equal(
        result[:], vrdask.affine_transform(x, [2, 2, 2], 0, RESULT) if affine else vrdask.resample(x, RESULT)
    )


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


SLOW = """
import sys, time
from vrdask.runs import task as block_work
apply = block_work.compute_box
def slowly(*args, **kwargs):
    time.sleep(0.1)
    return apply(*args, **kwargs)
block_work.compute_box = slowly
from vrdask.cli import main
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
@pytest.mark.parametrize(
    ("name", "status", "said"),
    [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "stopped by SIGTERM"), ("SIGHUP", 129, "stopped by SIGHUP")],
)
def test_a_signal_that_asks_to_stop_leaves_what_resume_goes_on_from(source, tmp_path, name, status, said):
    target = tmp_path / "out.zarr"
    arguments = ["resample", str(source), str(target), "--shape", "60,48,32", "--chunks", "8", "--memory-limit", "1MB",
                 "--mode", "cubic", "--quiet"]  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", SLOW, *arguments], stderr=subprocess.PIPE, text=True)
    while not (target / "c").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(getattr(signal, name))
    _, error = process.communicate(timeout=60)
    assert process.returncode == status
    (line,) = error.strip().splitlines()
    assert line == f"Error: {said}; the target is not finished: resume=True (--resume) goes on from what is done"
    assert not (target / ".vrdask" / "lock.json").exists()
    assert list((target / ".vrdask" / "done").iterdir())
    assert not opens(target)
    again = subprocess.run([sys.executable, "-m", "vrdask", *arguments, "--resume"], check=False)
    assert again.returncode == 0
    assert_array_equal(zarr.open_array(target, mode="r")[:], expected(source))
    again = subprocess.run([sys.executable, "-m", "vrdask", *arguments, "--resume"], check=False)
    assert again.returncode == 0, "a requeued job"


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
def test_a_signal_that_is_ignored_stays_so(source, tmp_path):
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + SLOW
    arguments = ["resample", str(source), str(tmp_path / "out.zarr"), "--factor", "0.25", "--quiet"]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments])
    while not (tmp_path / "out.zarr" / ".vrdask").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 0


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
    from vrdask.runs import task

    apply = task.compute_box

    def growing(*args, **kwargs):
        zarr.open_array(source, mode="r+").resize((SHAPE[0] + 1, *SHAPE[1:]))
        return apply(*args, **kwargs)

    monkeypatch.setattr(task, "compute_box", growing)
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
    monkeypatch.setattr(retry, "SECONDS_BEFORE_RETRIES", (0.0, 0.0))
    failures = [ConnectionResetError("reset"), TimeoutError("slow")]
    get_many = objects.get_many

    def flaky(places):
        if failures and "/c/" in f"/{places[0].path}":
            raise failures.pop()
        return get_many(places)

    monkeypatch.setattr(objects, "get_many", flaky)
    result = vrdask.resample_zarr(source, tmp_path / "out.zarr", RESULT, mode="cubic")
    assert not failures
    assert_array_equal(result[:], expected(source))
    failures.append(OSError(28, "No space left on device"))
    with pytest.raises(RuntimeError, match="No space left"):
        vrdask.resample_zarr(source, tmp_path / "full.zarr", RESULT)
