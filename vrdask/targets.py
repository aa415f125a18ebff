"""Targets: a Zarr array that becomes visible when it is complete.

Chunks are written first and the metadata last: until `Target.finish`, no reader takes the target for an array. This
holds on any store, object stores too, which cannot rename.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import zarr
from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath

from vrdask import codecs, stores, zarr_internals
from vrdask.attempts import said_of
from vrdask.dtypes import DType, native, plain
from vrdask.geometry import attributes_of, is_group
from vrdask.intervals import Box, ceil_div
from vrdask.ome_zarr import Multiscale
from vrdask.sources import Layout, Source, store_path


class Form(Protocol):
    """What a target has to know of the result that it is for."""

    @property
    def in_dtype(self) -> DType: ...
    @property
    def out_dtype(self) -> DType: ...
    @property
    def out_shape(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Target:
    """An array to write. `array` can be written and pickled before its metadata exists."""

    array: zarr.Array[Any]
    root: StorePath | None
    image: Multiscale | None

    @property
    def unit(self) -> tuple[int, ...]:
        """What one task must write whole: a shard, or a chunk where there are none."""
        return self.array.shards or self.array.chunks

    @property
    def is_local(self) -> bool:
        """Whether only this process can write it: an array in its memory."""
        return isinstance(self.array.store, MemoryStore)

    def stored_sizes(self, box: Box) -> list[int | None]:
        """Stored bytes of each unit of a box of whole units; none on stores whose objects cannot be cut off."""
        at = self.array.store_path
        if not isinstance(at.store, LocalStore):
            return []
        units = (range(start // u, -(-stop // u)) for (start, stop), u in zip(box, self.unit, strict=True))
        key = zarr_internals.chunk_keys(self.array)
        return [stores.size(at / key(unit)) for unit in product(*units)]

    def finish(self) -> zarr.Array[Any]:
        """Write the metadata, innermost first; the array as it is read from now on."""
        if self.root is None:
            return self.array
        _put_metadata(self.array.store_path, self.array.metadata)
        if self.image is not None:
            group = zarr.create_group(MemoryStore(), attributes=self.image.attributes())
            _put_metadata(self.root, group.metadata)
        return zarr.open_array(self.array.store_path, mode="r+")


def new_target(place: Any, image: Multiscale | None, **array_arguments: Any) -> Target:
    """A target at a place that is free, or will be by the time it is written; writes nothing.

    array_arguments : of `zarr.create_array`.
    """
    root = store_path(place, "a")
    blank = zarr.create_array(MemoryStore(), zarr_format=3, **array_arguments)
    at = root / image.path if image is not None else root
    return Target(zarr_internals.array_at(blank.metadata, at), root, image)


def existing_target(
    array: zarr.Array[Any],
    what: Form,
    chunks: Sequence[int] | int | None = None,
    shards: Sequence[int] | int | None = None,
) -> Target:
    """An array that is there already, to be written into as it is."""
    if array.read_only:
        raise ValueError(f"target must be writable; got {array.store_path}, which is read-only")
    if array.shape != what.out_shape or native(array.dtype) != what.out_dtype:
        raise ValueError(
            f"a target array must have shape {what.out_shape} and dtype {what.out_dtype}; "
            f"got {array.shape} and {array.dtype}"
        )
    if chunks is not None or shards is not None:
        raise ValueError(
            f"chunks and shards must be None when the target is an array, which has its own; got {chunks} and {shards}"
        )
    return Target(array, None, None)


def array_arguments(
    layout: Layout,
    image: Multiscale | None,
    what: Form,
    chunks: Sequence[int] | int | None,
    shards: Sequence[int] | int | None,
    compressors: Any,
) -> dict[str, Any]:
    """Arguments of `zarr.create_array` for a result: as its source is stored where nothing else is asked for."""
    ndim = len(what.out_shape)
    chunk = _per_axis("chunks", chunks, ndim) or layout.chunks
    chunk = tuple(max(1, min(c, n)) for c, n in zip(chunk, what.out_shape, strict=True))
    shard = _per_axis("shards", shards, ndim)
    if shard is None and chunks is None and layout.shards is not None:
        shard = tuple(c * ceil_div(min(s, n), c) for s, c, n in zip(layout.shards, chunk, what.out_shape, strict=True))
    if shard is not None:
        for axis, (s, c) in enumerate(zip(shard, chunk, strict=True)):
            if s % c:
                raise ValueError(f"chunks must divide shards; got chunks of {c} and shards of {s} for axis {axis}")
    by_itself = attributes_of(image) if image is not None and not is_group(image) else {}
    return {
        "shape": what.out_shape,
        "dtype": plain(what.out_dtype.newbyteorder("=")),
        "chunks": chunk,
        "shards": shard,
        "compressors": codecs.compressors(compressors, layout.compressors),
        "fill_value": layout.fill_value if what.out_dtype == what.in_dtype else 0,
        "dimension_names": image.axis_names if image is not None else layout.dimension_names,
        "attributes": {**layout.attributes, **by_itself},
    }


def _per_axis(name: str, sizes: Sequence[int] | int | None, ndim: int) -> tuple[int, ...] | None:
    if sizes is None:
        return None
    try:
        given = tuple(map(operator.index, sizes)) if isinstance(sizes, Iterable) else (operator.index(sizes),) * ndim
    except TypeError:
        raise TypeError(f"{name} must be integers; got {sizes!r}") from None
    if len(given) != ndim:
        raise ValueError(f"{name} must have one size per axis; got {len(given)} for {ndim} axes")
    if min(given, default=1) < 1:
        raise ValueError(f"{name} must be positive integers; got {given}")
    return given


def refuse_same_place(source: Any, target: Any) -> None:
    """A target at, above or inside the source would destroy what it is made from."""
    (system, one), (other_system, other) = (_address(_place_of(place)) for place in (source, target))
    shared = min(len(one), len(other))
    if system == other_system and one[:shared] == other[:shared]:
        named = source.place if isinstance(source, Source) else source
        raise ValueError(f"target must lie outside the source; got {target} for the source {named}")


def _place_of(given: Any) -> StorePath:
    if isinstance(given, Source):
        given = given.array if isinstance(given.array, zarr.Array) else given.place
    return given.store_path if isinstance(given, zarr.Array | zarr.Group) else store_path(given, None)


def _address(at: StorePath) -> tuple[Any, tuple[str, ...]]:
    """What a place is in, to be compared, and the names that lead to it."""
    names = tuple(filter(None, at.path.split("/")))
    if isinstance(at.store, LocalStore):
        return "file", (at.store.root / at.path).resolve().parts
    if isinstance(at.store, FsspecStore):
        return at.store.fs, (*filter(None, at.store.path.split("/")), *names)
    return at.store, names


def is_taken(place: Any) -> bool:
    """Whether anything is stored at a place."""
    with said_of(f"opening {place}"):
        return not stores.is_empty(store_path(place, "a"))


def clear(place: Any) -> None:
    """Remove whatever is stored at a place."""
    stores.remove_all(store_path(place, "a"))


def _put_metadata(at: StorePath, metadata: Any) -> None:
    for key, value in zarr_internals.metadata_objects(metadata).items():
        stores.put(at / key, value)
