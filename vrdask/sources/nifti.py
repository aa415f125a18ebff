"""NIfTI volumes: axes z, y, x, time before them, with where they lie.

A file's x runs fastest, so this is the order of its samples in C's way of counting, and of OME-Zarr: nibabel's array
transposed. A fourth dimension of size 1 below a fifth, as vectors have it, is none.

nibabel understands the header; the samples are those of its ``dataobj``. A `.nii` is memory-mapped. A `.nii.gz` can
only be read from its beginning: every process that reads one decompresses it once, as far as its header says, into a
temporary file (`inflated`). Where many runs read it, decompress it yourself or go to Zarr first.
"""

from __future__ import annotations

import gzip
import re
import zlib
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import DType, plain
from vrdask.images.nifti_fields import OWN, with_fields
from vrdask.sources.format import Format
from vrdask.sources.inflated import MOST_PER_BYTE, inflated
from vrdask.sources.mapped import CHANGED_BYTES, MappedArray, require_numbers, require_whole
from vrdask.sources.nifti_header import axis_names, image_from_header, kept_fields, not_kept
from vrdask.sources.not_carried import not_carried
from vrdask.sources.opening import package_for
from vrdask.sources.source import Source, file_layout, file_stamp

_HEADER_BYTES = 540 + 4
"""Of NIfTI-2, with the word that tells of extensions; of NIfTI-1 348 + 4."""
_OF_A_PAIR = re.compile(r"\.(hdr|img)(\.gz)?$", re.IGNORECASE)
_CIFTI = range(3000, 3100)
"""Intents of files that hold surfaces and parcels in a NIfTI's clothes."""


@dataclass(frozen=True)
class NiftiArray:
    """The samples as nibabel's ``dataobj`` gives them: as stored, or times slope plus intercept.

    time_first : whether the axis before the last three goes before all others, as OME-Zarr has it.
    """

    stored: MappedArray
    dtype: DType
    scaling: tuple[float, float] | None
    is_gzip: bool
    time_first: bool = False

    chunks = None

    @property
    def shape(self) -> tuple[int, ...]:
        return in_order(self.stored.shape, self.time_first)

    @property
    def passing_bytes(self) -> int:
        """Of pages that are mapped at a time, and of samples times the slope, and plus the intercept."""
        return self.stored.passing_bytes + (0 if self.scaling is None else 2 * CHANGED_BYTES)

    def __getitem__(self, box: tuple[slice, ...], /) -> npt.NDArray[Any]:
        if self.time_first:
            box = (*box[1:-3], box[0], *box[-3:])
            return np.moveaxis(self._stored_box(box), -4, 0)
        return self._stored_box(box)

    def _stored_box(self, box: tuple[slice, ...]) -> npt.NDArray[Any]:
        stored = self.stored
        change = None if self.scaling is None else partial(_scaled, scaling=self.scaling)
        if not self.is_gzip:
            return stored.changed(box, self.dtype, change)
        unpacked = inflated(stored.path, stored.stop, "a NIfTI source")  # held until the box is mapped
        return stored.read(unpacked.number, box, self.dtype, change)


def in_order(values: tuple[Any, ...], time_first: bool) -> tuple[Any, ...]:
    """One value per axis, with that of the axis before the last three first of all.

    >>> in_order(("c", "t", "z", "y", "x"), True)
    ('t', 'c', 'z', 'y', 'x')
    """
    return (values[-4], *values[:-4], *values[-3:]) if time_first else values


def open_nifti(path: Path) -> Source:
    """The volume in a `.nii` or `.nii.gz`, or in a pair of `.hdr` and `.img`; nothing but its header is read.

    Raises
    ------
    ValueError
        The file is truncated, no NIfTI, or no volume of numbers.
    ModuleNotFoundError
        nibabel is not installed.
    """
    said, data = _pair(path)
    is_gzip = data.name.lower().endswith(".gz")
    header, has_more, beside = _header(said)
    if beside != (data != said):
        way_out = "call the two .hdr and .img" if beside else "call it .nii"
        where = "another" if beside else "the same"
        raise ValueError(
            f"a NIfTI source must hold a volume; got {path}, whose header has its samples in {where} file: {way_out}"
        )
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
    names = axis_names(len(shape))
    if len(shape) > 4 and shape[3] == 1:
        names, shape = names[:3] + names[4:], shape[:3] + shape[4:]
    names, time_first = names[::-1], len(names) > 4 and "t" in names
    stored = MappedArray(str(data), shape[::-1], stored_dtype, offset)
    _require_long_enough(stored, data, is_gzip)
    slope, intercept = (float(one) for one in _slope_and_intercept(header))
    scaling = None if (slope, intercept) == (1.0, 0.0) else (slope, intercept)
    dtype = plain(_scaled(np.zeros(1, stored.dtype), scaling).dtype)
    require_numbers(dtype, path, "a NIfTI source")
    array = NiftiArray(stored, dtype, scaling, is_gzip, time_first)
    names = in_order(names, time_first)
    image, details = image_from_header(header, names, path)
    details = (*details, *not_carried({"the NIfTI header": not_kept(header)}))
    if has_more:
        details = (*details, ("note", "extensions of the NIfTI header are not carried on"))
    layout = replace(file_layout(array, image), attributes=with_fields({}, kept_fields(header, names)))
    cost = "gzip: each process that reads it decompresses it once, to a temporary file" if is_gzip else "memory-mapped"
    stamps = [file_stamp(one) for one in dict.fromkeys((said, data))]
    stamp = stamps[0] if len(stamps) == 1 else lambda: [one() for one in stamps]
    return Source(array, layout, str(path), stamp, image, (("format", f"NIfTI, {cost}"), *details))


def _pair(path: Path) -> tuple[Path, Path]:
    """The file of the header and that of the samples: two where they are called .hdr and .img."""
    found = _OF_A_PAIR.search(path.name)
    if found is None:
        return path, path
    kind = {"hdr": "img", "img": "hdr"}[found[1].lower()]
    other = path.parent / f"{path.name[: found.start(1)]}{kind.upper() if found[1].isupper() else kind}{found[2] or ''}"
    if not other.is_file():
        raise ValueError(f"a NIfTI source must have both of its files; got {path} without {other.name} beside it")
    return (path, other) if kind == "img" else (other, path)


def _header(path: Path) -> tuple[Any, bool, bool]:
    """nibabel's header; whether extensions follow, which are not read: a header calls them as long as it likes; and
    whether the samples are in another file.
    """
    is_gzip = path.name.lower().endswith(".gz")
    nibabel = package_for(path, "nibabel", "nifti")
    try:
        with path.open("rb") as raw, gzip.GzipFile(fileobj=raw) if is_gzip else nullcontext(raw) as file:
            block = file.read(_HEADER_BYTES + len(OWN) + 8)
        for kind in (nibabel.Nifti1Header, nibabel.Nifti2Header):
            if kind.may_contain_header(block):
                header = kind(block[: kind.sizeof_hdr])
                said = kind(block[: kind.sizeof_hdr], check=False)["pixdim"]
                header["pixdim"][said == 0] = 0  # which nibabel takes for 1: what nobody says is not known
                has_more = _has_extensions(block[kind.sizeof_hdr :], int(header["vox_offset"]) - kind.sizeof_hdr)
                return header, has_more, not bytes(header["magic"].item()).startswith(b"n+")
    except (EOFError, zlib.error, gzip.BadGzipFile, nibabel.spatialimages.HeaderDataError, ValueError) as error:
        raise ValueError(f"a NIfTI source must hold a volume; got {path}: {error}") from None
    raise ValueError(f"a NIfTI source must hold a volume; got {path}, which does not begin with a NIfTI header")


def _has_extensions(block: bytes, size: int) -> bool:
    """Whether extensions follow a header, but for the one that a run of ours has written alone (see `targets.nifti`).

    block : what follows it, of so many bytes as far as the samples.
    """
    is_own = block[12:].startswith(OWN) and int.from_bytes(block[4:8], "little") + 4 == size
    return block[:1] not in (b"", b"\0") and not is_own


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


SUFFIXES = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
FORMAT = Format("NIfTI", SUFFIXES, (), lambda path, level, series: open_nifti(path))
