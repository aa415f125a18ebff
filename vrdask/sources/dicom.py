"""DICOM: a series in a folder, or a file, through pydicom.

Slices are sorted by where they lie, which becomes the image's place in the scanner's space; samples are times the
rescale slope plus the intercept. A file of several frames is a volume where they say where they lie. Whole slides are
read by `dicom_slide`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vrdask.boxes import MOST_CHUNKS
from vrdask.images.axes import may_be_ome_zarr
from vrdask.images.colours import with_colours
from vrdask.sources.dicom_beside import said_beside
from vrdask.sources.dicom_decoding import DicomFrames, numbers_of, require_decodable
from vrdask.sources.dicom_frames import WHAT, Header, read_header
from vrdask.sources.dicom_series import Ordered, chosen, image_of_frames, in_order
from vrdask.sources.dicom_slide import is_slide, open_slide
from vrdask.sources.folders import files_stamp, headers_of
from vrdask.sources.format import Format
from vrdask.sources.not_carried import not_carried
from vrdask.sources.opening import package_for, warnings_ignored
from vrdask.sources.seen import Meaning, Seen
from vrdask.sources.source import Source
from vrdask.sources.stack_array import StackArray, stack_layout
from vrdask.text import counted


def open_dicom(path: Path) -> Source:
    """The image or volume in a file; nothing but its header is read, and a frame where it is compressed."""
    return open_dicom_files(str(path), (str(path),))


def open_dicom_files(place: str, files: Sequence[str], series: int | str = 0, level: int = 0) -> Source:
    """A series of some files, or a level of a slide. place : the folder or pattern that they were found by.

    Raises
    ------
    ValueError
        A file is damaged or not understood, there are several series, or slices are missing, twice there, or differ.
    ModuleNotFoundError
        pydicom is not installed.
    """
    package_for(place, "pydicom", "dicom")
    if is_slide(files):
        return open_slide(place, files, series, level)
    if level:
        raise ValueError(f"level must be 0 for {place}, a DICOM series; got {level}")
    headers = [one for one in headers_of(files, place, read_header, WHAT) if one is not None]
    if not headers:
        raise ValueError(f"{WHAT} must hold an image; got none in {counted(len(files), 'file')} of {place}")
    headers = chosen(headers, series, place)
    try:
        return _source(headers, place)
    except ValueError as error:
        raise (error if place in str(error) else ValueError(f"{error}: of {place}")) from None


def _source(headers: Sequence[Header], place: str) -> Source:
    ordered = in_order(headers, place)
    frames = ordered.frames
    if len(frames) > MOST_CHUNKS:
        raise ValueError(f"source must have at most {MOST_CHUNKS} slices; got {len(frames)} for {place}")
    first, header = frames[0], headers[0]
    dtype, bits, is_scaled = numbers_of(frames)
    image = image_of_frames(ordered, header.frame_seconds, len(headers) == 1, f"{WHAT} at {place}")
    if first.form.samples == 3:
        image = with_colours(image, 3, dtype)
    image = replace(image, path="0") if may_be_ome_zarr(image) else image
    slices = DicomFrames(
        tuple((frame.path, frame.index) for frame in frames), first.form.shape, first.form.stored, dtype,
        tuple(frame.scaling for frame in frames) if is_scaled else None, any(one.syntax.is_deflated for one in headers),
    )  # fmt: skip
    require_decodable(headers, slices)
    slices_at = len(ordered.slices)
    counts = (*(() if ordered.times is None else (ordered.times.number,)), *((slices_at,) if slices_at > 1 else ()))
    array = StackArray(slices, counts, first.form.shape, dtype)
    return Source(
        array, stack_layout(array, image), place, files_stamp(slices.files, series=header.series), image,
        _details(headers, ordered), seen=_seen(header, bits),
    )  # fmt: skip


def _details(headers: Sequence[Header], ordered: Ordered) -> tuple[tuple[str, str], ...]:
    header, count, times = headers[0], len(ordered.frames), ordered.times
    what = f"DICOM series of {len(headers)} files" if len(headers) > 1 else "DICOM file"
    frames = f" of {count} frames" if len(headers) == 1 and count > 1 else ""
    said = ", ".join(filter(None, (what + frames, header.modality, header.syntax.name)))
    rows = [("format", said), ("series", f"{header.description} {header.series}".strip())]
    if times is not None:
        told, untold = ("times", str(times)), ("note", f"axis t stands for {times}, which are not carried on")
        rows.append(told if times.is_told else untold)
    carried = () if times is None else (times.keyword,)
    return (*rows, *not_carried({"the files": said_beside(header.path, carried)}))


def _seen(header: Header, bits: int) -> Seen:
    photometric = header.frames[0].form.photometric
    if photometric == "MONOCHROME1":
        return Seen(Meaning.WHITE_IS_ZERO, bits, name=photometric)
    if photometric != "PALETTE COLOR":
        return Seen(Meaning.PLAIN, bits, name=photometric)
    return Seen(Meaning.PALETTE, bits, _palette(header.path), name=photometric)


def _palette(path: str) -> bytes:
    """Red, green and blue of each number."""
    pydicom = package_for(path, "pydicom", "dicom")
    with warnings_ignored():
        from pydicom.pixels import apply_color_lut

        found: Any = pydicom.dcmread(path, stop_before_pixels=True)
        count, first, _ = map(int, found.RedPaletteColorLookupTableDescriptor)
        table = apply_color_lut(np.arange(max(0, first) + (count or 1 << 16)), found)
    eight: bytes = (table >> 8 * (table.itemsize - 1)).astype(np.uint8).tobytes()
    return eight


FORMAT = Format(
    "DICOM",
    (".dcm", ".dicom", ".ima"),
    (b"DICM",),
    lambda path, level, series: open_dicom(path),
    magic_at=128,
    is_local=True,
)
