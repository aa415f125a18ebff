"""Zarr to Zarr through an affine map: each task reads its box of the source, samples it and writes whole units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import zarr
from zarr.storage import MemoryStore

from vrdask import threads
from vrdask.affine import Affine, affine
from vrdask.affine_plan import AffinePlan, plan_affine
from vrdask.executors.cluster import active_client
from vrdask.executors.run import run_tasks
from vrdask.executors.store_access import store_access
from vrdask.geometry import ATTRIBUTE, is_group
from vrdask.intervals import size_of
from vrdask.ome_zarr import Multiscale
from vrdask.pictures import is_picture, picture_target
from vrdask.progress import reporting
from vrdask.sample import sample_affine
from vrdask.signatures import with_parameters_of
from vrdask.sizes import parse_bytes
from vrdask.sources import Source, open_source
from vrdask.targets import Target, array_arguments, clear, is_taken, new_target, refuse_same_place


@dataclass(frozen=True)
class AffineWork:
    """Call it with a task's number; it gives back the number of samples written. Travels to workers as it is."""

    plan: AffinePlan
    source: Any
    target: Target
    run: str

    def __call__(self, number: int) -> int:
        task = self.plan[number]
        kept = self.plan.concurrent * self.plan.task_bytes
        access = store_access(self.run, self.source, self.target, self.plan.cache_capacity, kept)
        with access.reading(task.index) as read:
            box = read(task.reads)
        access.write(task.writes, sample_affine(self.plan.affine, box, task.reads, task.writes, 1, access.memory.empty))
        return size_of(task.writes)


@dataclass(frozen=True)
class AffineJob:
    """A checked run: nothing has been written yet."""

    source: Source
    target: Target
    place: Any
    plan: AffinePlan
    overwrite: bool
    progress: Any = None

    def run(self) -> zarr.Array[Any]:
        """Run all tasks; the finished target. Until then no reader takes it for an array."""
        total = math.prod(self.plan.affine.out_shape)
        with ExitStack() as stack:
            report = stack.enter_context(reporting(self.progress, total, "affine"))
            if self.overwrite:
                clear(self.place)
            work = AffineWork(self.plan, self.source.array, self.target, uuid4().hex)
            client = None if self.target.is_local else active_client()
            done = 0
            for samples in run_tasks(work, range(len(self.plan)), self.plan.concurrent, client, "affine", work.run):
                done += samples
                report(done, total)
            return self.target.finish()


def prepare(
    source: Any,
    target: Any,
    matrix: Any,
    offset: Any = 0.0,
    output_shape: Sequence[int] | int | None = None,
    mode: str = "linear",
    *,
    padding_mode: str = "constant",
    fill_value: Any = 0,
    axes: Iterable[int] | int | None = None,
    dtype: npt.DTypeLike | None = None,
    chunks: Sequence[int] | int | None = None,
    shards: Sequence[int] | int | None = None,
    compressors: Any = "auto",
    memory_limit: int | str | None = None,
    overwrite: bool = False,
    progress: Any = None,
    num_threads: int | None = None,
) -> AffineJob:
    """Check the arguments of `affine_zarr`, plan the run, and write nothing."""
    client = None if is_picture(target) else active_client()
    concurrent = threads.resolve_tasks(num_threads) if client is None else max(client.nthreads().values(), default=1)
    limit = parse_bytes(memory_limit)
    opened = open_source(source)
    what = affine(
        opened.array.shape,
        opened.array.dtype,
        matrix,
        offset,
        output_shape,
        mode,
        padding_mode,
        fill_value,
        axes,
        dtype,
    )
    if isinstance(target, zarr.Array):
        raise TypeError("target must be a place where there is nothing yet; got an array")
    refuse_same_place(source, target)
    image = opened.image and _seen_through(opened.image, what)
    if is_picture(target):
        if chunks is not None or shards is not None:
            raise ValueError(f"chunks and shards must be None for a picture; got {chunks} and {shards}")
        made: Target = picture_target(target, what, image, opened.layout.chunks, limit, overwrite)
        plan = plan_affine(what, made.unit, concurrent, limit)
        return AffineJob(opened, made, target, plan, overwrite=False, progress=progress)
    arguments = array_arguments(opened.layout, image, what, chunks, shards, compressors)
    if image is None:
        arguments["attributes"].pop(ATTRIBUTE, None)
    made = new_target(target, replace(image, path="0") if image and is_group(image) else None, **arguments)
    if client is not None and isinstance(made.array.store_path.store, MemoryStore):
        raise TypeError("target must be a store that all workers share; got one in this process's memory")
    if is_taken(target) and not overwrite:
        raise FileExistsError(f"target must not exist; got {target}: overwrite=True (--overwrite) replaces it")
    return AffineJob(opened, made, target, plan_affine(what, made.unit, concurrent, limit), overwrite, progress)


@with_parameters_of(prepare)
def affine_zarr(*args: Any, **kwargs: Any) -> zarr.Array[Any]:
    """Write one Zarr array as another seen through an affine map, in bounded memory; the result equals
    `affine_transform` at once, bit for bit.

    Parameters
    ----------
    source, target : as in `resample_zarr`; the target is a new place
        It becomes an OME-Zarr image if the source is one and the matrix is a positive diagonal; for any other map the
        axes' scale and origin would be wrong, and it becomes a plain array. A path that ends in .png, .tif or .tiff
        becomes a picture, for results that fit in memory.
    matrix, offset, output_shape, mode : as in `affine_transform`.
    padding_mode, fill_value, axes, dtype : as in `affine_transform`.
    chunks, shards, compressors, memory_limit, overwrite, progress, num_threads : as in `resample_zarr`.

    Examples
    --------
    >>> import numpy as np, zarr
    >>> source = zarr.create_array({}, data=np.arange(6.0).reshape(2, 3), chunks=(1, 3))
    >>> affine_zarr(source, zarr.storage.MemoryStore(), [[0, 1], [-1, 0]], (0, 2), (3, 2))[:]
    array([[2., 5.],
           [1., 4.],
           [0., 3.]])
    """
    return prepare(*args, **kwargs).run()


def _seen_through(image: Multiscale, what: Affine) -> Multiscale | None:
    """The image with the scale and origin of the result; None where a map does more than stretch and shift."""
    matrix = np.array(what.matrix)
    if (matrix != np.diag(np.diag(matrix))).any() or (np.diag(matrix) <= 0).any():
        return None
    scale, translation = list(image.scale), list(image.translation)
    for number, axis in enumerate(what.axes):
        translation[axis] += scale[axis] * what.offset[number]
        scale[axis] *= what.matrix[number][number]
    return replace(image, scale=tuple(scale), translation=tuple(translation))
