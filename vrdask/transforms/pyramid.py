"""A pyramid: an array, and smaller and smaller ones made of it, level by level. Everything that decides its bits.

**What a level is.** The mean of integers, min, max and stride: exactly one reduction of level 0 by the product of the
factors. For the mean that takes unrounded sums, which go from level to level beside what is stored (`SumForm`):
rounding what has been rounded would drift, and would weigh the short last blocks as much as whole ones. The smallest
value of smallest values is the smallest of all, so that the other three are made of what is stored. Everything else
(majority, median, the mean of floats, whose sum depends on the order, and every mode of `resample`): exactly one call
on the level before, as stored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any, TypeAlias

import numpy as np

from vrdask.boxes import ceil_div
from vrdask.dtypes import DType
from vrdask.transforms.blocks import MODES as BLOCK_MODES
from vrdask.transforms.blocks import Blocks, blocks
from vrdask.transforms.resampling import Resampling, resampling

Factors: TypeAlias = tuple[int | Fraction, ...]
"""How many samples of the level before a sample stands for, along each axis."""

MOST_SUMMED = 1 << 31
"""Samples in a sum of halves of 64-bit integers: more would not fit 64 bits."""


@dataclass(frozen=True)
class SumForm:
    """How sums of integers are held: exactly, in one number each, or in two, of the upper and the lower 32 bits."""

    dtype: DType
    limbs: int

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize * self.limbs


def sum_form(dtype: DType, count: int) -> SumForm:
    """The smallest form in which the sum of so many integers, and half as many ones more, is exact.

    >>> sum_form(np.dtype("uint16"), 8), sum_form(np.dtype("int64"), 8)
    (SumForm(dtype=dtype('uint32'), limbs=1), SumForm(dtype=dtype('int64'), limbs=2))
    """
    bits = 8 * dtype.itemsize + (max(count, 1) - 1).bit_length()
    kind = "i" if dtype.kind == "i" else "u"
    for size in (2, 4, 8):
        if bits <= 8 * size:
            return SumForm(np.dtype(f"{kind}{size}"), 1)
    return SumForm(np.dtype("int64"), 2)


@dataclass(frozen=True)
class Pyramid:
    """All levels of a pyramid; make one with `pyramid`.

    shapes : of all levels, the full one first. factors : of each level but that, over the level before.
    dtype : of all levels, in this machine's byte order.
    """

    shapes: tuple[tuple[int, ...], ...]
    factors: tuple[Factors, ...]
    mode: str
    dtype: DType

    @property
    def levels(self) -> int:
        """How many there are below the full one."""
        return len(self.factors)

    @property
    def in_blocks(self) -> bool:
        """Whether samples stand for whole blocks of samples, so that what is apart stays apart."""
        return self.mode in BLOCK_MODES

    @property
    def sums(self) -> bool:
        """Whether unrounded sums go from level to level."""
        return self.mode == "mean" and self.dtype.kind in "biu"

    def product(self, level: int, since: int = 0) -> Factors:
        """How many samples of an earlier level a sample of a level stands for along each axis.

        >>> pyramid((9, 9), [(1, 2), (3, 2)], "mean", np.dtype("u1")).product(2)
        (3, 4)
        """
        ndim = len(self.shapes[0])
        return tuple(prod((step[axis] for step in self.factors[since:level]), start=1) for axis in range(ndim))

    def whole_product(self, level: int, since: int = 0) -> tuple[int, ...]:
        """The same, of blocks."""
        return tuple(int(factor) for factor in self.product(level, since))

    def sum_form(self, level: int) -> SumForm:
        """How the sums of a level are held."""
        summed = zip(self.whole_product(level), self.shapes[0], strict=True)
        return sum_form(self.dtype, prod(min(factor, n) for factor, n in summed))

    def carried_bytes(self, level: int) -> int:
        """Of what goes on from a level to the next, per sample."""
        return self.sum_form(level).itemsize if self.sums and level else self.dtype.itemsize

    @cached_property
    def steps(self) -> tuple[Blocks | Resampling, ...]:
        """From each level to the next, as stored."""
        return tuple(
            blocks(before, tuple(map(int, step)), self.mode, in_dtype=self.dtype)
            if self.in_blocks
            else _resampled(before, after, step, self.mode, self.dtype)
            for before, after, step in zip(self.shapes, self.shapes[1:], self.factors, strict=False)
        )

    @property
    def starts_at_first(self) -> bool:
        """Whether a sample lies where the first of those does that it stands for, rather than amid them."""
        return self.mode == "stride"

    @property
    def label(self) -> str:
        """For people, and for the names of tasks."""
        return f"pyramid-{self.mode}"

    def settings(self) -> dict[str, Any]:
        """What two runs must agree in for one to go on from the other: JSON."""
        return {
            "shapes": self.shapes,
            "factors": [list(map(str, step)) for step in self.factors],
            "mode": self.mode,
            "dtype": str(self.dtype),
        }


def _resampled(
    before: tuple[int, ...], after: tuple[int, ...], factors: Factors, mode: str, dtype: DType
) -> Resampling:
    """A level of the one before, with exactly these factors, whatever its size is rounded to."""
    axes = tuple(axis for axis, factor in enumerate(factors) if factor != 1)
    return resampling(
        before, tuple(after[axis] for axis in axes), mode, axes=axes, in_dtype=dtype,
        steps=tuple(Fraction(factors[axis]) for axis in axes),
    )  # fmt: skip


def next_shape(shape: Sequence[int], factors: Factors, in_blocks: bool) -> tuple[int, ...]:
    """The sizes of the next level: of blocks the last one may be short; else to the nearest, halves up.

    >>> next_shape((5, 5), (2, 2), True), next_shape((5, 5), (Fraction(2), Fraction(3)), False)
    ((3, 3), (3, 2))
    """
    if in_blocks:
        return tuple(ceil_div(n, int(factor)) for n, factor in zip(shape, factors, strict=True))
    return tuple(math.floor(n / Fraction(f) + Fraction(1, 2)) for n, f in zip(shape, factors, strict=True))


def pyramid(shape: Sequence[int], factors: Sequence[Factors], mode: str, dtype: DType) -> Pyramid:
    """The levels below an array.

    Raises
    ------
    ValueError
        An axis would vanish, or a sum would not be exact.
    """
    shapes = [tuple(shape)]
    for level, step in enumerate(factors, 1):
        shapes.append(next_shape(shapes[-1], step, mode in BLOCK_MODES))
        for axis, (before, after) in enumerate(zip(shapes[-2], shapes[-1], strict=True)):
            if before and not after:
                raise ValueError(
                    f"every axis must keep a sample; got axis {axis} with {before} at level {level - 1}, "
                    f"which a factor of {float(step[axis]):g} leaves none: ask for fewer levels, or smaller factors"
                )
    found = Pyramid(tuple(shapes), tuple(map(tuple, factors)), mode, dtype)
    if found.sums and found.levels:
        summed = prod(min(f, n) for f, n in zip(found.whole_product(found.levels), shape, strict=True))
        if summed > MOST_SUMMED:
            raise ValueError(
                f"a sample must stand for at most {MOST_SUMMED} with mode 'mean'; got {summed} at level "
                f"{found.levels}: ask for fewer levels"
            )
    return found
