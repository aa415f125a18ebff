"""Pictures, PNG and JPEG, which Pillow decodes: by themselves, or slices of a stack."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from vrdask.buffers import Empty
from vrdask.dtypes import DType
from vrdask.images.axes import image_of, may_be_ome_zarr
from vrdask.images.colours import with_colours
from vrdask.images.image import Image
from vrdask.sources.folders import beginning, headers_of
from vrdask.sources.format import Format
from vrdask.sources.mapped import SPAN_BYTES, MappedArray
from vrdask.sources.not_carried import not_carried
from vrdask.sources.opening import decoding, package_for
from vrdask.sources.seen import Meaning, Seen
from vrdask.sources.slice_format import Slice, SliceFormat
from vrdask.sources.source import Source, file_layout, file_stamp
from vrdask.sources.stack_array import Array
from vrdask.sources.unpacked import Unpacked, write

MODES = {
    "1": ((), "bool"), "L": ((), "uint8"), "P": ((), "uint8"), "LA": ((2,), "uint8"), "RGB": ((3,), "uint8"),
    "RGBA": ((4,), "uint8"), "I;16": ((), "uint16"), "I;16B": ((), "uint16"), "I": ((), "int32"),
}  # fmt: skip
"""Samples of a pixel, and their type, by Pillow's modes."""
COLOURS = ("RGB", "RGBA")
MOST_PER_BYTE = 2048
"""Samples that a stored byte can stand for: of deflate 1032, and of JPEG where all is one colour about as many."""
PIECE_BYTES = 1 << 20
OF_STORAGE = {
    "jfif", "jfif_version", "jfif_unit", "jfif_density", "adobe", "adobe_transform", "progressive", "progression",
    "interlace", "gamma", "srgb", "chromaticity", "mp", "mpoffset", "exif",
}  # fmt: skip
"""What Pillow tells of a picture beside what it says of itself; EXIF is looked into."""
ORIENTATION = 0x0112
"""The tag of EXIF that tells where the first row is."""


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    with package_for(path, "PIL.Image", "images").open(path, formats=("PNG", "JPEG")) as picture:
        yield picture


def _slice(path: str) -> Slice:
    with _opened(path) as picture:
        mode, (columns, rows) = picture.mode, picture.size
        if mode not in MODES:
            raise ValueError(f"a picture must be grey, a palette or RGB; got {path} of mode {mode}: write TIFF")
        stored = str(picture.tile[0][3]) if picture.tile else ""
        if "16" in stored and mode in (*COLOURS, "LA"):
            raise ValueError(f"colours of a PNG must have 8 bits to be read here; got 16 in {path}: write TIFF")
        samples, dtype = MODES[mode]
        form = Slice((rows, columns, *samples), np.dtype(dtype))
    if prod(form.shape) > MOST_PER_BYTE * 8 ** (mode == "1") * os.path.getsize(path):
        raise ValueError(
            f"a picture must hold all its samples; got {path} of {rows}x{columns} in {os.path.getsize(path)} bytes: "
            "it is truncated or damaged"
        )
    return form


def _read(path: str, form: Slice, empty: Empty) -> Any:
    with _opened(path) as picture:
        if _shape(picture) != form.shape:
            return np.asarray(picture)
        samples = empty(form.shape, form.dtype)
        for start, rows in _rows(picture, form):
            samples[start : start + len(rows)] = rows
        return samples


def _rows(picture: Any, form: Slice) -> Iterator[tuple[int, Array]]:
    """The samples, some rows at a time: as a whole, Pillow would hold them twice beside its own."""
    rows, columns = form.shape[:2]
    step = max(1, PIECE_BYTES // (columns * prod(form.shape[2:]) * form.dtype.itemsize))
    for start in range(0, rows, step):
        yield start, np.asarray(picture.crop((0, start, columns, min(start + step, rows))))


def _shape(picture: Any) -> tuple[int, ...]:
    return (picture.size[1], picture.size[0], *MODES.get(picture.mode, ((), ""))[0])


def _known(path: str, form: Slice, names: tuple[str, ...]) -> tuple[Image, Any]:
    image = image_of(names, {})
    with _opened(path) as picture:
        if picture.mode in COLOURS:
            image = with_colours(image, form.shape[2], form.dtype)
        orientation = int(picture.getexif().get(ORIENTATION, 1))
        if picture.mode == "P":
            return image, Seen(Meaning.PALETTE, 8, bytes(picture.getpalette("RGB") or ()), orientation, "palette")
    return image, Seen(Meaning.PLAIN, 8, None, orientation)


def _beside(path: str, image: Image) -> tuple[tuple[str, str], ...]:
    with _opened(path) as picture:
        said = [str(name) for name in picture.info if name not in OF_STORAGE]
        if "dpi" in said and picture.format == "JPEG" and picture.info.get("jfif_unit") not in (1, 2):
            said.remove("dpi")  # which Pillow takes for granted
        said += ["exif"] if any(tag != ORIENTATION for tag in picture.getexif()) else []
    return tuple(not_carried({"the picture": said}))


@dataclass(frozen=True)
class PictureArray:
    """A picture by itself. It can only be decoded whole, which every process that reads it does once, to a temporary
    file.
    """

    path: str
    form: Slice

    chunks = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.form.shape

    @property
    def dtype(self) -> DType:
        return self.form.dtype

    @property
    def passing_bytes(self) -> int:
        """Of what Pillow decodes, in which colours take four bytes."""
        rows, columns, *samples = self.form.shape
        return SPAN_BYTES + rows * columns * (4 if samples else self.form.dtype.itemsize)

    def __getitem__(self, box: tuple[slice, ...], /) -> Array:
        stat = os.stat(self.path)
        with _one_at_a_time, decoding("a PNG or JPEG source", self.path):
            unpacked = _unpacked(self.path, self.form, stat.st_size, stat.st_mtime_ns)  # held until it is mapped
        stored = MappedArray(self.path, self.form.shape, self.form.dtype, 0)
        return stored.read(unpacked.number, box, self.form.dtype)


_one_at_a_time = threading.Lock()


@lru_cache(maxsize=4)
def _unpacked(path: str, form: Slice, size: int, modified: int) -> Unpacked:
    def fill(file: Any) -> None:
        with _opened(path) as picture:
            if _shape(picture) != form.shape:
                raise ValueError(f"it has another size than it had, {_shape(picture)} in place of {form.shape}")
            for _, rows in _rows(picture, form):
                write(file, np.ascontiguousarray(rows))

    return Unpacked(f"decoding {path}", prod(form.shape) * form.dtype.itemsize, fill)


def open_picture(path: Path) -> Source:
    """The picture in a PNG or JPEG; nothing but its header is read."""
    kind = PNG if PNG.form.begins(beginning(path)) else JPEG
    place = str(path)
    (form,) = headers_of((place,), place, kind.slice, kind.what)
    image, how = kind.known(place, form, ("y", "x", "c")[: len(form.shape)])
    image = replace(image, path="0") if may_be_ome_zarr(image) else image
    array = PictureArray(place, form)
    cost = f"{kind.form.name}: each process that reads it decodes it once, to a temporary file"
    details = (("format", cost), *kind.beside(place, image))
    return Source(array, file_layout(array, image), place, file_stamp(path), image, details, seen=how)


def _open(path: Path, level: int, series: int) -> Source:
    return open_picture(path)


PNG = SliceFormat(
    Format("PNG", (".png",), (b"\x89PNG\r\n\x1a\n",), _open, is_local=True),
    "a PNG source",
    _slice,
    _read,
    _known,
    _beside,
)
JPEG = SliceFormat(
    Format("JPEG", (".jpg", ".jpeg"), (b"\xff\xd8\xff",), _open, is_local=True),
    "a JPEG source",
    _slice,
    _read,
    _known,
    _beside,
)
