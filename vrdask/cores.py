"""How many cores this process may use, and work on several threads."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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


def mapped(work: Callable[[Item], Result], items: Sequence[Item], count: int, name: str) -> list[Result]:
    """`work` on every item, on so many threads, or here where no other can start; some of it may be done twice."""
    if count > 1 and len(items) > 1:
        with ThreadPoolExecutor(count, thread_name_prefix=name) as pool:
            try:
                futures = [pool.submit(work, item) for item in items]
            except RuntimeError:  # can't start new thread
                pass
            else:
                return [future.result() for future in futures]
    return [work(item) for item in items]
