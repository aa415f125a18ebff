"""Run independent tasks, a bounded number at a time: on threads, or on the workers of a dask cluster.

A task is a function of one argument that reads and writes stores itself. The first failure ends the run; what has not
started then does not start.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_log = logging.getLogger(__name__)

TASKS_PER_WORKER_THREAD = 4
"""Tasks in the scheduler's hands, per worker thread: enough to keep it busy, few enough to keep it small."""
LOST_WORKERS_PER_TASK = 20
"""How often a task is begun again because its worker died. It may not be the task's fault."""


def active_client() -> Any | None:
    """The dask client that is active here, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def run_on_threads(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
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


def run_on_cluster(
    work: Callable[[Item], Result], items: Iterable[tuple[tuple[Any, ...], Item]], client: Any
) -> Iterator[Result]:
    """The same on the workers of a dask client, for pairs of a key (a name, then numbers) and an item.

    A bounded number of tasks is in the scheduler's hands at a time. A worker that dies costs the tasks that it was at.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    queue = iter(items)
    attempts: dict[Any, tuple[Item, int]] = {}
    ahead = TASKS_PER_WORKER_THREAD * (sum(client.nthreads().values()) or 1)

    def submit(key: tuple[Any, ...], item: Item, attempt: int = 0) -> Any:
        name = (key[0] if attempt == 0 else f"{key[0]}-again-{attempt}", *key[1:])
        attempts[name] = (item, attempt)
        return client.submit(work, item, key=name, pure=False)

    running = as_completed([submit(*pair) for pair in islice(queue, ahead)])
    try:
        for future in running:
            item, attempt = attempts.pop(future.key)
            try:
                result = future.result()
            except KilledWorker:
                if attempt >= LOST_WORKERS_PER_TASK:
                    raise
                _log.warning("a worker died at %s; begun again", future.key)
                running.add(submit((str(future.key[0]).split("-again-")[0], *future.key[1:]), item, attempt + 1))
                continue
            yield result
            for pair in islice(queue, 1):
                running.add(submit(*pair))
    finally:
        client.cancel(list(running.futures))
