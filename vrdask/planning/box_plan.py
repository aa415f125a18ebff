"""Plans of transforms whose tasks are asked one by one what they read: an affine map turns, and its boxes with it.

`plan` has the other kind: where reads are a product of intervals, one per axis, which tasks share what is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from vrdask.boxes import Box, Edges, longest, rounds_of, shape_of, size_of, touched, whole
from vrdask.compute.footprint import between_bytes
from vrdask.planning.tasks import Plan, Task
from vrdask.text import by_axis, format_bytes
from vrdask.transforms.affine import Affine

COUNTED_TASKS = 1 << 14
"""What so many tasks read is added up; of more a bound is said."""


@dataclass(frozen=True, eq=False, repr=False)
class BoxPlan(Plan):
    """How an affine map is cut into tasks, in C order of their outputs.

    out_edges : boundaries of the output boxes along each axis. in_edges : of the source's stored chunks; None where any
    sample can be read alone.
    """

    affine: Affine
    out_edges: tuple[Edges, ...]
    in_edges: tuple[Edges, ...] | None

    @property
    def transform(self) -> Affine:
        return self.affine

    @property
    def edges(self) -> tuple[Edges, ...]:
        return self.out_edges

    @property
    def stored_edges(self) -> tuple[Edges, ...] | None:
        return self.in_edges

    def __iter__(self) -> Iterator[Task]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, number: int) -> Task:
        if not 0 <= number < len(self):
            raise IndexError(f"task must be in [0, {len(self)}); got {number}")
        index = tuple(map(int, np.unravel_index(number, self.shape)))
        writes = tuple((int(edges[k]), int(edges[k + 1])) for k, edges in zip(index, self.edges, strict=True))
        return Task(index, self.transform.reads(writes), writes)

    @cached_property
    def largest(self) -> tuple[Box, Box]:
        """Boxes as large as any that a task reads, and writes, along each axis."""
        writes = tuple(map(longest, self.edges))
        return whole(self.transform.most_read(writes) if prod(writes) else (0,) * len(writes)), whole(writes)

    @property
    def is_counted(self) -> bool:
        """Whether `bytes_read` is what the tasks read, rather than a bound on it."""
        return len(self) <= COUNTED_TASKS

    @cached_property
    def bytes_read(self) -> int:
        """Bytes of source samples that the tasks ask for together, in whole stored chunks."""
        if not self.is_counted:
            return self.most_decoded_bytes
        return self.transform.in_dtype.itemsize * sum(self._decoded(task.reads) for task in self)

    @property
    def most_decoded_bytes(self) -> int:
        """Bound on `bytes_read`, at once: as if every task read as much as any."""
        sizes = shape_of(self.largest[0])
        if self.in_edges is not None:
            sizes = tuple(map(_most_touched, sizes, self.in_edges))
        return self.transform.in_dtype.itemsize * len(self) * prod(sizes)

    @property
    def touched_bytes(self) -> int:
        """Bound on the bytes of source samples that are decoded at all."""
        return min(self.source_bytes, self.most_decoded_bytes)

    @cached_property
    def peak_between_bytes(self) -> int:
        return between_bytes(self.transform, *self.largest)

    def _decoded(self, reads: Box) -> int:
        if self.in_edges is None or not size_of(reads):
            return size_of(reads)
        return sum(_decoded(part, self.in_edges) for part, _ in rounds_of(reads, self.transform.in_shape))

    def __repr__(self) -> str:
        affine = self.affine
        return f"<BoxPlan {affine.label} {by_axis(affine.in_shape)} -> {by_axis(affine.out_shape)}; tasks: {len(self)}>"

    def _read(self) -> str:
        most = "" if self.is_counted else "up to "
        return f"{most}{format_bytes(self.bytes_read)} (read amplification {most}{self.read_amplification:.2f})"


def _decoded(box: Box, in_edges: tuple[Edges, ...]) -> int:
    chunks = [touched(edges, interval) for edges, interval in zip(in_edges, box, strict=True)]
    return prod(int(edges[k.stop] - edges[k.start]) for edges, k in zip(in_edges, chunks, strict=True))


def _most_touched(size: int, edges: Edges) -> int:
    """Samples of the stored chunks that an interval of a size lies in, at most."""
    most = longest(edges)
    return min(int(edges[-1]), (max(size - 1, 0) // most + 2) * most) if size and most else 0
