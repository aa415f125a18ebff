"""A region of an argument: what lies outside is cut off before anything else, but along axes where it says fractions.

Such an axis stays whole. The result is of a window of it, and weighs samples beyond the window's ends, as far as its
mode reaches: Pillow's ``resize(box=..)``. Whole numbers cut: nothing else is there, or is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, TypeAlias

from vrdask.api.known import is_of_xarray, is_source, known_of
from vrdask.api.taken import opened, taken
from vrdask.boxes import Box, slices_of, whole
from vrdask.images.asked import parts_of_region
from vrdask.lazy.arrays import is_stored
from vrdask.sources import Source
from vrdask.sources.region import one_region
from vrdask.sources.source import axes_of

Region: TypeAlias = Mapping[Any, Any] | str
Windows: TypeAlias = dict[int, tuple[Fraction, Fraction]]
"""By axis, where a window starts and stops, in samples."""


def in_region(x: Any, region: Region | None) -> tuple[Any, Windows]:
    """An array cut down to a region, and the windows of what is left.

    Raises
    ------
    TypeError, ValueError
        The region is none, names an axis that there is not, or lies outside the array.
    """
    if region is None:
        return x, {}
    if not is_of_xarray(x) and not is_source(x):
        array, _ = taken(x)
        if not is_stored(array):
            box, windows = parts_of_region(region, known_of(array)[0], array.shape)
            return array[slices_of(box)], windows
    elif is_of_xarray(x):
        box, windows = parts_of_region(region, known_of(x)[0], x.shape)
        return x.isel(dict(zip(x.dims, slices_of(box), strict=True))), windows
    source, windows = source_in_region(opened(x), region)
    return source, windows


def source_in_region(source: Source, region: Region | None) -> tuple[Source, Windows]:
    """A source cut down to a region, and the windows of what is left."""
    if region is None:
        return source, {}
    known = axes_of(source)
    try:
        box, windows = parts_of_region(region, known, source.shape)
    except ValueError as error:
        raise ValueError(f"{error}: for {source.place}") from None
    return replace(_cut(source, box), at_level=None), windows


def _cut(source: Source, box: Box) -> Source:
    sides = {axis: side for axis, side in enumerate(box) if side != whole(source.shape)[axis]}
    return one_region(source, sides) if sides else source
