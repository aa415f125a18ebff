"""What OME-Zarr says of the levels of an image, beyond what it says of any (`ome_zarr`). Pure.

A level says one scale and one translation, each the exact product rounded once. What else a group says is kept; of
colours what viewers need is added where nobody has said it: which range of values to show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from fractions import Fraction
from typing import Any

from vrdask.images.axes import RANK, image_of
from vrdask.images.image import Image, Number
from vrdask.images.ome_zarr import dataset

KNOWN = (*"tczyx",)
USUAL_NAMES = {2: "yx", 3: "zyx", 4: "czyx", 5: "tczyx"}
COLOURS = ("FF0000", "00FF00", "0000FF", "FFFF00", "FF00FF", "00FFFF")
IMAGE_LABEL = "image-label"


def usual_names(names: Sequence[str | None] | None, ndim: int) -> tuple[str, ...]:
    """Names of the axes of an image: those that an array has by itself, where images have such, or the usual ones.

    Raises
    ------
    ValueError
        There are none for so many axes.
    """
    known = [str(name) for name in names or () if name in KNOWN]
    if len({*known}) == ndim == len(known):
        return tuple(known)
    if ndim not in USUAL_NAMES:
        raise ValueError(f"an image must have 2 to 5 axes; got {ndim}")
    return tuple(USUAL_NAMES[ndim])


def image_for_ome_zarr(image: Image | None, names: Sequence[str | None] | None, ndim: int) -> Image:
    """An array as an image of OME-Zarr. An unknown distance between samples has no unit.

    names : of the axes of an array by itself; else they are called as is usual.

    Raises
    ------
    ValueError
        OME-Zarr has no images with such axes.
    """
    if image is None:
        image = image_of(usual_names(names, ndim), {})
    kinds = [str(axis.get("type", "other")) for axis in image.axes]
    ranks = [RANK.get(kind, 1) for kind in kinds]
    if ranks != sorted(ranks) or ranks.count(2) not in (2, 3) or ranks.count(0) > 1 or ranks.count(1) > 1:
        said = ", ".join(f"{name} ({kind})" for name, kind in zip(image.axis_names, kinds, strict=True))
        raise ValueError(
            f"an OME-Zarr image must have axes in the order time, channel, then two or three of space; got {said}"
        )
    return replace(
        image,
        axes=tuple(
            dict(axis) if math.isfinite(scale) else {key: value for key, value in axis.items() if key != "unit"}
            for axis, scale in zip(image.axes, image.scale, strict=True)
        ),
        translation=tuple(t if math.isfinite(t) else 0.0 for t in image.translation),
    )


def order_for_ome_zarr(image: Image | None) -> tuple[int, ...] | None:
    """The order in which OME-Zarr has an image's axes; None where it is theirs. Colours come last in files."""
    if image is None:
        return None
    ranks = [RANK.get(str(axis.get("type", "other")), 1) for axis in image.axes]
    order = tuple(sorted(range(len(ranks)), key=lambda axis: (ranks[axis], axis)))
    return None if order == tuple(range(len(ranks))) else order


def images_of_levels(
    image: Image, products: Sequence[Sequence[Number]], starts_at_first: bool, paths: Sequence[str]
) -> list[Image]:
    """The images of levels, of which a sample stands for so many of the full one along each axis.

    starts_at_first : whether it lies where the first of these does, rather than amid them.
    """
    found = []
    for steps, path in zip(products, paths, strict=True):
        starts = [Fraction(0) if starts_at_first else (Fraction(step) - 1) / 2 for step in steps]
        found.append(replace(image.stepped(steps, starts), path=path))
    return found


def attributes_with_levels(
    attributes: Mapping[str, Any], levels: Sequence[Image], kind: str | None, about: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Attributes of an image's group with other levels below the full one.

    levels : these. kind : of theirs, for people. about : how they were made.
    """
    given = deepcopy(dict(attributes))
    multiscale = given.get("ome", given)["multiscales"][0]
    multiscale["datasets"] = [multiscale["datasets"][0], *(dataset(one, True) for one in levels)]
    for key, value in (("type", kind), ("metadata", about and dict(about))):
        multiscale.pop(key, None)
        if value is not None:
            multiscale[key] = value
    return given


def level_paths(first: str, count: int) -> list[str]:
    """Paths of levels below one, called as it is.

    >>> level_paths("0", 2), level_paths("s0", 1), level_paths("scale0/image", 1), level_paths("full", 1)
    (['1', '2'], ['s1'], ['scale1/image'], ['1'])
    """
    at = first.rfind("0")
    if at < 0 or (at + 1 < len(first) and first[at + 1].isdigit()) or (at and first[at - 1].isdigit()):
        return [str(level) for level in range(1, count + 1)]
    return [f"{first[:at]}{level}{first[at + 1 :]}" for level in range(1, count + 1)]


def with_windows(
    omero: Any, windows: Sequence[tuple[float, float]], dtype_range: tuple[float, float]
) -> dict[str, Any]:
    """What is said of channels, each with the range of values to show.

    omero : what is said already. windows : the smallest and largest value of each channel.
    """
    said = deepcopy(dict(omero)) if isinstance(omero, Mapping) else {}
    channels = said.get("channels")
    if not isinstance(channels, list) or len(channels) != len(windows):
        channels = [
            {"active": True, "color": "FFFFFF" if len(windows) == 1 else COLOURS[k % len(COLOURS)]}
            for k in range(len(windows))
        ]
    for channel, (low, high) in zip(channels, windows, strict=True):
        if not isinstance(channel, dict) or "window" in channel:
            continue
        channel["window"] = {"min": dtype_range[0], "max": dtype_range[1], "start": low, "end": high}
    return {**said, "channels": channels}


def needs_windows(omero: Any, channels: int) -> bool:
    """Whether some channel lacks the range of values to show."""
    given = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(given, list) or len(given) != channels:
        return True
    return any(isinstance(channel, Mapping) and "window" not in channel for channel in given)
