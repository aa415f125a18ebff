"""What is asked for axis by axis: one number, several in order, or by the axes' names; exactly as typed. Pure.

    0.5    (1, 0.5, 0.5)    {"y": 0.5, "x": 0.5}    "0.5"    "1,0.5,0.5"    "y=0.5,x=0.5"    "2um"    "y=0:100"

A float counts as its shortest decimal: 0.1 is 1/10. One number is for every axis of space; several are for the last of
them. An axis is called by its name, or by its number.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from vrdask.images.units import quantity

Quantity = tuple[Fraction, str | None]
"""A number, and the unit that is said with it."""


@dataclass(frozen=True)
class Axes:
    """The axes of an array, to be called by name or number.

    names : None for one that has none. space : those that are resampled where nothing else is said.
    """

    names: tuple[str | None, ...]
    space: tuple[int, ...]

    @property
    def ndim(self) -> int:
        return len(self.names)

    def number(self, called: Any) -> int:
        """Of an axis, from its name or its number, which may be negative.

        Raises
        ------
        TypeError, ValueError
            It is neither, or there is no such axis.
        """
        if isinstance(called, str):
            lower = [None if name is None else name.lower() for name in self.names]
            for names, name in ((self.names, called), (lower, called.lower())):
                if names.count(name) == 1:
                    return names.index(name)
            if not called.lstrip("-").isdecimal():
                there = ", ".join(name for name in self.names if name is not None)
                known = f"among those of the array, {there}" if there else "numbers for an array without names of axes"
                raise ValueError(f"axes must be {known}; got {called!r}")
            called = int(called)
        try:
            number = operator.index(called)
        except TypeError:
            raise TypeError(f"axes must be names or integers; got {called!r}") from None
        if not -self.ndim <= number < self.ndim:
            raise ValueError(
                f"axes must lie in [{-self.ndim}, {self.ndim}) for an array of {self.ndim} axes; got {number}"
            )
        return number % self.ndim

    def numbers(self, called: Any) -> tuple[int, ...]:
        """Of several axes, none twice."""
        called = called.split(",") if isinstance(called, str) else called
        given = [each.strip() if isinstance(each, str) else each for each in several(called)]
        found = tuple(map(self.number, given))
        if len(set(found)) < len(found):
            raise ValueError(f"axes must not repeat; got {tuple(given)}")
        return found

    def label(self, axis: int) -> str:
        """An axis for people: its name, or its number."""
        name = self.names[axis]
        return str(axis) if name is None else name


def exact(value: Any, name: str) -> Fraction:
    """A number, exactly; a float as its shortest decimal. name : of the argument.

    >>> exact(0.1, "factor"), exact("2.50", "factor"), exact(Decimal("0.3"), "factor")
    (Fraction(1, 10), Fraction(5, 2), Fraction(3, 10))
    """
    number, unit = exact_quantity(value, name)
    if unit is not None:
        raise ValueError(f"{name} must be a number without a unit; got {value!r}")
    return number


def exact_quantity(value: Any, name: str) -> Quantity:
    """A positive number with the unit that a text says, exactly."""
    if isinstance(value, str):
        if (found := quantity(value)) is None:
            if value.strip().lower().lstrip("+-") in ("nan", "inf", "infinity"):
                raise ValueError(f"{name} must be positive and finite; got {value}")
            raise ValueError(f"{name} must be a number, or one with a known unit such as 2um; got {value!r}")
        number, unit = found
    else:
        number, unit = _fraction(value, name), None
    if number <= 0:
        raise ValueError(f"{name} must be positive and finite; got {value}")
    return number, unit


def per_axis(name: str, given: Any) -> Any:
    """What a text says axis by axis: a mapping, a list, or one value; anything else as it is.

    >>> per_axis("factor", "z=1, y=0.5"), per_axis("factor", "1,0.5"), per_axis("factor", "2 um"), per_axis("shape", 3)
    ({'z': '1', 'y': '0.5'}, ['1', '0.5'], '2 um', 3)
    """
    if not isinstance(given, str):
        return given
    parts = [part.strip() for part in given.split(",")]
    if "=" not in given:
        return parts if len(parts) > 1 else parts[0]
    found: dict[str, str] = {}
    for part in parts:
        axis, is_named, value = (each.strip() for each in part.partition("="))
        if not (axis and is_named and value):
            raise ValueError(f"{name} must name every axis or none, such as z=1,y=2; got {given!r}")
        if axis in found:
            raise ValueError(f"{name} must name an axis once; got {axis!r} twice in {given!r}")
        found[axis] = value
    return found


def of_axes(
    name: str, given: Any, axes: Any, known: Axes, one_for_all: bool = True
) -> tuple[tuple[int, ...], list[Any]]:
    """The axes that something is asked for, and what.

    given : as `per_axis` has it. axes : that the caller names, or None. one_for_all : whether one value is for every
    axis of space, rather than for the last.

    Raises
    ------
    TypeError, ValueError
        There are no such axes, or not as many as values.

    >>> known = Axes(("c", "z", "y", "x"), (1, 2, 3))
    >>> of_axes("factor", 2, None, known), of_axes("shape", "y=5,z=6", None, known)
    (((1, 2, 3), [2, 2, 2]), ((2, 1), ['5', '6']))
    >>> of_axes("shape", 5, None, known, one_for_all=False)
    ((3,), [5])
    """
    given = per_axis(name, given)
    if isinstance(given, Mapping):
        if axes is not None:
            raise ValueError(f"axes must be left out where {name} names them; got {axes!r} and {dict(given)!r}")
        if not given:
            raise ValueError(f"{name} must name at least one axis; got {given!r}")
        return known.numbers(list(given)), list(given.values())
    values, what = several(given), "number" if one_for_all else "size"
    for_all = one_for_all and (isinstance(given, str) or not isinstance(given, Iterable))
    if not values:
        raise ValueError(f"{name} must give at least one {what}; got {given!r}")
    if axes is not None:
        numbers = known.numbers(axes)
    elif for_all:
        numbers = known.space
    elif len(values) > known.ndim:
        raise ValueError(f"{name} must give at most {known.ndim} {what}s, one per axis of the array; got {len(values)}")
    else:
        among = known.space if len(values) <= len(known.space) else tuple(range(known.ndim))
        numbers = among[len(among) - len(values) :]
    values = values * len(numbers) if for_all else values
    if len(values) != len(numbers):
        how, many = ("one number, or one", "") if one_for_all else ("one size", " sizes")
        raise ValueError(f"{name} must give {how} per axis; got {len(values)}{many} for {len(numbers)} axes")
    return numbers, values


def for_axes(name: str, given: Any, axes: Sequence[int], known: Axes) -> Any:
    """One value for all of some axes as it is; what names them, or lists values, as a list in the order of the axes.

    >>> known = Axes(("z", "y", "x"), (0, 1, 2))
    >>> for_axes("mode", "cubic", (1, 2), known), for_axes("mode", "x=cubic,y=linear", (1, 2), known)
    ('cubic', ['linear', 'cubic'])
    """
    given = per_axis(name, given)
    if not isinstance(given, Mapping):
        return given
    by_number = dict(zip(known.numbers(list(given)), given.values(), strict=True))
    if by_number.keys() != {*axes}:
        asked = ", ".join(map(known.label, axes))
        raise ValueError(f"{name} must be given for {asked}, which are resampled, and no other; got {dict(given)}")
    return [by_number[axis] for axis in axes]


def region_of(given: Any, known: Axes, shape: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """A box from a region: for some axes by name, where it starts and stops; all of the others.

    given : {"y": (50, 900), "x": slice(0, None)}, or "y=50:900,x=0:".

    Raises
    ------
    TypeError, ValueError
        It is none, or lies outside the array.
    """
    box, windows = parts_of_region(given, known, shape)
    for axis, (start, stop) in windows.items():
        raise TypeError(
            f"region of axis {known.label(axis)} must be a start and a stop, two integers, such as 0:100; "
            f"got {float(start):g}:{float(stop):g}: resample and resample_zarr take fractions"
        )
    return box


def parts_of_region(
    given: Any, known: Axes, shape: Sequence[int]
) -> tuple[tuple[tuple[int, int], ...], dict[int, tuple[Fraction, Fraction]]]:
    """A box from a region, and where it starts and stops along axes of which an end is said with a fraction, if only
    10.0: there the box is whole.

    >>> parts_of_region("y=2:,x=0.5:10", Axes(("y", "x"), (0, 1)), (9, 12))
    (((2, 9), (0, 12)), {1: (Fraction(1, 2), Fraction(10, 1))})
    """
    given = per_axis("region", given)
    if not isinstance(given, Mapping) or not given:
        raise TypeError(f"region must give starts and stops by axis, such as y=50:900; got {given!r}")
    box, windows = [(0, n) for n in shape], {}
    for axis, (called, ends) in zip(known.numbers(list(given)), given.items(), strict=True):
        start, stop = _ends(ends, f"region of axis {called}", shape[axis])
        if not 0 <= start < stop <= shape[axis]:
            said = ":".join(str(end if isinstance(end, int) else float(end)) for end in (start, stop))
            raise ValueError(
                f"region of axis {called} must start at 0 or later, and stop behind that and at {shape[axis]} at most; "
                f"got {said}"
            )
        if isinstance(start, int) and isinstance(stop, int):
            box[axis] = start, stop
        else:
            windows[axis] = Fraction(start), Fraction(stop)
    return tuple(box), windows


def _ends(given: Any, name: str, size: int) -> tuple[int | Fraction, int | Fraction]:
    if isinstance(given, str):
        ends: list[Any] = [part.strip() or None for part in given.split(":")]
    elif isinstance(given, slice):
        ends = [given.start, given.stop] + ([] if given.step in (None, 1) else [given.step])
    else:
        ends = list(given) if isinstance(given, Iterable) else [given]
    try:
        if len(ends) == 2:
            start, stop = (None if end is None else _end(end) for end in ends)
            return 0 if start is None else start, size if stop is None else stop
    except (TypeError, ValueError):
        pass
    raise TypeError(f"{name} must be a start and a stop, two integers, such as 0:100; got {given!r}")


def _end(given: Any) -> int | Fraction:
    """An integer, or a fraction of what is said as one; a float as its shortest decimal."""
    if isinstance(given, str):
        return int(given) if given.lstrip("+-").isdecimal() else Fraction(given)
    return operator.index(given) if hasattr(given, "__index__") else _fraction(given, "region")


def several(given: Any) -> list[Any]:
    """Values as a list, also where there is one alone."""
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]


def _fraction(value: Any, name: str) -> Fraction:
    if type(value).__name__ in ("bool", "bool_"):
        raise TypeError(f"{name} must be a number, or numbers; got {value!r}")
    try:
        if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) > 999:
            raise OverflowError
        if isinstance(value, int | Fraction | Decimal):
            return Fraction(value)
        float(value)
        text = str(value)  # the shortest decimal, of numpy's floats of any size, too
        return Fraction(text if quantity(text) is not None else repr(float(value)))
    except (OverflowError, ValueError):
        raise ValueError(f"{name} must be positive and finite; got {value}") from None
    except TypeError:
        raise TypeError(f"{name} must be a number, or numbers; got {value!r}") from None
