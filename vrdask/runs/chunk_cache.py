"""Decoded chunks of a source, kept for the tasks around: decoded once, by one thread, while others wait for it.

Tasks overlap in what they read: a margin on each side, in whole stored chunks. Decoding those again for each task would
cost more than computing. What is decoded of a chunk, what is kept and for how long is a policy's to say: by the plan,
where it says which tasks share a chunk, or by recency (see `cache_policies`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Index, contains, within
from vrdask.buffers import Empty, OneAtATime
from vrdask.dtypes import DType
from vrdask.storage.chunk_array import ByChunk, Reader, put_together
from vrdask.storage.cropped import Chunks

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Held:
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


class Policy(Protocol):
    """What is kept. Called by one thread at a time."""

    def begin(self, task: Index) -> None:
        """A task begins to read."""

    def end(self, task: Index) -> None:
        """It has read all it needs."""

    def is_shared(self, task: Index, chunk: Index) -> bool:
        """Whether another task may need a chunk that this one reads."""

    def kept(self, chunk: Index) -> Sequence[Held]:
        """What is kept of a chunk that is asked for."""

    def wanted(self, task: Index, chunk: Index, part: Box, place: Box) -> Box:
        """What is to be decoded of a chunk, which lies at a place, for a part of it."""

    def keep(self, task: Index, chunk: Index, held: Held) -> None:
        """Keep what is worth it of what has been decoded for a task."""


class ChunkCache:
    """Boxes of an array for the tasks of a run."""

    def __init__(self, chunks: Chunks, policy: Policy, dtype: DType, empty: Empty = np.empty) -> None:
        self._io, self._policy, self._dtype, self._empty = chunks, policy, dtype, empty
        self._decoding: dict[Index, Future[Held]] = {}
        self._mutex = threading.Lock()

    @contextmanager
    def reading(self, task: Index) -> Iterator[Reader]:
        """While it lasts: what reads the task's boxes."""
        with self._mutex:
            self._policy.begin(task)
        try:
            yield Reader(partial(self._read, task), partial(self._by_chunk, task))
        finally:
            with self._mutex:
                self._policy.end(task)

    def _read(self, task: Index, box: Box) -> Array:
        return put_together(self._in_any_order(task, box), box, self._dtype, self._empty)

    def _by_chunk(self, task: Index, box: Box) -> ByChunk:
        """The samples of a non-empty box, chunk by chunk, in C order; for readers that have room for two chunks."""
        empty = OneAtATime(self._empty)
        for chunk, part in self._io.parts(box):
            samples = self._samples(task, chunk, part, empty)
            yield part, samples
            del samples  # nobody but the reader holds it while the next is decoded

    def _in_any_order(self, task: Index, box: Box) -> ByChunk:
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
        if self._policy.is_shared(task, chunk):
            return self._held(task, chunk, part).cut(part)
        return self._io.part(chunk, part, empty)

    def _held(self, task: Index, chunk: Index, part: Box) -> Held:
        """Decoded samples that hold a part of a chunk, once they are there where another task is decoding it."""
        while True:
            with self._mutex:
                for kept in self._policy.kept(chunk):
                    if contains(kept.box, part):
                        return kept
                other = self._decoding.get(chunk)
                if other is None:
                    mine = self._decoding[chunk] = Future()
                    wanted = self._policy.wanted(task, chunk, part, self._io.place(chunk))
                    break
            found = other.result()
            if contains(found.box, part):
                return found
        return self._decoded(task, chunk, wanted, mine)

    def _decoded(self, task: Index, chunk: Index, wanted: Box, mine: Future[Held]) -> Held:
        """A chunk, as far as it is wanted."""
        try:
            samples = self._io.chunk(chunk, wanted)
        except BaseException as error:
            with self._mutex:
                del self._decoding[chunk]
            mine.set_exception(error)
            raise
        place = self._io.place(chunk)
        found = Held(samples, tuple((a, a + n) for (a, _), n in zip(place, samples.shape, strict=True)))
        with self._mutex:
            del self._decoding[chunk]
            self._policy.keep(task, chunk, found)
        mine.set_result(found)
        return found
