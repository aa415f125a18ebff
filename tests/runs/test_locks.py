"""One run at a time writes a target, however many begin, and wherever they are."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from zarr.storage import LocalStore, MemoryStore, StorePath

import vrdask
from vrdask.api.affine_zarr import affine_zarr, prepare
from vrdask.api.resample_zarr import resample_zarr
from vrdask.runs import locks, record, task
from vrdask.runs.locks import Lock, LostLockError
from vrdask.storage import objects as stores
from vrdask.storage.open_place import store_path

X = np.random.default_rng(0).integers(1, 60_000, (32, 32)).astype("u2")
PAIRS = 30 if os.environ.get("HYPOTHESIS_PROFILE") == "wide" else 12


@pytest.fixture
def source(tmp_path: Path) -> Path:
    zarr.create_array(tmp_path / "in.zarr", data=X, chunks=(8, 8))
    return tmp_path / "in.zarr"


def claim(**changed: object) -> dict[str, object]:
    """What a process that has ended would have claimed on this machine."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=subprocess.PIPE, check=True)
    held = {
        "token": "another",
        "host": socket.gethostname(),
        "pid": int(ended.stdout),
        "born": "1",
        "beat": time.time(),
    }
    return held | {"space": locks._space()} | changed


def lay(target: Path, held: dict[str, object]) -> Path:
    lock = target / ".vrdask" / "lock.json"
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps(held))
    return lock


RUNS = {
    "resample": lambda source, target, **how: resample_zarr(source, target, factor=0.5, chunks=4, **how),
    "affine": lambda source, target, **how: affine_zarr(source, target, [2, 2], 0.5, (16, 16), chunks=4, **how),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}], ids=["plain", "resume", "overwrite"])
@pytest.mark.parametrize(
    "changed",
    [{"space": None}, {"space": "another container"}, {"host": "another"}, {"pid": os.getpid(), "born": None}],
    ids=["unknown", "container", "host", "this process"],
)
def test_a_fresh_heartbeat_is_life_whatever_the_number_says(source, tmp_path, run, how, changed):
    held = claim(**({"space": None} | changed))
    lock = lay(tmp_path / "out.zarr", held)
    with pytest.raises(FileExistsError, match="another run is writing"):
        RUNS[run](source, tmp_path / "out.zarr", **how)
    assert json.loads(lock.read_text()) == held
    assert [path.name for path in lock.parent.iterdir()] == ["lock.json"]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    "held",
    [{}, {"space": None, "beat": time.time() - 1000}, {"host": "another", "space": "b", "beat": time.time() - 1000}],
    ids=["of this machine", "old", "old and elsewhere"],
)
def test_the_lock_of_the_dead_is_taken_over(source, tmp_path, run, held):
    lay(tmp_path / "out.zarr", claim(**held) if held else claim())
    result = RUNS[run](source, tmp_path / "out.zarr")
    assert result.shape == (16, 16)
    assert not (tmp_path / "out.zarr" / ".vrdask").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "null"])
def test_a_lock_that_was_cut_off_is_nobodys(source, tmp_path, text):
    lay(tmp_path / "out.zarr", {}).write_text(text)
    assert RUNS["affine"](source, tmp_path / "out.zarr").shape == (16, 16)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc")
def test_a_process_that_waits_to_be_buried_is_dead(source, tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    while locks._process(child.pid)[1]:
        time.sleep(0.01)
    born, runs = locks._process(child.pid)
    assert not runs
    lay(tmp_path / "out.zarr", claim(pid=child.pid, born=born))
    RUNS["resample"](source, tmp_path / "out.zarr")
    child.wait()


def test_a_lock_is_removed_by_its_owner_alone(tmp_path):
    folder = store_path(tmp_path / "lock", "a")
    mine = Lock(folder)
    mine.take()
    with pytest.raises(FileExistsError, match="another run is writing"):
        Lock(folder).take()
    mine.beat()
    theirs = json.dumps(claim(space=None)).encode()
    stores.put(folder / locks.LOCK, theirs)
    for call in (mine.require, mine.beat):
        with pytest.raises(LostLockError, match="another has taken it over"):
            call()
    mine.release()
    assert stores.get(folder / locks.LOCK) == theirs
    stores.remove(folder / locks.LOCK)
    with pytest.raises(LostLockError, match="its lock is gone"):
        mine.beat()
    assert [path.name for path in (tmp_path / "lock").iterdir()] == []


class NoExclusiveWrite(MemoryStore):
    """As object stores are: whoever writes last has written."""

    async def set_if_not_exists(self, key, value):
        raise AssertionError


@pytest.mark.parametrize("kind", ["files", "objects", "stale"])
def test_of_many_that_begin_at_once_one_gets_the_lock(tmp_path, kind):
    objects: dict = {}
    for attempt in range(20):
        place = StorePath(NoExclusiveWrite(objects), str(attempt))
        if kind != "objects":
            place = store_path(tmp_path / str(attempt), "a")
        if kind == "stale":
            stores.put(place / locks.LOCK, json.dumps(claim() if attempt == 0 else {"pid": 1}).encode())
        held = [Lock(place) for _ in range(4)]
        taken, start = [], threading.Barrier(len(held))

        def take(lock, taken=taken, start=start):
            start.wait()
            try:
                lock.take()
                taken.append(lock)
            except FileExistsError:
                pass

        threads = [threading.Thread(target=take, args=(lock,)) for lock in held]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(taken) == 1
        taken[0].require()
        taken[0].release()
        assert stores.names(place) == []


PAIR = """
import sys, time, vrdask
from vrdask.api.resample_zarr import resample_zarr
from vrdask.api.affine_zarr import affine_zarr
source, target, start, kind = sys.argv[1:]
print("ready", flush=True)
for line in sys.stdin:
    number = line.strip()
    try:
        if kind == "resample":
            resample_zarr(source, target + number, factor=0.5, chunks=4, overwrite=True, num_threads=1)
        else:
            affine_zarr(source, target + number, [-2, -2], 31, (16, 16), "nearest", chunks=4, overwrite=True,
                        num_threads=1)
        print("done", flush=True)
    except FileExistsError as error:
        print("refused", flush=True)
    except Exception as error:
        print("failed", type(error).__name__, str(error).replace(chr(10), " "), flush=True)
"""


@pytest.mark.parametrize("kinds", [("resample", "affine"), ("affine", "affine")])
def test_pairs_of_overwriting_runs_never_publish_a_wrong_target(source, tmp_path, kinds):
    results = {
        "resample": vrdask.resample(X, (16, 16)),
        "affine": vrdask.affine_transform(X, [-2, -2], 31, (16, 16), "nearest"),
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PAIR, str(source), str(tmp_path / "out"), "0", kind],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for kind in kinds
    ]  # fmt: skip
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for number in range(PAIRS):
            target = tmp_path / f"out{number}"
            zarr.create_array(target, data=np.ones((40, 40), "u2"), chunks=(4, 4))
            said = []
            for process in processes:
                process.stdin.write(f"{number}\n")
                process.stdin.flush()
            said = [process.stdout.readline().split() for process in processes]
            assert {word[0] for word in said} <= {"done", "refused"}, said
            done = [kind for kind, word in zip(kinds, said, strict=True) if word[0] == "done"]
            assert done
            found = zarr.open_array(target, mode="r")[:]
            assert any(np.array_equal(found, results[kind]) for kind in done)
            assert sorted(path.name for path in target.iterdir()) == ["c", "zarr.json"]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


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


class ZarrKeysAlone(MemoryStore):
    """As Icechunk's: no key but Zarr's."""

    async def set(self, key, value, *args):
        name = key.rsplit("/", 1)[-1]
        if name not in ("zarr.json",) and not (key.startswith("c/") or "/c/" in key):
            raise ValueError(f"invalid zarr key format {key}")
        await super().set(key, value, *args)


@pytest.mark.parametrize("run", RUNS)
def test_a_store_that_takes_no_keys_but_zarrs(source, run, monkeypatch):
    store = ZarrKeysAlone()
    result = RUNS[run](source, store)
    assert {key.split("/")[0] for key in store._store_dict} == {"zarr.json", "c"}
    with pytest.raises(FileExistsError, match="target must not exist"):
        RUNS[run](source, store)
    again = RUNS[run](source, store, overwrite=True)
    assert_array_equal(again[:], result[:])
    RUNS[run](source, store, resume=True)


def test_an_unfinished_run_in_such_a_store_is_gone_on_from_in_this_process(source, monkeypatch):
    store, apply, calls = ZarrKeysAlone(), task.compute_box, []

    def failing(*args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError("cut off")
        return apply(*args, **kwargs)

    monkeypatch.setattr(task, "compute_box", failing)
    how = {"num_threads": 1, "memory_limit": "30kB"}
    with pytest.raises(RuntimeError, match="cut off"):
        RUNS["resample"](source, store, **how)
    with pytest.raises(FileExistsError, match="unfinished run"):
        RUNS["resample"](source, store, **how)
    result = RUNS["resample"](source, store, resume=True, **how)
    assert_array_equal(result[:], vrdask.resample(X, (16, 16)))
    assert not any(".vrdask" in key for key in store._store_dict)


def test_icechunk(source):
    icechunk = pytest.importorskip("icechunk", reason="icechunk is not installed; stores like it are tested above")
    repository = icechunk.Repository.create(icechunk.in_memory_storage())
    session = repository.writable_session("main")
    for run in RUNS:
        result = RUNS[run](source, StorePath(session.store, run))
        assert result.shape == (16, 16)
        RUNS[run](source, StorePath(session.store, run), overwrite=True)
    session.commit("resampled")
    found = zarr.open_array(repository.readonly_session("main").store, path="resample", mode="r")
    assert_array_equal(found[:], vrdask.resample(X, (16, 16)))


def test_a_store_without_listing(source, tmp_path):
    class NoListing(LocalStore):
        supports_listing = False

        async def list_dir(self, prefix):
            raise NotImplementedError
            yield

        async def delete_dir(self, prefix):
            raise NotImplementedError

    for overwrite in (False, True):
        result = RUNS["affine"](source, NoListing(tmp_path / "out.zarr"), overwrite=overwrite)
        assert result.shape == (16, 16)
