"""The prefilter of cubic sampling as a resampling of its own: samples in, B-spline coefficients of the same shape out.

A stage along each sampled axis (`prefilter`), so that any box of coefficients follows from the box of samples that the
filters read, with the bits that filtering the whole array gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from vrdask.transforms.prefilter import Prefilter
from vrdask.transforms.resampling import Resampling, Stage, prefilters


@dataclass(frozen=True)
class SplineFilter(Resampling):
    """A prefilter along `axes`; the array is taken to be mirrored about its end samples (`mirror`: SciPy's mode
    "mirror") or about the half-samples beyond them (SciPy's "reflect"). Or axes go on with their first sample behind
    the last (`wraps`); then boxes may lie anywhere.
    """

    axes: tuple[int, ...] = ()
    mirror: bool = False
    wraps: bool = False

    def __hash__(self) -> int:
        return hash((self.in_shape, self.axes, self.mirror, self.wraps, self.in_dtype, self.out_dtype))

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(prefilters(self._filter(n) if k in self.axes else None for k, n in enumerate(self.in_shape)))

    @property
    def radius(self) -> int:
        """Samples that a coefficient depends on, each way along an axis."""
        return self._filter(1).radius

    def _filter(self, n: int) -> Prefilter:
        return Prefilter.precise(n, self.double, self.mirror, self.wraps)
