"""The plan of a Zarr to Zarr run of any transform in blocks, and what a run takes that follows it: pure arithmetic.

How blocks, parts and caches are chosen is `choose_blocks`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

import numpy as np

from vrdask.boxes import Box, Index, ceil_div, longest
from vrdask.compute.footprint import KERNEL_BYTES, by_chunk_bytes, goes_by_chunk, kept_bytes
from vrdask.planning.box_plan import BoxPlan
from vrdask.planning.plan import ResamplePlan
from vrdask.planning.sharing import Keep, Sharing
from vrdask.planning.task_order import Columns
from vrdask.planning.tasks import Task
from vrdask.storage.costs import TransferCost
from vrdask.text import by_axis, format_bytes
from vrdask.transforms.transform import Transform

CODEC_BYTES = 3 << 20
"""Of a compressor's state at most, for large chunks."""
HOLES = 3 / 16
"""Of the memory for whole decoded chunks, what is left to the C library's heap between them."""


@dataclass(frozen=True, repr=False)
class RunPlan:
    """A plan whose chunks are the blocks of a run.

    block : sizes of the blocks. part : sizes of the parts in which a block is computed; the block's where it is
    computed at once. part_plan : the plan with the parts as its chunks. piece : sizes of what is written at a time,
    whole parts and whole chunks. concurrent : threads of one process. tasks_at_once : of one process. shares_pieces :
    whether its threads share the pieces of these tasks; else each thread has a task. cache_bytes : for decoded source
    chunks, per process. keep : along each axis, which of them are kept. column : tasks along each axis of the
    columns in which they come; all of them where it is empty. decoded_bytes : of source samples that a run with such a
    cache decodes.
    """

    plan: ResamplePlan | BoxPlan
    part_plan: ResamplePlan | BoxPlan
    block: tuple[int, ...]
    part: tuple[int, ...]
    piece: tuple[int, ...]
    concurrent: int
    reading: TransferCost
    writing: TransferCost
    tasks_at_once: int = 1
    shares_pieces: bool = False
    cache_bytes: int = 0
    keep: tuple[Keep, ...] = ()
    column: Index = ()
    decoded_bytes: int = 0

    def __repr__(self) -> str:
        blocks = f"{len(self.plan)} blocks of up to {by_axis(self.block)}"
        return f"<RunPlan {self.transform.label}: {blocks}; at most {format_bytes(self.peak_bytes)}>"

    @property
    def transform(self) -> Transform:
        return self.plan.transform

    @property
    def sharing(self) -> Sharing | None:
        """What the tasks share, of a plan that keeps it; where threads share their pieces, what the parts do. None
        where that is not known before they read: then the latest chunks are kept.
        """
        if not (isinstance(self.plan, ResamplePlan) and isinstance(self.part_plan, ResamplePlan)):
            return None
        if self.shares_pieces:
            return Sharing(self.part_plan, self.keep, self.concurrent, in_parts=False)
        return Sharing(self.plan, self.keep, self.concurrent, in_parts=self.part != self.block, column=self.column)

    @property
    def cache_capacity(self) -> int:
        """Bytes of decoded chunks to keep, so that the cache takes no more than `cache_bytes`."""
        return self.cache_bytes if isinstance(self.plan, ResamplePlan) else int(self.cache_bytes * (1 - HOLES))

    def numbers(self) -> Iterator[int]:
        """The tasks in the order in which they come, each by its number in C order."""
        return Columns(self.plan.shape, self.column or self.plan.shape).numbers()

    @cached_property
    def by_chunk(self) -> bool:
        """Whether what a part reads is filtered stored chunk by stored chunk, rather than put together first."""
        return goes_by_chunk(self.transform, self._stored)

    @property
    def thread_bytes(self) -> int:
        """Bound on what one thread holds at a time: what a part reads, its intermediates, and the piece it is for."""
        parts, pieces = self.part_plan, self._most_samples(self.piece) * self.transform.out_dtype.itemsize
        held = self.reading.bytes_of(self._held_bytes) + self.writing.bytes_of(pieces)
        held += parts.peak_write_bytes if self.part != self.piece else 0
        return held + self._between_bytes + self._scratch_bytes

    @cached_property
    def pool_bytes(self) -> int:
        """Of `peak_bytes`, what may be kept for the next arrays of samples: without what never is one, and may be there
        at the same time.
        """
        threads = self.concurrent if self.shares_pieces else self.tasks_at_once
        encoded = self.reading.encoded_bytes + self.writing.encoded_bytes
        between = 0 if self.by_chunk else self._between_bytes
        others = (
            threads * (encoded + between + self._scratch_bytes)
            + self.tasks_at_once * self.shard_bytes
            + kept_bytes(self.transform)
        )
        return max(0, self.peak_bytes - others)

    @property
    def shard_bytes(self) -> int:
        """Bound on the encoded chunks of the unfinished shards of one task."""
        return self.writing.shard_copies * self.plan.peak_write_bytes

    @property
    def peak_bytes(self) -> int:
        """Bound on what one process holds at a time, beyond the interpreter and its libraries."""
        threads = self.concurrent if self.shares_pieces else self.tasks_at_once
        held = threads * self.thread_bytes + self.tasks_at_once * self.shard_bytes + self.cache_bytes
        return held + kept_bytes(self.transform)

    @property
    def pieces_per_task(self) -> int:
        """Of the largest task."""
        return prod(ceil_div(b, p) for b, p in zip(self.block, self.piece, strict=True))

    def pieces(self, task: Task) -> list[Box]:
        """The output boxes that a task writes, one after the other or at the same time."""
        return _cut_up(task.writes, self.piece)

    def parts(self, piece: Box) -> list[Box]:
        """The output boxes that are computed for a piece, one after the other."""
        return _cut_up(piece, self.part)

    def part_index(self, part: Box) -> Index:
        """Where a part stands in the grid of all parts."""
        return tuple(
            int(np.searchsorted(edges, start)) for edges, (start, _) in zip(self.part_plan.edges, part, strict=True)
        )

    @property
    def _held_bytes(self) -> int:
        """Of the source's samples that are put together."""
        return self.reading.chunk_bytes if self.by_chunk else self.part_plan.peak_read_bytes

    @property
    def _between_bytes(self) -> int:
        parts = self.part_plan
        if not self.by_chunk:
            return parts.peak_between_bytes
        assert self._stored is not None
        return by_chunk_bytes(parts.transform, *parts.largest, self._stored)

    @property
    def _scratch_bytes(self) -> int:
        """Of the kernel, its tables and a compressor."""
        parts = self.part_plan
        kernel = min(KERNEL_BYTES, self._held_bytes + parts.peak_write_bytes)
        return kernel + min(CODEC_BYTES, 4 * self.writing.chunk_bytes) + parts.peak_table_bytes

    @property
    def _stored(self) -> tuple[int, ...] | None:
        """Sizes of the largest stored chunks of the source; None where any sample can be read alone."""
        edges = self.plan.in_edges
        return None if edges is None else tuple(map(longest, edges))

    def _most_samples(self, sizes: Sequence[int]) -> int:
        return prod(min(size, n) for size, n in zip(sizes, self.transform.out_shape, strict=True))


def _cut_up(box: Box, sizes: Sequence[int]) -> list[Box]:
    """A box in boxes of at most these sizes, in C order."""
    cuts = [
        [(at, min(at + size, stop)) for at in range(start, stop, size)]
        for (start, stop), size in zip(box, sizes, strict=True)
    ]
    return list(product(*cuts))
