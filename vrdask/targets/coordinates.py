"""Coordinates beside an array, as xarray stores and finds them: `xarray.open_zarr(target)` gives a Dataset with them.

They are arrays in the array's group, called as the dimension that they run along. OME-Zarr allows other arrays beside
levels, and readers of images pass over them.
"""

from __future__ import annotations

import warnings
from typing import Any

METADATA = ("zarr.json", ".zgroup", ".zattrs", ".zmetadata")
"""Of the group, which is somebody else's to write."""


def stored_coordinates(coordinates: Any, zarr_format: int) -> dict[str, bytes]:
    """The objects that hold coordinates, by key. coordinates : an xarray.Dataset of them; what cannot be stored is left
    out, with a warning.
    """
    from zarr.storage import MemoryStore

    found: dict[str, bytes] = {}
    for name in coordinates.coords:
        objects: dict[str, Any] = {}
        one = coordinates.drop_vars([other for other in coordinates.coords if other != name])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                one.to_zarr(MemoryStore(objects), zarr_format=zarr_format, consolidated=False)
        except (TypeError, ValueError, NotImplementedError) as error:
            warnings.warn(f"coordinate {name!r} is left out, for it cannot be stored: {error}", stacklevel=2)
            continue
        found |= {key: value.to_bytes() for key, value in objects.items() if key not in METADATA}
    return found


def others(coordinates: Any) -> str:
    """Names of coordinates that are called otherwise than a dimension, as CF has them in an attribute of the array."""
    return " ".join(str(name) for name in coordinates.coords if name not in coordinates.dims)
