"""Whole slides in DICOM: the files of a folder are levels; their frames are tiles, which are decoded one by one."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Index, parts_of, regular_edges, shape_of, slices_of, within
from vrdask.buffers import Empty
from vrdask.dtypes import DType
from vrdask.images.axes import image_of, may_be_ome_zarr
from vrdask.images.colours import USUAL, omero, with_colours
from vrdask.images.image import Image
from vrdask.sources.dicom_beside import said_beside
from vrdask.sources.dicom_decoding import require_decoder
from vrdask.sources.dicom_frames import WHAT
from vrdask.sources.dicom_series import chosen
from vrdask.sources.dicom_slide_header import SLIDE, SlideHeader, read_slide_header
from vrdask.sources.folders import files_stamp, headers_of
from vrdask.sources.not_carried import not_carried
from vrdask.sources.opening import decoding, is_damage, package_for, quiet, warnings_ignored
from vrdask.sources.seen import Meaning, Seen
from vrdask.sources.source import Source
from vrdask.sources.tiff_checks import jpeg_2000_size, jpeg_size
from vrdask.storage.layout import Layout
from vrdask.text import by_axis, counted

Array = npt.NDArray[Any]
DIRECTORY = "1.2.840.10008.1.3.10"
"""The class of a DICOMDIR."""
ABSENT = 255
"""Colours of a tile that is not there: glass. Of grey it is 0, which is dark."""


def is_slide(files: Sequence[str]) -> bool:
    """Whether the first of some files that is no directory is of a slide."""
    package_for(files[0], "pydicom", "dicom")
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info

    for file in files:
        try:
            with quiet(), warnings_ignored():
                kind = str(read_file_meta_info(file).get("MediaStorageSOPClassUID", ""))
        except Exception as error:
            if not isinstance(error, InvalidDicomError) and not is_damage(error):
                raise
            return False
        if kind != DIRECTORY:
            return kind == SLIDE
    return False


def open_slide(place: str, files: Sequence[str], series: int | str = 0, level: int = 0) -> Source:
    """A level of the slide in some files; nothing but headers is read, and a tile where they are compressed.

    Raises
    ------
    ValueError
        A file is damaged or not understood, there is no such level, or there are several slides.
    """
    found = chosen(headers_of(files, place, read_slide_header, WHAT), series, place)
    volumes = [one for one in found if one.kind == "VOLUME"] or found
    others = [one for one in found if one not in volumes]
    volumes.sort(key=lambda one: (-one.size[0] * one.size[1], one.path))
    first = volumes[0]
    for one, after in pairwise(volumes):
        if one.size == after.size:
            raise ValueError(
                f"levels of a slide must differ in size; got {one.path}, {after.path} of {by_axis(one.size)}: choose "
                "one by a pattern"
            )
        forms = [(each.samples, each.stored, len(each.paths), each.planes) for each in (first, after)]
        if forms[0] != forms[1]:
            raise ValueError(f"levels of a slide must agree in type; got {first.path} and {after.path}")
    shapes = tuple(_shape(one) for one in volumes)
    there = ", ".join(f"{k} ({by_axis(shape)})" for k, shape in enumerate(shapes))
    if not 0 <= level < len(volumes):
        raise ValueError(f"level must be one of {there} of {place}; got {level}")
    header = volumes[level]
    array = SlideArray(header.path, tuple(one.path for one in volumes), shapes[level], np.dtype(header.stored))
    full = _image(first, array.dtype, place)
    image = full.resampled(shapes[0], shapes[level], align_corners=False)
    _require_decodable(header, array)
    absent = int((header.numbers < 0).sum())
    details = [
        ("format", f"DICOM slide, {header.syntax.name}, tiles of {by_axis(header.tile)}"),
        ("series", f"{header.description} {header.series}".strip()),
        ("levels", ", ".join(f"{k}: {by_axis(shape)}" for k, shape in enumerate(shapes))), ("level", str(level)),
        *(("beside", f"{one.kind} {by_axis(one.size)}: {one.path}") for one in others),
    ]  # fmt: skip
    if absent:
        seen = "white" if header.samples > 1 else "0"
        details.append(("note", f"{counted(absent, 'tile')} of {header.numbers.size} are not there, and are {seen}"))
    if header.has_profile:
        details.append(
            ("note", "the slide's colour profile (ICC) is not carried on: samples stay the numbers that they are")
        )
    details += not_carried({"the files": said_beside(header.path)})
    layout = Layout(tuple(map(min, array.chunks, array.shape)), dimension_names=image.axis_names)
    stamp = files_stamp([one.path for one in volumes], series=header.series, level=level)
    photometric = header.options["photometric_interpretation"]
    meaning = Meaning.WHITE_IS_ZERO if photometric == "MONOCHROME1" else Meaning.PLAIN
    how = Seen(meaning, header.bits, name=photometric)
    return Source(array, layout, place, stamp, image, tuple(details), lambda: shapes, how)


def _shape(header: SlideHeader) -> tuple[int, ...]:
    paths, planes = len(header.paths), header.planes
    leading = (*((paths,) if paths > 1 else ()), *((planes,) if planes > 1 else ()))
    return (*leading, *header.size, *((header.samples,) if header.samples > 1 else ()))


def _image(header: SlideHeader, dtype: DType, place: str) -> Image:
    channels = len(header.paths) > 1
    if channels and header.samples > 1:
        raise ValueError(
            f"a slide must have one optical path of colours, or several of grey; got {header.path}: of {place}"
        )
    names = ("c" if channels else "") + ("z" if header.planes > 1 else "") + "yx" + ("c" if header.samples > 1 else "")
    sizes: dict[str, tuple[float, str | None]] = {}
    if header.spacing is not None:
        sizes = {name: (size, "micrometer") for name, size in zip("yx", header.spacing, strict=True)}
    if header.step is not None:
        sizes["z"] = (header.step, "micrometer")
    image = image_of(names, sizes, header.description or None)
    if header.samples > 1:
        image = with_colours(image, 3, dtype)
    elif channels:
        said = [(name, USUAL[k % len(USUAL)]) for k, name in enumerate(header.paths)]
        image = replace(image, extra={**image.extra, "omero": omero(said, dtype)})
    return replace(image, path="0") if may_be_ome_zarr(image) else image


@dataclass(frozen=True)
class SlideArray:
    """A level, tile by tile; travels as the path of its file. files : of all levels."""

    path: str
    files: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: DType

    @cached_property
    def _frames(self) -> SlideFrames:
        return SlideFrames(read_slide_header(self.path))

    def __reduce__(self) -> Any:
        return type(self), (self.path, self.files, self.shape, self.dtype)

    @cached_property
    def chunks(self) -> tuple[int, ...]:
        header = self._frames.header
        tile = (*header.tile, *((header.samples,) if header.samples > 1 else ()))
        return (*(1 for _ in self.shape[: len(self.shape) - len(tile)]), *tile)

    def chunk(self, index: Index, empty: Empty) -> Array:
        """The samples of a tile, as far as the slide goes."""
        header = self._frames.header
        leading = len(self.shape) - 2 - (header.samples > 1)
        path = index[0] if len(header.paths) > 1 else 0
        plane = index[leading - 1] if header.planes > 1 else 0
        row, column = index[leading : leading + 2]
        number = int(header.numbers[path, plane, row, column])
        with decoding(WHAT, self.path), warnings_ignored():
            tile = self._frames.decoded(number)
        rows, columns = (n - k * side for n, k, side in zip(header.size, (row, column), header.tile, strict=True))
        return tile[:rows, :columns][(None,) * leading]

    def __getitem__(self, box: tuple[slice, ...], /) -> Array:
        parts = (*box, *(slice(None),) * (len(self.shape) - len(box)))
        intervals: Box = tuple(part.indices(size)[:2] for part, size in zip(parts, self.shape, strict=True))
        if not all(start < stop for start, stop in intervals):
            return np.empty([max(0, stop - start) for start, stop in intervals], self.dtype)
        edges = [regular_edges(n, c) for n, c in zip(self.shape, self.chunks, strict=True)]
        result = np.empty(shape_of(intervals), self.dtype)
        for index, part in parts_of(intervals, edges):
            first = [int(one[k]) for one, k in zip(edges, index, strict=True)]
            result[within(part, intervals)] = self.chunk(index, np.empty)[slices_of(part, first)]
        return result


class SlideFrames:
    """Frames of a file: where their bytes lie, which is looked for once, and what they hold."""

    def __init__(self, header: SlideHeader) -> None:
        self.header = header
        self._lock = threading.Lock()
        self._found: tuple[int, Sequence[int]] | None = None

    def decoded(self, number: int) -> Array:
        """A frame; an empty tile where there is none."""
        header = self.header
        shape = (*header.tile, *((header.samples,) if header.samples > 1 else ()))
        if number < 0:
            return np.full(shape, ABSENT if header.samples > 1 else 0, header.stored)
        from pydicom.encaps import encapsulate
        from pydicom.pixels import get_decoder

        data = self._bytes(number)
        if header.syntax.is_compressed:
            _require_size(data, header)
            data = encapsulate([data], has_bot=False)
        tile: Array = get_decoder(header.syntax).as_array(data, index=0, **header.options)[0]
        if tile.shape != shape or tile.dtype != np.dtype(header.stored):
            raise ValueError(f"its frame {number + 1} is {by_axis(tile.shape)} {tile.dtype}, not {by_axis(shape)}")
        return tile

    def _bytes(self, number: int) -> bytes:
        start, offsets = self._places()
        with open(self.header.path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if not self.header.syntax.is_compressed:
                file.seek(start + offsets[0] * number)
                return file.read(offsets[0])
            at = start + int(offsets[number])
            stop = start + int(offsets[number + 1]) if number + 1 < len(offsets) else size
            parts = []
            while at + 8 <= min(stop, size):
                file.seek(at)
                head = file.read(8)
                length = int.from_bytes(head[4:], "little")
                if head[:4] != b"\xfe\xff\x00\xe0":
                    break
                if length > size - at - 8:
                    raise ValueError(f"its frame {number + 1} ends beyond the file")
                parts.append(file.read(length))
                at += 8 + length
        return b"".join(parts)

    def _places(self) -> tuple[int, Sequence[int]]:
        """Where frames begin, and how far each lies behind that; of those as they are, their one length."""
        with self._lock:
            if self._found is None:
                self._found = self._look()
            return self._found

    def _look(self) -> tuple[int, Sequence[int]]:
        from pydicom.encaps import parse_basic_offsets, parse_fragments

        header, options = self.header, self.header.options
        start = header.samples_at + (8 if header.syntax.is_implicit_VR else 12)
        if not header.syntax.is_compressed:
            samples = 2 if options["photometric_interpretation"] == "YBR_FULL_422" else header.samples
            return start, [options["rows"] * options["columns"] * samples * options["bits_allocated"] // 8]
        with open(header.path, "rb") as file:
            file.seek(start)
            offsets: Sequence[int] = parse_basic_offsets(file)
            begins = file.tell()
            if header.offsets is not None and len(header.offsets):
                offsets = header.offsets.tolist()
            if len(offsets) == header.count and all(a < b for a, b in pairwise(offsets)):
                return begins, offsets
            if header.count == 1:
                return begins, [0]
            count, places = parse_fragments(file)  # there is no table, or its 32 bits were not enough
        if count != header.count:
            raise ValueError(f"its {header.count} frames are in {count} fragments, without a table of offsets")
        return begins, [place - begins for place in places]


def _require_size(data: bytes, header: SlideHeader) -> None:
    """Refuse a frame that says another size than its file does, before anything that large is made for it."""
    size = jpeg_size(data) if data[:2] == b"\xff\xd8" else jpeg_2000_size(data)
    if size is not None and size != header.tile:
        raise ValueError(f"its tiles are {by_axis(header.tile)}, and one says that it is {by_axis(size)}")


def _require_decodable(header: SlideHeader, array: SlideArray) -> None:
    path, plane, row, column = (int(k) for k in np.argwhere(header.numbers >= 0)[0])
    leading = (*((path,) if len(header.paths) > 1 else ()), *((plane,) if header.planes > 1 else ()))
    require_decoder(header.path, header.syntax, partial(array.chunk, (*leading, row, column), np.empty))
