"""A dask array as a source of boxes: which of its blocks, or parts of them, a task takes.

Of a block that it needs less than half of, a task takes a part, so that halos rather than blocks travel between
workers. Parts are cut by tasks of their own, which tasks that take the same part share.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import (
    Box,
    Edges,
    Interval,
    edges_of,
    intersection,
    intervals_of,
    rounds_of,
    shape_of,
    size_of,
    slices_of,
    touched,
    whole,
    within,
)
from vrdask.lazy.dask_internals import List, Task, TaskRef

Array = npt.NDArray[Any]
Graph = dict[Any, Any]

WIDEST_SLAB = 1 / 4
"""Of a block. `benchmarks/bench_plan.py` has the tasks that slabs save, and the bytes that they add."""


class Blocks:
    """The blocks of a dask array.

    part_name : of the tasks that cut parts out. slabs : whether parts are cut across the block, where that is little
    more. Around a block in the middle of a volume, neighbours read seven parts at each corner; three slabs hold them
    all. That is for boxes that lie in rows: others hardly ever share a slab.
    """

    def __init__(self, array: Any, part_name: str, slabs: bool = False) -> None:
        self.array = array
        self.part_name = part_name
        self._slabs = slabs
        self._touched = lru_cache(maxsize=None)(self._find_touched)

    @cached_property
    def edges(self) -> list[Edges]:
        """Boundaries of the blocks along each axis."""
        return [edges_of(sizes) for sizes in self.array.chunks]

    @cached_property
    def intervals(self) -> list[list[Interval]]:
        """The blocks along each axis."""
        return [intervals_of(edges) for edges in self.edges]

    def parts(self, reads: Box, graph: Graph) -> tuple[List, list[Box]]:
        """References to what holds the box `reads`, and the box that each of them holds; tasks that cut parts out are
        added to the graph. A box may go on behind the end of the array, where that begins again.
        """
        pieces: list[TaskRef] = []
        places: list[Box] = []
        for box, place in rounds_of(reads, self.array.shape):
            found, held = self._parts(box, graph)
            pieces += found
            places += held if box == place else [moved(one, box, place) for one in held]
        return List(*pieces), places

    def _parts(self, reads: Box, graph: Graph) -> tuple[list[TaskRef], list[Box]]:
        name = self.array.name
        pieces: list[TaskRef] = []
        places: list[Box] = []
        along = [self._touched(axis, interval) for axis, interval in enumerate(reads)]
        for ones in product(*along) if size_of(reads) else ():
            block, box, sizes, inside = zip(*ones, strict=True) if ones else ((), (), (), ())
            key: Any = (name, *block)
            taken = part_taken(inside, sizes, self._slabs)
            if taken is None:
                places.append(box)
            else:
                source, key = key, (self.part_name, *block, *(end for interval in taken for end in interval))
                places.append(tuple([(a + start, b + start) for (a, b), (start, _) in zip(taken, box, strict=True)]))
                if key not in graph:
                    graph[key] = Task(key, cut_out, TaskRef(source), slices_of(taken))
            pieces.append(TaskRef(key))
        return pieces, places

    def _find_touched(self, axis: int, interval: Interval) -> list[tuple[int, Interval, int, Interval]]:
        """The blocks that an interval touches along an axis: number, place, size, and what of it the interval holds."""
        found = []
        for number in touched(self.edges[axis], interval):
            start, stop = self.intervals[axis][number]
            inside = (max(interval[0], start) - start, min(interval[1], stop) - start)
            found.append((number, (start, stop), stop - start, inside))
        return found


def moved(box: Box, part: Box, place: Box) -> Box:
    """A box as far from where it lies as a place is from a part."""
    return tuple([(a + to - at, b + to - at) for (a, b), (at, _), (to, _) in zip(box, part, place, strict=True)])


@lru_cache(maxsize=1 << 14)
def part_taken(part: Box, block: tuple[int, ...], slabs: bool) -> Box | None:
    """What a task that needs a part of a block takes: None for the whole."""
    if 2 * size_of(part) >= size_of(whole(block)):
        return None
    return slab_around(part, block) if slabs else part


def slab_around(part: Box, block: tuple[int, ...]) -> Box:
    """A part of a block, widened to the block's ends along all axes but the narrowest, as far as it stays a slab.

    >>> slab_around(((0, 2), (6, 8), (0, 8)), (8, 8, 8))
    ((0, 2), (0, 8), (0, 8))
    >>> slab_around(((0, 3), (5, 8), (0, 8)), (8, 8, 8))
    ((0, 3), (5, 8), (0, 8))
    """
    slab = list(part)
    shares = [(b - a) / size for (a, b), size in zip(part, block, strict=True)]
    for axis in sorted(range(len(slab)), key=lambda axis: (-shares[axis], -axis))[:-1]:
        wider = (*slab[:axis], (0, block[axis]), *slab[axis + 1 :])
        if size_of(wider) > WIDEST_SLAB * size_of(whole(block)):
            break
        slab = list(wider)
    return tuple(slab)


def cut_out(block: Array, part: tuple[slice, ...]) -> Array:
    """A copy of a part of a block, so that the block itself need not be kept or sent."""
    return np.ascontiguousarray(block[part])


def assembled(pieces: Sequence[Array], places: Sequence[Box], reads: Box, dtype: np.dtype[Any]) -> Array:
    """The box `reads` from pieces, each of which holds the box at its place."""
    if len(pieces) == 1 and intersection(places[0], reads) == reads:
        return np.asarray(pieces[0][within(reads, places[0])])
    box = np.empty(shape_of(reads), dtype)
    origin = [start for start, _ in reads]
    for piece, place in zip(pieces, places, strict=True):
        part = intersection(place, reads)
        if size_of(part):
            box[slices_of(part, origin)] = piece[within(part, place)]
    return box
