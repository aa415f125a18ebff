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
from vrdask.boxes import Box, intervals_of, regular_edges, shape_of, slices_of, within
from vrdask.cli.phantom import SPACING, phantom
from vrdask.compute import threads
from vrdask.compute.resample_box import apply
from vrdask.images.image import Image
from vrdask.runs.at_target import Mark, Occupation, occupy
from vrdask.runs.job import Job
from vrdask.runs.progress import rate, reporting
from vrdask.targets.zarr import new_target
from vrdask.text import counted, format_bytes
from vrdask.transforms.resampling import Resampling, resampling

Array = npt.NDArray[Any]

CHUNK = 128
FACTOR = 0.6
CHECKED = 192
"""Side of the box of the result that is computed again at once."""


@dataclass(frozen=True)
class Check:
    """A box of the result, three ways: as stored, at once, and block by block with no margin between blocks."""

    box: Box
    stored: Array
    at_once: Array
    without_margins: Array

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
    """Compute a box in the middle of the result, across the seams of its chunks, once more: at once."""
    what = job.plan.resampling
    box = tuple((max(0, n // 2 - CHECKED // 2), min(n, n // 2 + CHECKED // 2)) for n in what.out_shape)
    reads = what.reads(box)
    source = np.asarray(job.source.array[slices_of(reads)])
    at_once = apply(what, source, reads, box, threads.resolve(None))
    return Check(box, np.asarray(result[slices_of(box)]), at_once, _without_margins(what, source, reads, box))


def _without_margins(what: Resampling, source: Array, reads: Box, box: Box, block: int = 64) -> Array:
    """What cutting both arrays into blocks at corresponding places and resampling each block on its own gives."""
    result = np.empty(shape_of(box), what.out_dtype)
    for writes in product(*(intervals_of(regular_edges(stop - start, block) + start) for start, stop in box)):
        own = tuple(
            (max(first, start * n_in // n_out), min(last, stop * n_in // n_out))
            for (start, stop), (first, last), n_in, n_out in zip(
                writes, reads, what.in_shape, what.out_shape, strict=True
            )
        )
        piece = source[slices_of(own, (first for first, _ in reads))]
        alone = resampling(piece.shape, shape_of(writes), what.mode, in_dtype=what.in_dtype)
        result[within(writes, box)] = resample_in_memory(alone, piece, 1)
    return result


def draw(path: Path, job: Job, result: zarr.Array[Any], check: Check) -> None:
    """A coronal slice before and after, and what chunking changed: here, and with blocks that do not see each other."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 4)
    source = job.source.array
    middle = (check.box[1][1] - check.box[1][0]) // 2
    grey = {"cmap": "gray", "vmin": -1000, "vmax": 500, "interpolation": "nearest"}
    axes[0].imshow(source[:, source.shape[1] // 2, :], **grey)
    axes[0].set_title(f"source {'x'.join(map(str, source.shape))}")
    axes[1].imshow(result[:, result.shape[1] // 2, :], **grey)
    axes[1].set_title(f"result {'x'.join(map(str, result.shape))}, by chunks")
    worst = max(1, int(np.abs(_difference(check.without_margins, check.at_once)).max()) // 4)
    for axis, found, title in (
        (axes[2], check.stored, "chunked minus at once"),
        (axes[3], check.without_margins, "blocks without margins minus at once"),
    ):
        difference = _difference(found, check.at_once)
        shown = axis.imshow(difference[:, middle, :], cmap="RdBu", vmin=-worst, vmax=worst, interpolation="nearest")
        axis.set_title(f"{title}\n{np.count_nonzero(difference):,} of {difference.size:,} voxels differ", fontsize=10)
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
    job = prepare(volume, target, factor=FACTOR, mode=mode, overwrite=True, progress=not quiet)
    say(f"2. Resample it, Zarr to Zarr, on {counted(job.blocks.concurrent, 'thread')}.")
    for line in str(job.plan).splitlines():
        say(f"     {line}")
    begun = time.perf_counter()
    result = job.run()
    seconds = time.perf_counter() - begun
    say("3. Compute a box in the middle once more, all at once, and compare.")
    check = check_seams(job, result)
    picture = folder / "seams.png"
    draw(picture, job, result, check)
    read, voxels = int(np.prod(job.source.array.shape)), int(np.prod(result.shape))
    say("")
    say(f"     time           {seconds:.1f} s")
    say(f"     speed          {rate(voxels, seconds)} written, {rate(read, seconds)} read")
    say(f"     peak memory    {format_bytes(peak_memory())} (the whole process; source {format_bytes(2 * size**3)})")
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
