"""HDF5 files, through h5py: one of their datasets, by its path (`vol.h5::/raw`), or the image of an Imaris file.

Chunks are the stored units. A dataset in one piece, as it is, is memory-mapped. What lies in other files is read where
these are beside: a file may name any of the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

from vrdask.dtypes import plain
from vrdask.images.image import Image
from vrdask.sources.format import Format
from vrdask.sources.hdf5_array import Hdf5Array, Hdf5Chunks, opened, require_filters
from vrdask.sources.hdf5_axes import attributes_beside, image_of_dataset
from vrdask.sources.hdf5_files import files_of
from vrdask.sources.imaris import beside, is_imaris, one_dataset, open_imaris
from vrdask.sources.mapped import MappedArray, require_numbers, require_whole
from vrdask.sources.not_carried import not_carried
from vrdask.sources.source import Readable, Source, file_stamp, square_chunks
from vrdask.sources.within import MOST_TOLD, ImagesWithinError
from vrdask.storage.layout import Layout
from vrdask.storage.places import MARK
from vrdask.text import by_axis

MAGIC = b"\x89HDF\r\n\x1a\n"
LARGEST_CHUNK_BYTES = 16 << 20
"""Of a target's, taken over from a dataset."""
MOST_OBJECTS = 100_000
"""That are looked at in search of datasets."""
MOST_DATASETS = 1000
"""That are told of."""
WHAT = "an HDF5 source"


def open_hdf5(path: Path, level: int = 0, series: int = 0, within: str | None = None) -> Source:
    """A dataset of a file, or a level of an Imaris image; nothing but its metadata is read.

    within : the dataset's path; it may be left out where there is one alone of two axes or more.

    Raises
    ------
    ImagesWithinError
        There are several.
    ValueError
        The file is damaged, or there is no such dataset, or it holds no numbers.
    ModuleNotFoundError
        h5py is not installed, or a filter is missing.
    """
    if series:
        raise ValueError(f"series must be 0 for {WHAT}; got {series} for {path}")
    with opened(str(path)) as file:
        if within is None and is_imaris(file):
            found = open_imaris(file, str(path), level)
            require_filters(file[found.array.names[0]], found.array.place)
            levels = ", ".join(f"{k}: {by_axis(shape)}" for k, shape in enumerate(found.shapes))
            details = (("levels", levels), ("level", str(level)), *not_carried({"the file": beside(file)}))
            stamp = file_stamp(path, level=level)
            return _source(found.array, "Imaris", str(path), stamp, found.image, details, lambda: found.shapes)
        if level:
            raise ValueError(f"level must be 0 for an HDF5 dataset; got {level} for {path}")
        return _one(file, path, _only(file, path) if within is None else within)


def _one(file: Any, path: Path, name: str) -> Source:
    """A dataset, which may be linked from another file."""
    import h5py

    place = f"{path}{MARK}{name}"
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset):
        found = "nothing" if dataset is None else "a group"
        there = ", ".join(islice(_datasets(file), MOST_TOLD)) or "none"
        raise ValueError(f"source must be a dataset of {path}; got {found} at {place}: its datasets are {there}")
    require_numbers(plain(dataset.dtype), place, WHAT)
    if dataset.shape is None:
        raise ValueError(f"{WHAT} must have a shape; got {place}, which is empty")
    files = files_of(dataset, path, place)
    require_filters(dataset, place)
    stamps = [file_stamp(one) for one in files]

    def stamp() -> Any:
        return {"dataset": name, "files": [one() for one in stamps]}

    if (cut := one_dataset(file, str(path), name)) is not None:
        return _source(cut.array, "Imaris", place, stamp, cut.image, tuple(not_carried({"the file": beside(file)})))
    array: Readable
    if dataset.chunks is not None:
        array = Hdf5Chunks(str(path), [name], (), dataset.shape, dataset.dtype, dataset.chunks)
    else:
        array = _mapped(dataset, str(files[0])) or Hdf5Array(str(path), [name], (), dataset.shape, dataset.dtype, None)
    more = tuple(not_carried({"the attributes": attributes_beside(dataset)}))
    return _source(array, "HDF5", place, stamp, image_of_dataset(dataset), more)


def _source(
    array: Any, format_: str, place: str, stamp: Callable[[], Any], image: Image | None,
    details: tuple[tuple[str, str], ...] = (), shapes: Callable[[], tuple[tuple[int, ...], ...]] | None = None,
) -> Source:  # fmt: skip
    mapped = ", memory-mapped" if isinstance(array, MappedArray) else ""
    chunks = tuple(max(1, c) for c in array.chunks or ())
    if not chunks or np.prod([float(c) for c in chunks]) * array.dtype.itemsize > LARGEST_CHUNK_BYTES:
        chunks = square_chunks(array.shape, array.dtype.itemsize)
    layout = Layout(chunks, dimension_names=None if image is None else image.axis_names)
    return Source(array, layout, place, stamp, image, (("format", format_ + mapped), *details), shapes)


def _mapped(dataset: Any, path: str) -> MappedArray | None:
    """The samples where they lie in the file, in one piece and as numpy has them; None where they do not."""
    import h5py

    offset, dtype = dataset.id.get_offset(), dataset.dtype
    if offset is None or dtype.kind == "b" or not dataset.id.get_type().equal(h5py.h5t.py_create(dtype, logical=True)):
        return None
    array = MappedArray(path, tuple(map(int, dataset.shape)), plain(dtype), offset)
    require_whole(array, WHAT)
    return array


def _only(file: Any, path: Path) -> str:
    """The name of the one dataset that there is."""
    names = list(islice(_datasets(file), MOST_DATASETS))
    if not names:
        raise ValueError(f"{WHAT} must hold a dataset of numbers with two axes or more; got none in {path}")
    if len(names) > 1:
        raise ImagesWithinError("an HDF5 file", str(path), lambda: (f"{path}{MARK}{name}" for name in names))
    return names[0]


def _datasets(file: Any) -> Iterator[str]:
    """Names of the datasets of numbers with two axes or more that lie in a file, and are no scales of others."""
    import h5py

    names: list[str] = []
    seen = count()

    def look(name: str, found: Any) -> bool | None:
        if isinstance(found, h5py.Dataset) and found.shape is not None and found.dtype.kind in "biufc":
            names.extend([f"/{name}"] if found.ndim > 1 and not found.is_scale else [])
        return True if next(seen) > MOST_OBJECTS or len(names) > MOST_DATASETS else None

    file.visititems(look)
    return iter(names)


FORMAT = Format(
    "HDF5", (".h5", ".hdf5", ".hdf", ".he5", ".nc4", ".ims"), (MAGIC,), open_hdf5, has_levels=True,
    open_within=open_hdf5,
)  # fmt: skip
