"""How many threads the kernels use.

The count is resolved here, once per call, and passed on; nothing below reads the environment. By default all usable
cores (the process's affinity and its cgroup's quota respected), and one inside a dask task: dask fills the cores
already.

GNU's OpenMP hangs when a process uses it, forks, and the child uses it again; so the forked child of a process that
has used it computes on one thread.
The bits are the same for any count.
"""

from __future__ import annotations

import logging
import math
import operator
import os
from pathlib import Path

from vrdask import isa

_log = logging.getLogger(__name__)

HAS_OPENMP: bool = isa.load("cpu", "baseline").HAS_OPENMP

ELEMENTS_PER_THREAD = 1 << 15
"""Starting a thread for less work than this costs more than it brings."""

_chosen: int | None = None
_used = False
_forked = False


def usable_cores() -> int:
    """Cores that this process may use: affinity, cut down to the cgroup's CPU quota."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        cores = os.cpu_count() or 1
    return max(1, min(cores, _quota()))


def _quota() -> int:
    """CPU quota in whole cores, rounded up (cgroup versions 2 and 1); huge where there is none."""
    for quota_file, period_file in (
        ("/sys/fs/cgroup/cpu.max", None),
        ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    ):
        try:
            words = Path(quota_file).read_text().split()
            if period_file is not None:
                words += Path(period_file).read_text().split()
            if words[0] not in ("max", "-1"):
                return math.ceil(int(words[0]) / int(words[1]))
        except (OSError, ValueError, IndexError):
            continue
    return 1 << 30


def set_num_threads(n: int) -> None:
    """Use `n` threads wherever `num_threads` is not given, in this process.

    Raises
    ------
    ValueError
        `n` is below 1.
    """
    global _chosen
    _chosen = _checked(n)


def get_num_threads() -> int:
    """The number of threads used wherever `num_threads` is not given: `set_num_threads`, or all usable cores."""
    global _chosen
    if _chosen is None:
        _chosen = usable_cores()
    return _chosen


def resolve(num_threads: int | None) -> int:
    """The number of threads that a call runs on."""
    global _used
    count = get_num_threads() if num_threads is None else _checked(num_threads)
    if _forked or not HAS_OPENMP:
        return 1
    _used = _used or count > 1
    return count


def threads_for(elements: int, num_threads: int) -> int:
    """Of `num_threads`, those that are worth starting for a kernel call on so many elements; one at least."""
    return max(1, min(num_threads, elements // ELEMENTS_PER_THREAD))


def resolve_tasks(num_threads: int | None) -> int:
    """The number of tasks that a run does at a time, with one kernel thread each: no OpenMP. By default no more than
    there are usable cores; more are taken as asked for, since tasks may wait for a network, and logged.
    """
    count = get_num_threads() if num_threads is None else _checked(num_threads)
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
    global _forked
    _forked = _used


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
