"""A source: an array to read region by region, and what is known about its axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vrdask.boxes import Edges, regular_edges
from vrdask.dtypes import DType
from vrdask.images.asked import Axes
from vrdask.images.image import Image
from vrdask.storage.cropped import Cropped, cropped_edges
from vrdask.storage.layout import Layout


class Readable(Protocol):
    """What a source's array must do: know its form, give the samples of a box, and travel to other processes.

    A file's array travels as the file's path; whoever receives it opens the file again. One without `chunks` may say in
    `passing_bytes` what reading a box takes beyond its samples, however large the box.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> DType: ...
    @property
    def chunks(self) -> tuple[int, ...] | None:
        """The stored unit that is decoded at least; None where any sample can be read alone."""

    def __getitem__(self, box: Any, /) -> Any:
        """The samples of a box, given as slices."""


@dataclass(frozen=True)
class Source:
    """An array to read.

    image : names, kinds and pixel sizes of its axes, where they are known.
    layout : what a target takes over.
    place : its path, or the URL of its store.
    stamp : tells, as JSON, the state in which the source is now: equal as long as it has not changed.
    details : what `vrdask info` says beyond that: names and values.
    """

    array: Readable
    layout: Layout
    place: str
    stamp: Callable[[], Any]
    image: Image | None = None
    details: tuple[tuple[str, str], ...] = ()

    @cached_property
    def edges(self) -> tuple[Edges, ...] | None:
        """Boundaries of the stored units along each axis; None where any sample can be read alone."""
        if self.array.chunks is None:
            return None
        whose = "the source's chunks"
        return _edges_of(self.array, whose)


def _edges_of(array: Any, whose: str) -> tuple[Edges, ...]:
    if isinstance(array, Cropped):
        whole = _edges_of(array.whole, whose)
        return tuple(cropped_edges(edges, side) for edges, side in zip(whole, array.box, strict=True))
    return tuple(regular_edges(n, c, whose) for n, c in zip(array.shape, array.chunks, strict=True))


def axes_of(source: Source) -> Axes:
    """The names of a source's axes; all count as axes of space where nothing else is known."""
    if source.image is not None:
        return Axes(source.image.axis_names, source.image.space_axes)
    ndim = len(source.array.shape)
    return Axes(tuple(source.layout.dimension_names or (None,) * ndim), tuple(range(ndim)))


def file_layout(array: Readable, image: Image) -> Layout:
    """The layout of a target made from a file: square chunks of up to a mebibyte, colours together.

    >>> square_chunks((30_000, 40_000, 3), 1), square_chunks((512, 512, 300), 2)
    ((512, 512, 3), (64, 64, 64))
    """
    return Layout(square_chunks(array.shape, array.dtype.itemsize), dimension_names=image.axis_names)


def file_stamp(path: Path, **which: int) -> Callable[[], Any]:
    """The stamp of a file: which of its arrays, its size and when it was written."""

    def stamp() -> dict[str, int]:
        stat = path.stat()
        return {**which, "size": stat.st_size, "modified": stat.st_mtime_ns}

    return stamp


def square_chunks(shape: tuple[int, ...], itemsize: int, most_bytes: int = 1 << 20) -> tuple[int, ...]:
    side = 1024
    while side > 1 and np.prod([float(min(n, side)) for n in shape]) * itemsize > most_bytes:
        side //= 2
    return tuple(max(1, min(n, side)) for n in shape)
