"""Targets: a Zarr array that becomes visible when it is complete.

Chunks are written first and the metadata last: until `Target.finish`, no reader takes the target for an array. This
holds on any store, object stores too, which cannot rename.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import LocalStore, MemoryStore, StorePath

from vrdask import stores
from vrdask.intervals import Box
from vrdask.ome_zarr import Multiscale
from vrdask.resampling import Resampling
from vrdask.sources import store_path


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
        return [stores.size(at / self.array.metadata.encode_chunk_key(unit)) for unit in product(*units)]

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
    return Target(zarr.Array(zarr.AsyncArray(metadata=blank.metadata, store_path=at)), root, image)


def existing_target(
    array: zarr.Array[Any],
    what: Resampling,
    chunks: Sequence[int] | int | None = None,
    shards: Sequence[int] | int | None = None,
) -> Target:
    """An array that is there already, to be written into as it is."""
    if array.shape != what.out_shape or array.dtype != what.out_dtype:
        raise ValueError(
            f"a target array must have shape {what.out_shape} and dtype {what.out_dtype}; "
            f"got {array.shape} and {array.dtype}"
        )
    if chunks is not None or shards is not None:
        raise ValueError(
            f"chunks and shards must be None when the target is an array, which has its own; got {chunks} and {shards}"
        )
    return Target(array, None, None)


def is_taken(place: Any) -> bool:
    """Whether anything is stored at a place."""
    return not stores.is_empty(store_path(place, "a"))


def clear(place: Any) -> None:
    """Remove whatever is stored at a place."""
    stores.remove_all(store_path(place, "a"))


def _put_metadata(at: StorePath, metadata: Any) -> None:
    for key, value in metadata.to_buffer_dict(default_buffer_prototype()).items():
        stores.put(at / key, value)
