"""What planning costs: tasks, seconds and memory to build a plan; for lazy results graph tasks per output chunk,
seconds to build the graph, and bytes that its tasks take from others, over the bytes of the source.

python benchmarks/bench_plan.py [--json FILE]
python benchmarks/bench_plan.py --workers 4
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import dask.array as da
import zarr
from rich.console import Console
from rich.table import Table

import vrdask
from vrdask.lazy import blocks

GRAPH_TASKS = 10_000
"""Graphs are built for plans of at most this many output chunks: their size is a constant per chunk."""


@dataclass(frozen=True)
class Plan:
    """A job to plan: whole arrays in, `out_shape` of the resampled `axes` out."""

    name: str
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    mode: str
    in_chunks: tuple[int, ...]
    out_chunks: tuple[int, ...]
    dtype: str
    axes: tuple[int, ...] | None = None

    def build(self) -> vrdask.ResamplePlan:
        forget()
        return vrdask.plan_resample(
            self.in_shape, self.out_shape, self.mode, axes=self.axes,
            in_chunks=self.in_chunks, out_chunks=self.out_chunks, dtype=self.dtype,
        )  # fmt: skip


PLANS = (
    Plan("CT to isotropic", (350, 512, 512), (525, 341, 341), "cubic", (128, 128, 128), (128, 128, 128), "int16"),
    Plan(
        "slide to 1/7.3", (80_000, 100_000, 3), (10_959, 13_699), "area", (512, 512, 3), (512, 512, 3), "uint8", (0, 1)
    ),
    Plan("light sheet, half", (4000, 6000, 6000), (2000, 3000, 3000), "cubic", (128,) * 3, (128,) * 3, "uint16"),
    Plan("chunks below the margin", (200, 200, 200), (150, 150, 150), "cubic", (8,) * 3, (16,) * 3, "float32"),
    Plan("a million chunks", (20_000,) * 3, (10_000,) * 3, "linear", (200,) * 3, (100,) * 3, "uint8"),
    Plan("a million chunks, cubic", (12_800,) * 3, (19_200,) * 3, "cubic", (128,) * 3, (192,) * 3, "uint16"),
)


def forget() -> None:
    """Empty every cache of the package: tables are part of a plan's cost."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "vrdask":
            for value in vars(module).values():
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def graph_tasks(p: Plan, source: Any) -> tuple[int, float, int]:
    """Nodes of a lazy result's graph, less the source's own; seconds to build it; bytes of blocks, and of parts cut out
    of blocks, that output chunks take: what travels where every task is on another worker.
    """
    own = len(source.__dask_graph__()) if isinstance(source, da.Array) else 0
    start = time.perf_counter()
    lazy = vrdask.resample(source, p.out_shape, p.mode, axes=p.axes, chunks=p.out_chunks)
    seconds = time.perf_counter() - start
    graph = dict(lazy.__dask_graph__())
    moved = sum(
        taken_bytes(key, source)
        for name, node in graph.items()
        if isinstance(name, tuple) and name[0] == lazy.name
        for key in node.dependencies
        if isinstance(key, tuple)
    )
    return len(graph) - own, seconds, moved


def taken_bytes(key: tuple[Any, ...], source: da.Array) -> int:
    """The size of a block, or of a part of one, whose key says where it starts and stops."""
    numbers = key[1 + source.ndim :]
    if numbers:
        return math.prod(stop - start for start, stop in batched_pairs(numbers)) * source.dtype.itemsize
    return math.prod(sizes[k] for sizes, k in zip(source.chunks, key[1:], strict=True)) * source.dtype.itemsize


def batched_pairs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def measure(p: Plan) -> dict[str, Any]:
    p.build()  # imports, once
    start = time.perf_counter()
    plan = p.build()
    build = time.perf_counter() - start
    start = time.perf_counter()
    deque(plan, maxlen=0)
    walk = time.perf_counter() - start
    del plan
    forget()
    tracemalloc.start()
    plan = p.build()
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    row: dict[str, Any] = {
        "tasks": len(plan), "build_seconds": build, "walk_seconds": walk,
        "held_mb": held / 1e6, "peak_mb": peak / 1e6, "read_amplification": plan.read_amplification,
    }  # fmt: skip
    if len(plan) <= GRAPH_TASKS:
        stored = zarr.create_array({}, shape=p.in_shape, chunks=p.in_chunks, dtype=p.dtype)
        sources = {"zarr": stored, "dask": da.zeros(p.in_shape, chunks=p.in_chunks, dtype=p.dtype)}
        for kind, source in sources.items():
            nodes, seconds, moved = graph_tasks(p, source)
            row |= {f"{kind}_per_chunk": nodes / len(plan), f"{kind}_seconds": seconds}
            if moved:
                row["moved_over_source"] = moved / plan.source_bytes
    return row


def fetched_bytes(dask_worker: Any) -> int:
    """What a worker has fetched from others."""
    return sum(one["total"] for one in dask_worker.transfer_incoming_log)


def measure_on_workers(count: int) -> None:
    """A volume of 2 GB to half, cubic, on processes of this machine: with slabs of margins and without."""
    from distributed import Client, LocalCluster

    usual = blocks.WIDEST_SLAB
    for name, blocks.WIDEST_SLAB in (("slabs", usual), ("no slabs", 0)):
        blocks.part_taken.cache_clear()
        with (
            LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=":0") as local,
            Client(local) as client,
        ):
            source = da.random.default_rng(0).integers(0, 60_000, (1024,) * 3, "uint16", chunks=128)
            lazy = vrdask.resample(source, (512,) * 3, "cubic", chunks=128)
            tasks = (len(dict(lazy.__dask_graph__())) - source.npartitions) / lazy.npartitions
            start = time.perf_counter()
            lazy.sum().compute()
            seconds = time.perf_counter() - start
            fetched = sum(client.run(fetched_bytes).values()) / source.nbytes
        print(f"{name}: {tasks:.1f} tasks per chunk, {seconds:.1f} s, workers fetched {fetched:.2f} of the source")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--workers", type=int, help="measure bytes that so many workers fetch from each other, instead")
    options = parser.parse_args(arguments)
    if options.workers:
        measure_on_workers(options.workers)
        return 0
    columns = {
        "tasks": ",d", "build_seconds": ".3f", "walk_seconds": ".2f", "held_mb": ".2f", "peak_mb": ".2f",
        "read_amplification": ".2f", "zarr_per_chunk": ".3f", "zarr_seconds": ".2f", "dask_per_chunk": ".3f",
        "dask_seconds": ".2f", "moved_over_source": ".2f",
    }  # fmt: skip
    table = Table(
        title=f"vrdask {vrdask.__version__}: plans and graphs; tasks per output chunk, without the source's own"
    )
    table.add_column("plan", no_wrap=True)
    for name in columns:
        table.add_column(name.replace("_", " "), justify="right")
    figures = []
    for p in PLANS:
        row = measure(p)
        figures.append({**asdict(p), **row})
        table.add_row(p.name, *(format(row[name], form) if name in row else "" for name, form in columns.items()))
    (Console() if sys.stdout.isatty() else Console(width=150)).print(table)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
