"""TIFF images, through tifffile: OME-TIFF, SVS and other slides, ImageJ stacks, plain tiled or pyramidal files.

A series is one image of a file; its levels are the image at falling sizes, the full one first. Tiles or strips are the
stored units. They are decoded by tifffile and imagecodecs: tiles by the thread that reads them; strips, and whatever
else there is, behind a Zarr array, on as many threads as there are cores. Samples that are stored as they are, in one
piece, are memory-mapped.
"""

from __future__ import annotations

import struct
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Index
from vrdask.buffers import Empty
from vrdask.cores import usable_cores
from vrdask.dtypes import DType, plain
from vrdask.images.axes import image_of, may_be_ome_zarr
from vrdask.images.image import Image
from vrdask.sources.format import Format
from vrdask.sources.mapped import MappedArray, require_numbers, require_whole
from vrdask.sources.opening import decoding, package_for, quiet, reason_of
from vrdask.sources.seen import as_rgb
from vrdask.sources.source import Readable, Source, file_layout, file_stamp
from vrdask.sources.tiff_beside import notes_beside
from vrdask.sources.tiff_checks import require_all_pages, require_plausible_planes, require_sizes_of_pieces
from vrdask.sources.tiff_colours import is_stored_as_ycbcr, seen_as, with_channels
from vrdask.sources.tiff_sizes import pixel_sizes
from vrdask.sources.tiff_tiles import TiledPages, is_of_whole_pages
from vrdask.storage.layout import Layout
from vrdask.storage.remote_file import file_at, is_remote
from vrdask.text import by_axis

if TYPE_CHECKING:
    import zarr
    from tifffile import TiffFile, TiffPageSeries

WHAT = "a TIFF source"
OLD_JPEG = 6
COLOUR_PROFILE = 34675
"""A tag: what a file says of how its colours look."""


class TiffArray:
    """One level of one series, by tifffile's Zarr view; travels as the file's path and these two numbers."""

    def __init__(
        self, path: str, series: int, level: int, shape: tuple[int, ...], dtype: DType, chunks: tuple[int, ...]
    ):
        self.path, self.series, self.level = path, series, level
        self.shape, self.dtype, self.chunks = shape, dtype, chunks
        self._lock = threading.Lock()
        self._opened: Any = None

    def __reduce__(self) -> Any:
        return type(self), (self.path, self.series, self.level, self.shape, self.dtype, self.chunks)

    def __getitem__(self, box: tuple[slice, ...], /) -> npt.NDArray[Any]:
        with decoding(WHAT, self.path):
            return np.asarray(self._level[box])

    @property
    def _level(self) -> Any:
        if self._opened is None:
            with self._lock:
                if self._opened is None:
                    file = _opened(self.path)
                    weakref.finalize(self, file.close)
                    self._opened = self._open(file.series[self.series])
        return self._opened

    def _open(self, series: TiffPageSeries) -> Any:
        require_sizes_of_pieces(series.levels[self.level].pages)
        return _zarr_view(series, self.level)


class TiledTiffArray(TiffArray):
    """A level whose tiles are decoded by the thread that reads them."""

    def __getitem__(self, box: tuple[slice, ...], /) -> npt.NDArray[Any]:
        parts = (*box, *(slice(None),) * (len(self.shape) - len(box)))
        intervals = tuple(part.indices(size)[:2] for part, size in zip(parts, self.shape, strict=True))
        if all(start < stop for start, stop in intervals):
            with decoding(WHAT, self.path):
                return self._pages.read(intervals)
        return np.empty([max(0, stop - start) for start, stop in intervals], self.dtype)

    def chunk(self, index: Index, empty: Empty) -> npt.NDArray[Any]:
        """The samples of one tile, in an array that `empty` made, where the decoder can."""
        with decoding(WHAT, self.path):
            return self._pages.tile(index, empty)

    @property
    def _pages(self) -> TiledPages:
        pages: TiledPages = self._level
        return pages

    def _open(self, series: TiffPageSeries) -> Any:
        return TiledPages.of(series.levels[self.level], self.path)


def open_tiff(path: Path, level: int = 0, series: int = 0) -> Source:
    """A level of a series of a TIFF file; nothing but its directories are read.

    Raises
    ------
    ValueError
        The file is truncated, holds no image, or is compressed in a way that cannot be read here; or there is no such
        series or level.
    ModuleNotFoundError
        tifffile is not installed.
    """
    tifffile = package_for(path, "tifffile", "tiff")
    try:
        with complaints_raised(path), _opened(str(path)) as file:
            require_plausible_planes(file, path)
            return _source(file, path, level, series)
    except (tifffile.TiffFileError, struct.error, EOFError) as error:
        raise ValueError(f"a TIFF source must be whole; got {path}: {error}") from None


def _source(file: TiffFile, path: Path, level: int, series: int) -> Source:
    if not any(one.keyframe.shape and one.keyframe.dtype is not None for one in file.series):
        raise ValueError(f"a TIFF source must hold an image; got none in {path}, which is no image or truncated")
    if not 0 <= series < len(file.series):
        there = ", ".join(f"{k} ({_named(one)})" for k, one in enumerate(file.series))
        raise ValueError(f"series must be one of {there} of {path}; got {series}")
    chosen = file.series[series]
    levels = chosen.levels
    if not 0 <= level < len(levels):
        there = ", ".join(f"{k} ({by_axis(one.shape)})" for k, one in enumerate(levels))
        raise ValueError(f"level must be one of {there} of {path}; got {level}")
    one = levels[level]
    require_readable(one.keyframe, path)
    require_numbers(plain(one.dtype), path, "a TIFF source")
    full = with_channels(_image(file, series), file, series, tuple(chosen.shape), plain(one.dtype))
    full = replace(full, path="0") if may_be_ome_zarr(full) else full
    image = full.resampled(chosen.shape, one.shape, align_corners=False)
    array: Readable
    layout: Layout
    if one.dataoffset is not None:
        array = MappedArray(
            str(path),
            tuple(one.shape),
            plain(one.dtype).newbyteorder(file.byteorder),
            one.dataoffset,
        )
        require_whole(array, "a TIFF source")
        layout = file_layout(array, image)
    else:
        require_all_pages(one.pages, path)
        chunks = _chunks(chosen, level)
        kind = TiffArray if TiledPages.of(one, str(path)) is None else TiledTiffArray
        array = kind(str(path), series, level, tuple(one.shape), plain(one.dtype), chunks)
        layout = file_layout(array, image)
        if one.keyframe.is_tiled:
            layout = Layout(tuple(map(min, chunks, array.shape)), dimension_names=image.axis_names)
    if is_stored_as_ycbcr(one.keyframe) and image.axis_names[-3:] == ("y", "x", "c"):
        array = as_rgb(array, len(array.shape) - 1)
    stamp = file_stamp(path, series=series, level=level)
    shapes = tuple(one.shape for one in levels)
    details = (*_details(file, series, level), *notes_beside(file, series, image))
    how = seen_as(one.keyframe)
    return Source(array, layout, str(path), stamp, image, details, lambda: shapes, how)


def _chunks(series: TiffPageSeries, level: int) -> tuple[int, ...]:
    """What is stored as a whole: of pages, their tiles or strips."""
    one = series.levels[level]
    stored = tuple(one.keyframe.chunks)
    if is_of_whole_pages(one) and len(stored) == one.keyframe.ndim and all(stored):
        return (1,) * (one.ndim - len(stored)) + stored
    chunks: tuple[int, ...] = _zarr_view(series, level).chunks  # zarr takes longer to import than to open most files
    return chunks


def _zarr_view(series: TiffPageSeries, level: int) -> zarr.Array[Any]:
    import zarr

    # with one worker, tifffile decodes in Zarr's only event loop
    store: Any = series.aszarr(level=level, maxworkers=max(2, usable_cores()))
    return zarr.open_array(store, mode="r")  # Zarr 2 or 3, as the version of tifffile has it


def _image(file: TiffFile, series: int) -> Image:
    """The geometry of a series at its full size. Pages that nothing is said of are slices."""
    names: list[str] = []
    codes = file.series[series].axes.lower()
    if codes.rstrip("s") in ("iyx", "qyx"):
        codes = codes.replace(codes[0], "z")
    for code in codes:
        name = "c" if code == "s" and "c" not in codes else code
        names.append(name if name not in names else f"{name}{len(names)}")
    return image_of(names, pixel_sizes(file, series), file.series[series].name or None)


def _details(file: TiffFile, series: int, level: int) -> Iterator[tuple[str, str]]:
    chosen = file.series[series]
    page = chosen.levels[level].keyframe
    stored = f"tiles of {page.tilelength}x{page.tilewidth}" if page.is_tiled else f"strips of {page.rowsperstrip} rows"
    mapped = ", memory-mapped" if chosen.levels[level].dataoffset is not None else ""
    yield "format", f"TIFF ({chosen.kind}), axes {chosen.axes}, {stored}{mapped}"
    yield "compression", _compression(page)
    yield "series", f"{series} of " + ", ".join(f"{k}: {_named(one)}" for k, one in enumerate(file.series))
    yield "levels", ", ".join(f"{k}: {by_axis(one.shape)}" for k, one in enumerate(chosen.levels))
    yield "level", str(level)
    if page.tags.get(COLOUR_PROFILE) is not None:
        yield "note", "the file's colour profile (ICC) is not carried on: samples stay the numbers that they are"


def require_readable(page: Any, path: Path) -> None:
    """Refuse a page that tifffile or imagecodecs cannot decode here."""
    way_out = _missing_decoder(page.compression)
    if way_out is not None:
        raise ValueError(
            f"a TIFF source must have a compression that can be decoded; got {_compression(page)} in {path}: {way_out}"
        )
    try:
        page.decode(None, 0)
    except (ValueError, NotImplementedError, LookupError) as error:
        raise ValueError(f"a TIFF source must have samples that can be decoded; got {path}: {error}") from None
    if page.compression == OLD_JPEG:
        _require_modern_jpeg(page, path)


def _require_modern_jpeg(page: Any, path: Path) -> None:
    """Old-style JPEGs are read where they are whole ones; most share tables and headers in ways that nobody reads."""
    try:
        for _ in page.segments(maxworkers=1):
            return
        reason = "it has none"
    except Exception as error:
        reason = reason_of(error)
    raise ValueError(
        f"a TIFF source must have samples that can be decoded; got {path} with old-style JPEGs (compression 6) that "
        f"cannot ({reason}): convert it with the software that wrote it, or with libtiff's tiffcp -c lzw"
    )


def _missing_decoder(compression: int) -> str | None:
    """What would read a compression that cannot be read here; None for one that can."""
    import tifffile

    if compression == 1:
        return None
    has_imagecodecs = find_spec("imagecodecs") is not None
    try:
        tifffile.TIFF.DECOMPRESSORS[compression](bytes(16))
    except KeyError as error:
        is_known = "requires the 'imagecodecs' package" in str(error)
    except ImportError as error:
        if has_imagecodecs:
            return f"the installed imagecodecs lacks it ({error})"
        is_known = True  # to tifffile, by a module of a later Python
    except Exception:  # there is a decoder, and these bytes are no image
        return None
    else:
        return None
    if is_known and not has_imagecodecs:
        return "the package imagecodecs reads it: pip install 'vrdask[tiff]'"
    return "neither tifffile nor imagecodecs reads it: convert the file with the software that wrote it"


@contextmanager
def complaints_raised(path: Path) -> Iterator[None]:
    """Raise what tifffile only logs: directories or values that lie beyond the end of the file."""
    with quiet() as heard:
        yield
    for text in heard:
        if any(sign in text for sign in ("invalid value offset", "invalid page offset", "corrupted")):
            raise ValueError(f"a TIFF source must be whole; {path} is truncated or damaged: {text}")


def _opened(path: str) -> TiffFile:
    """A TIFF file, which may be behind a URL."""
    tifffile = package_for(path, "tifffile", "tiff")
    opened: TiffFile = tifffile.TiffFile(file_at(path).open("rb") if is_remote(path) else path)
    return opened


def _named(series: TiffPageSeries) -> str:
    return f"{series.name} {by_axis(series.shape)}".strip()


def _compression(page: Any) -> str:
    name = getattr(page.compression, "name", None)
    return f"{name.lower()} ({int(page.compression)})" if name else str(int(page.compression))


FORMAT = Format(
    "TIFF",
    (".tif", ".tiff", ".svs", ".ndpi", ".scn", ".btf", ".tf8"),
    (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    open_tiff,
    has_levels=True,
)
