"""What stands around a level of an OME-Zarr image: its version, the other levels, and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vrdask.images.image import Image
from vrdask.images.ome_zarr import read_multiscale
from vrdask.sources.opening import opening
from vrdask.sources.source import Source, innermost
from vrdask.storage.kinds import is_array, is_group
from vrdask.storage.places import Folder
from vrdask.storage.said import group_at

if TYPE_CHECKING:
    import zarr

LABELS = "labels"
"""The group beside the levels of an image that holds its label images, and what it lists them as."""


class Level(NamedTuple):
    """A level of an image."""

    image: Image
    shape: tuple[int, ...]


class OmeZarr(NamedTuple):
    """An OME-Zarr image as a whole."""

    version: str | None
    levels: tuple[Level, ...]


def ome_zarr_of(source: Source) -> OmeZarr | None:
    """The image that a source is a level of; None for another kind of source."""
    with opening(source.place):
        group = group_around(source)
        return None if group is None else _whole(group)


def _whole(group: zarr.Group) -> OmeZarr:
    attributes: dict[str, Any] = dict(group.attrs)
    ome: Mapping[str, Any] = attributes.get("ome", attributes)
    multiscale = ome["multiscales"][0]
    levels = []
    for number in range(len(multiscale["datasets"])):
        image = read_multiscale(attributes, number)
        if image is not None and is_array(array := group.get(image.path)):
            levels.append(Level(image, array.shape))
    return OmeZarr(ome.get("version", multiscale.get("version")), tuple(levels))


def labels_beside(source: Source) -> tuple[str, ...]:
    """Names of the label images beside the image that a source is a level of."""
    with opening(source.place):
        group = group_around(source)
        beside = None if group is None else group.get(LABELS)
        return listed_labels(dict(beside.attrs)) if is_group(beside) else ()


def listed_labels(attributes: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that a group of label images lists."""
    said = attributes.get("ome", attributes).get(LABELS, [])
    return tuple(map(str, said)) if isinstance(said, list) else ()


def group_around(source: Source) -> zarr.Group | None:
    """The group of the image that a source is a level of; None for another kind of source."""
    array, image = innermost(source), source.image
    if not is_array(array) or image is None or not image.path:
        return None
    from vrdask.sources.zarr_above import group_of_level

    at = group_of_level(array.store_path, image.path)
    if at is None:
        return None
    if isinstance(at, Folder):
        said: zarr.Group = group_at(at.path, array.metadata.zarr_format)
        return said
    import zarr

    return zarr.open_group(at, mode="r", zarr_format=array.metadata.zarr_format)
