"""What a picture for eyes shows of an array: two axes, and colours; black and white where a window has them.

Pages, times, slices and fluorescence channels are no colours, however many there are: one of them has to be chosen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box
from vrdask.dtypes import DType
from vrdask.images.colours import channel_axis, channels_of, has_colours
from vrdask.images.image import Image
from vrdask.storage import places
from vrdask.targets.png import Form, write_png

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
JPEG_QUALITY = 90
ROWS_BYTES = 1 << 22
"""Of rows that are looked at together, for what becomes black and white."""
MOST_OF_JPEG = 65_500
"""Rows or columns of a JPEG."""
MODES = {1: "grey", 2: "grey and opacity", 3: "colours", 4: "colours and opacity"}

Window = tuple[float, float]


def is_for_eyes(place: Any) -> bool:
    """Whether a target's name promises a picture for eyes."""
    return isinstance(place, str | Path) and places.suffix_of(place) in SUFFIXES


def picture_window(place: Any, window: Any) -> Window | None:
    """The values that become black and white.

    Raises
    ------
    TypeError, ValueError
        They are not two numbers, the lower one first; or the target is no picture.
    """
    if window is None:
        return None
    if not is_for_eyes(place):
        raise ValueError(f"window must be left out for a target other than PNG or JPEG; got {window!r} for {place}")
    try:
        found = tuple(float(value) for value in window) if isinstance(window, Iterable) else ()
    except (TypeError, ValueError):
        raise TypeError(f"window must be two numbers; got {window!r}") from None
    if len(found) != 2 or not all(map(math.isfinite, found)) or not found[0] < found[1]:
        raise ValueError(f"window must be two finite numbers, the lower one first; got {window!r}")
    return found[0], found[1]


@dataclass(frozen=True)
class Show:
    """How an array is shown. order : its axes of rows, columns and perhaps colours; all others have a single sample."""

    order: tuple[int, ...]
    window: Window | None = None
    keeps_numbers: bool = False

    def __call__(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Rows, columns and perhaps colours, as PNG and Pillow take them."""
        rest = [axis for axis in range(data.ndim) if axis not in self.order]
        shown = data.transpose(*rest, *self.order).reshape([data.shape[axis] for axis in self.order])
        if shown.ndim == 3 and shown.shape[2] == 1:
            shown = shown[..., 0]
        if shown.dtype == np.uint16 and self.keeps_numbers and shown.ndim == 2 and self.window is None:
            return np.ascontiguousarray(shown)
        opacity = shown.ndim == 3 and shown.shape[2] in (2, 4)
        return np.ascontiguousarray(_eight_bits(shown, self.window, opacity))

    def stretched(self, parts: Iterable[npt.NDArray[Any]]) -> Show:
        """The same for parts of an array: what becomes black and white where no window says it is the least and the
        greatest value of all parts. These are asked for only where it takes that.
        """
        low, high = math.inf, -math.inf
        for part in () if self.window is not None else parts:
            channels = part.shape[self.order[2]] if len(self.order) == 3 else 1
            if part.dtype in (bool, np.uint8) or (part.dtype == np.uint16 and (channels > 1 or self.keeps_numbers)):
                return self
            low, high = min(low, float(part.min())), max(high, float(part.max()))
        return replace(self, window=(low, high)) if low <= high else self


def _eight_bits(shown: npt.NDArray[Any], window: Window | None, opacity: bool) -> npt.NDArray[Any]:
    if shown.dtype == bool:
        return shown.astype(np.uint8) * np.uint8(255)
    if window is None and shown.dtype == np.uint8:
        return shown
    if window is None and shown.dtype == np.uint16 and shown.ndim == 3:  # as Pillow reads colours of 16 bits
        return (shown >> 8).astype(np.uint8)
    if not shown.size:
        return np.zeros(shown.shape, np.uint8)
    low, high = (float(shown.min()), float(shown.max())) if window is None else window
    result = np.empty(shown.shape, np.uint8)
    for row, line in zip(shown, result, strict=True):
        level = (row.astype(np.float64) - low) * (255 / (high - low) if high > low else 0.0)
        line[...] = np.rint(np.clip(np.nan_to_num(level, nan=0.0, posinf=255.0, neginf=0.0), 0, 255))
    if opacity and shown.dtype in (np.uint8, np.uint16):  # which no window is for
        result[..., -1] = shown[..., -1] >> (8 * (shown.dtype.itemsize - 1))
    return result


def how_shown(
    shape: Sequence[int],
    dtype: DType,
    image: Image | None,
    suffix: str = ".png",
    window: Window | None = None,
    keeps_numbers: bool = False,
    name: str = "a picture",
) -> Show:
    """How a picture shows an array.

    Raises
    ------
    ValueError
        It has more to it than a picture shows.

    >>> how_shown((200, 100, 3), np.dtype("uint8"), None).order
    (0, 1, 2)
    """
    what = SUFFIXES[suffix]
    space = image.space_axes if image is not None else tuple(range(len(shape)))
    colours = _colour_axis(shape, image)
    rows_and_columns = tuple(axis for axis in space if axis != colours)[-2:]
    if image is not None and {"y", "x"} <= {*image.axis_names}:
        rows_and_columns = image.axis_names.index("y"), image.axis_names.index("x")
    order = (*rows_and_columns, *(() if colours is None else (colours,)))
    others = [axis for axis in range(len(shape)) if axis not in order and shape[axis] > 1]
    channels = 1 if colours is None else shape[colours]
    if len(rows_and_columns) < 2 or others or channels > 4:
        said = "x".join(map(str, shape)) + (f" ({', '.join(image.axis_names)})" if image is not None else "")
        raise ValueError(
            f"a {what} must show 2 axes, and up to 4 channels of a third; got {said} for {name}: pages, times, slices "
            "and channels other than red, green and blue are no colours: choose a channel, or one of them by a region, "
            "or write TIFF or Zarr"
        )
    shows = dtype.name in ("bool", "uint8", "uint16", "int16")
    if dtype.kind not in "biuf" or (window is None and not (shows and (dtype != np.int16 or channels == 1))):
        raise ValueError(
            f"a {what} must hold integers of 8 or 16 bits, or have a window; got {dtype} for {name}: "
            "ask for dtype uint8 or a window (--window 0,1), or write TIFF"
        )
    if not all(shape):
        raise ValueError(f"a {what} must show at least one sample; got {'x'.join(map(str, shape))} for {name}")
    if what == "JPEG":
        _require_jpeg([shape[axis] for axis in rows_and_columns], channels, name)
    return Show(order, window, keeps_numbers and what == "PNG")


def _require_jpeg(sizes: Sequence[int], channels: int, name: str) -> None:
    if channels not in (1, 3):
        raise ValueError(f"a JPEG must show grey or colours; got {MODES[channels]} for {name}: write PNG")
    if max(sizes) > MOST_OF_JPEG:
        raise ValueError(f"a JPEG must have at most {MOST_OF_JPEG} rows and columns; got {sizes} for {name}: write PNG")


def _colour_axis(shape: Sequence[int], image: Image | None) -> int | None:
    """The axis of colours: of channels that are said to be; or the last one, where nothing else is known of it."""
    if image is None:
        return len(shape) - 1 if len(shape) == 3 and shape[-1] <= 4 else None
    axis = channel_axis(image)
    if axis is None or shape[axis] == 1:
        return None
    is_last = axis == len(shape) - 1 and not channels_of(image)
    return axis if has_colours(image) or is_last else None


def write_shown(
    file: Path, suffix: str, shape: Sequence[int], read: Callable[[Box], npt.NDArray[Any]], show: Show, threads: int
) -> None:
    """Encode a picture. shape : of the array. read : the samples of a box of it, in any thread."""
    axis = show.order[0]

    def rows(start: int, stop: int) -> npt.NDArray[Any]:
        return read(tuple((start, stop) if k == axis else (0, n) for k, n in enumerate(shape)))

    if SUFFIXES[suffix] == "PNG":
        step = max(1, ROWS_BYTES // max(1, rows(0, 1).nbytes))
        shown = show.stretched(rows(start, min(start + step, shape[axis])) for start in range(0, shape[axis], step))
        first = shown(rows(0, 1))
        channels = first.shape[2] if first.ndim == 3 else 1
        form = Form(shape[axis], first.shape[1], channels, 8 * first.itemsize)
        with file.open("wb") as stream:
            write_png(stream, form, lambda start, stop: shown(rows(start, stop)), threads)
    else:
        from PIL import Image as Picture

        Picture.fromarray(show(rows(0, shape[axis]))).save(file, format="JPEG", quality=JPEG_QUALITY)
