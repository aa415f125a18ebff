"""The prefilter of cubic B-splines along an axis: as many coefficients as samples.

Unser's recursive filter (1999) has the impulse response ``z**abs(k)``, z = sqrt(3) - 2. Cut off at 15 samples (z**16 is
below 2**-30) it needs neither recursion nor a table. With the shift by a sample S, half of it is

    sum of z**k S**k for k < 16  =  (1 + z S) (1 + z**2 S**2) (1 + z**4 S**4) (1 + z**8 S**8)

and the other half is the same backwards: 16 multiplications and additions for 31 taps. The result depends on the
samples within the radius and on nothing else: no block grid to anchor, and no NaN from further away.

A constant is its own coefficients, exactly: the inverse filter is 1 + (S - 2 + 1 / S) / 6, so the coefficients are the
samples minus a sixth of their second differences, filtered. These reach one sample further.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Interval
from vrdask.dtypes import DType
from vrdask.transforms.bands import Indices
from vrdask.transforms.interpolators import reflect

POLE = sqrt(3.0) - 2.0


@dataclass(frozen=True)
class Prefilter:
    """The filter of an axis.

    n : samples, and coefficients.
    doublings : filters of two taps each way, of second differences; the radius is ``2**doublings``.
    mirror : the axis continues mirrored about its end samples (SciPy's mode "mirror"), not about the half-samples
        beyond them (SciPy's "reflect").
    wraps : or it goes on with its first sample behind its last, and so on both ways (SciPy's "grid-wrap"): intervals
        may lie anywhere, and have no ends. Which sample stands where is for those who bring them.
    """

    n: int
    doublings: int
    mirror: bool = False
    wraps: bool = False

    @classmethod
    def precise(cls, n: int, double: bool, mirror: bool = False, wraps: bool = False) -> Prefilter:
        """The filter whose cut-off lies below the rounding of float32 (2**-24), or of float64 (2**-53)."""
        return cls(n, 5 if double else 4, mirror, wraps)

    @property
    def n_in(self) -> int:
        return self.n

    @property
    def n_out(self) -> int:
        return self.n

    @property
    def radius(self) -> int:
        return 1 << self.doublings

    def reads(self, writes: Interval) -> Interval:
        """The samples that a non-empty interval of coefficients depends on: no sample more."""
        if self.wraps:
            return writes[0] - self.radius, writes[1] + self.radius
        return max(0, writes[0] - self.radius), min(self.n, writes[1] + self.radius)

    def reads_many(self, starts: Indices, stops: Indices) -> tuple[Indices, Indices]:
        """`reads` for arrays of intervals."""
        if self.wraps:
            return starts - self.radius, stops + self.radius
        return np.maximum(starts - self.radius, 0), np.minimum(stops + self.radius, self.n)

    def samples(self, writes: Interval) -> Indices:
        """The sample at each position from `radius` before an interval to `radius` behind it."""
        places = np.arange(writes[0] - self.radius, writes[1] + self.radius)
        if self.wraps:
            return places
        return mirrored(places, self.n) if self.mirror else reflect(places, self.n)

    def plain(self, writes: Interval) -> Interval:
        """Which of `samples` are consecutive."""
        if self.wraps:
            return 0, writes[1] - writes[0] + 2 * self.radius
        return max(0, self.radius - writes[0]), min(self.n, writes[1] + self.radius) - (writes[0] - self.radius)

    def weights(self, dtype: DType) -> npt.NDArray[np.float32 | np.float64]:
        """Those of the filters, in order: both of the first, then each second one (the first is 1)."""
        return _weights(self.doublings, dtype)


@lru_cache(maxsize=8)
def _weights(doublings: int, dtype: DType) -> npt.NDArray[np.float32 | np.float64]:
    powers, gain = [POLE], 1 + POLE
    for _ in range(1, doublings):
        powers.append(powers[-1] * powers[-1])
        gain *= 1 + powers[-1]
    scale = -1 / (6 * gain * gain)
    return np.array([scale, scale * POLE, *powers[1:], *powers], dtype)


def mirrored(index: Indices, n: int) -> Indices:
    """Fold any integer into [0, n), mirrored about the samples 0 and n - 1 (SciPy's mode "mirror").

    >>> mirrored(np.array([-1, 0, 3, 4]), 4)
    array([1, 0, 3, 2])
    """
    if n == 1:
        return np.zeros_like(index)
    index = index % (2 * (n - 1))
    return np.minimum(index, 2 * (n - 1) - index)
