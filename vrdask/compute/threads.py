"""How many threads the kernels use.

The count is resolved here, once per call, and passed on; nothing below reads the environment. What comes first counts:

    num_threads=                 an argument of the call
    set_num_threads(n)           called in this process
    VRDASK_NUM_THREADS           in the environment
    one                          in a task of dask, a worker of torch's DataLoader, a job of joblib: they fill the cores
    set_num_threads(n)           called before this process was forked
    OMP_NUM_THREADS              or what threadpoolctl has told OpenMP's runtime
    all usable cores             the process's affinity and its cgroup's quota respected

OMP_THREAD_LIMIT bounds the last two. OpenMP's variables count as they are when this is imported, as they do for its
runtime: later on, dask's nannies set them in this process for the workers they start. The threads are our own
(kernels/pool/pool.h); OpenMP's runtime is asked how many it would start, since that is what people set. Tasks of a run
are more than threads of a call, so that its variables say nothing of them.

A count is what a call may use at most: beside processes that keep the cores busy, the pool leaves small jobs to the
caller alone (kernels/pool/patience.h). The bits are the same for any count.
"""

from __future__ import annotations

import logging
import operator
import os
import sys
import threading
from functools import lru_cache
from typing import Any

from vrdask.compute import builds
from vrdask.compute.beside import among_others
from vrdask.cores import usable_cores

_log = logging.getLogger(__name__)

_runtime = builds.load("cpu", "baseline")

HAS_OPENMP: bool = _runtime.HAS_OPENMP

VARIABLE = "VRDASK_NUM_THREADS"


def _whole(text: str) -> int | None:
    """A number of at least 1; None for anything else.

    >>> _whole(" 4 "), _whole("0"), _whole("-1"), _whole("1.5"), _whole("")
    (4, None, None, None, None)
    """
    try:
        count = int(text or 0)
    except ValueError:
        return None
    return count if count >= 1 else None


FEW_ELEMENTS = 1 << 16
"""Of fewer no kernel makes work for two threads."""

NANOSECONDS_PER_THREAD = 50_000
"""Calling a thread for less work than this costs more than it brings: it takes a few microseconds of the caller, and
some tens until a sleeping thread has woken up."""

_chosen: int | None = None
_chosen_here = True
_started_with: int = _runtime.max_threads()
_asked = _whole(os.environ.get("OMP_NUM_THREADS", "").partition(",")[0])
"""The first number of a list is that of the outermost level; what is no number OpenMP does not look at."""
_limit = _whole(os.environ.get("OMP_THREAD_LIMIT", ""))


_cores = lru_cache(maxsize=1)(usable_cores)


def set_num_threads(n: int) -> None:
    """Use `n` threads wherever `num_threads` is not given, in this process.

    Raises
    ------
    ValueError
        `n` is below 1.
    """
    global _chosen, _chosen_here
    _chosen, _chosen_here = _checked(n), True


def get_num_threads() -> int:
    """The number of threads that a call made here uses where `num_threads` is not given.

    That of `set_num_threads`; else of the environment variable VRDASK_NUM_THREADS; else one within a task of dask, a
    worker of torch's DataLoader or a job of joblib; else OMP_NUM_THREADS, or what threadpoolctl has set; else all
    usable cores. OMP_THREAD_LIMIT is respected by the last two.

    Raises
    ------
    ValueError
        VRDASK_NUM_THREADS is set, and not a whole number of at least 1.
    """
    said = _said()
    return _of_openmp() if said is None else said


def _said() -> int | None:
    """What counts before OpenMP's settings and the number of cores; None where there is no such thing."""
    if _chosen is not None and _chosen_here:
        return _chosen
    if variable := os.environ.get(VARIABLE, "").strip():
        if (count := _whole(variable)) is None:
            raise ValueError(f"{VARIABLE} must be a whole number of at least 1; got {variable!r}")
        return count
    return 1 if among_others() else _chosen


def _of_openmp() -> int:
    """As many as OpenMP is told to use, by its variables or through threadpoolctl; all usable cores where it is not."""
    now, usual = _runtime.max_threads(), _asked or _cores()
    if not HAS_OPENMP:
        count = usual
    elif _asked is None:
        count = usual if now >= usual or now == _of_torch() else now
    else:  # the runtime may have been loaded before the variable was set
        count = usual if now in (_started_with, usual) or now == _of_torch() else now
    return min(count, _limit or count)


def _of_torch() -> int | None:
    """As many as torch has OpenMP use where nobody has told it; None where there is no torch.

    It may share the runtime, and then, with its first work in a thread, sets that thread's count to the physical cores:
    that is torch's default, and nobody's wish for others. A new thread tells, whatever this one has been limited to.
    """
    torch = sys.modules.get("torch")
    return None if torch is None or not hasattr(torch, "get_num_threads") else _asked_in_a_new_thread(torch)


@lru_cache(maxsize=1)
def _asked_in_a_new_thread(torch: Any) -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def resolve(num_threads: int | None, elements: int | None = None) -> int:
    """The number of threads that a call runs on; where it may choose, one for so few elements that no more are worth
    starting, whatever is set: asking the environment would take as long as the work.
    """
    if num_threads is None and elements is not None and elements < FEW_ELEMENTS:
        return 1
    return get_num_threads() if num_threads is None else _checked(num_threads)


def threads_for(nanoseconds: float, num_threads: int) -> int:
    """Of `num_threads`, those that are worth calling for what takes one thread about so long; one at least."""
    return max(1, min(num_threads, int(nanoseconds / NANOSECONDS_PER_THREAD)))


def resolve_tasks(num_threads: int | None) -> int:
    """The number of tasks that a run does at a time, with one kernel thread each: OpenMP's variables do not count. By
    default one per usable core, or what else is said of threads; more are taken as asked for, since tasks may wait for
    a network, and logged.
    """
    count = _said() or _cores() if num_threads is None else _checked(num_threads)
    if num_threads is not None and count > (cores := usable_cores()):
        _log.warning("%d tasks at a time on %d usable cores: that helps only where they wait for a store", count, cores)
    return count


def _checked(n: int) -> int:
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(f"number of threads must be an integer; got {n!r}") from None
    if count < 1:
        raise ValueError(f"number of threads must be at least 1; got {n}")
    return count


def _after_fork() -> None:
    global _chosen_here
    _chosen_here = False
    _cores.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
