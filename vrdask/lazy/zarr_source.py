"""A Zarr array as the tasks of a lazy result read it: chunk by chunk in the task's thread, as Zarr to Zarr runs do."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from dask.array.core import normalize_chunks

from vrdask.boxes import Box
from vrdask.storage import objects
from vrdask.storage.chunk_array import ChunkIO


def stored_grid(array: zarr.Array[Any]) -> tuple[tuple[int, ...], ...]:
    """Sizes along each axis of what an array stores as a whole: shards, or chunks where there are none."""
    try:
        unit = array.shards or array.chunks
    except NotImplementedError:
        raise ValueError(
            f"a zarr array must have chunks of one size; got several at {objects.url(array.store_path)}: "
            "dask.array.from_zarr reads them"
        ) from None
    sizes: tuple[tuple[int, ...], ...] = normalize_chunks(unit, array.shape, dtype=array.dtype)
    return sizes


class LazySource:
    """Reads boxes of an array. Travels as the array; whoever receives it opens the chunks once, for all its tasks."""

    def __init__(self, array: zarr.Array[Any]) -> None:
        self.array = array

    def __reduce__(self) -> Any:
        return type(self), (self.array,)

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
