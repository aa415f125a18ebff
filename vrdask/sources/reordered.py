"""The same source with its axes in another order: nothing is copied but what is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Edges, Index
from vrdask.buffers import Empty
from vrdask.dtypes import DType
from vrdask.images.image import Image
from vrdask.sources.source import Source
from vrdask.storage.chunk_array import Decodable


@dataclass(frozen=True)
class ReorderedArray:
    """Axis k is axis ``order[k]`` of `inner`."""

    inner: Any
    order: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.inner.shape[axis] for axis in self.order)

    @property
    def dtype(self) -> DType:
        dtype: DType = self.inner.dtype
        return dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:
        return None if self.inner.chunks is None else tuple(self.inner.chunks[axis] for axis in self.order)

    @property
    def edges(self) -> tuple[Edges, ...] | None:
        """Boundaries of its chunks where they are of several sizes."""
        edges = getattr(self.inner, "edges", None)
        return None if edges is None else tuple(edges[axis] for axis in self.order)

    def _of_inner(self, values: Sequence[Any]) -> tuple[Any, ...]:
        found: list[Any] = [None] * len(self.order)
        for axis, value in zip(self.order, values, strict=True):
            found[axis] = value
        return tuple(found)

    def __getitem__(self, box: tuple[slice, ...], /) -> npt.NDArray[Any]:
        return np.ascontiguousarray(np.asarray(self.inner[self._of_inner(box)]).transpose(self.order))


@dataclass(frozen=True)
class ReorderedChunks(ReorderedArray):
    """The same, of an array that decodes its chunks in the thread that asks."""

    def chunk(self, index: Index, empty: Empty) -> npt.NDArray[Any]:
        """The samples of one chunk, cut off at the ends of the array."""
        return self.inner.chunk(self._of_inner(index), empty).transpose(self.order)  # type: ignore[no-any-return]


def reordered(source: Source, order: Sequence[int]) -> Source:
    """A source with its axes in another order."""

    def cut(values: Any) -> Any:
        return None if values is None else tuple(values[axis] for axis in order)

    kind = ReorderedChunks if isinstance(source.array, Decodable) else ReorderedArray
    layout, image = source.layout, source.image
    return replace(
        source,
        array=kind(source.array, tuple(order)),
        layout=replace(layout, chunks=cut(layout.chunks), shards=cut(layout.shards),
                       dimension_names=cut(layout.dimension_names)),
        image=None if image is None else _turned(image, order),
    )  # fmt: skip


def _turned(image: Image, order: Sequence[int]) -> Image:
    """An image whose axes of space stay in their order among themselves."""
    return replace(
        image,
        axes=tuple(image.axes[axis] for axis in order),
        scale=tuple(image.scale[axis] for axis in order),
        translation=tuple(image.translation[axis] for axis in order),
    )
