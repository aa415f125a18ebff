"""The order in which a run does its tasks: column by column, in C order within each.

A column goes through the grid of tasks along its first axis and cuts it up along others. What is kept for tasks to come
then is as wide as a column, however wide the volume is; what two columns both read, at their border, is decoded for
each.

         one column            two columns
          0  1  2  3            0  1 |  6  7
          4  5  6  7            2  3 |  8  9
          8  9 10 11            4  5 | 10 11
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from vrdask.boxes import Index, ceil_div


@dataclass(frozen=True)
class Columns:
    """shape : of the grid of tasks. sizes : tasks of a column along each axis, at most."""

    shape: Index
    sizes: Index

    def position(self, index: Index) -> int:
        """Of a task in the order of all."""
        before, inside = 0, 0  # tasks of earlier columns, and of this one
        width = 1
        for axis, (place, count, size) in enumerate(zip(index, self.shape, self.sizes, strict=True)):
            column, rest = divmod(place, size)
            before += width * column * size * prod(self.shape[axis + 1 :])
            here = min(size, count - column * size)
            inside = inside * here + rest
            width *= here
        return before + inside

    def index(self, position: int) -> Index:
        """Of the task at a position."""
        starts: list[int] = []
        column: list[int] = []
        for axis, (count, size) in enumerate(zip(self.shape, self.sizes, strict=True)):
            number, position = divmod(position, prod(column) * size * prod(self.shape[axis + 1 :]))
            starts.append(number * size)
            column.append(min(size, count - number * size))
        inside = map(int, np.unravel_index(position, column))
        return tuple(start + place for start, place in zip(starts, inside, strict=True))

    def numbers(self) -> Iterator[int]:
        """The tasks in order, each by its number in C order."""
        if self.sizes == self.shape:
            yield from range(prod(self.shape))
            return
        for position in range(prod(self.shape)):
            yield int(np.ravel_multi_index(self.index(position), self.shape))


def widths(count: int) -> list[int]:
    """Of columns that are worth a choice, for so many tasks along an axis: from all of them in one to one in each."""
    parts = [1, 2]
    while parts[-1] < count:
        parts.append(parts[-1] * 3 // 2)
    return sorted({ceil_div(count, many) for many in parts if many <= count}, reverse=True)
