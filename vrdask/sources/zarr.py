"""Zarr arrays and OME-Zarr images, found by path, URL or store."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from vrdask.images.axes import ATTRIBUTE, image_from
from vrdask.images.image import Image
from vrdask.images.ome_zarr import read_multiscale
from vrdask.images.orientation import with_affine
from vrdask.images.units import unknown_units
from vrdask.sources.no_source import place_of
from vrdask.sources.opening import opening
from vrdask.sources.source import Source
from vrdask.sources.within import MOST_TOLD
from vrdask.sources.zarr_above import image_above
from vrdask.sources.zarr_holdings import no_image
from vrdask.sources.zarr_labelled import image_of_variable, only_variable
from vrdask.storage import places, zarr_internals
from vrdask.storage.kinds import is_array, is_group
from vrdask.storage.layout import Layout
from vrdask.storage.objects import described, url
from vrdask.storage.open_place import store_path
from vrdask.storage.plain_metadata import SaidArray
from vrdask.storage.retry import said_of

if TYPE_CHECKING:
    import zarr

MOST_METADATA_BYTES = 64 << 20


def open_zarr(source: Any, level: int = 0, coordinate_system: str | None = None, said: Any = None) -> Source:
    """The array at a place; of an OME-Zarr group, one level.

    said : what lies there, as its metadata say, where samples are not to be read.

    Raises
    ------
    FileNotFoundError
        There is nothing.
    ValueError
        There is a group that is no OME-Zarr image, or no such level.
    """
    place = place_of(source)
    if is_array(source) or is_group(source):
        node: zarr.Array[Any] | zarr.Group = source
    elif said is not None:
        node = said
    else:
        source = places.normal(source)
        local = isinstance(source, str) and "://" not in source
        archive = places.in_archive(source) if local else None
        if local and archive is None and not Path(source).exists():
            raise FileNotFoundError(f"source must exist; got {place}")
        if local:
            _require_metadata_of_some_size(Path(source), archive)
        try:
            with said_of(f"opening {place}"):
                node = _open_node(source)
        except FileNotFoundError:
            images = ", nor images" if local and Path(source).is_dir() else ""
            raise FileNotFoundError(
                f"source must be a Zarr array or an OME-Zarr group; found neither at {place}{images}{_held(archive)}"
            ) from None
    attributes = _attributes(node, place)
    if is_array(node):
        if level:
            raise ValueError(f"level must be 0 for a single array; got {level} for {place}")
        image = _said(place, node.ndim, lambda: image_from(attributes))
        if image is None:
            image = _said(place, node.ndim, lambda: image_above(node.store_path, coordinate_system))
        if image is None and coordinate_system is not None:
            raise ValueError(f"coordinate_system must be left out for {place}, which tells of none")
        return _source(node, image)
    image = _said(place, None, lambda: read_multiscale(attributes, level, coordinate_system=coordinate_system))
    if image is None:
        if level == 0 and (one := only_variable(node)) is not None:
            said = _attributes(one, place)
            return _source(one, _said(place, one.ndim, lambda: image_from(said)) or image_of_variable(node, one))
        raise no_image(node, attributes, place)
    array = node.get(image.path)
    if not is_array(array):
        found = "nothing" if array is None else "a group"
        raise ValueError(
            f"level {level} of an OME-Zarr image must be an array; got {found} at {image.path!r} of {place}"
        )
    _said(place, array.ndim, lambda: image)
    return replace(_source(array, image), level_shapes=partial(_level_shapes, node, attributes, place))


def _level_shapes(group: zarr.Group, attributes: Mapping[str, Any], place: str) -> tuple[tuple[int, ...], ...]:
    """Of an image's levels, as its metadata list them."""
    datasets = attributes.get("ome", attributes)["multiscales"][0]["datasets"]
    with opening(place):
        return tuple(level.shape for one in datasets if is_array(level := group.get(one["path"])))


def _open_node(source: Any) -> zarr.Array[Any] | zarr.Group:
    import zarr

    at = store_path(source, "r")
    try:
        return zarr.open(store=at, mode="r")
    except PermissionError:  # said of the other format's metadata, which are not there: see `remote_store`
        for form in (3, 2):
            with suppress(PermissionError, FileNotFoundError):
                return zarr.open(store=at, mode="r", zarr_format=form)
        raise


def _held(archive: tuple[Path, str] | None) -> str:
    """What a zip file holds at its top, for an error: mostly the folder that was zipped."""
    if archive is None:
        return ""
    with zipfile.ZipFile(archive[0]) as file:
        tops = sorted({name.partition("/")[0] for name in file.namelist()})
    named = ", ".join(f"{archive[0]}/{name}" for name in tops[:MOST_TOLD])
    return f"; the file holds {named}{', ..' if len(tops) > MOST_TOLD else ''}" if tops else ""


def _require_metadata_of_some_size(path: Path, archive: tuple[Path, str] | None) -> None:
    """Refuse local metadata so long that to read them would take the memory of the machine."""
    names = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
    if archive is not None:
        within = f"{archive[1]}/" if archive[1] else ""
        with zipfile.ZipFile(archive[0]) as file:
            sizes = {one.filename.removeprefix(within): one.file_size for one in file.infolist()
                     if one.filename in [within + name for name in names]}  # fmt: skip
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
        if ": in the attributes of " in str(error):
            raise
        raise ValueError(f"{error}: in the attributes of {place}") from None
    return image


def _dimension_names(array: zarr.Array[Any], image: Image | None) -> tuple[str | None, ...] | None:
    """The names that an array gives its axes: in its metadata, or for xarray in an attribute."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get(_OF_XARRAY)
    if not isinstance(names, list | tuple) or not all(isinstance(name, str | None) for name in names):
        return None
    place = url(array.store_path)
    if len(names) != array.ndim:
        raise ValueError(f"{_OF_XARRAY} must name {array.ndim} axes, as the array has; got {list(names)} in {place}")
    said = [] if image is None else [name.lower() for name in image.axis_names]
    own = [str(name).lower() for name in names]
    if said and own != said and sorted(own) == sorted(said):
        raise ValueError(
            f"an array and its image must name axes alike; got {', '.join(own)} and {', '.join(said)} for {place}"
        )
    return tuple(names)


_OF_XARRAY = "_ARRAY_DIMENSIONS"
"""The attribute in which xarray names the axes of arrays of Zarr format 2."""


def _source(array: zarr.Array[Any], image: Image | None) -> Source:
    note: str | None = None
    units: tuple[str, ...] = ()
    if image is not None:
        units = unknown_units(image.axes)
        said = array.attrs.get(ATTRIBUTE)
        image, note = with_affine(image, said.get("affine") if isinstance(said, Mapping) else None)
    if not isinstance(cast(Any, array), SaidArray):
        zarr_internals.chunk_keys(array)((0,) * array.ndim)  # which not every zarr looks at when it opens an array
    layout = Layout(
        array.chunks,
        array.shards,
        array.compressors if array.metadata.zarr_format == 3 else "auto",
        0 if array.fill_value is None else array.fill_value,
        _dimension_names(array, image),
        dict(array.attrs),
    )

    def stamp() -> dict[str, Any]:
        import zarr

        with opening(url(array.store_path)):
            again = zarr.open_array(array.store_path, mode="r", zarr_format=array.metadata.zarr_format)
            return described(again)

    return Source(
        array, layout, url(array.store_path), stamp, image, tuple(("note", one) for one in (note, *units) if one)
    )
