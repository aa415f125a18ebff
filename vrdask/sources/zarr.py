"""Zarr arrays and OME-Zarr images, found by path, URL or store."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import zarr

from vrdask.images.axes import ATTRIBUTE, image_from
from vrdask.images.image import Image
from vrdask.images.ome_zarr import read_multiscale
from vrdask.images.orientation import with_affine
from vrdask.sources.no_source import place_of
from vrdask.sources.opening import opening
from vrdask.sources.source import Source
from vrdask.storage import places, zarr_internals
from vrdask.storage.layout import Layout
from vrdask.storage.objects import described, url
from vrdask.storage.open_place import store_path
from vrdask.storage.retry import said_of

MOST_METADATA_BYTES = 64 << 20


def open_zarr(source: Any, level: int = 0) -> Source:
    """The array at a place; of an OME-Zarr group, one level.

    Raises
    ------
    FileNotFoundError
        There is nothing.
    ValueError
        There is a group that is no OME-Zarr image, or no such level.
    """
    place = place_of(source)
    if isinstance(source, zarr.Array | zarr.Group):
        node: zarr.Array[Any] | zarr.Group = source
    else:
        source = places.normal(source)
        local = isinstance(source, str) and "://" not in source
        if local and not Path(source).exists():
            raise FileNotFoundError(f"source must exist; got {place}")
        if local:
            _require_metadata_of_some_size(Path(source))
        try:
            with said_of(f"opening {place}"):
                node = _open_node(source)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"source must be a Zarr array or an OME-Zarr group; found neither at {place}"
            ) from None
    attributes = _attributes(node, place)
    if isinstance(node, zarr.Array):
        if level:
            raise ValueError(f"level must be 0 for a single array; got {level} for {place}")
        return _source(node, _said(place, node.ndim, lambda: image_from(attributes)))
    image = _said(place, None, lambda: read_multiscale(attributes, level))
    if image is None:
        arrays = ", ".join(sorted(name for name, _ in node.arrays())) or "none"
        raise ValueError(
            f"source must be an array or an OME-Zarr image; got a group at {place} with the arrays: {arrays}"
        )
    array = node.get(image.path)
    if not isinstance(array, zarr.Array):
        found = "nothing" if array is None else "a group"
        raise ValueError(
            f"level {level} of an OME-Zarr image must be an array; got {found} at {image.path!r} of {place}"
        )
    _said(place, array.ndim, lambda: image)
    return replace(_source(array, image), level_shapes=partial(_level_shapes, node, attributes))


def _level_shapes(group: zarr.Group, attributes: Mapping[str, Any]) -> tuple[tuple[int, ...], ...]:
    """Of an image's levels, as its metadata list them."""
    datasets = attributes.get("ome", attributes)["multiscales"][0]["datasets"]
    return tuple(level.shape for one in datasets if isinstance(level := group.get(one["path"]), zarr.Array))


def _open_node(source: Any) -> zarr.Array[Any] | zarr.Group:
    at = store_path(source, "r")
    try:
        return zarr.open(store=at, mode="r")
    except PermissionError:  # said of the other format's metadata, which are not there: see `remote_store`
        for form in (3, 2):
            with suppress(PermissionError, FileNotFoundError):
                return zarr.open(store=at, mode="r", zarr_format=form)
        raise


def _require_metadata_of_some_size(path: Path) -> None:
    """Refuse local metadata so long that to read them would take the memory of the machine."""
    names = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
    if path.is_file():
        with zipfile.ZipFile(path) as file:
            sizes = {one.filename: one.file_size for one in file.infolist() if one.filename in names}
    else:
        sizes = {name: (path / name).stat().st_size for name in names if (path / name).is_file()}
    for name, size in sizes.items():
        if size > MOST_METADATA_BYTES:
            raise ValueError(
                f"source must have metadata of at most {MOST_METADATA_BYTES} bytes; got {size} in {path / name}"
            )


def _attributes(node: zarr.Array[Any] | zarr.Group, place: str) -> dict[str, Any]:
    attributes: Any = node.metadata.attributes
    if not isinstance(attributes, Mapping):
        raise ValueError(f"source must have attributes by name; got {place} with {type(attributes).__name__}")
    return dict(attributes)


def _said(place: str, ndim: int | None, read: Callable[[], Image | None]) -> Image | None:
    """The geometry that attributes give, for an array of so many axes; errors name the place."""
    try:
        image = read()
        if image is not None and ndim is not None and len(image.axes) != ndim:
            raise ValueError(f"metadata must name {ndim} axes, as the array has; got {', '.join(image.axis_names)}")
    except ValueError as error:
        raise ValueError(f"{error}: in the attributes of {place}") from None
    return image


def _source(array: zarr.Array[Any], image: Image | None) -> Source:
    note = None
    if image is not None:
        said = array.attrs.get(ATTRIBUTE)
        image, note = with_affine(image, said.get("affine") if isinstance(said, Mapping) else None)
    zarr_internals.chunk_keys(array)((0,) * array.ndim)  # which not every zarr looks at when it opens an array
    layout = Layout(
        array.chunks,
        array.shards,
        array.compressors if array.metadata.zarr_format == 3 else "auto",
        0 if array.fill_value is None else array.fill_value,
        getattr(array.metadata, "dimension_names", None),
        dict(array.attrs),
    )

    def stamp() -> dict[str, Any]:
        with opening(url(array.store_path)):
            again = zarr.open_array(array.store_path, mode="r", zarr_format=array.metadata.zarr_format)
            return described(again)

    return Source(array, layout, url(array.store_path), stamp, image, () if note is None else (("note", note),))
