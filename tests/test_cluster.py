"""Zarr to Zarr on a dask cluster: workers read and write the stores themselves, and may die."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from distributed import Client, LocalCluster
from numpy.testing import assert_array_equal

import vrdask
from vrdask.executors.run import run_on_cluster

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
        items = ((("numbers", k), k) for k in range(150))
        results = list(run_on_cluster(slow_number, items, client))
    finally:
        over.set()
        killer.join()
    assert sorted(results) == list(range(150))


@pytest.mark.slow
def test_a_bounded_number_of_tasks_is_in_the_schedulers_hands(client):
    most = 0
    items = ((("counted", k), k) for k in range(200))
    for _ in run_on_cluster(slow_number, items, client):
        most = max(most, client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)))
    assert most <= 12
