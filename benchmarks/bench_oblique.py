"""Rotate a 2048^3 uint8 Zarr volume into chunks of 128^3: what each task reads, and what a run holds at a time.

python benchmarks/bench_oblique.py --depth 512

The source is made in a temporary folder: 4096 chunks of one ramp, compressed. Every task of the plan is looked at.
Those of the middle `--depth` slabs are run, Zarr to Zarr and as a dask array that is stored, each in a process of its
own, whose peak memory is read from /proc (Linux).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import product
from math import prod
from pathlib import Path

import numpy as np
import zarr
from bench_kernels import machine

import vrdask
from vrdask.boxes import Box, regular_edges, size_of
from vrdask.planning.box_plan import BoxPlan
from vrdask.text import format_bytes
from vrdask.transforms.affine import affine

SIDE, CHUNK, DEGREES = 2048, 128, 10.0

RUN = """
import os, sys, time
import dask, dask.array, numpy as np, zarr
import vrdask
from vrdask.api.affine_zarr import prepare

how, folder, depth, limit, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
sys.path.insert(0, os.environ["BENCHMARKS"])
from bench_oblique import CHUNK, SIDE, rotation

matrix, offset = rotation(depth)

def kilobytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))

def run(source, target, shape):
    if how == "zarr":
        job = prepare(source, target, matrix, offset, shape, chunks=CHUNK, memory_limit=limit, num_threads=threads)
        return job.blocks.peak_bytes, job.run
    lazy = vrdask.affine_transform(zarr.open_array(source), matrix, offset, shape, chunks=CHUNK)
    made = zarr.create_array(target, shape=lazy.shape, chunks=(CHUNK,) * 3, dtype=lazy.dtype)
    with dask.config.set(scheduler="threads", num_workers=threads):
        return 0, lambda: dask.array.store(lazy, made, lock=False)

def go(call):
    with dask.config.set(scheduler="threads", num_workers=threads):
        call()

go(run(f"{folder}/in.zarr", f"{folder}/first-{how}.zarr", (CHUNK, CHUNK, CHUNK))[1])  # imports, threads
planned, call = run(f"{folder}/in.zarr", f"{folder}/{how}.zarr", (depth, SIDE, SIDE))
before, begun = kilobytes("VmRSS"), time.perf_counter()
go(call)
print(time.perf_counter() - begun, 1024 * (kilobytes("VmHWM") - before), planned)
"""


def rotation(depth: int = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset of a turn about the first axis, for the `depth` slabs in the middle."""
    turn = np.deg2rad(DEGREES)
    matrix = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    centre = np.full(3, (SIDE - 1) / 2)
    return matrix, centre - matrix @ centre + np.array([(SIDE - depth) // 2, 0, 0])


def make_source(place: Path) -> None:
    array = zarr.create_array(place, shape=(SIDE,) * 3, chunks=(CHUNK,) * 3, dtype="uint8")
    ramp = np.arange(CHUNK)
    array[:CHUNK, :CHUNK, :CHUNK] = np.add.outer(np.add.outer(ramp // 2, ramp // 3), ramp // 4)
    first = place / "c" / "0" / "0" / "0"
    for index in np.ndindex(*[SIDE // CHUNK] * 3):
        copy = place.joinpath("c", *map(str, index))
        if copy != first:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(first, copy)


def spanned(matrix: np.ndarray, offset: np.ndarray, writes: Box) -> int:
    """Samples in the box about the positions of the corners of an output box."""
    corners = np.array(list(product(*((start, stop - 1) for start, stop in writes)))).T
    at = matrix @ corners + offset[:, None]
    low, high = np.floor(at.min(axis=1)).clip(0, SIDE - 1), np.ceil(at.max(axis=1)).clip(0, SIDE - 1)
    return int(prod(high - low + 1))


def tell_plan() -> None:
    matrix, offset = rotation()
    plan = BoxPlan(affine((SIDE,) * 3, "uint8", matrix, offset), (regular_edges(SIDE, CHUNK),) * 3, None)
    shares = [size_of(task.reads) / spanned(matrix, offset, task.writes) for task in plan]
    print(f"{len(plan)} tasks of {CHUNK}^3: none reads more than {max(shares):.3f} times what its corners span; "
          f"all together read {plan.bytes_read / SIDE**3:.2f} times the volume")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=SIDE, help=f"slabs to make (default: {SIDE}, all)")
    parser.add_argument("--memory-limit", default="512MiB", help="Zarr to Zarr (default: 512MiB)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="for source and targets (default: a temporary one)")
    options = parser.parse_args(arguments)
    for name in ("date", "machine", "cores", "load_before", "instruction_set", "vrdask"):
        print(f"{name:<16} {machine()[name]}")
    print(f"{'zarr':<16} {zarr.__version__}")
    tell_plan()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        make_source(Path(folder) / "in.zarr")
        for how in ("zarr", "dask"):
            done = subprocess.run(
                [sys.executable, "-c", RUN, how, folder, str(options.depth), options.memory_limit,
                 str(options.threads)],
                env={**os.environ, "BENCHMARKS": str(Path(__file__).parent),
                     "PYTHONPATH": os.pathsep.join([str(Path(vrdask.__file__).parents[1]),
                                                    os.environ.get("PYTHONPATH", "")])},
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            seconds, peak, planned = map(float, done.stdout.split()[-3:])
            bound = f", planned at most {format_bytes(int(planned))}" if planned else ""
            print(
                f"{how}: {options.depth}x{SIDE}x{SIDE} in {seconds:.1f} s, "
                f"{options.depth * SIDE**2 / seconds / 1e6:.0f} Mvoxels/s, peak memory {format_bytes(int(peak))}{bound}"
            )
        same = all(
            (zarr.open_array(f"{folder}/zarr.zarr")[z] == zarr.open_array(f"{folder}/dask.zarr")[z]).all()
            for z in range(0, options.depth, CHUNK)
        )
        print(f"both give the same bits: {same}")
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
