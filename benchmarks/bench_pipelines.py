"""Zarr to Zarr, half the size: our modes beside other libraries and beside the floor of decoding and encoding alone.

python benchmarks/bench_pipelines.py --folder /fast/disk --json pipelines.json --png pipelines.png
python benchmarks/bench_pipelines.py --folder /fast/disk --only "vrdask|floor" --problems 16GB --rounds 1

Every run is a process of its own, so that its peak memory is its own; contenders take turns, round by round. The page
cache is warm for all: nobody's figures hold a disk's. `pipeline_run.py` says what each contender does.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pipeline_run
import zarr
from bench_kernels import machine
from rich.console import Console
from rich.table import Table

import vrdask

CHUNK = 128
CHECKED = 256
"""Side of the box of a result that is compared with the exact means."""
PEERS = ("dask", "dask-image", "ome-zarr", "tensorstore", "volresample", "zarr", "numcodecs", "zarrs")


@dataclass(frozen=True)
class Pipeline:
    """A volume of uint16 to halve: a smooth field and noise, which zstd makes some 1.3 times smaller."""

    name: str
    shape: tuple[int, int, int]
    shards: tuple[int, int, int] | None = None

    def make(self, folder: Path) -> Path:
        """The volume; whole multiples of the first one share its chunks' files, so that they take no space."""
        place = folder / f"{self.name}.zarr"
        if (place / "zarr.json").exists():
            return place
        small = PIPELINES[0]
        if self is small or self.shards:
            array = zarr.create_array(
                place, shape=self.shape, chunks=(CHUNK,) * 3, shards=self.shards, dtype="uint16", overwrite=True
            )
            rng = np.random.default_rng(0)
            field = rng.uniform(0, 4000, tuple(n // 32 for n in self.shape)).astype(np.float32)
            step = 2 * CHUNK
            smooth = vrdask.resample(field, self.shape, "linear")
            for z in range(0, self.shape[0], step):
                noise = rng.integers(0, 64, (step, *self.shape[1:]), np.uint16)
                array[z : z + step] = smooth[z : z + step].astype(np.uint16) + noise
            return place
        first = small.make(folder)
        zarr.create_array(place, shape=self.shape, chunks=(CHUNK,) * 3, dtype="uint16", overwrite=True)
        grid = [n // CHUNK for n in small.shape]
        for index in np.ndindex(*(n // CHUNK for n in self.shape)):
            link = place.joinpath("c", *map(str, index))
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(first.joinpath("c", *(str(k % n) for k, n in zip(index, grid, strict=True))), link)
        return place


PIPELINES = (
    Pipeline("1GB", (512, 1024, 1024)),
    Pipeline("2GB-sharded", (1024, 1024, 1024), (512, 512, 512)),
    Pipeline("16GB", (2048, 2048, 2048)),
)


def wrong(source: Path, target: Path) -> dict[str, float]:
    """Where a result is not the correctly rounded mean of 2x2x2 samples: share of samples, and the largest error."""
    half = tuple(slice(n // 2 - CHECKED // 2, n // 2 + CHECKED // 2) for n in zarr.open_array(target, mode="r").shape)
    found = zarr.open_array(target, mode="r")[half].astype(np.int64)
    x = zarr.open_array(source, mode="r")[tuple(slice(2 * s.start, 2 * s.stop) for s in half)].astype(np.int64)
    total = x.reshape(CHECKED, 2, CHECKED, 2, CHECKED, 2).sum((1, 3, 5))
    error = np.abs(found - np.rint(total / 8).astype(np.int64))
    return {"differ": float((error > 0).mean()), "most": int(error.max())}


def run_one(name: str, source: Path, target: Path, threads: int, under: Sequence[str]) -> dict[str, Any] | None:
    """Figures of one run in a process of its own; None where it failed or cannot do it."""
    command = [*under, sys.executable, str(Path(pipeline_run.__file__)), name, str(source), str(target), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name}: {done.stderr.strip().splitlines()[-1] if done.stderr else done.returncode}", file=sys.stderr)
        return None
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(
    pipeline: Pipeline, folder: Path, names: Sequence[str], rounds: int, threads: int, under: Sequence[str]
) -> dict[str, Any]:
    source, target = pipeline.make(folder), folder / "target.zarr"
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    errors: dict[str, Any] = {}
    for number in range(rounds):
        for name in names:
            if number and not runs[name]:
                continue
            figures = run_one(name, source, target, threads, under)
            if figures is not None:
                runs[name].append(figures)
                print(f"{pipeline.name} {name}: {figures['seconds']:.2f} s", file=sys.stderr)
                if number == 0 and "floor" not in name:
                    errors[name] = wrong(source, target)
    shutil.rmtree(target, ignore_errors=True)
    return {
        name: {
            "seconds": median(run["seconds"] for run in each),
            "fastest": min(run["seconds"] for run in each),
            "peak_mb": median(run["peak_mb"] for run in each),
            "tasks": each[0]["tasks"],
            "runs": len(each),
            "not_the_mean": errors.get(name),
        }
        for name, each in runs.items()
        if each
    }


def table(pipeline: Pipeline, results: dict[str, Any]) -> Table:
    gigavoxels = np.prod(pipeline.shape) / 1e9
    shown = Table(title=f"{pipeline.name}: {'x'.join(map(str, pipeline.shape))} uint16 -> half")
    for column in ("", "seconds", "s per Gvoxel", "over floor", "over codecs alone", "peak MB", "tasks"):
        shown.add_column(column, justify="right" if column else "left")
    shown.add_column("not the mean of 2x2x2")
    for name, row in results.items():
        over = [
            f"{row['seconds'] / results[floor]['seconds']:.2f}" if floor in results else ""
            for floor in ("floor", "floor, codecs alone")
        ]
        error = row["not_the_mean"]
        said = (
            "" if error is None else f"{error['differ']:.1%}, by up to {error['most']}" if error["differ"] else "equal"
        )
        shown.add_row(
            name, f"{row['seconds']:.2f}", f"{row['seconds'] / gigavoxels:.2f}", *over, f"{row['peak_mb']:.0f}",
            str(row["tasks"] or "-"), said,
        )  # fmt: skip
    return shown


def chart(results: dict[str, dict[str, Any]], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 0.8 + 0.32 * max(map(len, results.values()))), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, rows) in zip(np.atleast_1d(figure.subplots(1, len(results))), results.items(), strict=True):
        colors = ["#8a8d91" if "floor" in one else "#2a6f97" if "vrdask" in one else "#e07a5f" for one in rows]
        bars = axes.barh(list(rows), [row["seconds"] for row in rows.values()], color=colors)
        axes.bar_label(bars, [f"{row['seconds']:.1f} s, {row['peak_mb']:.0f} MB" for row in rows.values()], fontsize=7)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.margins(x=0.5)
        axes.invert_yaxis()
    figure.savefig(path, dpi=130)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where volumes are made and results written")
    parser.add_argument("--problems", nargs="+", choices=[one.name for one in PIPELINES], default=["1GB"])
    parser.add_argument("--only", default="", metavar="PATTERN", help="contenders that match this regular expression")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--under", default="", metavar="COMMAND", help="run each contender under it: taskset -c 0,1")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--png", type=Path, help="draw the chart here")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in pipeline_run.CONTENDERS if re.search(options.only, name)]
    about = machine() | {"threads": options.threads}
    for package in PEERS:
        try:
            about[package] = version(package)
        except PackageNotFoundError:
            about[package] = None
    console = Console() if sys.stdout.isatty() else Console(width=150)
    results = {}
    for pipeline in PIPELINES:
        if pipeline.name in options.problems:
            results[pipeline.name] = measure(
                pipeline, options.folder, names, options.rounds, options.threads, shlex.split(options.under)
            )
            console.print(table(pipeline, results[pipeline.name]))
    if options.json:
        options.json.write_text(json.dumps({"about": about, "results": results}, indent=1) + "\n")
    if options.png:
        chart(results, options.png)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
