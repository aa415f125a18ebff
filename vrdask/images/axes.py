"""Axes and pixel sizes of images that come from files, and of plain Zarr arrays made from them.

Zarr to Zarr, an OME-Zarr image stays one. A file becomes one where OME-Zarr allows its axes (time, channels, then two
or three of space) and the pixel size is known, or its channels are colours. Anything else (colours that are to stay
last, above all) becomes a plain array that says the same under one attribute, "vrdask", from which `image_from` reads
it back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vrdask.images.checked import short
from vrdask.images.colours import channels_of, has_colours, of_channel
from vrdask.images.image import Image
from vrdask.images.ome_zarr import ATTRIBUTE as ATTRIBUTE
from vrdask.images.ome_zarr import read_axes

GEOMETRY = ("axes", "affine", "omero")
"""Of the attribute: what is not true of an array that is made from this one."""
TYPES = {"x": "space", "y": "space", "z": "space", "t": "time", "c": "channel", "s": "channel"}
RANK = {"time": 0, "channel": 1, "space": 2}
"""The order of kinds of axes in OME-Zarr; all others are as channels."""
UNITS = {
    "pm": "picometer", "Å": "angstrom", "nm": "nanometer", "µm": "micrometer", "\u03bcm": "micrometer",
    "um": "micrometer", "micron": "micrometer", "mm": "millimeter", "cm": "centimeter", "m": "meter", "meter": "meter",
    "in": "inch", "inch": "inch", "µs": "microsecond", "usec": "microsecond", "ms": "millisecond",
    "msec": "millisecond", "s": "second", "sec": "second",
}  # fmt: skip
"""OME-Zarr's names of the units that files abbreviate."""


def image_of(names: Sequence[str], sizes: Mapping[str, tuple[float, str | None]], name: str | None = None) -> Image:
    """The geometry of an image.

    names : of its axes, in their order.
    sizes : pixel size and unit of axes by name; NaN stands for a size of space that is not known.
    """
    axes: list[dict[str, Any]] = []
    scale = []
    for axis in names:
        kind = TYPES.get(axis, "other")
        size, unit = sizes.get(axis, (math.nan if kind == "space" else 1.0, None))
        axes.append({"name": axis, "type": kind} | ({"unit": unit} if unit is not None else {}))
        scale.append(size if 0 < size < math.inf else math.nan)
    image = Image(tuple(axes), "", tuple(scale), (0.0,) * len(axes), name, {})
    return image if not may_be_ome_zarr(image) else Image(image.axes, "0", image.scale, image.translation, name, {})


def may_be_ome_zarr(image: Image) -> bool:
    """Whether OME-Zarr 0.5 allows these axes, and every scale is known; a picture in colours needs none."""
    ranks = [RANK.get(axis.get("type", ""), 1) for axis in image.axes]
    return (
        ranks == sorted(ranks)
        and ranks.count(0) <= 1
        and ranks.count(1) <= 1
        and ranks.count(2) in (2, 3)
        and len(set(image.axis_names)) == len(ranks)
        and (all(map(math.isfinite, image.scale)) or has_colours(image))
    )


def as_ome_zarr(image: Image) -> Image:
    """An image of a file as a level of an OME-Zarr group, where it may be one."""
    return replace(image, path="0" if may_be_ome_zarr(image) else "")


def is_group(image: Image | None) -> bool:
    """Whether an image is a level of an OME-Zarr group, rather than an array by itself."""
    return image is not None and image.path != ""


def attributes_of(image: Image) -> dict[str, Any]:
    """Attributes of a plain array that say its axes and pixel sizes; null where one is not known."""
    axes = [
        {
            **axis,
            "scale": scale if math.isfinite(scale) else None,
            "translation": shift if math.isfinite(shift) else None,
        }
        for axis, scale, shift in zip(image.axes, image.scale, image.translation, strict=True)
    ]
    channels = {"omero": dict(image.extra["omero"])} if channels_of(image) else {}
    return {ATTRIBUTE: {"axes": axes, **channels}}


def image_from(attributes: Mapping[str, Any]) -> Image | None:
    """What `attributes_of` wrote, or None.

    Raises
    ------
    ValueError
        Someone has changed it into something else.
    """
    said = attributes.get(ATTRIBUTE)
    if not isinstance(said, Mapping) or "axes" not in said:
        return None
    try:
        axes = read_axes(said["axes"])
        scale, translation = (tuple(_number(axis, key) for axis in axes) for key in ("scale", "translation"))
        if not all(math.isnan(size) or size > 0 for size in scale):
            raise ValueError(f"scale must be positive; got {scale}")
    except ValueError as error:
        raise ValueError(f"the attribute {ATTRIBUTE!r} must be as it was written, or absent: {error}") from None
    rest = tuple({k: v for k, v in axis.items() if k not in ("scale", "translation")} for axis in axes)
    extra = {"omero": said["omero"]} if isinstance(said.get("omero"), Mapping) else {}
    return Image(rest, "", scale, translation, None, extra)


def _number(axis: Mapping[str, Any], key: str) -> float:
    """A finite number that an axis says, or NaN for null."""
    value = axis.get(key, "nothing")
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
        raise ValueError(f"{key} of axis {axis['name']} must be a finite number or null; got {short(value)}")
    return float(value)


def without_axis(image: Image, axis: int, index: int = 0) -> Image:
    """The image of one place along an axis."""

    def cut(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return values[:axis] + values[axis + 1 :]

    return replace(
        image, axes=cut(image.axes), scale=cut(image.scale), translation=cut(image.translation),
        extra=of_channel(image.extra, index),
    )  # fmt: skip


def reordered_image(image: Image, order: Sequence[int]) -> Image:
    """An image with its axes in another order; those of space stay in theirs among themselves."""

    def cut(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(values[axis] for axis in order)

    return replace(image, axes=cut(image.axes), scale=cut(image.scale), translation=cut(image.translation))
