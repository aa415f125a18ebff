"""A downsampling: whole blocks of samples, aligned at 0, each of which becomes one sample. Pure.

The last block of an axis is partial where the factor does not divide the size. A block is known by the global position
of its sample, and its own samples are all that it depends on: boxes have no margins.

Semantics are those of ``tensorstore.downsample``. What `vrdask.transforms.reference_blocks` computes is the definition,
to the bit.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, ceil_div, require_known, whole
from vrdask.dtypes import NAMES, DType, is_number, native
from vrdask.transforms.arguments import checked_axes
from vrdask.transforms.coordinates import Step

Factors: TypeAlias = int | Sequence[int] | Mapping[int, int]

MODES = ("mean", "majority", "median", "min", "max", "stride")
"""What becomes of a block:

mean        of integers exact, halves to even; of floats the float64 sum over the count, rounded. NaN spreads
majority    the value that is there most often; of several the lowest
median      the value in the middle; the lower of two
min, max    NaN only where there is nothing else, as numpy's fmin and fmax
stride      the first sample
"""

HALVES = "halves"
"""Not for users, since `resample` has it: of floats, the halves of two samples added, along one axis after the other,
the first one first, in a resampling's precision."""

MOST_IN_BLOCK = 2**31
"""Samples of a block, at most: sums of 32-bit integers fit 64 bits, and remainders can be doubled."""


MOST_IN_WINDOW = 2**12
"""Samples of a window of a resampling that is one of blocks, at most: a list of its rows takes next to nothing."""

MOST_HALVED = 2**4
"""Samples of a block that is halved, at most: registers hold what its rows have at a place."""


@dataclass(frozen=True)
class Blocks:
    """A validated downsampling of a whole array; make one with `blocks`."""

    in_shape: tuple[int, ...]
    """Sizes of every axis."""
    factors: tuple[int, ...]
    """Samples of a whole block along every axis; 1 where nothing happens. It may be more than the axis has."""
    mode: str
    """One of `MODES`, or `HALVES`."""
    sparse: bool
    """Of majority: whether zeros count only where there is nothing else."""
    in_dtype: DType
    """In this machine's byte order. Samples come in any; a result never does."""
    out_dtype: DType

    @property
    def out_shape(self) -> tuple[int, ...]:
        return tuple(map(ceil_div, self.in_shape, self.factors))

    @cached_property
    def whole(self) -> tuple[Box, Box]:
        """Reads and writes of the whole output."""
        return whole(self.in_shape), whole(self.out_shape)

    def reads(self, writes: Box) -> Box:
        """The source box that an output box depends on."""
        return tuple(
            (start * factor, min(stop * factor, n) if stop > start else start * factor)
            for (start, stop), factor, n in zip(writes, self.factors, self.in_shape, strict=True)
        )

    def reads_along(
        self, axis: int, starts: npt.NDArray[np.int64], stops: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The source intervals of output intervals along an axis."""
        factor = self.factors[axis]
        return starts * factor, np.where(
            stops > starts, np.minimum(stops * factor, self.in_shape[axis]), starts * factor
        )

    @property
    def steps(self) -> tuple[int, ...]:
        """Source samples between result samples along every axis: with `starts`, what `Image.stepped` takes."""
        return self.factors

    @property
    def starts(self) -> tuple[float, ...]:
        """Where result sample 0 lies along every axis, in source samples: a whole block's centre, or its first."""
        return tuple(0.0 if self.mode == "stride" else (factor - 1) / 2 for factor in self.factors)

    @property
    def label(self) -> str:
        return f"downsample-{self.mode}"

    def settings(self) -> dict[str, Any]:
        """What two runs must agree in for one to go on from the other: JSON."""
        return {
            "shape": self.out_shape,
            "factors": self.factors,
            "mode": self.mode,
            "sparse": self.sparse,
            "dtype": str(self.out_dtype),
        }


def blocks(
    in_shape: Sequence[int],
    factors: Factors,
    mode: str = "mean",
    *,
    axes: Iterable[int] | int | None = None,
    in_dtype: npt.DTypeLike = "float32",
    out_dtype: npt.DTypeLike | None = None,
    sparse: bool = False,
) -> Blocks:
    """Check the arguments of `downsample` and put them into their one form."""
    require_known(in_shape)
    shape = tuple(map(operator.index, in_shape))
    by_axis = [1] * len(shape)
    for axis, factor in checked_factors(factors, axes, len(shape)).items():
        if factor > 1 and shape[axis] < 1:
            raise ValueError(f"downsampled axis {axis} must have at least one sample; got shape {shape}")
        if factor >= MOST_IN_BLOCK:
            raise ValueError(f"factors must be below 2^31; got {factor} for axis {axis}")
        by_axis[axis] = factor
    if not isinstance(mode, str) or mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}; got {mode!r}")
    if sparse and mode != "majority":
        raise ValueError(f"sparse must be False with mode {mode!r} (it is defined for majority); got {sparse}")
    if mode != "stride" and (most := prod(map(min, shape, by_axis))) >= MOST_IN_BLOCK:
        raise ValueError(f"a block must have fewer than 2^31 samples; got {most}: downsample in two steps")
    source, result = _checked_dtypes(mode, in_dtype, out_dtype)
    return Blocks(shape, tuple(by_axis), mode, bool(sparse), source, result)


def whole_blocks(
    pairs: Sequence[tuple[int, int, Step | None]], dtype: DType, are_means: bool, are_halves: bool
) -> Blocks | None:
    """The downsampling that gives a resampling's bits, where every window is a whole block: of integers; of floats at a
    ratio of 2, where a sum is of two halves whatever made the weights.

    pairs : sizes before and after by axis, and samples from one to the next where the sizes do not say it.
    are_means : every result is the exact mean of a window. are_halves : or of two samples along an axis, if those are
        all that a result is of, as linear interpolation at a ratio of 2. Its sums are exact below 64 bits.

    >>> whole_blocks([(6, 2, None), (5, 5, None)], np.dtype("uint8"), True, False).factors
    (3, 1)
    """
    if dtype.kind not in "iuf" or any(n_out == 0 or n_in % n_out for n_in, n_out, _ in pairs):
        return None
    if any(step not in (None, n_in // n_out) for n_in, n_out, step in pairs):
        return None
    factors = tuple(n_in // n_out for n_in, n_out, _ in pairs)
    halved = max(factors, default=1) <= 2
    if dtype.kind == "f":
        known, most, mode = halved and (are_means or are_halves), MOST_HALVED, HALVES
    else:
        known, most, mode = are_means or (are_halves and halved and dtype.itemsize < 8), MOST_IN_WINDOW, "mean"
    if not known or not 1 < prod(factors) <= most:
        return None
    return Blocks(tuple(n_in for n_in, _, _ in pairs), factors, mode, False, dtype, dtype)


def checked_factors(factors: Factors, axes: Iterable[int] | int | None, ndim: int) -> dict[int, int]:
    """The factor of each axis that has one.

    >>> checked_factors(2, None, 3), checked_factors((2, 3), None, 3), checked_factors({-1: 4}, None, 3)
    ({0: 2, 1: 2, 2: 2}, {1: 2, 2: 3}, {2: 4})
    """
    if isinstance(factors, Mapping):
        if axes is not None:
            raise ValueError(f"axes must be None where factors names them; got {axes!r} and {dict(factors)}")
        chosen, given = checked_axes(tuple(factors), ndim), list(factors.values())
    elif isinstance(factors, Iterable):
        given = list(factors)
        if axes is None and len(given) > ndim:
            raise ValueError(f"factors must give at most {ndim}, one per axis of the array; got {len(given)}")
        chosen = tuple(range(ndim - len(given), ndim)) if axes is None else checked_axes(axes, ndim)
        if len(given) != len(chosen):
            raise ValueError(f"factors must give one per axis; got {len(given)} factors for {len(chosen)} axes")
    else:
        chosen = tuple(range(ndim)) if axes is None else checked_axes(axes, ndim)
        given = [factors] * max(len(chosen), 1)
    for factor in given:
        if isinstance(factor, bool | np.bool_) or not hasattr(factor, "__index__"):
            raise TypeError(
                f"factors must hold whole numbers; got {factor!r} in {factors!r} (resample takes any ratio)"
            )
        if operator.index(factor) < 1:
            raise ValueError(f"factors must be at least 1; got {factor} in {factors!r}")
    if isinstance(factors, Iterable) and not given:
        raise ValueError(f"factors must give at least one; got {factors!r}")
    return dict(zip(chosen, map(operator.index, given), strict=False))


def _checked_dtypes(mode: str, in_dtype: npt.DTypeLike, out_dtype: npt.DTypeLike | None) -> tuple[DType, DType]:
    """The dtypes of array and result, in this machine's byte order."""
    source = native(in_dtype)
    result = source if out_dtype is None else native(out_dtype)
    known = f"bool, {', '.join(NAMES)}"
    if source.hasobject:
        raise TypeError(f"the array's dtype must have a fixed size; got {source}")
    if mode != "stride" and not (is_number(source) or source == np.bool_):
        raise TypeError(
            f"the array's dtype must be one of {known} with mode {mode!r}; got {source} "
            "(mode stride takes any; convert with astype for the others)"
        )
    if result != source:
        if not (is_number(source) or source == np.bool_):
            raise TypeError(f"the array's dtype, when another is asked for, must be one of {known}; got {source}")
        if not is_number(result):
            raise TypeError(f"dtype must be one of {', '.join(NAMES)}; got {result}")
    return source, result
