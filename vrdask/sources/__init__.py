"""What can be read: a file per format.

    zarr     Zarr arrays, OME-Zarr images           paths, URLs, stores, arrays
    tiff     OME-TIFF, SVS, tiled, pyramidal TIFF   files; vrdask[tiff]
    nifti    .nii, .nii.gz, .hdr with .img          files; vrdask[nifti]
    mgh      FreeSurfer's .mgh, .mgz                files; vrdask[nifti]
    nrrd     .nrrd, .nhdr                           files; vrdask[nrrd]
    metaimage .mha, .mhd                            files
    npy      .npy                                   files
    hdf5     HDF5 (`vol.h5::/path`), Imaris         files; vrdask[hdf5]
    dicom    a series or slide in a folder, a file  local files; vrdask[dicom]
    picture  .png, .jpg                             local files; vrdask[images]
    slices   folders, patterns of TIFF, PNG, JPEG   local files; vrdask[tiff], vrdask[images]
    given    arrays that a caller holds             numpy, dask, h5py, tensorstore
    labelled DataArrays of xarray                   with what their coordinates say

Each module opens one format, which it describes in its `FORMAT`, and gives a `Source`: an array, the geometry of its
axes, and how a target made from it is stored.

*Files*: a format's module makes a `Source`, and the Zarr to Zarr executor knows no formats. An array of a file
travels as the file's path, and whoever reads opens it. TIFF tiles are decoded by the thread that wants them (behind
tifffile's Zarr view, a tile's way through Zarr's event loop costs as much as decoding it); strips and the rest come
by that view. Slices of a stack, and pictures, are decoded whole. Whatever lies uncompressed in one piece is copied out
of a map, box by box, and the map's pages are given back at once: they count as memory, and of short rows they hold many
times the box. What a truncated file would silently give as zeros is refused when it is opened: every tile of the level
must lie within the file. Behind a URL a file is read in blocks, of which some are kept (`storage.remote_file`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from vrdask.sources import dicom, hdf5, metaimage, mgh, nifti, npy, nrrd, tiff
from vrdask.sources.channel import one_channel
from vrdask.sources.folders import MAGIC_BYTES, beginning, files_at
from vrdask.sources.format import Format
from vrdask.sources.given import given_array, given_source
from vrdask.sources.hdf5_array import GivenDataset
from vrdask.sources.hdf5_axes import attributes_beside, image_of_dataset
from vrdask.sources.labelled import is_labelled, labelled_source
from vrdask.sources.no_source import place_of, require_source
from vrdask.sources.not_carried import not_carried
from vrdask.sources.opening import READABLE_FILES, opening
from vrdask.sources.picture import JPEG, PNG
from vrdask.sources.pixel_size import with_pixel_size
from vrdask.sources.region import one_region
from vrdask.sources.slices import FORMATS as SLICES
from vrdask.sources.slices import open_slices
from vrdask.sources.source import Readable, Source
from vrdask.storage import places
from vrdask.storage.layout import Layout
from vrdask.storage.plain_metadata import NotPlainError
from vrdask.storage.remote_file import file_at, is_remote
from vrdask.storage.said import said_by

FORMATS = (
    dicom.FORMAT,
    tiff.FORMAT,
    nifti.FORMAT,
    mgh.FORMAT,
    nrrd.FORMAT,
    metaimage.FORMAT,
    npy.FORMAT,
    hdf5.FORMAT,
    PNG.form,
    JPEG.form,
)
"""Of files. What a file begins with counts before its name; DICOM's preamble may be that of a TIFF."""

OF_SLICES = (*(one.form for one in SLICES), dicom.FORMAT)
"""Of images that a folder or a pattern may be of."""

__all__ = ["Layout", "Readable", "Source", "open_source"]


def open_source(
    source: Any,
    *,
    level: int | None = None,
    series: int | str = 0,
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
    series : int or str
        Of a TIFF, one of its images; of a folder of several DICOM series, one by its number, from 1, or its UID.
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
        ("series", 0 if isinstance(series, str) else series),
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
    return _chosen(opened, channel, pixel_size, region)


def _chosen(opened: Source, channel: int | None, pixel_size: Any, region: Any) -> Source:
    opened = opened if channel is None else one_channel(opened, channel)
    opened = opened if pixel_size is None else with_pixel_size(opened, pixel_size)
    return opened if region is None else one_region(opened, region)


def _has_zarr() -> bool:
    """Whether zarr has been imported, and costs nothing any more."""
    return "zarr" in sys.modules


def said_source(
    source: str, *, level: int | None = None, series: int | str = 0, channel: int | None = None, region: Any = None,
    pixel_size: Any = None, coordinate_system: str | None = None,
) -> Source:  # fmt: skip
    """As `open_source`, of Zarr in a folder of this machine, for whoever reads no samples: what its metadata say, read
    without zarr.

    Raises
    ------
    Exception
        Of any kind: it is something else, or not plain, or there is something wrong with it. `open_source` knows.
    """
    place = places.normal(source)
    if series or _has_zarr():
        raise NotPlainError(place)
    said = said_by(Path(place))
    from vrdask.sources.zarr import open_zarr

    with opening(place_of(place)):
        opened = open_zarr(place, level or 0, coordinate_system, said)
    return _chosen(opened, channel, pixel_size, region)


def _at_level(source: Any, series: int | str, channel: int | None, coordinate_system: str | None, level: int) -> Source:
    return open_source(
        source, level=level, series=series, channel=channel, coordinate_system=coordinate_system
    )  # fmt: skip


def held_source(x: Any) -> Source | None:
    """A source of an array that the caller holds; None for a place, and for a zarr array, which is one."""
    if is_labelled(x):
        return labelled_source(x)
    masked = sys.modules.get("numpy.ma")  # which whoever has made such an array has imported
    if masked is not None and isinstance(getattr(x, "_meta", x), masked.MaskedArray):
        raise TypeError(
            "source must not be a masked array; fill it first: source.filled(value), or "
            "dask.array.ma.filled(source, value)"
        )
    array = given_array(x)
    if isinstance(array, GivenDataset):
        details = tuple(not_carried({"the attributes": attributes_beside(x)}))
        return replace(given_source(array, image_of_dataset(x)), details=details)
    return None if array is None else given_source(array)


def _open(source: Any, level: int, series: int | str, coordinate_system: str | None) -> Source:
    if isinstance(source, str):
        file, within = places.split(source)
        if (found := _format_of(file, within)) is not None:
            if found.is_local and is_remote(file):
                raise ValueError(f"a source of {found.name} must be a local file; got {file}: copy it here")
            if (series or level) and not found.has_levels:
                raise ValueError(f"level and series must be 0 for {file}, a single array; got {level} and {series}")
            if isinstance(series, str):
                raise ValueError(f"series must be a number for {file}; got {series!r}")
            if within is None:
                return found.open(file_at(file), level, series)
            if found.open_within is None:
                raise ValueError(f"a path within a file must be of HDF5; got {source}, which is {found.name}")
            return found.open_within(file_at(file), level, series, within)
        if not is_remote(file) and (files := files_at(source, OF_SLICES)) is not None:
            return _open_files(place_of(source), files, level, series)
    if series:
        raise ValueError(f"series must be 0 for a Zarr source; got {series} for {place_of(source)}")
    from vrdask.sources.zarr import open_zarr  # which takes longer to import than to open most files

    return open_zarr(source, level, coordinate_system)


def _open_files(place: str, files: tuple[str, ...], level: int, series: int | str) -> Source:
    if dicom.FORMAT.begins(beginning(files[0])) or dicom.FORMAT.is_named(files[0]):
        return dicom.open_dicom_files(place, files, series, level)
    if level or series:
        raise ValueError(f"level and series must be 0 for {place}, a stack of slices; got {level} and {series}")
    return open_slices(place, files)


def _format_of(file: str, within: str | None) -> Format | None:
    """The format of a file; None for Zarr, and for folders. within : a path within it, which Zarr has not."""
    path = file_at(file)
    if is_remote(file) and within is None and not any(one.is_named(path.name) for one in FORMATS):
        return None
    if path.is_file():
        with path.open("rb") as stream:
            begins = stream.read(MAGIC_BYTES)
        found = [one for one in FORMATS if one.begins(begins)] or [one for one in FORMATS if one.is_named(path.name)]
        if found:
            return found[0]
        if path.suffix.lower() not in places.ZIPPED:
            raise ValueError(f"source must be Zarr, or a {READABLE_FILES}; got {path}, which is none of these")
    elif is_remote(file) or (within is not None and not path.exists()):
        raise FileNotFoundError(f"source must exist; got {file}{'' if within is None else places.MARK + within}")
    if within is not None:
        way_out = f"{file.rstrip('/')}/{within.lstrip('/')}"
        raise ValueError(f"a path within a file must be of HDF5; got {file}{places.MARK}{within}: of Zarr, {way_out}")
    return None
