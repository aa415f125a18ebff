"""How much of a source a run decodes when it keeps some of the decoded chunks: pure arithmetic on plans.

Neighbours along the last axis follow each other: what they share is kept for a task or two. Neighbours along the axis
before are a row of blocks apart: what they share is kept along the whole row, and so on outwards. Each axis is either
spared, or its shared chunks are decoded again; or only margins are kept, which take little and spare half of it. A
chunk of which the beginning is needed is decoded that far, where its codec can: then margins are nearly all there is to
spare along the first axis. In columns layers and rows are smaller, and less is kept; their borders are decoded twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from vrdask.boxes import Edges, Index, ceil_div, longest
from vrdask.planning.plan import AxisPlan, ResamplePlan
from vrdask.planning.sharing import Keep, axis_sharing
from vrdask.planning.task_order import widths

COLUMNS_OF = 1 << 14
"""Tasks along an axis, times the stored chunks that each reads, for which all widths of columns are looked at; of more,
fewer in proportion, so that looking takes about as long.
"""
MOST_SHARED = 1 << 19
"""Where there are more of them, nothing is kept along the axis: to know what would take more than it spares."""


@dataclass(frozen=True)
class Decoding:
    """decoded : bytes of samples that a run decodes. cache : bytes of decoded chunks that it must keep for that.
    keep : for each axis, what it keeps. column : tasks along each axis of the columns in which they come.
    """

    decoded: int
    cache: int
    keep: tuple[Keep, ...]
    column: Index


class Way(NamedTuple):
    """What can be kept along an axis, in columns of so many tasks, and what comes of it: see `sharing.AxisSharing`."""

    keep: Keep
    column: int
    decoded: int
    decoded_rows: int
    held: int = 0
    ever: int = 0
    widest_ever: int = 0
    widest: int = 0


Known = dict[tuple[int, AxisPlan, bool], list[Way]]
"""The ways of some axes, by their numbers and plans, and whether they are cut into columns."""


def decodings(
    plan: ResamplePlan,
    concurrent: int,
    by_rows: bool,
    in_parts: bool = False,
    in_columns: bool = True,
    known: Known | None = None,
) -> list[Decoding]:
    """What can be had, from no cache on; each decodes less and keeps more than the one before.

    by_rows : whether a chunk can be decoded up to what is needed of it. in_parts : whether tasks read their boxes in
    several parts, between which they keep all that they share. in_columns : whether tasks may come in several
    columns. known : of earlier plans with the same stored chunks; what is found is added.
    """
    known = {} if known is None else known
    if plan.in_edges is None:
        return [Decoding(plan.bytes_read, 0, (Keep.NOTHING,) * len(plan.axes), plan.shape)]
    along: list[list[Way]] = []
    for number, (axis, edges) in enumerate(zip(plan.axes, plan.in_edges, strict=True)):
        inner = any(len(ways) > 1 for ways in along)  # nothing is spared by cutting the outermost axis that shares
        key = number, axis, inner and in_columns
        if key not in known:
            known[key] = _ways(axis, edges, inner and in_columns)
        along.append(known[key])
    stored = list(map(longest, plan.in_edges))
    rows = next((axis for axis, size in enumerate(stored) if size > 1), 0) if by_rows else None
    itemsize = plan.resampling.in_dtype.itemsize
    found = []
    for axes in product(*along):
        keep, column = tuple(one.keep for one in axes), tuple(one.column for one in axes)
        cut = rows is not None and not any(keep[:rows])  # what is kept for the axes before may be all of the chunk
        decoded = prod(one.decoded_rows if cut and axis == rows else one.decoded for axis, one in enumerate(axes))
        cache = _held(axes, concurrent) + (concurrent * plan.peak_read_bytes // itemsize if in_parts else 0)
        found.append(Decoding(itemsize * decoded, itemsize * cache, keep, column))
    best: list[Decoding] = []
    for one in sorted(found, key=lambda one: (one.cache, one.decoded)):
        if not best or one.decoded < best[-1].decoded:
            best.append(one)
    return best


def _ways(axis: AxisPlan, edges: Edges, in_columns: bool) -> list[Way]:
    """What can be kept along an axis that makes a difference."""
    first = np.searchsorted(edges, axis.reads_start, side="right") - 1
    last = np.searchsorted(edges, axis.reads_stop, side="left")
    shared = int(np.maximum(last - first, 0).sum())
    if shared > MOST_SHARED:
        lengths = edges[last] - edges[first]
        decoded, most = int(lengths.sum()), int(lengths.max())
        return [Way(Keep.NOTHING, len(axis), decoded, decoded, ever=int(edges[-1]), widest_ever=most, widest=most)]
    sizes = widths(len(axis))[:: ceil_div(max(shared, 1), COLUMNS_OF)] if in_columns else [len(axis)]
    nothing, _ = _way(axis, edges, Keep.NOTHING, len(axis))
    ways = [nothing]
    for size in sizes:
        most = 0
        for keep in (Keep.MARGINS, Keep.ALL):
            one, found = _way(axis, edges, keep, size)
            if found > most:
                most = found
                ways.append(one)
    return ways


def _way(axis: AxisPlan, edges: Edges, keep: Keep, column: int) -> tuple[Way, int]:
    """A way, and how many times it spares a chunk."""
    one = axis_sharing(axis, edges, keep, column)
    way = Way(keep, column, one.decoded, one.decoded_rows, one.held, one.ever, one.widest_ever, one.widest)
    return way, int(one.found.sum())


def _held(axes: Sequence[Way], concurrent: int) -> int:
    """Samples that are kept at a time: along each axis, for a layer of tasks along those after it; and as much again
    for the row of the layer, and the tasks, that are being done: there, what was kept is needed still and what is kept
    for the next layer is there already.
    """
    held = 0
    for axis, one in enumerate(axes):
        inner = axes[axis + 1 :]
        layer = prod(other.ever for other in inner)
        row = prod(other.widest_ever for other in inner[:1]) * prod(other.ever for other in inner[1:])
        done = (concurrent - 1) * prod(other.widest_ever for other in inner)
        held += prod(outer.widest for outer in axes[:axis]) * one.held * (layer + row + done)
    return held
