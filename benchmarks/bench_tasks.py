"""What a run's machinery costs without its work: a plan of many blocks whose tasks do nothing, on a local dask cluster.

python benchmarks/bench_tasks.py [--tasks 200000] [--workers 2] [--json FILE] [--png FILE]

The tasks are those of a real plan, handed out and recorded as `resample_zarr` does it. Memory is that of the process
that holds client and scheduler, which a `LocalCluster` puts together.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from bench_kernels import machine
from distributed import Client, LocalCluster
from rich.console import Console
from rich.table import Table

from vrdask.planning.choose_blocks import plan_blocks
from vrdask.planning.run_plan import RunPlan
from vrdask.runs.cluster import run_on_cluster
from vrdask.runs.record import Record
from vrdask.storage.open_place import store_path
from vrdask.transforms.resampling import resampling

SAMPLES = 20
"""Lines of the table."""


@dataclass(frozen=True)
class NoWork:
    """A task of a run that reads, computes and writes nothing; like a real one, it holds the plan."""

    blocks: RunPlan

    def __call__(self, number: int) -> tuple[int, int, list[int]]:
        task = self.blocks.plan[number]
        return number, math.prod(stop - start for start, stop in task.writes), [0]


def plan_of(tasks: int) -> RunPlan:
    """A plan of at least so many blocks of 64^3: uint8, half size."""
    side = math.ceil(tasks ** (1 / 3))
    shape = (64 * side, 64 * side, 64 * math.ceil(tasks / side**2))
    what = resampling([2 * n for n in shape], shape, "linear", False, axes=None, in_dtype="uint8", out_dtype=None)
    return plan_blocks(what, (64,) * 3, (64,) * 3, None, 1, None, block=(64,) * 3)


def measure(tasks: int, workers: int) -> dict[str, Any]:
    blocks = plan_of(tasks)
    process, samples, over = psutil.Process(), [], threading.Event()
    done = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        Record(store_path(folder, "a"), {}) as record,
    ):
        begun = time.perf_counter()

        def watch() -> None:
            while not over.wait(0.25):
                held = len(cluster.scheduler.tasks)
                samples.append((time.perf_counter() - begun, done, process.memory_info().rss, held))

        watcher = threading.Thread(target=watch)
        watcher.start()
        for number, _, sizes in run_on_cluster(NoWork(blocks), range(len(blocks.plan)), client, "no-work", "0"):
            record.mark(number, sizes)
            done += 1
        seconds = time.perf_counter() - begun
        over.set()
        watcher.join()
    settled = [memory for at, _, memory, _ in samples if at > seconds / 10]
    return {
        "tasks": done, "workers": workers, "seconds": seconds, "tasks_per_second": done / seconds,
        "scheduler_growth_mb": (settled[-1] - settled[0]) / 1e6, "most_tasks_in_scheduler": max(s[3] for s in samples),
        "samples": samples,
    }  # fmt: skip


def chart(figures: dict[str, Any], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.subplots()
    at, done, memory, _ = zip(*figures["samples"], strict=True)
    left.plot(at, [count / 1e3 for count in done], color="#2a6f97")
    left.set(xlabel="seconds", ylabel="thousand tasks done")
    right = left.twinx()
    right.plot(at, [size / 1e6 for size in memory], color="#e07a5f")
    right.set(ylabel="MB of client and scheduler", ylim=(0, None))
    left.set_title(f"{figures['tasks']:,} tasks, {figures['tasks_per_second']:,.0f} per second")
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--png", type=Path, help="draw the chart here")
    options = parser.parse_args(arguments)
    about = machine()
    figures = measure(options.tasks, options.workers)
    table = Table(title=f"{figures['tasks']:,} tasks that do nothing, {options.workers} workers")
    for name in ("seconds", "tasks done", "MB of client and scheduler", "tasks in the scheduler"):
        table.add_column(name, justify="right")
    samples = figures["samples"]
    for at, done, memory, held in samples[:: max(1, len(samples) // SAMPLES)]:
        table.add_row(f"{at:.1f}", f"{done:,}", f"{memory / 1e6:.0f}", str(held))
    console = Console() if sys.stdout.isatty() else Console(width=120)
    console.print(table)
    console.print(
        f"{figures['tasks_per_second']:,.0f} tasks per second; memory after the first tenth grew by "
        f"{figures['scheduler_growth_mb']:.0f} MB; at most {figures['most_tasks_in_scheduler']} tasks in the scheduler"
    )
    if options.json:
        options.json.write_text(json.dumps({"about": about, **figures}, indent=1) + "\n")
    if options.png:
        chart(figures, options.png)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
