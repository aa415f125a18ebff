"""Plans of transforms whose tasks are asked one by one what they read: an affine map turns, and its boxes with it.

`plan` has the other kind: where reads are a product of intervals, one per axis, which tasks share what is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from vrdask.boxes import Box, Edges, longest, shape_of, size_of, touched, whole
from vrdask.compute.footprint import between_bytes, table_bytes
from vrdask.planning.plan import Task
from vrdask.text import by_axis, format_bytes
from vrdask.transforms.affine import Affine

COUNTED_TASKS = 1 << 14
"""What so many tasks read is added up; of more a bound is said."""


@dataclass(frozen=True, eq=False, repr=False)
class BoxPlan:
    """How an affine map is cut into tasks, in C order of their outputs.

    edges : boundaries of the output boxes along each axis. in_edges : of the source's stored chunks; None where any
    sample can be read alone.
    """

    transform: Affine
    edges: tuple[Edges, ...]
    in_edges: tuple[Edges, ...] | None

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of tasks along each axis."""
        return tuple(len(edges) - 1 for edges in self.edges)

    def __len__(self) -> int:
        return prod(self.shape)

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
    def source_bytes(self) -> int:
        return prod(self.transform.in_shape) * self.transform.in_dtype.itemsize

    @property
    def bytes_written(self) -> int:
        return prod(self.transform.out_shape) * self.transform.out_dtype.itemsize

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

    @property
    def read_amplification(self) -> float:
        """`bytes_read` over the bytes of the source."""
        return self.bytes_read / self.source_bytes if self.source_bytes else 1.0

    @property
    def peak_bytes(self) -> int:
        """Most memory that one task holds at a time: what it reads, coefficients or copies of it, what it writes."""
        return self.peak_read_bytes + self.peak_between_bytes + self.peak_write_bytes

    @property
    def peak_read_bytes(self) -> int:
        return size_of(self.largest[0]) * self.transform.in_dtype.itemsize

    @cached_property
    def peak_between_bytes(self) -> int:
        return between_bytes(self.transform, *self.largest)

    @property
    def peak_table_bytes(self) -> int:
        return table_bytes(self.transform, self.largest[1])

    @property
    def peak_write_bytes(self) -> int:
        return size_of(self.largest[1]) * self.transform.out_dtype.itemsize

    def _decoded(self, reads: Box) -> int:
        if self.in_edges is None or not size_of(reads):
            return size_of(reads)
        chunks = [touched(edges, interval) for edges, interval in zip(self.in_edges, reads, strict=True)]
        return prod(int(edges[k.stop] - edges[k.start]) for edges, k in zip(self.in_edges, chunks, strict=True))

    def __repr__(self) -> str:
        what = self.transform
        return f"<BoxPlan {what.label} {by_axis(what.in_shape)} -> {by_axis(what.out_shape)}; tasks: {len(self)}>"

    def __str__(self) -> str:
        what = self.transform
        most = "" if self.is_counted else "up to "
        rows = (
            ("affine", f"{by_axis(what.in_shape)} {what.in_dtype} -> {by_axis(what.out_shape)} {what.out_dtype}, "
                       f"{what.sampling.mode}"),
            ("tasks", f"{len(self):,} of up to {by_axis(shape_of(self.largest[1]))}"),
            ("bytes read", f"{most}{format_bytes(self.bytes_read)} (read amplification {most}"
                           f"{self.read_amplification:.2f})"),
            ("bytes written", format_bytes(self.bytes_written)),
            ("peak bytes per task", format_bytes(self.peak_bytes)),
        )  # fmt: skip
        return "\n".join(f"{name:<20}{value}" for name, value in rows)


def _most_touched(size: int, edges: Edges) -> int:
    """Samples of the stored chunks that an interval of a size lies in, at most."""
    most = longest(edges)
    return min(int(edges[-1]), (max(size - 1, 0) // most + 2) * most) if size and most else 0
