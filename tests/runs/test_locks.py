"""One run at a time writes a target, however many begin, and wherever they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import rivals
import zarr
from rivals import RUNS, X, claim, lay
from zarr.storage import MemoryStore, StorePath

import vrdask
from vrdask.runs import locks
from vrdask.runs.locks import Lock, LostLockError
from vrdask.storage import objects as stores
from vrdask.storage.open_place import store_path

source = rivals.source
PAIRS = 30 if os.environ.get("HYPOTHESIS_PROFILE") == "wide" else 12


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
