"""Whether a call is one of many that run beside each other: in a task of dask, a data loader's worker, a job of joblib.

Those fill the cores already, so that each takes one thread. Nothing is imported here: what has not been imported is not
at work.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
from types import FrameType

POOLS = ("concurrent.futures.thread", "concurrent.futures.process", "multiprocessing.pool")
"""Whose threads and processes dask's local schedulers run tasks on."""


def among_others() -> bool:
    """Whether others like this call are likely to run at the same time, one per core."""
    return _in_a_task_on_a_cluster() or _in_a_loader() or _in_a_job() or _in_a_local_task()


def _in_a_task_on_a_cluster() -> bool:
    """Of a distributed worker, in a process or a thread of its own."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except (AttributeError, ValueError):
        return False
    return True


def _in_a_loader() -> bool:
    """In a worker process of torch's DataLoader, forked or spawned."""
    data = sys.modules.get("torch.utils.data")
    return data is not None and data.get_worker_info() is not None


def _in_a_job() -> bool:
    """Below a Parallel of joblib that runs several jobs at a time, in processes or threads."""
    parallel = sys.modules.get("joblib.parallel")
    if parallel is None:
        return False
    backend, _ = parallel.get_active_backend()
    return (getattr(backend, "nesting_level", None) or 0) > 0


def _in_a_local_task() -> bool:
    """In a task of dask's threaded or process scheduler: dask has been called by a pool.

    Neither marks its threads. The synchronous scheduler calls tasks one at a time from the thread that computes, which
    no pool has called.
    """
    if "dask.local" not in sys.modules:
        return False
    if threading.current_thread() is threading.main_thread() and multiprocessing.parent_process() is None:
        return False
    callee = ""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        caller = frame.f_globals.get("__name__", "")
        if callee.startswith("dask.") and caller in POOLS:
            return True
        callee, frame = caller, frame.f_back
    return False
