"""The format of a shard: several chunks in one stored object, and an index of where each of them lies.

Zarr 3's codec "sharding_indexed"; bytes in, bytes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from vrdask.storage import zarr_internals
from vrdask.storage.checksums import CHECKSUM_BYTES, checked, crc32c

if TYPE_CHECKING:
    import zarr

Item = TypeVar("Item")
Place = tuple[int, ...]
"""Of a chunk in its shard, counted in chunks."""
Span = tuple[int, int]
"""Bytes ``[start, stop)`` of a shard."""
ShardIndex = npt.NDArray[np.uint64]
"""Offset and length of every chunk: the grid's shape and 2."""

_MISSING = np.iinfo(np.uint64).max
_MOST = 1 << 62
_DAMAGED = "its index is damaged"


@dataclass(frozen=True)
class ShardFormat:
    """How the shards of an array are laid out.

    grid : chunks per shard along each axis. index_first : whether the index stands before the chunks.
    has_checksum : whether one follows the index.
    """

    grid: tuple[int, ...]
    index_first: bool = False
    has_checksum: bool = True

    @property
    def index_bytes(self) -> int:
        """Stored size of the index."""
        return 16 * prod(self.grid) + CHECKSUM_BYTES * self.has_checksum

    def decode_index(self, stored: bytes | memoryview, size: int | None = None) -> ShardIndex:
        """The index from its bytes. size : of the shard, where it is known; of use
        where the index stands at its end.

        Raises
        ------
        ValueError
            They are cut off, or not those that were stored; or chunks would lie where there can be none.
        """
        if len(stored) != self.index_bytes:
            raise ValueError(f"a shard's index must have {self.index_bytes} bytes; got {len(stored)}: it is cut off")
        try:
            numbers = checked(stored) if self.has_checksum else stored
        except ValueError as error:
            raise ValueError(f"a shard's index must be as it was written: {error}") from None
        index = np.frombuffer(numbers, "<u8").reshape(*self.grid, 2)
        self._require_sound(index.reshape(-1, 2), size)
        return index

    def _require_sound(self, spans: ShardIndex, size: int | None) -> None:
        """Refuse an index by which chunks lie in it or across each other; chunks that are equal may be stored once."""
        missing = spans == _MISSING
        if (missing[:, 0] != missing[:, 1]).any():
            raise ValueError("a shard's index must give a chunk a place and a length, or neither; it is damaged")
        there = spans[~missing[:, 0]]
        if not len(there):
            return
        starts, lengths = there[np.argsort(there[:, 0], kind="stable")].T
        begin = self.index_bytes if self.index_first else 0
        end = _MOST if size is None else size - self.index_bytes * (not self.index_first)
        if lengths.max() > _MOST or starts.max() > _MOST or starts[0] < begin or (starts + lengths).max() > end:
            raise ValueError(f"a shard's chunks must lie in it, beside its index; they do not: {_DAMAGED}")
        stops = starts + lengths
        again = (starts[1:] == starts[:-1]) & (stops[1:] == stops[:-1])
        if (~again & (starts[1:] < np.maximum.accumulate(stops)[:-1])).any():
            raise ValueError(f"a shard's chunks must not overlap; they do: {_DAMAGED}")

    def encode(self, chunks: Mapping[Place, bytes | None]) -> list[bytes]:
        """The pieces of a shard of encoded chunks, None for those that are left out; none for a shard without chunks.

        The chunks stand in Morton order, as zarr-python puts them: neighbours lie near each other.
        """
        index = np.full((*self.grid, 2), _MISSING, "<u8")
        at, pieces = self.index_bytes if self.index_first else 0, []
        for place in _morton_order(self.grid):
            chunk = chunks.get(place)
            if chunk is not None:
                index[place] = at, len(chunk)
                at += len(chunk)
                pieces.append(chunk)
        if not pieces:
            return []
        numbers = index.tobytes()
        if self.has_checksum:
            numbers += crc32c(numbers)
        pieces.insert(0 if self.index_first else len(pieces), numbers)
        return pieces


def span_of(index: ShardIndex, place: Place) -> Span | None:
    """Where a chunk lies in its shard; None for one that is not stored."""
    offset, length = index[place].tolist()
    return None if offset == length == _MISSING else (offset, offset + length)


def runs_of(spans: Sequence[tuple[Span, Item]], most: int, gap: int) -> list[tuple[Span, list[tuple[Span, Item]]]]:
    """Spans, sorted, as fewer ones to read, each with what lies in it: joined where at most `gap` bytes lie between, up
    to `most` bytes.

    >>> spans = [((0, 10), "a"), ((10, 20), "b"), ((25, 30), "c"), ((60, 70), "d")]
    >>> [(run, [name for _, name in inside]) for run, inside in runs_of(spans, most=100, gap=5)]
    [((0, 30), ['a', 'b', 'c']), ((60, 70), ['d'])]
    >>> [run for run, _ in runs_of(spans, most=20, gap=5)]
    [(0, 20), (25, 30), (60, 70)]
    """
    runs: list[tuple[Span, list[tuple[Span, Item]]]] = []
    for span, item in spans:
        (start, stop), inside = runs[-1] if runs else ((0, 0), [])
        if inside and span[0] - stop <= gap and span[1] - start <= most:
            inside.append((span, item))
            runs[-1] = ((start, max(stop, span[1])), inside)
        else:
            runs.append((span, [(span, item)]))
    return runs


@dataclass(frozen=True)
class Codec:
    """A codec of Zarr 3 as metadata have it; the names of its options are the specification's."""

    name: str
    options: Mapping[str, Any]


def codecs_of(documents: Sequence[Any]) -> list[Codec]:
    """A chain of codecs from its JSON; one without options may stand there as its name alone.

    >>> codecs_of([{"name": "bytes", "configuration": {"endian": "little"}}, "crc32c"])
    [Codec(name='bytes', options={'endian': 'little'}), Codec(name='crc32c', options={})]
    """
    return [
        Codec(one, {}) if isinstance(one, str) else Codec(one["name"], one.get("configuration") or {})
        for one in documents
    ]


def shard_format(array: zarr.Array[Any]) -> ShardFormat | None:
    """The format of an array's shards; None where it has none, or some that zarr must read and write."""
    document = zarr_internals.array_document(array)
    codec, *others = codecs_of(document.get("codecs", ["none"]))
    if codec.name != "sharding_indexed" or others or not array.shards:
        return None
    number, *rest = codecs_of(codec.options.get("index_codecs", ()))
    little = number.name == "bytes" and number.options.get("endian") == "little"
    if not little or [one.name for one in rest] not in ([], ["crc32c"]):
        return None
    grid = tuple(s // c for s, c in zip(array.shards, array.chunks, strict=True))
    return ShardFormat(grid, codec.options.get("index_location", "end") == "start", bool(rest))


@lru_cache(maxsize=8)
def _morton_order(grid: tuple[int, ...]) -> tuple[Place, ...]:
    """The places of a grid by their interleaved bits, the first axis's lowest bit lowest.

    >>> _morton_order((2, 3))
    ((0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2))
    """
    bits = [
        (bit, axis)
        for bit in range(max((n - 1).bit_length() for n in grid))
        for axis, n in enumerate(grid)
        if bit < (n - 1).bit_length()
    ]

    def code(place: Place) -> int:
        return sum((place[axis] >> bit & 1) << k for k, (bit, axis) in enumerate(bits))

    return tuple(sorted(product(*map(range, grid)), key=code))
