"""Stored chunks of a source, decoded once and kept for as long as other tasks may want them.

Blocks overlap in what they read: a margin on each side, in whole stored chunks. Decoding those again for each block
would cost more than resampling. Threads that want the same chunk wait for one of them to decode it. Chunks that one
task alone reads are not kept: their memory is used again at once, while it is in the processor's cache.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask import reuse
from vrdask.intervals import Box, regular_edges, shape_of, size_of, slices_of, touched
from vrdask.memory import CODEC_FACTOR

Array = npt.NDArray[Any]

HOLES = 1 / 8
"""Of the capacity, for what the C library's heap leaves between chunks: 17 MiB of 256, measured (bench_oblique.py)."""


class ChunkCache:
    """Boxes of an array from a least-recently-used cache of its decoded chunks, at most `capacity` bytes.

    shared : per axis, for each chunk along it, whether more than one task reads there; None where that is not known.
    """

    def __init__(self, array: Any, capacity: int, shared: Sequence[npt.NDArray[np.bool_]] | None = None) -> None:
        self._array = array
        self._capacity = int(capacity * (1 - HOLES))
        self._shared = shared
        self._edges = [regular_edges(n, c) for n, c in zip(array.shape, array.chunks, strict=True)]
        self._chunks: OrderedDict[tuple[int, ...], Future[Array]] = OrderedDict()
        self._bytes = 0
        self._mutex = threading.Lock()

    def read(self, box: Box) -> Array:
        """The samples of a non-empty box."""
        result = reuse.empty(shape_of(box), self._array.dtype)
        origin = [start for start, _ in box]
        ranges = (touched(edges, interval) for edges, interval in zip(self._edges, box, strict=True))
        for index in product(*ranges):
            place = self._place(index)
            part = tuple((max(a, c), min(b, d)) for (a, b), (c, d) in zip(place, box, strict=True))
            chunk = self._chunk(index, place) if self._is_shared(index) else self._passing(place)
            result[slices_of(part, origin)] = chunk[slices_of(part, (start for start, _ in place))]
        return result

    def _is_shared(self, index: tuple[int, ...]) -> bool:
        return self._shared is None or any(axis[k] for axis, k in zip(self._shared, index, strict=True))

    def _place(self, index: tuple[int, ...]) -> Box:
        return tuple((int(edges[k]), int(edges[k + 1])) for edges, k in zip(self._edges, index, strict=True))

    def _chunk(self, index: tuple[int, ...], place: Box) -> Array:
        with self._mutex:
            found = self._chunks.get(index)
            if found is None:
                mine: Future[Array] = Future()
                self._chunks[index] = mine
            else:
                self._chunks.move_to_end(index)
        if found is not None:
            return found.result()
        size = self._array.dtype.itemsize * size_of(place)
        self._take(CODEC_FACTOR * size)
        try:
            chunk = np.asarray(self._array[slices_of(place)])
        except BaseException as error:
            with self._mutex:
                del self._chunks[index]
                self._bytes -= CODEC_FACTOR * size
            mine.set_exception(error)
            raise
        mine.set_result(chunk)
        self._take(chunk.nbytes - CODEC_FACTOR * size)
        return chunk

    def _passing(self, place: Box) -> Array:
        """A chunk that is not kept; while it is decoded it counts like any other."""
        size = CODEC_FACTOR * self._array.dtype.itemsize * size_of(place)
        self._take(size)
        try:
            return np.asarray(self._array[slices_of(place)])
        finally:
            self._take(-size)

    def _take(self, size: int) -> None:
        """Count bytes; where they pass the capacity, chunks used long ago go. What is being decoded stays, and counts
        with its codec."""
        with self._mutex:
            self._bytes += size
            while self._bytes > self._capacity and len(self._chunks) > 1:
                oldest = next(iter(self._chunks))
                if not self._chunks[oldest].done():
                    break
                self._bytes -= self._chunks.pop(oldest).result().nbytes
