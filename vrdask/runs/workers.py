"""Run independent tasks, a bounded number at a time: on threads of this process, or on a dask client's workers.

A task is a function of one argument that reads and writes stores itself. The first failure ends the run; what has not
started then does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from typing import Any, TypeVar

from vrdask.runs.cluster import run_on_cluster
from vrdask.runs.process import let_go
from vrdask.storage.zarr_internals import codec_threads as zarrs_threads

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_tasks(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    client: Any,
    name: str,
    run: str,
    codec_threads: int | None = None,
    peak_bytes: int = 0,
) -> Iterator[Result]:
    """Run `work` on every item, on a dask client's workers, or on threads where `client` is None; yield its results as
    they come. name, run, peak_bytes : see `run_on_cluster`. codec_threads : of zarr, where it decodes or encodes; as
    many as `threads` where None.
    """
    if client is not None:
        yield from run_on_cluster(work, items, client, name, run, peak_bytes)
        return
    with zarrs_threads(codec_threads or threads):
        try:
            yield from run_on_threads(work, items, threads)
        finally:
            let_go(run)


def run_on_threads(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Run `work` on every item; yield its results as they come. After the first failure no task begins; those that run
    are waited for, and their results given.
    """
    if threads == 1:
        yield from map(work, items)
        return
    queue = iter(items)
    with ThreadPoolExecutor(threads, thread_name_prefix="vrdask") as pool:
        running = {pool.submit(work, item) for item in islice(queue, threads)}
        failure: BaseException | None = None
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                if error := future.exception():
                    failure = failure or error
                else:
                    yield future.result()
            if failure is None:
                running |= {pool.submit(work, item) for item in islice(queue, len(done))}
        if failure is not None:
            raise failure
