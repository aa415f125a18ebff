"""The level of a pyramid that a smaller picture is made from: the nearest that is not smaller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vrdask.sources.seen import seen
from vrdask.sources.source import Source
from vrdask.text import by_axis


def nearest_larger(source: Source, axes: Sequence[int], shape: Sequence[int]) -> Source:
    """The level of an image whose `axes` have at least these sizes, and as few samples as any such; itself where a
    level was asked for, or there is no other.

    source : the full size, as eyes see it.
    """
    if source.at_level is None:
        return source
    found = source
    for number in range(1, len(source.levels)):
        level = seen(source.at_level(number))
        sizes = level.array.shape
        others = [k for k in range(len(sizes)) if k not in axes]
        if len(sizes) != len(source.array.shape) or any(sizes[k] != source.array.shape[k] for k in others):
            break
        if any(sizes[axis] < size for axis, size in zip(axes, shape, strict=True)):
            break
        note = f"made from level {number} ({by_axis(sizes)}), the nearest larger one: --level 0 takes the full size"
        found = replace(level, details=(*level.details, ("note", note)))
    return found
