"""How large the blocks of a Zarr to Zarr run are: pure arithmetic on plans.

A block is a whole number of the target's write units (shards or chunks) per axis, so that each unit is written by one
task. Small blocks compute the margins between them again and again; large ones need memory. From one unit on, the axis
whose doubling saves most reading is doubled for as long as a task fits its share. Where even one unit (a large shard)
reads too much at once, its task computes it in parts, inside one array of the unit's size.

Where blocks overlap in what they read, half of the memory holds decoded source chunks for the tasks around.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from vrdask.intervals import Box, Edges, ceil_div, regular_edges
from vrdask.plan import AxisPlan, ResamplePlan, Task, format_bytes, plan_chunks
from vrdask.resampling import Resampling

DEFAULT_BYTES_PER_THREAD = 256 << 20
SMALL_TASK_BYTES = 8 << 20
TASKS_PER_THREAD = 4
CODEC_FACTOR = 2
"""What reading or writing a box takes, over the box itself: stored and decoded chunks on their way."""


@dataclass(frozen=True)
class BlockPlan:
    """A plan whose chunks are the blocks of a run.

    block : sizes of the blocks. part : sizes of the parts in which a block is computed; the block's where it is
    computed at once. part_plan : the plan with the parts as its chunks. concurrent : tasks at a time in one process.
    cache_bytes : for decoded source chunks, per process.
    """

    plan: ResamplePlan
    part_plan: ResamplePlan
    block: tuple[int, ...]
    part: tuple[int, ...]
    concurrent: int
    cache_bytes: int

    @property
    def task_bytes(self) -> int:
        """Bound on what one task holds at a time: what a part reads, its intermediates, and the whole block."""
        parts, block = self.part_plan, self.plan
        held = CODEC_FACTOR * (parts.peak_read_bytes + block.peak_write_bytes) + parts.peak_between_bytes
        return held + (parts.peak_write_bytes if self.part != self.block else 0)

    @property
    def peak_bytes(self) -> int:
        """Bound on what one process holds at a time, beyond the interpreter and its libraries."""
        return self.concurrent * self.task_bytes + self.cache_bytes

    def shared_chunks(self) -> list[npt.NDArray[np.bool_]] | None:
        """Per axis, for each stored chunk along it, whether the reads of more than one part touch it."""
        plan = self.part_plan
        if plan.in_edges is None:
            return None
        return [_touched_again(axis, edges) for axis, edges in zip(plan.axes, plan.in_edges, strict=True)]

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
) -> BlockPlan:
    """The plan of a run.

    unit : write unit of the target, a multiple of its `chunk`.
    in_edges : boundaries of the source's stored chunks; None where any sample can be read alone.
    memory_limit : bytes for a process.
    block : sizes that an earlier plan of the run has chosen.

    Raises
    ------
    ValueError
        The limit cannot be met; says the smallest that can.
    """
    limit = concurrent * DEFAULT_BYTES_PER_THREAD if memory_limit is None else memory_limit

    def blocks_of(block: Sequence[int], part: Sequence[int]) -> BlockPlan:
        edges = [regular_edges(n, size) for n, size in zip(what.out_shape, block, strict=True)]
        plan = plan_chunks(what, edges, in_edges)
        if tuple(part) == tuple(block):
            return BlockPlan(plan, plan, tuple(block), tuple(block), concurrent, 0)
        cuts = [_cut(n, b, p) for n, b, p in zip(what.out_shape, block, part, strict=True)]
        return BlockPlan(plan, plan_chunks(what, cuts, in_edges), tuple(block), tuple(part), concurrent, 0)

    def fitted(block: Sequence[int], share: int) -> BlockPlan:
        """The block, in the largest parts that fit; in the smallest where none do."""
        part = list(block)
        found = blocks_of(block, part)
        while found.task_bytes > share:
            axes = [axis for axis in range(len(part)) if part[axis] > chunk[axis]]
            if not axes:
                break
            axis = max(axes, key=lambda axis: (part[axis] / chunk[axis], -axis))
            part[axis] = chunk[axis] * ceil_div(ceil_div(part[axis], chunk[axis]), 2)
            found = blocks_of(block, part)
        return found

    def grown(share: int) -> BlockPlan:
        found = fitted(unit, share)
        while found.part == found.block:
            candidates = []
            for axis, (n, u) in enumerate(zip(what.out_shape, unit, strict=True)):
                if found.block[axis] < n:
                    larger = list(found.block)
                    larger[axis] = min(2 * larger[axis], u * ceil_div(n, u))
                    candidate = blocks_of(larger, larger)
                    if candidate.task_bytes <= share and len(candidate.plan) >= TASKS_PER_THREAD * concurrent:
                        candidates.append((candidate.plan.bytes_read, larger[axis], -axis, candidate))
            if not candidates:
                break
            best = min(candidates, key=lambda candidate: candidate[:3])
            if best[0] > 0.995 * found.plan.bytes_read and found.plan.peak_bytes > SMALL_TASK_BYTES:
                break
            found = best[3]
        return found

    def choose(share: int) -> BlockPlan:
        return fitted(block, share) if block is not None else grown(share)

    found = choose(limit // concurrent)
    if memory_limit is not None and found.peak_bytes > limit:
        raise ValueError(
            f"memory_limit must be at least {found.peak_bytes} bytes ({format_bytes(found.peak_bytes)}) for "
            f"{concurrent} concurrent tasks that each write {'x'.join(map(str, unit))} of the target at once; "
            f"got {memory_limit}: use fewer threads, or smaller chunks or shards"
        )
    if in_edges is not None and found.part_plan.read_amplification > 1.05:
        halved = choose(limit // (2 * concurrent))
        if halved.peak_bytes <= limit // 2:
            return replace(halved, cache_bytes=limit // 2)
    return found


def _touched_again(axis: AxisPlan, edges: Edges) -> npt.NDArray[np.bool_]:
    times = np.zeros(len(edges), np.int64)
    np.add.at(times, np.searchsorted(edges, axis.reads_start, side="right") - 1, 1)
    np.add.at(times, np.searchsorted(edges, axis.reads_stop, side="left"), -1)
    return np.cumsum(times)[:-1] > 1


def _cut(n: int, block: int, part: int) -> Edges:
    """Boundaries of the parts of every block of an axis."""
    starts = [at for begin in range(0, n, block) for at in range(begin, min(begin + block, n), part)]
    return np.asarray([*starts, n] if starts else [0, 0], np.int64)
