"""An argument as everything below takes it: in memory, a dask array, or an array in a store."""

from __future__ import annotations

from typing import Any

from vrdask.lazy.arrays import accepted, is_zarr_array


def taken(x: Any, name: str = "x") -> tuple[Any, bool]:
    """The array, and whether its result is lazy; TypeError for what is neither an array nor numbers."""
    x, lazily = accepted(x, name)
    if is_zarr_array(x):
        from vrdask.storage.readable import StoredArray

        x = StoredArray(x)
    return x, lazily
