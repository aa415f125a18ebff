"""The stored bytes of an array's chunks: objects of their own, or parts of shards.

Fetching asks again where that may help and says which chunk could not be read; see `retry`.
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from vrdask.boxes import Index, ceil_div
from vrdask.storage import objects, zarr_internals
from vrdask.storage.checksums import crc32c_of
from vrdask.storage.kinds import is_local_store
from vrdask.storage.retry import StoreError, attempt
from vrdask.storage.shard_format import Place, ShardFormat, ShardIndex, Span, runs_of, span_of

if TYPE_CHECKING:
    import zarr
    from zarr.storage import StorePath

Named = Callable[[Index], str]
"""A chunk for people."""
Written = dict[str, tuple[int, int] | None]
"""Size and crc32c of objects by key; None for those that are not stored."""
Request = TypeVar("Request")
Fetched = Iterator[tuple[Index, Any]]
"""Chunks and their bytes, as buffers; None for one that is not stored."""

REQUESTS_AT_ONCE = 8
BYTES_AT_ONCE = 16 << 20
"""Of a store that is not a local disk, where a request waits for the network."""
RUN_BYTES = 2 << 20
GAP_BYTES = 64 << 10
"""Chunks of a shard are read together up to so many bytes, with gaps of up to so many between them."""
JOINED_COPIES = 3
"""Of a shard on its way to a store that takes it in one piece: its chunks, the shard, and what zarr hands over."""
INDEX_BYTES = 8 << 20
"""The indices of shards that are kept take about as much."""


class Stored(Protocol):
    """Where the bytes of chunks are.

    fetched_bytes : of chunks that are fetched at the same time. shard_copies : as in `costs.TransferCost`.
    """

    fetched_bytes: int
    shard_copies: int

    def fetch(self, indices: Sequence[Index]) -> Fetched:
        """The bytes of some chunks, in any order."""

    def put(self, index: Index, chunk: bytes | None) -> None:
        """Store a chunk, or see to it that it is not stored."""

    @property
    def written(self) -> Written:
        """What has been stored since, by key; whoever has seen it takes it out."""


class StoredChunks:
    """Chunks that are objects of their own. named : a chunk for people."""

    shard_copies = 0

    def __init__(self, array: zarr.Array[Any], named: Named) -> None:
        self._at, self._key, self._named = array.store_path, zarr_internals.chunk_keys(array), named
        self._together, self.fetched_bytes = _together(self._at, prod(array.chunks) * array.dtype.itemsize)
        self.written: Written = {}

    def fetch(self, indices: Sequence[Index]) -> Fetched:
        """The bytes of some chunks, in this order."""
        queue = iter(indices)
        while batch := list(islice(queue, self._together)):
            found = _fetch_all(
                lambda indices: objects.get_many([self._at / self._key(index) for index in indices]), batch, self._named
            )
            for index, raw in zip(batch, found, strict=True):
                if raw is None:
                    at = self._at / self._key(index)
                    attempt(lambda index=index: f"reading {self._named(index)}", lambda at=at: _require_nothing(at))  # type: ignore[misc]
                yield index, raw

    def put(self, index: Index, chunk: bytes | None) -> None:
        """Store a chunk, or see to it that it is not stored."""
        key, pieces = self._key(index), [] if chunk is None else [chunk]
        attempt(f"writing {self._named(index)}", lambda: _put(self._at / key, pieces))
        self.written[key] = _said_of(pieces)


class StoredShards:
    """Chunks in shards. A shard is stored when the last of its chunks is put, and until then held in memory."""

    def __init__(self, array: zarr.Array[Any], form: ShardFormat, named: Named) -> None:
        self._at, self._key, self._named = array.store_path, zarr_internals.chunk_keys(array), named
        self._form = form
        self._chunks = tuple(ceil_div(n, c) for n, c in zip(array.shape, array.chunks, strict=True))
        chunk, shard = (prod(sizes) * array.dtype.itemsize for sizes in (array.chunks, array.shards or array.chunks))
        run = max(chunk, min(RUN_BYTES, shard))
        self._together, self.fetched_bytes = _together(self._at, run)
        self.shard_copies = 1 if objects.is_local(self._at) else JOINED_COPIES
        self._index = lru_cache(max(4, INDEX_BYTES // form.index_bytes))(self._fetch_index)
        self._unfinished: dict[Index, dict[Place, bytes | None]] = {}
        self.written: Written = {}
        self._mutex = threading.Lock()

    def fetch(self, indices: Sequence[Index]) -> Fetched:
        """The bytes of some chunks, shard by shard, as they lie in it."""
        shards: dict[Index, list[Index]] = {}
        for index in indices:
            shards.setdefault(self._place(index)[0], []).append(index)
        for shard, inside in shards.items():
            offsets = attempt(f"reading {self._named(inside[0])}", lambda shard=shard: self._index(shard))  # type: ignore[misc]
            spans = {index: offsets if offsets is None else span_of(offsets, self._place(index)[1]) for index in inside}
            yield from ((index, None) for index, span in spans.items() if span is None)
            found = sorted((span, index) for index, span in spans.items() if span is not None)
            yield from self._fetch_spans(self._at / self._key(shard), found)

    def put(self, index: Index, chunk: bytes | None) -> None:
        """Keep a chunk for its shard, or store the shard where it was the last one."""
        shard, place = self._place(index)
        with self._mutex:
            chunks = self._unfinished.setdefault(shard, {})
            chunks[place] = chunk
            if len(chunks) < self._count(shard):
                return
            del self._unfinished[shard]
        pieces = self._form.encode(chunks)
        self._index.cache_clear()
        key = self._key(shard)
        attempt(f"writing shard {key} of {objects.url(self._at)}", lambda: _put(self._at / key, pieces))
        self.written[key] = _said_of(pieces)

    def _place(self, index: Index) -> tuple[Index, Place]:
        """A chunk's shard, and where it stands in it."""
        pairs = [divmod(k, n) for k, n in zip(index, self._form.grid, strict=True)]
        return tuple(shard for shard, _ in pairs), tuple(place for _, place in pairs)

    def _count(self, shard: Index) -> int:
        """Chunks of a shard that lie in the array."""
        return prod(min(g, n - k * g) for k, g, n in zip(shard, self._form.grid, self._chunks, strict=True))

    def _fetch_index(self, shard: Index) -> ShardIndex | None:
        at, size = self._at / self._key(shard), self._form.index_bytes
        if self._form.index_first:
            raw, whole = objects.get_spans(at, [(0, size)])[0], None
        else:  # chunks stand before it; a local disk says at once how far they may reach
            raw, whole = objects.get_last(at, size), objects.size(at) if is_local_store(at.store) else None
        if raw is None:
            _require_nothing(at)
            return None
        return self._form.decode_index(raw, whole)

    def _fetch_spans(self, at: StorePath, spans: Sequence[tuple[Span, Index]]) -> Fetched:
        runs = iter(runs_of(spans, RUN_BYTES, GAP_BYTES))
        while batch := list(islice(runs, self._together)):
            found = _fetch_all(
                lambda runs: objects.get_spans(at, [span for span, _ in runs]),
                batch,
                lambda run: self._named(run[1][0][1]),
            )
            for ((begin, _), members), raw in zip(batch, found, strict=True):
                held = memoryview(b"" if raw is None else raw)
                for (start, stop), index in members:
                    if stop - begin > len(held):
                        raise StoreError(
                            f"reading {self._named(index)} failed: its shard must have the {stop} bytes that its index "
                            f"tells of; it ends at {begin + len(held)}"
                        )
                    yield index, held[start - begin : stop - begin]


def _together(at: StorePath, size: int) -> tuple[int, int]:
    """How many requests of a size are made at the same time, and the bytes that they ask for."""
    most = 1 if objects.is_local(at) else REQUESTS_AT_ONCE
    count = max(1, min(most, BYTES_AT_ONCE // max(size, 1)))
    return count, count * size


def _fetch_all(
    fetch: Callable[[Sequence[Request]], list[Any]], requests: Sequence[Request], named: Callable[[Request], str]
) -> list[Any]:
    """`fetch(requests)`; where they fail together, one by one, so that the error names the right one."""
    more = f" and {len(requests) - 1} more" if len(requests) > 1 else ""
    try:
        return attempt(f"reading {named(requests[0])}{more}", lambda: fetch(requests))
    except StoreError:
        if len(requests) == 1:
            raise
        return [_fetch_all(fetch, [request], named)[0] for request in requests]


def _require_nothing(at: StorePath) -> None:
    """Refuse what is there but no file, which zarr takes for nothing, and then for the fill value."""
    if is_local_store(at.store):
        path = at.store.root / at.path
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            return
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(f"a chunk must be a file; got the folder {path}")


def _said_of(pieces: Sequence[bytes]) -> tuple[int, int] | None:
    return (sum(map(len, pieces)), crc32c_of(pieces)) if pieces else None


def _put(at: StorePath, pieces: Sequence[bytes]) -> None:
    """Store an object, or see to it that there is none where it has no pieces."""
    if not pieces:
        objects.remove_once(at)
    elif len(pieces) == 1:
        objects.put_once(at, pieces[0])
    else:
        objects.put_pieces(at, pieces)
