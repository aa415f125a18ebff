"""Zarr to Zarr: each task reads its region of the source, resamples it and writes whole chunks or shards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

import numpy.typing as npt
import zarr
from zarr.storage import MemoryStore

from vrdask import durable, stores, threads
from vrdask.block_plan import BlockPlan
from vrdask.chunk_io import ChunkIO
from vrdask.executors.at_target import Mark, Occupation, occupy, require_same_source
from vrdask.executors.block_work import BlockWork
from vrdask.executors.cluster import active_client, require_memory
from vrdask.executors.run import run_tasks
from vrdask.geometry import is_group
from vrdask.intervals import size_of
from vrdask.memory import plan_blocks
from vrdask.pictures import is_picture, picture_target
from vrdask.places import normal
from vrdask.plan import ResamplePlan
from vrdask.progress import Report, reporting
from vrdask.resampling import Resampling, resampling
from vrdask.signatures import with_parameters_of
from vrdask.sizes import parse_bytes, target_sizes
from vrdask.sources import Source, open_source
from vrdask.targets import Target, array_arguments, existing_target, new_target, refuse_place, refuse_same_array


@dataclass(frozen=True)
class Job:
    """A checked Zarr to Zarr run: nothing has been written yet."""

    source: Source
    target: Target
    blocks: BlockPlan
    at: Occupation
    progress: Any = None

    @property
    def plan(self) -> ResamplePlan:
        return self.blocks.plan

    def run(self) -> zarr.Array[Any]:
        """Run all tasks; the finished target. What a failed run has done stays, to be resumed."""
        with reporting(self.progress, math.prod(self.plan.resampling.out_shape), "resample") as report:
            count = len(self.plan) if math.prod(self.plan.resampling.out_shape) else 0
            run_tasks = partial(self._run_tasks, report)
            return occupy(self.at, lambda number: self.plan[number].writes, count, run_tasks, self._require_same_source)

    def _run_tasks(self, report: Report, done: set[int], mark: Mark) -> None:
        total = math.prod(self.plan.resampling.out_shape)
        client = None if self.target.is_local else active_client()
        settles = client is not None and self.at.durable
        work = BlockWork(self.source.array, self.target, self.blocks, uuid4().hex, settles)
        samples = sum(size_of(self.plan[number].writes) for number in done)
        numbers = (number for number in (self.blocks.numbers() if total else ()) if number not in done)
        name = f"resample-{self.plan.resampling.mode}"
        at_once, codec_threads = self.blocks.tasks_at_once, self.blocks.concurrent
        peak = self.blocks.peak_bytes
        for number, written, units in run_tasks(work, numbers, at_once, client, name, work.run, codec_threads, peak):
            samples += written
            mark(number, units)
            report(samples, total)

    def _require_same_source(self) -> None:
        require_same_source(self.source, self.at.settings)


def prepare(
    source: Any,
    target: Any,
    shape: Sequence[int] | int | None = None,
    *,
    factor: float | Sequence[float] | None = None,
    spacing: float | Sequence[float] | None = None,
    mode: str = "linear",
    align_corners: bool = False,
    axes: Sequence[int] | int | None = None,
    dtype: npt.DTypeLike | None = None,
    chunks: Sequence[int] | int | None = None,
    shards: Sequence[int] | int | None = None,
    compressors: Any = "auto",
    memory_limit: int | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Any = None,
    num_threads: int | None = None,
) -> Job:
    """Check the arguments of `resample_zarr`, plan the run, and write nothing."""
    target = normal(target)
    if resume and overwrite:
        raise ValueError("at most one of resume and overwrite may be True; got both")
    client = None if is_picture(target) else active_client()
    concurrent = threads.resolve_tasks(num_threads) if client is None else max(client.nthreads().values(), default=1)
    limit = parse_bytes(memory_limit)
    opened = open_source(source)
    array = opened.array
    axes, sizes = target_sizes(opened, shape, factor, spacing, axes, align_corners)
    what = resampling(array.shape, sizes, mode, align_corners, axes=axes, in_dtype=array.dtype, out_dtype=dtype)
    image = opened.image and opened.image.resampled(what.in_shape, what.out_shape, align_corners)
    settings: dict[str, Any] = {}
    if isinstance(target, zarr.Array):
        if resume:
            raise ValueError("resume must be False when the target is an array; give the place of a target instead")
        refuse_same_array(opened, target)
        made = existing_target(target, what, chunks, shards)
    elif is_picture(target):
        refuse_place(source, opened, target)
        if resume:
            raise ValueError(f"resume must be False for a picture, which is written at once; got {target}")
        if chunks is not None or shards is not None:
            raise ValueError(f"chunks and shards must be None for a picture; got {chunks} and {shards}")
        made = picture_target(target, what, image, opened.layout.chunks, limit, overwrite)
    else:
        refuse_place(source, opened, target)
        arguments = array_arguments(opened.layout, image, what, chunks, shards, compressors)
        made = new_target(target, replace(image, path="0") if image and is_group(image) else None, **arguments)
        settings = _settings(opened, what, made)
    if client is not None and not is_picture(target) and isinstance(made.array.store_path.store, MemoryStore):
        raise TypeError("target must be a store that all workers share; got one in this process's memory")
    at = Occupation(made, target, settings, resume, overwrite, durable.wanted())
    _, previous = at.foreseen()
    chosen = None if previous is None else previous["blocks"]
    blocks = plan_blocks(
        what,
        made.unit,
        made.array.chunks,
        opened.edges,
        concurrent,
        limit,
        chosen,
        ChunkIO(array).reading,
        ChunkIO(made.array).writing,
        shares=client is None,
    )
    if client is not None:
        require_memory(client, blocks.peak_bytes)
    settings["blocks"] = list(blocks.block)
    return Job(opened, made, blocks, at, progress)


@with_parameters_of(prepare)
def resample_zarr(*args: Any, **kwargs: Any) -> zarr.Array[Any]:
    """Resample one Zarr array into another, block by block in bounded memory; the result equals `resample` at once,
    bit for bit.

    Runs on the active dask client if there is one, else on threads of this process. The target gets its metadata when
    all chunks are written: a run that fails leaves nothing that opens as an array. What is written is on the disk
    before it counts as done and before the target is published; ``VRDASK_SYNC=0`` in the environment leaves that to the
    operating system.

    Parameters
    ----------
    source : path, URL (fsspec), store, zarr.Array, zarr.Group or Source
        Zarr format 2 or 3; of an OME-Zarr image level 0 is read, and the target becomes an OME-Zarr image (0.5) of one
        level with the new scale and translation. Or a local file: TIFF (OME-TIFF, SVS, tiled, pyramidal), NIfTI, .npy;
        the target becomes an OME-Zarr image if the file's pixel size is known and the order of its axes allows it, else
        an array that says what is known in its attribute "vrdask". `vrdask.sources.open_source` gives the source that
        is another level, series or channel.
    target : path, URL, store or zarr.Array
        Where to write (format 3). An existing array of the right shape and dtype is written into as it is. A path that
        ends in .png, .tif or .tiff becomes a picture, for results that fit in memory.
    shape, factor, spacing : exactly one of them
        Target sizes; or output samples per input sample; or the distance between output samples in the source's units
        (OME-Zarr images, and files that give it): one number for every resampled axis, or one per axis of `axes`.
    mode, align_corners, dtype : as in `resample`.
    axes : the axes to resample
        By default the last ones of space, as many as there are sizes, so that colours last are left alone; for a single
        factor or spacing all of them. Without metadata every axis counts as one of space.
    chunks, shards, compressors : of the target, as in `zarr.create_array`; the source's by default. A compressor may be
        a name with a level, such as ``"zstd:5"``: zstd, blosc, gzip, lz4, or none.
    memory_limit : int or str, optional
        Bytes for all tasks of a process together, such as ``"2GiB"``; by default 320 MiB per thread.
    resume : bool
        Go on from an unfinished run at `target` with the same settings, doing only what was not recorded as done or is
        no longer as it was written; begin where there is none; do nothing where the target was made with the same
        settings.
    overwrite : bool
        Replace what is at `target`: Zarr, an unfinished run, or a picture; never another folder, nor what the source
        belongs to. The old result goes when the new run may begin, its metadata first.
    progress : bool, callable or bar, optional
        True shows a bar on standard error; a callable gets (samples done, samples in all); a bar such as tqdm's gets
        its `total` and an `update` with the samples of each task.
    num_threads : int, optional
        Concurrent tasks, each with one kernel thread; by default `get_num_threads`. More than there are usable cores
        help only where tasks wait for a store.

    Returns
    -------
    zarr.Array
        The finished target; of a picture, an array in memory with its samples.

    Raises
    ------
    FileExistsError
        There is something at `target` that neither `overwrite` nor `resume` allows for, or another run is writing it.
    FileNotFoundError, TypeError, ValueError
        An argument is not as described; nothing has been written then.

    Examples
    --------
    >>> import numpy as np, zarr
    >>> source = zarr.create_array({}, data=np.arange(8.0), chunks=4)
    >>> resample_zarr(source, zarr.storage.MemoryStore(), factor=0.5, mode="area")[:]
    array([0.5, 2.5, 4.5, 6.5])
    """
    return prepare(*args, **kwargs).run()


def _settings(source: Source, what: Resampling, target: Target) -> dict[str, Any]:
    """What two runs must agree in for one to go on from the other."""
    return {
        "record": 2,
        "source": source.place,
        "source metadata": source.stamp(),
        "shape": what.out_shape,
        "mode": what.mode,
        "align_corners": what.align_corners,
        "dtype": str(what.out_dtype),
        "target metadata": stores.described(target.array),
    }
