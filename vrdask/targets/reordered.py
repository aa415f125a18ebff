"""A target whose axes stand in another order than the result's: OME-Zarr wants channels before the axes of space.

Blocks are read and computed as the source is stored, all colours of a tile at once, and turned when they are written:
what is written is mostly less than what is read, and each tile is decoded once, as without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from vrdask.boxes import Box
from vrdask.storage.chunk_array import ChunkIO
from vrdask.targets.target import Target, keys_of


@dataclass(frozen=True)
class ReorderedTarget(Target):
    """Axis k of `array` is axis ``order[k]`` of the result. Boxes and sizes are the result's."""

    order: tuple[int, ...] = ()

    @property
    def unit(self) -> tuple[int, ...]:
        return self._of_result(super().unit)

    @property
    def chunks(self) -> tuple[int, ...]:
        return self._of_result(super().chunks)

    def keys(self, box: Any) -> list[str]:
        return keys_of(self.array, turned(box, self.order))

    def io(self) -> TurnedIO:
        return TurnedIO(ChunkIO(self.array), self.order)

    def _of_result(self, sizes: Sequence[int]) -> tuple[int, ...]:
        return tuple(size for _, size in sorted(zip(self.order, sizes, strict=True)))


@dataclass(frozen=True)
class TurnedIO:
    """Writes boxes of a result into an array with its axes in another order."""

    inner: ChunkIO
    order: tuple[int, ...]

    def write(self, box: Box, samples: npt.NDArray[Any]) -> None:
        """As `ChunkIO.write`."""
        self.inner.write(turned(box, self.order), samples.transpose(self.order))

    def written(self, keys: Sequence[str]) -> list[tuple[int, int] | None]:
        """As `ChunkIO.written`."""
        return self.inner.written(keys)


def turned(values: Any, order: Sequence[int]) -> tuple[Any, ...]:
    """What belongs to each axis, in another order of them."""
    return tuple(values[axis] for axis in order)
