"""A format of images that can be slices of a volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from vrdask.buffers import Empty
from vrdask.dtypes import DType
from vrdask.images.image import Image
from vrdask.sources.format import Format
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
    file of which the header is known. known : what a file says of axes of these names, and how eyes see it.
    """

    form: Format
    what: str
    slice: Callable[[str], Slice]
    read: Callable[[str, Slice, Empty], Array]
    known: Callable[[str, Slice, tuple[str, ...]], tuple[Image, Any]]
