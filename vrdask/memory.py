"""How large the blocks of a Zarr to Zarr run are, and what they take: pure arithmetic on plans.

A block is a whole number of the target's write units (shards or chunks) per axis, so that each unit is written by one
task. Small blocks decode and compute the margins between them again and again; large ones need memory. From one unit
on, blocks grow along the axis that saves most decoding for as long as the tasks fit the limit. Where even one unit (a
large shard) reads too much at once, its task computes it in parts, inside one array of the unit's size; and so it does
where each part reads a single source chunk (as in halving with "area"), which then is not copied.

What the tasks leave of the limit keeps decoded source chunks for the tasks around, where that spares decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

import numpy as np

from vrdask import tiles
from vrdask.decoding import Decoding, decodings
from vrdask.intervals import Box, Edges, ceil_div, regular_edges
from vrdask.plan import ResamplePlan, Task, format_bytes, plan_chunks
from vrdask.resampling import Resampling
from vrdask.sharing import Keep, Sharing

DEFAULT_BYTES_PER_THREAD = 320 << 20
SMALL_TASK_BYTES = 8 << 20
SMALL_PART_BYTES = 512 << 10
TASKS_PER_THREAD = 4
CODEC_FACTOR = 3
"""What reading or writing a box through zarr takes, over the box itself: stored and decoded chunks on their way."""
WORTH_KEEPING = 1.06
"""Decoding so much more is better than a large cache that would spare it: its new pages cost about as much."""
SMALL_CACHE_BYTES = 32 << 20
"""A cache of so much per thread is not large."""
CODEC_BYTES = 3 << 20
"""Of a compressor's state at most, for large chunks."""
KERNEL_BYTES = tiles.WIDE * tiles.SCRATCH_BYTES
"""Of a kernel's scratch at most, for the tiles of a large box."""


@dataclass(frozen=True)
class Passage:
    """How samples get in or out of a store.

    chunk_bytes : of a decoded stored chunk. by_zarr : whether zarr decodes or encodes a box as a whole; else it is done
    chunk by chunk (see `chunk_codec`). by_rows : whether a chunk can be decoded up to what is needed of it.
    """

    chunk_bytes: int
    by_zarr: bool
    by_rows: bool = False

    def bytes_of(self, box_bytes: int) -> int:
        """Bound on what is held for a box: its samples, and chunks on their way, stored and decoded."""
        return CODEC_FACTOR * box_bytes if self.by_zarr else box_bytes + 2 * self.chunk_bytes


@dataclass(frozen=True)
class BlockPlan:
    """A plan whose chunks are the blocks of a run.

    block : sizes of the blocks. part : sizes of the parts in which a block is computed; the block's where it is
    computed at once. part_plan : the plan with the parts as its chunks. concurrent : tasks at a time in one process.
    cache_bytes : for decoded source chunks, per process. keep : along each axis, which of them are kept.
    """

    plan: ResamplePlan
    part_plan: ResamplePlan
    block: tuple[int, ...]
    part: tuple[int, ...]
    concurrent: int
    reading: Passage
    writing: Passage
    cache_bytes: int = 0
    keep: tuple[Keep, ...] = ()

    @property
    def sharing(self) -> Sharing:
        """What the tasks share, of a plan that keeps it."""
        return Sharing(self.plan, self.keep, self.concurrent, in_parts=self.part != self.block)

    @property
    def task_bytes(self) -> int:
        """Bound on what one task holds at a time: what a part reads, its intermediates, and the whole block."""
        parts, block = self.part_plan, self.plan
        held = self.reading.bytes_of(parts.peak_read_bytes) + self.writing.bytes_of(block.peak_write_bytes)
        held += parts.peak_write_bytes if self.part != self.block else 0
        kernel = min(KERNEL_BYTES, parts.peak_read_bytes + parts.peak_write_bytes)
        codec = min(CODEC_BYTES, 4 * self.writing.chunk_bytes)
        return held + parts.peak_between_bytes + kernel + codec

    @property
    def peak_bytes(self) -> int:
        """Bound on what one process holds at a time, beyond the interpreter and its libraries."""
        return self.concurrent * self.task_bytes + self.cache_bytes

    def parts(self, task: Task) -> list[Box]:
        """The output boxes that a task computes, one after the other."""
        cuts = [
            [(at, min(at + size, stop)) for at in range(start, stop, size)]
            for (start, stop), size in zip(task.writes, self.part, strict=True)
        ]
        return list(product(*cuts))


def plan_blocks(
    what: Resampling,
    unit: Sequence[int],
    chunk: Sequence[int],
    in_edges: Sequence[Edges] | None,
    concurrent: int,
    memory_limit: int | None,
    block: Sequence[int] | None = None,
    by_zarr: tuple[bool, bool] = (False, False),
    by_rows: bool = False,
) -> BlockPlan:
    """The plan of a run.

    unit : write unit of the target, a multiple of its `chunk`.
    in_edges : boundaries of the source's stored chunks; None where any sample can be read alone.
    memory_limit : bytes for a process.
    block : sizes that an earlier plan of the run has chosen.
    by_zarr : whether zarr itself decodes the source, and encodes the target.
    by_rows : whether the source's chunks can be decoded up to what is needed.

    Raises
    ------
    ValueError
        The limit cannot be met; says the smallest that can.
    """
    limit = concurrent * DEFAULT_BYTES_PER_THREAD if memory_limit is None else memory_limit
    stored = 0 if in_edges is None else prod(int(np.diff(edges).max(initial=0)) for edges in in_edges)
    reading = Passage(stored * what.in_dtype.itemsize, by_zarr[0], by_rows)
    writing = Passage(prod(chunk) * what.out_dtype.itemsize, by_zarr[1])

    def blocks_of(block: Sequence[int], part: Sequence[int]) -> BlockPlan:
        edges = [regular_edges(n, size) for n, size in zip(what.out_shape, block, strict=True)]
        plan = parts = plan_chunks(what, edges, in_edges)
        if tuple(part) != tuple(block):
            cuts = [_cut(n, b, p) for n, b, p in zip(what.out_shape, block, part, strict=True)]
            parts = plan_chunks(what, cuts, in_edges)
        return BlockPlan(plan, parts, tuple(block), tuple(part), concurrent, reading, writing)

    def fitted(block: Sequence[int]) -> BlockPlan:
        """The block, in the largest parts that fit; in the smallest where none do."""
        part = list(block)
        found = blocks_of(block, part)
        while found.peak_bytes > limit:
            axes = [axis for axis in range(len(part)) if part[axis] > chunk[axis]]
            if not axes:
                break
            axis = max(axes, key=lambda axis: (part[axis] / chunk[axis], -axis))
            part[axis] = chunk[axis] * ceil_div(ceil_div(part[axis], chunk[axis]), 2)
            found = blocks_of(block, part)
        return found

    def larger(found: BlockPlan) -> list[BlockPlan]:
        """Blocks of twice the size along an axis, as far as tasks fit and there are enough of them."""
        candidates = []
        for axis, (n, u) in enumerate(zip(what.out_shape, unit, strict=True)):
            if found.block[axis] < n:
                sizes = list(found.block)
                sizes[axis] = min(2 * sizes[axis], u * ceil_div(n, u))
                candidate = blocks_of(sizes, sizes)
                if candidate.peak_bytes <= limit and len(candidate.plan) >= TASKS_PER_THREAD * concurrent:
                    candidates.append(candidate)
        return candidates

    def with_cache(found: BlockPlan) -> tuple[int, BlockPlan]:
        """Bytes that a run decodes with what the tasks leave of the limit, and its plan."""
        best = _affordable(found, limit - found.peak_bytes)
        return best.decoded, replace(found, cache_bytes=best.cache, keep=best.keep)

    found = fitted(unit if block is None else block)
    if memory_limit is not None and found.peak_bytes > limit:
        raise ValueError(
            f"memory_limit must be at least {found.peak_bytes} bytes ({format_bytes(found.peak_bytes)}) for "
            f"{concurrent} concurrent tasks that each write {'x'.join(map(str, unit))} of the target at once; "
            f"got {memory_limit}: use fewer threads, or smaller chunks or shards"
        )
    seen = [with_cache(found)]
    while block is None and found.part == found.block and (candidates := larger(found)):
        if seen[-1][0] <= WORTH_KEEPING * found.plan.touched_bytes and found.plan.peak_bytes > SMALL_TASK_BYTES:
            break  # nothing is decoded twice
        found = min(candidates, key=lambda one: (with_cache(one)[0], with_cache(one)[1].peak_bytes))
        seen.append(with_cache(found))
    least = min(decoded for decoded, _ in seen)
    good = [plan for decoded, plan in seen if decoded <= WORTH_KEEPING * least]
    chosen = next((plan for plan in good if plan.plan.peak_bytes > SMALL_TASK_BYTES), good[-1])
    if in_edges is not None and not reading.by_zarr and chosen.part == chosen.block:
        parts = blocks_of(chosen.block, _parts_of_single_chunks(chosen.plan, chosen.block, in_edges))
        read = parts.part_plan
        if read.bytes_read == chosen.plan.bytes_read and read.peak_read_bytes >= SMALL_PART_BYTES:
            return parts
    return chosen


def _parts_of_single_chunks(plan: ResamplePlan, block: Sequence[int], in_edges: Sequence[Edges]) -> list[int]:
    """Sizes of the parts that read one source chunk each, along the axes where such parts are: these chunks need not be
    copied together first.
    """
    part = list(block)
    for axis, (n_in, n_out) in enumerate(zip(plan.resampling.in_shape, plan.resampling.out_shape, strict=True)):
        stored = int(np.diff(in_edges[axis]).max(initial=0))
        size, rest = divmod(stored * n_out, max(n_in, 1))
        if size and not rest and block[axis] % size == 0:
            part[axis] = size
    return part


def _affordable(found: BlockPlan, room: int) -> Decoding:
    """Of the decodings whose cache there is room for, one that decodes about as little as any with little memory."""
    choices = decodings(found.plan, found.concurrent, found.reading.by_rows, found.part != found.block)
    if found.part != found.block:  # parts of a block overlap, too: without a cache they decode for themselves
        choices.append(decodings(found.part_plan, found.concurrent, found.reading.by_rows)[0])
    possible = [one for one in choices if one.cache <= max(room, 0)]
    least = min(one.decoded for one in possible)
    small = found.concurrent * SMALL_CACHE_BYTES
    good = [one for one in possible if one.decoded <= WORTH_KEEPING * least]
    return min(good, key=lambda one: (max(one.cache, small), one.decoded))


def _cut(n: int, block: int, part: int) -> Edges:
    """Boundaries of the parts of every block of an axis."""
    starts = [at for begin in range(0, n, block) for at in range(begin, min(begin + block, n), part)]
    return np.asarray([*starts, n] if starts else [0, 0], np.int64)
