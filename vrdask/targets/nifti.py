"""NIfTI targets: `.nii` and `.nii.gz`, of any size, with where the samples lie.

The file's x runs fastest, so axes t, z, y, x are written as they are; others are turned into the file's order while it
is put together. Samples keep their type, and no slope is written: what a source scaled when it was read is written as
the numbers that were meant.
"""

from __future__ import annotations

import gzip
import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from vrdask.images.axes import ATTRIBUTE
from vrdask.images.image import Image
from vrdask.images.nifti_fields import LABELS, fields_of
from vrdask.images.orientation import (
    as_affine,
    as_itk_has_it,
    homogeneous,
    lengths,
    millimetres_in,
    said_by_axes,
    unit_of,
)
from vrdask.storage.layout import Layout
from vrdask.targets.streamed import StreamedTarget, put, streamed_arguments
from vrdask.targets.target import Form, Request, TargetFormat, require_package

SCANNER, ALIGNED = 1, 2
"""Codes of sform and qform: the world is that of a scanner, or of nobody knows what."""
TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64", "complex64",
         "complex128")  # fmt: skip
MOST_OF_NIFTI1 = 32767
NIFTI1_BYTES = 348
UNKNOWN = "where a spacing is not known NIfTI says 1, without a position"
GZIP_LEVEL = 1
"""nibabel's."""
_UNITS = {"millimeter": "mm", "micrometer": "micron", "meter": "meter"}
_TIMES = {"second": "sec", "millisecond": "msec", "microsecond": "usec"}
_COMMENT = 6
"""The code of an extension that is a text."""


@dataclass(frozen=True)
class NiftiTarget(StreamedTarget):
    """A NIfTI file to write."""

    header: bytes
    """nibabel's header, without what follows it."""
    told: tuple[str, ...]

    @property
    def holds_attributes(self) -> bool:
        return False

    @property
    def notes(self) -> tuple[str, ...]:
        return self.told

    def write(self, path: Path, slabs: Iterator[npt.NDArray[Any]], made: Mapping[str, str]) -> None:
        with ExitStack() as stack:
            file: BinaryIO = stack.enter_context(path.open("wb"))
            if self.path.name.lower().endswith(".gz"):  # no time and no name in it: equal results are equal files
                file = stack.enter_context(gzip.GzipFile("", "wb", GZIP_LEVEL, file, mtime=0))  # type: ignore[assignment]
            file.write(_with_comment(self.header, json.dumps({ATTRIBUTE: {"made": dict(made)}}).encode()))
            put(file, slabs)

    def made(self) -> Mapping[str, str] | None:
        with suppress(OSError, ValueError, KeyError, TypeError, EOFError):
            opened: Callable[..., Any] = gzip.open if self.path.name.lower().endswith(".gz") else open
            with opened(self.path, "rb") as file:
                block = file.read(len(self.header) + 4 + 8 + (1 << 16))
            size, code = np.frombuffer(block[len(self.header) + 4 :][:8], "<i4")
            if code == _COMMENT:
                text = block[len(self.header) + 12 :][: size - 8].rstrip(b"\0")
                return dict(json.loads(text)[ATTRIBUTE]["made"])
        return None


def open_nifti_target(place: Any, layout: Layout, image: Image | None, form: Form, request: Request) -> NiftiTarget:
    """A NIfTI file to write; nothing is written yet.

    Raises
    ------
    FileExistsError, FileNotFoundError
        There is something at `place` that may not be replaced, or no folder for it.
    ValueError
        NIfTI cannot hold the result.
    ModuleNotFoundError
        nibabel is not installed.
    """
    require_package(place, "nibabel", "nifti")
    if form.out_dtype.name not in TYPES:
        raise ValueError(
            f"a NIfTI target must hold one of {', '.join(TYPES)}; got {form.out_dtype} for {place}: "
            f"ask for dtype {'uint8' if form.out_dtype.kind == 'b' else 'float32'}, or write Zarr"
        )
    order, sizes = file_axes(image, form.out_shape)
    if not 0 < len(sizes) <= 7:
        raise ValueError(f"a NIfTI target must have 1 to 7 dimensions; got {len(sizes)} for {place}: choose a channel")
    kept = fields_of(layout.attributes)
    header, told = _header(image, order, sizes, form.out_dtype, kept)
    arguments = streamed_arguments(
        place, form, request, order, "a NIfTI file", {"header": header.hex()}, begins_like_nifti
    )
    return NiftiTarget(**arguments, header=header, told=tuple(told))


def begins_like_nifti(path: Path) -> bool:
    """Whether a file is NIfTI, by its first bytes: its length field, in either byte order."""
    with path.open("rb") as file, suppress(OSError, EOFError):
        begins = file.read(4)
        if begins[:2] == b"\x1f\x8b":
            file.seek(0)
            with gzip.GzipFile(fileobj=file) as packed:
                begins = packed.read(4)
        return begins in {number.to_bytes(4, order) for number in (348, 540) for order in ("little", "big")}
    return False


def file_axes(image: Image | None, shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The array's axes in the order of the file, the slowest first, and the header's sizes, x first.

    Time is the fourth dimension and what is neither space nor time the fifth; dimensions of size 1 hold their places.

    >>> file_axes(None, (5, 6, 7))
    ((0, 1, 2), (7, 6, 5))
    """
    if image is None:
        return tuple(range(len(shape))), tuple(reversed(shape))
    space = [*image.space_axes]
    names = [image.axis_names[axis].lower() for axis in space]
    if set(names) <= set("xyz") and len(set(names)) == len(names):
        space.sort(key=lambda axis: "zyx".index(image.axis_names[axis].lower()))
    time = [axis for axis, said in enumerate(image.axes) if said.get("type") == "time"]
    rest = [axis for axis in range(len(shape)) if axis not in space and axis not in time]
    sizes = [shape[axis] for axis in reversed(space)]
    if time or rest:
        sizes += [1] * (3 - len(space)) + ([shape[axis] for axis in reversed(time)] or [1])
    return (*rest, *time, *space), (*sizes, *(shape[axis] for axis in reversed(rest)))


def _header(
    image: Image | None, order: Sequence[int], sizes: Sequence[int], dtype: Any, kept: Mapping[str, Any]
) -> tuple[bytes, list[str]]:
    """The header of a result as bytes, and lines about what it cannot hold."""
    from nibabel import Nifti1Header, Nifti2Header

    kind = Nifti1Header if max(sizes) <= MOST_OF_NIFTI1 else Nifti2Header
    header = kind(endianness="<")
    header.set_data_dtype(dtype)
    header.set_data_shape(sizes)
    header["magic"] = kind.single_magic
    told: list[str] = []
    if image is not None:
        _put_geometry(header, image, order, kept, told)
        if lost := sorted(set(image.extra) - {"image-label"}):
            told.append(f"NIfTI does not hold {', '.join(lost)}")
    else:
        told.append(UNKNOWN)
    labels = image is not None and image.is_labels
    header["intent_code"] = int(kept.get("intent_code", LABELS if labels else 0))
    for number, value in enumerate(kept.get("intent", ()), 1):
        header[f"intent_p{number}"] = value
    for name in ("intent_name", "descrip", "aux_file"):
        header[name] = str(kept.get(name, "")).encode("latin-1", "replace")[: header[name].dtype.itemsize]
    header["cal_min"], header["cal_max"] = kept.get("cal", (0.0, 0.0))
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0
    return bytes(header.binaryblock), told


def _put_geometry(header: Any, image: Image, order: Sequence[int], kept: Mapping[str, Any], told: list[str]) -> None:
    space = [axis for axis in reversed(order) if axis in image.space_axes]
    units = {image.axes[axis].get("unit") for axis in space}
    unit = next(iter(units)) if len(units) == 1 else "millimeter"
    if unit is not None and unit not in _UNITS:
        unit = "millimeter"
    millimetres = millimetres_in(unit) or 1.0
    times = [axis for axis in order if image.axes[axis].get("type") == "time"]
    time = image.axes[times[0]].get("unit") if times else None
    header.set_xyzt_units(_UNITS.get(unit or "", "unknown"), _TIMES.get(time or "", kept.get("time_unit", "unknown")))
    if times:
        scale, start = image.scale[times[0]], image.translation[times[0]]
        header["pixdim"][4] = scale if math.isfinite(scale) else 0.0
        header["toffset"] = start if math.isfinite(start) else 0.0
    known = 0 if "sform_code" not in kept else kept["sform_code"] or kept.get("qform_code") or ALIGNED
    affine, code = image.affine, int(known or SCANNER)
    if affine is None and (affine := said_by_axes(image)) is None:
        affine, code = as_itk_has_it(image), ALIGNED
        if affine is not None:
            told.append("no directions are known: NIfTI says x to the left, y to the back, z to the top, as ITK would")
    if affine is None:
        for number, axis in enumerate(space, 1):
            size = image.scale[axis] * (unit_of(image.axes[axis]) or math.nan) / millimetres
            header["pixdim"][number] = size if math.isfinite(size) else 1.0
        told.append(UNKNOWN)
        return
    columns = np.array(affine) / millimetres
    whole = _completed(columns[:, [*(image.space_axes.index(axis) for axis in space), -1]], kept.get("slice"))
    norms = np.array(lengths(as_affine(whole)))
    header["pixdim"][1:4] = norms
    if known == ALIGNED and not kept["sform_code"] and np.allclose(header.get_base_affine(), whole, rtol=1e-5):
        return  # sizes alone say it, as in the source
    header.set_sform(whole, code)
    units_of_axes = whole[:3, :3] / norms
    if np.abs(units_of_axes.T @ units_of_axes - np.eye(3)).max() < 1e-4:
        header.set_qform(whole, code)
        header["pixdim"][1:4] = norms  # which nibabel computes in float32
    else:
        told.append("the axes are not at right angles: NIfTI says so in its sform, and gives no qform")


def _completed(columns: npt.NDArray[np.float64], known: Any) -> npt.NDArray[np.float64]:
    """The 4 x 4 affine of a volume from that of a plane or a line. known : columns of the axes that are missing, as a
    source said them; else they are at right angles, of length 1.
    """
    count = columns.shape[1] - 1
    missing = np.linalg.svd(columns[:, :-1] / np.linalg.norm(columns[:, :-1], axis=0))[0][:, count:]
    if np.shape(known) == (3 - count, 3):
        missing = np.array(known, float).T
    elif count == 2:
        missing *= np.sign(np.linalg.det(np.column_stack([columns[:, :-1], missing])))
    return homogeneous(as_affine(np.column_stack([columns[:, :-1], missing, columns[:, -1]])))


def _with_comment(header: bytes, text: bytes) -> bytes:
    """A header with an extension that is a text, as far as the samples."""
    length = -(-(8 + len(text)) // 16) * 16
    block = bytearray(header)
    start = len(header) + 4 + length
    if len(header) == NIFTI1_BYTES:
        struct.pack_into("<f", block, 108, start)
    else:
        struct.pack_into("<q", block, 168, start)
    return bytes(block) + b"\1\0\0\0" + struct.pack("<ii", length, _COMMENT) + text.ljust(length - 8, b"\0")


FORMAT = TargetFormat("NIfTI", (".nii", ".nii.gz"), open_nifti_target, is_local=True)
