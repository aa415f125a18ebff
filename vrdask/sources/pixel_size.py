"""A source with the pixel size that a caller gives, where its file says none or a wrong one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vrdask.images.asked import Axes, exact_quantity, of_axes, per_axis
from vrdask.images.axes import TYPES, image_of, may_be_ome_zarr
from vrdask.images.image import Image
from vrdask.images.units import SIZES
from vrdask.sources.source import Source, axes_of


def with_pixel_size(source: Source, given: Any) -> Source:
    """A source whose samples are so far apart along some axes.

    given : as `images.asked` has it: "z=2um,y=0.5um,x=0.5um". A number without a unit is in the axis's own. Axes that
    have no name, or count something (a file's pages), take the names that are given and nothing else is called.

    Raises
    ------
    TypeError, ValueError
        It is none, there are no such axes, or the file says where its samples lie in a scanner's space.
    """
    given = per_axis("pixel_size", given)
    if source.image is not None and source.image.affine is not None:
        raise ValueError(
            f"pixel_size must be left out for a file that says its samples' positions; got {given!r} for {source.place}"
        )
    image = source.image or _without_sizes(source, given)
    known = _named(image, given)
    axes, scale, sizes = (
        [dict(axis) for axis in image.axes],
        list(image.scale),
        of_axes("pixel_size", given, None, known),
    )
    for axis, value in zip(*sizes, strict=True):
        number, unit = exact_quantity(value, "pixel_size")
        if known.names[axis] != axes[axis]["name"]:
            name = str(known.names[axis])
            axes[axis] = {"name": name, "type": TYPES.get(name, "space")}
        scale[axis] = float(number)
        if unit is not None:
            kind = {"meter": "space", "second": "time"}[SIZES[unit][0]]
            if axes[axis].get("type", kind) != kind:
                raise ValueError(
                    f"pixel_size of axis {known.label(axis)} must be in a unit of {axes[axis]['type']}; got {value!r}"
                )
            axes[axis]["unit"] = unit
    image = replace(image, axes=tuple(axes), scale=tuple(scale))
    if image.path == "" and may_be_ome_zarr(image):
        image = replace(image, path="0")
    layout = replace(source.layout, dimension_names=image.axis_names)
    details = tuple(one for one in source.details if one[0] != "pixel size")

    def stamp() -> Any:
        return [source.stamp(), {"pixel size": [None if math.isnan(size) else size for size in scale]}]

    return replace(source, image=image, layout=layout, stamp=stamp, details=details)


def _without_sizes(source: Source, given: Any) -> Image:
    """What is known of a plain array's axes: their names, its own or those that are given for all of them."""
    names = list(axes_of(source).names)
    if not any(names) and isinstance(given, Mapping) and len(given) == len(names):
        names = [str(name) for name in given]
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(
            f"pixel_size must name all {len(names)} axes of an array that does not, such as z=2um,y=0.5um,x=0.5um; "
            f"got {given!r} for {source.place}"
        )
    return image_of([str(name) for name in names], {})


def _named(image: Image, given: Any) -> Axes:
    """The axes, those that count something called what is given and is not there."""
    names: list[str | None] = list(image.axis_names)
    if isinstance(given, Mapping):
        new = [name for name in given if isinstance(name, str) and name not in names and not name.isdecimal()]
        counted = [axis for axis, said in enumerate(image.axes) if _counts(said, image.scale[axis])]
        if 0 < len(new) <= len(counted):
            for axis, name in zip(counted[len(counted) - len(new) :], new, strict=True):
                names[axis] = name
    return Axes(tuple(names), image.space_axes)


def _counts(said: Mapping[str, Any], scale: float) -> bool:
    """Whether an axis counts something, as far as is known: what it does not say, or slices of which no file says how
    far apart they lie.
    """
    return said.get("type", "space") == "other" or (said["name"] == "z" and math.isnan(scale))
