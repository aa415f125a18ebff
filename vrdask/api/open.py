"""`open`: what is at a place, to be looked at, read in parts and given to every other function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vrdask.api.taken import opened

if TYPE_CHECKING:
    from vrdask.sources import Source


def open(  # noqa: A001 (as zarr.open)
    place: Any,
    *,
    level: int = 0,
    series: int | str = 0,
    channel: int | None = None,
    region: Mapping[Any, Any] | str | None = None,
) -> Source:
    """What is at a place: an array, and what is known of its axes. Nothing but metadata is read.

    Parameters
    ----------
    place : path, URL (fsspec), store, zarr.Array, zarr.Group, array or Source
        Whatever `resample_zarr` reads; a dataset of HDF5 as ``"vol.h5::/path"``. Arrays are those of numpy, dask, h5py,
        tensorstore, torch (CPU) and xarray.
    level : int
        Of a pyramid; 0 is the full size.
    series : int or str
        Of a file with several images, from 0; of a folder with several DICOM series, from 1, or a UID.
    channel : int, optional
        Only this one, without the channel axis.
    region : optional
        Only these samples of the level, from a start to before a stop by axis: ``{"y": (50, 900)}`` or "y=50:900".

    Returns
    -------
    Source
        With ``.shape``, ``.dtype``, ``.axes`` (names), ``.spacing``, ``.origin``, ``.units`` and ``.levels`` (the shape
        of each); ``.to_dask(chunks=None)`` and ``.to_xarray()`` are lazy. `resample`, `affine_transform` and
        `grid_sample` give lazy dask arrays of it.

    Raises
    ------
    FileNotFoundError, PermissionError
        There is nothing, or it may not be read.
    TypeError, ValueError, ModuleNotFoundError
        There is nothing that can be read, or no such level, series or channel; or a package is missing.

    Examples
    --------
    >>> import zarr
    >>> source = open(zarr.create_array({}, shape=(512, 512), chunks=(64, 64), dtype="uint16"))
    >>> source.shape, source.axes, source.to_dask().numblocks
    ((512, 512), (None, None), (8, 8))
    """
    return opened(place, level=level, series=series, channel=channel, region=region)
