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


class Layout(NamedTuple):
    """Lanes of a register, 0 where the kernel has no permutations; and windows that it takes bytes from."""

    lanes: int
    windows: int

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
        if span <= layout.window_bytes:
            return table | _laid_out(groups, first, base, taps, channels, shares, size, layout)
    none = as_bytes(np.zeros(0, np.uint8))
    return table | {
        "steps": 0, "advance": 0, "quartered": 0, "units": positions, "unit_bytes": channels,
        "at": as_bytes(channels * np.arange(positions + 1, dtype=np.int64)), "plain": as_bytes(taps.weights),
        "keep": none, "base": none, "index": none, "weights": none,
    }  # fmt: skip


def _ways(positions: int, channels: int, layout: Layout) -> list[tuple[int, int, _Groups]]:
    """(groups of a unit, shares of a sum, groups), best first.

    As many elements in a row as a window has lanes; with AVX-512 also a quarter of them, with four shares of each sum
    side by side; or the elements of one position alone, which lie close for any ratio.
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
    if missing:
        valid[-missing:] = False
    lanes = first.shape[1]
    steps = -(-taps.weights.shape[1] // (2 * shares))
    index = np.full((len(base), shares, lanes, 4), 0x80, np.uint8)
    low = (first - base[:, None])[:, None] + (2 * channels * np.arange(shares))[:, None]
    index[..., 0], index[..., 2] = low, low + channels
    laid = taps.padded(steps * shares * 2)[:, position].reshape(
        len(taps.digits), -1, layout.windows, lanes, steps, shares, 2
    )
    laid = laid.transpose(1, 4, 0, 2, 5, 3, 6)  # registers, steps, high and low, windows, shares, lanes, pairs
    kept = valid.reshape(units, -1)
    counts = kept.sum(axis=1)
    return {
        "steps": steps,
        "advance": 2 * shares * channels,
        "quartered": int(shares == 4),
        "at": as_bytes(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)),
        "keep": as_bytes((kept << np.arange(kept.shape[1])).sum(axis=1).astype(np.uint32)),
        "base": as_bytes(base.astype(np.int64)),
        "index": as_bytes(index),
        "weights": as_bytes(laid),
        "plain": as_bytes(np.zeros(0, np.uint8)),
        "units": units,
        "unit_bytes": int(counts.max()),
    }


def column_table(taps: Taps) -> dict[str, Any]:
    """The table of a column: fields of `column_t`."""
    even = taps.weights.shape[1] + taps.weights.shape[1] % 2
    weights = taps.padded(even).transpose(1, 0, 2)
    return taps.fields | {"taps": even, "start": as_bytes(taps.start), "weights": as_bytes(weights)}


def as_bytes(table: Array) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(table).reshape(-1).view(np.uint8)
