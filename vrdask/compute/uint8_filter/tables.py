"""Tables of the fixed-point kernel: the taps of outputs, laid out as its registers hold them
(kernels/uint8_filter/row.h).

A register multiplies pairs of bytes, one pair per lane and step. Outputs are elements: a position and a channel, since
channels of a position lie side by side. A group of elements takes its bytes from one window of the source row; its
pairs lie where one permutation, the same at every step, finds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


POSITIONS = 4
"""Positions of a unit whose positions have windows of their own."""
LONG = 12
"""Taps for which windows of their own pay with AVX2 for positions of four channels, which fit two windows, too."""
ZERO = 0x80
"""In a permutation, for a byte that is none."""


class Layout(NamedTuple):
    """Lanes of a register, 0 where the kernel has no permutations; windows that it takes bytes from; and whether the
    two bytes of a lane are brought side by side, or those of all lanes of a window.
    """

    lanes: int
    windows: int
    pairs: bool = True

    @property
    def window_bytes(self) -> int:
        return 4 * self.lanes // self.windows


class _Groups(NamedTuple):
    """Elements that share a window: (groups, elements of a group); `valid` where a lane is an output of its own."""

    position: Array
    channel: Array
    valid: Array


@dataclass(frozen=True, eq=False)
class Taps:
    """Rows of an operator in fixed point.

    start, count : first source sample and number of taps of each output position.
    weights : (positions, taps) int32, zero beyond the count.
    digits : (1 or 2, positions, taps) int16; the same as digits (see `FixedPoint.digits`).
    """

    start: npt.NDArray[np.int64]
    count: npt.NDArray[np.int32]
    weights: npt.NDArray[np.int32]
    digits: npt.NDArray[np.int16]
    bits: int

    @property
    def fields(self) -> dict[str, Any]:
        """What tables of rows and columns both say."""
        return {"bits": self.bits, "wide": len(self.digits) - 1, "count": as_bytes(self.count)}

    def padded(self, taps: int) -> npt.NDArray[np.int16]:
        """The digits, with zeros up to a number of taps."""
        return np.pad(self.digits, ((0, 0), (0, 0), (0, taps - self.digits.shape[2])))


def row_table(taps: Taps, channels: int, layout: Layout) -> dict[str, Any]:
    """The table of a row: fields of `row_t`, and how many units it has of how many bytes at most."""
    positions = len(taps.start)
    table = taps.fields | {
        "channels": channels, "taps": taps.weights.shape[1], "start": as_bytes(taps.start * channels)
    }  # fmt: skip
    for size, shares, groups in _ways(positions, channels, layout):
        first = taps.start[groups.position] * channels + groups.channel
        base = first.min(axis=1)
        span = (first.max(axis=1) - base).max() + (2 * shares - 1) * channels + 1
        apart = span > layout.window_bytes or (channels == 4 and layout.pairs and taps.weights.shape[1] >= LONG)
        if layout.lanes == 8 and channels <= 4 and apart:
            return table | _by_windows(taps, channels, layout)
        if span <= layout.window_bytes:
            return table | _laid_out(groups, first, base, taps, channels, shares, size, layout)
    none = as_bytes(np.zeros(0, np.uint8))
    return table | {
        "steps": 0, "advance": 0, "quartered": 0, "joint": 0, "lanes": 0, "units": positions, "unit_bytes": channels,
        "at": as_bytes(channels * np.arange(positions + 1, dtype=np.int64)), "plain": as_bytes(taps.weights),
        "keep": none, "base": none, "index": none, "weights": none,
    }  # fmt: skip


def _ways(positions: int, channels: int, layout: Layout) -> list[tuple[int, int, _Groups]]:
    """(groups of a unit, shares of a sum, groups), best first.

    As many elements in a row as a window has lanes; with AVX-512 also a quarter of them, with four shares of each sum
    side by side; or the elements of one position alone, which lie close for any ratio. (Of four channels at most,
    `_by_windows` does that better with eight lanes.)
    """
    if layout.lanes == 16:
        ways = [(1, 1, _in_a_row(positions, channels, 16)), (4, 4, _in_a_row(positions, channels, 4))]
        return [
            *ways,
            (4, 4, _by_position(positions, channels, 4))
            if channels <= 4
            else (1, 1, _by_position(positions, channels, 16)),
        ]
    if layout.lanes == 8:
        return [(2, 1, _in_a_row(positions, channels, 4)), (2, 1, _by_position(positions, channels, 4))]
    return []


def _in_a_row(positions: int, channels: int, size: int) -> _Groups:
    element = np.arange(-(-positions * channels // size) * size).reshape(-1, size)
    last = positions * channels - 1
    return _Groups(*np.divmod(element.clip(0, last), channels), element <= last)


def _by_position(positions: int, channels: int, size: int) -> _Groups:
    channel = np.arange(-(-channels // size) * size).reshape(-1, size)
    position = np.arange(positions)[:, None, None]
    shape = (positions, *channel.shape)
    flat = (-1, size)
    return _Groups(
        np.broadcast_to(position, shape).reshape(flat),
        np.broadcast_to(channel.clip(0, channels - 1), shape).reshape(flat),
        np.broadcast_to(channel < channels, shape).reshape(flat),
    )


def _laid_out(
    groups: _Groups, first: Array, base: Array, taps: Taps, channels: int, shares: int, size: int, layout: Layout
) -> dict[str, Any]:
    units = -(-len(base) // size)
    missing = units * size - len(base)  # repeats of the last group fill its unit
    fill = np.minimum(np.arange(units * size), len(base) - 1)
    first, base, position, valid = first[fill], base[fill], groups.position[fill], groups.valid[fill]
    of_unit = base.reshape(units, size).min(axis=1)
    joint = layout.windows > 1 and bool(
        (first.reshape(units, -1).max(axis=1) - of_unit).max() + channels < layout.window_bytes
    )
    if joint:
        base = np.repeat(of_unit, size)
    if missing:
        valid[-missing:] = False
    lanes = first.shape[1]
    steps = -(-taps.weights.shape[1] // (2 * shares))
    low = (first - base[:, None])[:, None] + (2 * channels * np.arange(shares))[:, None]
    index = _words(np.stack([low, low + channels], axis=-1), layout)
    laid = taps.padded(steps * shares * 2)[:, position].reshape(
        len(taps.digits), -1, layout.windows, lanes, steps, shares, 2
    )
    laid = laid.transpose(1, 4, 0, 2, 5, 3, 6)  # registers, steps, high and low, windows, shares, lanes, pairs
    if not layout.pairs:
        laid = laid.swapaxes(-1, -2)
    kept = valid.reshape(units, -1)
    counts = kept.sum(axis=1)
    return {
        "steps": steps,
        "advance": 2 * shares * channels,
        "quartered": int(shares == 4),
        "joint": int(joint),
        "lanes": 0,
        "at": as_bytes(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)),
        "keep": as_bytes((kept << np.arange(kept.shape[1])).sum(axis=1).astype(np.uint32)),
        "base": as_bytes(base.astype(np.int64)),
        "index": as_bytes(index.astype(np.uint8)),
        "weights": as_bytes(laid),
        "plain": as_bytes(np.zeros(0, np.uint8)),
        "units": units,
        "unit_bytes": int(counts.max()),
    }


def _by_windows(taps: Taps, channels: int, layout: Layout) -> dict[str, Any]:
    """Units of `POSITIONS` positions that lie apart, each with a window of its own.

    A position's lanes are its channels, where there are three a fourth that is zero, and as many shares of their sums
    as there is room for. A last permutation brings the outputs of a unit side by side.
    """
    positions, lanes = len(taps.start), 4 if channels == 3 else channels
    shares = layout.lanes // lanes
    units = -(-positions // POSITIONS)
    fill = np.minimum(np.arange(units * POSITIONS), positions - 1)
    start, steps, apart, weights = _windows(taps, fill, 2 * shares, lanes == 4 and len(taps.digits) == 1)
    share, channel = np.divmod(np.arange(layout.lanes).reshape(2, -1), lanes)
    low = (2 * channels * share + channel)[..., None] + [0, channels]
    order = _words(np.where((channel < channels)[..., None], low, ZERO), layout)
    dense = np.full(4 * layout.lanes, ZERO)
    dense[: POSITIONS * channels] = np.arange(4 * POSITIONS).reshape(POSITIONS, 4)[:, :channels].reshape(-1)
    dense[16:] = dense[:16]
    laid = weights.reshape(len(taps.digits), len(fill), steps, shares, 1, 2)
    if lanes < 4:
        laid = np.repeat(laid, lanes, axis=4)
        laid = laid.reshape(len(taps.digits), len(fill), steps, 2, -1, 2)
        laid = laid if layout.pairs else laid.swapaxes(-1, -2)
    at = channels * np.minimum(POSITIONS * np.arange(units + 1), positions)
    return {
        "steps": steps,
        "advance": 2 * shares * channels,
        "quartered": 0,
        "joint": 1,
        "lanes": lanes,
        "at": as_bytes(at.astype(np.int64)),
        "keep": as_bytes(apart.astype(np.uint32)),
        "base": as_bytes((start * channels).astype(np.int64)),
        "index": as_bytes(np.concatenate([order.reshape(-1), dense]).astype(np.uint8)),
        "weights": as_bytes(np.moveaxis(laid, 0, 2)),
        "plain": as_bytes(np.zeros(0, np.uint8)),
        "units": units,
        "unit_bytes": POSITIONS * channels,
    }


def _windows(taps: Taps, fill: Array, size: int, may_share: bool) -> tuple[Array, int, Array, Array]:
    """Where windows of positions begin and how many they are, of `size` taps; steps from a position's first window to
    that of the next one, for every other position; and weights that fill the windows.

    Two positions share windows where the second one's begin a whole number of them after the first one's, and do if the
    windows that this may cost bring more: a step is a permutation, and a product and a sum for each position.
    """
    start, count = taps.start[fill], taps.weights.shape[1]
    steps = -(-count // size)
    alone = np.full(len(fill) // 2, steps)
    whole, rest = np.divmod(start[1::2] - start[::2], size)
    more = -(-(count + int(rest.max())) // size)
    apart = np.minimum(whole, more)
    if not may_share or (more + apart).mean() + 4 * more >= 6 * steps:
        return start, steps, alone, taps.padded(steps * size)[:, fill]
    start[1::2] -= rest
    weights = taps.padded(more * size)[:, fill]
    tap = np.arange(more * size) - rest[:, None]
    earlier = np.take_along_axis(weights[:, 1::2], np.maximum(tap, 0)[None], axis=2)
    weights[:, 1::2] = np.where(tap < 0, 0, earlier)
    return start, more, apart, weights


def _words(low: Array, layout: Layout) -> Array:
    """Permutations to words, from the bytes that go to their lower halves: (.., lanes, two words of each)."""
    order = np.stack([low, np.full_like(low, ZERO)], axis=-1)
    return order if layout.pairs else order.swapaxes(-2, -3)


def column_table(taps: Taps) -> dict[str, Any]:
    """The table of a column: fields of `column_t`."""
    even = taps.weights.shape[1] + taps.weights.shape[1] % 2
    weights = taps.padded(even).transpose(1, 0, 2)
    return taps.fields | {"taps": even, "start": as_bytes(taps.start), "weights": as_bytes(weights)}


def as_bytes(table: Array) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(table).reshape(-1).view(np.uint8)
