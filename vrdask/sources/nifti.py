"""NIfTI volumes, through nibabel: axes in nibabel's order (x, y, z, then time), with their spacing.

A `.nii` is memory-mapped. A `.nii.gz` can only be read from its beginning: every process that reads one decompresses
all of it once, into a temporary file as large as the volume, which goes when the process does. Where many runs read it,
decompress it yourself or go to Zarr first.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
import threading
import weakref
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import DType
from vrdask.geometry import UNITS, image_of
from vrdask.sources.mapped import MappedArray, require_whole
from vrdask.sources.source import Source, file_layout, file_stamp

SUFFIXES = (".nii", ".nii.gz")
_AXES = "xyztuvw"


@dataclass(frozen=True)
class NiftiArray:
    """The samples as nibabel's ``dataobj`` gives them: as stored, or times slope plus intercept."""

    stored: MappedArray
    dtype: DType
    scaling: tuple[float, float] | None
    is_gzip: bool

    chunks = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape

    def __getitem__(self, box: tuple[slice, ...], /) -> npt.NDArray[Any]:
        stored = self.stored
        if self.is_gzip:
            unpacked = _decompressed(stored.path)  # held until the box is mapped
            stored = replace(stored, path=unpacked.name)
            require_whole(stored, "a NIfTI source")
        return _scaled(stored[box], self.scaling)


def open_nifti(path: Path) -> Source:
    """The volume in a `.nii` or `.nii.gz`; nothing but its header is read.

    Raises
    ------
    ValueError
        The file is truncated or no NIfTI.
    ModuleNotFoundError
        nibabel is not installed.
    """
    try:
        import nibabel
        from nibabel.filebasedimages import ImageFileError
    except ImportError:
        raise ModuleNotFoundError(f"reading {path} needs the package nibabel: pip install 'vrdask[nifti]'") from None
    try:
        volume: Any = nibabel.load(path)
    except (ImageFileError, EOFError, OSError, ValueError) as error:
        raise ValueError(f"a NIfTI source must hold a volume; got {path}: {error}") from None
    proxy = volume.dataobj
    stored = MappedArray(str(path), tuple(proxy.shape), np.dtype(proxy.dtype), int(proxy.offset), proxy.order)
    is_gzip = path.name.lower().endswith(".gz")
    if not is_gzip:
        require_whole(stored, "a NIfTI source")
    slope, intercept = float(proxy.slope), float(proxy.inter)
    scaling = None if (slope, intercept) == (1.0, 0.0) else (slope, intercept)
    dtype = _scaled(np.zeros(1, stored.dtype), scaling).dtype
    array = NiftiArray(stored, dtype, scaling, is_gzip)
    space, time = (UNITS.get(unit) for unit in volume.header.get_xyzt_units())
    sizes = {
        name: (float(f"{zoom:.7g}"), space if name in "xyz" else time if name == "t" else None)
        for name, zoom in zip(_AXES, volume.header.get_zooms(), strict=False)
    }
    image = image_of(tuple(_AXES[: len(stored.shape)]), sizes)
    cost = "gzip: each process that reads it decompresses it once, to a temporary file" if is_gzip else "memory-mapped"
    return Source(array, file_layout(array, image), str(path), file_stamp(path), image, (("format", f"NIfTI, {cost}"),))


def _scaled(stored: npt.NDArray[Any], scaling: tuple[float, float] | None) -> npt.NDArray[Any]:
    if scaling is None:
        return stored
    from nibabel.volumeutils import apply_read_scaling

    scaled: npt.NDArray[Any] = apply_read_scaling(stored, *scaling)
    return scaled


class _Decompressed:
    """A temporary file with what a gzip file holds; it goes when this does."""

    def __init__(self, path: str):
        file = tempfile.NamedTemporaryFile(prefix="vrdask-", suffix=".nii")  # noqa: SIM115 - closed by the finalizer
        self.name = file.name
        weakref.finalize(self, file.close)
        try:
            with gzip.open(path) as packed:
                shutil.copyfileobj(packed, file, 1 << 20)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"a NIfTI source must be a whole gzip file; got {path}: {error}") from None
        file.flush()


_one_at_a_time = threading.Lock()


@lru_cache(maxsize=4)
def _decompress(path: str, size: int, modified: int) -> _Decompressed:
    return _Decompressed(path)


def _decompressed(path: str) -> _Decompressed:
    """The same for all threads that read a file."""
    stat = Path(path).stat()
    with _one_at_a_time:
        return _decompress(path, stat.st_size, stat.st_mtime_ns)
