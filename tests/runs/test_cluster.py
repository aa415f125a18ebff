"""Zarr to Zarr on a dask cluster: workers read and write the stores themselves, and may die."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import zarr
from distributed import Client, LocalCluster
from numpy.testing import assert_array_equal

import vrdask
from vrdask.api.affine_zarr import prepare as prepare_affine
from vrdask.api.resample_zarr import prepare
from vrdask.runs import cluster
from vrdask.runs.cluster import run_on_cluster

SHAPE, RESULT = (96, 96, 96), (48, 48, 48)


@pytest.fixture
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit="2GB") as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def source(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).integers(0, 60_000, SHAPE).astype("uint16")
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(32, 32, 32))
    return tmp_path / "in.zarr"


def slow_number(number: int) -> int:
    time.sleep(0.05)
    return number


def worker_pids(client: Client) -> list[int]:
    return [process.pid for nanny in client.cluster.workers.values() if (process := nanny.process)]


@pytest.mark.slow
def test_workers_write_the_target_and_the_bits_are_those_of_threads(client, source, tmp_path):
    seen: list[int] = []
    result = vrdask.resample_zarr(
        source, tmp_path / "out.zarr", RESULT, mode="cubic", chunks=16, memory_limit="4MB",
        progress=lambda done, total: seen.append(done),
    )  # fmt: skip
    at_once = vrdask.resample(zarr.open_array(source, mode="r")[:], RESULT, "cubic")
    assert_array_equal(result[:], at_once)
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == np.prod(RESULT)
    assert not (tmp_path / "out.zarr" / ".vrdask").exists()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["mean", "majority"])
def test_workers_downsample_with_the_bits_of_threads(client, source, tmp_path, mode):
    seen: list[int] = []
    result = vrdask.downsample_zarr(
        source, tmp_path / "out.zarr", (2, 3, 2), mode, chunks=8, shards=16, memory_limit="4MB",
        progress=lambda done, total: seen.append(done),
    )  # fmt: skip
    x = zarr.open_array(source, mode="r")[:]
    assert_array_equal(result[:], vrdask.downsample(x, (2, 3, 2), mode))
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == result.size
    assert not (tmp_path / "out.zarr" / ".vrdask").exists()


@pytest.mark.slow
def test_workers_make_a_pyramid_that_becomes_a_file(client, source, tmp_path):
    vrdask.write_pyramid(source, tmp_path / "out.ome.tif", levels=2, chunks=16)
    x = zarr.open_array(source, mode="r")[:]
    for level, factor in enumerate((1, 2, 4)):
        found = vrdask.open(tmp_path / "out.ome.tif", level=level).array[:, :, :]
        assert_array_equal(found, vrdask.downsample(x, (1, factor, factor)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_killed_again_and_again_costs_only_its_own_tasks(client):
    over = threading.Event()

    def kill_now_and_then() -> None:
        while not over.wait(1.5):
            pids = worker_pids(client)
            if pids:
                os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    try:
        results = list(run_on_cluster(slow_number, range(150), client, "numbers", "0"))
    finally:
        over.set()
        killer.join()
    assert sorted(results) == list(range(150))


def square_below_ten(number: int) -> int:
    if number >= 10:
        raise ValueError(f"number must be below 10; got {number}")
    return number**2


@pytest.mark.slow
def test_results_before_a_failure_are_given_and_it_ends_the_run(client, monkeypatch):
    monkeypatch.setattr(cluster, "SECONDS_PER_BATCH", 1e9)  # batches of 1, 2, 4, ..
    given: list[int] = []
    monkeypatch.setattr(cluster, "BATCHES_PER_WORKER_THREAD", 1)
    with pytest.raises(ValueError, match="must be below 10; got 1"):
        deque(map(given.append, run_on_cluster(square_below_ten, range(1000), client, "squares", "0")))
    assert set(given) >= {0, 1, 4}


@pytest.mark.slow
def test_a_bounded_number_of_tasks_is_in_the_schedulers_hands(client):
    most, names = 0, set()
    for _ in run_on_cluster(slow_number, range(200), client, "resample-cubic", "0123456789abcdef0123456789abcdef"):
        tasks, prefixes = client.run_on_scheduler(
            lambda dask_scheduler: (len(dask_scheduler.tasks), list(dask_scheduler.task_prefixes))
        )
        most, names = max(most, tasks), names | set(prefixes)
    assert most <= 12
    assert "resample-cubic" in names, "what the dashboard shows"


class Counted:
    """A function that counts how often it is unpickled in a process."""

    unpickled = 0

    def __call__(self, number: int) -> tuple[int, int]:
        return os.getpid(), type(self).unpickled

    def __setstate__(self, state: object) -> None:
        type(self).unpickled += 1

    def __getstate__(self) -> dict[str, int]:
        return {"state": 1}


@pytest.mark.slow
def test_thousands_of_tasks_and_what_they_share_travels_once_per_worker(client):
    results = list(run_on_cluster(Counted(), range(5000), client, "counted", "0"))
    assert len(results) == 5000
    most = {}
    for pid, count in results:
        most[pid] = max(most.get(pid, 0), count)
    assert max(most.values()) <= 2, "received once, and perhaps once more from another worker"


@pytest.mark.slow
def test_a_failed_task_on_a_worker_loses_no_other(client, source, tmp_path):
    chunk = source / "c" / "2" / "2" / "2"
    whole = chunk.read_bytes()
    chunk.write_bytes(b"")
    settings = {"mode": "linear", "chunks": 8, "memory_limit": "500kB"}
    with pytest.raises(RuntimeError, match=r"reading chunk c/2/2/2 .* failed"):
        vrdask.resample_zarr(source, tmp_path / "out.zarr", RESULT, **settings)
    chunk.write_bytes(whole)
    seen: list[int] = []
    job = prepare(source, tmp_path / "out.zarr", RESULT, resume=True, progress=lambda a, b: seen.append(a), **settings)
    result = job.run()
    assert seen[0] > np.prod(RESULT) / 2
    assert_array_equal(result[:], vrdask.resample(zarr.open_array(source, mode="r")[:], RESULT))


def test_a_plan_that_takes_more_than_a_worker_has_is_refused_before_anything_is_written(source, tmp_path):
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", memory_limit="101MiB"
        ) as small,
        Client(small),
    ):
        said = (
            r"dask workers must have .* MiB of memory for the tasks .* got 101.00 MiB for the smallest .* memory_limit="
        )
        with pytest.raises(ValueError, match=said):
            vrdask.resample_zarr(source, tmp_path / "out.zarr", RESULT, mode="cubic")
        with pytest.raises(ValueError, match=said):
            prepare_affine(source, tmp_path / "out.zarr", np.eye(3), output_shape=SHAPE)
        assert not (tmp_path / "out.zarr").exists()
        prepare(source, tmp_path / "out.zarr", RESULT, mode="cubic", chunks=16, memory_limit="4MB")  # fits


def test_workers_without_a_limit_take_any_plan(source, tmp_path):
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", memory_limit=0
        ) as unlimited,
        Client(unlimited),
    ):
        assert vrdask.resample_zarr(source, tmp_path / "out.zarr", RESULT).shape == RESULT


def die(number: int) -> int:
    os._exit(1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_workers_that_die_at_a_task_each_time_end_the_run_in_words(client, monkeypatch):
    monkeypatch.setattr(cluster, "LOST_WORKERS_PER_BATCH", 0)
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    said = r"dask workers died again and again .* the plan takes 3.00 MiB .* resume=True goes on"
    with pytest.raises(RuntimeError, match=said):
        list(run_on_cluster(die, range(4), client, "deaths", "0", 3 << 20))
