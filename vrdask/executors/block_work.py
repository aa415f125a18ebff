"""The work of one task of a Zarr to Zarr run: read, resample, write whole units. Travels to workers as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vrdask.apply import apply
from vrdask.executors.store_access import store_access
from vrdask.intervals import shape_of, size_of, slices_of
from vrdask.memory import BlockPlan
from vrdask.records import Sizes
from vrdask.targets import Target


@dataclass(frozen=True)
class BlockWork:
    """Call it with a task's number; it gives back the number, the samples written and the stored sizes."""

    source: Any
    target: Target
    blocks: BlockPlan
    run: str

    def __call__(self, number: int) -> tuple[int, int, Sizes]:
        blocks = self.blocks
        what, task = blocks.plan.resampling, blocks.plan[number]
        access = store_access(
            self.run, self.source, self.target, blocks.cache_bytes, blocks.peak_bytes, lambda: blocks.readers
        )
        parts = blocks.parts(task)
        if len(parts) == 1:
            result = apply(what, access.read(task.reads), task.reads, task.writes, 1, access.memory.empty)
        else:
            result = access.memory.empty(shape_of(task.writes), what.out_dtype)
            origin = [start for start, _ in task.writes]
            for writes in parts:
                reads = what.reads(writes)
                result[slices_of(writes, origin)] = apply(what, access.read(reads), reads, writes, num_threads=1)
        access.write(task.writes, result)
        return number, size_of(task.writes), self.target.stored_sizes(task.writes)
