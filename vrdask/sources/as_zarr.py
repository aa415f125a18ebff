"""A source as an array of zarr's, which reads the source when it is read: what a run gives back that makes a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import numpy as np
import zarr
from zarr.abc.store import Store
from zarr.storage import MemoryStore, StorePath

from vrdask.boxes import slices_of
from vrdask.dtypes import plain
from vrdask.sources.source import Source
from vrdask.storage import zarr_internals


class SourceStore(Store):
    """A store without objects, which makes a chunk of a source's array when it is asked for."""

    supports_writes = supports_deletes = supports_listing = False

    def __init__(self, source: Source, chunks: tuple[int, ...]) -> None:
        super().__init__(read_only=True)
        self._source, self._chunks = source, chunks

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SourceStore) and self._source is other._source

    def __str__(self) -> str:
        return self._source.place

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """The bytes of a chunk; None for anything else."""
        head, *index = key.split("/")
        if head != "c" or byte_range is not None:
            return None
        array = self._source.array
        places = zip(map(int, index), self._chunks, array.shape, strict=True)
        box = tuple((k * c, min(n, (k + 1) * c)) for k, c, n in places)
        chunk = np.zeros(self._chunks, plain(array.dtype))
        chunk[tuple(slice(stop - start) for start, stop in box)] = array[slices_of(box)]
        return prototype.buffer.from_bytes(chunk.tobytes())

    async def get_partial_values(self, prototype: Any, key_ranges: Iterable[tuple[str, Any]]) -> list[Any]:
        """The bytes of chunks."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    async def exists(self, key: str) -> bool:
        """Whether a key is one of a chunk."""
        return key.startswith("c/")

    async def set(self, key: str, value: Any) -> None:
        """Refuse: nothing can be written."""
        raise ValueError(f"a source must not be written; got {self}")

    async def delete(self, key: str) -> None:
        """Refuse: nothing can be removed."""
        raise ValueError(f"a source must not be written; got {self}")

    async def list(self) -> AsyncIterator[str]:
        """Nothing is listed."""
        for key in _NOTHING:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Nothing is listed."""
        for key in _NOTHING:
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Nothing is listed."""
        for key in _NOTHING:
            yield key


_NOTHING: tuple[str, ...] = ()


def as_zarr(source: Source) -> zarr.Array[Any]:
    """An array of zarr's with the samples of a source, which cannot be written."""
    if isinstance(source.array, zarr.Array):
        return source.array
    array, chunks = source.array, tuple(max(1, c) for c in source.layout.chunks)
    blank = zarr.create_array(
        MemoryStore(),
        shape=array.shape,
        dtype=plain(array.dtype),
        chunks=chunks,
        compressors=None,
        dimension_names=source.layout.dimension_names,
    )
    return zarr_internals.array_at(blank.metadata, StorePath(SourceStore(source, chunks), ""))
