"""An uncompressed array inside a file, read box by box through a memory map.

A map shows the file's pages, and those around them, to the process that touches them: they count as its memory, and a
box of short rows touches many times what it holds. So a box is copied out of its map, a few megabytes of pages at a
time, each of which are given back. The map ends with the box; there is no open file to send to another process.
Behind a URL, spans of the file are fetched instead, with all that lies between the samples of a box.

What is copied is in C order, whatever the file's: kernels would have to copy it again otherwise.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import DType, native, plain
from vrdask.storage.remote_file import RemoteFile, file_at, is_remote, remote_file

SPAN_BYTES = 4 << 20
"""Of a file that is mapped, from the first sample that is copied at a time to the last."""
FETCHED_COPIES = 3
"""Of the bytes of a span, on their way from a URL."""
CHANGED_BYTES = 1 << 20
"""Of samples that are changed at a time."""
AROUND_BYTES = 64 << 10
"""What Linux maps besides a page that is touched, on either side."""

Change = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
"""A function of each sample alone, called with some of them."""


@dataclass(frozen=True)
class MappedArray:
    """`stored` is the type in the file's byte order; `order` is "C" or "F": whether the last or the first axis is
    contiguous.
    """

    path: str
    shape: tuple[int, ...]
    stored: DType
    offset: int
    order: Literal["C", "F"] = "C"

    chunks = None

    @property
    def dtype(self) -> DType:
        return plain(native(self.stored))

    @property
    def stop(self) -> int:
        """Where the samples end in the file."""
        return self.offset + prod(self.shape) * self.stored.itemsize

    @property
    def passing_bytes(self) -> int:
        """Of pages that are mapped, or bytes that are fetched, at a time."""
        return min(SPAN_BYTES, self.stop) * (FETCHED_COPIES if is_remote(self.path) else 1)

    def __getitem__(self, box: tuple[slice, ...], /) -> npt.NDArray[Any]:
        return self.changed(box, self.dtype)

    def changed(self, box: tuple[slice, ...], dtype: DType, change: Change | None = None) -> npt.NDArray[Any]:
        """A box of the array, as `read` gives it."""
        if 0 in self.shape:  # which cannot be mapped
            return np.empty(self.shape, dtype)[box]
        if is_remote(self.path):
            return self._fetched(box, dtype, change)
        with open(self.path, "rb") as file:
            return self.read(file.fileno(), box, dtype, change)

    def _fetched(self, box: tuple[slice, ...], dtype: DType, change: Change | None) -> npt.NDArray[Any]:
        """A box of an array behind a URL."""
        sizes = self.shape if self.order == "C" else self.shape[::-1]
        steps = [prod(sizes[axis + 1 :]) * self.stored.itemsize for axis in range(len(sizes))]
        strides = steps if self.order == "C" else steps[::-1]
        sides = [range(*part.indices(n)) for part, n in zip(box, self.shape, strict=True)]
        result = np.empty([len(side) for side in sides], dtype)
        first = self.offset + sum(side.start * stride for side, stride in zip(sides, strides, strict=True))
        if result.size:
            _fetch(remote_file(self.path), first, self.stored, strides, result, change)
        return result

    def read(self, file: int, box: tuple[slice, ...], dtype: DType, change: Change | None = None) -> npt.NDArray[Any]:
        """A box of the array in an open file, which may be another one than that at `path`.

        dtype : of the result. change : what is done to the samples, a few at a time.
        """
        try:
            pages = mmap.mmap(file, self.stop, access=mmap.ACCESS_READ)
        except ValueError as error:  # it was longer when it was opened
            raise ValueError(f"source must hold {self.stop} bytes; got {self.path}: {error}") from None
        whole = np.ndarray(self.shape, self.stored, pages, self.offset, order=self.order)
        part = whole[box]
        result = np.empty(part.shape, dtype)
        _copy(part, result, change, pages, whole.__array_interface__["data"][0] - self.offset)
        return result


def _fetch(
    file: RemoteFile, first: int, stored: DType, strides: Sequence[int], to: npt.NDArray[Any], change: Change | None
) -> None:
    """Fetch samples that begin somewhere in a file and lie so far apart along each axis."""
    reach = sum((size - 1) * stride for size, stride in zip(to.shape, strides, strict=True)) + stored.itemsize
    many = change is not None and to.nbytes > CHANGED_BYTES
    if (many or reach > SPAN_BYTES) and to.size > 1:
        axis = max(range(to.ndim), key=lambda axis: (to.shape[axis] > 1, strides[axis]))
        half = to.shape[axis] // 2
        for start, piece in ((0, slice(half)), (half, slice(half, None))):
            part = to[(slice(None),) * axis + (piece,)]
            _fetch(file, first + start * strides[axis], stored, strides, part, change)
        return
    data = file.read_at(first, reach)
    if len(data) < reach:
        raise ValueError(f"source must hold {first + reach} bytes; got {file.url}, which is shorter")
    part = np.ndarray(to.shape, stored, data, 0, strides)
    to[...] = part if change is None else change(part)


def _copy(part: npt.NDArray[Any], to: npt.NDArray[Any], change: Change | None, pages: mmap.mmap, base: int) -> None:
    """Copy a part of the array in a map that begins at an address; the map's pages are given back."""
    reach = sum((size - 1) * stride for size, stride in zip(part.shape, part.strides, strict=True)) + part.itemsize
    if not part.size:
        return
    many = change is not None and part.size * to.itemsize > CHANGED_BYTES
    if (many or reach > SPAN_BYTES) and part.size > 1:
        axis = max(range(part.ndim), key=lambda axis: (part.shape[axis] > 1, part.strides[axis]))
        half = part.shape[axis] // 2
        for piece in (slice(half), slice(half, None)):
            index = (slice(None),) * axis + (piece,)
            _copy(part[index], to[index], change, pages, base)
        return
    to[...] = part if change is None else change(part)
    if hasattr(pages, "madvise"):  # not on Windows
        first = part.__array_interface__["data"][0] - base
        start = max(0, first - AROUND_BYTES) // mmap.PAGESIZE * mmap.PAGESIZE
        pages.madvise(mmap.MADV_DONTNEED, start, min(first + reach + AROUND_BYTES, len(pages)) - start)


def require_numbers(dtype: DType, path: Path | str, what: str) -> None:
    """Refuse samples that are no numbers, or that Zarr cannot store: records, objects, long doubles, texts."""
    if dtype.kind in "biufcmM" and dtype.itemsize in (1, 2, 4, 8, 16) and dtype.char not in ("g", "G"):
        return
    raise ValueError(
        f"{what} must hold numbers of up to 8 bytes, or complex ones of up to 16; got {path} with {_type(dtype)}: "
        "convert it with the software that wrote it, or give resample an array"
    )


def _type(dtype: DType) -> str:
    if dtype.hasobject:
        return "Python objects"
    if dtype.subdtype is not None or dtype.names is not None:
        return f"records ({dtype})"
    return str(dtype)


def require_whole(array: MappedArray, what: str) -> None:
    """Refuse a file that ends before its samples do."""
    size = file_at(array.path).stat().st_size
    if size < array.stop:
        raise ValueError(f"{what} must hold all its samples, {array.stop} bytes; got {size}: {array.path} is truncated")
