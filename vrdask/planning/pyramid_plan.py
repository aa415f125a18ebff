"""How a pyramid is cut up (see `pyramid_passes`), and what that takes: how far a pass reaches, what it reads at once.
Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from math import lcm, prod
from typing import Any

from vrdask.boxes import ceil_div, regular_edges
from vrdask.planning.choose_blocks import CACHE_BYTES_PER_THREAD, DEFAULT_BYTES_PER_THREAD, plan_blocks
from vrdask.planning.pyramid_passes import Cell, Pass, ResamplePass, Stored, Writes, aligned, held, unfinished
from vrdask.storage.costs import PLAIN, TransferCost
from vrdask.text import by_axis, counted, format_bytes
from vrdask.transforms.pyramid import Pyramid
from vrdask.transforms.resampling import Resampling

BLOCK_BYTES = 256 << 20
"""Of the level that a pass begins with: blocks reach as far as these take them. What a killed run has to do again."""
PART_BYTES = 32 << 20
"""Of the cells that are read at once, at most, where chunks allow it."""
SMALL_TASK_BYTES = 8 << 20
TASKS_PER_THREAD = 4
WORTH_KEEPING = 1.01
"""Decoding so much more is better than a cache that would spare it."""


@dataclass(frozen=True)
class PyramidPlan:
    """The passes of a pyramid, their tasks numbered one after the other, and what they take.

    concurrent : threads of a process. shares : of each pass, whether they share the cells of a task; else each has a
    task. in_chunk : of the source; None where any sample can be read alone. room : bytes that tasks leave of the limit.
    """

    pyramid: Pyramid
    passes: tuple[Pass | ResamplePass, ...]
    concurrent: int
    shares: tuple[bool, ...]
    reading: TransferCost = PLAIN
    in_chunk: tuple[int, ...] | None = None
    limit: int = 0

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The number of each pass's first task, and how many tasks there are."""
        return tuple(accumulate(map(len, self.passes), initial=0))

    def __len__(self) -> int:
        return self.starts[-1]

    def place(self, number: int) -> tuple[int, int]:
        """The pass of a task, and its number there."""
        which = next(k for k in range(len(self.passes)) if number < self.starts[k + 1])
        return which, number - self.starts[which]

    def writes(self, number: int) -> list[Writes]:
        """What a task writes."""
        which, inner = self.place(number)
        return self.passes[which].writes(inner)

    def passed(self, number: int) -> int:
        """Bytes that count for a task in `passed_in_all`."""
        which, inner = self.place(number)
        return self.passes[which].passed(inner)

    @property
    def passed_in_all(self) -> int:
        return sum(one.passed_in_all for one in self.passes)

    @property
    def sums_at(self) -> tuple[int, ...]:
        """Levels of which sums are stored for the next pass."""
        return tuple(one.last for one in self.passes if isinstance(one, Pass) and one.sums_out)

    @property
    def blocks(self) -> list[Any]:
        """What a run that goes on from this one has to cut up alike: JSON."""
        return [
            [[one.first, one.last, cell.level, *cell.sizes] for cell in one.cells]
            if isinstance(one, Pass) else list(one.block)
            for one in self.passes
        ]  # fmt: skip

    def tasks_at_once(self, which: int) -> int:
        """Of a pass, in one process."""
        one = self.passes[which]
        if isinstance(one, ResamplePass):
            return one.run.tasks_at_once
        return min(2 if self.shares[which] else self.concurrent, max(len(one), 1))

    @property
    def peak_bytes(self) -> int:
        """Bound on what one process holds at a time, beyond the interpreter and its libraries."""
        return max((self.peak_of(k) + self.cache_bytes(k) for k in range(len(self.passes))), default=0)

    def peak_of(self, which: int) -> int:
        """The same of a pass, without a cache."""
        one, tasks = self.passes[which], self.tasks_at_once(which)
        if isinstance(one, ResamplePass):
            return one.run.peak_bytes
        reading = self.reading if not one.first else one.stored[one.first].writing
        part, inner, outer = held(one, reading)
        threads = self.concurrent if self.shares[which] else tasks
        return threads * (part + inner) + tasks * outer + unfinished(one, threads)

    def cache_bytes(self, which: int) -> int:
        """For decoded chunks of the source, where cells share some."""
        if which or self.passes[0].first or self.amplification <= WORTH_KEEPING:
            return 0
        return max(0, min(self.limit - self.peak_of(0), self.concurrent * CACHE_BYTES_PER_THREAD))

    @property
    def amplification(self) -> float:
        """How many times a sample of the source is decoded where none are kept from cell to cell."""
        first = self.passes[0] if self.passes else None
        if not isinstance(first, Pass) or first.first or self.in_chunk is None:
            return 1.0
        along = zip(self.pyramid.shapes[0], first.cells[0].sizes, self.in_chunk, strict=True)
        return prod(_decoded(n, size, chunk) / n if n else 1.0 for n, size, chunk in along)

    @property
    def bytes_written(self) -> int:
        """Of all levels that are written, decoded."""
        written = {level for one in self.passes for level in one.written}
        return sum(prod(self.pyramid.shapes[level]) for level in written) * self.pyramid.dtype.itemsize

    def __str__(self) -> str:
        rows = []
        for k, one in enumerate(self.passes):
            of = "the source" if not one.first else f"what is stored of level {one.first}"
            if isinstance(one, ResamplePass) and not one.first and k:
                of = "what is stored of level 0"
            shared = ", whose cells threads share" if self.shares[k] else ""
            tasks = f"{counted(len(one), 'task')} of up to {by_axis(one.block)}{shared}"
            rows.append(("levels " + ", ".join(map(str, one.written)), f"of {of}: {tasks}"))
        read = prod(self.pyramid.shapes[0]) * self.pyramid.dtype.itemsize
        rows += [
            ("bytes read", f"{format_bytes(read)} (at most {self.amplification:.2f} times)"),
            ("bytes written", format_bytes(self.bytes_written)),
            ("peak bytes", f"{format_bytes(self.peak_bytes)} in a process, codecs included"),
        ]
        return "\n".join(f"{name:<20}{value}" for name, value in rows)

    def __repr__(self) -> str:
        return f"<PyramidPlan {self.pyramid.mode} {' -> '.join(map(by_axis, self.pyramid.shapes))}; {len(self)} tasks>"


def plan_pyramid(
    pyramid: Pyramid,
    stored: Sequence[Stored],
    concurrent: int = 1,
    memory_limit: int | None = None,
    in_chunk: Sequence[int] | None = None,
    reading: TransferCost = PLAIN,
    *,
    copies: bool = True,
    shares: bool = True,
    blocks: Sequence[Any] | None = None,
) -> PyramidPlan:
    """Cut a pyramid into passes and tasks.

    stored : of every level. memory_limit : bytes for a process. in_chunk : sizes of the source's stored chunks.
    copies : whether level 0 is written. shares : whether threads may share a task. blocks : of an earlier plan of the
    run, as its `blocks`.

    Raises
    ------
    ValueError
        The limit cannot be met; says the smallest that can.
    """
    chunk = None if in_chunk is None else tuple(in_chunk)
    chooser = _Chooser(pyramid, tuple(stored), concurrent, memory_limit, chunk, reading, shares, copies)
    passes: list[Pass | ResamplePass] = []
    given = iter(blocks or ())
    first = -1 if copies else 0
    while first < pyramid.levels:
        before = next(given) if blocks is not None else None
        if first >= 0 and not pyramid.in_blocks:
            passes.append(chooser.resampled(first, before))
        elif before is not None:
            passes.append(chooser.again(before, first < 0))
        else:
            passes.append(chooser.next_pass(max(first, 0), first < 0))
        first = passes[-1].last
    found = chooser.planned(passes)
    if memory_limit is not None and found.peak_bytes > memory_limit:
        raise ValueError(
            f"memory_limit must be at least {found.peak_bytes} bytes ({format_bytes(found.peak_bytes)}) for "
            f"{counted(concurrent, 'thread')} that write whole chunks of every level; got {memory_limit}: use fewer "
            "threads, or smaller chunks or shards"
        )
    return found


@dataclass(frozen=True)
class _Chooser:
    """What is to be planned (see `plan_pyramid`)."""

    pyramid: Pyramid
    stored: tuple[Stored, ...]
    concurrent: int
    memory_limit: int | None
    in_chunk: tuple[int, ...] | None
    reading: TransferCost
    may_share: bool
    copies: bool

    @property
    def limit(self) -> int:
        return self.concurrent * DEFAULT_BYTES_PER_THREAD if self.memory_limit is None else self.memory_limit

    def planned(self, passes: Sequence[Pass | ResamplePass]) -> PyramidPlan:
        """The plan of some passes, which hand on sums where there are such."""
        sums = self.pyramid.sums
        linked = [
            replace(one, sums_in=sums and one.first > 0, sums_out=sums and k + 1 < len(passes) and one.last > 0)
            if isinstance(one, Pass) else one
            for k, one in enumerate(passes)
        ]  # fmt: skip
        shares = tuple(map(self._shares, linked))
        return PyramidPlan(
            self.pyramid, tuple(linked), self.concurrent, shares, self.reading, self.in_chunk, self.limit
        )

    def resampled(self, first: int, block: Sequence[int] | None) -> ResamplePass:
        """The pass that resamples a level."""
        step, after = self.pyramid.steps[first], self.stored[first + 1]
        assert isinstance(step, Resampling)
        chunk = self.in_chunk if not first and not self.copies else self.stored[first].chunk
        edges = None if chunk is None else tuple(
            regular_edges(n, c, "the source's chunks") for n, c in zip(step.in_shape, chunk, strict=True)
        )  # fmt: skip
        reading = self.reading if not first and not self.copies else self.stored[first].reading
        return ResamplePass(first, plan_blocks(
            step, after.unit, after.chunk, edges, self.concurrent, self.memory_limit, block, reading, after.writing,
            self.may_share,
        ))  # fmt: skip

    def again(self, cells: Sequence[Sequence[int]], copies: bool) -> Pass:
        """A pass from what an earlier plan has said of it."""
        first, last = int(cells[0][0]), int(cells[0][1])
        given = tuple(Cell(int(level), tuple(map(int, sizes))) for _, _, level, *sizes in cells)
        return Pass(self.pyramid, self.stored, first, last, copies, given)

    def next_pass(self, first: int, copies: bool) -> Pass:
        """The pass that goes furthest with blocks of a bounded size, and in the memory there is."""
        if not self.pyramid.in_blocks:
            return self._grown(self._reaching(first, first, copies))
        lowest = min(first + 1, self.pyramid.levels)
        best = self._reaching(first, lowest, copies)
        for last in range(lowest + 1, self.pyramid.levels + 1):
            further = self._reaching(first, last, copies)
            if further.block != best.block and (
                self._bytes(first, further.block) > BLOCK_BYTES or self._peak(further) > self.limit
                or not self._is_busy(further)
            ):  # fmt: skip
                break
            best = further
        return self._grown(best)

    def _is_busy(self, one: Pass) -> bool:
        """Whether there is work for all threads: tasks, or cells of a task that they may share."""
        cells = len(one) * prod(ceil_div(b, c) for b, c in zip(one.block, one.cells[0].sizes, strict=True))
        return (cells if self.may_share else len(one)) >= TASKS_PER_THREAD * self.concurrent

    def _reaching(self, first: int, last: int, copies: bool) -> Pass:
        """The pass that makes some levels, in the smallest blocks, with cells from the largest that are read at once to
        these.
        """
        block = aligned(self.pyramid, self.stored, first, last, copies, True)
        lowest = first if copies and last == first else min(first + 1, last)
        cells = [
            Cell(level, aligned(self.pyramid, self.stored, first, level, copies, False))
            for level in range(lowest, last + 1)
        ]
        while len(cells) > 1 and self._bytes(first, cells[1].sizes) <= PART_BYTES:
            cells.pop(0)
        cells[0] = self._read_cell(first, cells[0], block)
        kept = [cells[0]]
        for one in (*cells[1:], Cell(last, block)):
            sizes = tuple(
                min(n, lcm(a, b)) for n, a, b in zip(self.pyramid.shapes[first], kept[-1].sizes, one.sizes, strict=True)
            )
            if sizes == kept[-1].sizes:
                kept[-1] = Cell(one.level, sizes)
            else:
                kept.append(Cell(one.level, sizes))
        return Pass(self.pyramid, self.stored, first, last, copies, tuple(kept), bool(self.pyramid.sums and first))

    def _read_cell(self, first: int, cell: Cell, block: tuple[int, ...]) -> Cell:
        """A cell, larger where that spares decoding the chunks that it reads more than once."""
        stored = self.in_chunk if not first else self.stored[first].chunk
        if stored is None:
            return cell
        sizes = list(cell.sizes)
        for axis in reversed(range(len(sizes))):
            n, chunk = self.pyramid.shapes[first][axis], stored[axis]
            if sizes[axis] < n and sizes[axis] % chunk:
                whole = min(n, lcm(sizes[axis], chunk))
                candidate = [*sizes[:axis], whole, *sizes[axis + 1 :]]
                if self._bytes(first, candidate) <= PART_BYTES:
                    sizes = candidate
        return replace(cell, sizes=tuple(sizes))

    def _grown(self, found: Pass) -> Pass:
        """A pass of one cell, in larger blocks while those are small and there are enough of them."""
        while True:
            block, shape = found.block, self.pyramid.shapes[found.first]
            axes = [axis for axis in range(len(block)) if block[axis] < shape[axis]]
            if not axes or self._bytes(found.first, block) >= SMALL_TASK_BYTES:
                return found
            axis = min(axes, key=lambda axis: (block[axis], -axis))
            larger = [min(n, 2 * b) if k == axis else b for k, (n, b) in enumerate(zip(shape, block, strict=True))]
            cell = replace(found.cells[-1], sizes=tuple(larger))
            grown = replace(found, cells=(cell,) if len(found.cells) == 1 else (*found.cells[:-1], cell))
            if len(grown) < TASKS_PER_THREAD * self.concurrent or self._peak(grown) > self.limit:
                return found
            found = grown

    def _shares(self, one: Pass | ResamplePass) -> bool:
        """Whether threads share the cells of a task: where tasks are few, and each has many."""
        if isinstance(one, ResamplePass):
            return one.run.shares_pieces
        if not self.may_share or self.concurrent == 1 or len(one.cells) < 2:
            return False
        cells = prod(ceil_div(b, c) for b, c in zip(one.block, one.cells[-2].sizes, strict=True))
        return len(one) < TASKS_PER_THREAD * self.concurrent and cells > 1

    def _peak(self, one: Pass) -> int:
        return self.planned([one]).peak_of(0)

    def _bytes(self, level: int, sizes: Sequence[int]) -> int:
        clipped = (min(size, n) for size, n in zip(sizes, self.pyramid.shapes[level], strict=True))
        return prod(clipped) * self.pyramid.dtype.itemsize


def _decoded(n: int, size: int, chunk: int) -> int:
    """Samples along an axis that are decoded for cells of a size, in whole chunks."""
    return sum(
        min(n, chunk * ceil_div(min(start + size, n), chunk)) - start // chunk * chunk for start in range(0, n, size)
    )
