"""Arrays and groups of zarr's of which nothing is stored yet: targets, whose metadata come last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vrdask.storage import zarr_internals

if TYPE_CHECKING:
    import zarr
    from zarr.storage import StorePath


def blank_array(at: StorePath, **arguments: Any) -> zarr.Array[Any]:
    """An array at a place, which can be written chunk by chunk. arguments : of `zarr.create_array`."""
    import zarr
    from zarr.storage import MemoryStore

    return zarr_internals.array_at(zarr.create_array(MemoryStore(), **arguments).metadata, at)


def group_metadata(zarr_format: int, attributes: Mapping[str, Any] | None = None) -> Any:
    """The metadata of a group."""
    import zarr
    from zarr.storage import MemoryStore

    group = zarr.create_group(MemoryStore(), attributes=dict(attributes or {}), zarr_format=zarr_format)  # type: ignore[arg-type]
    return group.metadata


def in_memory() -> StorePath:
    """A place in this process's memory."""
    from zarr.storage import MemoryStore, StorePath

    return StorePath(MemoryStore())
