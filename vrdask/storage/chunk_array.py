"""Boxes of an array in a store, read and written chunk by chunk in the thread that asks.

See `chunk_codec` for which chunks are decoded here, and which by zarr; `chunk_bytes` for how their bytes are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Index, longest, parts_of, regular_edges, shape_of, size_of, slices_of, within
from vrdask.buffers import Empty, OneAtATime
from vrdask.dtypes import DType
from vrdask.storage import durable, objects, zarr_internals
from vrdask.storage.chunk_bytes import Stored, StoredChunks, StoredShards
from vrdask.storage.chunk_codec import chunk_codec
from vrdask.storage.costs import TransferCost
from vrdask.storage.kinds import is_array
from vrdask.storage.retry import StoreError, attempt, may_pass
from vrdask.storage.shard_format import shard_format

if TYPE_CHECKING:
    import zarr

Array = npt.NDArray[Any]
ByChunk = Iterator[tuple[Box, Array]]
"""Boxes and their samples, which may be read-only; whoever takes them lets go of one before the next."""


@runtime_checkable
class Decodable(Protocol):
    """What a source's array may do besides being read: decode its stored chunks, in the thread that asks."""

    def chunk(self, index: Index, empty: Empty) -> Array:
        """The samples of one chunk, cut off at the ends of the array. index : its number along each axis. empty : makes
        arrays for them.
        """


@dataclass(frozen=True)
class Reader:
    """What reads boxes of an array: `reader(box)` is the samples, `reader.by_chunk(box)` the same chunk by chunk."""

    read: Callable[[Box], Array]
    by_chunk: Callable[[Box], ByChunk]

    def __call__(self, box: Box) -> Array:
        return self.read(box)


def put_together(pieces: ByChunk, box: Box, dtype: DType, empty: Empty) -> Array:
    """The samples of a box from its pieces, which are not asked for where it is empty. empty : makes the array."""
    result = empty(shape_of(box), dtype)
    origin = [start for start, _ in box]
    for part, samples in pieces if result.size else ():
        result[slices_of(part, origin)] = samples
    return result


class ChunkIO:
    """The chunks of one array.

    array : zarr's, or whatever a source reads (see `sources.Readable`). empty : makes arrays, as `numpy.empty` does.
    """

    def __init__(self, array: Any, empty: Empty = np.empty, whose: str = "the source's chunks") -> None:
        if is_array(array):
            array = _in_remote_store(array)
        self._array = array
        self._empty = empty
        self._codec = chunk_codec(array)
        chunks = array.chunks or array.shape
        self._decode = array.chunk if isinstance(array, Decodable) else None
        self.edges = list(
            getattr(array, "edges", None)
            or [regular_edges(n, max(1, c), whose) for n, c in zip(array.shape, chunks, strict=True)]
        )
        self._ends: list[list[int]] = [edges.tolist() for edges in self.edges]
        # not a method: what its own parts refer to is freed late, and the pool of its memory with it
        self._named = partial(_named, array, self._ends)
        if self._codec is not None:
            form = shard_format(array)
            self._stored: Stored = (
                StoredChunks(array, self._named) if form is None else StoredShards(array, form, self._named)
            )
            fill = array.fill_value
            self._fill = np.zeros((), array.dtype) if fill is None else np.asarray(fill, array.dtype)
            self._keeps_empty = zarr_internals.keeps_empty_chunks(array)

    @property
    def reading(self) -> TransferCost:
        """What reading takes."""
        if self._codec is not None:
            return TransferCost(self._chunk_bytes, self._stored.fetched_bytes, by_rows=self._codec.by_rows)
        if self._decode is not None:
            return TransferCost(self._chunk_bytes, self._chunk_bytes, by_format=True)
        if self._array.chunks is None:
            return TransferCost(getattr(self._array, "passing_bytes", 0))
        return TransferCost(self._chunk_bytes, by_zarr=True)

    @property
    def writing(self) -> TransferCost:
        """What writing takes."""
        if self._codec is None:
            return TransferCost(self._chunk_bytes, by_zarr=True)
        return TransferCost(self._chunk_bytes, self._chunk_bytes, shard_copies=self._stored.shard_copies)

    @property
    def _chunk_bytes(self) -> int:
        return prod(map(longest, self.edges)) * int(self._array.dtype.itemsize)

    def place(self, index: Index) -> Box:
        """The box of a chunk, cut off at the ends of the array."""
        return _place(self._ends, index)

    def parts(self, box: Box) -> Iterator[tuple[Index, Box]]:
        """The chunks that a non-empty box touches, in C order, and what it takes of each."""
        return parts_of(box, self.edges)

    def chunk(self, index: Index, needed: Box | None = None) -> Array:
        """The samples of one chunk, cut off at the ends of the array; may be read-only.

        needed : a part of it; of the first axis, what lies behind it may be missing.
        """
        place = self.place(index)
        return self._chunk(index, place, place if needed is None else needed, self._empty)

    def part(self, index: Index, part: Box, empty: Empty | None = None) -> Array:
        """The samples of a part of a chunk; may be read-only. empty : in place of the one for all chunks."""
        place = self.place(index)
        samples = self._chunk(index, place, part, empty or self._empty)
        return samples if part == place else samples[within(part, place)]

    def _chunk(self, index: Index, place: Box, needed: Box, empty: Empty) -> Array:
        if (decode := self._decode) is not None:
            return attempt(lambda: f"reading {self._named(index)}", lambda: decode(index, empty))
        if self._codec is None:
            return self._by_zarr(f"reading {self._named(index)}", place)
        ((_, whole),) = self._chunks([index], needed, empty)
        return self._fill_of(place) if whole is None else whole[tuple(slice(b - a) for a, b in place)]

    def read(self, box: Box) -> Array:
        """The samples of a box; may be read-only."""
        if not size_of(box):
            return np.empty(shape_of(box), self._array.dtype)
        if self._codec is None:
            return self._read_by_zarr(box)
        parts = dict(self.parts(box))
        if len(parts) == 1:
            return self.part(*parts.popitem())
        result = self._empty(shape_of(box), self._array.dtype)
        origin = [start for start, _ in box]
        for index, whole in self._chunks(list(parts), box, self._empty):
            part = parts[index]
            samples = self._fill if whole is None else whole[within(part, self.place(index))]
            result[slices_of(part, origin)] = samples
        return result

    def stores_alike(self, other: ChunkIO) -> bool:
        """Whether the stored bytes of a chunk are the same samples in another array as in this one."""
        same_edges = all(map(np.array_equal, self.edges, other.edges))
        return self._codec is not None and self._codec == other._codec and same_edges

    def copy(self, box: Box, other: ChunkIO) -> Array:
        """The samples of a box of whole chunks, which are also written to another array that `stores_alike`: its chunks
        are the stored bytes where it would have such (see `_as_stored`), and are encoded where not.
        """
        result = self._empty(shape_of(box), self._array.dtype)
        origin = [start for start, _ in box]
        parts = dict(self.parts(box)) if result.size else {}
        for index, raw in self._stored.fetch(list(parts)):
            inside = result[slices_of(parts[index], origin)]
            kept = self._copied(index, raw, inside, other)
            other._stored.put(index, other._encoded(inside) if kept is None else kept)
            del raw, kept  # before the next ones come
        return result

    def _copied(self, index: Index, raw: Any, inside: Array, other: ChunkIO) -> bytes | None:
        """Fill the samples of a chunk; the bytes that another array may keep of it."""
        if raw is None:
            inside[...] = self._fill
            return None
        whole, found = self._decoded(index, raw, self._empty)
        inside[...] = whole[tuple(map(slice, inside.shape))]
        return other._as_stored(found, whole, inside.shape)

    def by_chunk(self, box: Box) -> ByChunk:
        """The samples of a non-empty box, chunk by chunk."""
        empty = OneAtATime(self._empty)
        for index, part in self.parts(box):
            yield part, self.part(index, part, empty)

    def write(self, box: Box, samples: Array) -> None:
        """Write the samples of a box of whole chunks. A shard is stored when all of its chunks have been written; where
        zarr encodes them, the box must be of whole shards.
        """
        if self._codec is None:
            attempt(f"writing the target at {_text(box)}", lambda: self._array.__setitem__(slices_of(box), samples))
            return
        origin = [start for start, _ in box]
        for index, part in self.parts(box):
            self._stored.put(index, self._encoded(samples[slices_of(part, origin)]))

    def written(self, keys: Sequence[str]) -> list[tuple[int, int] | None]:
        """Size and crc32c of units that have been written by this, by their keys; None for one that is not stored, and
        nothing at all where zarr has written them to a store that is not local.
        """
        if self._codec is not None:
            return [self._stored.written.pop(key, None) for key in keys]
        folder = objects.local_folder(self._array.store_path)
        return [] if folder is None else durable.known([folder / key for key in keys])

    def _encoded(self, samples: Array) -> bytes | None:
        """What is stored for the samples of a chunk, cut off at the ends of the array; None for nothing."""
        assert self._codec is not None
        if not self._keeps_empty and self._is_empty(samples):
            return None
        if samples.shape != self._codec.shape:
            whole = np.full(self._codec.shape, self._fill)
            whole[tuple(map(slice, samples.shape))] = samples
            samples = whole
        return self._codec.encode(samples)

    def _as_stored(self, raw: Any, whole: Array, shape: tuple[int, ...]) -> bytes | None:
        """The bytes of a decoded chunk where this array may keep them; None of one that it leaves out, that holds more
        than its samples (beyond the ends of the array, what was cut off there), or that is stored in some rarer way.

        shape : of the chunk's samples that lie in the array.
        """
        assert self._codec is not None
        samples = whole[tuple(map(slice, shape))]
        beyond = [
            whole[(slice(None),) * axis + (slice(n, None),)] for axis, n in enumerate(shape) if n < whole.shape[axis]
        ]
        leaves_out = not self._keeps_empty and self._is_empty(samples)
        if leaves_out or not all(map(self._is_empty, beyond)) or not self._codec.is_usual(raw):
            return None
        return bytes(raw)

    def _is_empty(self, samples: Array) -> bool:
        """Whether all samples have the bits of the fill value; -0.0 is not 0.0."""
        bits = f"u{self._fill.dtype.itemsize}"
        fill = self._fill.astype(samples.dtype).view(bits)
        if samples.flat[0].view(bits) != fill:
            return False
        return bool((np.ascontiguousarray(samples).view(bits) == fill).all())

    def _chunks(self, indices: Sequence[Index], box: Box, empty: Empty) -> Iterator[tuple[Index, Array | None]]:
        """Decoded chunks, whole or as far as a box needs them; None for one that is not stored."""
        for index, raw in self._stored.fetch(indices):
            yield index, None if raw is None else self._decoded(index, raw, empty, box)[0]

    def _decoded(self, index: Index, raw: Any, empty: Empty, box: Box | None = None) -> tuple[Array, Any]:
        """A chunk, whole or as far as a box needs it, and the bytes that it was decoded from."""
        codec = self._codec
        assert codec is not None
        rows = None
        if box is not None and codec.by_rows:
            axis = codec.row_axis
            rows = box[axis][1] - self.place(index)[axis][0]

        def decode() -> tuple[Array, Any]:
            try:
                return codec.decode(raw, empty, rows), raw
            except Exception:
                if objects.is_local(self._array.store_path):
                    raise
                ((_, again),) = self._stored.fetch([index])  # its end may have been lost on the way
                found = raw if again is None else again
                return codec.decode(found, empty, rows), found

        return attempt(lambda: f"reading {self._named(index)}", decode)

    def _fill_of(self, box: Box) -> Array:
        return np.broadcast_to(self._fill, shape_of(box))

    def _read_by_zarr(self, box: Box) -> Array:
        try:
            return self._by_zarr(f"reading the source at {_text(box)}", box)
        except StoreError:
            for index, _ in self.parts(box):
                self.chunk(index)  # which one it is
            raise

    def _by_zarr(self, doing: str, box: Box) -> Array:
        """The samples of a box, as zarr, or whatever a source is made from, gives them."""

        def read() -> Array:
            return np.asarray(self._array[slices_of(box)])

        def read_twice() -> Array:
            try:
                return read()
            except Exception as error:
                if objects.is_local(self._array.store_path) or may_pass(error):
                    raise
                return read()  # the end of a chunk may have been lost on the way

        return attempt(doing, read_twice if is_array(self._array) else read)


def _in_remote_store(array: zarr.Array[Any]) -> zarr.Array[Any]:
    from vrdask.storage.remote_store import in_remote_store  # which needs zarr

    at = in_remote_store(array.store_path)
    return array if at is array.store_path else zarr_internals.array_in(array, at)


def _place(ends: Sequence[Sequence[int]], index: Index) -> Box:
    """The box of a chunk. ends : boundaries of the chunks along each axis."""
    return tuple([(along[k], along[k + 1]) for along, k in zip(ends, index, strict=True)])


def _named(array: Any, ends: Sequence[Sequence[int]], index: Index) -> str:
    """A chunk for people: its key where it has one, its place and the array."""
    place = _text(_place(ends, index))
    if not is_array(array):
        return f"the source at {place}"
    outer = index if array.shards is None else _shard_of(index, array.shards, array.chunks)
    return f"chunk {zarr_internals.chunk_keys(array)(outer)} ({place}) of {objects.url(array.store_path)}"


def _shard_of(index: Index, shards: Sequence[int], chunks: Sequence[int]) -> Index:
    return tuple(k * c // s for k, s, c in zip(index, shards, chunks, strict=True))


def _text(box: Box) -> str:
    return "[" + ", ".join(f"{start}:{stop}" for start, stop in box) + "]"
