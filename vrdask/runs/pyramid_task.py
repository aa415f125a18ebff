"""The work of one task of a pyramid: a block of the level that a pass begins with, read once, and written as far as it
reaches. Travels to workers as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, shape_of, within
from vrdask.buffers import Pool
from vrdask.compute.box import compute_box
from vrdask.compute.carried import means_of, summed_further, summed_up
from vrdask.planning.pyramid_passes import Pass, Writes
from vrdask.runs.cache_policies import ByRecency
from vrdask.runs.chunk_cache import ChunkCache
from vrdask.runs.process import SMALLEST_KEPT, each, held, piece_threads
from vrdask.runs.record import Units
from vrdask.storage.chunk_array import ChunkIO
from vrdask.storage.cropped import Chunks, chunk_io
from vrdask.targets.pyramid import PyramidTarget

Array = npt.NDArray[Any]
NOTHING: Array = np.empty(0)


@dataclass(frozen=True)
class LevelAccess:
    """Reads what a pass begins with, and writes its levels.

    read : the samples of a box of the level that the pass begins with; they are written, too, where it copies that
    level. pool : threads for the cells of all tasks; None where each task does its own.
    """

    read: Callable[[Box], Array]
    levels: dict[tuple[int, bool], ChunkIO]
    pool: ThreadPoolExecutor | None


@dataclass(frozen=True)
class PyramidWork:
    """Call it with a task's number in its pass; it gives back the number, the bytes passed and what the units hold.

    source : an array that holds what the pass begins with. cache_bytes : for its decoded chunks. most_bytes : of all
    tasks. threads : that share the cells of a task; 1 where each task has one. settles : whether to wait until what is
    written is on the disk, where nobody else does.
    """

    source: Any
    target: PyramidTarget
    one: Pass
    run: str
    cache_bytes: int = 0
    most_bytes: int = 0
    threads: int = 1
    settles: bool = False

    def __call__(self, number: int) -> tuple[int, int, Units]:
        one, access = self.one, held(self.run, self._access)
        box = one.box(number)
        if len(one.cells) and all(start < stop for start, stop in box):
            self._made(access, len(one.cells) - 1, box)
        writes = one.writes(number)
        units = [self._written(access, each) for each in writes]
        if self.settles:
            self.target.settle([writes])
        known = all(found or not keys for found, keys in units)
        return number, one.passed(number), [unit for found, _ in units for unit in found] if known else []

    def _written(self, access: LevelAccess, writes: Writes) -> tuple[Units, list[str]]:
        keys = self.target.inner_keys(writes.level, writes.box, writes.sums)
        return access.levels[writes.level, writes.sums].written(keys), keys

    def _access(self) -> LevelAccess:
        one, memory = self.one, Pool(SMALLEST_KEPT, self.most_bytes, slack=1.5)
        levels = {(level, False): ChunkIO(self.target.levels[level]) for level in one.written}
        if one.sums_out:
            levels[one.last, True] = ChunkIO(self.target.sums[one.last])
        if one.sums_in:
            sums, limbs = ChunkIO(self.target.sums[one.first], memory.empty), self.target.sums[one.first].shape[0]
            return LevelAccess(lambda box: sums.read(((0, limbs), *box)), levels, piece_threads(self.threads))
        chunks = chunk_io(self.source, memory.empty)
        if not one.copies:
            read = self._reader(chunks, memory)
        elif isinstance(chunks, ChunkIO) and chunks.stores_alike(levels[one.first, False]):
            read = partial(chunks.copy, other=levels[one.first, False])
        else:
            read = partial(_written_too, self._reader(chunks, memory), levels[one.first, False])
        return LevelAccess(read, levels, piece_threads(self.threads))

    def _reader(self, chunks: Chunks, memory: Pool) -> Callable[[Box], Array]:
        """What gives the samples of a box of the source."""
        if not self.cache_bytes or self.source.chunks is None:
            return chunks.read
        cache = ChunkCache(chunks, ByRecency(self.cache_bytes), self.source.dtype, memory.empty)

        def read(box: Box) -> Array:
            with cache.reading(()) as reader:
                return reader(box)

        return read

    def _made(self, access: LevelAccess, kind: int, box: Box) -> Array:
        """Read and write all of a cell; what goes on from its highest level, or nothing where nothing is made of it.

        kind : of the cell, in `Pass.cells`.
        """
        one, cell = self.one, self.one.cells[kind]
        level = one.cells[kind - 1].level if kind else one.first
        carried = self._of_inner(access, kind, box) if kind else access.read(box)
        for following in range(level + 1, cell.level + 1):
            carried = self._next(following, carried, box)
            at = one.at_level(box, following)
            stored = means_of(carried, one.pyramid, following, at) if one.pyramid.sums else carried
            access.levels[following, False].write(at, stored)
            del stored
        if one.sums_out and kind + 1 == len(one.cells):
            limbs = (0, carried.shape[0])
            access.levels[cell.level, True].write((limbs, *one.at_level(box, cell.level)), carried)
        return carried

    def _of_inner(self, access: LevelAccess, kind: int, box: Box) -> Array:
        """What goes on from the cells within a cell, together."""
        one, level, is_block = self.one, self.one.cells[kind - 1].level, kind + 1 == len(self.one.cells)
        whole = one.at_level(box, level)
        goes_on = level < one.cells[kind].level or not is_block or one.sums_out
        carried = self._empty(level, whole) if goes_on else NOTHING

        def work(inner: Box) -> None:
            made = self._made(access, kind - 1, inner)
            if goes_on:
                index: tuple[Any, ...] = (Ellipsis, *within(one.at_level(inner, level), whole))
                carried[index] = made

        each(access.pool if is_block else None, work, one.within(box, kind - 1))
        return carried

    def _empty(self, level: int, box: Box) -> Array:
        """An array for what goes on from a level."""
        pyramid = self.one.pyramid
        if pyramid.sums and (level > self.one.first or self.one.sums_in):
            form = pyramid.sum_form(level)
            return np.empty((form.limbs, *shape_of(box)), form.dtype)
        return np.empty(shape_of(box), pyramid.dtype)

    def _next(self, level: int, carried: Array, box: Box) -> Array:
        """What goes on from a level, from what goes on from the one before. box : of the first level."""
        one = self.one
        step = one.pyramid.steps[level - 1]
        if not one.pyramid.sums:
            return compute_box(step, carried, one.at_level(box, level - 1), one.at_level(box, level), 1)
        factors = one.pyramid.whole_product(level, level - 1)
        form = one.pyramid.sum_form(level)
        is_samples = level - 1 == one.first and not one.sums_in
        return summed_up(carried, factors, form) if is_samples else summed_further(carried, factors, form)


def _written_too(read: Callable[[Box], Array], level: ChunkIO, box: Box) -> Array:
    """The samples of a box, which are written to a level."""
    samples = read(box)
    level.write(box, samples)
    return samples
