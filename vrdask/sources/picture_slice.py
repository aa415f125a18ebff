"""A slice in a PNG or JPEG, which Pillow decodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from vrdask.buffers import Empty
from vrdask.images.axes import image_of
from vrdask.images.colours import with_colours
from vrdask.images.image import Image
from vrdask.sources.format import Format
from vrdask.sources.seen import Meaning, Seen
from vrdask.sources.slice_format import Slice, SliceFormat

MODES = {
    "1": ((), "bool"), "L": ((), "uint8"), "P": ((), "uint8"), "LA": ((2,), "uint8"), "RGB": ((3,), "uint8"),
    "RGBA": ((4,), "uint8"), "I;16": ((), "uint16"), "I;16B": ((), "uint16"), "I": ((), "int32"),
}  # fmt: skip
"""Samples of a pixel, and their type, by Pillow's modes."""
COLOURS = ("RGB", "RGBA")
MOST_PER_BYTE = 2048
"""Samples that a stored byte can stand for: of deflate 1032, and of JPEG where all is one colour about as many."""
PIECE_BYTES = 1 << 20


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    try:
        from PIL import Image as Picture
    except ImportError:
        raise ModuleNotFoundError(f"reading {path} needs the package pillow: pip install 'vrdask[images]'") from None
    with Picture.open(path, formats=("PNG", "JPEG")) as picture:
        yield picture


def _slice(path: str) -> Slice:
    with _opened(path) as picture:
        mode, (columns, rows) = picture.mode, picture.size
        if mode not in MODES:
            raise ValueError(f"a slice must be grey, a palette or RGB; got {path} of mode {mode}: write TIFF")
        stored = str(picture.tile[0][3]) if picture.tile else ""
        if "16" in stored and mode in (*COLOURS, "LA"):
            raise ValueError(f"colours of a PNG must have 8 bits to be read here; got 16 in {path}: write TIFF")
        samples, dtype = MODES[mode]
        form = Slice((rows, columns, *samples), np.dtype(dtype))
    if prod(form.shape) > MOST_PER_BYTE * 8 ** (mode == "1") * os.path.getsize(path):
        raise ValueError(
            f"a slice must hold all its samples; got {path} of {rows}x{columns} in {os.path.getsize(path)} bytes: "
            "it is truncated or damaged"
        )
    return form


def _read(path: str, form: Slice, empty: Empty) -> Any:
    with _opened(path) as picture:
        if (picture.size[1], picture.size[0], *MODES.get(picture.mode, ((), ""))[0]) != form.shape:
            return np.asarray(picture)
        samples = empty(form.shape, form.dtype)
        rows, columns = form.shape[:2]
        step = max(1, PIECE_BYTES // (columns * prod(form.shape[2:]) * form.dtype.itemsize))
        for start in range(0, rows, step):  # as a whole, Pillow would hold it twice beside its own
            stop = min(start + step, rows)
            samples[start:stop] = np.asarray(picture.crop((0, start, columns, stop)))
        return samples


def _known(path: str, form: Slice, names: tuple[str, ...]) -> tuple[Image, Any]:
    image = image_of(names, {})
    with _opened(path) as picture:
        if picture.mode in COLOURS:
            image = with_colours(image, form.shape[2], form.dtype)
        if picture.mode == "P":
            palette = bytes(picture.getpalette("RGB") or ())
            return image, Seen(Meaning.PALETTE, 8, palette, name="palette")
    return image, None


def _not_alone(path: Any, level: int, series: int) -> Any:
    raise NotImplementedError("a PNG or JPEG by itself is no source")


PNG = SliceFormat(Format("PNG", (".png",), (b"\x89PNG\r\n\x1a\n",), _not_alone), "a PNG source", _slice, _read, _known)
JPEG = SliceFormat(
    Format("JPEG", (".jpg", ".jpeg"), (b"\xff\xd8\xff",), _not_alone), "a JPEG source", _slice, _read, _known
)
