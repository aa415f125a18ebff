"""How much of a source a run decodes when it keeps some of the decoded chunks: pure arithmetic on plans.

Blocks come in C order and overlap in what they read. Neighbours along the last axis follow each other, so a cache of
what they share spares it. Neighbours along the axis before are a whole row of blocks apart: a cache that outlives the
row spares what those share, too; and so on. A chunk is let go when all blocks that share it have read it. With nothing
kept every block decodes all that it touches.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from vrdask.intervals import Edges, union_length
from vrdask.operators import Indices
from vrdask.plan import AxisPlan, ResamplePlan


@dataclass(frozen=True)
class Decoding:
    """decoded : bytes of samples that a run decodes. cache : bytes of decoded chunks that it must keep for that.
    reused : the first axis along which blocks find in the cache what they share with their neighbours.
    """

    decoded: int
    cache: int
    reused: int


@dataclass(frozen=True)
class _Axis:
    """What blocks read along an axis, in samples of whole stored chunks: all of them together, what is touched at all,
    the widest block, the widest step to the next block's end, and most that lies on both sides of an end of a block.
    """

    together: int
    touched: int
    widest: int
    step: int
    shared: int


def decodings(plan: ResamplePlan, concurrent: int, at_once: bool = True) -> list[Decoding]:
    """What can be had, from no cache on; each decodes less and keeps more than the one before.

    at_once : whether a block reads each stored chunk once; else all that it reads stays until it is done.
    """
    axes = [_axis(plan, number) for number in range(len(plan.axes))]
    itemsize = plan.resampling.in_dtype.itemsize
    found = [Decoding(itemsize * prod(axis.together for axis in axes), 0, len(axes))]
    awaited = 0
    for first in reversed(range(len(axes))):
        reused, outer, inner = axes[first], axes[:first], axes[first + 1 :]
        # Shared with the neighbours along this axis: of each block of a row what lies at one of its ends, of those
        # that are being done both ends. Shared with neighbours in the row alone: as without this axis.
        ends = prod(axis.touched for axis in inner) + concurrent * prod(axis.widest for axis in inner)
        awaited = reused.shared * ends + reused.widest * awaited
        if reused.together == reused.touched:
            continue
        further = concurrent - 1 if first == len(axes) - 1 else 1
        window = min(reused.touched, reused.widest + further * reused.step) * prod(axis.touched for axis in inner)
        decoded = prod(axis.together for axis in outer) * prod(axis.touched for axis in axes[first:])
        block = 0 if at_once else concurrent * prod(axis.widest for axis in axes[first:])
        kept = prod(axis.widest for axis in outer) * min(awaited + block, window)
        found.append(Decoding(itemsize * decoded, itemsize * kept, first))
    return found


def readers(plan: ResamplePlan, reused: int) -> tuple[Indices, ...]:
    """How often each stored chunk is read while it is kept: the product, over the axes, of these numbers of the chunks
    along them. Along axes before `reused` nothing is kept for the next block.
    """
    assert plan.in_edges is not None
    return tuple(
        _readers(axis, edges) if number >= reused else np.ones(len(edges) - 1, np.int64)
        for number, (axis, edges) in enumerate(zip(plan.axes, plan.in_edges, strict=True))
    )


def _readers(axis: AxisPlan, edges: Edges) -> Indices:
    """How many chunks of a plan's axis read in each stored chunk."""
    change = np.zeros(len(edges) + 1, np.int64)
    np.add.at(change, np.searchsorted(edges, axis.reads_start, side="right") - 1, 1)
    np.add.at(change, np.searchsorted(edges, axis.reads_stop, side="left"), -1)
    return np.cumsum(change)[: len(edges) - 1]


def _axis(plan: ResamplePlan, number: int) -> _Axis:
    start, stop = plan.decoded(number)
    return _Axis(
        together=int((stop - start).sum()),
        touched=union_length(start, stop),
        widest=int((stop - start).max(initial=0)),
        step=int(np.diff(stop).max(initial=0)),
        shared=int((stop[:-1] - start[1:]).max(initial=0)),
    )
