"""What can be read: a file per format.

    zarr     Zarr arrays, OME-Zarr images           paths, URLs, stores, arrays
    tiff     OME-TIFF, SVS, tiled, pyramidal TIFF   local files; vrdask[tiff]
    nifti    .nii, .nii.gz                          local files; vrdask[nifti]
    mgh      FreeSurfer's .mgh, .mgz                local files; vrdask[nifti]
    nrrd     .nrrd, .nhdr                           local files; vrdask[nrrd]
    metaimage .mha, .mhd                            local files
    npy      .npy                                   local files
    given    arrays that a caller holds             numpy, dask, h5py, tensorstore
    labelled DataArrays of xarray                   with what their coordinates say

Each module opens one format, which it describes in its `FORMAT`, and gives a `Source`: an array, the geometry of its
axes, and how a target made from it is stored.

*Files*: a format's module makes a `Source`, and the Zarr to Zarr executor knows no formats. An array of a file
travels as the file's path, and whoever reads opens it. TIFF tiles are decoded by the thread that wants them (behind
tifffile's Zarr view, a tile's way through Zarr's event loop costs as much as decoding it); strips and the rest come
by that view; whatever lies uncompressed in one piece is copied out of a map, box by box, and the map's pages are
given back at once: they count as memory, and of short rows they hold many times the box. What a truncated file would
silently give as zeros is refused when it is opened: every tile of the level must lie within the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from vrdask.sources import metaimage, mgh, nifti, npy, nrrd, tiff
from vrdask.sources.channel import one_channel
from vrdask.sources.given import given_array, given_source
from vrdask.sources.labelled import is_labelled, labelled_source
from vrdask.sources.no_source import place_of, require_source
from vrdask.sources.opening import READABLE_FILES, opening
from vrdask.sources.pixel_size import with_pixel_size
from vrdask.sources.region import one_region
from vrdask.sources.source import Readable, Source
from vrdask.sources.zarr import open_zarr
from vrdask.storage import places
from vrdask.storage.layout import Layout
from vrdask.storage.open_place import ZIPPED, store_path

FORMATS = (tiff.FORMAT, nifti.FORMAT, mgh.FORMAT, nrrd.FORMAT, metaimage.FORMAT, npy.FORMAT)
"""Of files. What a file begins with counts before its name."""

__all__ = ["Layout", "Readable", "Source", "open_source", "store_path"]


def open_source(
    source: Any,
    *,
    level: int | None = None,
    series: int = 0,
    channel: int | None = None,
    region: Mapping[Any, Any] | str | None = None,
    pixel_size: Any = None,
    coordinate_system: str | None = None,
) -> Source:
    """What is at a place; a source itself is taken as it is.

    Parameters
    ----------
    source : path, URL (fsspec), store, zarr.Array, zarr.Group, array or Source
        Arrays are those of numpy, dask, h5py, tensorstore and xarray. Anything else is refused by its name.
    level : int, optional
        Of a pyramid (OME-Zarr, TIFF); 0 is the full size, which is read where none is given, except for pictures, which
        are made from the nearest larger one.
    series : int
        Of a TIFF, one of its images.
    channel : int, optional
        Only this one, without the channel axis.
    region : optional
        Only these samples of the level, from a start to before a stop by axis: ``{"y": (50, 900)}`` or
        "y=50:900,x=0:100". No others are read.
    pixel_size : optional
        Distances between samples that the source does not say, or says wrong: "z=2um,y=0.5um,x=0.5um", or numbers in
        its own units.
    coordinate_system : str, optional
        Of an OME-Zarr image that tells of several (SpatialData, 0.6), the one that spacing and origin are of; by
        default that of the level's own transformations.

    Raises
    ------
    FileNotFoundError, PermissionError
        There is nothing, or it may not be read.
    TypeError
        The source is something else, such as an array in memory; the message says what takes it. Or a number is none.
    ValueError
        There is nothing that can be read, something damaged, or no such level, series or channel, or a region lies
        outside. The message names the place.
    ModuleNotFoundError
        A package that reads the format is not installed.
    """
    for name, number in (
        ("level", 0 if level is None else level),
        ("series", series),
        ("channel", 0 if channel is None else channel),
    ):
        if not hasattr(number, "__index__") or isinstance(number, bool):
            raise TypeError(f"{name} must be an integer; got {number!r}")
    if isinstance(source, Source):
        opened = source
    elif (held := held_source(source)) is not None:
        if level or series:
            raise ValueError(f"level and series must be 0 for {held.place}; got {level} and {series}")
        opened = held
    else:
        require_source(source)
        place = places.normal(source)
        with opening(place_of(place)):
            opened = _open(place, level or 0, series, coordinate_system)
        if level is None and region is None and pixel_size is None and opened.level_shapes is not None:
            opened = replace(opened, at_level=partial(_at_level, source, series, channel, coordinate_system))
    opened = opened if channel is None else one_channel(opened, channel)
    opened = opened if pixel_size is None else with_pixel_size(opened, pixel_size)
    return opened if region is None else one_region(opened, region)


def _at_level(source: Any, series: int, channel: int | None, coordinate_system: str | None, level: int) -> Source:
    return open_source(
        source, level=level, series=series, channel=channel, coordinate_system=coordinate_system
    )  # fmt: skip


def held_source(x: Any) -> Source | None:
    """A source of an array that the caller holds; None for a place, and for a zarr array, which is one."""
    if is_labelled(x):
        return labelled_source(x)
    if isinstance(getattr(x, "_meta", x), np.ma.MaskedArray):
        raise TypeError(
            "source must not be a masked array; fill it first: source.filled(value), or "
            "dask.array.ma.filled(source, value)"
        )
    array = given_array(x)
    return None if array is None else given_source(array)


def _open(source: Any, level: int, series: int, coordinate_system: str | None) -> Source:
    if isinstance(source, str) and "://" in source:
        if any(one.is_named(source) for one in FORMATS):
            raise ValueError(f"a source other than Zarr must be a local file; got {source}")
    elif isinstance(source, str) and (path := Path(source)).is_file():
        with path.open("rb") as file:
            begins = file.read(8)
        found = [one for one in FORMATS if one.begins(begins)] or [one for one in FORMATS if one.is_named(source)]
        if found:
            if (series or level) and not found[0].has_levels:
                raise ValueError(f"level and series must be 0 for {path}, a single array; got {level} and {series}")
            return found[0].open(path, level, series)
        if not source.lower().endswith(ZIPPED):
            raise ValueError(f"source must be Zarr, or a {READABLE_FILES}; got {path}, which is none of these")
    if series:
        raise ValueError(f"series must be 0 for a Zarr source; got {series} for {place_of(source)}")
    return open_zarr(source, level, coordinate_system)
