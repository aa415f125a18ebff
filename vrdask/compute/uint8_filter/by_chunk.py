"""Apply a fixed-point resampling to a box whose samples come in pieces, such as the chunks that a codec decodes.

Each piece is filtered along its rows when it comes, while it is still in a cache; what this leaves is put together, for
the pass down the columns. Outputs whose taps begin in one piece and end in the next are the next one's: of each row it
finds the end of the piece before, as far as they weigh it.

        pieces      |...............|...............|
        kept for the next       |...|           |...|
        outputs of each  x x x x x   x x x x x x x x x
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Interval, shape_of, size_of, within
from vrdask.buffers import Empty, workspace
from vrdask.compute.uint8_filter.passes import Call, between_chunks
from vrdask.compute.uint8_filter.whole_box import contiguous, piece_filter, row_slices, run_call
from vrdask.transforms.fixed_point import weights_of
from vrdask.transforms.operators import Operator
from vrdask.transforms.resampling import Resampling

Array = npt.NDArray[np.uint8]


def filter_by_chunk(
    resampling: Resampling, pieces: Iterable[tuple[Box, Array]], reads: Box, writes: Box, target: Array, empty: Empty
) -> None:
    """Fill `target`, the box `writes`, from pieces that make up the box `reads`, in C order; all uint8.

    what : one that `passes.goes_by_chunk`. empty : makes the array of what is put together.
    """
    _, *others = resampling.passes
    between = between_chunks(resampling, reads, writes)
    filtered = empty(shape_of(between), np.dtype(np.uint8)) if others else target
    first_pass = _FirstPass(resampling, reads, between, filtered, empty)
    for box, samples in pieces:
        first_pass.take(box, samples)
        del samples  # its memory is the next piece's
    for other in others:
        run_call(resampling, Call(None, other), filtered, between, writes, target, 1)


class _Column(NamedTuple):
    """What is the same for all pieces above each other: their outputs, counted from the first of the box, the kernel
    and its scratch.
    """

    outputs: slice
    kernel: Any
    scratch: Array


class _FirstPass:
    """The pass along rows, from the box `reads` to the box `writes`, which is `target`."""

    def __init__(self, resampling: Resampling, reads: Box, writes: Box, target: Array, empty: Empty) -> None:
        self._reads, self._writes, self._target, self._empty = reads, writes, target, empty
        self._what, self._axis = resampling, resampling.passes[0]
        axis = self._axis
        op = resampling.stages[0][axis]
        assert isinstance(op, Operator)
        self._op = op
        self._channels = size_of(reads[axis + 1 :])
        self._start, self._stop = op.extents(*writes[axis])
        self._columns: dict[Interval, _Column] = {}
        self._ends = np.empty((0, 0), np.uint8)

    def take(self, box: Box, samples: Array) -> None:
        """Filter a piece, and keep what the next one in its row needs of it."""
        axis = self._axis
        column = self._columns.get(box[axis]) or self._column(*box[axis])
        target = self._target[(*within(box[:axis], self._reads[:axis]), column.outputs)]
        if not contiguous(samples.shape, samples.strides, axis):
            samples = np.ascontiguousarray(samples)
        slices, rows, *strides = row_slices(samples.shape[:axis], samples.strides, target.strides)
        if len(self._ends) < len(slices) * rows:
            self._ends = self._empty((len(slices) * rows, self._op.taps * self._channels), np.dtype(np.uint8))
        column.kernel(samples, target, slices, rows, *strides, self._ends, column.scratch)

    def _column(self, start: int, stop: int) -> _Column:
        first, last = self._done(start), self._done(stop)
        kept, keep = self._needed(first, start), self._needed(last, stop)
        origin = self._writes[self._axis][0]
        outputs = (origin + first, origin + last)
        kernel = piece_filter(weights_of(self._what, self._axis), (start, stop), kept, keep, outputs, self._channels)
        found = self._columns[start, stop] = _Column(slice(first, last), kernel, workspace("row", kernel.scratch_bytes))
        return found

    def _done(self, place: int) -> int:
        """How many outputs have no taps from a place on."""
        return int(np.searchsorted(self._stop, place, side="right"))

    def _needed(self, output: int, place: int) -> int:
        """Columns before a place that an output and those after it weigh."""
        return max(0, place - int(self._start[output])) if output < len(self._start) else 0
