"""What a DICOM file says of a whole slide, or of a level of one: sizes of the slide and its tiles, and where each lies.

TILED_FULL files hold all tiles, row by row, focal plane by plane, optical path by path. Others (TILED_SPARSE) say of
each frame where it lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import MOST_CHUNKS, ceil_div
from vrdask.sources.dicom_frames import LEAST_BYTES_OF_FRAME, WHAT, first_of, form_of, numbers, whole_number
from vrdask.sources.opening import package_for, quiet, warnings_ignored
from vrdask.text import by_axis

SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
"""VL Whole Slide Microscopy Image Storage."""
KEYWORDS = (
    "SOPClassUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "ImageType", "Rows", "Columns",
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated", "BitsStored",
    "PixelRepresentation", "NumberOfFrames", "TotalPixelMatrixColumns", "TotalPixelMatrixRows",
    "DimensionOrganizationType", "NumberOfOpticalPaths", "TotalPixelMatrixFocalPlanes", "OpticalPathSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "InConcatenationTotalNumber",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
)  # fmt: skip
MICROMETRES = 1000


@dataclass(frozen=True, eq=False)
class SlideHeader:
    """A level, or another image of a slide.

    size : rows and columns. tile : the same of a frame. paths : what optical paths are called. planes : how many focal
    ones. step : between planes, and spacing : of rows and columns, in micrometres; None where nothing says it.
    numbers : of the frames, by optical path, plane, row and column of tiles; -1 for one that is not there.
    samples_at : the byte at which the element of the samples begins. options : what pydicom's decoders ask for.
    offsets : of frames, where a table of them stands before the samples.
    """

    path: str
    series: str
    series_number: int
    description: str
    modality: str
    kind: str
    size: tuple[int, int]
    tile: tuple[int, int]
    samples: int
    stored: str
    bits: int
    paths: tuple[str, ...]
    planes: int
    step: float | None
    spacing: tuple[float, float] | None
    numbers: npt.NDArray[np.int64]
    syntax: Any
    samples_at: int
    options: dict[str, Any]
    offsets: npt.NDArray[np.uint64] | None
    has_profile: bool

    @property
    def count(self) -> int:
        """Of frames."""
        return int(self.numbers.max()) + 1


def read_slide_header(path: str) -> SlideHeader:
    """What a file of a slide says.

    Raises
    ------
    ValueError
        It is another image, damaged, or what it says is not understood.
    """
    stat = Path(path).stat()
    return _read(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=32)
def _read(path: str, size: int, modified: int) -> SlideHeader:
    pydicom = package_for(path, "pydicom", "dicom")
    with quiet(), warnings_ignored(), open(path, "rb") as file:
        found = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(KEYWORDS))
        samples_at = file.tell()
        return _header(found, path, samples_at, size)


def _header(found: Any, path: str, samples_at: int, bytes_: int) -> SlideHeader:
    if str(found.get("SOPClassUID", "")) != SLIDE:
        raise ValueError(f"{WHAT} must be one slide, or none; got {path}, which is none, beside one")
    syntax = found.file_meta.get("TransferSyntaxUID")
    if syntax is None or syntax.is_deflated or not syntax.is_little_endian:
        raise ValueError(
            f"a slide must have a transfer syntax that is read here; got {syntax and syntax.name} in {path}"
        )
    if whole_number(found, "InConcatenationTotalNumber", path, 1) > 1:
        raise ValueError(
            f"a level of a slide must be in one file; got {path}, a part of one: join them (dcmtk, highdicom)"
        )
    form, bits = form_of(found, path)
    size = tuple(whole_number(found, f"TotalPixelMatrix{name}", path, 0) for name in ("Rows", "Columns"))
    count = whole_number(found, "NumberOfFrames", path, 1)
    is_read = form.photometric != "PALETTE COLOR" and found.BitsAllocated >= 8
    if min(*size, form.rows, form.columns) < 1 or not is_read:
        raise ValueError(
            f"a slide must have positive sizes, and colours or grey of whole bytes; got {by_axis(size)}, {form} "
            f"in {path}"
        )
    least = LEAST_BYTES_OF_FRAME if syntax.is_compressed else frame_bytes(form, found)
    if count < 1 or count * least > bytes_ - samples_at:
        raise ValueError(
            f"{WHAT} must hold all its samples, {count} frames; got {bytes_ - samples_at} bytes: {path} is truncated"
        )
    shared = first_of(found.get("SharedFunctionalGroupsSequence"))
    slope = _within(shared, "PixelValueTransformationSequence", "RescaleSlope")
    intercept = _within(shared, "PixelValueTransformationSequence", "RescaleIntercept")
    if (slope or 1) != 1 or (intercept or 0) != 0:
        raise ValueError(f"samples of a slide must be as they are stored; got a rescale slope of {slope} in {path}")
    spacing = numbers(_within(shared, "PixelMeasuresSequence", "PixelSpacing"), 2, "PixelSpacing", path)
    if spacing is not None and min(spacing) <= 0:
        spacing = None
    tiles = (ceil_div(size[0], form.rows), ceil_div(size[1], form.columns))
    optical = list(found.get("OpticalPathSequence") or ())
    places = _full(found, path, tiles, count, optical)
    step = numbers(_within(shared, "PixelMeasuresSequence", "SpacingBetweenSlices"), 1, "SpacingBetweenSlices", path)
    micrometres = None if step is None or step[0] <= 0 else _micrometres(step[0])
    if places is None:
        places, micrometres = _sparse(found, path, form, tiles, count, optical)
    names = tuple(_name(one, k) for k, one in enumerate(optical)) or ("",)
    options = {
        "rows": form.rows, "columns": form.columns, "number_of_frames": 1, "samples_per_pixel": form.samples,
        "photometric_interpretation": form.photometric, "bits_allocated": int(found.BitsAllocated), "bits_stored": bits,
        "pixel_representation": int(found.PixelRepresentation), "pixel_keyword": "PixelData",
        **({"planar_configuration": whole_number(found, "PlanarConfiguration", path, 0)} if form.samples > 1 else {}),
    }  # fmt: skip
    table = found.get("ExtendedOffsetTable")
    kinds = [str(one) for one in found.get("ImageType") or ()]
    return SlideHeader(
        path, str(found.get("SeriesInstanceUID", "")), whole_number(found, "SeriesNumber", path, 0),
        " ".join(str(found.get("SeriesDescription", "")).split()), str(found.get("Modality", "")),
        kinds[2] if kinds[2:] else "VOLUME", (size[0], size[1]), (form.rows, form.columns), form.samples, form.stored,
        bits, names, places.shape[1], micrometres,
        None if spacing is None else (_micrometres(spacing[0]), _micrometres(spacing[1])), places, syntax, samples_at,
        options, None if not table else np.frombuffer(table, "<u8"), any("ICCProfile" in one for one in optical),
    )  # fmt: skip


def frame_bytes(form: Any, found: Any) -> int:
    """Of one that is not compressed."""
    samples = 2 if form.photometric == "YBR_FULL_422" else form.samples
    return int(form.rows * form.columns * samples * int(found.BitsAllocated) // 8)


def _full(
    found: Any, path: str, tiles: tuple[int, int], count: int, optical: list[Any]
) -> npt.NDArray[np.int64] | None:
    """Numbers of the frames where all are there in order; None where each says its place."""
    if str(found.get("DimensionOrganizationType", "")) != "TILED_FULL":
        return None
    paths = whole_number(found, "NumberOfOpticalPaths", path, len(optical) or 1)
    shape = (paths, whole_number(found, "TotalPixelMatrixFocalPlanes", path, 1), *tiles)
    if min(shape) < 1 or prod(shape) != count or paths != max(1, len(optical)):
        raise ValueError(
            f"a TILED_FULL slide must have a frame for each tile, plane and path, {by_axis(shape)}; got {count} in "
            f"{path}"
        )
    return np.arange(count).reshape(shape)


def _sparse(
    found: Any, path: str, form: Any, tiles: tuple[int, int], count: int, optical: list[Any]
) -> tuple[npt.NDArray[np.int64], float | None]:
    """Numbers of the frames where each says its place, and the distance of focal planes, where that is one."""
    groups = found.get("PerFrameFunctionalGroupsSequence") or ()
    if len(groups) != count:
        raise ValueError(f"a slide must say where each of its {count} frames lies; got {len(groups)} in {path}")
    identifiers = {str(one.get("OpticalPathIdentifier", "")): k for k, one in enumerate(optical)}
    shared = first_of(found.get("SharedFunctionalGroupsSequence"))
    places, heights = [], []
    for group in groups:
        place = first_of(group.get("PlanePositionSlideSequence"))
        sides = (("Row", form.rows), ("Column", form.columns))
        said = [f"{side}PositionInTotalImagePixelMatrix" for side, _ in sides]
        at = [0 if place is None else whole_number(place, name, path, 0) for name in said]
        if any((one - 1) % n or not 0 <= (one - 1) // n < most
                             for one, (_, n), most in zip(at, sides, tiles, strict=True)):  # fmt: skip
            raise ValueError(
                f"tiles of a slide must lie side by side, {by_axis(tiles)} of {form.rows}x{form.columns}; got one at "
                f"row {at[0]} and column {at[1]} of {path}"
            )
        name = _within(group, "OpticalPathIdentificationSequence", "OpticalPathIdentifier")
        if name is None:
            name = _within(shared, "OpticalPathIdentificationSequence", "OpticalPathIdentifier")
        number = identifiers.get(str(name), 0 if len(identifiers) < 2 else None)
        if number is None:
            raise ValueError(f"frames of a slide must name one of its optical paths; got {name} in {path}")
        places.append((number, *(one - 1 for one in at)))
        heights.append(round(float(place.get("ZOffsetInSlideCoordinateSystem") or 0.0), 6))
    planes = sorted(set(heights))
    shape = (max(1, len(optical)), len(planes), *tiles)
    if prod(shape) > MOST_CHUNKS:
        raise ValueError(f"a slide must have at most {MOST_CHUNKS} tiles; got {by_axis(shape)} in {path}")
    result = np.full(shape, -1)
    for k, ((number, row, column), height) in enumerate(zip(places, heights, strict=True)):
        index = (number, planes.index(height), row // form.rows, column // form.columns)
        if result[index] >= 0:
            raise ValueError(f"a slide must have one frame at each place; got {result[index] + 1}, {k + 1} in {path}")
        result[index] = k
    steps = np.diff(planes)
    even = len(steps) and np.allclose(steps, steps[0], rtol=1e-3, atol=0)
    return result, float(f"{steps[0]:.9g}") if even else None


def _name(optical: Any, number: int) -> str:
    said = optical.get("OpticalPathDescription") or optical.get("OpticalPathIdentifier")
    return " ".join(str(said or f"Channel {number}").split())


def _within(groups: Any, sequence: str, keyword: str) -> Any:
    inner = None if groups is None else first_of(groups.get(sequence))
    return None if inner is None else inner.get(keyword)


def _micrometres(millimetres: float) -> float:
    return float(f"{millimetres * MICROMETRES:.9g}")
