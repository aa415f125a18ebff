"""Datasets of HDF5 files, read box by box and chunk by chunk.

HDF5 decodes one chunk at a time, whatever the threads; others compute meanwhile, for h5py lets them. It keeps none of
them here: runs keep those that they need. An array travels as its file's place and its datasets' names; each process
opens them for itself, a forked one, too, for what HDF5 holds of an open file is the parent's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Index, shape_of, slices_of
from vrdask.buffers import Empty
from vrdask.dtypes import DType, native, plain
from vrdask.sources.given import GivenArray
from vrdask.sources.opening import is_damage, package_for, reason_of
from vrdask.sources.source import file_stamp
from vrdask.storage.remote_file import file_at, is_remote, remote_file
from vrdask.storage.retry import StoreError

Array = npt.NDArray[Any]
FILTERS = {
    32001: "blosc", 32002: "mafisc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32015: "zstd", 32017: "sz",
    32019: "fcidecomp", 32024: "sz3", 32026: "blosc2", 307: "bzip2",
}  # fmt: skip
"""Names of registered filters, by number."""


class Hdf5Array(GivenArray):
    """Datasets of a file that are alike, as one array.

    leading : sizes of the axes along which datasets are counted, before those of each; none for one dataset.
    stored : chunks of a dataset; None where it has none. shape : of all; a dataset may be longer than it.
    """

    def __init__(
        self, path: str, names: Sequence[str], leading: tuple[int, ...], shape: Sequence[int], dtype: DType,
        stored: tuple[int, ...] | None,
    ) -> None:  # fmt: skip
        self.path, self.names, self.leading, self.shape = path, tuple(names), leading, tuple(map(int, shape))
        self.dtype, self.stored = plain(native(dtype)), stored
        self.place = f"{path}::{self.names[0]}"
        if stored is not None:
            units = (*(1 for _ in leading), *stored)
            self.edges = tuple(np.append(np.arange(0, n, c), n) for n, c in zip(self.shape, units, strict=True))
        self._opened: tuple[int, dict[int, Any]] = (0, {})

    def __reduce__(self) -> Any:
        return type(self), (self.path, self.names, self.leading, self.shape, self.dtype, self.stored)

    @property
    def places(self) -> list[Any]:
        return [self.path]

    @property
    def identity(self) -> Any:
        return {
            "hdf5": self.path if is_remote(self.path) else str(Path(self.path).resolve()),
            "names": self.names,
            **file_stamp(file_at(self.path))(),
        }

    def __getitem__(self, box: tuple[slice, ...], /) -> Array:
        parts = (*box, *(slice(None),) * (len(self.shape) - len(box)))
        sides = [part.indices(n)[:2] for part, n in zip(parts, self.shape, strict=True)]
        whole = tuple((start, max(start, stop)) for start, stop in sides)
        result = np.empty(shape_of(whole), self.dtype)
        if result.size:
            self._fill(result, whole)
        return result

    def _fill(self, result: Array, box: Box) -> None:
        count = len(self.leading)
        with self._told():
            for index in np.ndindex(result.shape[:count]):
                number = [start + k for (start, _), k in zip(box, index, strict=False)]
                dataset = self._dataset(int(np.ravel_multi_index(number, self.leading)) if count else 0)
                dataset.read_direct(result[index], slices_of(box[count:]))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of decoding name the file; what the system says of it stays as it is, to be tried again."""
        try:
            yield
        except Exception as error:
            if not is_damage(error) or self.path in str(error):
                raise
            raise ValueError(
                f"an HDF5 source must have samples that can be decoded; got {self.place}: {reason_of(error)}"
            ) from error

    def _dataset(self, number: int) -> Any:
        """A dataset, as this process has opened it."""
        process, datasets = self._opened
        if process != os.getpid():
            datasets = {}
            self._opened = os.getpid(), datasets
        if number not in datasets:
            file = datasets[0].file if 0 in datasets else opened(self.path)
            dataset = file[self.names[number]]
            require_filters(dataset, f"{self.path}::{self.names[number]}")
            datasets[number] = dataset
        return datasets[number]


class Hdf5Chunks(Hdf5Array):
    """Of datasets in chunks."""

    def chunk(self, index: Index, empty: Empty) -> Array:
        """The samples of one chunk, cut off at the ends of the array, in an array that `empty` made."""
        assert self.edges is not None
        box = tuple((int(edges[k]), int(edges[k + 1])) for edges, k in zip(self.edges, index, strict=True))
        result = empty(shape_of(box), self.dtype)
        if is_remote(self.path):
            self._fetch(index)
        self._fill(result, box)
        return result

    def _fetch(self, index: Index) -> None:
        """Have the bytes of a chunk in the file's cache: HDF5 reads with its lock held, one thread at a time."""
        assert self.stored is not None
        count = len(self.leading)
        with self._told():
            dataset = self._dataset(int(np.ravel_multi_index(index[:count], self.leading)) if count else 0)
            first = tuple(k * c for k, c in zip(index[count:], self.stored, strict=True))
            found = dataset.id.get_chunk_info_by_coord(first)
        if found.byte_offset is not None:
            remote_file(self.path).read_at(found.byte_offset, found.size)


class GivenDataset(Hdf5Array):
    """A dataset that a caller has opened: read through the caller's object as long as its file is open, else from the
    file again.
    """

    def __init__(self, dataset: Any) -> None:
        if dataset.shape is None:
            raise ValueError(f"an HDF5 dataset must have a shape; got {dataset.name}, which is empty")
        path = os.fsdecode(dataset.file.filename)
        super().__init__(path, [dataset.name], (), dataset.shape, dataset.dtype, dataset.chunks)
        self.dtype = dataset.dtype
        self._given = dataset

    def __reduce__(self) -> Any:
        if not self._is_file:
            raise TypeError(
                f"an HDF5 dataset must lie in a file to travel to other processes; got {self.place} in memory"
            )
        return Hdf5Array, (self.path, self.names, (), self.shape, self.dtype, self.stored)

    @property
    def _is_file(self) -> bool:
        return Path(self.path).is_file()

    @property
    def stays(self) -> bool:  # type: ignore[override]
        """No other process can open a file that is being written, or one in memory."""
        return not self._is_file or (bool(self._given) and self._given.file.mode != "r")

    @property
    def places(self) -> list[Any]:
        return [self.path] if self._is_file else []

    @property
    def identity(self) -> Any:
        return super().identity if self._is_file else {"hdf5": self.names[0], "in memory": uuid4().hex}

    def __getitem__(self, box: tuple[slice, ...], /) -> Array:
        return np.asarray(self._given[box]) if self._given else super().__getitem__(box)


def opened(path: str) -> Any:
    """An HDF5 file, which keeps no decoded chunks.

    Raises
    ------
    StoreError
        Another process is writing it.
    """
    h5py = package_for(path, "h5py", "hdf5")
    try:
        return h5py.File(file_at(path).open("rb") if is_remote(path) else path, "r", rdcc_nbytes=0)
    except BlockingIOError as error:
        raise StoreError(
            f"opening {path} failed: another process is writing it; HDF5_USE_FILE_LOCKING=FALSE in the environment "
            "reads it all the same"
        ) from error


def require_filters(dataset: Any, place: str) -> None:
    """Refuse a dataset whose chunks went through filters that are not there. The package hdf5plugin brings many.

    Raises
    ------
    ModuleNotFoundError
        It may bring them, and is not installed.
    ValueError
        It is, and does not.
    """
    missing = _missing(dataset)
    if not missing:
        return
    try:
        import hdf5plugin  # noqa: F401 (registers its filters)
    except ImportError:
        raise ModuleNotFoundError(
            f"reading {place} needs HDF5's filter {missing}, which the package hdf5plugin may bring: "
            "pip install hdf5plugin"
        ) from None
    if missing := _missing(dataset):
        raise ValueError(
            f"an HDF5 source must have filters that are known; got {missing} in {place}: write it anew without "
            "(h5repack -f GZIP=1), where the software is that wrote it"
        )


def _missing(dataset: Any) -> str:
    """The first filter that is not there, in words."""
    import h5py

    plist = dataset.id.get_create_plist()
    for number in range(plist.get_nfilters()):
        code, _, _, name = plist.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            return f"{code} ({FILTERS.get(code) or name.decode('latin-1') or 'unknown'})"
    return ""
