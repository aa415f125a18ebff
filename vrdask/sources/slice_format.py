"""Formats of images that can be slices of a volume, and the samples of files of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from vrdask.buffers import Empty
from vrdask.dtypes import DType
from vrdask.images.image import Image
from vrdask.sources.format import Format
from vrdask.sources.opening import decoding
from vrdask.sources.stack_array import Array
from vrdask.text import by_axis


class Slice(NamedTuple):
    """What an image's header says."""

    shape: tuple[int, ...]
    """Rows, columns and, where there are several, samples of a pixel."""
    dtype: DType

    def __str__(self) -> str:
        return f"{by_axis(self.shape)} {self.dtype}"


@dataclass(frozen=True)
class SliceFormat:
    """One format.

    what : begins the messages of errors. slice : reads a header, and refuses what cannot be decoded. read : decodes a
    file of which the header is known. known : what a file says of axes of these names, and how eyes see it. beside :
    the note about what it says more than that.
    """

    form: Format
    what: str
    slice: Callable[[str], Slice]
    read: Callable[[str, Slice, Empty], Array]
    known: Callable[[str, Slice, tuple[str, ...]], tuple[Image, Any]]
    beside: Callable[[str, Image], Iterable[tuple[str, str]]]


@dataclass(frozen=True)
class ImageFiles:
    """The images in files of one format; travels as their paths."""

    files: tuple[str, ...]
    kind: SliceFormat
    form: Slice

    def __call__(self, number: int, empty: Empty) -> Array:
        path, kind = self.files[number], self.kind
        with decoding(kind.what, path):
            samples = kind.read(path, self.form, empty)
        if (samples.shape, samples.dtype) != tuple(self.form):
            found = Slice(samples.shape, samples.dtype)
            raise ValueError(f"an image must be as it was when it was opened, {self.form}; got {found} in {path}")
        return samples
