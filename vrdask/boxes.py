"""Half-open intervals ``[start, stop)`` and boxes, one interval per axis: plain integers, nothing else."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, product
from math import prod

import numpy as np
import numpy.typing as npt

Interval = tuple[int, int]
Box = tuple[Interval, ...]
Index = tuple[int, ...]
"""Of a task, or a stored chunk, in its grid."""
Edges = npt.NDArray[np.int64]
"""Ascending chunk boundaries of one axis, both ends included: chunk k is ``[edges[k], edges[k + 1])``."""


def first_where(holds: Callable[[int], bool], start: int, stop: int) -> int:
    """The first number of an interval for which something holds that holds for all after it; `stop` where none is.

    >>> first_where(lambda i: i * i > 50, 0, 100), first_where(lambda i: False, 3, 9)
    (8, 9)
    """
    return start + bisect_left(range(start, stop), True, key=holds)


def require_known(shape: Sequence[int], whose: str = "the array's") -> None:
    """Raise ValueError for a shape with a size that dask does not know."""
    if any(size != size for size in shape):
        raise ValueError(f"{whose} sizes must be known; got {tuple(shape)} (dask: call compute_chunk_sizes() first)")


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


MOST_CHUNKS = 1 << 18
"""Along an axis. Plans and readers have some numbers for each; there is no bound on their product."""


def regular_edges(size: int, chunk: int, whose: str = "chunks") -> Edges:
    """Boundaries of chunks of one size, the last one cut short.

    whose : the chunks, as an error names them.

    Raises
    ------
    ValueError
        There would be more than `MOST_CHUNKS`.

    >>> regular_edges(10, 4).tolist()
    [0, 4, 8, 10]
    """
    if size == 0:
        return np.zeros(2, np.int64)
    if (count := ceil_div(size, max(chunk, 1))) > MOST_CHUNKS:
        raise ValueError(
            f"{whose} must be at most {MOST_CHUNKS} along an axis; got {count}, of {chunk} samples each along {size}: "
            "choose larger chunks"
        )
    return np.append(np.arange(0, size, max(chunk, 1), dtype=np.int64), size)


def edges_of(chunks: Sequence[int]) -> Edges:
    """Boundaries of the given chunk sizes.

    >>> edges_of((3, 1, 2)).tolist()
    [0, 3, 4, 6]
    """
    return np.concatenate(([0], np.cumsum(chunks, dtype=np.int64)))


def intervals_of(edges: Edges) -> list[Interval]:
    return list(pairwise(edges.tolist()))


def longest(edges: Edges) -> int:
    """Length of the longest interval between boundaries; 0 where there is none.

    >>> longest(regular_edges(10, 4))
    4
    """
    return int(np.diff(edges).max(initial=0))


def shape_of(box: Box) -> tuple[int, ...]:
    return tuple([stop - start for start, stop in box])


def size_of(box: Box) -> int:
    return prod(shape_of(box))


def whole(shape: Iterable[int]) -> Box:
    return tuple((0, n) for n in shape)


def intersection(a: Box, b: Box) -> Box:
    """What two boxes share; empty sides where they share nothing.

    >>> intersection(((0, 4), (2, 9)), ((3, 8), (0, 5))), intersection(((0, 4),), ((6, 9),))
    (((3, 4), (2, 5)), ((6, 6),))
    """
    starts = [max(p, q) for (p, _), (q, _) in zip(a, b, strict=True)]
    return tuple((start, max(start, min(p, q))) for start, (_, p), (_, q) in zip(starts, a, b, strict=True))


def hull(boxes: Iterable[Box]) -> Box:
    """The smallest box that holds some boxes, at least one.

    >>> hull([((0, 4), (2, 9)), ((3, 8), (0, 5))])
    ((0, 8), (0, 9))
    """
    return tuple((min(a for a, _ in one), max(b for _, b in one)) for one in zip(*boxes, strict=True))


def contains(outer: Box, inner: Box) -> bool:
    """Whether a box holds all of another."""
    return all(a <= c and d <= b for (a, b), (c, d) in zip(outer, inner, strict=True))


def slabs_of(box: Box, axis: int, count: int) -> list[Box]:
    """A box cut along an axis into `count` boxes of about the same size.

    >>> slabs_of(((0, 2), (1, 6)), 1, 2)
    [((0, 2), (1, 3)), ((0, 2), (3, 6))]
    """
    start, stop = box[axis]
    edges = [start + (stop - start) * k // count for k in range(count + 1)]
    return [(*box[:axis], slab, *box[axis + 1 :]) for slab in pairwise(edges)]


def slices_of(box: Box, origin: Iterable[int] | None = None) -> tuple[slice, ...]:
    """Slices that cut `box` out of an array whose first element stands at `origin`.

    >>> slices_of(((2, 5), (0, 3)), (1, 0))
    (slice(1, 4, None), slice(0, 3, None))
    """
    if origin is None:
        return tuple(slice(start, stop) for start, stop in box)
    return tuple(slice(start - zero, stop - zero) for (start, stop), zero in zip(box, origin, strict=True))


def within(box: Box, outer: Box) -> tuple[slice, ...]:
    """Slices that cut `box` out of an array that holds `outer`.

    >>> within(((2, 5), (0, 3)), ((1, 9), (0, 3)))
    (slice(1, 4, None), slice(0, 3, None))
    """
    return tuple([slice(start - zero, stop - zero) for (start, stop), (zero, _) in zip(box, outer, strict=True)])


def in_first_round(interval: Interval, n: int) -> Interval:
    """An interval of an axis that goes on with its first of `n` samples behind its last, and so on both ways: begun
    within them; all of them where it is as long as that.

    >>> in_first_round((-2, 1), 5), in_first_round((6, 9), 5), in_first_round((-1, 6), 5)
    ((3, 6), (1, 4), (0, 5))
    """
    start, stop = interval
    return (0, n) if stop - start >= n else (start % n, start % n + stop - start)


def rounds_of(box: Box, shape: Sequence[int]) -> list[tuple[Box, Box]]:
    """A box that begins within an array and may go on behind its end, where it begins again: parts of the array, and
    the place of each.

    >>> rounds_of(((0, 2), (3, 6)), (4, 5))
    [(((0, 2), (3, 5)), ((0, 2), (3, 5))), (((0, 2), (0, 1)), ((0, 2), (5, 6)))]
    """
    along = []
    for (start, stop), n in zip(box, shape, strict=True):
        first = ((start, min(stop, n)),) * 2
        along.append([first] if stop <= n else [first, ((0, stop - n), (n, stop))])
    return [(tuple([part for part, _ in one]), tuple([place for _, place in one])) for one in product(*along)]


def touched(edges: Edges, interval: Interval) -> range:
    """Chunks that share a sample with a non-empty interval.

    >>> touched(regular_edges(10, 4), (3, 5))
    range(0, 2)
    """
    start, stop = interval
    first = int(np.searchsorted(edges, start, side="right")) - 1
    last = int(np.searchsorted(edges, stop, side="left"))
    return range(max(first, 0), last)


def parts_of(box: Box, edges: Sequence[Edges]) -> Iterator[tuple[tuple[int, ...], Box]]:
    """The chunks that a non-empty box touches, in C order: their numbers along each axis, and what it takes of them.

    >>> list(parts_of(((3, 5),), [regular_edges(10, 4)]))
    [((0,), ((3, 4),)), ((1,), ((4, 5),))]
    """
    along = []
    for one, (start, stop) in zip(edges, box, strict=True):
        numbers = touched(one, (start, stop))
        places = pairwise(one[numbers.start : numbers.stop + 1].tolist())
        along.append([(k, (max(a, start), min(b, stop))) for k, (a, b) in zip(numbers, places, strict=True)])
    for chunk in product(*along):
        yield tuple([k for k, _ in chunk]), tuple([part for _, part in chunk])


def union_length(starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64]) -> int:
    """How many samples lie in at least one of some intervals, whose starts and stops are both sorted.

    >>> union_length(np.array([0, 2, 9]), np.array([4, 6, 10]))
    7
    """
    reached = np.maximum.accumulate(np.concatenate([starts[:1], stops]))
    return int(np.maximum(stops - np.maximum(starts, reached[:-1]), 0).sum())
