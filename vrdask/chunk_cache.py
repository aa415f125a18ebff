"""Stored chunks of a source, decoded once and kept for as long as other tasks want them.

Blocks overlap in what they read: a margin on each side, in whole stored chunks. Decoding those again for each block
would cost more than resampling. Threads that want the same chunk wait for one of them to decode it. Where it is known
how many tasks read a chunk, the last of them takes it out; a chunk that one task alone reads is never kept, and its
memory goes to the next while it is still in the processor's cache.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.chunk_io import ChunkIO, Index
from vrdask.dtypes import DType
from vrdask.intervals import Box, intersection, shape_of, slices_of
from vrdask.operators import Indices
from vrdask.reuse import Empty

Array = npt.NDArray[Any]


@dataclass
class _Kept:
    """A chunk, decoded or being decoded, and how many reads of it are to come."""

    chunk: Future[Array]
    awaited: int


class ChunkCache:
    """Boxes of an array from a least-recently-used cache of its decoded chunks, at most `capacity` bytes.

    readers : along each axis, for each chunk; a chunk is read as often as the product of its numbers says. None where
    that is not known.
    """

    def __init__(
        self,
        chunks: ChunkIO,
        dtype: DType,
        capacity: int,
        empty: Empty = np.empty,
        readers: Sequence[Indices] | None = None,
    ) -> None:
        self._io = chunks
        self._dtype = dtype
        self._empty = empty
        self._capacity = capacity
        self._readers = readers
        self._kept: OrderedDict[Index, _Kept] = OrderedDict()
        self._bytes = 0
        self._mutex = threading.Lock()

    def read(self, box: Box) -> Array:
        """The samples of a box."""
        result = self._empty(shape_of(box), self._dtype)
        if not result.size:
            return result
        origin = [start for start, _ in box]
        for index in self._io.indices(box):
            place = self._io.place(index)
            part = intersection(place, box)
            result[slices_of(part, origin)] = self._chunk(index)[slices_of(part, (start for start, _ in place))]
        return result

    def _chunk(self, index: Index) -> Array:
        readers = self._readers_of(index)
        if readers == 1:
            return self._io.chunk(index)
        with self._mutex:
            found = self._kept.get(index)
            if found is None:
                mine = self._kept[index] = _Kept(Future(), readers - 1)
            else:
                self._kept.move_to_end(index)
                found.awaited -= 1
                if not found.awaited:
                    self._drop(index)
        if found is not None:
            return found.chunk.result()
        try:
            chunk = self._io.chunk(index)
        except BaseException as error:
            with self._mutex:
                if self._kept.get(index) is mine:
                    del self._kept[index]
            mine.chunk.set_exception(error)
            raise
        with self._mutex:
            mine.chunk.set_result(chunk)
            if self._kept.get(index) is mine:
                self._bytes += chunk.nbytes
            while self._bytes > self._capacity and len(self._kept) > 1:
                oldest = next(iter(self._kept))
                if not self._kept[oldest].chunk.done():
                    break
                self._drop(oldest)
        return chunk

    def _readers_of(self, index: Index) -> int:
        """How often a chunk is read; 0 where that is not known."""
        if self._readers is None:
            return 0
        return prod(int(along[k]) for along, k in zip(self._readers, index, strict=True))

    def _drop(self, index: Index) -> None:
        chunk = self._kept.pop(index).chunk
        if chunk.done():
            self._bytes -= chunk.result().nbytes
