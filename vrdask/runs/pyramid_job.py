"""A run that makes a pyramid, checked and planned, then done pass by pass through the one engine (`at_target`)."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from vrdask.compute import threads
from vrdask.images.image import Image
from vrdask.planning.pyramid_passes import Pass, ResamplePass, Stored
from vrdask.planning.pyramid_plan import PyramidPlan, plan_pyramid
from vrdask.runs.at_target import Mark, Occupation, occupy, require_same_source
from vrdask.runs.beside import run_beside
from vrdask.runs.cluster import active_client, require_memory
from vrdask.runs.progress import Report, reporting
from vrdask.runs.pyramid_task import PyramidWork
from vrdask.runs.record import Units
from vrdask.runs.summary import notes_of
from vrdask.runs.task import BlockWork
from vrdask.runs.workers import run_tasks
from vrdask.sources import Source, open_source
from vrdask.sources.as_zarr import as_zarr
from vrdask.sources.source import stays
from vrdask.storage import durable, objects
from vrdask.storage.chunk_array import ChunkIO
from vrdask.storage.cropped import chunk_io
from vrdask.targets import Target
from vrdask.targets.pyramid import PyramidTarget
from vrdask.transforms.pyramid import Pyramid

if TYPE_CHECKING:
    import zarr

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PyramidJob:
    """A checked run: nothing has been written yet.

    images : of all levels. at : what it means to do at its target's place. labels : those of its label images by
    name, which come when the image is there.
    """

    source: Source
    target: PyramidTarget
    plan: PyramidPlan
    images: tuple[Image, ...]
    at: Occupation
    progress: Any = None
    labels: tuple[tuple[str, PyramidJob], ...] = ()

    @property
    def pyramid(self) -> Pyramid:
        return self.plan.pyramid

    @property
    def passed_in_all(self) -> int:
        """Bytes that progress counts: what tasks begin with, and what is read again for a file."""
        return self.plan.passed_in_all + self.target.bytes_to_finish

    def run(self) -> Any:
        """Run all tasks; the finished group, or the full level of a file. What a failed run has done stays."""
        for note in notes_of(self.source, self.target, self.images[0] if self.target.file is None else None):
            _log.warning("%s", note)
        with reporting(self.progress, self.passed_in_all, "pyramid", "B") as report:
            target = self.target.telling(lambda n: report(self.plan.passed_in_all + n, self.passed_in_all))
            found = occupy(
                replace(self.at, target=target), self.plan.writes, len(self.plan), partial(self._run_tasks, report),
                lambda: require_same_source(self.source, self.at.settings),
            )  # fmt: skip
        run_beside(self.target, self.labels)
        return found if self.target.file is None else as_zarr(open_source(self.target.file))

    def _run_tasks(self, report: Report, done: Set[int], mark: Mark) -> None:
        plan, total = self.plan, self.passed_in_all
        passed = sum(map(plan.passed, done))
        report(passed, total)
        client = None if self.target.is_local or stays(self.source) else active_client()
        for which, one in enumerate(plan.passes):
            start = plan.starts[which]
            numbers = (number for number in one.numbers() if start + number not in done)
            for number, counted, units in self._run_pass(which, one, numbers, client):
                passed += counted
                mark(start + number, units)
                report(passed, total)

    def _run_pass(
        self, which: int, one: Pass | ResamplePass, numbers: Iterator[int], client: Any
    ) -> Iterator[tuple[int, int, Units]]:
        """Run some tasks of a pass; numbers, bytes that they count for, and what their units hold."""
        plan, settles = self.plan, client is not None and self.at.durable
        first = self.target.levels[one.first] if self.target.first <= one.first and which else self.source.array
        work: Any
        if isinstance(one, ResamplePass):
            level = Target(self.target.levels[one.last], self.target.root, None)
            work = BlockWork(first, level, one.run, uuid4().hex, settles)
        else:
            shared = plan.concurrent if plan.shares[which] else 1
            work = PyramidWork(
                first, self.target, one, uuid4().hex, plan.cache_bytes(which), plan.peak_bytes, shared, settles
            )
        for number, _, units in run_tasks(
            work, numbers, plan.tasks_at_once(which), client, self.pyramid.label, work.run, plan.concurrent,
            plan.peak_bytes,
        ):  # fmt: skip
            yield number, one.passed(number), units


def prepare_pyramid(
    source: Source,
    pyramid: Pyramid,
    images: Sequence[Image],
    target: PyramidTarget,
    place: Any,
    *,
    limit: int | None,
    resume: bool,
    overwrite: bool,
    progress: Any,
    num_threads: int | None,
    in_place: Mapping[str, Any] | None = None,
) -> PyramidJob:
    """Check a run, plan it, and write nothing.

    place : of the target, as the caller named it. limit : bytes for a process. in_place : `stands` and `clear` of an
    `Occupation`, where levels are added to an image that stays.
    """
    client = None if stays(source) else active_client()
    if client is not None and target.is_local:
        raise TypeError("target must be a store that all workers share; got one in this process's memory")
    concurrent = threads.resolve_tasks(num_threads) if client is None else max(client.nthreads().values(), default=1)
    settings: dict[str, Any] = {
        "record": 2,
        "source": source.place,
        "source metadata": source.stamp(),
        **pyramid.settings(),
        "image": [
            [[*map(_known, one.scale)], [*map(_known, one.translation)], [dict(axis) for axis in one.axes]]
            for one in images
        ],
        "target metadata": [
            [path, objects.described(array)]
            for path, array in list(zip(target.paths, target.levels, strict=True))[target.first :]
        ],
    }
    at = Occupation(target, place, settings, resume, overwrite, durable.wanted(), **(in_place or {}))
    _, previous = at.foreseen()
    source_io = chunk_io(source.array)
    plan = plan_pyramid(
        pyramid,
        [_stored(array) for array in target.levels],
        concurrent,
        limit,
        source.array.chunks,
        source_io.reading,
        copies=not target.first,
        shares=client is None,
        blocks=None if previous is None else previous["blocks"],
    )
    if client is not None:
        require_memory(client, plan.peak_bytes)
    settings["blocks"] = plan.blocks
    forms = {level: pyramid.sum_form(level) for level in plan.sums_at}
    if forms and target.metadata_first and client is not None:
        raise TypeError(
            "target must be a store in which a run may keep sums for its workers; got one whose sessions are "
            "committed: run on threads, or give larger chunks or fewer levels"
        )
    target = target.with_sums({level: (form.dtype, form.limbs) for level, form in forms.items()})
    return PyramidJob(source, target, plan, tuple(images), replace(at, target=target), progress)


def _known(number: float) -> float | None:
    """A number as JSON, in which two that are not known are the same."""
    return number if math.isfinite(number) else None


def _stored(array: zarr.Array[Any]) -> Stored:
    chunks = ChunkIO(array, whose="the target's chunks")
    unit, writing = array.shards or array.chunks, chunks.writing
    return Stored(unit if writing.by_zarr else array.chunks, unit, writing, chunks.reading)
