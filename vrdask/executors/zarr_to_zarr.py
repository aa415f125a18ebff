"""Zarr to Zarr: each task reads its region of the source, resamples it and writes whole chunks or shards."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy.typing as npt
import zarr

from vrdask import stores, threads
from vrdask.executors.block_work import BlockWork
from vrdask.executors.run import active_client, run_on_cluster, run_on_threads
from vrdask.geometry import attributes_of, is_group
from vrdask.intervals import ceil_div, size_of
from vrdask.memory import BlockPlan, plan_blocks
from vrdask.ome_zarr import Multiscale
from vrdask.pictures import is_picture, picture_target
from vrdask.plan import ResamplePlan
from vrdask.progress import Report, reporting
from vrdask.records import Record, Sizes, differences, in_use, unfinished
from vrdask.resampling import Resampling, resampling
from vrdask.sources import Layout, Source, open_source
from vrdask.targets import Target, clear, existing_target, is_taken, new_target

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A checked Zarr to Zarr run: nothing has been written yet."""

    source: Source
    target: Target
    place: Any
    blocks: BlockPlan
    settings: Mapping[str, Any]
    overwrite: bool
    resume: bool

    @property
    def plan(self) -> ResamplePlan:
        return self.blocks.plan

    def run(self, progress: Any = None) -> zarr.Array[Any]:
        """Run all tasks; the finished target. What a failed run has done stays, to be resumed."""
        root = self.target.root
        total = math.prod(self.plan.resampling.out_shape)
        with ExitStack() as stack:
            report = stack.enter_context(reporting(progress, total, "resample"))
            stack.enter_context(zarr.config.set({"threading.max_workers": threads.usable_cores()}))
            if root is None:
                self._run_tasks(set(), None, report, total)
                return self.target.finish()
            if self.overwrite:
                clear(self.place)
            record = stack.enter_context(Record(root, self.settings))
            done = record.done(self._stored_sizes) if self.resume else set()
            _log.info("%d of %d tasks to do: %s", len(self.plan) - len(done), len(self.plan), root)
            self._run_tasks(done, record, report, total)
            self._require_same_source()
            stores.remove_leftovers(root)
            result = self.target.finish()
            record.erase()
            return result

    def _run_tasks(self, done: set[int], record: Record | None, report: Report, total: int) -> None:
        work = BlockWork(self.plan.resampling, self.source.array, self.target, self.blocks, uuid4().hex)
        name = f"resample-{self.plan.resampling.mode}"
        tasks = enumerate(self.plan if total else ())
        samples = sum(size_of(self.plan[number].writes) for number in done)
        items = (item for item in tasks if item[0] not in done)
        client = None if self.target.is_local else active_client()
        finished = (
            run_on_threads(work, items, self.blocks.concurrent)
            if client is None
            else run_on_cluster(work, (((f"{name}-{work.run}", *item[1].index), item) for item in items), client)
        )
        for number, written, sizes in finished:
            samples += written
            if record is not None:
                record.mark(number, sizes)
            report(samples, total)

    def _stored_sizes(self, number: int) -> Sizes:
        return self.target.stored_sizes(self.plan[number].writes) if number < len(self.plan) else []

    def _require_same_source(self) -> None:
        if self.settings["source metadata"] != self.source.stamp():
            raise ValueError(f"source must not change during a run; its metadata did: {self.source.place}")


def resample_zarr(
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
) -> zarr.Array[Any]:
    """Resample one Zarr array into another, block by block in bounded memory; the result equals `resample` at once,
    bit for bit.

    Runs on the active dask client if there is one, else on threads of this process. The target gets its metadata when
    all chunks are written: a run that fails leaves nothing that opens as an array.

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
    chunks, shards, compressors : of the target, as in `zarr.create_array`; the source's by default.
    memory_limit : int or str, optional
        Bytes for all tasks of a process together, such as ``"2GiB"``; by default 256 MiB per thread.
    resume : bool
        Go on from an unfinished run at `target` with the same settings, doing only what was not recorded as done;
        begin where there is none.
    overwrite : bool
        Replace what is at `target`.
    progress : bool or callable, optional
        True shows a bar on standard error; a callable gets (samples done, samples in all).
    num_threads : int, optional
        Concurrent tasks; by default `get_num_threads`.

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
    return prepare(
        source, target, shape, factor=factor, spacing=spacing, mode=mode, align_corners=align_corners, axes=axes,
        dtype=dtype, chunks=chunks, shards=shards, compressors=compressors, memory_limit=memory_limit,
        resume=resume, overwrite=overwrite, num_threads=num_threads,
    ).run(progress)  # fmt: skip


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
    num_threads: int | None = None,
    level: int = 0,
    series: int = 0,
    channel: int | None = None,
) -> Job:
    """Check the arguments of `resample_zarr`, plan the run, and write nothing."""
    if resume and overwrite:
        raise ValueError("at most one of resume and overwrite may be True; got both")
    client = None if is_picture(target) else active_client()
    concurrent = threads.resolve(num_threads) if client is None else max(client.nthreads().values(), default=1)
    limit = parse_bytes(memory_limit)
    opened = open_source(source, level=level, series=series, channel=channel)
    array = opened.array
    axes, sizes = target_sizes(opened, shape, factor, spacing, axes, align_corners)
    what = resampling(array.shape, sizes, mode, align_corners, axes=axes, in_dtype=array.dtype, out_dtype=dtype)
    image = opened.image and opened.image.resampled(what.in_shape, what.out_shape, align_corners)
    settings: dict[str, Any] = {}
    if isinstance(target, zarr.Array):
        if resume:
            raise ValueError("resume must be False when the target is an array; give the place of a target instead")
        made = existing_target(target, what, chunks, shards)
    elif is_picture(target):
        _refuse_same_place(source, target)
        if resume:
            raise ValueError(f"resume must be False for a picture, which is written at once; got {target}")
        if chunks is not None or shards is not None:
            raise ValueError(f"chunks and shards must be None for a picture; got {chunks} and {shards}")
        made = picture_target(target, what, image, opened.layout.chunks, limit, overwrite)
    else:
        _refuse_same_place(source, target)
        arguments = _array_arguments(opened.layout, image, what, chunks, shards, compressors)
        made = new_target(target, replace(image, path="0") if image and is_group(image) else None, **arguments)
        settings = _settings(opened, what, made)
    previous = _previous_run(made, target, settings, resume, overwrite)
    chosen = None if previous is None else previous["blocks"]
    blocks = plan_blocks(what, made.unit, made.array.chunks, opened.edges, concurrent, limit, chosen)
    return Job(opened, made, target, blocks, {**settings, "blocks": list(blocks.block)}, overwrite, resume)


def _settings(source: Source, what: Resampling, target: Target) -> dict[str, Any]:
    """What two runs must agree in for one to go on from the other."""
    return {
        "record": 1,
        "source": source.place,
        "source metadata": source.stamp(),
        "shape": what.out_shape,
        "mode": what.mode,
        "align_corners": what.align_corners,
        "dtype": str(what.out_dtype),
        "target metadata": stores.described(target.array),
    }


def _previous_run(
    target: Target, place: Any, settings: Mapping[str, Any], resume: bool, overwrite: bool
) -> dict[str, Any] | None:
    """The settings of the run to resume, or None to begin; refuses a place that is taken."""
    root = target.root
    if root is None or not is_taken(place):
        return None
    if in_use(root):
        raise FileExistsError(f"target must not be in use; another run is writing {place}")
    previous = unfinished(root)
    if overwrite:
        return None
    if not resume:
        ways = "overwrite=True (--overwrite) replaces it"
        if previous is not None:
            ways = f"it holds an unfinished run, which resume=True (--resume) goes on from; {ways}"
        raise FileExistsError(f"target must not exist; got {place}: {ways}")
    if previous is None:
        raise FileExistsError(f"target must hold an unfinished run to resume; got {place}, which is something else")
    if not previous:  # its first object was cut off: nothing is known to be done
        return None
    if differing := differences({**previous, "blocks": None}, {**settings, "blocks": None}):
        raise ValueError(
            f"resume must have the settings that the run was begun with; {', '.join(differing)} differ at {place}"
        )
    return previous


def target_sizes(
    source: Source,
    shape: Sequence[int] | int | None,
    factor: float | Sequence[float] | None,
    spacing: float | Sequence[float] | None,
    axes: Sequence[int] | int | None,
    align_corners: bool,
) -> tuple[Sequence[int] | int | None, Sequence[int]]:
    """The axes to resample and their target sizes, from exactly one of shape, factor and spacing."""
    given = [name for name, value in (("shape", shape), ("factor", factor), ("spacing", spacing)) if value is not None]
    if len(given) != 1:
        raise ValueError(f"exactly one of shape, factor and spacing must be given; got {', '.join(given) or 'none'}")
    array, image = source.array, source.image
    ndim = len(array.shape)
    space = image.space_axes if image is not None else tuple(range(ndim))
    if shape is not None:
        sizes = [shape] if isinstance(shape, int) else list(shape)
        return space[-len(sizes) :] if axes is None and 0 < len(sizes) <= len(space) else axes, sizes
    asked = factor if factor is not None else spacing
    numbers = [float(number) for number in asked] if isinstance(asked, Sequence) else None
    if axes is None:
        among = space if numbers is None or len(numbers) <= len(space) else tuple(range(ndim))
        axes = among if numbers is None else among[-len(numbers) :]
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    if numbers is None:
        numbers = [float(asked)] * len(axes)  # type: ignore[arg-type]
    if len(numbers) != len(axes):
        raise ValueError(f"{given[0]} must give one number, or one per axis; got {len(numbers)} for {len(axes)} axes")
    if not all(number > 0 and math.isfinite(number) for number in numbers):
        raise ValueError(f"{given[0]} must be positive and finite; got {asked}")
    if factor is not None:
        factors = [Fraction(number) for number in numbers]
    elif image is None or any(math.isnan(image.scale[axis]) for axis in axes if -ndim <= axis < ndim):
        raise ValueError(
            "spacing must be known for the source (the scale of an OME-Zarr image, the pixel size of a file); "
            f"got {'a plain array' if image is None else source.place + ', which gives none'}: give shape or factor"
        )
    else:
        factors = [Fraction(image.scale[axis]) / Fraction(number) for axis, number in zip(axes, numbers, strict=True)]
    sizes = []
    for axis, ratio in zip(axes, factors, strict=True):
        if not -ndim <= axis < ndim:
            raise ValueError(f"axes must lie in [{-ndim}, {ndim}) for an array of {ndim} axes; got {axis}")
        n = array.shape[axis]
        exact = (n - 1) * ratio + 1 if align_corners and spacing is not None else n * ratio
        sizes.append(max(1, math.floor(exact + Fraction(1, 2))))
    return axes, sizes


def parse_bytes(limit: int | str | None) -> int | None:
    """A number of bytes from a number or a text such as "2GiB" or "500 MB"."""
    if limit is None:
        return None
    from dask.utils import parse_bytes as parse

    try:
        count = int(parse(limit))
    except (ValueError, TypeError):
        raise ValueError(f"memory_limit must be a number of bytes such as 2GiB or 500MB; got {limit!r}") from None
    if count < 1:
        raise ValueError(f"memory_limit must be positive; got {limit!r}")
    return count


def _array_arguments(
    layout: Layout,
    image: Multiscale | None,
    what: Resampling,
    chunks: Sequence[int] | int | None,
    shards: Sequence[int] | int | None,
    compressors: Any,
) -> dict[str, Any]:
    ndim = len(what.out_shape)
    chunk = _per_axis("chunks", chunks, ndim) or layout.chunks
    chunk = tuple(max(1, min(c, n)) for c, n in zip(chunk, what.out_shape, strict=True))
    shard = _per_axis("shards", shards, ndim)
    if shard is None and chunks is None and layout.shards is not None:
        shard = tuple(c * ceil_div(min(s, n), c) for s, c, n in zip(layout.shards, chunk, what.out_shape, strict=True))
    if shard is not None:
        for axis, (s, c) in enumerate(zip(shard, chunk, strict=True)):
            if s % c:
                raise ValueError(f"chunks must divide shards; got chunks of {c} and shards of {s} for axis {axis}")
    by_itself = attributes_of(image) if image is not None and not is_group(image) else {}
    return {
        "shape": what.out_shape,
        "dtype": what.out_dtype.newbyteorder("="),
        "chunks": chunk,
        "shards": shard,
        "compressors": layout.compressors if compressors == "auto" else compressors,
        "fill_value": layout.fill_value if what.out_dtype == what.in_dtype else 0,
        "dimension_names": layout.dimension_names or (image.axis_names if image is not None else None),
        "attributes": {**layout.attributes, **by_itself},
    }


def _per_axis(name: str, sizes: Sequence[int] | int | None, ndim: int) -> tuple[int, ...] | None:
    if sizes is None:
        return None
    given = (sizes,) * ndim if isinstance(sizes, int) else tuple(sizes)
    if len(given) != ndim:
        raise ValueError(f"{name} must have one size per axis; got {len(given)} for {ndim} axes")
    if not all(isinstance(size, int) and size >= 1 for size in given):
        raise ValueError(f"{name} must be positive integers; got {given}")
    return given


def _refuse_same_place(source: Any, target: Any) -> None:
    """A target at, above or inside the source would destroy what it is made from."""
    places = []
    for place in (source, target):
        if isinstance(place, Source):
            place = place.place
        if isinstance(place, zarr.Array | zarr.Group):
            place = str(place.store_path)
        text = str(place)
        local = text.removeprefix("file://") if text.startswith("file://") or "://" not in text else None
        places.append(Path(local).resolve() if local is not None and isinstance(place, str | Path) else None)
    a, b = places
    if a is not None and b is not None and (a == b or a in b.parents or b in a.parents):
        raise ValueError(f"target must lie outside the source; got {target} for the source {source}")
