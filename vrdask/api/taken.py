"""An argument as everything below takes it: in memory, a dask array, or an array in a store.

in memory    numpy, buffers, torch tensors on the CPU, numbers in lists      computed at once
dask         dask arrays, DataArrays that hold one                           lazy
in a store   zarr arrays, h5py datasets, tensorstores, Sources               lazy; tasks read their own regions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from vrdask.lazy.arrays import accepted, is_dask_array, is_torch_tensor, is_zarr_array

if TYPE_CHECKING:
    import dask.array as da
    import zarr

    from vrdask.sources import Source

    Lazy: TypeAlias = da.Array | zarr.Array[Any]


def taken(x: Any, name: str = "x") -> tuple[Any, bool]:
    """The array, and whether its result is lazy; TypeError for what is neither an array nor numbers."""
    if type(x) is np.ndarray:
        return x, False
    if not is_dask_array(x) and not is_zarr_array(x):
        x, is_stored = _in_a_store(x)
        if is_stored:
            return x, True
    x, lazily = accepted(x, name)
    if is_zarr_array(x):
        from vrdask.storage.readable import StoredArray

        x = StoredArray(x)
    return x, lazily


def _in_a_store(x: Any) -> tuple[Any, bool]:
    """What lies in a store, ready to be read, and True; the samples of a DataArray, or anything else as it is."""
    root = type(x).__module__.partition(".")[0]
    if root not in ("h5py", "tensorstore", "xarray", "vrdask"):
        return x, False
    from vrdask.sources import Source
    from vrdask.sources.given import stored_elsewhere
    from vrdask.sources.labelled import is_labelled, samples_of
    from vrdask.storage.readable import StoredArray

    if is_labelled(x):
        return samples_of(x), False
    if isinstance(x, Source):
        return (x.array, False) if is_zarr_array(x.array) else (StoredArray(x.array, [x.place, x.stamp()]), True)
    stored = stored_elsewhere(x)
    return (x, False) if stored is None else (StoredArray(stored, stored.identity), True)


def opened(source: Any, **which: Any) -> Source:
    """What `sources.open_source` gives, of torch tensors, too. which : level, series, channel, .."""
    from vrdask.sources import open_source

    if is_torch_tensor(source):
        source, _ = accepted(source, "source")
    return open_source(source, **which)
