"""Sources: whatever can be read region by region, found by path, URL or store.

A source is a zarr array with, where it has them, physical units.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.core.sync import sync
from zarr.storage import StorePath
from zarr.storage._common import make_store_path

from vrdask.ome_zarr import Multiscale, read_multiscale


@dataclass(frozen=True)
class Source:
    """An array to read, and the OME-Zarr image whose level 0 it is, if it is one."""

    array: zarr.Array[Any]
    image: Multiscale | None = None

    @property
    def write_unit(self) -> tuple[int, ...]:
        """The stored unit that is decoded at least: a chunk, sharded or not."""
        return self.array.chunks


def store_path(place: Any, mode: str) -> StorePath:
    """A place in a store from a path, a URL (fsspec), a store or a place."""
    if not isinstance(place, str | Path | StorePath | dict | Store):
        raise TypeError(f"a store must be given as a path, a URL, a store or a zarr array; got {type(place).__name__}")
    made: StorePath = sync(make_store_path(place, mode=mode))  # type: ignore[arg-type]
    return made


def open_source(source: Any) -> Source:
    """The array at a place; of an OME-Zarr group, level 0.

    Raises
    ------
    FileNotFoundError
        There is nothing.
    ValueError
        There is a group that is no OME-Zarr image.
    """
    if isinstance(source, zarr.Array):
        return Source(source)
    if isinstance(source, zarr.Group):
        node: zarr.Array[Any] | zarr.Group = source
    else:
        local = isinstance(source, Path) or (isinstance(source, str) and "://" not in source)
        if local and not Path(source).exists():
            raise FileNotFoundError(f"source must exist; got {str(source)!r}")
        try:
            node = zarr.open(store=store_path(source, "r"), mode="r")
        except (FileNotFoundError, zarr.errors.NodeNotFoundError, zarr.errors.GroupNotFoundError):
            raise FileNotFoundError(
                f"source must be a Zarr array or an OME-Zarr group; found neither at {source}"
            ) from None
    if isinstance(node, zarr.Array):
        return Source(node)
    image = read_multiscale(dict(node.attrs))
    if image is None:
        arrays = ", ".join(sorted(name for name, _ in node.arrays())) or "none"
        raise ValueError(
            f"source must be an array or an OME-Zarr image; got a group at {source} with the arrays: {arrays}"
        )
    level = node[image.path]
    if not isinstance(level, zarr.Array):
        raise ValueError(f"level 0 of an OME-Zarr image must be an array; got a group at {image.path!r}")
    return Source(level, image)
