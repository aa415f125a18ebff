"""Levels and tiles: how a contraction walks an array so that its intermediates stay in cache.

A tile is to the cache what a chunk is to memory: a piece of the output that is computed from its own source box alone.
Tile sizes change no bit, so they may follow the machine and the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Interval, ceil_div
from vrdask.transforms.bands import Rows
from vrdask.transforms.resampling import Tables
from vrdask.transforms.sums import FEW

SCRATCH_BYTES = 512 * 1024
"""What a thread's intermediates may take: within the second-level cache of current processors, with room to spare."""
WIDE = 8
"""With many taps arithmetic is the limit, not memory: smaller tiles would compute their margins again and again."""
ROW_ELEMENTS = 1024
CHANNELS = 16
"""Fewer trailing samples than this count as channels and share a row with the last resampled axis."""
TILES_PER_THREAD = 6
FEWEST_TILES_PER_THREAD = 2
"""Where smaller tiles have more to do."""
LANES = 16
FEW_TAPS = 4
GROUP = 16
"""Outputs of a shrinking axis with more than `FEW_TAPS` taps that are contracted together: they share source slabs."""
SHORT = 32
"""Outputs per tile of a shrinking axis of few taps before the row: rows are read on while their memory is open."""
SHARED_ROWS = 256
"""Of which at most so many are converted to the accumulator once for all."""


@dataclass
class Dim:
    """One axis of the walk, outermost first.

    kind : loop, before, after, row or copy (kernels/contract/contract.h says what each does).
    size : outputs; of a row, times channels.
    rows : of the operator, where there is one. start, stop : source interval of each output position.
    by_parts : rows are sums of differences (`vrdask.transforms.sums`), also where no row here is long.
    """

    kind: str
    axis: int
    size: int
    tile: int
    rows: Rows | None = None
    start: npt.NDArray[np.int64] | None = None
    stop: npt.NDArray[np.int64] | None = None
    taps: int = 1
    channels: int = 1
    group: int = 1
    by_parts: bool = False

    @property
    def tiles(self) -> int:
        return ceil_div(self.size, self.tile)

    @property
    def max_reads(self) -> int:
        """The largest source interval of any tile, in source elements."""
        if self.start is None or self.stop is None:
            return self.tile
        begin = np.arange(0, self.size, self.tile)
        last = np.minimum(begin + self.tile, self.size) - 1
        return int((self.stop[last // self.channels] - self.start[begin // self.channels]).max()) * self.channels

    @property
    def group_reads(self) -> int:
        """The most source positions that `group` outputs in a row read together."""
        if self.start is None or self.stop is None:
            return 0
        begin = np.arange(len(self.start))
        return int((self.stop[np.minimum(begin + self.group, len(self.stop)) - 1] - self.start).max())

    @property
    def sums_few(self) -> bool:
        """Whether outputs weigh one or two samples as they are."""
        return self.taps <= FEW and not self.by_parts

    @property
    def costs(self) -> bool:
        """Whether two tiles of half the size have more to do: what lies between them twice, or a group cut in two."""
        return self.kind == "after" or self.tile <= self.group > 1

    @property
    def shares(self) -> bool:
        """Whether the outputs of a group read much of the same."""
        return self.group_reads < 0.75 * self.group * self.taps


def dims_of(stage: Tables, writes: tuple[Interval, ...], by_parts: bool = False) -> list[Dim]:
    """The axes of a stage with at least one operator, for an output box without empty sides.

    by_parts : of all axes whose rows are long.
    """
    sizes = [stop - start for start, stop in writes]
    last = max(axis for axis, op in enumerate(stage) if op is not None)
    trailing = prod(sizes[last + 1 :])
    dims = []
    for axis in range(last + 1):
        op = stage[axis]
        if op is None:
            dims.append(Dim("loop", axis, sizes[axis], sizes[axis]))
            continue
        dim = Dim("before" if op.n_out <= op.n_in else "after", axis, sizes[axis], sizes[axis])
        dim.rows = rows = op.rows(*writes[axis])
        dim.start, dim.stop, dim.taps = rows.start, rows.stop, int(rows.count.max())
        dim.by_parts = by_parts and op.longest > FEW
        if dim.taps > FEW_TAPS:
            dim.group = min(GROUP, sizes[axis])
            if not dim.shares:
                dim.group = 1
        dims.append(dim)
    if trailing < CHANNELS:
        if last > 0 and dims[-2].kind != "loop":
            dims[-2].group = min(GROUP, sizes[last - 1])
        row = dims[-1]
        row.kind, row.channels = "row", trailing
        row.size = row.tile = row.size * trailing
        if len(dims) > 2 and all(dim.kind == "before" and dim.sums_few for dim in dims[-3:-1]):
            dims[-3].kind = "pair"
    else:
        dims.append(Dim("copy", last + 1, trailing, trailing))
    return dims


def choose_tiles(dims: list[Dim], acc_bytes: int, threads: int) -> None:
    """Set every axis's tile: scratch within `SCRATCH_BYTES` where possible, and work enough for every thread."""
    row = dims[-1]
    row.tile = min(row.size, ROW_ELEMENTS)
    while row.tile > LANES and 2 * row.max_reads * acc_bytes > SCRATCH_BYTES:
        row.tile = ceil_div(row.tile, 2 * LANES) * LANES
    if [dim.kind for dim in dims[-3:]] in (["before", "row"], ["loop", "before", "row"]) and dims[-2].taps <= FEW_TAPS:
        dims[-2].tile = min(dims[-2].tile, SHORT)
    outermost = next(d for d, dim in enumerate(dims) if dim.start is not None)
    budget = SCRATCH_BYTES * (WIDE if dims[outermost].taps > FEW_TAPS else 1)
    while _scratch_elements(dims) * acc_bytes > budget:
        inner = [dim for dim in dims[outermost + 1 : -1] if dim.tile > 1]
        widest = max(inner, key=lambda dim: dim.tile, default=None)
        if widest is not None and (widest.tile > 4 or row.tile <= 512):
            widest.tile = ceil_div(widest.tile, 2)
        elif row.tile > 512 and len(dims) > outermost + 1:
            row.tile = ceil_div(row.tile, 2 * LANES) * LANES
        elif widest is not None:
            widest.tile = ceil_div(widest.tile, 2)
        else:
            break
    while threads > 1 and (tiles := prod(dim.tiles for dim in dims)) < threads * TILES_PER_THREAD:
        splittable = next((dim for dim in dims[:-1] if dim.tile > 1), None)
        if tiles >= threads * FEWEST_TILES_PER_THREAD and tiles % threads == 0 and splittable and splittable.costs:
            break
        if splittable is not None:
            splittable.tile = ceil_div(splittable.tile, 2)
        elif row.tile > 16 * LANES:
            row.tile = ceil_div(row.tile, 2 * LANES) * LANES
        else:
            break


def _scratch_elements(dims: list[Dim]) -> int:
    total = 0
    for d, dim in enumerate(dims[:-1]):
        if dim.kind == "pair":
            return total
        if dim.kind == "before":
            total += dim.group * prod(inner.max_reads for inner in dims[d + 1 :])
        elif dim.kind == "after":
            total += dim.group_reads * prod(min(inner.tile, inner.size) for inner in dims[d + 1 :])
    return total
