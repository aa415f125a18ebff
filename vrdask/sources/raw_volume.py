"""Volumes whose samples lie in one piece, as they are or behind gzip, beside or below a header of some format."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import DType
from vrdask.images.axes import image_of
from vrdask.images.image import Image
from vrdask.images.orientation import as_affine, placed, require_invertible
from vrdask.sources.inflated import MOST_PER_BYTE, inflated
from vrdask.sources.mapped import MappedArray, require_numbers, require_whole
from vrdask.sources.not_carried import not_carried
from vrdask.sources.source import Source, file_layout, file_stamp
from vrdask.storage.remote_file import file_at


@dataclass(frozen=True)
class RawVolume:
    """Samples as they are stored."""

    stored: MappedArray
    """Where they lie in the file, or in what is decompressed from it."""
    packed_at: int | None
    """Where gzip or zlib begins in the file; None where the samples lie there as they are."""
    what: str
    """The format, as errors name it."""

    chunks = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape

    @property
    def dtype(self) -> DType:
        return self.stored.dtype

    @property
    def passing_bytes(self) -> int:
        return self.stored.passing_bytes

    def __getitem__(self, box: tuple[slice, ...], /) -> npt.NDArray[Any]:
        if self.packed_at is None:
            return self.stored[box]
        unpacked = inflated(self.stored.path, self.stored.stop, self.what, self.packed_at)  # held until it is mapped
        return self.stored.read(unpacked.number, box, self.dtype)


def raw_source(path: Path, volume: RawVolume, image: Image, name: str, beside: Iterable[str] = ()) -> Source:
    """The source of a volume.

    path : of the header, which may be in another file than the samples. beside : what it says that the image does not.

    Raises
    ------
    ValueError
        The samples are no numbers, or the file ends before they do.
    """
    stored = volume.stored
    if not stored.shape or min(stored.shape) < 1 or len(stored.shape) > 7:
        raise ValueError(f"{volume.what} must have one to seven positive sizes; got {stored.shape} in {path}")
    require_numbers(stored.stored, path, volume.what)
    if volume.packed_at is None:
        require_whole(stored, volume.what)
    elif stored.stop > MOST_PER_BYTE * (size := file_at(stored.path).stat().st_size):
        raise ValueError(
            f"{volume.what} must hold all its samples, {stored.stop} bytes; got {size} compressed ones: {path} is "
            "truncated, or its header is damaged"
        )
    stamps = [file_stamp(one) for one in dict.fromkeys((path, file_at(stored.path)))]
    cost = "memory-mapped"
    if volume.packed_at is not None:
        cost = "compressed: each process that reads it decompresses it once, to a temporary file"
    details = (("format", f"{name}, {cost}"), *not_carried({"the header": beside}))
    return Source(volume, file_layout(volume, image), str(path), lambda: [one() for one in stamps], image, details)


def placed_image(
    names: Sequence[str], columns: Any, origin: Any, what: str, unit: str | None = "millimeter",
    others: Mapping[str, tuple[float, str | None]] = MappingProxyType({}),
) -> Image:  # fmt: skip
    """The image of axes whose samples step by `columns` of a world in RAS+ from `origin`.

    names : of the array's axes. columns : (3, n), of the axes of space in the array's order. others : sizes
    along others.
    """
    affine = as_affine(np.column_stack([columns, origin]))
    require_invertible(affine, f"the directions of {what}")
    space = [name for name in names if name in "xyz"]
    sizes = np.linalg.norm(columns, axis=0)
    spacing = {name: (float(f"{size:.7g}"), unit) for name, size in zip(space, sizes, strict=True)}
    return placed(image_of(names, {**spacing, **others}), affine)


def data_file(path: Path, name: str, what: str) -> Path:
    """The file that holds the samples of a header, which must be beside it: a header may name any file of the machine.

    Raises
    ------
    ValueError
        It lies elsewhere, or is not there.
    """
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{what} must name its data file beside it; got {name!r} in {path}")
    found = path.parent / name
    if not found.is_file():
        raise ValueError(f"{what} must have its data file; {path} names {name}, which is not beside it")
    return found


def finite(text: str, count: int, key: str, what: str) -> list[float]:
    """Finite numbers of a line of a header."""
    try:
        numbers = [float(one) for one in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(map(math.isfinite, numbers)):
        raise ValueError(f"{key} of {what} must be {count} finite numbers; got {text[:80]!r}")
    return numbers
