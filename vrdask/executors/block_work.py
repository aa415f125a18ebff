"""The work of one task of a Zarr to Zarr run: read, resample, write whole units. Travels to workers as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vrdask.apply import apply
from vrdask.executors.store_access import store_access
from vrdask.intervals import shape_of, size_of, slices_of
from vrdask.memory import BlockPlan
from vrdask.plan import Task
from vrdask.records import Sizes
from vrdask.resampling import Resampling
from vrdask.targets import Target


@dataclass(frozen=True)
class BlockWork:
    """Call it with a task's number and the task; it gives back the number, the samples written and the stored sizes."""

    resampling: Resampling
    source: Any
    target: Target
    blocks: BlockPlan
    run: str

    def __call__(self, item: tuple[int, Task]) -> tuple[int, int, Sizes]:
        number, task = item
        access = store_access(self.run, self.source, self.target, self.blocks.cache_bytes)
        parts = self.blocks.parts(task)
        if len(parts) == 1:
            result = apply(self.resampling, access.read(task.reads), task.reads, task.writes, num_threads=1)
        else:
            result = np.empty(shape_of(task.writes), self.resampling.out_dtype)
            origin = [start for start, _ in task.writes]
            for writes in parts:
                reads = self.resampling.reads(writes)
                result[slices_of(writes, origin)] = apply(
                    self.resampling, access.read(reads), reads, writes, num_threads=1
                )
        access.write(task.writes, result)
        return number, size_of(task.writes), self.target.stored_sizes(task.writes)
