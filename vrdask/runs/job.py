"""A run from a source to a target, of any transform: checked and planned, then done block by block."""

from __future__ import annotations

import logging
import math
from collections.abc import Set
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from vrdask.boxes import size_of
from vrdask.compute import threads
from vrdask.images.image import Image
from vrdask.images.ome_zarr import require_version
from vrdask.planning.choose_blocks import plan_blocks
from vrdask.planning.plan import ByAxis
from vrdask.planning.run_plan import RunPlan
from vrdask.runs.apart import require_apart
from vrdask.runs.at_target import Mark, Occupation, occupy, require_same_source
from vrdask.runs.beside import run_beside
from vrdask.runs.cluster import active_client, require_memory
from vrdask.runs.progress import Report, reporting
from vrdask.runs.summary import before_and_after, notes_of
from vrdask.runs.target_sizes import chunks_and_shards, parse_bytes
from vrdask.runs.task import BlockWork
from vrdask.runs.workers import run_tasks
from vrdask.sources import Source, open_source
from vrdask.sources.source import stays
from vrdask.storage import durable, objects
from vrdask.storage.cropped import chunk_io
from vrdask.storage.kinds import is_array
from vrdask.storage.layout import Layout
from vrdask.storage.places import normal
from vrdask.targets import Request, Target, format_of, open_target
from vrdask.targets.shown import picture_window
from vrdask.transforms.affine import Affine
from vrdask.transforms.transform import Transform

if TYPE_CHECKING:
    import zarr

_log = logging.getLogger("vrdask")
"""Tells what a run reads and makes, at the level INFO, and what a target cannot hold, at WARNING."""


@dataclass(frozen=True)
class Job:
    """A checked run: nothing has been written yet.

    blocks : its tasks, and what they take. at : what it means to do at its target's place. image : what the result is
    an image of, whether or not its target can say so.
    """

    source: Source
    target: Target
    blocks: RunPlan
    at: Occupation
    progress: Any = None
    image: Image | None = None
    notes: tuple[str, ...] = ()
    """What the source says of itself that is not kept, or the target cannot hold: a line each, told by the run."""
    labels: tuple[tuple[str, Job], ...] = ()
    """Those of its label images by name, which come when the image is there."""

    @property
    def transform(self) -> Transform:
        return self.blocks.transform

    @property
    def plan(self) -> Any:
        """The tasks: a `ResamplePlan` or a `BoxPlan`."""
        return self.blocks.plan

    def run(self) -> zarr.Array[Any]:
        """Run all tasks; the finished target. What a failed run has done stays, to be resumed."""
        result = self.carry_out()
        if self.target.file is None and is_array(result):
            return result
        from vrdask.sources.as_zarr import as_zarr

        if self.target.file is not None:
            return as_zarr(open_source(self.target.file))
        return as_zarr(replace(open_source(result.samples), layout=Layout(result.chunks)))

    def carry_out(self) -> Any:
        """The same for whoever needs the file alone: its target's array, for which nothing is imported."""
        for note in self.notes:
            _log.warning("%s", note)
        total = math.prod(self.transform.out_shape)
        with reporting(self.progress, total, self.transform.label.partition("-")[0]) as report:
            count = len(self.plan) if total else 0
            for name, said in before_and_after(self):
                _log.info("%s: %s", name, said)
            result = occupy(
                self.at, lambda number: self.plan[number].writes, count, partial(self._run_tasks, report),
                lambda: require_same_source(self.source, self.at.settings),
            )  # fmt: skip
        run_beside(self.target, self.labels)
        return result

    def _run_tasks(self, report: Report, done: Set[int], mark: Mark) -> None:
        total, blocks = math.prod(self.transform.out_shape), self.blocks
        client = None if self.target.is_local else _client(self.source, self.target)
        settles = client is not None and self.at.durable
        within = report.within if client is None else None
        work = BlockWork(self.source.array, self.target, blocks, uuid4().hex, settles, within)
        samples = sum(size_of(self.plan[number].writes) for number in done)
        report(samples, total)
        numbers = (number for number in (blocks.numbers() if total else ()) if number not in done)
        for number, written, units in run_tasks(
            work, numbers, blocks.tasks_at_once, client, self.transform.label, work.run, blocks.concurrent,
            blocks.peak_bytes,
        ):  # fmt: skip
            samples += written
            mark(number, units)
            report(samples, total)


def prepare_job(
    given: Any,
    source: Source,
    transform: ByAxis | Affine,
    image: Image | None,
    target: Any,
    *,
    chunks: Any = None,
    shards: Any = None,
    compressors: Any = "auto",
    memory_limit: int | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Any = None,
    num_threads: int | None = None,
    ome_zarr_version: str = "0.5",
    keep_order: bool = False,
    window: Any = None,
    keeps_numbers: bool = False,
) -> Job:
    """Check how a result is to be stored and the run to be done, plan it, and write nothing.

    given : the source as the caller named it. image : what the result is an image of; None where that is not known.
    """
    if resume and overwrite:
        raise ValueError("at most one of resume and overwrite may be True; got both")
    target, limit = normal(target), parse_bytes(memory_limit)
    if not is_array(target):
        format_of(target)
    require_apart(given, source, target)
    chunks, shards = chunks_and_shards(source, chunks, shards, transform.out_shape)
    require_version(ome_zarr_version)
    shown = picture_window(target, window)
    request = Request(
        chunks, shards, compressors, limit, resume, overwrite, ome_zarr_version, keep_order, shown, keeps_numbers,
        threads.resolve_tasks(num_threads),
    )  # fmt: skip
    made = open_target(target, source.layout, image, transform, request)
    client = _client(source, made)
    concurrent = threads.resolve_tasks(num_threads) if client is None else max(client.nthreads().values(), default=1)
    if client is not None and made.is_local:
        raise TypeError("target must be a store that all workers share; got one in this process's memory")
    settings = {} if made.root is None else _settings(source, transform, made)
    at = Occupation(made, target, settings, resume, overwrite, durable.wanted())
    _, previous = at.foreseen()
    blocks = plan_blocks(
        transform,
        made.unit,
        made.chunks,
        source.edges,
        concurrent,
        limit,
        None if previous is None else previous["blocks"],
        chunk_io(source.array).reading,
        made.writing,
        shares=client is None,
    )
    if client is not None:
        require_memory(client, blocks.peak_bytes)
    settings["blocks"] = list(blocks.block)
    return Job(source, made, blocks, at, progress, image, notes_of(source, made, made.image))


def _client(source: Source, target: Target) -> Any | None:
    """The dask client whose workers do the tasks; None where only this process can."""
    return None if target.is_whole or stays(source) else active_client()


def _settings(source: Source, transform: Transform, target: Target) -> dict[str, Any]:
    """What two runs must agree in for one to go on from the other."""
    return {
        "record": 2,
        "source": source.place,
        "source metadata": source.stamp(),
        **transform.settings(),
        "target metadata": objects.described(target.array),
    }
