"""Stored chunks that tasks of a plan share: decoded once, and of each only what tasks to come need is kept.

Blocks overlap in what they read: a margin on each side, in whole stored chunks. Decoding those again for each block
would cost more than resampling; keeping them whole would take several times the memory of the margins. The plan says
which tasks share a chunk and what they need of it (see `sharing`), so nothing waits here in vain. The plan is a help,
never a condition: what has not been kept is decoded again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.chunk_io import ChunkIO, Pieces, Reader, put_together
from vrdask.columns import Index
from vrdask.dtypes import DType
from vrdask.intervals import Box, contains, hull, shape_of, size_of, within
from vrdask.reuse import Empty, OneAtATime
from vrdask.sharing import Sharing

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Piece:
    """Samples of a box of the source."""

    samples: Array
    box: Box

    @property
    def bytes(self) -> int:
        """What it keeps from being freed; of a broadcast value, that value's."""
        base = self.samples.base
        return base.nbytes if isinstance(base, np.ndarray) else self.samples.nbytes

    def cut(self, box: Box) -> Array:
        return self.samples[within(box, self.box)]


Needs = dict[Index, tuple[Box, list[Box]]]
"""By chunk that a task shares: what it needs of it, and what those after it do."""


class SharedChunks:
    """Boxes of an array for the tasks of a plan, from decoded chunks of which at most `capacity` bytes are kept."""

    def __init__(self, chunks: ChunkIO, sharing: Sharing, dtype: DType, capacity: int, empty: Empty = np.empty) -> None:
        self._io, self._sharing, self._dtype, self._empty = chunks, sharing, dtype, empty
        self._capacity = capacity
        self._kept: dict[Index, list[Piece]] = {}
        self._bytes = 0
        self._decoding: dict[Index, Future[Piece]] = {}
        self._reading: dict[Index, Needs] = {}
        self._finished: dict[Index, Needs] = {}
        self._begun: deque[Index] = deque(maxlen=4 * sharing.concurrent)
        self._late: set[Index] = set()
        self._mutex = threading.Lock()

    @contextmanager
    def reading(self, task: Index) -> Iterator[Reader]:
        """While it lasts: what reads the task's boxes."""
        with self._mutex:
            self._begin(task)
        try:
            yield Reader(partial(self._read, task), partial(self._pieces, task))
        finally:
            with self._mutex:
                self._finished[task] = self._reading.pop(task, {})
                self._let_go()

    def _begin(self, task: Index) -> None:
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

    def _read(self, task: Index, box: Box) -> Array:
        return put_together(self._pieces_in_any_order(task, box), box, self._dtype, self._empty)

    def _pieces(self, task: Index, box: Box) -> Pieces:
        """The samples of a non-empty box, chunk by chunk, in C order; for readers that have room for two chunks."""
        empty = OneAtATime(self._empty)
        for chunk, part in self._io.parts(box):
            samples = self._samples(task, chunk, part, empty)
            yield part, samples
            del samples  # nobody but the reader holds it while the next is decoded

    def _pieces_in_any_order(self, task: Index, box: Box) -> Pieces:
        """The same; what others decode is left until there is nothing else to do."""
        queue = deque(self._io.parts(box))
        passed = 0  # in a row
        while queue:
            if passed < len(queue) and queue[0][0] in self._decoding:
                queue.rotate(-1)
                passed += 1
            else:
                chunk, part = queue.popleft()
                samples = self._samples(task, chunk, part, self._empty)
                yield part, samples
                del samples
                passed = 0

    def _samples(self, task: Index, chunk: Index, part: Box, empty: Empty) -> Array:
        """The samples of a part of a chunk. empty : makes the array of one that no other task needs."""
        if chunk in self._reading[task]:
            return self._piece(task, chunk, part).cut(part)
        return self._io.part(chunk, part, empty)

    def _piece(self, task: Index, chunk: Index, part: Box) -> Piece:
        """Decoded samples that hold a part of a chunk, once they are there where another task is decoding it."""
        while True:
            with self._mutex:
                for kept in self._kept.get(chunk, ()):
                    if contains(kept.box, part):
                        return kept
                other = self._decoding.get(chunk)
                if other is None:
                    mine = self._decoding[chunk] = Future()
                    needed = hull([part, *self._awaited(task, chunk)])
                    break
            found = other.result()
            if contains(found.box, part):
                return found
        return self._decoded(task, chunk, needed, mine)

    def _decoded(self, task: Index, chunk: Index, needed: Box, mine: Future[Piece]) -> Piece:
        """A chunk, as far as it is needed; what others await of it is kept."""
        try:
            samples = self._io.chunk(chunk, needed)
        except BaseException as error:
            with self._mutex:
                del self._decoding[chunk]
            mine.set_exception(error)
            raise
        place = self._io.place(chunk)
        found = Piece(samples, tuple((a, a + n) for (a, _), n in zip(place, samples.shape, strict=True)))
        with self._mutex:
            del self._decoding[chunk]
            self._keep(chunk, self._awaited(task, chunk), found)
        mine.set_result(found)
        return found

    def _awaited(self, task: Index, chunk: Index) -> list[Box]:
        """What is needed of a chunk after a task has read it: by tasks that begin later, by those under way, by its
        other parts, and by those for whom it has been kept so far.
        """
        now, later = self._reading[task][chunk]
        under_way = [needs[chunk][0] for other, needs in self._reading.items() if other != task and chunk in needs]
        kept = [piece.box for piece in self._kept.get(chunk, ())]
        return [*later, *under_way, *kept, *([now] if self._sharing.in_parts else [])]

    @property
    def _first(self) -> float:
        """Position of the first task that is reading; infinite where none is."""
        return min(map(self._sharing.position, self._reading), default=inf)

    def _let_go(self) -> None:
        """Drop what no task needs any more, once all tasks before a finished one have read, too."""
        first = self._first
        for task in sorted(self._finished, key=self._sharing.position):
            if self._sharing.position(task) > first:
                break
            for chunk, (_, later) in self._finished.pop(task).items():
                if chunk in self._kept:
                    under_way = [needs[chunk][0] for needs in self._reading.values() if chunk in needs]
                    self._keep(chunk, [*later, *under_way])

    def _keep(self, chunk: Index, boxes: Sequence[Box], *decoded: Piece) -> None:
        """Keep these boxes of a chunk and no others, as far as they have been kept or decoded and there is room."""
        if not boxes and chunk not in self._kept:
            return
        pieces = sorted([*self._kept.pop(chunk, ()), *decoded], key=lambda one: one.bytes)
        self._bytes -= sum(piece.bytes for piece in pieces if piece not in decoded)
        kept: list[Piece] = []
        for box in sorted(boxes, key=size_of, reverse=True):
            source = next((piece for piece in pieces if contains(piece.box, box)), None)
            if source is None or any(contains(piece.box, box) for piece in kept):
                continue
            if size_of(box) * source.samples.itemsize < source.bytes:
                samples = self._empty(shape_of(box), self._dtype)
                samples[...] = source.cut(box)
                source = Piece(samples, box)
            if self._bytes + source.bytes > self._capacity:
                self._drop_stale()
            if self._bytes + source.bytes <= self._capacity:
                kept.append(source)
                self._bytes += source.bytes
        if kept:
            self._kept[chunk] = kept

    def _drop_stale(self) -> None:
        """Drop what was kept for tasks that have not come: done by other workers, or in an earlier run."""
        first = self._first if self._reading else 0
        for chunk in list(self._kept):
            if self._sharing.position(self._sharing.last_reader(chunk)) < first:
                self._bytes -= sum(piece.bytes for piece in self._kept.pop(chunk))
