"""What it costs to wait for the disk: the same Zarr to Zarr runs with and without (`VRDASK_SYNC=0`).

python benchmarks/bench_durability.py --json durability.json
python benchmarks/bench_durability.py --size 192 --repeats 3 --folder /data

A volume of noise is halved (linear) into chunks of 64^3, into chunks of 16^3 (thousands of small files, the worst
case), and into shards of 128^3. Each round runs every case with and without, one after the other, and which comes first
changes from round to round. Before each run everything is on the disk, and what the run before has written is removed.
The figure is the ratio of medians; beside it stands how far it moves between rounds. Run it on the disk that you mean
(--folder): /tmp may be memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import zarr
from bench_kernels import machine, tell

import vrdask
from vrdask.storage.durable import VARIABLE

CASES: dict[str, dict[str, Any]] = {
    "chunks of 64": {"chunks": 64},
    "chunks of 16": {"chunks": 16},
    "shards of 128": {"chunks": 32, "shards": 128},
}


def seconds_of(source: Path, target: Path, how: dict[str, Any], waits: bool) -> float:
    """Seconds of one run, which begins with nothing left to write."""
    shutil.rmtree(target, ignore_errors=True)
    os.sync()
    os.environ[VARIABLE] = "1" if waits else "0"
    begun = time.perf_counter()
    vrdask.resample_zarr(source, target, factor=0.5, **how)
    return time.perf_counter() - begun


def file_system_of(folder: Path) -> str:
    """The kind of file system that a folder is on, where the machine says."""
    table = Path("/proc/mounts")
    if not table.exists():
        return "unknown"
    mounts = [line.split()[1:3] for line in table.read_text().splitlines()]
    inside = [(len(place), kind) for place, kind in mounts if folder.resolve().is_relative_to(place)]
    return max(inside)[1] if inside else "unknown"


def measure(folder: Path, size: int, repeats: int) -> list[dict[str, Any]]:
    source = folder / "in.zarr"
    x = np.random.default_rng(0).integers(0, 4096, (size,) * 3).astype("u2")
    zarr.create_array(source, data=x, chunks=(64,) * 3)
    taken: dict[tuple[str, bool], list[float]] = {(name, waits): [] for name in CASES for waits in (True, False)}
    for number in range(repeats + 1):
        for name, how in CASES.items():
            for waits in (True, False) if number % 2 else (False, True):
                seconds = seconds_of(source, folder / "out.zarr", how, waits)
                if number:  # the first round warms up
                    taken[name, waits].append(seconds)
    rows = []
    for name in CASES:
        with_it, without = taken[name, True], taken[name, False]
        ratios = [a / b for a, b in zip(with_it, without, strict=True)]
        rows.append(
            {
                "case": name, "waiting": median(with_it), "not_waiting": median(without),
                "ratio": median(with_it) / median(without), "lowest": min(ratios), "highest": max(ratios),
            }
        )  # fmt: skip
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=384, help="side of the source, in voxels")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; a temporary folder by default")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        about = {**machine(), "zarr": zarr.__version__, "file_system": file_system_of(Path(folder))}
        tell(about)
        rows = measure(Path(folder), options.size, options.repeats)
    print(f"\n{'':<16}{'waiting':>10}{'not':>10}{'ratio':>8}   between rounds")
    for row in rows:
        print(
            f"{row['case']:<16}{row['waiting']:>8.2f} s{row['not_waiting']:>8.2f} s{row['ratio']:>8.3f}"
            f"   {row['lowest']:.2f} to {row['highest']:.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps({"about": about, "size": options.size, "rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
