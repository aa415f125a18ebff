"""Read a box that goes on behind the end of an array, where the array begins again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, rounds_of, shape_of, slices_of

Array = npt.NDArray[Any]


def read_around(read: Callable[[Box], Array], box: Box, shape: Sequence[int]) -> Array:
    """The samples of a box of an array of this shape (see `boxes.rounds_of`): as they are read, or put together.

    read : gives those of a box within the array.
    """
    parts = rounds_of(box, shape)
    if len(parts) == 1:
        return read(box)
    result: Array | None = None
    for part, place in parts:
        samples = read(part)
        if result is None:
            result = np.empty(shape_of(box), samples.dtype)
        result[slices_of(place, [start for start, _ in box])] = samples
        del samples
    assert result is not None
    return result
