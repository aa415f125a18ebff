"""Channels that are colours, and what OME-Zarr says of channels (`omero`): label, colour, range of values. Pure.

Red, green and blue are colours; pages, times, slices and fluorescence channels are not, however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vrdask.dtypes import DType
from vrdask.images.image import Image

PRIMARIES = (("R", "FF0000"), ("G", "00FF00"), ("B", "0000FF"), ("A", "FFFFFF"))
"""Label and colour of what a picture is made of; the last is opacity."""
USUAL = ("FFFFFF", "00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000")
"""Colours of channels for which a file names none."""


def value_range(dtype: DType) -> tuple[float, float]:
    """What white and black are to a type, where nothing else is said: 0 and 1 of floats.

    >>> value_range(np.dtype("uint8")), value_range(np.dtype("float32"))
    ((0, 255), (0, 1))
    """
    if dtype.kind not in "iu":
        return 0, 1
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def omero(channels: Sequence[tuple[str, str]], dtype: DType) -> dict[str, Any]:
    """What OME-Zarr says of channels. channels : label and colour (RRGGBB) of each."""
    low, high = value_range(dtype)
    window = {"min": low, "max": high, "start": low, "end": high}
    said = [
        {"label": label, "color": colour, "active": label != "A" or channels[0] != PRIMARIES[0], "window": dict(window)}
        for label, colour in channels
    ]
    return {"channels": said, "rdefs": {"model": "color"}}


def channel_axis(image: Image) -> int | None:
    """The axis of channels; None where there is none."""
    return next((axis for axis, said in enumerate(image.axes) if said.get("type") == "channel"), None)


def channels_of(image: Image | None) -> list[Mapping[str, Any]]:
    """What is said of each channel; nothing where it is no list of objects."""
    said = image.extra.get("omero") if image is not None else None
    channels = said.get("channels") if isinstance(said, Mapping) else None
    found = channels if isinstance(channels, list) else []
    return found if all(isinstance(one, Mapping) for one in found) else []


def has_colours(image: Image | None) -> bool:
    """Whether an image's channels are red, green and blue, and maybe opacity."""
    known = [(one.get("label"), str(one.get("color")).upper()) for one in channels_of(image)]
    return image is not None and channel_axis(image) is not None and tuple(known) in (PRIMARIES[:3], PRIMARIES)


def with_colours(image: Image, count: int, dtype: DType) -> Image:
    """An image whose so many channels are colours."""
    return replace(image, extra={**image.extra, "omero": omero(PRIMARIES[:count], dtype)})


def of_channel(extra: Mapping[str, Any], index: int) -> dict[str, Any]:
    """What a group says, of one channel alone."""
    found = dict(extra)
    said = found.get("omero")
    channels = said.get("channels") if isinstance(said, Mapping) else None
    if isinstance(channels, list):
        found["omero"] = {**said, "channels": channels[index : index + 1]}  # type: ignore[dict-item]
    return found
