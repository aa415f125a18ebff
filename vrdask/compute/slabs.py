"""The arrays between the stages of a resampling, made slab by slab so that they take little memory and stay in cache.

Slabs are small chunks, each with its own source box, so they change no bit. Prefilters along axes that slabs are not
cut along need nothing of other slabs; several in a row are applied to thinner slabs yet, which stay in the second-level
cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

from vrdask.boxes import Box, ceil_div, size_of, slabs_of
from vrdask.transforms.resampling import Resampling, boxes_between, prefilter_of, stage_reads

SLAB_BYTES = 8 << 20
"""What the array before the last stage may take at a time: off the page allocator, and in a large cache."""
THIN_BYTES = 1 << 20
"""What an array between two prefilters may take at a time."""


@dataclass(frozen=True)
class Group:
    """Stages in a row for a slab.

    first : number of the first stage. boxes : what each stage reads, and what the last writes. thin : into how many
    slabs the group cuts its own, along `axis`.
    """

    first: int
    boxes: tuple[Box, ...]
    axis: int
    thin: int

    @cached_property
    def slabs(self) -> list[tuple[Box, ...]]:
        """The boxes of each thinner slab."""
        return list(zip(*(slabs_of(box, self.axis, self.thin) for box in self.boxes), strict=True))


@dataclass(frozen=True)
class Slabs:
    """How an output box is computed.

    groups : for each slab, in order, what happens to it.
    wide, thin : bytes of the two arrays that take turns to lie between groups, and between the stages of a group.
    """

    groups: tuple[tuple[Group, ...], ...]
    wide: tuple[int, int]
    thin: tuple[int, int]


@lru_cache(maxsize=64)
def slabs(resampling: Resampling, writes: Box) -> Slabs:
    """The slabs of a resampling of several stages."""
    axis = next((axis for axis, (start, stop) in enumerate(writes) if stop - start > 1), 0)
    length = writes[axis][1] - writes[axis][0]
    itemsize = resampling.acc_dtype.itemsize
    before = size_of(stage_reads(resampling.stages[-1], writes)) * itemsize
    count = min(length, max(1, ceil_div(before, SLAB_BYTES)))
    groups = tuple(_groups(resampling, slab, axis) for slab in slabs_of(writes, axis, count))
    wide, thin = [0, 0], [0, 0]
    for number, group in ((number, group) for one in groups for number, group in enumerate(one)):
        if number < len(groups[0]) - 1:
            wide[number % 2] = max(wide[number % 2], size_of(group.boxes[-1]))
        for k, boxes in enumerate(list(zip(*group.slabs, strict=True))[1:-1]):
            thin[k % 2] = max(thin[k % 2], *map(size_of, boxes))
    return Slabs(groups, (wide[0] * itemsize, wide[1] * itemsize), (thin[0] * itemsize, thin[1] * itemsize))


def _groups(resampling: Resampling, writes: Box, axis: int) -> tuple[Group, ...]:
    boxes, found = boxes_between(resampling, writes), [prefilter_of(stage) for stage in resampling.stages]
    alone = [one is None or one[0] == axis for one in found]
    begins = [0, *(k for k in range(1, len(found)) if alone[k] or alone[k - 1]), len(found)]
    groups = []
    for first, stop in pairwise(begins):
        start, end = boxes[stop][axis]
        largest = max(map(size_of, boxes[first:stop])) * resampling.acc_dtype.itemsize
        thin = 1 if stop == first + 1 else min(end - start, ceil_div(largest, THIN_BYTES))
        groups.append(Group(first, boxes[first : stop + 1], axis, thin))
    return tuple(groups)


def between_bytes(resampling: Resampling, writes: Box) -> int:
    """What the arrays between stages take while an output box is computed."""
    found = slabs(resampling, writes)
    return sum(found.wide) + sum(found.thin)
