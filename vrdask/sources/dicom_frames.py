"""What a DICOM file says of its images: size, type, position. Only what lies before the samples is read.

A file holds one frame or several; those of enhanced files say some things once for all and some frame by frame, in
sequences ("functional groups"). Everything that follows knows frames only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vrdask.sources.dicom_scan import scanned
from vrdask.sources.dicom_times import ORDERS, Orders, orders_of
from vrdask.sources.opening import package_for, quiet, warnings_ignored
from vrdask.text import by_axis

WHAT = "a DICOM source"
KEYWORDS = (
    "SOPClassUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "InstanceNumber",
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "GridFrameOffsetVector", "FrameTime", "Rows",
    "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "PixelRepresentation",
    "NumberOfFrames", "RescaleSlope", "RescaleIntercept", "DoseGridScaling", "ModalityLUTSequence",
    "TotalPixelMatrixColumns", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "TemporalResolution", *ORDERS,
)  # fmt: skip
PHOTOMETRIC = {
    "MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1, "RGB": 3, "YBR_FULL": 3, "YBR_FULL_422": 3, "YBR_ICT": 3,
    "YBR_RCT": 3,
}  # fmt: skip
"""Samples of a pixel by photometric interpretation; those of three are decoded as RGB."""
LEAST_BYTES_OF_FRAME = 8
"""That a compressed one takes: the head of an item."""
UNIT = 1e-3
"""How far the length of a direction, and the cosine between two, may be off."""


class Form(NamedTuple):
    """What all frames of a series agree in."""

    rows: int
    columns: int
    samples: int
    stored: str
    """The type of the samples before they are scaled."""
    photometric: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, columns and, where there are several, samples of a pixel."""
        return (self.rows, self.columns, *((self.samples,) if self.samples > 1 else ()))

    def __str__(self) -> str:
        return f"{by_axis(self.shape)} {self.stored} {self.photometric}"


@dataclass(frozen=True)
class Frame:
    """An image of a file. index : its number in a file that holds several. scaling : slope and intercept.

    place : where its first sample lies, and directions along a row and down a column, in LPS. spacing : of rows and of
    columns. Both None where nothing says it. orders : what may put it in order among others at its place.
    """

    path: str
    index: int | None
    form: Form
    bits: int
    scaling: tuple[float, float]
    position: tuple[float, ...] | None
    directions: tuple[float, ...] | None
    spacing: tuple[float, ...] | None
    orders: Orders = ()

    def __str__(self) -> str:
        return self.path if self.index is None else f"frame {self.index + 1} of {self.path}"


@dataclass(frozen=True)
class Header:
    """What a file says: of what series it is, and its frames."""

    path: str
    series: str
    series_number: int
    description: str
    modality: str
    number: int
    """Of the file in its series."""
    syntax: Any
    """The transfer syntax, pydicom's."""
    frame_seconds: float | None
    time_seconds: float | None
    """From a time of a series to the next."""
    frames: tuple[Frame, ...]

    @property
    def size(self) -> tuple[int, ...]:
        """Rows, columns and, where there are several, samples of a pixel."""
        return self.frames[0].form.shape


def read_header(path: str) -> Header | None:
    """What a file says; None where it holds no image, as a DICOMDIR or a report.

    Raises
    ------
    ValueError
        It is no DICOM, damaged, or what it says is not understood.
    ModuleNotFoundError
        pydicom is not installed.
    """
    pydicom = package_for(path, "pydicom", "dicom")
    if (found := _scanned_header(path)) is not None:
        return found
    with quiet(), warnings_ignored():
        try:
            with open(path, "rb") as file:
                found = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(KEYWORDS))
                samples_at = file.tell()
        except pydicom.errors.InvalidDicomError:
            raise ValueError(f"{WHAT} must have DICM at byte 128; got {path}, which has not: convert it") from None
        return _header(found, path, samples_at, found.file_meta.get("TransferSyntaxUID"))


def _scanned_header(path: str) -> Header | None:
    """The same without pydicom's data set; None where that is needed, or is to say what is wrong."""
    found = scanned(path, KEYWORDS)
    if found is None or not found.get("Rows") or not found.get("Columns"):
        return None
    try:
        return _header(found, path, found.samples_at, found.syntax)
    except (TypeError, ValueError):
        return None


def _header(found: Any, path: str, samples_at: int, syntax: Any) -> Header | None:
    if not found.get("Rows") or not found.get("Columns"):
        kind = getattr(found.get("SOPClassUID", found.file_meta.get("MediaStorageSOPClassUID")), "name", "")
        if not kind.endswith("Storage") or "Image" in kind:
            raise ValueError(f"{WHAT} must say its rows and columns; got {path}, {kind or 'of no class'}, without")
        return None
    if syntax is None:
        raise ValueError(f"{WHAT} must say its transfer syntax; got {path}, which does not")
    if "TotalPixelMatrixColumns" in found:
        raise ValueError(
            f"{WHAT} must be a series, or a volume in one file; got the whole slide {path}: choose the "
            "files of one kind by a pattern"
        )
    if "ModalityLUTSequence" in found:
        raise ValueError(f"{WHAT} must have a rescale slope and intercept or none; got a Modality LUT in {path}")
    count = whole_number(found, "NumberOfFrames", path, 1)
    form, bits = form_of(found, path)
    _require_whole(path, samples_at, form, whole_number(found, "BitsAllocated", path, 0), count, syntax)
    return Header(
        path,
        str(found.get("SeriesInstanceUID", "")),
        whole_number(found, "SeriesNumber", path, 0),
        " ".join(str(found.get("SeriesDescription", "")).split()),
        str(found.get("Modality", "")),
        whole_number(found, "InstanceNumber", path, 0),
        syntax,
        _seconds(found, "FrameTime", path),
        _seconds(found, "TemporalResolution", path),
        tuple(_frames(found, path, form, bits, count)),
    )


def form_of(found: Any, path: str) -> tuple[Form, int]:
    """The form of a file's frames, and the bits that are stored of each sample."""
    photometric = str(found.get("PhotometricInterpretation", ""))
    sizes = {
        name: whole_number(found, name, path, default)
        for name, default in (("Rows", 0), ("Columns", 0), ("SamplesPerPixel", 1), ("BitsAllocated", 0),
                              ("PixelRepresentation", 0))
    }  # fmt: skip
    allocated = sizes["BitsAllocated"]
    bits = whole_number(found, "BitsStored", path, allocated)
    if PHOTOMETRIC.get(photometric) != sizes["SamplesPerPixel"]:
        raise ValueError(
            f"{WHAT} must be of one of {', '.join(PHOTOMETRIC)}, with 1 or 3 samples; got {photometric or 'none'} with "
            f"{sizes['SamplesPerPixel']} in {path}"
        )
    if allocated not in (1, 8, 16, 32) or not 0 < bits <= allocated or sizes["PixelRepresentation"] not in (0, 1):
        raise ValueError(
            f"{WHAT} must have integers of 1, 8, 16 or 32 bits; got {bits} of {allocated} bits, representation "
            f"{sizes['PixelRepresentation']}, in {path}"
        )
    kind = "int" if sizes["PixelRepresentation"] and allocated > 1 else "uint"
    stored = f"{kind}{max(8, allocated)}"
    form = Form(sizes["Rows"], sizes["Columns"], sizes["SamplesPerPixel"], stored, photometric)
    return form, bits


def _require_whole(path: str, start: int, form: Form, bits: int, count: int, syntax: Any) -> None:
    """Refuse a file that ends before its samples, of so many bits; of compressed ones, before their least.

    start : of the element that holds them, in a file that is not deflated.
    """
    size = Path(path).stat().st_size - (0 if syntax.is_deflated else start)
    samples = form.rows * form.columns * (2 if form.photometric == "YBR_FULL_422" else form.samples)
    least = count * samples * bits // 8
    if syntax.is_compressed or syntax.is_deflated:
        least = count * LEAST_BYTES_OF_FRAME
    if count < 1 or least > size:
        raise ValueError(
            f"{WHAT} must hold all its samples, {least} bytes for {count} frames of {by_axis(form.shape)}; got {size}: "
            f"{path} is truncated or damaged"
        )


def _frames(found: Any, path: str, form: Form, bits: int, count: int) -> Iterator[Frame]:
    shared = first_of(found.get("SharedFunctionalGroupsSequence"))
    groups = found.get("PerFrameFunctionalGroupsSequence") or ()
    offsets = numbers(found.get("GridFrameOffsetVector"), count, "GridFrameOffsetVector", path) if count > 1 else None
    for index in range(count):
        own = groups[index] if index < len(groups) else None

        def said(group: str, keyword: str, own: Any = own) -> Any:
            for holder in (own, shared):
                inner = None if holder is None else first_of(holder.get(group))
                if inner is not None and keyword in inner:
                    return inner.get(keyword)
            return found.get(keyword)

        position = numbers(said("PlanePositionSequence", "ImagePositionPatient"), 3, "ImagePositionPatient", path)
        directions = _directions(said("PlaneOrientationSequence", "ImageOrientationPatient"), path)
        if count > 1 and not groups:  # the file says where one of many lies
            position = _offset(position, directions, offsets, index)
        spacing = numbers(said("PixelMeasuresSequence", "PixelSpacing"), 2, "PixelSpacing", path)
        if spacing is not None and min(spacing) <= 0:
            raise ValueError(f"PixelSpacing must be positive; got {_text(spacing)} in {path}")
        slope = said("PixelValueTransformationSequence", "RescaleSlope")
        slope = found.get("DoseGridScaling") if slope is None else slope
        intercept = said("PixelValueTransformationSequence", "RescaleIntercept")
        (slope,) = numbers(slope, 1, "RescaleSlope", path) or (1.0,)
        (intercept,) = numbers(intercept, 1, "RescaleIntercept", path) or (0.0,)
        if slope == 0:
            raise ValueError(f"RescaleSlope must not be 0; got 0 in {path}")
        yield Frame(
            path, index if count > 1 else None, form, bits, (slope, intercept), position, directions, spacing,
            orders_of(said),
        )  # fmt: skip


def _offset(
    position: tuple[float, ...] | None,
    directions: tuple[float, ...] | None,
    offsets: tuple[float, ...] | None,
    index: int,
) -> tuple[float, ...] | None:
    """Where a frame of a dose grid lies, some way along the normal."""
    if position is None or directions is None or offsets is None:
        return None
    return tuple(p + offsets[index] * n for p, n in zip(position, normal(directions), strict=True))


def normal(directions: tuple[float, ...]) -> tuple[float, ...]:
    """The direction from slice to slice: along a row times down a column.

    >>> normal((1, 0, 0, 0, 1, 0))
    (0, 0, 1)
    """
    a, b, c, p, q, r = directions
    return b * r - c * q, c * p - a * r, a * q - b * p


def _directions(value: Any, path: str) -> tuple[float, ...] | None:
    found = numbers(value, 6, "ImageOrientationPatient", path)
    if found is None:
        return None
    row, column = found[:3], found[3:]
    off = (math.hypot(*row) - 1, math.hypot(*column) - 1, sum(a * b for a, b in zip(row, column, strict=True)))
    if max(map(abs, off)) > UNIT:
        raise ValueError(f"ImageOrientationPatient must be perpendicular directions; got {_text(found)} in {path}")
    return found


def numbers(value: Any, count: int, name: str, path: str) -> tuple[float, ...] | None:
    """So many finite numbers; None where nothing is said."""
    if value is None or value == "":
        return None
    several = list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]
    if not several:
        return None
    try:
        found = tuple(float(one) for one in several)
    except (TypeError, ValueError):
        found = ()
    if len(found) != count or not all(map(math.isfinite, found)):
        raise ValueError(f"{name} must be {count} finite numbers; got {str(value)[:80]!r} in {path}")
    return found


def _seconds(found: Any, name: str, path: str) -> float | None:
    """Of milliseconds, where they are said."""
    milliseconds = numbers(found.get(name), 1, name, path)
    return None if milliseconds is None or milliseconds[0] <= 0 else milliseconds[0] / 1000


def whole_number(found: Any, name: str, path: str, default: int) -> int:
    """A whole number; the default where nothing is said."""
    value = found.get(name)
    if value is None or value == "":
        return default
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a whole number; got {str(value)[:80]!r} in {path}") from None


def first_of(sequence: Any) -> Any:
    """The first item of a sequence; None where there is none."""
    return sequence[0] if sequence else None


def _text(some: tuple[float, ...]) -> str:
    return ", ".join(f"{one:g}" for one in some)
