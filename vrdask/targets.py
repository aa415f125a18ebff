"""Targets: a Zarr array that becomes visible when it is complete.

Chunks are written first and the metadata last: until `finish`, no reader takes the target for an array. This holds on
any store, object stores too, which cannot rename.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import MemoryStore, StorePath

from vrdask.ome_zarr import Multiscale
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

    def finish(self) -> zarr.Array[Any]:
        """Write the metadata, innermost first; the array as it is read from now on."""
        if self.root is None:
            return self.array
        _put_metadata(self.array.store_path, self.array.metadata)
        if self.image is not None:
            group = zarr.create_group(MemoryStore(), attributes=self.image.attributes())
            _put_metadata(self.root, group.metadata)
        return zarr.open_array(self.array.store_path, mode="r+")

    def discard(self) -> None:
        """Remove what was written of an unfinished target."""
        if self.root is not None:
            sync(self.root.store.delete_dir(self.root.path))


def new_target(place: Any, image: Multiscale | None, **array_arguments: Any) -> Target:
    """A target at a place that `clear` has made free; writes nothing.

    array_arguments : of `zarr.create_array`.
    """
    root = store_path(place, "a")
    blank = zarr.create_array(MemoryStore(), zarr_format=3, **array_arguments)
    at = root / image.path if image is not None else root
    return Target(zarr.Array(zarr.AsyncArray(metadata=blank.metadata, store_path=at)), root, image)


def is_taken(place: Any) -> bool:
    """Whether anything is stored at a place."""
    root = store_path(place, "a")
    return not sync(root.store.is_empty(root.path))


def clear(place: Any) -> None:
    """Remove whatever is stored at a place."""
    root = store_path(place, "a")
    sync(root.store.delete_dir(root.path))


def _put_metadata(at: StorePath, metadata: Any) -> None:
    for key, value in metadata.to_buffer_dict(default_buffer_prototype()).items():
        sync((at / key).set(value))
