"""What stands around a level of an OME-Zarr image: its version, the other levels, and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import zarr

from vrdask.images.image import Image
from vrdask.images.ome_zarr import read_multiscale
from vrdask.sources.source import Source, innermost


class OmeZarr(NamedTuple):
    """An OME-Zarr image as a whole."""

    version: str | None
    levels: tuple[Image, ...]
    labels: tuple[str, ...]
    """Names of the label images beside it."""


def ome_zarr_of(source: Source) -> OmeZarr | None:
    """The image that a source is a level of; None for another kind of source."""
    array, image = innermost(source), source.image
    if not isinstance(array, zarr.Array) or image is None or not image.path:
        return None
    at = array.store_path
    root = at.path.removesuffix(image.path).rstrip("/")
    group = zarr.open_group(at.store, path=root, mode="r", zarr_format=array.metadata.zarr_format)
    attributes: dict[str, Any] = dict(group.attrs)
    ome: Mapping[str, Any] = attributes.get("ome", attributes)
    multiscale = ome["multiscales"][0]
    version = ome.get("version", multiscale.get("version"))
    levels = (read_multiscale(attributes, level) for level in range(len(multiscale["datasets"])))
    return OmeZarr(version, tuple(one for one in levels if one is not None), _labels_in(group))


def _labels_in(group: zarr.Group) -> tuple[str, ...]:
    beside = group.get("labels")
    if not isinstance(beside, zarr.Group):
        return ()
    said: Any = dict(beside.attrs)
    listed = said.get("ome", said).get("labels", [])
    return tuple(map(str, listed)) if isinstance(listed, list) else ()
