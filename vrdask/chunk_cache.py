"""Stored chunks of a source, decoded once and kept for the tasks around them.

Blocks overlap in what they read: a margin on each side, in whole stored chunks. Decoding those again for each block
would cost more than resampling. Threads that want the same chunk wait for one of them to decode it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.chunk_io import ChunkIO, Pieces, put_together
from vrdask.columns import Index
from vrdask.dtypes import DType
from vrdask.intervals import Box, within
from vrdask.reuse import Empty

Array = npt.NDArray[Any]


class ChunkCache:
    """Boxes of an array from a least-recently-used cache of its decoded chunks, at most `capacity` bytes."""

    def __init__(self, chunks: ChunkIO, dtype: DType, capacity: int, empty: Empty = np.empty) -> None:
        self._io = chunks
        self._dtype = dtype
        self._empty = empty
        self._capacity = capacity
        self._chunks: OrderedDict[Index, Future[Array]] = OrderedDict()
        self._bytes = 0
        self._mutex = threading.Lock()

    def read(self, box: Box) -> Array:
        """The samples of a box."""
        return put_together(self.pieces(box), box, self._dtype, self._empty)

    def pieces(self, box: Box) -> Pieces:
        """The samples of a non-empty box, chunk by chunk."""
        for index, part in self._io.parts(box):
            yield part, self._chunk(index)[within(part, self._io.place(index))]

    def _chunk(self, index: Index) -> Array:
        with self._mutex:
            found = self._chunks.get(index)
            if found is None:
                mine: Future[Array] = Future()
                self._chunks[index] = mine
            else:
                self._chunks.move_to_end(index)
        if found is not None:
            return found.result()
        try:
            chunk = self._io.chunk(index)
        except BaseException as error:
            with self._mutex:
                del self._chunks[index]
            mine.set_exception(error)
            raise
        mine.set_result(chunk)
        with self._mutex:
            self._bytes += chunk.nbytes
            while self._bytes > self._capacity and len(self._chunks) > 1:
                oldest = next(iter(self._chunks))
                if not self._chunks[oldest].done():
                    break
                self._bytes -= self._chunks.pop(oldest).result().nbytes
        return chunk
