"""A sampling: what decides the value at a position, and nothing else. Pure data and arithmetic.

A position is a number of samples along each sampled axis: 0 is the first sample, n - 1 the last one. A padding mode is
a rule for positions beyond them:

    free       the position stays; samples beyond the ends are missing
    inside     a position outside [0, n - 1] is missing as a whole; one that only rounding brought there, or that a
               margin allows for, is at the end
    clamp      to [0, n - 1]
    reflect    about the ends (samples or half-samples), then clamp
    wrap       to [0, n), where sample n is sample 0 again

What is held of an axis that wraps may begin before its first sample or go on behind its last: positions are moved into
[0, n), their indices to where the box has them. That is of integers, so which box is held changes no bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Interval
from vrdask.dtypes import DType, is_number, needs_float64, stand_in
from vrdask.transforms import reference
from vrdask.transforms.arguments import checked_dtypes
from vrdask.transforms.hints import did_you_mean

MODES = {"nearest": 1, "linear": 2, "cubic": 4}
"""Taps per axis."""

LARGEST = 1 << 30
"""Sampled axes are shorter: an index is a 32-bit integer."""


@dataclass(frozen=True)
class Padding:
    """A rule for positions beyond the ends.

    half_samples : "reflect" is about -1/2 and n - 1/2 rather than about 0 and n - 1.
    fills_taps : "free": a missing sample has the fill value; where a position is partly beyond the ends, values blend.
    slack : "inside": half this fraction of an axis beyond an end is rounding. 0 takes positions at their word.
    margin : "inside": so many samples beyond an end count as the end, as half a voxel belongs to its sample.
    """

    rule: str
    half_samples: bool = False
    fills_taps: bool = False
    slack: float = 0.0
    margin: float = 0.0


@dataclass(frozen=True)
class Sampling:
    """How values at positions are made.

    sizes : samples along each sampled axis, one to three.
    fill : value of what is missing.
    half_up : "nearest" rounds half up, not half to even.
    two_d : NaN and positions beyond 2^22 are treated as torch's 2-D kernels do, not as its 3-D ones.
    """

    sizes: tuple[int, ...]
    mode: str
    padding: Padding
    fill: Any
    half_up: bool
    two_d: bool
    in_dtype: DType
    out_dtype: DType

    @property
    def taps(self) -> int:
        return MODES[self.mode]

    @cached_property
    def acc_dtype(self) -> DType:
        return np.dtype("float64" if needs_float64(self.in_dtype, self.out_dtype) else "float32")

    @cached_property
    def in_numbers(self) -> tuple[Sampling, ...]:
        """The same sampling of the numbers that stand in for samples of a type that kernels do not know, one for each
        part of complex ones; none where they know it, or only copy.
        """
        if self.in_dtype == self.out_dtype and self.mode == "nearest":
            return ()
        source, result = stand_in(self.in_dtype), stand_in(self.out_dtype, result=True)
        if source is None or result is None or (source, result) == (self.in_dtype, self.out_dtype):
            return ()
        fills = (self.fill.real, self.fill.imag) if self.in_dtype.kind == "c" else (self.fill,)
        return tuple(replace(self, fill=fill, in_dtype=source, out_dtype=result) for fill in fills)

    @property
    def low(self) -> float:
        """Where a reflection at the first sample is."""
        return -0.5 if self.padding.half_samples else 0.0

    @property
    def mirror(self) -> bool:
        """Whether a spline is mirrored about its end samples, not about the half-samples beyond them."""
        return not self.padding.half_samples

    def slack(self, n: int) -> float:
        """So many samples beyond an end of `n` samples a position is at the end."""
        return self.padding.margin + self.padding.slack * n / 2

    @cached_property
    def fill_item(self) -> npt.NDArray[Any]:
        """The fill value as one sample: integers half to even and saturating. A computed mode's rounds it on the way,
        as it does a value."""
        if self.mode == "nearest":
            return filled(self.fill, self.out_dtype)
        return reference.convert(np.asarray(self.fill, np.float64).astype(self.acc_dtype), self.out_dtype)

    @property
    def wraps(self) -> bool:
        """Whether an axis goes on with its first sample behind its last."""
        return self.padding.rule == "wrap"

    def every(self, n: int) -> Interval:
        """What positions anywhere along an axis of `n` samples weigh."""
        return (-self._before, n + self.taps - 1 - self._before) if self.wraps else (0, n)

    @property
    def _before(self) -> int:
        """Taps before the index."""
        return (self.taps - 1) // 2

    def interval(self, axis: int, first: float, last: float) -> Interval:
        """The samples that positions in ``[first, last]`` weigh along one axis; (0, 0) for none."""
        n = self.sizes[axis]
        rule = self.padding.rule
        if rule == "wrap":
            return self._unrolled(n, first, last)
        if rule == "inside":
            slack = self.slack(n)
            if last < -slack or first > n - 1 + slack:
                return 0, 0
        elif rule == "reflect":
            first, last = self._reflected(n, first, last)
        if rule != "free" and not (rule == "reflect" and self.mode == "cubic"):
            first, last = min(max(first, 0.0), n - 1.0), max(min(last, n - 1.0), 0.0)
        first, last = max(first, -8.0), min(last, n + 8.0)
        if self.mode == "nearest":
            low, high = _rounded(first, self.half_up), _rounded(last, self.half_up)
        else:
            reach = self.taps // 2 - 1
            low, high = int(np.floor(first)) - reach, int(np.ceil(last)) + reach
        low, high = max(low, 0), min(high, n - 1)
        return (low, high + 1) if low <= high else (0, 0)

    def _unrolled(self, n: int, first: float, last: float) -> Interval:
        """Of an axis that wraps. A position may be rounded up to the next sample when it is moved; "nearest" rounds it
        then.
        """
        if not (np.isfinite(first) and np.isfinite(last)):
            return self.every(n)
        return self.around(n, int(np.floor(first)), int(np.floor(last)) + 1)

    def around(self, n: int, low: int, high: int) -> Interval:
        """What positions with indices from `low` to `high` weigh along an axis that wraps: from where it begins among
        the axis's samples on.
        """
        start = low % n - self._before
        return self.every(n) if high - low + 1 >= n else (start, start + high - low + self.taps)

    def _reflected(self, n: int, first: float, last: float) -> tuple[float, float]:
        """The range of ``[first, last]`` after reflection; a thousandth of a sample wide of it, for rounding."""
        low = self.low
        span = n - 1 - 2 * low
        if not span > 0:
            return 0.0, 0.0
        flips = [np.floor((position - low) / span) for position in (first, last)]
        if flips[1] - flips[0] > 1 or max(abs(first), abs(last)) > 2**30:
            return 0.0, n - 1.0
        ends = [reflected(position, low, span) for position in (first, last)]
        if flips[1] > flips[0]:  # one fold in between: odd segments begin at the upper one
            ends.append(low + span if flips[1] % 2 else low)
        return min(ends) - 1e-3, max(ends) + 1e-3


def reflected(position: float, low: float, span: float) -> float:
    """A position folded into ``[low, low + span]``."""
    extra = abs(position - low) % (2 * span)
    return low + min(extra, 2 * span - extra)


def _rounded(position: float, half_up: bool) -> int:
    return int(np.floor(position + 0.5)) if half_up else int(np.rint(position))


def filled(fill: Any, dtype: DType) -> npt.NDArray[Any]:
    """A fill value as an array without axes: integers half to even, saturating, NaN to 0."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        value = 0 if fill != fill else fill
        whole = value if isinstance(value, int | np.integer) or abs(value) == np.inf else round(float(value))
        return np.array(int(min(max(whole, limits.min), limits.max)), dtype)
    if is_number(dtype):
        with np.errstate(over="ignore"):
            return np.array(fill, np.float64).astype(dtype)
    return np.zeros((), dtype) if isinstance(fill, int | float) and fill == 0 else np.array(fill, dtype)


def sampled_dtypes(mode: str, in_dtype: npt.DTypeLike, out_dtype: npt.DTypeLike | None) -> tuple[DType, DType]:
    """The dtypes of array and result, in this machine's byte order."""
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}; got {mode!r}{did_you_mean(mode, sampling=True)}")
    return checked_dtypes(mode, ["nearest"], in_dtype, out_dtype)


def sampled_sizes(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes of the axes that are sampled along, which positions must be able to tell apart."""
    for size in sizes:
        if not 1 <= size < LARGEST:
            raise ValueError(f"sampled axes must have between 1 and {LARGEST - 1} samples; got {size} in {sizes}")
    return tuple(map(int, sizes))


def checked_fill(fill: Any, dtype: DType) -> Any:
    """The fill value, which must be one number for a numeric array."""
    if stand_in(dtype) is None:
        return fill
    try:
        if dtype.kind == "c":
            return complex(fill)
        if isinstance(fill, int | np.integer) and not isinstance(fill, bool):
            return int(fill)
        return float(fill)
    except (TypeError, ValueError):
        raise TypeError(f"fill_value must be a number; got {fill!r}") from None
