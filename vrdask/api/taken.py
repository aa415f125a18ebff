"""An argument as everything below takes it: in memory, a dask array, or an array in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from vrdask.lazy.arrays import accepted, is_zarr_array

if TYPE_CHECKING:
    import dask.array as da
    import zarr

    Lazy: TypeAlias = da.Array | zarr.Array[Any]


def taken(x: Any, name: str = "x") -> tuple[Any, bool]:
    """The array, and whether its result is lazy; TypeError for what is neither an array nor numbers."""
    x, lazily = accepted(x, name)
    if is_zarr_array(x):
        from vrdask.storage.readable import StoredArray

        x = StoredArray(x)
    return x, lazily
