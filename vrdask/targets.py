"""Targets: a Zarr array that becomes visible when it is complete.

Chunks are written first and the metadata last: until `Target.finish`, no reader takes the target for an array. This
holds on any store, object stores too, which cannot rename.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Protocol

import zarr
from zarr.storage import MemoryStore, StorePath

from vrdask import codecs, durable, places, stores, zarr_internals
from vrdask.dtypes import DType, native, plain
from vrdask.geometry import attributes_of, is_group
from vrdask.intervals import Box, ceil_div
from vrdask.ome_zarr import Multiscale
from vrdask.sources import Layout, Source, store_path
from vrdask.standing import with_digests, without_digests


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

    def keys(self, box: Box) -> list[str]:
        """Keys, below the array, of the units of a box of whole units."""
        units = (range(start // u, -(-stop // u)) for (start, stop), u in zip(box, self.unit, strict=True))
        key = zarr_internals.chunk_keys(self.array)
        return [key(unit) for unit in product(*units)]

    @property
    def folder(self) -> Path | None:
        """Where the units lie in a file system of this machine; None for another kind of store."""
        return stores.local_folder(self.array.store_path)

    @property
    def metadata_first(self) -> bool:
        """Whether the store knows no chunks of arrays that it does not know, as that of a session that is committed."""
        return hasattr(self.array.store, "session")

    def settle(self, boxes: Iterable[Box]) -> None:
        """See to it that the units of some boxes are on the disk."""
        if self.folder is not None:
            durable.sync_files([self.folder / key for box in boxes for key in self.keys(box)], self.folder)

    def finish(self, made: Mapping[str, str] | None = None) -> zarr.Array[Any]:
        """Write the metadata, innermost first; the array as it is read from now on. made : see `standing`."""
        if self.root is None:
            return self.array
        self.describe(made or {})
        return zarr.open_array(self.array.store_path, mode="r+")

    def describe(self, made: Mapping[str, str]) -> None:
        """Write the metadata."""
        assert self.root is not None
        _put_metadata(self.array.store_path, self.array.metadata, made)
        if self.image is not None:
            group = zarr.create_group(MemoryStore(), attributes=self.image.attributes())
            _put_metadata(self.root, group.metadata)


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
        "attributes": {**without_digests(layout.attributes), **by_itself},
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


def refuse_place(source: Any, opened: Source, target: Any) -> None:
    """Refuse a target whose name promises what is not written, or whose place is the source's.

    Raises
    ------
    ValueError
        As said.
    """
    places.require_known_suffix(target)
    for place in (source, opened):
        refuse_same_place(place, target)


def refuse_same_array(source: Source, target: zarr.Array[Any]) -> None:
    """An array that is to be written into must not be what it is made from; another level of one image may be."""
    to = places.address_of(target.store_path)
    for one in _places_of(source):
        of = places.address_of(one)
        if of.holds(to) or to.holds(of):
            raise ValueError(
                f"target must lie outside the source; got {target.store_path} for the source {source.place}"
            )


def refuse_same_place(source: Any, target: Any) -> None:
    """A target at, above or inside the source, or inside the image whose level the source is, would destroy what it is
    made from.
    """
    at = store_path(target, None)
    to = places.address_of(at)
    for one in _places_of(source):
        of = places.address_of(one)
        image = None if of.holds(to) or to.holds(of) else _image_around(one, to)
        if image is not None or of.holds(to) or to.holds(of):
            named = source.place if isinstance(source, Source) else source
            around = "" if image is None else f", which belongs to the image {stores.url(image)}"
            raise ValueError(f"target must lie outside the source; got {target} for the source {named}{around}")


def _places_of(given: Any) -> list[StorePath]:
    """Where a source lies: as it was given, or as it was opened."""
    if isinstance(given, Source):
        array: Any = given.array
        while not isinstance(array, zarr.Array) and hasattr(array, "whole"):  # one channel of it
            array = array.whole
        given = array if isinstance(array, zarr.Array) else given.place
    return [given.store_path if isinstance(given, zarr.Array | zarr.Group) else store_path(given, None)]


def _image_around(at: StorePath, to: places.Address) -> StorePath | None:
    """The OME-Zarr image that an array is a level of, if another place lies in it."""
    of = places.address_of(at)
    for group in places.above(at):
        around = places.address_of(group)
        if around.holds(to) and any(places.address_of(group / level).holds(of) for level in _levels_of(group)):
            return group
    return None


def _levels_of(group: StorePath) -> list[str]:
    """Paths of the levels of an OME-Zarr image, none where there is no such group."""
    found = []
    for name in ("zarr.json", ".zattrs"):
        try:
            said = json.loads(stores.get(group / name) or b"{}")
            attributes = said.get("attributes", said)
            images = attributes.get("ome", attributes)["multiscales"]
            found += [level["path"] for image in images for level in image["datasets"]]
        except (ValueError, KeyError, TypeError, AttributeError, OSError):
            continue
    return found


def _put_metadata(at: StorePath, metadata: Any, made: Mapping[str, str] | None = None) -> None:
    for key, value in zarr_internals.metadata_objects(metadata).items():
        if made:
            said = json.loads(value)
            said["attributes"] = with_digests(said.get("attributes", {}), made)
            value = json.dumps(said, indent=2).encode()
        durable.put(at / key, value)
