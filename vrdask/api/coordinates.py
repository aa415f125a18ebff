"""What the target of a run keeps of a labelled array, beside its samples: coordinates of the new samples, attributes.

As `labelled` has it for results in memory, but that what is not evenly spaced is left out, and so is what runs along
more than one dimension.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from vrdask.api.labelled import Grid, labelled_as
from vrdask.boxes import slices_of
from vrdask.sources import Source
from vrdask.sources.labelled import is_labelled, line_of
from vrdask.sources.region import RegionArray


def with_coordinates(given: Any, opened: Source, grids: Sequence[Grid], pixel_size: Any = None) -> Source:
    """A source whose target gets the coordinates of its samples; itself where the caller gave no labelled array.

    given : the source as the caller named it. grids : of the result. pixel_size : distances that the caller gave in
    place of the coordinates.
    """
    if not is_labelled(given) or pixel_size is not None:
        return opened
    import xarray

    x = given
    if isinstance(opened.array, RegionArray):
        x = x.isel(dict(zip(x.dims, slices_of(opened.array.box), strict=True)))
    x = x.drop_vars([name for name, one in x.coords.items() if one.ndim > 1])
    for dim, n, grid in zip(x.dims, x.shape, grids, strict=True):
        if not grid.is_still(n) and not _is_even(x, dim):
            x = x.drop_vars(dim)
    blank = np.broadcast_to(np.int8(0), [grid.size for grid in grids])
    found = labelled_as(x, blank, grids)
    coordinates = xarray.Dataset(coords=found.coords)
    layout = opened.layout
    attributes = {**layout.attributes, **_as_json(x.attrs)}
    return replace(opened, layout=replace(layout, attributes=attributes, coordinates=coordinates))


def _is_even(x: Any, dim: Any) -> bool:
    with suppress(ValueError):
        line_of(x, dim)
        return True
    return False


def _as_json(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """The attributes that JSON can hold."""
    found = {}
    for name, value in attributes.items():
        plain = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        with suppress(TypeError, ValueError):
            json.dumps(plain, allow_nan=False)
            found[str(name)] = plain
    return found
