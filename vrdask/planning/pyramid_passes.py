"""The plan of a pyramid: one read of the source for all levels, every write unit made by one task. Pure.

    level 0   |. . . . . . . .|. . . . . . . .|      a block: what a task makes, in whole write units of every level
    level 1   |.   .   .   .  |.   .   .   .  |      that it reaches
    level 2   |.       .      |.       .      |
    level 3   |.               .              |      of what is stored of level 2

A sample of a level stands for a block of samples of level 0, so that a box of level 0 that begins and ends at multiples
of a level's product of factors holds all that a box of that level is made of, and nothing else. A *pass* makes some
levels of an earlier one, in tasks that know nothing of each other. A task's block is whole write units (shards or
chunks) of every level of its pass; it goes through cells within cells, each of whole chunks of one more level: the
smallest is read at once, and when the cells within a cell are done, what they have left (samples, or unrounded sums) is
there to make the next level of. So what is held is a box of each level, however large the block.

The higher levels of a large array need blocks so large that tasks would be few, and lost work much. So a pass ends at
the highest level that blocks of a bounded size reach; the next one begins with what is stored of it: samples, and where
unrounded sums go on, these (`sums_at`), in scratch beside the run's record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import lcm, prod

from vrdask.boxes import Box, ceil_div, shape_of, size_of
from vrdask.planning.run_plan import RunPlan
from vrdask.storage.costs import PLAIN, TransferCost
from vrdask.transforms.pyramid import Pyramid

CODEC_BYTES = 3 << 20
SUMMING_COPIES = 3
"""Of sums, while they are made axis by axis, and of what is stored, while they are rounded."""


@dataclass(frozen=True)
class Stored:
    """How a level is stored: sizes of its chunks, and of what one task writes whole; what writing and reading take."""

    chunk: tuple[int, ...]
    unit: tuple[int, ...]
    writing: TransferCost = PLAIN
    reading: TransferCost = PLAIN


@dataclass(frozen=True)
class Cell:
    """A box in samples of the level that a pass begins with: of whole chunks of all levels up to `level`."""

    level: int
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Writes:
    """What a task writes of a level; sums : rather than what is stored of them."""

    level: int
    box: Box
    sums: bool = False


@dataclass(frozen=True)
class Pass:
    """Levels made of an earlier one.

    first : that they are made of. last : of them. copies : whether the first is written, too. cells : from what is read
    at once to what a task makes, each of whole ones of those before. stored : of all levels.
    sums_out : whether the sums of the last level are stored for the next pass. sums_in : whether the first is sums.
    """

    pyramid: Pyramid
    stored: tuple[Stored, ...]
    first: int
    last: int
    copies: bool
    cells: tuple[Cell, ...]
    sums_in: bool = False
    sums_out: bool = False

    @property
    def block(self) -> tuple[int, ...]:
        return self.cells[-1].sizes

    @property
    def shape(self) -> tuple[int, ...]:
        """Tasks along each axis."""
        return tuple(ceil_div(n, b) for n, b in zip(self.pyramid.shapes[self.first], self.block, strict=True))

    def __len__(self) -> int:
        return prod(self.shape)

    @property
    def written(self) -> range:
        """The levels that are written."""
        return range(self.first if self.copies else self.first + 1, self.last + 1)

    def box(self, number: int) -> Box:
        """What a task has of the first level."""
        index: list[int] = []
        for size in reversed(self.shape):
            number, k = divmod(number, size)
            index.append(k)
        sizes = zip(reversed(index), self.block, self.pyramid.shapes[self.first], strict=True)
        return tuple((k * b, min((k + 1) * b, n)) for k, b, n in sizes)

    def at_level(self, box: Box, level: int) -> Box:
        """The box of a level that is made of a box of the first one."""
        factors = self.pyramid.whole_product(level, self.first)
        return tuple((a // f, ceil_div(b, f)) for (a, b), f in zip(box, factors, strict=True))

    def passed(self, number: int) -> int:
        """Bytes of what a task begins with."""
        return size_of(self.box(number)) * self.pyramid.dtype.itemsize

    @property
    def passed_in_all(self) -> int:
        return prod(self.pyramid.shapes[self.first]) * self.pyramid.dtype.itemsize

    def numbers(self) -> Iterator[int]:
        """The tasks in the order in which they come."""
        return iter(range(len(self)))

    def writes(self, number: int) -> list[Writes]:
        """What a task writes."""
        box = self.box(number)
        found = [Writes(level, self.at_level(box, level)) for level in self.written]
        return [*found, *([Writes(self.last, self.at_level(box, self.last), True)] if self.sums_out else [])]

    def within(self, box: Box, cell: int) -> list[Box]:
        """The cells of one kind in a cell of the next larger one; nested, so that chunks of the same shard follow each
        other.
        """
        sizes, order = self.cells[cell].sizes, self._units_between(cell)
        cuts = [
            [(at, min(at + size, stop)) for at in range(start, stop, size)]
            for (start, stop), size in zip(box, sizes, strict=True)
        ]
        found = list(product(*cuts))
        if order:
            found.sort(key=lambda one: [[a // u for (a, _), u in zip(one, unit, strict=True)] for unit in order])
        return found

    def _units_between(self, cell: int) -> list[tuple[int, ...]]:
        """Shards of the levels below a cell of the next larger kind, the largest first."""
        levels = [level for level in self.written if self.stored[level].unit != self.stored[level].chunk]
        return [aligned(self.pyramid, self.stored, self.first, level, self.copies, True)
                for level in reversed(levels) if level <= self.cells[cell + 1].level]  # fmt: skip


@dataclass(frozen=True)
class ResamplePass:
    """A level resampled from the one before: a run like any other, of what is stored."""

    first: int
    run: RunPlan

    @property
    def last(self) -> int:
        return self.first + 1

    @property
    def written(self) -> range:
        return range(self.last, self.last + 1)

    @property
    def block(self) -> tuple[int, ...]:
        return self.run.block

    def __len__(self) -> int:
        return len(self.run.plan)

    def passed(self, number: int) -> int:
        """Bytes of what a task makes."""
        return size_of(self.run.plan[number].writes) * self.run.transform.out_dtype.itemsize

    @property
    def passed_in_all(self) -> int:
        return self.run.plan.bytes_written

    def numbers(self) -> Iterator[int]:
        """The tasks in the order in which they come."""
        return self.run.numbers()

    def writes(self, number: int) -> list[Writes]:
        """What a task writes."""
        return [Writes(self.last, self.run.plan[number].writes)]


def aligned(
    pyramid: Pyramid, stored: Sequence[Stored], first: int, last: int, copies: bool, units: bool
) -> tuple[int, ...]:
    """Sizes, in samples of a level, of the smallest boxes that are whole chunks, or units, of it and of those after it;
    an axis as a whole where it is shorter.
    """
    sizes = [1] * len(pyramid.shapes[0])
    for level in range(first if copies else min(first + 1, last), last + 1):
        form, factors = stored[level], pyramid.whole_product(level, first)
        sizes = [lcm(s, c * f) for s, c, f in zip(sizes, form.unit if units else form.chunk, factors, strict=True)]
    return tuple(min(max(n, 1), size) for n, size in zip(pyramid.shapes[first], sizes, strict=True))


def held(one: Pass, reading: TransferCost) -> tuple[int, int, int]:
    """Bounds on what a cell that is read takes, on what is held of the cells around it, and of the largest."""
    pyramid, first = one.pyramid, one.first
    shape = pyramid.shapes[first]

    def samples(cell: Cell, level: int) -> int:
        box = tuple((0, min(size, n)) for size, n in zip(cell.sizes, shape, strict=True))
        return prod(shape_of(one.at_level(box, level)))

    cell = one.cells[0]
    carried = pyramid.sum_form(first).itemsize if one.sums_in else pyramid.dtype.itemsize
    part = reading.bytes_of(samples(cell, first) * carried)
    encoded = max((one.stored[level].writing.bytes_of(0) for level in one.written), default=0)
    part += encoded + CODEC_BYTES
    for level in range(first + 1, cell.level + 1):
        part += SUMMING_COPIES * samples(cell, level) * (pyramid.carried_bytes(level) + pyramid.dtype.itemsize)
    around = []
    for below, cell in zip(one.cells, one.cells[1:], strict=False):
        held = samples(cell, below.level) * (pyramid.carried_bytes(below.level) if below.level > first else carried)
        for level in range(below.level + 1, cell.level + 1):
            held += SUMMING_COPIES * samples(cell, level) * (pyramid.carried_bytes(level) + pyramid.dtype.itemsize)
        around.append(held)
    return part, sum(around[:-1]), around[-1] if around else 0


def unfinished(one: Pass, concurrent: int) -> int:
    """Bound on the encoded chunks of unfinished shards."""
    taken = 0
    for level in one.written:
        form = one.stored[level]
        shard = prod(min(u, n) for u, n in zip(form.unit, one.pyramid.shapes[level], strict=True))
        most = min(prod(one.pyramid.shapes[level]), (concurrent + 1) * shard)
        taken += form.writing.shard_copies * most * one.pyramid.dtype.itemsize
    return taken
