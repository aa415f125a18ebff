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

from vrdask.columns import Index, widths
from vrdask.intervals import Edges, longest
from vrdask.plan import AxisPlan, ResamplePlan
from vrdask.sharing import AxisSharing, Keep, axis_sharing


@dataclass(frozen=True)
class Decoding:
    """decoded : bytes of samples that a run decodes. cache : bytes of decoded chunks that it must keep for that.
    keep : for each axis, what it keeps. column : tasks along each axis of the columns in which they come.
    """

    decoded: int
    cache: int
    keep: tuple[Keep, ...]
    column: Index


def decodings(
    plan: ResamplePlan, concurrent: int, by_rows: bool, in_parts: bool = False, in_columns: bool = True
) -> list[Decoding]:
    """What can be had, from no cache on; each decodes less and keeps more than the one before.

    by_rows : whether a chunk can be decoded up to what is needed of it. in_parts : whether tasks read their boxes in
    several parts, between which they keep all that they share. in_columns : whether tasks may come in several
    columns.
    """
    if plan.in_edges is None:
        return [Decoding(plan.bytes_read, 0, (Keep.NOTHING,) * len(plan.axes), plan.shape)]
    along: list[list[tuple[Keep, int, AxisSharing]]] = []
    for axis, edges in zip(plan.axes, plan.in_edges, strict=True):
        inner = any(len(ways) > 1 for ways in along)  # nothing is spared by cutting the outermost axis that shares
        along.append(_ways(axis, edges, widths(len(axis)) if inner and in_columns else [len(axis)]))
    stored = list(map(longest, plan.in_edges))
    rows = next((axis for axis, size in enumerate(stored) if size > 1), 0) if by_rows else None
    itemsize = plan.resampling.in_dtype.itemsize
    found = []
    for axes in product(*along):
        keep, column, sharings = zip(*axes, strict=True) if axes else ((), (), ())
        cut = rows is not None and not any(keep[:rows])  # what is kept for the axes before may be all of the chunk
        decoded = prod(one.decoded_rows if cut and axis == rows else one.decoded for axis, one in enumerate(sharings))
        cache = _held(sharings, concurrent) + (concurrent * plan.peak_read_bytes // itemsize if in_parts else 0)
        found.append(Decoding(itemsize * decoded, itemsize * cache, keep, column))
    best: list[Decoding] = []
    for one in sorted(found, key=lambda one: (one.cache, one.decoded)):
        if not best or one.decoded < best[-1].decoded:
            best.append(one)
    return best


def _ways(axis: AxisPlan, edges: Edges, sizes: Sequence[int]) -> list[tuple[Keep, int, AxisSharing]]:
    """What can be kept along an axis that makes a difference, in columns of these sizes."""
    ways: list[tuple[Keep, int, AxisSharing]] = []
    nothing = axis_sharing(axis, edges, Keep.NOTHING, len(axis))
    for size in sizes:
        most = 0
        for keep in (Keep.MARGINS, Keep.ALL):
            one = axis_sharing(axis, edges, keep, size)
            if one.found.sum() > most:
                most = int(one.found.sum())
                ways.append((keep, size, one))
    return [(Keep.NOTHING, len(axis), nothing), *ways]


def _held(axes: Sequence[AxisSharing], concurrent: int) -> int:
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
