"""How large the blocks of a Zarr to Zarr run are, so that it fits in memory: pure arithmetic on plans.

A block is a whole number of the target's write units (shards or chunks) per axis, so that each unit is written by one
task. Small blocks decode and compute the margins between them again and again; large ones need memory. From one unit
on, blocks grow along the axis that saves most decoding for as long as the tasks fit the limit. Where even one unit (a
large shard) reads too much at once, or there are fewer units than threads, a task computes it in parts; and so it does
where each part reads a single source chunk (as in halving with "area"), which then is not copied. Parts of a shard are
put together in pieces of whole chunks, which are encoded at once: a task holds what is encoded, not all samples.

What the tasks leave of the limit keeps decoded source chunks for the tasks around, where that spares decoding; where it
would not do for a whole layer of blocks, tasks come in columns (see `task_order`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import lcm, prod

import numpy as np

from vrdask.boxes import MOST_CHUNKS, Edges, ceil_div, longest, regular_edges
from vrdask.planning.box_plan import BoxPlan
from vrdask.planning.decoding import Decoding, Known, decodings
from vrdask.planning.plan import AxisPlan, ByAxis, ResamplePlan, plan_axis
from vrdask.planning.run_plan import RunPlan
from vrdask.storage.costs import PLAIN, TransferCost
from vrdask.text import by_axis, counted, format_bytes
from vrdask.transforms.affine import Affine
from vrdask.transforms.resampling import Resampling

DEFAULT_BYTES_PER_THREAD = 320 << 20
CACHE_BYTES_PER_THREAD = 168 << 20
"""What is kept between tasks grows with the volume's cross-section; by default no more than this: tasks come in
columns.
"""
SMALL_TASK_BYTES = 8 << 20
SMALL_PART_BYTES = 512 << 10
BAND_BYTES = 8 << 20
"""Of integers, filtered several gigabytes a second, no more is copied together at once: it is still in a cache then."""
BAND_MARGINS = 1.125
"""How many times as much is read, and filtered along rows, in parts as at once."""
TASKS_PER_THREAD = 4
PIECES_PER_THREAD = 4
WORTH_KEEPING = 1.06
"""Decoding so much more is better than a large cache that would spare it: its new pages cost about as much."""
WORTH_KEEPING_DEAR = 1.005
"""The same where a library decodes at its own pace: JPEG, say."""
SMALL_CACHE_BYTES = 32 << 20
"""A cache of so much per thread is not large."""


def plan_blocks(
    transform: ByAxis | Affine,
    unit: Sequence[int],
    chunk: Sequence[int],
    in_edges: Sequence[Edges] | None,
    concurrent: int,
    memory_limit: int | None,
    block: Sequence[int] | None = None,
    reading: TransferCost = PLAIN,
    writing: TransferCost = PLAIN,
    shares: bool = False,
) -> RunPlan:
    """The plan of a run.

    unit : write unit of the target, a multiple of its `chunk`.
    in_edges : boundaries of the source's stored chunks; None where any sample can be read alone.
    memory_limit : bytes for a process.
    block : sizes that an earlier plan of the run has chosen.
    shares : whether the threads share the pieces of a task, where a task has many or there are few tasks.

    Raises
    ------
    ValueError
        The limit cannot be met; says the smallest that can.
    """
    shares = shares and writing.shard_copies > 0 and concurrent > 1
    run = _Run(transform, tuple(unit), tuple(chunk), in_edges, concurrent, memory_limit, reading, writing, shares)
    smallest = run.fitted(unit if block is None else block)
    if memory_limit is not None and smallest.peak_bytes > memory_limit:
        raise ValueError(
            f"memory_limit must be at least {smallest.peak_bytes} bytes ({format_bytes(smallest.peak_bytes)}) for "
            f"{counted(concurrent, 'thread')} whose tasks each write {by_axis(unit)} of the target at once; "
            f"got {memory_limit}: use fewer threads, or smaller chunks or shards"
        )
    chosen = run.with_cache(smallest) if block is not None else run.grown(smallest)
    return run.in_single_chunks(chosen) or run.in_bands(chosen) or chosen


@dataclass(frozen=True)
class _Run:
    """What is to be planned (see `plan_blocks`), and the plans that it can have.

    cuts : axes that have been planned, by their numbers, blocks and parts. ways : what can be kept along some of them.
    Of the many plans that are compared most differ along one axis.
    """

    transform: ByAxis | Affine
    unit: tuple[int, ...]
    chunk: tuple[int, ...]
    in_edges: Sequence[Edges] | None
    concurrent: int
    memory_limit: int | None
    reading: TransferCost
    writing: TransferCost
    shares: bool
    cuts: dict[tuple[int, int, int], AxisPlan] = field(default_factory=dict)
    ways: Known = field(default_factory=dict)

    @property
    def limit(self) -> int:
        return self.concurrent * DEFAULT_BYTES_PER_THREAD if self.memory_limit is None else self.memory_limit

    @property
    def limit_of_tasks(self) -> int:
        """Up to which blocks grow; half where boxes turn: their neighbours read the same stored chunks."""
        return self.limit // 2 if isinstance(self.transform, Affine) and self.in_edges is not None else self.limit

    @property
    def worth_keeping(self) -> float:
        """How many times as much may be decoded rather than kept."""
        return WORTH_KEEPING_DEAR if self.reading.by_zarr or self.reading.by_format else WORTH_KEEPING

    def in_blocks(self, block: Sequence[int], part: Sequence[int] | None = None) -> RunPlan:
        """With blocks of these sizes, computed in parts of these sizes; without a cache."""
        block = tuple(block)
        plan = parts = self._cut_into(block, block)
        piece, part = block, block if part is None else tuple(part)
        if part != block:
            parts = self._cut_into(block, part)
            if self.writing.shard_copies:
                piece = tuple(min(b, lcm(p, c)) for b, p, c in zip(block, part, self.chunk, strict=True))
        found = RunPlan(plan, parts, block, part, piece, self.concurrent, self.reading, self.writing)
        tasks, shared = min(self.concurrent, max(prod(plan.shape), 1)), self.shares and piece != block
        if shared and found.shard_bytes:
            tasks = max(1, min(tasks, (self.limit - self.concurrent * found.thread_bytes) // found.shard_bytes))
        return replace(found, tasks_at_once=tasks, shares_pieces=shared)

    def _cut_into(self, block: Sequence[int], part: Sequence[int]) -> ResamplePlan | BoxPlan:
        """The plan whose chunks are the parts of every block."""
        stored = None if self.in_edges is None else tuple(self.in_edges)
        if isinstance(self.transform, Affine):
            return BoxPlan(self.transform, tuple(map(_cut, self.transform.out_shape, block, part)), stored)
        axes = []
        for key in zip(range(len(block)), block, part, strict=True):
            if key not in self.cuts:
                axis, n = key[0], self.transform.out_shape[key[0]]
                self.cuts[key] = plan_axis(self.transform, axis, _cut(n, *key[1:]))
            axes.append(self.cuts[key])
        return ResamplePlan(self.transform, tuple(axes), stored)

    def _is_countable(self, block: Sequence[int], part: Sequence[int]) -> bool:
        """Whether there are not too many parts along any axis."""
        along = zip(self.transform.out_shape, block, part, strict=True)
        return all(ceil_div(n, b) * ceil_div(b, p) <= MOST_CHUNKS for n, b, p in along)

    def with_cache(self, found: RunPlan) -> RunPlan:
        """A plan with the cache that what its tasks leave of the limit can hold."""
        room = self.limit - found.peak_bytes
        if self.memory_limit is None and not found.shares_pieces:
            room = min(room, self.concurrent * CACHE_BYTES_PER_THREAD)
        if isinstance(found.part_plan, BoxPlan):  # what it will spare is not known
            cache = 0 if self.in_edges is None else max(room, 0)
            return replace(found, cache_bytes=cache, decoded_bytes=found.part_plan.most_decoded_bytes)
        best = _affordable(found, room, self.worth_keeping, self.ways)
        return replace(found, cache_bytes=best.cache, keep=best.keep, column=best.column, decoded_bytes=best.decoded)

    def fitted(self, block: Sequence[int]) -> RunPlan:
        """The block, in the largest parts that fit, or that fit with a cache that spares more; in the smallest where
        none do.
        """
        ways = list(self._in_smaller_parts(block))
        fitting = [found for found in ways if self._fits(found)] or ways[-1:]
        if not self.shares or fitting[0].part == fitting[0].block:
            return fitting[0]
        return min(fitting, key=lambda found: self.with_cache(found).decoded_bytes)

    def grown(self, found: RunPlan) -> RunPlan:
        """Of a plan and those with larger and larger blocks, one that decodes about as little as any with small ones,
        with its cache.
        """
        seen = [self.with_cache(found)]
        while seen[-1].part == seen[-1].block and (candidates := self._larger(seen[-1])):
            decoded_once = seen[-1].decoded_bytes <= self.worth_keeping * found.plan.touched_bytes
            if decoded_once and seen[-1].plan.peak_bytes > SMALL_TASK_BYTES:
                break
            seen.append(min(map(self.with_cache, candidates), key=lambda one: (one.decoded_bytes, one.peak_bytes)))
        least = min(one.decoded_bytes for one in seen)
        good = [one for one in seen if one.decoded_bytes <= self.worth_keeping * least]
        return next((one for one in good if one.plan.peak_bytes > SMALL_TASK_BYTES), good[-1])

    def in_single_chunks(self, found: RunPlan) -> RunPlan | None:
        """Its blocks in parts that read one source chunk each, along the axes where such parts are: these chunks need
        not be copied together first. None where others would be decoded for that, parts would be too small, or there
        are none.
        """
        if isinstance(self.transform, Affine) or self.in_edges is None or self.reading.by_zarr:
            return None
        if not (self.shares or found.part == found.block):
            return None
        part = list(found.part)
        for axis, (n_in, n_out) in enumerate(zip(self.transform.in_shape, self.transform.out_shape, strict=True)):
            size, rest = divmod(longest(self.in_edges[axis]) * n_out, max(n_in, 1))
            if 0 < size <= part[axis] and not rest and found.block[axis] % size == 0:
                part[axis] = size
        if not self._is_countable(found.block, part):
            return None
        parts = self.in_blocks(found.block, part)
        read = parts.part_plan
        worth = read.bytes_read == found.plan.bytes_read and read.peak_read_bytes >= SMALL_PART_BYTES
        return parts if worth and parts.part != found.part else None

    def in_bands(self, found: RunPlan) -> RunPlan | None:
        """Its blocks in parts along the first resampled axis for the integer filters: small ones, but not mostly
        margins. None where that is of no use, or would decode more.
        """
        transform = self.transform
        if not isinstance(transform, Resampling) or self.in_edges is None:
            return None
        if not (transform.fixed_point and transform.stages):
            return None
        if found.part != found.block or found.by_chunk:  # of pieces nothing is copied together
            return None
        axis, part, best = transform.passes[-1], list(found.block), found
        while best.part_plan.peak_read_bytes > BAND_BYTES and part[axis] > 1:
            part[axis] = ceil_div(part[axis], 2)
            if not self._is_countable(found.block, part):
                break
            bands = self.in_blocks(found.block, part)
            count = ceil_div(found.block[axis], part[axis])
            if count * bands.part_plan.peak_read_bytes > BAND_MARGINS * found.plan.peak_read_bytes:
                break
            best = bands
        best = self.with_cache(replace(best, cache_bytes=0))
        return best if best.peak_bytes <= self.limit and best.decoded_bytes <= found.decoded_bytes else None

    def _fits(self, found: RunPlan) -> bool:
        busy = not self.shares or prod(found.plan.shape) * found.pieces_per_task >= PIECES_PER_THREAD * self.concurrent
        return found.peak_bytes <= self.limit and busy

    def _in_smaller_parts(self, block: Sequence[int]) -> Iterator[RunPlan]:
        """The block at once, then in smaller and smaller parts, down to single chunks, or as many as can be counted."""
        part, chunk = list(block), self.chunk
        while True:
            yield self.in_blocks(block, part)
            axes = [axis for axis in range(len(part)) if part[axis] > chunk[axis]]
            if not axes:
                return
            axis = max(axes, key=lambda axis: (part[axis] / chunk[axis], -axis))
            part[axis] = chunk[axis] * ceil_div(ceil_div(part[axis], chunk[axis]), 2)
            if not self._is_countable(block, part):
                return

    def _larger(self, found: RunPlan) -> list[RunPlan]:
        """Blocks of twice the size along an axis, as far as tasks fit and there are enough of them."""
        candidates = []
        for axis, (n, u) in enumerate(zip(self.transform.out_shape, self.unit, strict=True)):
            if found.block[axis] < n:
                sizes = list(found.block)
                sizes[axis] = min(2 * sizes[axis], u * ceil_div(n, u))
                candidate = self.in_blocks(sizes)
                if (
                    candidate.peak_bytes <= self.limit_of_tasks
                    and prod(candidate.plan.shape) >= TASKS_PER_THREAD * self.concurrent
                ):
                    candidates.append(candidate)
        return candidates


def _affordable(found: RunPlan, room: int, worth_keeping: float, known: Known) -> Decoding:
    """Of the decodings whose cache there is room for, one that decodes about as little as any with little memory."""
    concurrent, by_rows = found.concurrent, found.reading.by_rows
    assert isinstance(found.plan, ResamplePlan)
    assert isinstance(found.part_plan, ResamplePlan)
    if found.shares_pieces:  # threads go through the parts of a block as they would through blocks
        choices = decodings(found.part_plan, concurrent, by_rows, in_columns=False, known=known)
    else:
        choices = decodings(found.plan, concurrent, by_rows, found.part != found.block, known=known)
        if found.part != found.block:  # parts of a block overlap, too: without a cache they decode for themselves
            choices.append(decodings(found.part_plan, concurrent, by_rows, known=known)[0])
    possible = [one for one in choices if one.cache <= max(room, 0)]
    least = min(one.decoded for one in possible)
    small = found.concurrent * SMALL_CACHE_BYTES
    good = [one for one in possible if one.decoded <= worth_keeping * least]
    return min(good, key=lambda one: (max(one.cache, small), one.decoded))


def _cut(n: int, block: int, part: int) -> Edges:
    """Boundaries of the parts of every block of an axis."""
    if block == part or not n:
        return regular_edges(n, block, "the target's chunks")
    starts = (np.arange(0, n, block)[:, None] + np.arange(0, block, part)).reshape(-1)
    return np.append(starts[starts < n], n)
