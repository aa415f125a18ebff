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
    """Slices along the first axis, which are its chunks; or a single one, without that axis.

    form : of a slice: rows, columns and, it may be, samples of a pixel. count : of slices; None for a single one.
    """

    slices: Slices
    count: int | None
    form: tuple[int, ...]
    dtype: DType

    @property
    def shape(self) -> tuple[int, ...]:
        return self.form if self.count is None else (self.count, *self.form)

    @property
    def chunks(self) -> tuple[int, ...]:
        return self.form if self.count is None else (1, *self.form)

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it is read from."""
        return self.slices.files

    def chunk(self, index: Index, empty: Empty) -> Array:
        """The samples of one slice."""
        if self.count is None:
            return self.slices(0, empty)
        return self.slices(index[0], empty)[None]

    def __getitem__(self, box: tuple[slice, ...], /) -> Array:
        if self.count is None:
            return self.slices(0, np.empty)[box]
        numbers = range(self.count)[box[0]]
        result = np.empty((len(numbers), *(len(range(n)[part]) for n, part in self._within(box[1:]))), self.dtype)
        if result.size:
            for place, number in enumerate(numbers):
                result[place] = self.slices(number, np.empty)[box[1:]]
        return result

    def _within(self, box: tuple[slice, ...]) -> Any:
        return zip(self.form, (*box, *(slice(None),) * (len(self.form) - len(box))), strict=True)


def stack_layout(array: StackArray, image: Image) -> Layout:
    """The layout of a target made from a stack: as of other files, but shorter along the stack where slices are large.

    >>> from vrdask.images.axes import image_of
    >>> array = StackArray(lambda number, empty: None, 1000, (4096, 4096), np.dtype("uint8"))
    >>> stack_layout(array, image_of("zyx", {})).chunks
    (4, 512, 512)
    """
    shape, itemsize = array.shape, array.dtype.itemsize
    length = square_chunks(shape, itemsize)[0]
    while array.count is not None and length > 1 and length * prod(array.form) * itemsize > SLAB_BYTES:
        length //= 2
    chunks = square_chunks(shape if array.count is None else (length, *array.form), itemsize)
    return Layout(chunks, dimension_names=image.axis_names)
