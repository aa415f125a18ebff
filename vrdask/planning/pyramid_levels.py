"""Which levels a pyramid has: the factors of each over the level before, from what a caller asks for. Pure."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from vrdask.transforms.pyramid import Factors, next_shape

MOST_LEVELS = 64


def levels_of(
    shape: Sequence[int],
    names: Sequence[str],
    reduced: Sequence[int],
    scale: Sequence[float],
    chunk: Sequence[int],
    factors: Any = 2,
    levels: int | None = None,
    in_blocks: bool = True,
) -> tuple[Factors, ...]:
    """The factors of every level below the full one, over the level before.

    names : of the axes. reduced : those that a single number is for; such of one sample are left alone.
    scale : distances between samples, for "auto". chunk : into one of which the smallest level fits by default.
    factors, levels : as in `write_pyramid`. in_blocks : whether factors must be whole.

    Raises
    ------
    TypeError, ValueError
        They are not as described.

    Examples
    --------
    >>> levels_of((64, 512, 512), "zyx", (0, 1, 2), (4.0, 1.0, 1.0), (64, 64, 64), "auto")
    ((1, 2, 2), (1, 2, 2), (2, 2, 2))
    """
    count = None if levels is None else _whole("levels", levels, 0)
    if count is not None and count > MOST_LEVELS:
        raise ValueError(f"levels must be at most {MOST_LEVELS}; got {count}")
    reduced = [axis for axis in reduced if shape[axis] > 1]
    if isinstance(factors, str) and factors == "auto":
        return _auto(shape, names, reduced, scale, chunk, count, in_blocks)
    if isinstance(factors, str):
        raise ValueError(f"factors must be numbers or 'auto'; got {factors!r}")
    if isinstance(factors, Iterable) and not isinstance(factors, Mapping):
        given = [_step(one, names, reduced, in_blocks) for one in factors]
        if count is not None and count != len(given):
            raise ValueError(
                f"levels must be as many as factors gives; got {count} and {len(given)}: leave levels out, or give one "
                "factor for all"
            )
        return tuple(given)
    step = _step(factors, names, reduced, in_blocks)
    return _repeated(shape, [], step, chunk, count, in_blocks)


def _repeated(
    shape: Sequence[int], before: list[Factors], step: Factors, chunk: Sequence[int], count: int | None, in_blocks: bool
) -> tuple[Factors, ...]:
    """So many levels in all, or levels until the smallest fits a chunk, each by the same factors over the one before,
    after those `before`.
    """
    found, sizes = list(before), tuple(shape)
    for one in found:
        sizes = next_shape(sizes, one, in_blocks)
    axes = [axis for axis, factor in enumerate(step) if factor > 1]
    while len(found) < count if count is not None else any(sizes[axis] > chunk[axis] for axis in axes):
        after = next_shape(sizes, step, in_blocks)
        if after == sizes or 0 in after:
            if count is None:
                break
            raise ValueError(
                f"levels must be at most {len(found)}, with which the smallest has the sizes "
                f"{'x'.join(map(str, sizes))}; got {count}"
            )
        found.append(step)
        sizes = after
    return tuple(found)


def _auto(
    shape: Sequence[int], names: Sequence[str], reduced: Sequence[int], scale: Sequence[float],
    chunk: Sequence[int], count: int | None, in_blocks: bool,
) -> tuple[Factors, ...]:  # fmt: skip
    """Halve the axes along which samples lie close together until they are as far apart as along the others, as nearly
    as halving can; then all.
    """
    unknown = [names[axis] for axis in reduced if not math.isfinite(scale[axis])]
    if unknown:
        raise ValueError(
            f"factors 'auto' needs the spacing of every axis of space; it is not known along {', '.join(unknown)}: "
            "give factors"
        )
    spacing = {axis: Fraction(scale[axis]) for axis in reduced}
    found: list[Factors] = []
    sizes = tuple(shape)
    while count is None or len(found) < count:
        widest = max(spacing.values(), default=Fraction(1))
        close = [axis for axis in reduced if sizes[axis] > 1 and 2 * spacing[axis] ** 2 <= widest**2]
        fits = all(sizes[axis] <= chunk[axis] for axis in reduced)
        if not close or (count is None and fits):
            break
        step: Factors = tuple(2 if axis in close else 1 for axis in range(len(shape)))
        found.append(step)
        sizes = next_shape(sizes, step, in_blocks)
        spacing |= {axis: 2 * spacing[axis] for axis in close}
    all_axes: Factors = tuple(2 if axis in reduced else 1 for axis in range(len(shape)))
    return _repeated(shape, found, all_axes, chunk, count, in_blocks)


def _step(given: Any, names: Sequence[str], reduced: Sequence[int], in_blocks: bool) -> Factors:
    """The factors of one level from a number, or from numbers by the names of axes."""
    if isinstance(given, Mapping):
        unknown = [str(name) for name in given if name not in names]
        if unknown:
            raise ValueError(f"factors must name axes of the source, {', '.join(names)}; got {', '.join(unknown)}")
        by_name = {name: _factor(value, in_blocks) for name, value in given.items()}
        step: Factors = tuple(by_name.get(name, 1) for name in names)
    else:
        factor = _factor(given, in_blocks)
        step = tuple(factor if axis in reduced else 1 for axis in range(len(names)))
    if all(factor == 1 for factor in step):
        raise ValueError(f"factors must make some axis smaller; got {given!r}")
    return step


def _factor(value: Any, in_blocks: bool) -> int | Fraction:
    if in_blocks:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, float):
            raise ValueError(
                f"factors must be whole numbers where samples stand for whole blocks; got {value}: a mode of resample, "
                "such as 'area', takes others"
            )
        return _whole("factors", value, 1)
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise TypeError(f"factors must be numbers; got {value!r}")
    if not 1 <= value < math.inf:
        raise ValueError(f"factors must be at least 1; got {value}")
    return Fraction(str(value))


def _whole(name: str, value: Any, least: int) -> int:
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"{name} must be whole numbers; got {value!r}")
    if number < least:
        raise ValueError(f"{name} must be at least {least}; got {number}")
    return number
