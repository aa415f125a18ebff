"""Apply a fixed-point resampling to a box whose samples come in pieces, such as the chunks that a codec decodes.

Each piece is filtered along its rows when it comes, while it is still in a cache; what this leaves is put together, for
the pass down the columns. Outputs whose taps lie in two pieces are filtered at the end, from a seam: the columns of
both that they weigh, of all rows of the box.

        pieces      |...............|...............|
        a seam                  |.......|
        its outputs                 x x
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vrdask.apply_fixed import run_call
from vrdask.fixed_passes import Call, between_pieces
from vrdask.intervals import Box, Interval, shape_of, within
from vrdask.operators import Operator
from vrdask.resampling import Resampling
from vrdask.reuse import Empty

Array = npt.NDArray[np.uint8]


def filter_pieces(
    what: Resampling, pieces: Iterable[tuple[Box, Array]], reads: Box, writes: Box, target: Array, empty: Empty
) -> None:
    """Fill `target`, the box `writes`, from pieces that make up the box `reads`, in any order; all uint8.

    what : one that `fixed_passes.takes_pieces`. empty : makes the arrays of what is put together.
    """
    _, *others = what.passes
    between = between_pieces(what, reads, writes)
    filtered = empty(shape_of(between), np.dtype(np.uint8)) if others else target
    first_pass = _FirstPass(what, reads, between, filtered, empty)
    for box, samples in pieces:
        first_pass.take(box, samples)
        del samples  # its memory is the next piece's
    first_pass.finish()
    for other in others:
        run_call(what, Call(None, other), filtered, between, writes, target, 1)


class _Seam(NamedTuple):
    """outputs : an interval, counted from the first of the box."""

    box: Box
    outputs: Interval
    samples: Array


class _Column(NamedTuple):
    """What is the same for all pieces above each other: the outputs whose taps lie in them, and the seams that take
    some of their columns: where these stand in the seam, and in the piece.
    """

    outputs: Interval
    seams: list[tuple[_Seam, slice, slice]]


class _FirstPass:
    """The pass along rows, from the box `reads` to the box `writes`, which is `target`."""

    def __init__(self, what: Resampling, reads: Box, writes: Box, target: Array, empty: Empty) -> None:
        self._what, self._reads, self._writes, self._target, self._empty = what, reads, writes, target, empty
        self._axis = axis = what.passes[0]
        op = what.stages[0][axis]
        assert isinstance(op, Operator)
        outputs = slice(*writes[axis])
        self._start, self._stop = op.start[outputs], op.start[outputs] + op.count[outputs]
        self._seams: dict[int, _Seam] = {}
        self._columns: dict[Interval, _Column] = {}

    def take(self, box: Box, samples: Array) -> None:
        """Filter a piece, and keep what the seams need of it."""
        axis = self._axis
        column = self._columns.get(box[axis]) or self._column(*box[axis])
        at = within(box, self._reads)
        before, behind = at[:axis], at[axis + 1 :]
        if column.outputs[0] < column.outputs[1]:
            target = self._target[(*before, slice(*column.outputs), *behind)]
            self._filter(box[axis], samples, column.outputs, target)
        all_before = (slice(None),) * axis
        for seam, place, part in column.seams:
            seam.samples[(*before, place, *behind)] = samples[(*all_before, part)]

    def finish(self) -> None:
        """Filter the seams."""
        before = (slice(None),) * self._axis
        for seam in self._seams.values():
            target = self._target[(*before, slice(*seam.outputs))]
            self._filter(seam.box[self._axis], seam.samples, seam.outputs, target)

    def _column(self, start: int, stop: int) -> _Column:
        seams = []
        for boundary in (start, stop):
            first, last = self._until(boundary), self._from(boundary)
            if boundary in self._reads[self._axis] or first >= last:
                continue
            if boundary not in self._seams:
                box = self._with((int(self._start[first]), int(self._stop[last - 1])), self._reads)
                self._seams[boundary] = _Seam(box, (first, last), self._empty(shape_of(box), np.dtype(np.uint8)))
            seam = self._seams[boundary]
            begin, end = seam.box[self._axis]
            left, right = max(begin, start), min(end, stop)
            seams.append((seam, slice(left - begin, right - begin), slice(left - start, right - start)))
        found = self._columns[start, stop] = _Column((self._from(start), self._until(stop)), seams)
        return found

    def _filter(self, interval: Interval, samples: Array, outputs: Interval, target: Array) -> None:
        """Fill `target`, the outputs of an interval, from samples whose columns are an interval that holds their taps.

        Along other axes only sizes matter: what has been prepared for one row of pieces serves all.
        """
        origin = self._writes[self._axis][0]
        sizes = tuple([(0, size) for size in samples.shape])
        reads, writes = self._with(interval, sizes), self._with((origin + outputs[0], origin + outputs[1]), sizes)
        run_call(self._what, Call(self._axis, None), samples, reads, writes, target, 1)

    def _with(self, interval: Interval, box: Box) -> Box:
        """A box, but for its interval along the rows."""
        return (*box[: self._axis], interval, *box[self._axis + 1 :])

    def _from(self, place: int) -> int:
        """The first output whose taps begin at a place or behind it."""
        return int(np.searchsorted(self._start, place))

    def _until(self, place: int) -> int:
        """The first output whose taps end behind a place."""
        return int(np.searchsorted(self._stop, place, side="right"))
