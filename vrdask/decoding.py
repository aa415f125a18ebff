"""How much of a source a run decodes when it keeps some of the decoded chunks: pure arithmetic on plans.

Blocks come in C order and overlap in what they read. Neighbours along the last axis follow each other, so a cache of
one block's chunks spares what they share. Neighbours along the axis before are a whole row of blocks apart: a cache
that outlives the row spares what those share, too; and so on. With nothing kept every block decodes all that it
touches.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from vrdask.intervals import union_length
from vrdask.plan import ResamplePlan


@dataclass(frozen=True)
class Decoding:
    """decoded : bytes of samples that a run decodes. cache : bytes of decoded chunks that it must keep for that."""

    decoded: int
    cache: int


@dataclass(frozen=True)
class _Axis:
    """What blocks read along an axis, in samples of whole stored chunks: all of them together, what is touched at all,
    the widest block, and the widest step to the next block's end.
    """

    together: int
    touched: int
    widest: int
    step: int


def decodings(plan: ResamplePlan, concurrent: int) -> list[Decoding]:
    """What can be had, from no cache on; each decodes less and keeps more than the one before."""
    axes = [_axis(plan, number) for number in range(len(plan.axes))]
    itemsize = plan.resampling.in_dtype.itemsize
    found = [Decoding(itemsize * prod(axis.together for axis in axes), 0)]
    for first in reversed(range(len(axes))):
        reused = axes[first]
        if reused.together == reused.touched:
            continue
        at_once = concurrent - 1 if first == len(axes) - 1 else 1
        window = min(reused.touched, reused.widest + at_once * reused.step)
        outer, inner = axes[:first], axes[first + 1 :]
        decoded = prod(axis.together for axis in outer) * prod(axis.touched for axis in axes[first:])
        kept = prod(axis.widest for axis in outer) * window * prod(axis.touched for axis in inner)
        found.append(Decoding(itemsize * decoded, itemsize * kept))
    return found


def _axis(plan: ResamplePlan, number: int) -> _Axis:
    start, stop = plan.decoded(number)
    return _Axis(
        together=int((stop - start).sum()),
        touched=union_length(start, stop),
        widest=int((stop - start).max(initial=0)),
        step=int(np.diff(stop).max(initial=0)),
    )
