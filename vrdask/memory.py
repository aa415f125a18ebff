"""How large the blocks of a Zarr to Zarr run are: pure arithmetic on plans.

A block is a whole number of the target's write units (shards or chunks) per axis, so that each unit is written by one
task. Small blocks decode the source chunks around them again and again; large ones need memory. From one unit on, the
axis whose doubling saves most is doubled for as long as a task fits its share of the memory limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vrdask.intervals import Edges, ceil_div, regular_edges
from vrdask.plan import ResamplePlan, format_bytes, plan_chunks
from vrdask.resampling import Resampling

DEFAULT_BYTES_PER_THREAD = 128 << 20
SMALL_TASK_BYTES = 8 << 20
TASKS_PER_THREAD = 4
CODEC_FACTOR = 2
"""What reading and writing a block takes, over the block itself: stored and decoded chunks on their way."""


@dataclass(frozen=True)
class BlockPlan:
    """A plan whose chunks are the blocks of a run, for a number of concurrent tasks."""

    plan: ResamplePlan
    concurrent: int

    @property
    def peak_bytes(self) -> int:
        """Bound on what a run holds at a time, beyond the interpreter and its libraries."""
        return self.concurrent * task_bytes(self.plan)


def task_bytes(plan: ResamplePlan) -> int:
    return CODEC_FACTOR * plan.peak_bytes


def plan_blocks(
    what: Resampling, unit: Sequence[int], in_edges: Sequence[Edges], concurrent: int, memory_limit: int | None
) -> BlockPlan:
    """The plan of a run.

    unit : write unit of the target. memory_limit : bytes for all concurrent tasks together.

    Raises
    ------
    ValueError
        Not even one write unit per task fits the limit; says the smallest limit that works.
    """
    share = DEFAULT_BYTES_PER_THREAD if memory_limit is None else memory_limit // concurrent

    def plan_of(blocks: Sequence[int]) -> ResamplePlan:
        edges = [regular_edges(n, u * b) for n, u, b in zip(what.out_shape, unit, blocks, strict=True)]
        return plan_chunks(what, edges, in_edges)

    blocks = [1] * len(unit)
    plan = plan_of(blocks)
    if memory_limit is not None and task_bytes(plan) > share:
        smallest = concurrent * task_bytes(plan)
        raise ValueError(
            f"memory_limit must be at least {smallest} bytes ({format_bytes(smallest)}) for {concurrent} "
            f"concurrent tasks, each with one {'x'.join(map(str, unit))} unit of the target; got {memory_limit}: "
            "use fewer threads, or smaller chunks or shards"
        )
    units = [ceil_div(n, u) for n, u in zip(what.out_shape, unit, strict=True)]
    while True:
        candidates = []
        for axis in range(len(unit)):
            if blocks[axis] >= units[axis]:
                continue
            grown = [*blocks]
            grown[axis] = min(2 * blocks[axis], units[axis])
            candidate = plan_of(grown)
            if task_bytes(candidate) <= share and len(candidate) >= TASKS_PER_THREAD * concurrent:
                candidates.append((candidate.bytes_read, grown[axis], -axis, grown, candidate))
        if not candidates:
            break
        bytes_read, *_, grown, candidate = min(candidates, key=lambda found: found[:3])
        if bytes_read > 0.995 * plan.bytes_read and plan.peak_bytes > SMALL_TASK_BYTES:
            break
        blocks, plan = grown, candidate
    return BlockPlan(plan, concurrent)
