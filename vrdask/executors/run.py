"""Run independent tasks, a bounded number at a time: on threads, or on the workers of a dask cluster.

A task is a function of one argument that reads and writes stores itself and returns the number of samples it wrote. The
first failure ends the run; what has not started then does not start.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")

TASKS_PER_WORKER_THREAD = 4
"""Tasks in the scheduler's hands, per worker thread: enough to keep it busy, few enough to keep it small."""


def active_client() -> Any | None:
    """The dask client that is active here, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def run_on_threads(work: Callable[[Item], int], items: Iterable[Item], threads: int) -> Iterator[int]:
    """Run `work` on every item; yield its results as they come."""
    if threads == 1:
        yield from map(work, items)
        return
    queue = iter(items)
    with ThreadPoolExecutor(threads, thread_name_prefix="vrdask") as pool:
        running = {pool.submit(work, item) for item in islice(queue, threads)}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                running |= {pool.submit(work, item) for item in islice(queue, len(done))}
        finally:
            for future in running:
                future.cancel()


def run_on_cluster(work: Callable[[Item], int], items: Iterable[Item], client: Any, label: str) -> Iterator[int]:
    """The same on the workers of a dask client; `work` travels once, items one by one."""
    from distributed import as_completed

    queue = iter(items)
    threads = sum(client.nthreads().values()) or 1
    shared = client.scatter(work, broadcast=True, hash=False)

    def submit(item: Item) -> Any:
        return client.submit(_call, shared, item, key=f"{label}-{item}-{id(queue):x}", pure=False)

    running = as_completed([submit(item) for item in islice(queue, TASKS_PER_WORKER_THREAD * threads)])
    try:
        for future in running:
            yield future.result()
            for item in islice(queue, 1):
                running.add(submit(item))
    except BaseException:
        client.cancel(list(running.futures))
        raise


def _call(work: Callable[[Item], int], item: Item) -> int:
    return work(item)
