"""Zarr to Zarr through an affine map: each task reads its box of the source, samples it and writes whole units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import zarr
from zarr.storage import MemoryStore

from vrdask import durable, stores, threads
from vrdask.affine import Affine, affine
from vrdask.affine_plan import AffinePlan, plan_affine
from vrdask.executors.at_target import Mark, Occupation, occupy, require_same_source
from vrdask.executors.cluster import active_client, require_memory
from vrdask.executors.run import run_tasks
from vrdask.executors.store_access import store_access, written
from vrdask.geometry import ATTRIBUTE, is_group
from vrdask.intervals import size_of
from vrdask.ome_zarr import Multiscale
from vrdask.pictures import is_picture, picture_target
from vrdask.places import normal
from vrdask.progress import Report, reporting
from vrdask.records import Units
from vrdask.sample import sample_affine
from vrdask.signatures import with_parameters_of
from vrdask.sizes import parse_bytes
from vrdask.sources import Source, open_source
from vrdask.targets import Target, array_arguments, new_target, refuse_place


@dataclass(frozen=True)
class AffineWork:
    """Call it with a task's number; it gives back the number, the samples written and what the units hold. Travels to
    workers as it is. settles : as in `BlockWork`.
    """

    plan: AffinePlan
    source: Any
    target: Target
    run: str
    settles: bool = False

    def __call__(self, number: int) -> tuple[int, int, Units]:
        task = self.plan[number]
        kept = self.plan.concurrent * self.plan.task_bytes
        access = store_access(self.run, self.source, self.target, self.plan.cache_capacity, kept)
        with access.reading(task.index) as read:
            box = read(task.reads)
        access.write(task.writes, sample_affine(self.plan.affine, box, task.reads, task.writes, 1, access.memory.empty))
        return number, size_of(task.writes), written(access, self.target, task.writes, self.settles)


@dataclass(frozen=True)
class AffineJob:
    """A checked run: nothing has been written yet."""

    source: Source
    target: Target
    plan: AffinePlan
    at: Occupation
    progress: Any = None

    def run(self) -> zarr.Array[Any]:
        """Run all tasks; the finished target. Until then no reader takes it for an array."""
        with reporting(self.progress, math.prod(self.plan.affine.out_shape), "affine") as report:
            run_tasks = partial(self._run_tasks, report)
            return occupy(
                self.at, lambda number: self.plan[number].writes, len(self.plan), run_tasks, self._require_same_source
            )

    def _run_tasks(self, report: Report, finished: set[int], mark: Mark) -> None:
        total = math.prod(self.plan.affine.out_shape)
        client = None if self.target.is_local else active_client()
        settles = client is not None and self.at.durable
        work = AffineWork(self.plan, self.source.array, self.target, uuid4().hex, settles)
        done = sum(size_of(self.plan[number].writes) for number in finished)
        numbers = (number for number in range(len(self.plan)) if number not in finished)
        at_once, peak = self.plan.concurrent, self.plan.peak_bytes
        for number, samples, units in run_tasks(work, numbers, at_once, client, "affine", work.run, peak_bytes=peak):
            done += samples
            mark(number, units)
            report(done, total)

    def _require_same_source(self) -> None:
        require_same_source(self.source, self.at.settings)


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
    resume: bool = False,
    overwrite: bool = False,
    progress: Any = None,
    num_threads: int | None = None,
) -> AffineJob:
    """Check the arguments of `affine_zarr`, plan the run, and write nothing."""
    if resume and overwrite:
        raise ValueError("at most one of resume and overwrite may be True; got both")
    target = normal(target)
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
    refuse_place(source, opened, target)
    image = opened.image and _seen_through(opened.image, what)
    if is_picture(target):
        if resume:
            raise ValueError(f"resume must be False for a picture, which is written at once; got {target}")
        if chunks is not None or shards is not None:
            raise ValueError(f"chunks and shards must be None for a picture; got {chunks} and {shards}")
        made: Target = picture_target(target, what, image, opened.layout.chunks, limit, overwrite)
        plan = plan_affine(what, made.unit, concurrent, limit)
        return AffineJob(
            opened, made, plan, Occupation(made, target, {}, resume, overwrite, durable.wanted()), progress
        )
    arguments = array_arguments(opened.layout, image, what, chunks, shards, compressors)
    if image is None:
        arguments["attributes"].pop(ATTRIBUTE, None)
    made = new_target(target, replace(image, path="0") if image and is_group(image) else None, **arguments)
    if client is not None and isinstance(made.array.store_path.store, MemoryStore):
        raise TypeError("target must be a store that all workers share; got one in this process's memory")
    settings = _settings(opened, what, made)
    at = Occupation(made, target, settings, resume, overwrite, durable.wanted())
    _, previous = at.foreseen()
    plan = plan_affine(what, made.unit, concurrent, limit, None if previous is None else previous["blocks"])
    if client is not None:
        require_memory(client, plan.peak_bytes)
    settings["blocks"] = list(plan.block)
    return AffineJob(opened, made, plan, at, progress)


def _settings(source: Source, what: Affine, target: Target) -> dict[str, Any]:
    """What two runs must agree in for one to go on from the other."""
    return {
        "record": 2,
        "source": source.place,
        "source metadata": source.stamp(),
        "shape": what.out_shape,
        "matrix": [list(map(repr, row)) for row in what.matrix],
        "offset": list(map(repr, what.offset)),
        "axes": what.axes,
        "mode": what.sampling.mode,
        "padding_mode": repr(what.sampling.padding),
        "fill_value": repr(what.sampling.fill),
        "dtype": str(what.out_dtype),
        "target metadata": stores.described(target.array),
    }


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
    chunks, shards, compressors, memory_limit : as in `resample_zarr`.
    resume, overwrite, progress, num_threads : as in `resample_zarr`.

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
