"""A run must not destroy what it reads: a target lies outside its source, and outside the image that it belongs to."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrdask.sources import Source
from vrdask.sources.given import GivenArray
from vrdask.sources.source import innermost
from vrdask.sources.stack_array import StackArray
from vrdask.storage import addresses, objects, places
from vrdask.storage.kinds import is_array, is_group
from vrdask.storage.open_place import place_to_compare
from vrdask.storage.places import Folder

if TYPE_CHECKING:
    import zarr
    from zarr.storage import StorePath

    Place = StorePath | Folder


def require_apart(given: Any, source: Source, target: Any) -> None:
    """Refuse a target at, above or inside the source. given : the source as the caller named it.

    Raises
    ------
    ValueError
        As said.
    """
    if is_array(target):
        refuse_same_array(source, target)
        return
    for place in (source,) if isinstance(innermost(source), GivenArray) else (given, source):
        refuse_same_place(place, target)
    if isinstance(stack := innermost(source), StackArray):
        _refuse_slices(stack.files, source, target)


def refuse_same_array(source: Source, target: zarr.Array[Any]) -> None:
    """An array that is to be written into must not be what it is made from; another level of one image may be."""
    to = addresses.address_of(target.store_path)
    for one in _places_of(source):
        of = addresses.address_of(one)
        if of.holds(to) or to.holds(of):
            raise ValueError(
                f"target must lie outside the source; got {target.store_path} for the source {source.place}"
            )


def refuse_same_place(source: Any, target: Any) -> None:
    """A target at, above or inside the source, or inside the image whose level the source is, would destroy what it is
    made from.
    """
    at = place_to_compare(target)
    to = addresses.address_of(at)
    for one in _places_of(source):
        of = addresses.address_of(one)
        image = None if of.holds(to) or to.holds(of) else _image_around(one, to)
        if image is not None or of.holds(to) or to.holds(of):
            named = source.place if isinstance(source, Source) else source
            around = "" if image is None else f", which belongs to the image {objects.url(image)}"
            raise ValueError(f"target must lie outside the source; got {target} for the source {named}{around}")


def _refuse_slices(files: Sequence[str], source: Source, target: Any) -> None:
    """A target that is one of the files of a stack, or holds some."""
    to = addresses.address_of(place_to_compare(target))
    folders = sorted({os.path.dirname(file) for file in files})
    if any(to.holds(addresses.Address(Path(folder))) for folder in folders) or addresses.is_among(to, files):
        raise ValueError(
            f"target must lie outside the source; got {target}, which is or holds slices of {source.place}"
        )


def _places_of(given: Any) -> list[Place]:
    """Where a source lies: as it was given, or as it was opened."""
    if isinstance(given, Source):
        array = innermost(given)
        if isinstance(array, GivenArray):
            return [one for place in array.places for one in _places_of(place)]
        given = array if is_array(array) else given.place
    given = places.split(given)[0] if isinstance(given, str) else given
    return [given.store_path if is_array(given) or is_group(given) else place_to_compare(given)]


def _image_around(at: Place, to: addresses.Address) -> Place | None:
    """The OME-Zarr image that an array is a level of, if another place lies in it."""
    of = addresses.address_of(at)
    for group in addresses.above(at):
        around = addresses.address_of(group)
        if around.holds(to) and any(addresses.address_of(group / level).holds(of) for level in _levels_of(group)):
            return group
    return None


def _levels_of(group: Place) -> list[str]:
    """Paths of the levels of an OME-Zarr image, none where there is no such group."""
    found = []
    for name in ("zarr.json", ".zattrs"):
        try:
            said = json.loads(objects.get(group / name) or b"{}")
            attributes = said.get("attributes", said)
            images = attributes.get("ome", attributes)["multiscales"]
            found += [level["path"] for image in images for level in image["datasets"]]
        except (ValueError, KeyError, TypeError, AttributeError, OSError):
            continue
    return found
