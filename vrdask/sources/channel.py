"""One channel of a source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from vrdask.dtypes import DType
from vrdask.images.axes import without_axis
from vrdask.sources.seen import seen_alone
from vrdask.sources.source import Readable, Source


@dataclass(frozen=True)
class ChannelArray:
    """An array at one place along an axis."""

    whole: Readable
    axis: int
    index: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self._rest(self.whole.shape)

    @property
    def dtype(self) -> DType:
        return self.whole.dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:
        return None if self.whole.chunks is None else self._rest(self.whole.chunks)

    @property
    def passing_bytes(self) -> int:
        return int(getattr(self.whole, "passing_bytes", 0))

    def __getitem__(self, box: tuple[slice, ...], /) -> npt.NDArray[Any]:
        place = slice(self.index, self.index + 1)
        found: npt.NDArray[Any] = self.whole[(*box[: self.axis], place, *box[self.axis :])].squeeze(self.axis)
        return found

    def _rest(self, values: tuple[int, ...]) -> tuple[int, ...]:
        return values[: self.axis] + values[self.axis + 1 :]


def one_channel(source: Source, index: int) -> Source:
    """A source with its channel axis cut down to one place, and gone.

    Raises
    ------
    ValueError
        The source has no such channel, or no channel axis.
    """
    axis = _channel_axis(source)
    count = source.array.shape[axis]
    if not 0 <= index < count:
        raise ValueError(f"channel must be one of 0 to {count - 1}; got {index} for {source.place}")

    def rest(values: Any) -> Any:
        return values and (*values[:axis], *values[axis + 1 :])

    layout = source.layout
    layout = replace(
        layout,
        chunks=rest(layout.chunks),
        shards=rest(layout.shards),
        dimension_names=rest(layout.dimension_names),
    )
    image = source.image and without_axis(source.image, axis, index)
    details = (*source.details, ("channel", f"{index} of 0 to {count - 1}"))

    def stamp() -> Any:
        return [source.stamp(), {"channel": index}]

    return Source(
        ChannelArray(source.array, axis, index), layout, source.place, stamp, image, details,
        lambda: tuple(rest(shape) for shape in source.levels), seen_alone(source.seen), source.at_level,
    )  # fmt: skip


def _channel_axis(source: Source) -> int:
    if source.image is not None:
        for axis, said in enumerate(source.image.axes):
            if said.get("type") == "channel" or said["name"] == "c":
                return axis
    for axis, name in enumerate(source.layout.dimension_names or ()):
        if name is not None and name.lower() in ("c", "channel"):
            return axis
    raise ValueError(
        "channel must be left out for a source without a channel axis; "
        f"got shape {'x'.join(map(str, source.array.shape))} of {source.place}"
    )
