"""A region of a source: a box of its samples, and where they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from vrdask.boxes import Box
from vrdask.dtypes import DType
from vrdask.images.asked import region_of
from vrdask.sources.source import Readable, Source, axes_of


@dataclass(frozen=True)
class RegionArray:
    """A box of an array. Its chunks are the array's, as far as the box holds them (see `storage.cropped`)."""

    whole: Readable
    box: Box

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(stop - start for start, stop in self.box)

    @property
    def dtype(self) -> DType:
        return self.whole.dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:
        return self.whole.chunks

    @property
    def passing_bytes(self) -> int:
        return int(getattr(self.whole, "passing_bytes", 0))

    def __getitem__(self, box: tuple[slice, ...], /) -> npt.NDArray[Any]:
        parts = (*box, *(slice(None),) * (len(self.box) - len(box)))
        moved = []
        for part, (start, stop) in zip(parts, self.box, strict=True):
            first, last, _ = part.indices(stop - start)
            moved.append(slice(start + first, start + max(first, last)))
        found: npt.NDArray[Any] = self.whole[tuple(moved)]
        return found


def one_region(source: Source, region: Mapping[Any, Any] | str) -> Source:
    """A source cut down to a box, in samples. Its first sample lies where the source has it.

    Raises
    ------
    TypeError, ValueError
        The region is none, names an axis that there is not, or lies outside the source.
    """
    known, shape = axes_of(source), source.array.shape
    try:
        box = region_of(region, known, shape)
    except ValueError as error:
        raise ValueError(f"{error}: for {source.place}") from None
    if all(side == (0, n) for side, n in zip(box, shape, strict=True)):
        return source
    image = source.image and source.image.stepped([1] * len(box), [start for start, _ in box])
    said = ", ".join(
        f"{known.label(axis)} {start}:{stop} of {n}"
        for axis, ((start, stop), n) in enumerate(zip(box, shape, strict=True))
        if stop - start < n
    )

    def stamp() -> Any:
        return [source.stamp(), {"region": box}]

    details = (*source.details, ("region", said))
    return replace(source, array=RegionArray(source.array, box), stamp=stamp, image=image, details=details)
