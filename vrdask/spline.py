"""The prefilter of cubic sampling as a resampling of its own: samples in, B-spline coefficients of the same shape out.

Along each sampled axis a banded matrix (`operators.prefilter`), so that any box of coefficients follows from the box of
samples that the matrix reads, with the bits that filtering the whole array gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from vrdask.operators import Indices, Operator, banded, prefilter
from vrdask.resampling import Resampling, Stage


@dataclass(frozen=True)
class SplineFilter(Resampling):
    """A prefilter along `axes`; the array is taken to be mirrored about its end samples (`mirror`: SciPy's mode
    "mirror") or about the half-samples beyond them (SciPy's "reflect").
    """

    axes: tuple[int, ...] = ()
    mirror: bool = False

    def __hash__(self) -> int:
        return hash((self.in_shape, self.axes, self.mirror, self.in_dtype, self.out_dtype))

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        radius = 28 if self.double else 13
        operators = [
            _operator(n, radius, self.mirror) if axis in self.axes else None for axis, n in enumerate(self.in_shape)
        ]
        return (tuple(operators),)


@lru_cache(maxsize=64)
def _operator(n: int, radius: int, mirror: bool) -> Operator:
    if not mirror:
        return prefilter(n, radius)
    offset = np.arange(-radius, radius + 1)
    response = (np.sqrt(3.0) - 2.0) ** np.abs(offset)
    response /= response.sum()
    index = mirrored(np.arange(n)[:, None] + offset, n)
    return banded(n, index, np.broadcast_to(response, index.shape))


def mirrored(index: Indices, n: int) -> Indices:
    """Fold any integer into [0, n), mirrored about the samples 0 and n - 1 (SciPy's mode "mirror").

    >>> mirrored(np.array([-1, 0, 3, 4]), 4)
    array([1, 0, 3, 2])
    """
    if n == 1:
        return np.zeros_like(index)
    index = index % (2 * (n - 1))
    return np.minimum(index, 2 * (n - 1) - index)
