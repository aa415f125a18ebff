"""Tiles of TIFF pages, decoded by the thread that wants them.

Behind tifffile's Zarr view each tile takes a trip through Zarr's event loop and a pool of threads, which for tiles of
JPEG costs as much as decoding them. Pages in tiles need none of that: a tile is a piece of the file and a call of the
decoder.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Index, ceil_div, parts_of, regular_edges, shape_of, slices_of, within
from vrdask.buffers import Empty
from vrdask.sources.tiff_checks import require_size_of_piece
from vrdask.sources.tifffile_internals import jpeg_colours
from vrdask.storage.remote_file import is_remote, remote_file

if TYPE_CHECKING:
    from tifffile import TiffPage, TiffPageSeries

Array = npt.NDArray[Any]


class TiledPages:
    """A level whose pages are in tiles: leading axes, then rows, columns and, it may be, the samples of a pixel."""

    def __init__(self, level: TiffPageSeries, path: str) -> None:
        page = level.keyframe
        self.shape, self.dtype = tuple(level.shape), np.dtype(page.dtype)
        self._leading = self.shape[: level.ndim - page.ndim]
        self._pages: list[Any] = list(level.pages)
        self._across = ceil_div(page.imagewidth, page.tilewidth)
        self._size = (page.imagelength, page.imagewidth)
        self._tile = (page.tilelength, page.tilewidth, *page.shape[2:])
        tiles = (*(1 for _ in self._leading), *self._tile)
        self._edges = [regular_edges(*one) for one in zip(self.shape, tiles, strict=True)]
        self._stored = _reader(page.parent.filehandle, path)
        self._into = _jpeg_decoder(page)

    @staticmethod
    def of(level: TiffPageSeries, path: str) -> TiledPages | None:
        """The pages of a level, or None where they are something else than whole images in tiles of one file.

        path : of the file.
        """
        page = level.keyframe
        is_plain = page.is_tiled and page.jpegheader is None  # else tiles are cut from a larger JPEG
        return TiledPages(level, path) if is_plain and is_of_whole_pages(level) else None

    def read(self, box: Box) -> Array:
        """The samples of a non-empty box."""
        result = np.empty(shape_of(box), self.dtype)
        for index, part in parts_of(box, self._edges):
            first = [int(edges[k]) for edges, k in zip(self._edges, index, strict=True)]
            result[within(part, box)] = self.tile(index)[slices_of(part, first)]
        return result

    def tile(self, index: Index, empty: Empty = np.empty) -> Array:
        """A tile, cut off at the ends of its page. index : its number along each axis. empty : makes an array for it,
        where the decoder can do with that.
        """
        first = len(self._leading)
        page = int(np.ravel_multi_index(index[:first], self._leading)) if first else 0
        (i, j), (length, width) = index[first : first + 2], self._tile[:2]
        tile = self._decoded(self._pages[page], i * self._across + j, empty)
        tile = tile[: self._size[0] - i * length, : self._size[1] - j * width]
        return tile[(None,) * first]

    def _decoded(self, page: Any, number: int, empty: Empty = np.empty) -> Array:
        """A tile: rows, columns and, it may be, samples; beyond the ends of the page it holds anything."""
        offset, count = page.dataoffsets[number], page.databytecounts[number]
        data = self._stored(offset, count) if offset and count else None
        if data is not None and self._into is not None:
            tile = empty(self._tile, self.dtype)
            if self._into(data, page.jpegtables, tile):
                return tile
        if data is not None:
            require_size_of_piece(data, page.keyframe, number)
        tables = {} if page.jpegtables is None else {"jpegtables": page.jpegtables}
        tile, _, shape = page.keyframe.decode(data, number, **tables)
        if tile is None:
            tile = np.full(shape, page.keyframe.nodata, self.dtype)
        found: Array = tile[0] if page.keyframe.ndim == 3 else tile[0, ..., 0]
        return found


def is_of_whole_pages(level: TiffPageSeries) -> bool:
    """Whether a level is pages of one file, each an image of rows, columns and, it may be, the samples of a pixel."""
    page = level.keyframe
    pages = list(level.pages)
    return (
        page.shaped[:2] == (1, 1)  # samples of a pixel side by side, and no depth
        and page.ndim == (2 if page.samplesperpixel == 1 else 3)
        and tuple(level.shape[level.ndim - page.ndim :]) == tuple(page.shape)
        and len(pages) == prod(level.shape[: level.ndim - page.ndim])
        and all(one is not None and one.parent is page.parent for one in pages)
    )


def _reader(file: Any, path: str) -> Callable[[int, int], bytes]:
    """What reads bytes of a tifffile's file, by offset and count, in any thread."""
    if is_remote(path):
        return lambda offset, count: remote_file(path).read_at(offset, count)
    if hasattr(os, "pread"):
        number = file.fileno()
        return lambda offset, count: os.pread(number, count, offset)
    lock = threading.Lock()  # Windows: one position for all threads

    def read(offset: int, count: int) -> bytes:
        with lock:
            file.seek(offset)
            data: bytes = file.read(count)
            return data

    return read


def _jpeg_decoder(page: TiffPage) -> Callable[[bytes, bytes | None, Array], bool] | None:
    """What decodes a tile into an array, as `page.decode` does into a new one; it says whether that could be done.

    New memory for each tile would have to be mapped and zeroed for a part of them. None where tiles are no JPEG of 8
    bits, or this tifffile does not tell how it reads their colours.
    """
    try:
        import imagecodecs
        from tifffile import COMPRESSION
    except ImportError:
        return None
    colours = jpeg_colours()
    if colours is None or page.compression != COMPRESSION.JPEG or page.bitspersample != 8:
        return None
    known, wanted = colours(page.photometric, page.planarconfig, page.extrasamples, page.is_jfif)
    options: dict[str, Any] = {"colorspace": known, "outcolorspace": wanted}

    def decode(data: bytes, tables: bytes | None, tile: Array) -> bool:
        try:
            imagecodecs.jpeg8_decode(data, tables=tables, shape=tile.shape[:2], out=tile, **options)
        except (ValueError, RuntimeError):  # of another size, or damaged: `page.decode` cuts it off, or says so
            return False
        return True

    return decode
