"""Arrays that a caller holds, as sources: in memory, of dask, h5py and tensorstore.

Each is read region by region. One in memory stays in this process, as does one of which dask's workers hold parts; the
others travel: a dask array as its graph, of which whoever reads computes block by block, an HDF5 dataset as the path of
its file and its name (see `hdf5_array`), a tensorstore as its specification.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cached_property
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Edges, edges_of, longest, parts_of, require_known, slices_of, within
from vrdask.buffers import Empty
from vrdask.dtypes import DType
from vrdask.images.image import Image
from vrdask.sources.source import Source, square_chunks
from vrdask.storage.checksums import crc32c_of
from vrdask.storage.kinds import is_array
from vrdask.storage.layout import Layout

Array = npt.NDArray[Any]
LARGEST_CHUNK_BYTES = 16 << 20
"""Of a target's, taken over from an array."""


class GivenArray:
    """An array that a caller holds.

    place : what it is called in messages. stays : whether only this process can read it. chunks, edges : what is read
    at least, and its boundaries along each axis; None where any sample can be read alone.
    """

    shape: tuple[int, ...]
    dtype: DType
    place: str
    stays = False
    edges: tuple[Edges, ...] | None = None

    @property
    def chunks(self) -> tuple[int, ...] | None:
        return None if self.edges is None else tuple(max(1, longest(edges)) for edges in self.edges)

    @property
    def places(self) -> list[Any]:
        """What it is known to read from: paths and zarr arrays."""
        return []

    @property
    def identity(self) -> Any:
        """What two arrays agree in that hold the same: JSON."""
        raise NotImplementedError

    def __getitem__(self, box: tuple[slice, ...], /) -> Array:
        raise NotImplementedError


class InMemory(GivenArray):
    """A numpy array."""

    stays = True

    def __init__(self, array: Array) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.place = "a numpy array"

    @property
    def identity(self) -> Any:
        return {"shape": list(self.shape), "dtype": self.dtype.str, "crc32c": crc32c_of(self._bytes())}

    def _bytes(self) -> Iterator[memoryview]:
        for part in self.array if self.array.ndim > 1 else (self.array,):
            yield np.ascontiguousarray(part).reshape(-1).view(np.uint8).data

    def __getitem__(self, box: tuple[slice, ...], /) -> Array:
        return self.array[box]


class DaskBlocks(GivenArray):
    """A dask array. Its blocks are computed one by one by whoever reads, without a scheduler; where dask's workers hold
    parts of it, by them.
    """

    def __init__(self, array: Any) -> None:
        require_known(array.shape)
        self.array, self.shape, self.dtype = array, tuple(map(int, array.shape)), array.dtype
        self.edges = tuple(edges_of(sizes) for sizes in array.chunks)
        self.place = f"the dask array {array.name}"

    def __reduce__(self) -> Any:
        return type(self), (self.array,)

    @cached_property
    def stays(self) -> bool:  # type: ignore[override]
        if "distributed" not in sys.modules:
            return False
        from distributed.client import futures_of

        return bool(futures_of(self.array))

    @property
    def places(self) -> list[Any]:
        values = (getattr(node, "value", node) for node in dict(self.array.__dask_graph__()).values())
        return [value for value in values if is_array(value)]

    @property
    def identity(self) -> Any:
        return {"dask": self.array.name, "chunks": [list(sizes) for sizes in self.array.chunks]}

    @cached_property
    def _graph(self) -> tuple[str, dict[Any, Any]]:
        """The name of its blocks in the optimized graph, and that graph."""
        import dask.array as da
        from dask.base import optimize

        if getattr(da, "ARRAY_EXPR_ENABLED", False):  # dask's query planning, which optimizes otherwise
            array = self.array.optimize()
        else:
            (array,) = optimize(self.array)
        return array.name, dict(array.__dask_graph__())

    def chunk(self, index: tuple[int, ...], empty: Empty) -> Array:
        """The samples of one block."""
        if self.stays:
            return np.asarray(self.array.blocks[index].compute())
        import dask
        from dask.optimization import cull

        name, graph = self._graph
        key = (name, *index)
        needed, _ = cull(graph, [key])
        (block,) = dask.get(needed, [key])
        return np.asarray(block)

    def __getitem__(self, box: tuple[slice, ...], /) -> Array:
        assert self.edges is not None
        whole = tuple((part.start, part.stop) for part in box)
        result = np.empty([stop - start for start, stop in whole], self.dtype)
        for index, part in parts_of(whole, self.edges) if result.size else ():
            place = tuple((int(edges[k]), int(edges[k + 1])) for edges, k in zip(self.edges, index, strict=True))
            block = self.chunk(index, np.empty)
            result[slices_of(part, [start for start, _ in whole])] = block[within(part, place)]
        return result


class TensorStoreArray(GivenArray):
    """A tensorstore, whose first sample may lie anywhere."""

    def __init__(self, store: Any) -> None:
        domain = store.domain
        self.store, self._origin = store, tuple(domain.origin)
        self.shape, self.dtype = tuple(map(int, domain.shape)), np.dtype(store.dtype.numpy_dtype)
        url = getattr(store.kvstore, "url", "") if store.kvstore is not None else ""
        self.place = f"the tensorstore {url}".rstrip()
        layout = store.chunk_layout
        sizes = layout.read_chunk.shape or ()
        if sizes and all(sizes):
            firsts = [origin or 0 for origin in layout.grid_origin or sizes]
            self.edges = tuple(map(_shifted_edges, self.shape, sizes, self._origin, firsts))
        self._unique = uuid4().hex

    def __reduce__(self) -> Any:
        if self._is_in_memory:
            raise TypeError(
                "a tensorstore must lie in a store that all processes share to travel to them; got one in memory"
            )
        return type(self), (self.store,)

    @property
    def _is_in_memory(self) -> bool:
        return self.store.kvstore is not None and "'driver': 'memory'" in str(self.store.kvstore.spec().to_json())

    @property
    def stays(self) -> bool:  # type: ignore[override]
        return self.store.kvstore is None or self._is_in_memory

    @property
    def identity(self) -> Any:
        return {"in memory": self._unique} if self.stays else {"tensorstore": self.store.spec().to_json()}

    def __getitem__(self, box: tuple[slice, ...], /) -> Array:
        place = tuple(
            slice(part.start + first, part.stop + first) for part, first in zip(box, self._origin, strict=True)
        )
        return np.asarray(self.store[place].read().result())


def _shifted_edges(n: int, chunk: int, origin: int, first: int) -> Edges:
    """Boundaries of chunks that begin at `first`, or some chunks from it, along an axis that begins at `origin`.

    >>> _shifted_edges(10, 8, 5, 0).tolist()
    [0, 3, 10]
    """
    start = (first - origin) % chunk
    inner = np.arange(start if start else chunk, n, chunk)
    return np.concatenate(([0], inner, [n])).astype(np.int64)


def given_array(x: Any) -> GivenArray | None:
    """What a caller holds, to be read region by region; None for what is no such array."""
    if isinstance(x, np.ndarray):
        return InMemory(x)
    dask_array, h5py, tensorstore = (sys.modules.get(name) for name in ("dask.array", "h5py", "tensorstore"))
    if dask_array is not None and isinstance(x, dask_array.Array):
        return DaskBlocks(x)
    return stored_elsewhere(x) if h5py is not None or tensorstore is not None else None


def stored_elsewhere(x: Any) -> GivenArray | None:
    """The same of what lies in other libraries' stores."""
    h5py, tensorstore = sys.modules.get("h5py"), sys.modules.get("tensorstore")
    if h5py is not None and isinstance(x, h5py.Dataset):
        if not x:
            raise ValueError("an HDF5 dataset must be open; got one whose file has been closed")
        from vrdask.sources.hdf5_array import GivenDataset  # which is such an array

        return GivenDataset(x)
    if tensorstore is not None and isinstance(x, tensorstore.TensorStore):
        if not all(size < 1 << 60 for size in x.domain.shape):
            raise ValueError(f"a tensorstore must have a finite domain; got {x.domain}")
        return TensorStoreArray(x)
    return None


def given_source(array: GivenArray, image: Image | None = None) -> Source:
    """A source of an array that a caller holds. image : what is known of its axes."""
    chunks, item = array.chunks, array.dtype.itemsize
    if chunks is None or np.prod([float(c) for c in chunks]) * item > LARGEST_CHUNK_BYTES:
        chunks = square_chunks(array.shape, item)
    names = None if image is None else image.axis_names
    return Source(array, Layout(chunks, dimension_names=names), array.place, lambda: array.identity, image)
