"""The work of one task of a Zarr to Zarr run: read, compute, write whole units. Travels to workers as it is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, shape_of, size_of, slices_of
from vrdask.buffers import Empty
from vrdask.compute.around import read_around
from vrdask.compute.box import compute_box
from vrdask.compute.uint8_filter.by_chunk import filter_by_chunk
from vrdask.planning.run_plan import RunPlan
from vrdask.runs.process import Reading, StoreAccess, store_access, written
from vrdask.runs.record import Units
from vrdask.targets import Target
from vrdask.transforms.resampling import Resampling


@dataclass(frozen=True)
class BlockWork:
    """Call it with a task's number; it gives back the number, the samples written and what the units hold.

    settles : whether to wait until they are on the disk, where nobody else does, for a worker alone can.
    within : told of the samples of each piece that is written, in this process.
    """

    source: Any
    target: Target
    blocks: RunPlan
    run: str
    settles: bool = False
    within: Callable[[int], None] | None = None

    def __call__(self, number: int) -> tuple[int, int, Units]:
        blocks = self.blocks
        task = blocks.plan[number]
        access = store_access(
            self.run, self.source, self.target, blocks.cache_capacity, blocks.pool_bytes, lambda: blocks.sharing,
            blocks.concurrent if blocks.shares_pieces else 1,
        )  # fmt: skip
        pieces = blocks.pieces(task)

        def of_part(part: Box) -> Reading:
            return access.reading(blocks.part_index(part))

        if blocks.shares_pieces:
            access.each(lambda piece: self._write(access, piece, of_part), pieces)
        elif blocks.part == blocks.block:
            self._write(access, task.writes, lambda _: access.reading(task.index))
        else:
            with access.reading(task.index) as read:
                for piece in pieces:
                    self._write(access, piece, lambda _: nullcontext(read))
        return number, size_of(task.writes), written(access, self.target, task.writes, self.settles)

    def _write(self, access: StoreAccess, piece: Box, reading: Callable[[Box], Reading]) -> None:
        """Compute a piece and write it. reading : while it lasts, what reads for a part."""
        what, parts = self.blocks.transform, self.blocks.parts(piece)
        if len(parts) == 1:
            result = self._computed(access, piece, reading, access.memory.empty)
        else:
            result = access.memory.empty(shape_of(piece), what.out_dtype)
            for part in parts:
                samples = self._computed(access, part, reading, np.empty)
                result[slices_of(part, [start for start, _ in piece])] = samples
                del samples
        access.write(piece, result)
        if self.within is not None:
            self.within(size_of(piece))

    def _computed(
        self, access: StoreAccess, part: Box, reading: Callable[[Box], Reading], empty: Empty
    ) -> npt.NDArray[Any]:
        """The samples of a part. empty : makes their array."""
        what = self.blocks.transform
        reads = what.reads(part)
        with reading(part) as read:
            if isinstance(what, Resampling) and self.blocks.by_chunk:
                result = empty(shape_of(part), what.out_dtype)
                filter_by_chunk(what, read.by_chunk(reads), reads, part, result, access.memory.empty)
                return result
            samples = read_around(read, reads, what.in_shape)
        return compute_box(what, samples, reads, part, 1, empty)
