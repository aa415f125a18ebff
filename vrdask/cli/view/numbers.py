"""Samples as a page holds them: unsigned integers of 8 or 16 bits, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BINS = 256
NO_NUMBER = 65_535
"""What stands for NaN."""
MOST_LABELS = 65_535
_MOST = 1e300


@dataclass(frozen=True)
class Numbers:
    """Sample = low + step * number; `none` is the number of what is none (NaN)."""

    data: Array
    low: float | int
    step: float | int
    none: int | None = None

    def values(self, numbers: npt.ArrayLike) -> Array:
        """What numbers mean."""
        return np.asarray(self.low + self.step * np.asarray(numbers, np.float64))


@dataclass(frozen=True)
class Labels:
    """Label = values[number]."""

    data: Array
    values: tuple[str, ...]
    colours: tuple[str, ...]
    """RRGGBB; empty for what is not drawn."""


def as_numbers(samples: Array) -> Numbers:
    """Samples in at most 16 bits: integers of up to 65,536 values as they are; of others 65,535 steps of their range.

    >>> as_numbers(np.array([-5, 7, 300])).values([0, 12, 305])
    array([ -5.,   7., 300.])
    """
    if samples.dtype == bool or samples.dtype == np.uint8:
        return Numbers(samples.astype(np.uint8, copy=False), 0, 1)
    if samples.dtype.kind in "iu":
        low, high = (int(samples.min()), int(samples.max())) if samples.size else (0, 0)
        if high - low <= NO_NUMBER:
            kind = np.dtype(np.uint8 if high - low < 256 else np.uint16)
            wide = samples.astype(np.uint64) - np.uint64(low % (1 << 64))  # modulo 2^64
            return Numbers(wide.astype(kind), low, 1)
        step = (high - low) / NO_NUMBER
        number = np.rint((samples.astype(np.float64) - low) / step)
        return Numbers(np.clip(number, 0, NO_NUMBER).astype(np.uint16), low, step)
    return _of_floats(samples)


def _of_floats(samples: Array) -> Numbers:
    wide = samples.astype(np.float64)
    finite = np.clip(wide[np.isfinite(wide)], -_MOST, _MOST)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    step = (high - low) / (NO_NUMBER - 1) or 1.0
    missing = np.isnan(wide)
    number = np.rint((np.clip(np.where(missing, low, wide), low, high) - low) / step)
    number[missing] = NO_NUMBER
    return Numbers(number.astype(np.uint16), low, step, NO_NUMBER if missing.any() else None)


def histogram(numbers: Numbers, channel: int) -> tuple[list[int], int, int]:
    """How many samples of a channel lie in each of up to `BINS` parts from its lowest to its highest number, which
    follow.
    """
    counts = np.bincount(numbers.data[channel].ravel(), minlength=1)
    if numbers.none is not None:
        counts = counts[: numbers.none]
    there = np.flatnonzero(counts)
    low, high = (int(there[0]), int(there[-1])) if there.size else (0, 0)
    many = min(BINS, high - low + 1)
    bins = np.arange(high - low + 1) * many // (high - low + 1)
    found = np.bincount(bins, counts[low : high + 1] if counts.size else [0], many)
    return [int(count) for count in found], low, high


def window_of(numbers: Numbers, channel: int, percent: float = 0.5) -> tuple[float, float]:
    """Values that become black and white where nothing says which: all but so many per cent at either end."""
    counts = np.bincount(numbers.data[channel].ravel(), minlength=1)
    if numbers.none is not None:
        counts = counts[: numbers.none]
    total = np.cumsum(counts)
    if not total.size or not total[-1]:
        return 0.0, 1.0
    ends = (percent / 100 * total[-1], (1 - percent / 100) * total[-1])
    low, high = (float(value) for value in numbers.values(np.searchsorted(total, ends)))
    return (low, high) if low < high else (low, low + float(numbers.step))


def as_labels(samples: Array, said: Mapping[str, Any]) -> Labels:
    """Labels as places in a list of those that occur, with a colour each. said : `image-label` of OME-Zarr."""
    values, number = np.unique(samples, return_inverse=True)
    number = number.reshape(samples.shape)
    texts = [str(value) for value in values.tolist()]
    if len(texts) > MOST_LABELS:  # the rarest share a number
        order = np.argsort(-np.bincount(number.ravel()), kind="stable")
        place = np.minimum(np.argsort(order), MOST_LABELS)
        number, texts = place[number], [texts[k] for k in order[:MOST_LABELS]] + ["others"]
    kind = np.uint8 if len(texts) <= 256 else np.uint16
    colours = _said_colours(said)
    return Labels(number.astype(kind), tuple(texts), tuple(colours.get(text, _colour(text)) for text in texts))


def _said_colours(said: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    colours = said.get("colors")
    for one in colours if isinstance(colours, list) else ():
        rgba = one.get("rgba") if isinstance(one, Mapping) else None
        if isinstance(rgba, Sequence) and len(rgba) in (3, 4) and all(type(k) is int and 0 <= k < 256 for k in rgba):
            found[str(one.get("label-value"))] = bytes(rgba[:3]).hex() if [*rgba, 255][3] else ""
    return found


def _colour(label: str) -> str:
    """Of a label for which nothing says one: hues a golden angle apart; none of 0, the background."""
    from colorsys import hls_to_rgb
    from zlib import crc32

    if label in ("0", "False", "0.0"):
        return ""
    whole = label.lstrip("-")
    number = int(whole) % 65_537 if whole.isdecimal() else crc32(label.encode())
    rgb = hls_to_rgb(number * 0.6180339887498949 % 1, 0.55, 0.85)
    return "".join(f"{round(255 * part):02x}" for part in rgb)
