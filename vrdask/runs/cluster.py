"""Run independent tasks on the workers of a dask cluster.

Tasks are handed out in batches, a bounded number at a time, so that millions of them leave the scheduler small. A batch
is as many tasks as take a fraction of a second: the scheduler's work per batch is then little, and little is lost with
a worker. What all tasks share (the plan above all) is itself a task, which every worker fetches once and which is made
again if all of its holders die.
"""

from __future__ import annotations

import logging
import pickle
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from vrdask.storage.zarr_internals import codec_threads as zarrs_threads
from vrdask.text import format_bytes

Item = TypeVar("Item")
Result = TypeVar("Result")

_log = logging.getLogger(__name__)

BATCHES_PER_WORKER_THREAD = 4
"""Batches in the scheduler's hands, per worker thread: enough to keep it busy, few enough to keep it small."""
SECONDS_PER_BATCH = 0.25
TASKS_PER_BATCH = 256
LOST_WORKERS_PER_BATCH = 3
"""How often a batch is begun again that dask has given up, after it saw several workers die at it. It may not be the
batch's fault.
"""
WORKER_BYTES = 96 << 20
"""What a worker's process takes before it does anything: the interpreter, dask, zarr and numpy."""


def active_client() -> Any | None:
    """The dask client that is active here, or None."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.default_client()
    except ValueError:
        return None


def require_memory(client: Any, peak_bytes: int) -> None:
    """Refuse a plan that takes more than a worker has, which would be killed at its first tasks.

    peak_bytes : of a process.

    Raises
    ------
    ValueError
        The smallest worker has less; says the way out.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"]
    limits = [limit for worker in workers.values() if (limit := worker.get("memory_limit"))]  # 0 or None: no limit
    if limits and peak_bytes + WORKER_BYTES > min(limits):
        raise ValueError(
            f"dask workers must have {format_bytes(peak_bytes)} of memory for the tasks of the plan, and "
            f"{format_bytes(WORKER_BYTES)} for themselves; got {format_bytes(min(limits))} for the smallest worker: "
            "give memory_limit= of what is left, or start fewer and larger workers, or workers with fewer threads"
        )


def run_on_cluster(
    work: Callable[[Item], Result], items: Iterable[Item], client: Any, name: str, run: str, peak_bytes: int = 0
) -> Iterator[Result]:
    """Call `work` on every item on the workers; yield its results as they come. The first failure ends it, when what
    is done has been given.

    name : of the tasks on the dashboard, such as "resample-cubic". run : tells apart runs of one name. peak_bytes :
    that a process takes, as planned.

    Raises
    ------
    RuntimeError
        Workers die at the same tasks again and again.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    queue = iter(items)
    threads = client.nthreads()
    ahead = BATCHES_PER_WORKER_THREAD * (sum(threads.values()) or 1)
    codec_threads = max(threads.values(), default=1)
    shared = client.submit(_same, work, key=f"{name}-plan-{run}", pure=False)
    batches: dict[Any, tuple[list[Item], int]] = {}
    number, size = 0, 1

    def submit(batch: list[Item], attempt: int = 0) -> Any:
        nonlocal number
        key = (f"{name}-{run}", number)
        number += 1
        batches[key] = (batch, attempt)
        return client.submit(_run_batch, shared, batch, codec_threads, key=key, pure=False)

    def submitted(count: int) -> Iterator[Any]:
        for _ in range(count):
            if batch := list(islice(queue, size)):
                yield submit(batch)

    running = as_completed(submitted(ahead))
    try:
        for future in running:
            batch, attempt = batches.pop(future.key)
            try:
                seconds, results, error = future.result()
            except KilledWorker:
                if attempt >= LOST_WORKERS_PER_BATCH:
                    raise _worker_lost(peak_bytes) from None
                _log.warning("a worker died at %s; begun again", future.key)
                running.add(submit(batch, attempt + 1))
                continue
            yield from results
            if error is not None:
                for other in [other for other in running.futures if other.status == "finished"]:
                    yield from other.result()[1]  # done already: not to be done again
                raise error
            fitting = int(SECONDS_PER_BATCH * len(batch) / max(seconds, 1e-9))
            size = max(1, min(fitting, 2 * size, TASKS_PER_BATCH))
            for following in submitted(1):
                running.add(following)
    finally:
        client.cancel([*running.futures, shared])


def _worker_lost(peak_bytes: int) -> RuntimeError:
    return RuntimeError(
        "dask workers died again and again at the same tasks, most likely for lack of memory: the plan takes "
        f"{format_bytes(peak_bytes)} in each beyond what it has at rest; give a smaller memory_limit=, or workers with "
        "more memory, and resume=True goes on from what is done"
    )


def _same(work: Item) -> Item:
    return work


def _run_batch(
    work: Callable[[Item], Result], batch: list[Item], codec_threads: int
) -> tuple[float, list[Result], Exception | None]:
    """Seconds, the results up to the first failure, and that failure."""
    begun = time.perf_counter()
    results: list[Result] = []
    error: Exception | None = None
    with zarrs_threads(codec_threads):
        for item in batch:
            try:
                results.append(work(item))
            except Exception as failure:
                error = _that_travels(failure)
                break
    return time.perf_counter() - begun, results, error


def _that_travels(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
