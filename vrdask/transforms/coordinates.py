"""Where output samples lie on the input axis: exact integer arithmetic on global sizes.

A position is ``base + remainder / denominator`` with integers throughout; nothing is ever floored in floating point.
``floor(i * scale)`` in float64 is wrong for 385 of 16,384 small size pairs. Every function takes the outputs that it is
asked for; all of them where there are none.

The step from one output to the next is the ratio of the sizes, ``n_in / n_out``, so that both grids cover the same
extent. Or it is the one asked for, `step`, an exact fraction; then the last output's share may end before the axis
does, or behind it: by half a step at most, unless it is the only one. Decimals of 17 digits make fractions whose
multiples pass 64 bits: of those, positions are computed in integers of any size.

A `Window` begins within the axis: its first output's share does at `start`, which may lie within a sample. Positions
are those on the whole axis, whose samples beyond the window are there.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd, lcm
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


class Window(NamedTuple):
    """Outputs along a part of an axis: from `start` on, `step` from one to the next, in input samples."""

    start: Fraction
    step: Fraction


Step: TypeAlias = Fraction | Window
"""Input samples from one output to the next, from the beginning of the axis on, or of a window."""


class Positions(NamedTuple):
    """Position of output i on the input axis: ``base[i] + remainder[i] / denominator``, in input samples."""

    base: Indices
    remainder: npt.NDArray[Any]
    denominator: int

    @property
    def shares(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """How far a position lies behind the sample at its base, and before the next one."""
        behind, before = self.remainder / self.denominator, (self.denominator - self.remainder) / self.denominator
        return behind.astype(np.float64, copy=False), before.astype(np.float64, copy=False)


class Period(NamedTuple):
    """Positions repeat: so many outputs on, the same remainder, so many inputs on."""

    outputs: int
    inputs: int


def half_pixel(n_in: int, n_out: int, i: Indices | None = None, step: Step | None = None) -> Positions:
    """Sample centres at half-integers of both grids: ``(i + 1/2) * n_in / n_out - 1/2``, or times `step`.

    >>> half_pixel(4, 2)
    Positions(base=array([0, 2]), remainder=array([2, 2]), denominator=4)
    """
    i, inputs, outputs, first = _line(n_in, n_out, i, step)
    return _divided((2 * i + 1) * inputs + 2 * first - outputs, 2 * outputs)


def aligned_corners(n_in: int, n_out: int, i: Indices | None = None, step: Step | None = None) -> Positions:
    """First and last samples of both grids coincide: ``i * (n_in - 1) / (n_out - 1)``; a single output lies at 0.

    With `step` the first ones do: ``i * step``.
    """
    i, inputs, outputs, first = _line(n_in, n_out, i, step, align_corners=True)
    return _divided(i * inputs + first, outputs)


def positions(
    n_in: int, n_out: int, align_corners: bool, i: Indices | None = None, step: Step | None = None
) -> Positions:
    return aligned_corners(n_in, n_out, i, step) if align_corners else half_pixel(n_in, n_out, i, step)


def ratio(n_in: int, n_out: int, step: Step | None = None) -> tuple[int, int]:
    """So many inputs for so many outputs."""
    return (n_in, n_out) if step is None else _length(step).as_integer_ratio()


def parts(n_in: int, n_out: int, step: Step | None = None) -> tuple[int, int, int]:
    """An output's share in parts of a sample, how many parts a sample has, and where the first share begins in them.

    >>> parts(9, 5), parts(9, 4, Window(Fraction(1, 4), Fraction(3, 2)))
    ((9, 5, 0), (6, 4, 1))
    """
    inputs, outputs = ratio(n_in, n_out, step)
    if not isinstance(step, Window):
        return inputs, outputs, 0
    all_parts = lcm(outputs, step.start.denominator)
    return inputs * (all_parts // outputs), all_parts, int(step.start * all_parts)


def start_of(step: Step | None) -> Fraction:
    """Where the first output's share begins."""
    return step.start if isinstance(step, Window) else Fraction(0)


def _length(step: Step) -> Fraction:
    return step.step if isinstance(step, Window) else step


def own_step(n_in: int, n_out: int, align_corners: bool, step: Step | None) -> Step | None:
    """A step, where it is not what the sizes say.

    Raises
    ------
    ValueError
        It is not positive, or a window does not begin within the axis.
    """
    if step is None:
        return None
    if _length(step) <= 0:
        raise ValueError(f"steps must be positive; got {_length(step)}")
    if isinstance(step, Window):
        if align_corners:
            raise ValueError("align_corners must be False with a region of fractions, which says the edges; got True")
        if not 0 <= step.start < n_in:
            raise ValueError(f"a window must begin within the axis, of {n_in} samples; got {step.start}")
    usual = Fraction(n_in, n_out)
    if align_corners:
        usual = Fraction(n_in - 1, n_out - 1) if n_out > 1 else Fraction(1)  # of one output nothing says a step
    return None if step in (usual, Window(Fraction(0), usual)) else step


def line(n_in: int, n_out: int, align_corners: bool, step: Step | None) -> tuple[Fraction, Fraction]:
    """Samples from one output to the next, and where the first one lies. step : as of `own_step`.

    >>> line(4, 2, False, None), line(4, 2, False, Window(Fraction(1), Fraction(1, 2)))
    ((Fraction(2, 1), Fraction(1, 2)), (Fraction(1, 2), Fraction(3, 4)))
    """
    if step is not None:
        length = _length(step)
    elif n_in == n_out or (align_corners and n_out == 1):
        length = Fraction(1)
    else:
        length = Fraction(n_in - 1, n_out - 1) if align_corners else Fraction(n_in, n_out)
    return length, Fraction(0) if align_corners else start_of(step) + (length - 1) / 2


def in_single(step: Step | None, n_out: int) -> Step | None:
    """A window as Pillow has it: its two ends, and the difference of these, are single-precision numbers. As it is
    where they are equal then, which Pillow refuses.
    """
    if not isinstance(step, Window):
        return step
    start, stop = np.float32(float(step.start)), np.float32(float(step.start + n_out * step.step))
    return Window(Fraction(float(start)), Fraction(float(stop - start)) / n_out) if stop > start else step


def period(n_in: int, n_out: int, align_corners: bool = False, step: Step | None = None) -> Period:
    """After how many outputs positions repeat.

    >>> period(300, 200), period(9, 5, True)
    (Period(outputs=2, inputs=3), Period(outputs=1, inputs=2))
    """
    inputs, outputs = ratio(n_in - 1, max(n_out - 1, 1), step) if align_corners else ratio(n_in, n_out, step)
    common = gcd(inputs, outputs)
    return Period(outputs // common, inputs // common)


def nearest(n_in: int, n_out: int, align_corners: bool, i: Indices | None = None, step: Step | None = None) -> Indices:
    """The input sample nearest to each output; a tie goes up.

    Half-pixel centres as torch's ``nearest-exact``; aligned corners round half up, as volresample does.
    """
    if not align_corners:
        i, inputs, outputs, first = _line(n_in, n_out, i, step)
        found = ((2 * i + 1) * inputs + 2 * first) // (2 * outputs)
    else:
        i, inputs, outputs, first = _line(n_in, n_out, i, step, align_corners=True)
        found = (2 * (i * inputs + first) + outputs) // (2 * outputs)
    return found if step is None else np.minimum(found, n_in - 1).astype(np.int64)


def area_bounds(n_in: int, n_out: int, i: Indices | None = None, step: Step | None = None) -> tuple[Indices, Indices]:
    """Input interval ``[floor(i * n_in / n_out), ceil((i + 1) * n_in / n_out))`` per output, as torch's ``area``.

    With `step` ``[floor(i * step), ceil((i + 1) * step))``, cut off at the end of the axis.
    """
    i, inputs, outputs, first = _line(n_in, n_out, i, step)
    start, stop = (i * inputs + first) // outputs, -(-((i + 1) * inputs + first) // outputs)
    return (start, stop) if step is None else (start.astype(np.int64), np.minimum(stop, n_in).astype(np.int64))


def area_ends(
    n_in: int, n_out: int, i: Indices, step: Step | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], int]:
    """Where the share of an output begins and ends, in parts of a sample, and how many parts a sample has."""
    i, inputs, outputs, first = _line(n_in, n_out, i, step)
    return i * inputs + first, np.minimum((i + 1) * inputs + first, n_in * outputs), outputs


def _line(
    n_in: int, n_out: int, i: Indices | None, step: Step | None, align_corners: bool = False
) -> tuple[npt.NDArray[Any], int, int, int]:
    """Numbers of outputs, as Python's integers where what is made of them passes 64 bits; and `parts`."""
    inputs, outputs, first = parts(n_in - 1, max(n_out - 1, 1), step) if align_corners else parts(n_in, n_out, step)
    i = np.arange(n_out, dtype=np.int64) if i is None else i
    if step is not None and 2 * (max((n_out + 1) * inputs + first, (n_in + 1) * outputs) + outputs) >= 2**63:
        i = i.astype(object)
    return i, inputs, outputs, first


def _divided(numerator: npt.NDArray[Any], denominator: int) -> Positions:
    if numerator.dtype == object:
        return Positions((numerator // denominator).astype(np.int64), numerator % denominator, denominator)
    return Positions(*np.divmod(numerator, denominator), denominator)
