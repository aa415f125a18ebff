"""What is no source is refused by its own name, with the way out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from vrdask.sources.source import Source
from vrdask.storage.kinds import is_array, is_group, is_store, is_store_path

WAYS_OUT = {
    "xarray": 'give one variable of it, dataset["name"]',
    "h5py": 'give a dataset of it, file["name"]',
    "dask": "dask.array.from_delayed makes a delayed value an array",
    "nibabel": "give the path of its file, or numpy.asanyarray(image.dataobj)",
    "SimpleITK": "give the path of its file, or SimpleITK.GetArrayViewFromImage(image)",
    "itk": "give the path of its file, or itk.array_view_from_image(image)",
    "PIL": "give the path of its file, or numpy.asarray(image)",
    "tifffile": "give the path of its file",
}
"""By the package that a type is of."""


def require_source(source: Any) -> None:
    """Refuse what is neither a place nor an array nor a Zarr group nor a Source.

    Raises
    ------
    TypeError
        The message tells its type and what takes it.
    """
    if isinstance(source, str | os.PathLike | dict | Source) or any(
        is_kind(source) for is_kind in (is_store_path, is_store, is_array, is_group)
    ):
        if isinstance(source, os.PathLike) and isinstance(os.fspath(source), bytes):
            raise TypeError(f"source must be a path of text; got {os.fspath(source)!r}: decode it with os.fsdecode")
        return
    kind = type(source)
    package = kind.__module__.partition(".")[0]
    name = kind.__name__ if package in ("builtins", "numpy") else f"{package}.{kind.__name__}"
    way_out = WAYS_OUT.get(package, "")
    if isinstance(source, bytes):
        way_out = "decode a path with os.fsdecode"
    elif isinstance(source, list | tuple | int | float | complex | np.generic):
        way_out = "numpy.asarray makes it an array"
    raise TypeError(
        f"source must be given as a path, a URL, a store or an array; got {name}{way_out and ': '}{way_out}"
    )


def place_of(source: Any) -> str:
    """A place in words, as errors name it: a path as pathlib writes it, or a URL."""
    if is_array(source) or is_group(source):
        return place_of(source.store_path)
    if is_store_path(source):
        from vrdask.storage.objects import url

        return url(source)
    if isinstance(source, os.PathLike) or (isinstance(source, str) and "://" not in source):
        return str(Path(source))
    return "a store in memory" if isinstance(source, dict) else str(source)
