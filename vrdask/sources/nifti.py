"""NIfTI volumes: axes in nibabel's order (x, y, z, then time), with their spacing.

nibabel understands the header; the samples are those of its ``dataobj``. A `.nii` is memory-mapped. A `.nii.gz` can
only be read from its beginning: every process that reads one decompresses it once, as far as its header says, into a
temporary file (`inflated`). Where many runs read it, decompress it yourself or go to Zarr first.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import DType, plain
from vrdask.images.axes import UNITS, image_of
from vrdask.sources.format import Format
from vrdask.sources.inflated import MOST_PER_BYTE, inflated
from vrdask.sources.mapped import CHANGED_BYTES, MappedArray, require_numbers, require_whole
from vrdask.sources.source import Source, file_layout, file_stamp

_AXES = "xyztuvw"
_HEADER_BYTES = 540
"""Of NIfTI-2; of NIfTI-1 348."""
_CIFTI = range(3000, 3100)
"""Intents of files that hold surfaces and parcels in a NIfTI's clothes."""


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

    @property
    def passing_bytes(self) -> int:
        """Of pages that are mapped at a time, and of samples times the slope, and plus the intercept."""
        return self.stored.passing_bytes + (0 if self.scaling is None else 2 * CHANGED_BYTES)

    def __getitem__(self, box: tuple[slice, ...], /) -> npt.NDArray[Any]:
        stored = self.stored
        change = None if self.scaling is None else partial(_scaled, scaling=self.scaling)
        if not self.is_gzip:
            return stored.changed(box, self.dtype, change)
        unpacked = inflated(stored.path, stored.stop, "a NIfTI source")  # held until the box is mapped
        return stored.read(unpacked.number, box, self.dtype, change)


def open_nifti(path: Path) -> Source:
    """The volume in a `.nii` or `.nii.gz`; nothing but its header is read.

    Raises
    ------
    ValueError
        The file is truncated, no NIfTI, or no volume of numbers.
    ModuleNotFoundError
        nibabel is not installed.
    """
    is_gzip = path.name.lower().endswith(".gz")
    header = _header(path, is_gzip)
    shape, offset = tuple(map(int, header.get_data_shape())), int(header.get_data_offset())
    if int(header["intent_code"]) in _CIFTI:
        raise ValueError(
            f"a NIfTI source must be a volume; got {path}, a CIFTI-2 file of surfaces and parcels: "
            "make a volume of it (wb_command -cifti-separate), or give resample an array"
        )
    if not shape or min(shape) < 1 or offset < 0:
        raise ValueError(f"a NIfTI source must have positive sizes; got {path} of {shape}, from byte {offset}")
    stored_dtype = np.dtype(header.get_data_dtype())
    require_numbers(stored_dtype, path, "a NIfTI source")
    stored = MappedArray(str(path), shape, stored_dtype, offset, "F")
    _require_long_enough(stored, path, is_gzip)
    slope, intercept = (float(one) for one in _slope_and_intercept(header))
    scaling = None if (slope, intercept) == (1.0, 0.0) else (slope, intercept)
    dtype = plain(_scaled(np.zeros(1, stored.dtype), scaling).dtype)
    require_numbers(dtype, path, "a NIfTI source")
    array = NiftiArray(stored, dtype, scaling, is_gzip)
    space, time = (UNITS.get(unit) for unit in header.get_xyzt_units())
    sizes = {
        name: (float(f"{zoom:.7g}"), space if name in "xyz" else time if name == "t" else None)
        for name, zoom in zip(_AXES, header.get_zooms(), strict=False)
    }
    image = image_of(tuple(_AXES[: len(stored.shape)]), sizes)
    cost = "gzip: each process that reads it decompresses it once, to a temporary file" if is_gzip else "memory-mapped"
    return Source(array, file_layout(array, image), str(path), file_stamp(path), image, (("format", f"NIfTI, {cost}"),))


def _header(path: Path, is_gzip: bool) -> Any:
    """nibabel's header; extensions, which a header may call as long as it likes, are not read."""
    try:
        from nibabel import Nifti1Header, Nifti2Header
        from nibabel.spatialimages import HeaderDataError
    except ImportError:
        raise ModuleNotFoundError(f"reading {path} needs the package nibabel: pip install 'vrdask[nifti]'") from None
    try:
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            block = file.read(_HEADER_BYTES)
        for kind in (Nifti1Header, Nifti2Header):
            if kind.may_contain_header(block):
                header = kind(block[: kind.sizeof_hdr])
                if bytes(header["magic"].item()).startswith(b"n+"):
                    return header
                raise ValueError("its samples are in another file, beside a header: convert it to one file")
    except (EOFError, zlib.error, gzip.BadGzipFile, HeaderDataError, ValueError) as error:
        raise ValueError(f"a NIfTI source must hold a volume; got {path}: {error}") from None
    raise ValueError(f"a NIfTI source must hold a volume; got {path}, which does not begin with a NIfTI header")


def _slope_and_intercept(header: Any) -> tuple[float, float]:
    slope, intercept = header.get_slope_inter()
    return (1.0 if slope is None else slope), (0.0 if intercept is None else intercept)


def _require_long_enough(stored: MappedArray, path: Path, is_gzip: bool) -> None:
    """Refuse a file that ends before its samples do; of a compressed one, only what cannot be is known yet."""
    if not is_gzip:
        require_whole(stored, "a NIfTI source")
        return
    size = path.stat().st_size
    if stored.stop > MOST_PER_BYTE * size:
        raise ValueError(
            f"a NIfTI source must hold all its samples, {stored.stop} bytes; got {size} compressed ones: "
            f"{path} is truncated, or its header is damaged"
        )


def _scaled(stored: npt.NDArray[Any], scaling: tuple[float, float] | None) -> npt.NDArray[Any]:
    if scaling is None:
        return stored
    from nibabel.volumeutils import apply_read_scaling

    with np.errstate(all="ignore"):
        scaled: npt.NDArray[Any] = apply_read_scaling(stored, *scaling)
    return scaled


FORMAT = Format("NIfTI", (".nii", ".nii.gz"), (), lambda path, level, series: open_nifti(path))
