"""How long each library takes for a job, and on which machine."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import vrdask
from vrdask.cli.bench.jobs import Array, Job, differing
from vrdask.compute import builds
from vrdask.cores import usable_cores

PAUSE = 0.006
"""Seconds after a call: threads of OpenMP spin for as long, on cores that the next library needs."""
MOST_ROUNDS = 25
SAME_JOB = 0.02
"""The share of samples that may differ where two libraries do one job."""
PACKAGES = {"opencv": "opencv-python-headless"}
"""Names in the package index, where they are others."""


@dataclass(frozen=True)
class Timing:
    """One library at one job."""

    ms: float
    """Median."""
    fastest_ms: float
    rounds: int
    differing: float
    """Share of samples that are another than ours."""

    @property
    def is_same_job(self) -> bool:
        return self.differing <= SAME_JOB


def timings(job: Job, peers: Sequence[str], threads: int, seconds: float) -> dict[str, Timing]:
    """Ours first, then those of the peers that do the job: medians over rounds in which each takes one turn."""
    arrays = job.make()
    calls = {name: call for name, call in job.calls.items() if name == "vrdask" or name in peers}
    first: dict[str, Array] = {name: call(*arrays, threads=threads) for name, call in calls.items()}
    off = {name: differing(first["vrdask"], result) for name, result in first.items()}
    del first
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    for _ in range(MOST_ROUNDS):
        for name, call in calls.items():
            time.sleep(PAUSE)
            begun = time.perf_counter()
            call(*arrays, threads=threads)
            taken[name].append(time.perf_counter() - begun)
        if time.perf_counter() > end:
            break
    return {name: Timing(1e3 * median(each), 1e3 * min(each), len(each), off[name]) for name, each in taken.items()}


def machine(peers: Sequence[str], threads: int) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "processor": _processor(),
        "instruction_set": builds.choose(),
        "instruction_sets": list(builds.supported()),
        "cores": usable_cores(),
        "threads": threads,
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "vrdask": vrdask.__version__,
        "peers": {name: _version(name) for name in peers},
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    for package in (name, PACKAGES.get(name, name), f"{name}-python"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return None
