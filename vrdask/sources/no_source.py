"""What is no source is refused by its own name, with the way out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.storage import StorePath

from vrdask.sources.source import Source
from vrdask.storage.objects import url

_IN_MEMORY = "vrdask.resample takes arrays in memory; to write its result, give it to zarr.create_array(place, data=..)"
WAYS_OUT = {
    "numpy": _IN_MEMORY,
    "torch": _IN_MEMORY,
    "dask": "vrdask.resample takes dask arrays, lazily; its result has to_zarr",
    "xarray": "give the place of its file, or vrdask.resample its .data",
    "h5py": "vrdask.resample takes dask.array.from_array(dataset), lazily; its result has to_zarr",
    "tensorstore": "give the path or URL of its store, or vrdask.resample a dask.array.from_array of it",
    "nibabel": "give the path of its file, or vrdask.resample its numpy.asanyarray(image.dataobj)",
    "SimpleITK": "give the path of its file, or vrdask.resample its SimpleITK.GetArrayFromImage(image)",
    "itk": "give the path of its file, or vrdask.resample its itk.array_from_image(image)",
    "PIL": "give the path of its file, or vrdask.resample its numpy.asarray(image)",
    "tifffile": "give the path of its file",
}
"""By the package that a type is of."""


def require_source(source: Any) -> None:
    """Refuse what is neither a place nor a Zarr array or group nor a Source.

    Raises
    ------
    TypeError
        The message tells its type and what takes it.
    """
    if isinstance(source, str | os.PathLike | StorePath | dict | Store | zarr.Array | zarr.Group | Source):
        if isinstance(source, os.PathLike) and isinstance(os.fspath(source), bytes):
            raise TypeError(f"source must be a path of text; got {os.fspath(source)!r}: decode it with os.fsdecode")
        return
    kind = type(source)
    package = kind.__module__.partition(".")[0]
    name = kind.__name__ if package in ("builtins", "numpy") else f"{package}.{kind.__name__}"
    way_out = WAYS_OUT.get(package, "")
    if isinstance(source, bytes):
        way_out = "decode a path with os.fsdecode"
    elif isinstance(source, list | tuple | int | float | complex):
        way_out = _IN_MEMORY
    raise TypeError(
        f"source must be given as a path, a URL, a store or a zarr array; got {name}{way_out and ': '}{way_out}"
    )


def place_of(source: Any) -> str:
    """A place in words, as errors name it: a path as pathlib writes it, or a URL."""
    if isinstance(source, zarr.Array | zarr.Group):
        return url(source.store_path)
    if isinstance(source, StorePath):
        return url(source)
    if isinstance(source, os.PathLike) or (isinstance(source, str) and "://" not in source):
        return str(Path(source))
    return "a store in memory" if isinstance(source, dict) else str(source)
