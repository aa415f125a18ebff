"""The order in which a run does its tasks: strip by strip, in C order within each.

Strips cut the grid of tasks along its last axis of several. What is kept for tasks to come then is as wide as a strip,
however wide the volume is; what two strips both read, at their border, is decoded for each.

         one strip             two strips
          0  1  2  3            0  1 |  6  7
          4  5  6  7            2  3 |  8  9
          8  9 10 11            4  5 | 10 11
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from vrdask.intervals import ceil_div

Index = tuple[int, ...]
"""Of a task, or a stored chunk, in its grid."""


@dataclass(frozen=True)
class Strips:
    """shape : of the grid of tasks. width : tasks of a strip along `axis`, at most; None for a single strip."""

    shape: Index
    width: int | None = None

    @cached_property
    def axis(self) -> int:
        """Strips are cut along it."""
        return last_of_several(self.shape)

    def position(self, index: Index) -> int:
        """Of a task in the order of all."""
        row, place = divmod(int(np.ravel_multi_index(index, self.shape)), self._columns)
        strip, column = divmod(place, self._width)
        return strip * self._width * self._rows + row * self._width_of(strip) + column

    def index(self, position: int) -> Index:
        """Of the task at a position."""
        return tuple(map(int, np.unravel_index(self._number(position), self.shape)))

    def numbers(self) -> Iterator[int]:
        """The tasks in order, each by its number in C order."""
        return map(self._number, range(prod(self.shape)))

    def _number(self, position: int) -> int:
        strip, rest = divmod(position, self._width * self._rows)
        row, column = divmod(rest, self._width_of(strip))
        return row * self._columns + strip * self._width + column

    def _width_of(self, strip: int) -> int:
        return min(self._width, self._columns - strip * self._width)

    @cached_property
    def _columns(self) -> int:
        return self.shape[self.axis] if self.shape else 1

    @cached_property
    def _rows(self) -> int:
        return prod(self.shape) // max(self._columns, 1)

    @cached_property
    def _width(self) -> int:
        return max(self._columns, 1) if self.width is None else self.width


def last_of_several(shape: Index) -> int:
    """The last axis of several tasks; the last one where there is none."""
    return max((axis for axis, count in enumerate(shape) if count > 1), default=len(shape) - 1)


def widths(count: int) -> list[int | None]:
    """Of strips that are worth a choice, for so many tasks along their axis: from a single strip to single tasks."""
    parts = [2]
    while parts[-1] < count:
        parts.append(parts[-1] * 3 // 2)
    return [None, *sorted({ceil_div(count, many) for many in parts if many <= count}, reverse=True)]
