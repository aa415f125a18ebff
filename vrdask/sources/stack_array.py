"""Images of one size as one array: a stack, each slice of which is decoded whole by the thread that wants it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Index
from vrdask.buffers import Empty
from vrdask.dtypes import DType
from vrdask.images.image import Image
from vrdask.sources.source import square_chunks
from vrdask.storage.layout import Layout

Array = npt.NDArray[Any]
SLAB_BYTES = 64 << 20
"""Of slices, as many of which a chunk of a target made from a stack is long: those of a task and of the tasks beside it
are held, so that none is decoded twice.
"""


class Slices(Protocol):
    """What reads the slices; it travels to other processes."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files that hold them."""

    def __call__(self, number: int, empty: Empty) -> Array:
        """The samples of one. empty : makes the array, where the decoder can do with that."""


@dataclass(frozen=True)
class StackArray:
    """Slices along the first axes, which are its chunks; or a single one, without those axes.

    form : of a slice: rows, columns and, it may be, samples of a pixel. counts : of slices along each axis before.
    """

    slices: Slices
    counts: tuple[int, ...]
    form: tuple[int, ...]
    dtype: DType

    @property
    def shape(self) -> tuple[int, ...]:
        return (*self.counts, *self.form)

    @property
    def chunks(self) -> tuple[int, ...]:
        return (*(1 for _ in self.counts), *self.form)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it is read from."""
        return self.slices.files

    def chunk(self, index: Index, empty: Empty) -> Array:
        """The samples of one slice."""
        samples = self.slices(self._number(index), empty)
        return samples.reshape(*(1 for _ in self.counts), *samples.shape)

    def __getitem__(self, box: tuple[slice, ...], /) -> Array:
        parts = (*box, *(slice(None),) * (len(self.shape) - len(box)))
        ranges = [range(n)[part] for n, part in zip(self.shape, parts, strict=True)]
        which, within = ranges[: len(self.counts)], parts[len(self.counts) :]
        if not which:
            return self.slices(0, np.empty)[within]
        result = np.empty([len(one) for one in ranges], self.dtype)
        if result.size:
            for place in np.ndindex(*map(len, which)):
                index = tuple(one[k] for one, k in zip(which, place, strict=True))
                result[place] = self.slices(self._number(index), np.empty)[within]
        return result

    def _number(self, index: Index) -> int:
        """Of a slice, the last axis runs fastest."""
        number = 0
        for count, place in zip(self.counts, index, strict=False):
            number = number * count + place
        return number


def stack_layout(array: StackArray, image: Image) -> Layout:
    """The layout of a target made from a stack: as of other files, but each time by itself, and shorter along the stack
    where slices are large.

    >>> from vrdask.images.axes import image_of
    >>> array = StackArray(lambda number, empty: None, (1000,), (4096, 4096), np.dtype("uint8"))
    >>> stack_layout(array, image_of("zyx", {})).chunks
    (4, 512, 512)
    """
    itemsize = array.dtype.itemsize
    counts = tuple(1 if k < len(array.counts) - 1 else n for k, n in enumerate(array.counts))
    if counts:
        length = square_chunks((*counts, *array.form), itemsize)[len(counts) - 1]
        while length > 1 and length * prod(array.form) * itemsize > SLAB_BYTES:
            length //= 2
        counts = (*counts[:-1], length)
    return Layout(square_chunks((*counts, *array.form), itemsize), dimension_names=image.axis_names)
