"""Which tasks of a plan share a stored chunk, and what of it those to come still need: pure arithmetic on plans.

Tasks come in C order of the plan's grid, the last axis fastest, or so in columns, which share nothing (see
`task_order`). A margin makes neighbours share stored chunks: of a chunk at the end of one task's reads the next needs a
few samples, of one behind that end it needs all.

         stored chunks     |.......|.......|.......|.......|
         a task reads           |----------------|
         the next reads                      |----------------|
         needed of both                 |....---------|
         kept as margins                |....|  ^ kept if all are

Along each axis a chunk's readers are tasks in a row; a task reads it if it does so along every axis. So what remains to
be read after a task is a union over axes: the same place along the axes before, a later one along this axis, any place
along those after. What is kept along an axis stays until all tasks at its next place have read it, whatever is kept
along the axes after that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from vrdask.boxes import Box, Edges, Index, Interval
from vrdask.planning.plan import AxisPlan, ResamplePlan
from vrdask.planning.task_order import Columns
from vrdask.storage.costs import WORTH_CUTTING
from vrdask.transforms.bands import Indices


class Keep(IntEnum):
    """What is kept of a chunk for the tasks after the next end of a block along an axis."""

    NOTHING = 0
    MARGINS = 1
    """What a task needs of it if that is at most half of it."""
    ALL = 2


class Shared(NamedTuple):
    """One axis's share of a chunk that a task reads: what the task needs, and whether it finds that kept; what later
    tasks of its column do, of that what is kept for them, and what any task of it does; whether no other does.
    """

    chunk: int
    now: Interval
    found: bool
    later: Interval | None
    kept: Interval | None
    ever: Interval
    alone: bool


@dataclass(frozen=True, eq=False)
class AxisSharing:
    """What the tasks along one axis read in stored chunks, one entry per task and chunk, in order of tasks.

    offsets : where each task's entries begin. chunk : its number. start, stop : what the task needs of it. found :
    whether that has been kept. following : what the next task that reads it needs begins here; -1 where none does.
    kept_start, kept_stop : what is kept for later tasks; empty where nothing is. ever_start, ever_stop : what any task
    of the column needs. alone : whether no other task of the column does. last_reader : by chunk, the last task that
    needs it. ever : samples that any task of a column needs, with those between them in a chunk, at most. widest :
    samples that one task reads, at most.
    """

    edges: Edges
    offsets: Indices
    chunk: Indices
    start: Indices
    stop: Indices
    found: np.ndarray[tuple[int], np.dtype[np.bool_]]
    following: Indices
    kept_start: Indices
    kept_stop: Indices
    ever_start: Indices
    ever_stop: Indices
    alone: np.ndarray[tuple[int], np.dtype[np.bool_]]
    last_reader: Indices
    ever: int
    widest: int

    @cached_property
    def decoded(self) -> int:
        """Samples of the whole chunks that are decoded."""
        return int(np.diff(self.edges)[self.chunk[~self.found]].sum())

    @cached_property
    def decoded_rows(self) -> int:
        """Samples of chunks that are decoded up to what is needed, from their beginning."""
        whole = np.diff(self.edges)[self.chunk]
        rows = np.maximum(self.stop, self.kept_stop) - self.edges[self.chunk]
        return int(np.where(rows <= WORTH_CUTTING * whole, rows, whole)[~self.found].sum())

    @cached_property
    def held(self) -> int:
        """Samples that are kept at most from one task to the next."""
        lengths = np.append(0, np.cumsum(self.kept_stop - self.kept_start))
        return int(np.diff(lengths[self.offsets]).max(initial=0))

    @cached_property
    def widest_ever(self) -> int:
        """Of the chunks that one task reads, at most."""
        lengths = np.append(0, np.cumsum(self.ever_stop - self.ever_start))
        return int(np.diff(lengths[self.offsets]).max(initial=0))

    def of(self, task: int) -> list[Shared]:
        """The chunks that a task reads."""
        entries = slice(int(self.offsets[task]), int(self.offsets[task + 1]))
        columns = (
            self.chunk, self.start, self.stop, self.found, self.following, self.kept_start, self.kept_stop,
            self.ever_start, self.ever_stop, self.alone,
        )  # fmt: skip
        return [
            Shared(
                chunk=k,
                now=(start, stop),
                found=found,
                later=None if following < 0 else (following, end),
                kept=(first, last) if last > first else None,
                ever=(ever, end),
                alone=alone,
            )
            for k, start, stop, found, following, first, last, ever, end, alone in zip(
                *(one[entries].tolist() for one in columns), strict=True
            )
        ]


def axis_sharing(axis: AxisPlan, edges: Edges, keep: Keep, column: int) -> AxisSharing:
    """The sharing along one axis of a plan, whose source's stored chunks end at `edges`.

    column : tasks of a column along this axis.
    """
    first_chunk = np.searchsorted(edges, axis.reads_start, side="right") - 1
    many = np.maximum(np.searchsorted(edges, axis.reads_stop, side="left") - first_chunk, 0)
    many[axis.reads_stop <= axis.reads_start] = 0
    offsets = np.append(0, np.cumsum(many))
    task = np.repeat(np.arange(len(axis)), many)
    chunk = np.arange(len(task)) - np.repeat(offsets[:-1], many) + first_chunk[task]
    start = np.maximum(axis.reads_start[task], edges[chunk])
    stop = np.minimum(axis.reads_stop[task], edges[chunk + 1])

    own = chunk + task // max(column, 1) * len(edges)  # every column has chunks of its own
    numbers, own = np.unique(own, return_inverse=True)
    order = np.lexsort((task, own))  # a chunk's readers side by side; their needs begin and end in ascending order
    place = np.arange(len(order))
    begins = np.append(0, np.cumsum(np.bincount(own)))
    share = (stop - start)[order] / np.maximum((edges[chunk + 1] - edges[chunk])[order], 1)
    kept = share <= {Keep.NOTHING: -1.0, Keep.MARGINS: 0.5, Keep.ALL: 1.0}[keep]
    after = np.minimum.accumulate(np.where(kept, place, len(order))[::-1])[::-1]
    after = np.append(after[1:], len(order))
    end = begins[own[order] + 1]
    last = np.maximum.accumulate(np.where(kept, place, -1))[end - 1]
    some = after < end
    kept_start, kept_stop, following, found = (np.zeros(len(order), np.int64) for _ in range(4))
    kept_start[order] = np.where(some, start[order][np.where(some, after, 0)], 0)
    kept_stop[order] = np.where(some, stop[order][np.where(some, last, 0)], 0)
    following[order] = np.where(place + 1 < end, start[order][np.minimum(place + 1, len(order) - 1)], -1)
    found[order] = kept & (place > begins[own[order]])
    ever_start, ever_stop = start[order][begins[:-1]], stop[order][begins[1:] - 1]
    last_reader = np.zeros(len(edges) - 1, np.int64)
    np.maximum.at(last_reader, chunk, task)
    return AxisSharing(
        edges=edges,
        offsets=offsets,
        chunk=chunk,
        start=start,
        stop=stop,
        found=found.astype(bool),
        following=following,
        kept_start=kept_start,
        kept_stop=kept_stop,
        ever_start=ever_start[own],
        ever_stop=ever_stop[own],
        alone=np.diff(begins)[own] == 1,
        last_reader=last_reader,
        ever=int(np.bincount(numbers // len(edges), ever_stop - ever_start).max(initial=0)),
        widest=int((axis.reads_stop - axis.reads_start).max(initial=0)),
    )


class Sharing:
    """What each task of a plan needs of each stored chunk, and what those after it do.

    keep : for each axis, what is kept for tasks further along it. concurrent : tasks at a time. in_parts : whether
    tasks read their boxes in several parts, which share chunks, too. column : tasks along each axis of the columns in
    which they come; all of them where it is empty.
    """

    def __init__(
        self,
        plan: ResamplePlan,
        keep: Sequence[Keep],
        concurrent: int = 1,
        in_parts: bool = False,
        column: Index = (),
    ) -> None:
        assert plan.in_edges is not None
        self.concurrent = concurrent
        self.in_parts = in_parts
        self._columns = Columns(plan.shape, column or plan.shape)
        along = zip(plan.axes, plan.in_edges, keep, self._columns.sizes, strict=True)
        self._axes = [axis_sharing(*one) for one in along]
        self._of = lru_cache(maxsize=256)(lambda axis, task: self._axes[axis].of(task))

    def chunks(self, task: Index) -> Iterator[tuple[Index, Box, list[Box]]]:
        """The chunks that a task shares with others or reads in several parts, in C order: index, what it needs, and
        what is kept for later tasks, a box for those further along each axis.
        """
        for shares in product(*(self._of(axis, number) for axis, number in enumerate(task))):
            if not self.in_parts and all(one.alone for one in shares):
                continue
            now = tuple(one.now for one in shares)
            boxes, found = [], False
            for axis, share in enumerate(shares):
                later = share.later if found else share.kept
                if later is not None:
                    boxes.append((*now[:axis], later, *(one.ever for one in shares[axis + 1 :])))
                found |= share.found
            yield tuple(one.chunk for one in shares), now, boxes

    def before(self, task: Index) -> Index | None:
        """The task before one."""
        place = self.position(task)
        return self._columns.index(place - 1) if place else None

    def position(self, task: Index) -> int:
        """Of a task in the order in which they come."""
        return self._columns.position(task)

    def last_reader(self, chunk: Index) -> Index:
        """The last task that reads a chunk."""
        return tuple(int(axis.last_reader[k]) for axis, k in zip(self._axes, chunk, strict=True))
