"""The main job on a volume that the demo makes: Zarr to Zarr, then proof that the seams are exact, and a picture."""

from __future__ import annotations

import sys
import time
from collections.abc import Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from vrdask.api.in_memory import resample_in_memory
from vrdask.api.resample_zarr import prepare
from vrdask.boxes import Box, Interval, ceil_div, intersection, intervals_of, regular_edges, slices_of
from vrdask.cli.phantom import SPACING, phantom
from vrdask.compute import threads
from vrdask.compute.resample_box import apply
from vrdask.images.image import Image
from vrdask.runs.at_target import Mark, Occupation, occupy
from vrdask.runs.job import Job
from vrdask.runs.progress import rate, reporting
from vrdask.targets.zarr import new_target
from vrdask.text import counted, format_bytes
from vrdask.transforms.resampling import Resampling

Array = npt.NDArray[Any]

CHUNK = 128
FACTOR = 0.6
MEMORY = "256MiB"
"""What the run may take: less than the volume does."""
BLOCK = 48
"""Side of the blocks of the picture that do not see each other."""


@dataclass(frozen=True)
class Check:
    """The result, stored and at once; and a coronal slice of it, block by block with no margin between them."""

    stored: Array
    at_once: Array
    without_margins: Array
    slice_at: int
    """Where that slice is: in the middle of a block, so that only seams across it show."""

    @property
    def differing(self) -> int:
        return int(np.count_nonzero(self.stored != self.at_once))


def make_volume(folder: Path, size: int, progress: bool) -> Path:
    """Write the phantom as an OME-Zarr image with int16 chunks."""
    place = folder / "phantom.zarr"
    shape = (size,) * 3
    axes = tuple({"name": name, "type": "space", "unit": "millimeter"} for name in "zyx")
    image = Image(axes, "0", SPACING, (0.0,) * 3, "phantom", {})
    target = new_target(place, image, shape=shape, dtype="int16", chunks=(min(CHUNK, size),) * 3, fill_value=0)
    intervals = intervals_of(regular_edges(size, CHUNK))
    boxes = [(z, y, x) for z in intervals for y in intervals for x in intervals]

    def write(box: Box) -> None:
        target.array[slices_of(box)] = phantom(shape, box)

    def write_all(done: Set[int], mark: Mark) -> None:
        with (
            reporting(progress, len(boxes), "make    ", "chunks") as report,
            ThreadPoolExecutor(threads.resolve(None)) as pool,
        ):
            report(0, len(boxes))
            for number, _ in enumerate(pool.map(write, boxes)):
                mark(number, [])
                report(number + 1, len(boxes))

    at = Occupation(target, place, {"record": 2, "phantom": size}, resume=False, overwrite=True)
    occupy(at, boxes.__getitem__, len(boxes), write_all, lambda: None)
    return place


def check_seams(job: Job, result: zarr.Array[Any]) -> Check:
    """Resample the whole volume once more, in memory and at once, to compare with."""
    what = job.plan.resampling
    source = np.asarray(job.source.array[...])
    at_once = resample_in_memory(what, source, threads.resolve(None))
    rows = intervals_of(regular_edges(what.out_shape[1], BLOCK))
    row = rows[len(rows) // 2]
    middle = sum(row) // 2
    return Check(np.asarray(result[...]), at_once, _without_margins(what, source, row, middle), middle)


def _without_margins(what: Resampling, source: Array, row: Interval, middle: int) -> Array:
    """A coronal slice, made of blocks that see their own samples alone, mirrored where they would need more: right
    positions and weights, and seams. row : of blocks, which holds it.
    """
    result = np.empty(what.out_shape[::2], what.out_dtype)
    for z, x in product(*(intervals_of(regular_edges(n, BLOCK)) for n in what.out_shape[::2])):
        block = (z, row, x)
        own = tuple(
            (start * n_in // n_out, ceil_div(stop * n_in, n_out))
            for (start, stop), n_in, n_out in zip(block, what.in_shape, what.out_shape, strict=True)
        )
        reads = what.reads(block)
        missing = [(max(0, a - first), max(0, last - b)) for (a, b), (first, last) in zip(own, reads, strict=True)]
        seen = np.pad(source[slices_of(intersection(own, reads))], missing, mode="symmetric")
        made = apply(what, seen, reads, block, 1)
        result[slices_of((z, x))] = made[:, middle - row[0], :]
    return result


def draw(path: Path, job: Job, result: zarr.Array[Any], check: Check) -> None:
    """A coronal slice before and after, and what chunking changed: here, and with blocks that do not see each other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 4)
    source = job.source.array
    middle = check.slice_at
    grey = {"cmap": "gray", "vmin": -1000, "vmax": 500, "interpolation": "nearest"}
    axes[0].imshow(source[:, middle * source.shape[1] // result.shape[1], :], **grey)
    axes[0].set_title(f"source {'x'.join(map(str, source.shape))}")
    axes[1].imshow(check.stored[:, middle, :], **grey)
    axes[1].set_title(f"result {'x'.join(map(str, result.shape))}, by chunks")
    at_once = check.at_once[:, middle, :]
    seams = _difference(check.without_margins, at_once)
    worst = max(1, int(np.percentile(np.abs(seams[seams != 0]), 90))) if seams.any() else 1
    for axis, difference, title in (
        (axes[2], _difference(check.stored[:, middle, :], at_once), "by chunks minus at once"),
        (axes[3], seams, f"blocks of {BLOCK}^3 without margins minus at once"),
    ):
        shown = axis.imshow(difference, cmap="RdBu", vmin=-worst, vmax=worst, interpolation="nearest")
        axis.set_title(f"{title}\n{np.count_nonzero(difference):,} of {difference.size:,} pixels differ", fontsize=10)
    figure.colorbar(shown, ax=axes[3], label="HU", shrink=0.7)
    for axis in axes:
        axis.set_axis_off()
    figure.savefig(path, dpi=110)


def _difference(a: Array, b: Array) -> Array:
    return a.astype(np.int32) - b.astype(np.int32)


def run_demo(folder: Path, size: int, mode: str, quiet: bool, say: Any) -> Check:
    """All of it, told to `say` line by line."""
    folder.mkdir(parents=True, exist_ok=True)
    say(f"1. Make a CT-like volume of {size}x{size}x{size} int16 voxels ({format_bytes(2 * size**3)}) as OME-Zarr.")
    volume = make_volume(folder, size, progress=not quiet)
    target = folder / "resampled.zarr"
    job = prepare(
        volume, target, factor=FACTOR, mode=mode, overwrite=True, progress=not quiet, memory_limit=MEMORY
    )  # fmt: skip
    say(f"2. Resample it, Zarr to Zarr, on {counted(job.blocks.concurrent, 'thread')} in {MEMORY}.")
    for line in str(job.plan).splitlines():
        say(f"     {line}")
    begun = time.perf_counter()
    result = job.run()
    seconds = time.perf_counter() - begun
    peak = peak_memory()
    say("3. Resample it once more, in memory and at once, and compare all of it.")
    check = check_seams(job, result)
    picture = folder / "seams.png"
    draw(picture, job, result, check)
    read, voxels = int(np.prod(job.source.array.shape)), int(np.prod(result.shape))
    say("")
    say(f"     time           {seconds:.1f} s")
    say(f"     speed          {rate(voxels, seconds)} written, {rate(read, seconds)} read")
    say(f"     peak memory    {format_bytes(peak)} (libraries included; source {format_bytes(2 * size**3)})")
    say(f"     seams          {check.differing} of {check.stored.size:,} voxels differ from resampling at once")
    say(f"     result         {target}")
    say(f"     picture        {picture}")
    return check


def peak_memory() -> int:
    """Most resident memory that this process has had, in bytes."""
    status = Path("/proc/self/status")  # on Linux rusage counts from the peak of the process that started this one
    if status.exists():
        return 1024 * next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
