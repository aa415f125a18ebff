"""Rows of a banded matrix: some of an operator's table, dense, and how they are put together.

rows            start   count   weights
. a b c . .     1       3       a b c
. . . d . .     3       1       d
. . . e f .     3       2       e f
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Rows:
    """start, count : (outputs,) first source sample and number of taps. weights : (outputs, taps) float64; row i counts
    up to ``count[i]`` and is zero behind. In either memory order: many short rows are made tap by tap (`by_tap`).
    """

    start: Indices
    count: npt.NDArray[np.int32]
    weights: Weights

    @property
    def stop(self) -> Indices:
        return self.start + self.count

    @property
    def taps(self) -> int:
        return int(self.weights.shape[1])

    def cut(self, begin: int, end: int) -> Rows:
        """Some rows, as wide as the longest of them."""
        count = self.count[begin:end]
        return Rows(self.start[begin:end], count, self.weights[begin:end, : int(count.max(initial=1))])

    def chosen(self, which: npt.NDArray[np.bool_]) -> Rows:
        """Those for which it is true."""
        return Rows(self.start[which], self.count[which], self.weights[which]).cut(0, len(which))

    def widened(self, start: Indices, stop: Indices) -> Rows:
        """The same rows with zero taps, so that they begin and end where they are told to."""
        before = self.start - start
        if not before.any() and (stop == self.stop).all():
            return self
        count = (stop - start).astype(np.int32)
        table = np.zeros((len(start), int(count.max(initial=1))))
        row, k = np.nonzero(np.arange(self.taps) < self.count[:, None])
        table[row, k + before[row]] = self.weights[row, k]
        return Rows(start, count, table)


class Reach(NamedTuple):
    """Where rows begin and end, each on its own: without zero taps, which some have to keep starts and stops of all
    sorted.

    first, last : bounds of their starts and stops that are sorted.
    """

    start: Indices
    stop: Indices
    first: Indices
    last: Indices

    @classmethod
    def of(cls, start: Indices, stop: Indices) -> Reach:
        """Of rows whose starts and stops are sorted."""
        return cls(start, stop, start, stop)


def banded(n_in: int, index: Indices, weight: Weights) -> Rows:
    """Rows of which the i-th adds ``weight[i, k]`` onto source sample ``index[i, k]``, for all k.

    Taps of weight zero are not part of the support, but for those that keep starts and stops sorted: a filter that is
    zero at whole numbers has rows of one tap, between rows that begin before it and end after it. Indices of one row
    may repeat (folded boundaries).
    """
    counts = weight != 0
    low = np.where(counts, index, n_in).min(axis=1)
    high = np.where(counts, index, -1).max(axis=1) + 1
    count = (high - low).astype(np.int32)
    table = np.zeros((len(index), int(count.max(initial=1))))
    if len(index) < 8 * index.shape[1]:
        rows = np.broadcast_to(np.arange(len(index))[:, None], index.shape)
        np.add.at(table, (rows[counts], (index - low[:, None])[counts]), weight[counts])
    else:  # the same sums, in the same order
        for k in range(index.shape[1]):
            row = np.flatnonzero(counts[:, k])
            table[row, index[row, k] - low[row]] += weight[row, k]
    return Rows(low, count, table)


def by_tap(start: Indices, last_counts: npt.NDArray[np.bool_], *taps: Weights) -> Rows:
    """Rows of side by side taps, given tap by tap, of which the last may be zero and no other is."""
    count = last_counts + np.int32(len(taps) - 1)
    return Rows(start, count, np.stack(taps).T[:, : int(count.max(initial=1))])


def windowed(start: Indices, weight: Weights) -> Rows:
    """Rows of which the i-th weighs the samples from ``start[i]`` on; zeros at the ends are no taps."""
    counts = weight != 0
    before = counts.argmax(axis=1)
    after = counts[:, ::-1].argmax(axis=1)
    low, count = start + before, (weight.shape[1] - before - after).astype(np.int32)
    most = int(count.max(initial=1))
    table = weight if most == weight.shape[1] else weight[:, :most].copy()
    for row in np.flatnonzero(before):
        table[row, : count[row]] = weight[row, before[row] : before[row] + count[row]]
        table[row, count[row] :] = 0
    return Rows(low, count, table)


def joined(pieces: Sequence[Rows]) -> Rows:
    """Rows one below the other."""
    if len(pieces) == 1:
        return pieces[0]
    taps = max(rows.taps for rows in pieces)
    return Rows(
        np.concatenate([rows.start for rows in pieces]),
        np.concatenate([rows.count for rows in pieces]),
        np.concatenate([
            rows.weights if rows.taps == taps else np.pad(rows.weights, ((0, 0), (0, taps - rows.taps)))
            for rows in pieces
        ]),
    )  # fmt: skip


def repeated(rows: Rows, length: int, inputs: int) -> Rows:
    """So many rows that repeat these, each time so many source samples further on."""
    times = -(-length // len(rows.start))
    start = (rows.start + inputs * np.arange(times)[:, None]).reshape(-1)
    return Rows(start[:length], np.tile(rows.count, times)[:length], np.tile(rows.weights, (times, 1))[:length])


def composed(outer: Rows, inner: Rows, middle: Indices, n_in: int) -> Rows:
    """The product of rows of two operators. middle : the outputs whose rows `inner` has, sorted."""
    k = np.arange(outer.taps)
    counted = k < outer.count[:, None]
    place = np.searchsorted(middle, np.where(counted, outer.start[:, None] + k, outer.start[:, None]))
    weight = np.where(counted, outer.weights, 0.0)[:, :, None] * inner.weights[place]
    inside = np.arange(inner.taps) < inner.count[place][:, :, None]
    index = inner.start[place][:, :, None] + np.arange(inner.taps)
    flat = (len(weight), outer.taps * inner.taps)
    return banded(
        n_in,
        np.where(inside, index, inner.start[place][:, :, None]).reshape(flat),
        np.where(inside, weight, 0.0).reshape(flat),
    )


def convolved(outer: Rows, response: Weights, before: int) -> Rows:
    """The same where every row of the inner operator is `response`, from `before` samples before its output on.

    response : of odd length, and the same from behind: each product serves twice.
    """
    middle = len(response) // 2
    half = response[middle:, None]
    weights = np.ascontiguousarray(outer.weights.T)
    table = np.empty((outer.taps + len(response) - 1, len(outer.start)))
    np.multiply(half, weights[0], out=table[middle : len(response)])  # first weights are not zero
    table[:middle] = table[middle + 1 : len(response)][::-1]
    table[len(response) :] = 0
    products = np.empty((middle + 1, len(outer.start)))
    for k in range(1, outer.taps):  # the same sums, in the same order
        np.multiply(half, weights[k], out=products)
        for some, more in ((table[k : k + middle], products[:0:-1]), (table[k + middle :][: middle + 1], products)):
            np.add(some, more, out=some)
    count = outer.count + np.int32(len(response) - 1)
    return Rows(outer.start - before, count, table.T)


def merged(which: npt.NDArray[np.bool_], one: Rows, other: Rows) -> Rows:
    """Rows of two kinds, in the order that `which` says: where it is true, of the first."""
    order = np.argsort(~which, kind="stable")
    both = joined([one, other])
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Rows(both.start[place], both.count[place], both.weights[place])
