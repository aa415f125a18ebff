"""Groups of Zarr as xarray writes them: an array, whose dimensions have names, and coordinates beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vrdask.images.image import Image
from vrdask.sources.labelled import image_of_scales
from vrdask.storage.kinds import is_array

if TYPE_CHECKING:
    import zarr

_OF_XARRAY = "_ARRAY_DIMENSIONS"
MOST_ON_A_SCALE = 1 << 22
"""Of a coordinate's numbers, which are read to see whether they are evenly spaced."""


def dimensions_of(array: zarr.Array[Any]) -> list[str] | None:
    """The names of an array's dimensions, as xarray finds them; None where one has none."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get(_OF_XARRAY)
    if not isinstance(names, list | tuple) or len(names) != array.ndim or not all(isinstance(n, str) for n in names):
        return None
    return [str(name) for name in names]


def only_variable(group: zarr.Group) -> zarr.Array[Any] | None:
    """The one array of a group that is no coordinate; None where there are others, or it has no names."""
    named = {name: (array, dimensions_of(array)) for name, array in group.arrays()}
    said = {
        name
        for attributes in (group.attrs, *(array.attrs for array, _ in named.values()))
        for name in str(attributes.get("coordinates", "")).split()
    }
    rest = [
        (array, dims) for name, (array, dims) in named.items() if array.ndim and dims != [name] and name not in said
    ]
    return rest[0][0] if len(rest) == 1 and rest[0][1] is not None else None


def image_of_variable(group: zarr.Group, array: zarr.Array[Any]) -> Image | None:
    """What the coordinates beside an array say of its axes."""
    names = dimensions_of(array)
    if names is None or len({*names}) < len(names):
        return None
    scales: list[tuple[Any, dict[str, Any]]] = []
    for name, n in zip(names, array.shape, strict=True):
        found = group.get(name)
        is_scale = is_array(found) and found.shape == (n,) and 1 < n <= MOST_ON_A_SCALE
        scales.append((found[:], dict(found.attrs)) if is_scale and is_array(found) else (None, {}))
    return replace(image_of_scales(names, scales), path="")
