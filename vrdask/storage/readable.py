"""An array as lazy results read it: box by box in the task's thread, as runs do."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Edges, regular_edges
from vrdask.dtypes import DType
from vrdask.storage import objects
from vrdask.storage.cropped import Chunks, chunk_io
from vrdask.storage.kinds import is_array

MOST_READ_BYTES = 16 << 20
"""What is read at a time, where nothing else is said, of an array of which any sample can be read alone."""


class StoredArray:
    """Reads boxes of an array: zarr's, or whatever a source reads. Travels as the array; whoever receives it opens the
    chunks once, for all its tasks.

    identity : what two arrays agree in that hold the same; a zarr array's place and metadata where it is left out.
    """

    def __init__(self, array: Any, identity: Any = None) -> None:
        self.array = array
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: DType = array.dtype
        self._identity = identity

    def __reduce__(self) -> Any:
        return type(self), (self.array, self._identity)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def stored(self) -> tuple[tuple[int, ...], ...]:
        """Sizes along each axis of what is stored as a whole: shards, or chunks where there are none."""
        return tuple([tuple(np.diff(one).tolist()) for one in self._edges])

    @property
    def _edges(self) -> tuple[Edges, ...]:
        if is_array(self.array):
            unit = self._unit
        elif self.array.chunks is not None:
            return tuple(self._chunks.edges)
        else:
            unit = _slabs(self.shape, self.dtype.itemsize)
        return tuple(regular_edges(n, c, "the array's chunks") for n, c in zip(self.shape, unit, strict=True))

    @property
    def _unit(self) -> tuple[int, ...]:
        try:
            unit: tuple[int, ...] = self.array.shards or self.array.chunks
        except NotImplementedError:
            raise ValueError(
                f"a zarr array must have chunks of one size; got several at {objects.url(self.array.store_path)}: "
                "dask.array.from_zarr reads them"
            ) from None
        return unit

    @property
    def identity(self) -> Any:
        """What two arrays agree in that hold the same."""
        if self._identity is not None:
            return self._identity
        return str(self.array.store_path), dict(self.array.metadata.to_dict())

    @cached_property
    def _chunks(self) -> Chunks:
        return chunk_io(self.array)

    def read(self, box: Box) -> npt.NDArray[Any]:
        """The samples of a box; may be read-only.

        Raises
        ------
        StoreError
            They cannot be read; says which chunk, and where it is stored.
        """
        return np.asarray(self._chunks.read(box))

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        """The samples that integers and slices pick, as numpy has it."""
        given = index if isinstance(index, tuple) else (index,)
        box: list[tuple[int, int]] = []
        within: list[Any] = []
        for n, one in zip(self.shape, (*given, *(slice(None),) * (self.ndim - len(given))), strict=True):
            picked = range(n)[one]
            if isinstance(picked, int):
                box.append((picked, picked + 1))
                within.append(0)
            elif not picked:
                box.append((0, 0))
                within.append(slice(0))
            else:
                first, last = min(picked[0], picked[-1]), max(picked[0], picked[-1])
                box.append((first, last + 1))
                within.append(slice(None, None, picked.step))
        picked_ones: npt.NDArray[Any] = self.read(tuple(box))[tuple(within)]
        return picked_ones


def _slabs(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Boxes of an array in one piece, whole along its last axes.

    >>> _slabs((400, 512, 512), 2), _slabs((10, 4), 8)
    ((32, 512, 512), (10, 4))
    """
    sizes, bytes_left = list(shape), MOST_READ_BYTES // itemsize
    for axis in reversed(range(len(shape))):
        sizes[axis] = max(1, min(shape[axis], bytes_left))
        bytes_left //= sizes[axis]
    return tuple(sizes)
