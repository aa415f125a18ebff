"""Imaris files (.ims): HDF5 with a dataset per level, time and channel, one image of t, c, z, y, x in all.

    DataSet/ResolutionLevel 1/TimePoint 0/Channel 2/Data

Datasets are padded to whole chunks; attributes beside them say their sizes. Numbers are written as texts, one letter
after the other. The image ends where its outer voxels do, from ExtMin to ExtMax, whatever the level.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from vrdask.dtypes import native, plain
from vrdask.images.axes import UNITS, image_of
from vrdask.images.colours import USUAL, omero
from vrdask.images.image import Image
from vrdask.sources.hdf5_array import Hdf5Chunks
from vrdask.text import by_axis

ROOT, INFO = "DataSet", "DataSetInfo"
_DATA = re.compile(r"/?DataSet/ResolutionLevel (\d+)/TimePoint (\d+)/Channel (\d+)/Data/?")
OF_IMAGE = ("X", "Y", "Z", "Unit", *(f"Ext{end}{k}" for end in ("Min", "Max") for k in range(3)))
MOST_GROUPS = 1 << 16
"""Of levels, times or channels."""


class Opened(NamedTuple):
    """A level of an image."""

    array: Hdf5Chunks
    image: Image
    shapes: tuple[tuple[int, ...], ...]
    """Of all levels."""


def is_imaris(file: Any) -> bool:
    """Whether an HDF5 file is one of Imaris."""
    return f"{ROOT}/ResolutionLevel 0" in file and f"{INFO}/Image" in file


def open_imaris(file: Any, path: str, level: int) -> Opened:
    """A level of the image in a file: axes t and c where there are several, z, y, x.

    Raises
    ------
    ValueError
        There is no such level, or the file's attributes and datasets are not what they must be.
    """
    levels = list(_numbered(file[ROOT], "ResolutionLevel"))
    first = levels[0]
    times, channels = (len(list(_numbered(one, name))) for one, name in
                       ((first, "TimePoint"), (first["TimePoint 0"], "Channel")))  # fmt: skip
    leading = tuple(n for n in (times, channels) if n > 1)
    shapes = tuple((*leading, *_sizes(one["TimePoint 0/Channel 0"], path)) for one in levels)
    if not 0 <= level < len(levels):
        there = ", ".join(f"{k} ({by_axis(shape)})" for k, shape in enumerate(shapes))
        raise ValueError(f"level must be one of {there} of {path}; got {level}")
    names = [
        f"{ROOT}/ResolutionLevel {level}/TimePoint {t}/Channel {c}/Data"
        for t in range(times) for c in range(channels)
    ]  # fmt: skip
    data = file[names[0]]
    for name in names:
        one = file[name]
        if (one.shape, one.dtype, one.chunks) != (data.shape, data.dtype, data.chunks):
            raise ValueError(f"an Imaris source must have datasets that are alike; got {names[0]} and {name} in {path}")
    shape = shapes[level]
    if data.chunks is None or data.ndim != 3 or any(n > m for n, m in zip(shape[-3:], data.shape, strict=True)):
        raise ValueError(
            f"an Imaris source must have datasets in chunks, at least as large as they say; got {by_axis(data.shape)} "
            f"for {by_axis(shape[-3:])} in {path}"
        )
    letters = ("t" if times > 1 else "") + ("c" if channels > 1 else "") + "zyx"
    image = _placed(file, letters, shape, path)
    if channels > 1:
        said = [_channel(file, c) for c in range(channels)]
        image = Image(image.axes, image.path, image.scale, image.translation, None,
                      {"omero": omero(said, plain(native(data.dtype)))})  # fmt: skip
    return Opened(Hdf5Chunks(path, names, leading, shape, data.dtype, data.chunks), image, shapes)


def one_dataset(file: Any, path: str, name: str) -> Opened | None:
    """The dataset of one level, time and channel, cut to its size; None where that is none of them."""
    found = _DATA.fullmatch(name)
    if found is None or not is_imaris(file):
        return None
    data = file[name]
    shape = _sizes(data.parent, path)
    if data.chunks is None or data.ndim != 3 or any(n > m for n, m in zip(shape, data.shape, strict=True)):
        return None
    array = Hdf5Chunks(path, [data.name], (), shape, data.dtype, data.chunks)
    return Opened(array, _placed(file, "zyx", shape, path), (shape,))


def beside(file: Any) -> Iterator[str]:
    """What a file says more than sizes, places and channels' names and colours."""
    for name in file[INFO]:
        if name != "Image" and not name.startswith("Channel "):
            yield str(name)
    yield from (f"Image's {one}" for one in _said(file[f"{INFO}/Image"], OF_IMAGE))
    for number in range(MOST_GROUPS):
        if (info := file.get(f"{INFO}/Channel {number}")) is None:
            break
        yield from (f"Channel's {one}" for one in _said(info, ("Name", "Color")))
    yield from (str(name) for name in file if name not in (ROOT, INFO, "Thumbnail", "DataSetTimes"))


def _said(group: Any, known: Sequence[str]) -> Iterator[str]:
    return (str(name) for name in group.attrs if name not in known and _text(group, name))


def _numbered(group: Any, name: str) -> Iterator[Any]:
    """Groups of a name with numbers from 0 on, as far as they go."""
    for number in range(MOST_GROUPS):
        if f"{name} {number}" not in group:
            return
        yield group[f"{name} {number}"]


def _sizes(group: Any, path: str) -> tuple[int, ...]:
    sizes = tuple(int(_number(group, f"ImageSize{axis}", path)) for axis in "ZYX")
    if min(sizes) < 1:
        raise ValueError(f"an Imaris source must have positive sizes; got {by_axis(sizes)} in {path}")
    return sizes


def _placed(file: Any, letters: str, shape: tuple[int, ...], path: str) -> Image:
    """Sizes of voxels, and where the first one's centre lies."""
    info = file[f"{INFO}/Image"]
    unit = UNITS.get(_text(info, "Unit"))
    sizes, origin = {}, dict.fromkeys(letters, 0.0)
    for name, n, number in zip("zyx", shape[-3:], (2, 1, 0), strict=True):
        start, stop = (_number(info, f"{end}{number}", path) for end in ("ExtMin", "ExtMax"))
        size = (stop - start) / n
        if size > 0:
            sizes[name], origin[name] = (float(f"{size:.12g}"), unit), float(f"{start + size / 2:.12g}")
    image = image_of(letters, sizes)
    return Image(image.axes, image.path, image.scale, tuple(origin.values()), None, {})


def _channel(file: Any, number: int) -> tuple[str, str]:
    """A channel's name, and its colour as RRGGBB."""
    info = file.get(f"{INFO}/Channel {number}")
    name, colour = ("", "") if info is None else (_text(info, "Name"), _text(info, "Color"))
    try:
        parts = [round(255 * min(1.0, max(0.0, float(one)))) for one in colour.split()]
    except ValueError:
        parts = []
    rgb = "".join(f"{one:02X}" for one in parts) if len(parts) == 3 else USUAL[number % len(USUAL)]
    return name or f"Channel {number}", rgb


def _number(group: Any, name: str, path: str) -> float:
    text = _text(group, name)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"an Imaris source must say {name} as a number; got {text[:40]!r} in {path}")
    return number


def _text(group: Any, name: str) -> str:
    """A text that is written as an array of letters."""
    said = group.attrs.get(name)
    if said is None:
        return ""
    if isinstance(said, np.ndarray):
        said = b"".join(one if isinstance(one, bytes) else str(one).encode() for one in said.ravel()[:256])
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return text.strip("\0 ")
