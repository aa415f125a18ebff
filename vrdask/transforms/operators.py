"""The operator of an axis: a banded matrix, as a table with one row of taps per output sample.

    out[i] = sum over k < count[i] of weights[i, k] * source[start[i] + k]

One object answers three questions: what the kernel multiplies (`Operator.rows`), which source interval an output
interval reads (`Operator.reads`: from where its first row begins to where its last ends, since starts and stops are
sorted), and why chunk seams are exact (any slice of the table holds the same numbers). Boundaries are folded in: a
clamped or mirrored tap adds its weight to the sample it lands on. Rows keep their true length, so that a NaN outside
the support cannot enter as ``0 * nan``.

No table is made before it is asked for, and then no more of it: rows follow from the sizes of the axis and from their
own numbers (`bands`), and where they begin and end without any weights. A small table is kept whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Interval
from vrdask.transforms.bands import Indices, Reach, Rows, Weights, joined, repeated
from vrdask.transforms.coordinates import Period

SMALL_TABLE = 1 << 15
"""Entries of a table that is kept whole."""
ENTRIES_AT_ONCE = 1 << 15
"""Of a table that is being made: what it takes besides is a few times as much."""
ROWS_AT_ONCE = 1 << 16
"""Of which no more than the ends are asked for."""
MOST_TAPS = 2**31
"""Of a row, whose count is an int32."""


@dataclass(frozen=True, eq=False)
class Operator:
    """A banded matrix of shape (n_out, n_in).

    band : makes rows, of outputs in any order. reach : where they begin and end; makes no weights. most_taps : of a
    row. ascending : whether starts and stops of `band` are sorted as they are (see `Reach`). period : of rows within
    the outputs of `interior`.
    """

    n_in: int
    n_out: int
    band: Callable[[Indices], Rows]
    reach: Callable[[Indices], Reach]
    most_taps: int
    ascending: bool = True
    period: Period | None = None
    interior: Interval = (0, 0)

    @property
    def is_small(self) -> bool:
        """Whether the whole table is kept."""
        return self.n_out * self.most_taps <= SMALL_TABLE

    @cached_property
    def taps(self) -> int:
        """Of a row at most; of a large table it is a bound."""
        return self._whole.taps if self.is_small else self.most_taps

    @cached_property
    def longest(self) -> int:
        """The taps of its longest row; a bound, where a large table does not soon repeat."""
        if self.is_small:
            return self.taps
        first, last = self.interior
        if self.period is None or self.period.outputs + first + self.n_out - last > ROWS_AT_ONCE:
            return self.most_taps
        pieces = (0, first), (first, min(last, first + self.period.outputs)), (last, self.n_out)
        ends = [self.extents(begin, end) for begin, end in pieces if begin < end]
        return max(int((stop - start).max()) for start, stop in ends)

    def rows(self, begin: int, end: int) -> Rows:
        """The rows of a non-empty interval of outputs: the same numbers, whatever the interval."""
        return self._whole.cut(begin, end) if self.is_small else self._made(begin, end)

    def reads(self, writes: Interval) -> Interval:
        """The source interval that a non-empty output interval depends on: no sample more."""
        starts, stops = self.reads_many(np.array([writes[0]]), np.array([writes[1]]))
        return int(starts[0]), int(stops[0])

    def reads_many(self, starts: Indices, stops: Indices) -> tuple[Indices, Indices]:
        """`reads` for arrays of output intervals."""
        if self.is_small:
            return self._whole.start[starts], self._whole.stop[stops - 1]
        outputs, place = np.unique(np.concatenate([starts, stops - 1]), return_inverse=True)
        begin, end = self._ends(outputs)
        return begin[place[: len(starts)]], end[place[len(starts) :]]

    def alike(self, writes: Interval) -> tuple[Interval, int]:
        """An output interval, the same for many, whose rows are those of `writes` but for a number of source samples
        that they begin earlier: that interval, and the number.
        """
        begin, end = writes
        if self.period is None or begin < self.interior[0] or end > self.interior[1]:
            return writes, 0
        times = (begin - self.interior[0]) // self.period.outputs
        earlier = times * self.period.outputs
        return (begin - earlier, end - earlier), times * self.period.inputs

    @cached_property
    def largest_weight(self) -> float:
        """Of the whole table, without its sign; the table is made once for that, some rows at a time."""
        many = max(1, ENTRIES_AT_ONCE // self.most_taps)
        first, last = self.interior
        once = last if self.period is None else min(last, first + self.period.outputs)
        begins = (at for ends in (range(0, once, many), range(last, self.n_out, many)) for at in ends)
        return max(float(np.abs(self.rows(at, min(at + many, self.n_out)).weights).max()) for at in begins)

    def extents(self, begin: int, end: int) -> tuple[Indices, Indices]:
        """Starts and stops of the rows of a non-empty interval of outputs."""
        return self._ends(np.arange(begin, end))

    @property
    def start(self) -> Indices:
        """Of the whole table: the first source sample of each output."""
        return self._whole.start

    @property
    def count(self) -> npt.NDArray[np.int32]:
        """Of the whole table: the number of taps of each output."""
        return self._whole.count

    @property
    def weights(self) -> Weights:
        """Of the whole table: (n_out, taps) float64; row i counts up to ``count[i]``."""
        return self._whole.weights

    def dense(self) -> Weights:
        """The matrix itself."""
        matrix, rows = np.zeros((self.n_out, self.n_in)), self._whole
        for i, (start, count) in enumerate(zip(rows.start, rows.count, strict=True)):
            matrix[i, start : start + count] = rows.weights[i, :count]
        return matrix

    @property
    def _whole(self) -> Rows:
        return self._small if self.is_small else _whole_table(self)

    @cached_property
    def _small(self) -> Rows:
        return self._made(0, self.n_out)

    def _made(self, begin: int, end: int) -> Rows:
        """Rows, those that repeat made once."""
        if self.period is None:
            return self._each(begin, end)
        first, last = max(begin, self.interior[0]), min(end, self.interior[1])
        if last - first <= 2 * self.period.outputs:
            return self._each(begin, end)
        once = self._each(first, first + self.period.outputs)
        pieces = [repeated(once, last - first, self.period.inputs)]
        if begin < first:
            pieces.insert(0, self._each(begin, first))
        if last < end:
            pieces.append(self._each(last, end))
        return joined(pieces)

    def _each(self, begin: int, end: int) -> Rows:
        """Rows, made one by one."""
        rows = joined(list(self.bands(np.arange(begin, end))))
        if self.ascending:
            return rows
        start, stop = rows.start.copy(), rows.stop
        (start[-1],), _ = self._ends(np.array([end - 1]))
        _, (stop[0],) = self._ends(np.array([begin]))
        return rows.widened(np.minimum.accumulate(start[::-1])[::-1], np.maximum.accumulate(stop))

    def bands(self, outputs: Indices) -> Iterator[Rows]:
        """Rows of outputs in any order, a bounded number at a time.

        Raises
        ------
        ValueError
            A row has more taps than its count holds.
        """
        if self.most_taps >= MOST_TAPS:
            raise ValueError(
                f"an output must weigh fewer than 2^31 samples along an axis; got {self.most_taps} of {self.n_in}: "
                "resample in two steps"
            )
        many = max(1, ENTRIES_AT_ONCE // self.most_taps)
        return (self.band(outputs[k : k + many]) for k in range(0, max(len(outputs), 1), many))

    def _ends(self, outputs: Indices) -> tuple[Indices, Indices]:
        """First samples and stops of rows in any order, sorted as those of the whole table are."""
        starts, stops = np.empty_like(outputs), np.empty_like(outputs)
        for k in range(0, len(outputs), ROWS_AT_ONCE):
            some = outputs[k : k + ROWS_AT_ONCE]
            start, stop, first, last = self.reach(some)
            if not self.ascending:
                start, stop = self._walked(some, start, first, 1), self._walked(some, stop, last, -1)
            starts[k : k + ROWS_AT_ONCE], stops[k : k + ROWS_AT_ONCE] = start, stop
        return starts, stops

    def _walked(self, at: Indices, ends: Indices, bounds: Indices, step: int) -> Indices:
        """Starts of rows that begin no later than any behind them (step 1), or stops of rows that end no earlier than
        any before them (-1).

        None behind a row whose bound has reached that begins earlier, so the walk is short.
        """
        ends, walking = ends.copy(), np.arange(len(at))
        while len(walking):
            going = ((ends[walking] - bounds) * step > 0) & (at + step >= 0) & (at + step < self.n_out)
            walking, at = walking[going], at[going] + step
            if not len(walking):
                break
            start, stop, first, last = self.reach(at)
            if step > 0:
                ends[walking], bounds = np.minimum(ends[walking], start), first
            else:
                ends[walking], bounds = np.maximum(ends[walking], stop), last
        return ends


@lru_cache(maxsize=1)
def _whole_table(op: Operator) -> Rows:
    return op.rows(0, op.n_out)
