"""Boxes of an array in a store, read and written chunk by chunk in the thread that asks.

A failed read or write is tried again where that may help, and names the chunk where it does not. See `chunk_codec` for
which chunks are decoded here, and which by zarr.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice, product
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from vrdask import stores
from vrdask.attempts import StoreError, attempt
from vrdask.chunk_codec import chunk_codec
from vrdask.intervals import Box, intersection, regular_edges, shape_of, size_of, slices_of, touched
from vrdask.reuse import Empty

Array = npt.NDArray[Any]
Index = tuple[int, ...]

CHUNKS_FETCHED_TOGETHER = 8
BYTES_FETCHED_TOGETHER = 16 << 20
"""Of a store that is not a local disk, where a request waits for the network."""


class ChunkIO:
    """The chunks of one array.

    array : zarr's, or whatever a source reads (see `sources.Readable`). empty : makes arrays, as `numpy.empty` does.
    """

    def __init__(self, array: Any, empty: Empty = np.empty) -> None:
        self._array = array
        self._empty = empty
        self._codec = chunk_codec(array)
        chunks = array.chunks or array.shape
        self._edges = [regular_edges(n, max(1, c)) for n, c in zip(array.shape, chunks, strict=True)]
        if self._codec is not None:
            self._at = array.store_path
            self._key = array.metadata.encode_chunk_key
            fill = array.fill_value
            self._fill = np.zeros((), array.dtype) if fill is None else np.asarray(fill, array.dtype)
            config = getattr(array, "config", None) or array._async_array._config  # zarr before 3.1
            self._keeps_empty = config.write_empty_chunks
            size = prod(array.chunks) * array.dtype.itemsize
            most = 1 if stores.is_local(self._at) else CHUNKS_FETCHED_TOGETHER
            self._together = max(1, min(most, BYTES_FETCHED_TOGETHER // max(size, 1)))

    def indices(self, box: Box) -> Iterator[Index]:
        """The chunks that a non-empty box touches, in C order."""
        return product(*(touched(edges, interval) for edges, interval in zip(self._edges, box, strict=True)))

    def place(self, index: Index) -> Box:
        """The box of a chunk, cut off at the ends of the array."""
        return tuple((int(edges[k]), int(edges[k + 1])) for edges, k in zip(self._edges, index, strict=True))

    def chunk(self, index: Index, needed: Box | None = None) -> Array:
        """The samples of one chunk, cut off at the ends of the array; may be read-only.

        needed : a part of it; of the first axis, what lies behind it may be missing.
        """
        place = self.place(index)
        if self._codec is None:
            return attempt(f"reading {self._named(index)}", lambda: np.asarray(self._array[slices_of(place)]))
        ((_, whole),) = self._chunks([index], place if needed is None else needed)
        return self._fill_of(place) if whole is None else whole[tuple(slice(b - a) for a, b in place)]

    def read(self, box: Box) -> Array:
        """The samples of a box; may be read-only."""
        if not size_of(box):
            return np.empty(shape_of(box), self._array.dtype)
        if self._codec is None:
            return self._read_by_zarr(box)
        indices = list(self.indices(box))
        if len(indices) == 1:
            return self.chunk(indices[0], box)[slices_of(box, (start for start, _ in self.place(indices[0])))]
        result = self._empty(shape_of(box), self._array.dtype)
        origin = [start for start, _ in box]
        for index, whole in self._chunks(indices, box):
            place = self.place(index)
            part = intersection(place, box)
            result[slices_of(part, origin)] = (
                self._fill if whole is None else whole[slices_of(part, (start for start, _ in place))]
            )
        return result

    def write(self, box: Box, samples: Array) -> None:
        """Write the samples of a box of whole chunks (of whole shards, where there are some)."""
        if self._codec is None:
            attempt(f"writing the target at {_text(box)}", lambda: self._array.__setitem__(slices_of(box), samples))
            return
        origin = [start for start, _ in box]
        for index in self.indices(box):
            part = samples[slices_of(self.place(index), origin)]
            attempt(f"writing {self._named(index)}", lambda index=index, part=part: self._put(index, part))  # type: ignore[misc]

    def _put(self, index: Index, samples: Array) -> None:
        assert self._codec is not None
        at = self._at / self._key(index)
        if not self._keeps_empty and self._is_empty(samples):
            stores.remove(at)
            return
        if samples.shape != self._codec.shape:
            whole = np.full(self._codec.shape, self._fill)
            whole[tuple(map(slice, samples.shape))] = samples
            samples = whole
        stores.put(at, self._codec.encode(samples))

    def _is_empty(self, samples: Array) -> bool:
        """Whether all samples have the bits of the fill value; -0.0 is not 0.0."""
        bits = f"u{self._fill.dtype.itemsize}"
        fill = self._fill.astype(samples.dtype).view(bits)
        if samples.flat[0].view(bits) != fill:
            return False
        return bool((np.ascontiguousarray(samples).view(bits) == fill).all())

    def _chunks(self, indices: Sequence[Index], box: Box) -> Iterator[tuple[Index, Array | None]]:
        """Decoded chunks, whole or as far as a box needs them; None for one that is not stored."""
        assert self._codec is not None
        queue = iter(indices)
        while batch := list(islice(queue, self._together)):
            first = self._named(batch[0]) + (f" and {len(batch) - 1} more" if len(batch) > 1 else "")
            try:
                stored = attempt(f"reading {first}", lambda: stores.get_many([self._at / self._key(k) for k in batch]))
            except StoreError:
                if len(batch) == 1:
                    raise
                stored = [self._get(index) for index in batch]  # which one it is
            for index, raw in zip(batch, stored, strict=True):
                yield index, None if raw is None else self._decoded(index, raw, box)

    def _get(self, index: Index) -> Any:
        return attempt(f"reading {self._named(index)}", lambda: stores.get_many([self._at / self._key(index)])[0])

    def _decoded(self, index: Index, raw: Any, box: Box) -> Array:
        codec = self._codec
        assert codec is not None
        rows = None
        if codec.by_rows:
            axis = codec.row_axis
            rows = box[axis][1] - self.place(index)[axis][0]
        return attempt(f"reading {self._named(index)}", lambda: codec.decode(raw, self._empty, rows))

    def _fill_of(self, box: Box) -> Array:
        return np.broadcast_to(self._fill, shape_of(box))

    def _read_by_zarr(self, box: Box) -> Array:
        try:
            return attempt(f"reading the source at {_text(box)}", lambda: np.asarray(self._array[slices_of(box)]))
        except StoreError:
            for index in self.indices(box):
                self.chunk(index)  # which one it is
            raise

    def _named(self, index: Index) -> str:
        """A chunk for people: its key where it has one, its place and the array."""
        array = self._array
        if not isinstance(array, zarr.Array):
            return f"the source at {_text(self.place(index))}"
        outer = index if array.shards is None else _shard_of(index, array.shards, array.chunks)
        key = array.metadata.encode_chunk_key(outer)
        return f"chunk {key} ({_text(self.place(index))}) of {stores.url(array.store_path)}"


def _shard_of(index: Index, shards: Sequence[int], chunks: Sequence[int]) -> Index:
    return tuple(k * c // s for k, s, c in zip(index, shards, chunks, strict=True))


def _text(box: Box) -> str:
    return "[" + ", ".join(f"{start}:{stop}" for start, stop in box) + "]"
