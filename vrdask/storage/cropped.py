"""Chunks of a part of an array: those that it touches, numbered from the first, each as far as the part holds it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Edges, Index, Interval, parts_of, touched
from vrdask.buffers import Empty
from vrdask.storage.costs import TransferCost

if TYPE_CHECKING:
    from vrdask.storage.chunk_array import ByChunk, ChunkIO

Array = npt.NDArray[Any]


@runtime_checkable
class Cropped(Protocol):
    """An array that is a box of another one."""

    @property
    def whole(self) -> Any: ...
    @property
    def box(self) -> Box: ...


def cropped_edges(edges: Edges, interval: Interval) -> Edges:
    """Boundaries of chunks within a non-empty interval, counted from where it starts.

    >>> cropped_edges(np.array([0, 4, 8, 10]), (3, 9)).tolist()
    [0, 1, 5, 6]
    """
    start, stop = interval
    inner = edges[(edges > start) & (edges < stop)]
    return np.concatenate([[0], inner - start, [stop - start]])


def chunk_io(array: Any, empty: Empty = np.empty) -> Chunks:
    """What reads an array chunk by chunk, or a box of one. empty : makes arrays, as `numpy.empty` does."""
    if isinstance(array, Cropped):
        return CroppedIO(chunk_io(array.whole, empty), array.box)
    from vrdask.storage.chunk_array import ChunkIO  # which needs zarr

    return ChunkIO(array, empty)


class CroppedIO:
    """Reads what `ChunkIO` does, of a box of its array."""

    def __init__(self, whole: Chunks, box: Box) -> None:
        self._whole, self._box = whole, box
        self._first = tuple(touched(edges, side).start for edges, side in zip(whole.edges, box, strict=True))
        self.edges: list[Edges] = [cropped_edges(edges, side) for edges, side in zip(whole.edges, box, strict=True)]
        self._ends: list[list[int]] = [edges.tolist() for edges in self.edges]

    @property
    def reading(self) -> TransferCost:
        """What reading takes."""
        return self._whole.reading

    def place(self, index: Index) -> Box:
        """The box of a chunk, as far as it is there."""
        return tuple([(ends[k], ends[k + 1]) for ends, k in zip(self._ends, index, strict=True)])

    def parts(self, box: Box) -> Iterator[tuple[Index, Box]]:
        """The chunks that a non-empty box touches, in C order, and what it takes of each."""
        return parts_of(box, self.edges)

    def chunk(self, index: Index, needed: Box | None = None) -> Array:
        """The samples of one chunk; as `ChunkIO.chunk`."""
        place = self.place(index)
        of_whole = self._whole.place(self._outer(index))
        samples = self._whole.chunk(self._outer(index), self._moved(place if needed is None else needed, 1))
        inner = zip(self._moved(place, 1), of_whole, strict=True)
        return samples[tuple(slice(start - at, stop - at) for (start, stop), (at, _) in inner)]

    def part(self, index: Index, part: Box, empty: Empty | None = None) -> Array:
        """The samples of a part of a chunk; may be read-only."""
        return self._whole.part(self._outer(index), self._moved(part, 1), empty)

    def read(self, box: Box) -> Array:
        """The samples of a box; may be read-only."""
        return self._whole.read(self._moved(box, 1))

    def by_chunk(self, box: Box) -> ByChunk:
        """The samples of a non-empty box, chunk by chunk."""
        for part, samples in self._whole.by_chunk(self._moved(box, 1)):
            yield self._moved(part, -1), samples
            del samples

    def _outer(self, index: Index) -> Index:
        return tuple(k + first for k, first in zip(index, self._first, strict=True))

    def _moved(self, box: Box, sign: int) -> Box:
        """To the whole array (1), or back (-1)."""
        return tuple((a + sign * at, b + sign * at) for (a, b), (at, _) in zip(box, self._box, strict=True))


Chunks: TypeAlias = "ChunkIO | CroppedIO"
