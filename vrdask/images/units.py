"""Units of axes: their sizes, exactly, and what a text such as "2um" says. Pure.

Units have OME-Zarr's names ("micrometer"); what files and people write for short stands in `axes.UNITS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from vrdask.images.axes import UNITS

_PREFIXES = {
    "yocto": -24, "zepto": -21, "atto": -18, "femto": -15, "pico": -12, "nano": -9, "micro": -6, "milli": -3,
    "centi": -2, "deci": -1, "": 0, "hecto": 2, "kilo": 3, "mega": 6, "giga": 9, "tera": 12, "peta": 15, "exa": 18,
    "zetta": 21, "yotta": 24,
}  # fmt: skip
SIZES: dict[str, tuple[str, Fraction]] = {
    **{f"{prefix}meter": ("meter", Fraction(10) ** power) for prefix, power in _PREFIXES.items()},
    **{f"{prefix}second": ("second", Fraction(10) ** power) for prefix, power in _PREFIXES.items()},
    "angstrom": ("meter", Fraction(10) ** -10),
    "inch": ("meter", Fraction("0.0254")),
    "foot": ("meter", Fraction("0.3048")),
    "yard": ("meter", Fraction("0.9144")),
    "mile": ("meter", Fraction("1609.344")),
    "minute": ("second", Fraction(60)),
    "hour": ("second", Fraction(3600)),
    "day": ("second", Fraction(86400)),
}
"""What a unit is a multiple of, and of how much."""
_SHORT = {"ns": "nanosecond", "us": "microsecond", "min": "minute", "h": "hour", "km": "kilometer", "ft": "foot"}
_QUANTITY = re.compile(r"\s*([-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d{1,3})?(?:/\d+)?)\s*([^\W\d].*?)?\s*")


def unit_named(text: str) -> str | None:
    """A unit's name from what people write: "um", "µm", "micrometer", "micrometres"; None where it is none."""
    if (known := UNITS.get(text) or _SHORT.get(text)) is not None:
        return known
    name = text.lower().removesuffix("s").replace("metre", "meter")
    return name if name in SIZES else UNITS.get(name)


def unknown_units(axes: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A line, for people, about units that OME-Zarr has no name for: they are carried as they are.

    >>> unknown_units([{"name": "y", "unit": "micrometer"}, {"name": "x", "unit": "furlong"}])
    ("OME-Zarr has no such unit as that of x 'furlong', which is kept as it is",)
    """
    found = [f"{axis['name']} {axis['unit']!r}" for axis in axes if axis.get("unit") not in (None, *SIZES)]
    return (f"OME-Zarr has no such unit as that of {', '.join(found)}, which is kept as it is",) if found else ()


def quantity(text: str) -> tuple[Fraction, str | None] | None:
    """A number and its unit from a text, exactly as typed; None where it says something else.

    >>> quantity("2um"), quantity("1e-3 mm"), quantity("two")
    ((Fraction(2, 1), 'micrometer'), (Fraction(1, 1000), 'millimeter'), None)
    >>> quantity("0.1"), quantity("1/3")
    ((Fraction(1, 10), None), (Fraction(1, 3), None))
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        return None
    unit = None if found[2] is None else unit_named(found[2])
    if found[2] is not None and unit is None:
        return None
    try:
        return Fraction(found[1]), unit
    except (ValueError, ZeroDivisionError):
        return None


def conversion(unit: str, to: str) -> Fraction | None:
    """How many of a unit another one is; None where they do not measure the same, or are not known.

    >>> conversion("micrometer", "millimeter"), conversion("second", "millimeter"), conversion("pixel", "pixel")
    (Fraction(1, 1000), None, Fraction(1, 1))
    """
    unit, to = unit_named(unit) or unit, unit_named(to) or to
    if unit == to:
        return Fraction(1)
    if unit not in SIZES or to not in SIZES or SIZES[unit][0] != SIZES[to][0]:
        return None
    return SIZES[unit][1] / SIZES[to][1]
