"""What a TIFF must be before its samples are read: sizes that its data can have, and data that lie within the file.

Directories and descriptions may say anything, and a width costs its writer four bytes. So nothing is made as large as
a file says before these have looked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from vrdask.text import by_axis

if TYPE_CHECKING:
    from tifffile import TiffFile

MOST_PLANES = 10_000_000
"""Of an image in OME-XML; tifffile makes a list of them."""
LARGE_TILE = 64 << 20
"""Samples of a tile that may well be larger than its image."""
_HEADER_BYTES = 4096
"""Of a JPEG: its frame header is among them, or it is not looked for."""
MOST_PER_BYTE = {1: 1, 5: 2731, 8: 1032, 32773: 128, 32946: 1032}
"""Bytes that a stored byte can stand for, by compression: none, LZW, deflate, PackBits, deflate. (LZW: a string
of up to 4096 for each 12 bits.)
"""


def require_plausible_planes(file: TiffFile, path: Path) -> None:
    """Refuse OME-XML that promises more planes than any file has."""
    xml = file.ome_metadata if file.is_ome else None
    if not xml:
        return
    try:
        elements = list(ElementTree.fromstring(xml).iter())
    except ElementTree.ParseError:
        return  # tifffile goes on without it
    samples = max((_samples(one.attrib) for one in elements if one.tag.endswith("}Pixels")), default=0)
    if samples > MOST_PLANES * _largest_page(file, samples):
        raise ValueError(
            f"a TIFF source must have at most {MOST_PLANES} planes; got {path}, whose OME-XML says {samples} samples, "
            "and whose pages are too small for that: it is damaged"
        )
    for element in elements:
        for name, planes in _promised(element.tag.rpartition("}")[2], element.attrib):
            if not 0 <= planes <= MOST_PLANES:
                raise ValueError(
                    f"a TIFF source must have from 0 to {MOST_PLANES} planes; got {path}, whose OME-XML says {planes} "
                    f"({name}): it is damaged"
                )


def _samples(said: dict[str, str]) -> int:
    return prod(_integer(said.get(f"Size{axis}", "1")) for axis in "XYZCT")


def _largest_page(file: TiffFile, samples: int) -> int:
    """Samples of the first page, or of the largest one where that decides."""
    first: Any = file.pages[0]
    if samples <= MOST_PLANES * int(first.size):
        return int(first.size)
    pages: list[Any] = list(file.pages)
    return max(int(page.keyframe.size) for page in pages)


def _promised(tag: str, said: dict[str, str]) -> Iterator[tuple[str, int]]:
    if tag == "Pixels":
        yield "SizeZ, SizeC and SizeT", prod(_integer(said.get(f"Size{axis}", "1")) for axis in "ZCT")
    elif tag == "TiffData":
        for name in ("IFD", "FirstZ", "FirstC", "FirstT", "PlaneCount", "NumPlanes"):
            yield name, _integer(said.get(name, "0"))
    elif tag.startswith("Along") and "Start" in said:
        start, end, step = (float(said.get(name, "1")) for name in ("Start", "End", "Step"))
        yield f"{tag}'s Step", round(abs(end - start) / abs(step)) if step else MOST_PLANES + 1


def _integer(text: str) -> int:
    return int(text) if len(text) < 20 else MOST_PLANES + 1


def require_all_pages(pages: Sequence[Any], path: Path) -> None:
    """Refuse pages some of whose tiles or strips are missing or lie beyond the end of their file."""
    sizes: dict[int, int] = {}
    for number, page in enumerate(pages):
        if page is None:
            raise ValueError(f"a TIFF source must hold all its pages; {path} lacks page {number} of {len(pages)}")
        file = page.parent.filehandle
        size = sizes.setdefault(id(file), file.size)
        offsets, counts = page.dataoffsets, page.databytecounts
        if not offsets:
            raise ValueError(
                f"a TIFF source must say where its samples are; {path} does not: it is truncated or damaged"
            )
        keyframe: Any = page.keyframe
        pieces = prod(keyframe.chunked)
        if min(len(offsets), len(counts)) < pieces:
            raise ValueError(
                f"a TIFF source must say where all its samples are; got {path}, which has "
                f"{by_axis(keyframe.shape)} in {pieces} tiles or strips and says it of "
                f"{min(len(offsets), len(counts))}: it is truncated or damaged"
            )
        stop = max(a + n for a, n in zip(offsets, counts, strict=False))
        if stop > size:
            raise ValueError(f"a TIFF source must hold all its samples, {stop} bytes; got {size}: {path} is truncated")
        _require_enough_bytes(page, path)


def _require_enough_bytes(page: Any, path: Path) -> None:
    """Refuse tiles or strips so large that what is stored for the longest of them cannot fill one, or that would be
    mostly beyond the ends of their image.
    """
    keyframe = page.keyframe
    _, tile_length, tile_width, tile_samples = piece_shape(keyframe)
    if tile_length * tile_width * tile_samples > max(LARGE_TILE, 4 * prod(keyframe.shape)):
        raise ValueError(
            f"the tiles of a TIFF source must not be much larger than its image; got {path} of "
            f"{by_axis(keyframe.shape)} in tiles of {tile_length}x{tile_width}: it is damaged"
        )
    most = MOST_PER_BYTE.get(keyframe.compression)
    stored = max(page.databytecounts, default=0)
    if most is None or not stored or keyframe.is_subsampled:
        return
    *_, depth, length, width, samples = (1, *piece_shape(keyframe))
    row_bits = width * samples * keyframe.bitspersample
    needed = depth * length * (row_bits // 8)
    if needed > most * stored:
        raise ValueError(
            f"a TIFF source must hold all its samples; got {path} of {by_axis(keyframe.shape)}, whose tiles or strips "
            f"of {depth}x{length}x{width}x{samples} take at least {-(-needed // most)} bytes each where it holds at "
            f"most {stored}: it is truncated or damaged"
        )


def piece_shape(page: Any) -> tuple[int, int, int, int]:
    """Depth, rows, columns and samples of a full tile or strip."""
    samples = page.samplesperpixel if page.planarconfig == 1 else 1
    if page.is_tiled:
        return page.tiledepth, page.tilelength, page.tilewidth, samples
    return 1, min(page.rowsperstrip, page.imagelength), page.imagewidth, samples


def require_size_of_piece(data: bytes, page: Any, number: int) -> None:
    """Refuse a JPEG or JPEG 2000 that says a much larger size than its tile's or strip's, before anything that large is
    made for it.

    Raises
    ------
    ValueError
        It has more than twice the rows or columns.
    """
    find = SIZE_IN.get(page.compression)
    found = find(data) if find is not None else None
    _, length, width, _ = piece_shape(page)
    if found is not None and (found[0] > 2 * length or found[1] > 2 * width):
        raise ValueError(
            f"the JPEG of tile or strip {number} must have its size, {length}x{width}; got {found[0]}x{found[1]}"
        )


def require_sizes_of_pieces(pages: Sequence[Any]) -> None:
    """The same of all tiles or strips of some pages."""
    for page in pages:
        if page is None:
            continue
        keyframe = page.keyframe
        if keyframe.compression not in SIZE_IN or keyframe.jpegheader is not None:
            continue
        file = page.parent.filehandle
        for number, (offset, count) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=False)):
            with file.lock:
                file.seek(offset)
                data = file.read(min(count, _HEADER_BYTES))
            require_size_of_piece(data, keyframe, number)


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Rows and columns in a JPEG's frame header, or None where there is none before its samples.

    >>> jpeg_size(bytes.fromhex("ffd8 ffe00004abcd ffc0000b08 0010 0020 01012200"))
    (16, 32)
    """
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker == 0x01:  # fill, or a marker without a length
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xDA:
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _two_numbers(data, at + 5, 2)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def jpeg_2000_size(data: bytes) -> tuple[int, int] | None:
    """Rows and columns in the first marker of a JPEG 2000 codestream, or None where there is none.

    >>> jpeg_2000_size(bytes.fromhex("ff4f ff51 002f 0000 00000020 00000010"))
    (16, 32)
    """
    at = data[:_HEADER_BYTES].find(b"\xff\x4f\xff\x51")
    if at < 0 or len(data) < at + 16:
        return None
    columns, rows = _two_numbers(data, at + 8, 4)
    return rows, columns


def _two_numbers(data: bytes, at: int, width: int) -> tuple[int, int]:
    first, second = (int.from_bytes(data[k : k + width], "big") for k in (at, at + width))
    return first, second


SIZE_IN = dict.fromkeys((6, 7, 33007, 34892), jpeg_size) | dict.fromkeys((33003, 33005, 34712), jpeg_2000_size)
"""What finds the size that a tile or strip says itself, by compression."""
