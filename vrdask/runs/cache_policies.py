"""What a cache of decoded chunks keeps: what the plan says that tasks to come need, or the latest chunks.

By the plan, nothing is kept in vain, and of each chunk no more than the margins that are needed; keeping chunks whole
would take several times the memory. A plan is a help, never a condition: what has not been kept is decoded again.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from math import inf

import numpy as np

from vrdask.boxes import Box, Index, contains, hull, shape_of, size_of
from vrdask.buffers import Empty
from vrdask.dtypes import DType
from vrdask.planning.sharing import Sharing
from vrdask.runs.chunk_cache import Held

Needs = dict[Index, tuple[Box, list[Box]]]
"""By chunk that a task shares: what it needs of it, and what those after it do."""


class ByRecency:
    """The latest chunks, whole, at most `capacity` bytes."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._latest: OrderedDict[Index, Held] = OrderedDict()
        self.bytes = 0

    def begin(self, task: Index) -> None:
        """Nothing is known of tasks."""

    def end(self, task: Index) -> None:
        """Nothing is known of tasks."""

    def is_shared(self, task: Index, chunk: Index) -> bool:
        return True

    def kept(self, chunk: Index) -> Sequence[Held]:
        if chunk not in self._latest:
            return ()
        self._latest.move_to_end(chunk)
        return (self._latest[chunk],)

    def wanted(self, task: Index, chunk: Index, part: Box, place: Box) -> Box:
        return place

    def keep(self, task: Index, chunk: Index, held: Held) -> None:
        if (before := self._latest.pop(chunk, None)) is not None:
            self.bytes -= before.bytes
        self._latest[chunk] = held
        self.bytes += held.bytes
        while self.bytes > self._capacity:
            self.bytes -= self._latest.popitem(last=False)[1].bytes


class ByPlan:
    """What tasks to come need, at most `capacity` bytes.

    empty : makes the arrays of parts of chunks.
    """

    def __init__(self, sharing: Sharing, dtype: DType, capacity: int, empty: Empty = np.empty) -> None:
        self._sharing, self._dtype, self._capacity, self._empty = sharing, dtype, capacity, empty
        self._kept: dict[Index, list[Held]] = {}
        self.bytes = 0
        self._reading: dict[Index, Needs] = {}
        self._finished: dict[Index, Needs] = {}
        self._begun: deque[Index] = deque(maxlen=4 * sharing.concurrent)
        self._late: set[Index] = set()

    def begin(self, task: Index) -> None:
        """Count a task as under way, and the one before it, where that has been handed out, too, and is a little late:
        threads do not begin in the order in which they get their tasks.
        """
        place = self._sharing.position
        before, earliest = self._sharing.before(task), place(task) - self._sharing.concurrent - 1
        for other in [other for other in self._late if place(other) < earliest]:
            self._late.remove(other)
            self._finished[other] = self._reading.pop(other)
        begun = {*self._begun, *self._reading, *self._finished}
        late = before is not None and before not in begun and self._sharing.before(before) in begun
        for one in [task, *([before] if before is not None and late else [])]:
            self._reading[one] = {chunk: (now, later) for chunk, now, later in self._sharing.chunks(one)}
            (self._begun.append if one == task else self._late.add)(one)
        self._late.discard(task)

    def end(self, task: Index) -> None:
        """Drop what no task needs any more, once all tasks before a finished one have read, too."""
        self._finished[task] = self._reading.pop(task, {})
        first = self._first
        for done in sorted(self._finished, key=self._sharing.position):
            if self._sharing.position(done) > first:
                break
            for chunk, (_, later) in self._finished.pop(done).items():
                if chunk in self._kept:
                    under_way = [needs[chunk][0] for needs in self._reading.values() if chunk in needs]
                    self._keep(chunk, [*later, *under_way])

    def is_shared(self, task: Index, chunk: Index) -> bool:
        return chunk in self._reading[task]

    def kept(self, chunk: Index) -> Sequence[Held]:
        return self._kept.get(chunk, ())

    def wanted(self, task: Index, chunk: Index, part: Box, place: Box) -> Box:
        return hull([part, *self._awaited(task, chunk)])

    def keep(self, task: Index, chunk: Index, held: Held) -> None:
        self._keep(chunk, self._awaited(task, chunk), held)

    def _awaited(self, task: Index, chunk: Index) -> list[Box]:
        """What is needed of a chunk after a task has read it: by tasks that begin later, by those under way, by its
        other parts, and by those for whom it has been kept so far.
        """
        now, later = self._reading[task][chunk]
        under_way = [needs[chunk][0] for other, needs in self._reading.items() if other != task and chunk in needs]
        kept = [held.box for held in self._kept.get(chunk, ())]
        return [*later, *under_way, *kept, *([now] if self._sharing.in_parts else [])]

    @property
    def _first(self) -> float:
        """Position of the first task that is reading; infinite where none is."""
        return min(map(self._sharing.position, self._reading), default=inf)

    def _keep(self, chunk: Index, boxes: Sequence[Box], *decoded: Held) -> None:
        """Keep these boxes of a chunk and no others, as far as they have been kept or decoded and there is room."""
        if not boxes and chunk not in self._kept:
            return
        there = sorted([*self._kept.pop(chunk, ()), *decoded], key=lambda one: one.bytes)
        self.bytes -= sum(held.bytes for held in there if held not in decoded)
        kept: list[Held] = []
        for box in sorted(boxes, key=size_of, reverse=True):
            source = next((held for held in there if contains(held.box, box)), None)
            if source is None or any(contains(held.box, box) for held in kept):
                continue
            if size_of(box) * source.samples.itemsize < source.bytes:
                samples = self._empty(shape_of(box), self._dtype)
                samples[...] = source.cut(box)
                source = Held(samples, box)
            if self.bytes + source.bytes > self._capacity:
                self._drop_stale()
            if self.bytes + source.bytes <= self._capacity:
                kept.append(source)
                self.bytes += source.bytes
        if kept:
            self._kept[chunk] = kept

    def _drop_stale(self) -> None:
        """Drop what was kept for tasks that have not come: done by other workers, or in an earlier run."""
        first = self._first if self._reading else 0
        for chunk in list(self._kept):
            if self._sharing.position(self._sharing.last_reader(chunk)) < first:
                self.bytes -= sum(held.bytes for held in self._kept.pop(chunk))
