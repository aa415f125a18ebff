"""A Zarr array as lazy results read it: chunk by chunk in the task's thread, as runs do."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from vrdask.boxes import Box, regular_edges
from vrdask.dtypes import DType
from vrdask.storage import objects
from vrdask.storage.chunk_array import ChunkIO


class StoredArray:
    """Reads boxes of an array. Travels as the array; whoever receives it opens the chunks once, for all its tasks."""

    def __init__(self, array: zarr.Array[Any]) -> None:
        self.array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype: DType = array.dtype

    def __reduce__(self) -> Any:
        return type(self), (self.array,)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def stored(self) -> tuple[tuple[int, ...], ...]:
        """Sizes along each axis of what is stored as a whole: shards, or chunks where there are none."""
        try:
            unit = self.array.shards or self.array.chunks
        except NotImplementedError:
            raise ValueError(
                f"a zarr array must have chunks of one size; got several at {objects.url(self.array.store_path)}: "
                "dask.array.from_zarr reads them"
            ) from None
        edges = [regular_edges(n, c, "the array's chunks") for n, c in zip(self.shape, unit, strict=True)]
        return tuple([tuple(np.diff(one).tolist()) for one in edges])

    @property
    def identity(self) -> tuple[str, dict[str, Any]]:
        """What two arrays agree in that hold the same."""
        return str(self.array.store_path), dict(self.array.metadata.to_dict())

    @cached_property
    def _chunks(self) -> ChunkIO:
        return ChunkIO(self.array)

    def read(self, box: Box) -> npt.NDArray[Any]:
        """The samples of a box; may be read-only.

        Raises
        ------
        StoreError
            They cannot be read; says which chunk, and where it is stored.
        """
        return np.asarray(self._chunks.read(box))
