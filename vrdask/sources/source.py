"""A source: an array to read region by region, and what is known about its axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from vrdask.boxes import Box, Edges, regular_edges
from vrdask.dtypes import DType
from vrdask.images.asked import Axes
from vrdask.images.image import Image
from vrdask.images.kinds import space_of
from vrdask.storage.cropped import Cropped, cropped_edges
from vrdask.storage.kinds import is_array
from vrdask.storage.layout import Layout

if TYPE_CHECKING:
    import zarr


class Readable(Protocol):
    """What a source's array must do: know its form, give the samples of a box, and travel to other processes.

    A file's array travels as the file's path; whoever receives it opens the file again. One without `chunks` may say in
    `passing_bytes` what reading a box takes beyond its samples, however large the box. One whose chunks are of several
    sizes has their boundaries as `edges`; one that only this process can read says so in `stays`.
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
    """An array to read, and what is known of its axes.

    Attributes
    ----------
    array : array
        Gives the samples of a box.
    layout : Layout
        What a target takes over.
    place : str
        Its path, or the URL of its store.
    stamp : callable
        Tells, as JSON, the state in which the source is now: equal as long as it has not changed.
    image : Image, optional
        Names, kinds and pixel sizes of its axes, where they are known.
    details : pairs of str
        What ``vrdask info`` says beyond that: names and values.
    level_shapes : callable, optional
        Gives the shapes of all levels of the image that it is one of; None where it is the only one.
    seen : optional
        How eyes see it; None where that is as it is, or not known.
    at_level : callable, optional
        Opens another level of the image, where none was asked for by its number.
    """

    array: Readable
    layout: Layout
    place: str
    stamp: Callable[[], Any]
    image: Image | None = None
    details: tuple[tuple[str, str], ...] = ()
    level_shapes: Callable[[], tuple[tuple[int, ...], ...]] | None = None
    seen: Any = None
    at_level: Callable[[int], Source] | None = None

    @property
    def stored(self) -> zarr.Array[Any] | None:
        """The array of zarr's that it is as a whole; None for another kind."""
        return self.array if is_array(self.array) else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What it says of itself that its samples and axes do not hold: a line each, for people."""
        noted = (value for name, value in self.details if name == "note")
        return (*noted, *(() if self.seen is None else self.seen.unseen))

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples along each axis."""
        return tuple(self.array.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def dtype(self) -> DType:
        """The type of the samples."""
        return self.array.dtype

    @property
    def axes(self) -> tuple[str | None, ...]:
        """Names of the axes; None for one that has none."""
        if self.image is not None:
            return self.image.axis_names
        return tuple(self.layout.dimension_names or (None,) * self.ndim)

    @property
    def spacing(self) -> tuple[float, ...]:
        """The distance between samples along each axis, in its unit; NaN where nothing says it."""
        return (math.nan,) * self.ndim if self.image is None else self.image.scale

    @property
    def origin(self) -> tuple[float, ...]:
        """Where the first sample lies along each axis, in its unit; NaN where nothing says it."""
        if self.image is None:
            return (math.nan,) * self.ndim
        return tuple(
            math.nan if math.isnan(size) else first
            for size, first in zip(self.image.scale, self.image.translation, strict=True)
        )

    @property
    def units(self) -> tuple[str | None, ...]:
        """Of the axes; None where nothing says it."""
        return (None,) * self.ndim if self.image is None else tuple(axis.get("unit") for axis in self.image.axes)

    @property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of all levels of the image, the full one first; its own alone where there are no others."""
        return (self.shape,) if self.level_shapes is None else self.level_shapes()

    def to_dask(self, chunks: Any = None) -> Any:
        """A dask array, whose tasks read their own regions. chunks : in any notation of dask; by default what is stored
        as a whole.
        """
        import dask.array as da
        from dask.base import tokenize

        from vrdask.storage.readable import StoredArray

        stored = StoredArray(self.array, [self.place, self.stamp()])
        sizes = da.core.normalize_chunks(
            stored.stored if chunks is None else chunks, self.shape, dtype=self.dtype, previous_chunks=stored.stored
        )
        name = f"vrdask-source-{tokenize(stored.identity, sizes)}"
        return da.from_array(stored, sizes, name=name, fancy=False, meta=np.empty((0,) * self.ndim, self.dtype))

    def to_xarray(self, chunks: Any = None) -> Any:
        """A DataArray of the same (`to_dask`), with what is known of its axes: names, coordinates, units, affine.

        An axis gets a coordinate where its spacing is known; the attribute "affine" has the rows of a scanner's map.
        """
        import xarray

        names = [f"dim_{axis}" if name is None else name for axis, name in enumerate(self.axes)]
        coords = {}
        for name, n, step, first, unit in zip(names, self.shape, self.spacing, self.origin, self.units, strict=True):
            if not math.isnan(step):
                coords[name] = (name, first + step * np.arange(n), {} if unit is None else {"units": unit})
        attributes: dict[str, Any] = {}
        if self.image is not None and self.image.affine is not None:
            attributes["affine"] = [list(row) for row in self.image.affine]
        title = None if self.image is None else self.image.name
        return xarray.DataArray(self.to_dask(chunks), coords, names, title, attributes)

    @cached_property
    def edges(self) -> tuple[Edges, ...] | None:
        """Boundaries of the stored units along each axis; None where any sample can be read alone."""
        if self.array.chunks is None:
            return None
        return _edges_of(self.array, "the source's chunks")


def _edges_of(array: Any, whose: str) -> tuple[Edges, ...]:
    if (given := getattr(array, "edges", None)) is not None:
        return tuple(given)
    if isinstance(array, Cropped):
        whole = _edges_of(array.whole, whose)
        return tuple(cropped_edges(edges, side) for edges, side in zip(whole, array.box, strict=True))
    return tuple(regular_edges(n, c, whose) for n, c in zip(array.shape, array.chunks, strict=True))


def innermost(source: Source) -> Any:
    """The array that a source is a part of, such as one channel, or a region, or has in another order."""
    array: Any = source.array
    while not is_array(array):
        around = getattr(array, "whole", None)
        if (inner := getattr(array, "inner", None) if around is None else around) is None:
            break
        array = inner
    return array


def box_of_stored(source: Source) -> Box:
    """Where the samples of a source lie in the array that it is a part of (see `innermost`): a box of that."""
    array: Any = source.array
    box = [(0, n) for n in array.shape]
    while not is_array(array):
        if isinstance(array, Cropped):
            box = [(a + at, b + at) for (a, b), (at, _) in zip(box, array.box, strict=True)]
            array = array.whole
        elif hasattr(array, "whole"):  # one place along an axis
            box.insert(array.axis, (array.index, array.index + 1))
            array = array.whole
        elif hasattr(array, "inner"):
            box = [box[array.order.index(axis)] for axis in range(len(box))]
            array = array.inner
        else:
            break
    return tuple(box)


def stays(source: Source) -> bool:
    """Whether only this process can read a source: an array in its memory."""
    return bool(getattr(innermost(source), "stays", False))


def axes_of(source: Source) -> Axes:
    """The names of a source's axes; all count as axes of space where none has a name."""
    if source.image is not None:
        return Axes(source.image.axis_names, source.image.space_axes)
    ndim = len(source.array.shape)
    names = source.layout.dimension_names
    if not names or not any(names):
        return Axes((None,) * ndim, tuple(range(ndim)))
    return Axes(tuple(names), space_of([{"name": name} for name in names]))


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
