"""A level's array by itself: the OME-Zarr group above it says what it is an image of."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrdask.images.image import Image
from vrdask.images.ome_zarr import read_multiscale
from vrdask.storage import addresses, objects, zarr_internals
from vrdask.storage.places import Folder

if TYPE_CHECKING:
    from zarr.storage import StorePath

    Place = StorePath | Folder

MOST_ABOVE = 5
"""Groups that are asked: the path of a level is seldom deeper, and each costs requests to a store."""
_METADATA = ("zarr.json", ".zattrs")


def image_above(at: Place, coordinate_system: str | None) -> Image | None:
    """The image of which the array at a place is a level; None where no group above tells of it.

    Raises
    ------
    ValueError
        A group tells of it in a way that cannot be read; the message names the group.
    """
    for group, path in islice(_above(at), MOST_ABOVE):
        attributes = _attributes(group)
        if not _multiscales(attributes):
            continue
        try:
            return read_multiscale(attributes, path=path, coordinate_system=coordinate_system)
        except ValueError as error:
            raise ValueError(f"{error}: in the attributes of {objects.url(group)}") from None
    return None


def group_of_level(at: Place, path: str) -> Place | None:
    """The group of which the array at a place is the level with this path, through whatever store it was opened; None
    where no group tells of it, as of an array whose pixel size a caller has given.
    """
    inner = path.strip("/")
    candidates = list(_opened_by(at, inner))
    for group in (*candidates, *(group for group, way in islice(_above(at), MOST_ABOVE) if way == inner)):
        if _multiscales(_attributes(group)):
            return group
    return None


def _opened_by(at: Place, inner: str) -> Iterator[Place]:
    """The group by which the array at a place was opened, if it was opened as its level with this path."""
    if isinstance(at, Folder):
        yield from (Folder(one) for one in at.path.parents if at.path.relative_to(one).as_posix() == inner)
    elif f"/{at.path}".endswith(f"/{inner}"):
        yield type(at)(at.store, at.path.removesuffix(inner).rstrip("/"))


def _multiscales(attributes: Mapping[str, Any]) -> Any:
    """What a group says of images, if it does."""
    said = attributes.get("ome", attributes)
    return said.get("multiscales") if isinstance(said, Mapping) else None


def _above(at: Place) -> Iterator[tuple[Place, str]]:
    """The places above, the nearest first, and the way from each."""
    if isinstance(at, Folder):
        place = Path(os.path.abspath(at.path))
        yield from ((Folder(one), place.relative_to(one).as_posix()) for one in place.parents)
        return
    from zarr.storage import FsspecStore, LocalStore, StorePath

    store = zarr_internals.unwrapped(at.store)
    if isinstance(store, LocalStore):
        place = Path(os.path.abspath(store.root / at.path))
        for folder in place.parents:
            yield StorePath(LocalStore(folder, read_only=True)), place.relative_to(folder).as_posix()
        return
    names = [*(store.path if isinstance(store, FsspecStore) else "").split("/"), *at.path.split("/")]
    names = [name for name in names if name]
    for count, group in enumerate(addresses.above(at), 1):
        yield group, "/".join(names[-count:])


def _attributes(group: Place) -> Mapping[str, Any]:
    """Of a group; none where it is none, or may not be read."""
    with suppress(OSError, ValueError):
        for value in objects.get_many([group / name for name in _METADATA]):
            found = json.loads(bytes(value)) if value is not None else None
            found = found.get("attributes") if isinstance(found, dict) and "node_type" in found else found
            if isinstance(found, dict):
                return found
    return {}
