"""Time `grid_sample` and `affine_transform` in memory against their peers, in one process, turn by turn.

python benchmarks/bench_sampling.py --threads 1 2 --json sampling.json
python benchmarks/bench_sampling.py --only "affine" --repeats 5

Peers that are not installed (SimpleITK, dask-image) are left out. Every call goes from numpy arrays to a new numpy
array of the same dtype; torch's affine calls make their grid of positions, which is part of the job.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import torch
import volresample

import vrdask
from vrdask.apply import ISA

Array = npt.NDArray[Any]
Call = Callable[[], Array]
Shape = tuple[int, ...]

PAUSE = 0.006
"""For as long as the threads of the call before may spin; see bench_kernels.py."""
SETTLED = 0.05
"""Calls shorter than this are called once untimed before each timed call."""
PACKAGES = ("vrdask", "volresample", "torch", "scipy", "SimpleITK", "dask-image", "numpy")


@dataclass(frozen=True)
class Row:
    """One job. field : random positions, or a smooth deformation of the identity. angles : in degrees, about z and y;
    of an affine row."""

    name: str
    in_shape: Shape
    out_shape: Shape
    mode: str = "linear"
    padding: str = "zeros"
    field: str = "random"
    angles: tuple[float, float] | None = None
    dtype: str = "float32"


ROWS = (
    Row("random 1x2x96^3 -> 80^3 linear zeros", (1, 2, 96, 96, 96), (80, 80, 80)),
    Row("random 1x2x96^3 -> 80^3 nearest zeros", (1, 2, 96, 96, 96), (80, 80, 80), "nearest"),
    Row("random 1x2x80x96x64 -> 72x88x56 linear reflection", (1, 2, 80, 96, 64), (72, 88, 56), padding="reflection"),
    *(
        Row(f"smooth 1x{channels}x128^3 {mode} border", (1, channels, 128, 128, 128), (128, 128, 128), mode, "border",
            "smooth")
        for channels in (1, 2, 8)
        for mode in ("linear", "nearest")
    ),
    Row("smooth 1x3x1024^2 linear border", (1, 3, 1024, 1024), (1024, 1024), padding="border", field="smooth"),
    Row("random 1x3x1024^2 linear zeros", (1, 3, 1024, 1024), (1024, 1024)),
    *(
        Row(f"affine 256^3 {dtype} {mode}", (256, 256, 256), (256, 256, 256), mode, "constant", angles=(10, 20),
            dtype=dtype)
        for mode, dtype in (("linear", "float32"), ("nearest", "float32"), ("cubic", "float32"), ("linear", "uint8"))
    ),
    Row("affine 256^3 float32 linear about z", (256, 256, 256), (256, 256, 256), padding="constant", angles=(10, 0)),
    Row("affine 4096^2 float32 linear", (4096, 4096), (4096, 4096), padding="constant", angles=(10, 0)),
)  # fmt: skip


def data(row: Row) -> Array:
    rng = np.random.default_rng(20)
    if row.dtype == "float32":
        return rng.random(row.in_shape, np.float32)
    return rng.integers(0, 255, row.in_shape, row.dtype)


def grid_of(row: Row) -> Array:
    """Positions between -1 and 1, x first."""
    rank = len(row.out_shape)
    rng = np.random.default_rng(21)
    if row.field == "random":
        return rng.uniform(-1, 1, (1, *row.out_shape, rank)).astype(np.float32)
    axes = [(2 * np.arange(n) + 1) / n - 1 for n in row.out_shape]
    identity = np.stack(np.meshgrid(*axes, indexing="ij")[::-1], -1)
    waves = sum(np.sin(identity[..., [k]] * rng.uniform(3, 9, rank) + rng.uniform(0, 6, rank)) for k in range(rank))
    return (identity + 0.03 * waves).astype(np.float32)[None]


def map_of(row: Row) -> tuple[Array, Array]:
    """Matrix and offset of a rotation about the centre."""
    assert row.angles is not None
    a, b = np.deg2rad(row.angles)
    matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    if len(row.in_shape) == 3:
        about_z = np.eye(3)
        about_z[1:, 1:] = matrix
        matrix = about_z @ np.array([[np.cos(b), 0, -np.sin(b)], [0, 1, 0], [np.sin(b), 0, np.cos(b)]])
    centre = (np.array(row.in_shape) - 1) / 2
    return matrix, centre - matrix @ centre


def by_vrdask(row: Row, x: Array, threads: int) -> Call:
    if row.angles is None:
        grid = grid_of(row)
        return lambda: vrdask.grid_sample(x, grid, row.mode, row.padding, num_threads=threads)
    matrix, offset = map_of(row)
    return lambda: vrdask.affine_transform(x, matrix, offset, mode=row.mode, num_threads=threads)


def by_volresample(row: Row, x: Array, threads: int) -> Call | None:
    """3-D grids."""
    if row.angles is not None or len(row.out_shape) != 3:
        return None
    grid = grid_of(row)
    volresample.set_num_threads(threads)
    return lambda: volresample.grid_sample(x, grid, mode=row.mode, padding_mode=row.padding)


def by_torch(row: Row, x: Array, threads: int) -> Call | None:
    """Not cubic; integers by way of float32."""
    if row.mode == "cubic":
        return None
    torch.set_num_threads(threads)
    sample = torch.nn.functional.grid_sample
    mode = "bilinear" if row.mode == "linear" else row.mode
    if row.angles is None:
        positions = torch.from_numpy(grid_of(row))
        return lambda: sample(
            torch.from_numpy(x), positions, mode=mode, padding_mode=row.padding, align_corners=False
        ).numpy()
    matrix, _ = map_of(row)  # a rotation about the centre of a cube; torch's axes run the other way
    theta = torch.from_numpy(np.column_stack([matrix[::-1, ::-1], np.zeros(len(matrix))])).float()[None]

    def run() -> Array:
        tensor = torch.from_numpy(x)[None, None].float()
        positions = torch.nn.functional.affine_grid(theta, list(tensor.shape), align_corners=False)
        result = sample(tensor, positions, mode=mode, align_corners=False)[0, 0]
        return (result if row.dtype == "float32" else result.round_().to(getattr(torch, row.dtype))).numpy()

    return run


def by_scipy(row: Row, x: Array, threads: int) -> Call | None:
    """Affine maps, on one thread."""
    if row.angles is None or threads != 1:
        return None
    matrix, offset = map_of(row)
    order = {"nearest": 0, "linear": 1, "cubic": 3}[row.mode]
    return lambda: scipy.ndimage.affine_transform(x, matrix, offset, order=order)


def by_itk(row: Row, x: Array, threads: int) -> Call | None:
    try:
        import SimpleITK as sitk  # noqa: N813
    except ImportError:
        return None
    if row.angles is None:
        return None
    matrix, offset = map_of(row)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    transform = sitk.AffineTransform(len(matrix))
    transform.SetMatrix(matrix[::-1, ::-1].ravel().tolist())
    transform.SetTranslation(offset[::-1].tolist())
    kind = {"nearest": sitk.sitkNearestNeighbor, "linear": sitk.sitkLinear, "cubic": sitk.sitkBSpline}[row.mode]

    def run() -> Array:
        image = sitk.GetImageFromArray(x)
        return np.asarray(sitk.GetArrayFromImage(sitk.Resample(image, image, transform, kind, 0.0)))

    return run


def by_dask_image(row: Row, x: Array, threads: int) -> Call | None:
    try:
        import dask
        import dask.array as da
        from dask_image.ndinterp import affine_transform
    except ImportError:
        return None
    if row.angles is None:
        return None
    matrix, offset = map_of(row)
    order = {"nearest": 0, "linear": 1, "cubic": 3}[row.mode]

    def run() -> Array:
        with dask.config.set(scheduler="threads", num_workers=threads):
            source = da.from_array(x, chunks=tuple(n // 2 for n in x.shape))
            return np.asarray(affine_transform(source, matrix, offset, order=order, prefilter=False))

    return run


PEERS: dict[str, Callable[[Row, Array, int], Call | None]] = {
    "vrdask": by_vrdask, "volresample": by_volresample, "torch": by_torch, "scipy": by_scipy, "SimpleITK": by_itk,
    "dask-image": by_dask_image,
}  # fmt: skip
SAME_JOB = ("volresample", "torch", "scipy", "SimpleITK")


def measure(row: Row, threads: int, repeats: int, limit: float) -> dict[str, dict[str, float]]:
    """Median and least milliseconds of each library, in rounds in which each takes one turn."""
    x = data(row)
    calls = {name: call for name, make in PEERS.items() if (call := make(row, x, threads)) is not None}
    first, ours = {}, None
    for name, call in calls.items():
        begun = time.perf_counter()
        result = call()
        first[name] = time.perf_counter() - begun
        ours = result if ours is None else ours
        wrong = float(np.mean(np.abs(result.astype("f4") - ours.astype("f4")) > (1e-3 if x.dtype.kind == "f" else 1)))
        if wrong > 0.02 and name in SAME_JOB:
            raise SystemExit(f"{row.name}: {name} does another job: {wrong:.1%} of samples differ")
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + limit
    for number in range(repeats):
        for name, call in calls.items():
            if number and first[name] > limit / 4:
                continue
            time.sleep(PAUSE)
            if first[name] < SETTLED:
                call()
            begun = time.perf_counter()
            call()
            times[name].append(1e3 * (time.perf_counter() - begun))
        if time.perf_counter() > end:
            break
    return {name: {"median": median(values), "least": min(values)} for name, values in times.items()}


def versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts (default: 1 2)")
    parser.add_argument("--repeats", type=int, default=15, help="rounds per row (default: 15)")
    parser.add_argument("--seconds", type=float, default=30.0, help="limit per row and thread count (default: 30)")
    parser.add_argument("--only", metavar="PATTERN", default="", help="rows whose name has this regular expression")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    about = {
        "machine": platform.platform(), "instruction_set": ISA, "load_before": os.getloadavg()[0], **versions()
    }  # fmt: skip
    for name, value in about.items():
        print(f"{name:<16} {value}")
    results = []
    for row in ROWS:
        if not re.search(options.only, row.name):
            continue
        for threads in options.threads:
            found = measure(row, threads, options.repeats, options.seconds)
            ours = found["vrdask"]["median"]
            cells = [f"{name} {ms['median']:.3g} ms ({ms['median'] / ours:.1f}x)" for name, ms in found.items()]
            print(f"{row.name}, threads {threads}: {', '.join(cells)}", flush=True)
            results.append({"row": asdict(row), "threads": threads, "ms": found})
    if options.json:
        options.json.write_text(json.dumps({"about": about, "results": results}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
