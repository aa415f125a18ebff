"""Pyramids as TIFF: OME-TIFF, whose smaller levels are SubIFDs of each page, and for `.tif` smaller pages that follow.

The levels are made as those of any pyramid, as Zarr in a folder beside the file, in chunks of whole tiles in a row.
When all are there each is read once, chunk by chunk in the file's order, and its tiles are compressed on threads into a
file that then takes the target's name: never more is held than a chunk and some tiles. A file that may pass 2 GiB is a
BigTIFF.

    .ome.tif    any axes t, c, z, y, x    SubIFDs, which Bio-Formats, QuPath, napari and tifffile know
    .tif        rows, columns, colours    pages marked as reduced, which OpenSlide and libtiff's tools know

Pages are what OME-TIFF has of times, channels and planes, so that levels are smaller along y and x alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, ceil_div
from vrdask.dtypes import DType, plain
from vrdask.images.axes import image_of
from vrdask.images.colours import channel_axis, has_colours
from vrdask.images.image import Image
from vrdask.images.orientation import is_said_by_axes
from vrdask.images.pyramid_metadata import usual_names
from vrdask.storage import places
from vrdask.storage.blank import blank_array
from vrdask.storage.chunk_array import ChunkIO
from vrdask.storage.compressors import compressors as compressors_of
from vrdask.targets.file import FileTarget, place_of_file
from vrdask.targets.pyramid import PyramidTarget
from vrdask.targets.streamed import MOST_OF_LIMIT
from vrdask.targets.target import require_package
from vrdask.targets.tiff_packing import Packing, packing_of
from vrdask.targets.tiff_writing import ORDER, TILE, TiffForm, is_ome, require_ome, tiff_axes, tiff_form
from vrdask.text import by_axis

if TYPE_CHECKING:
    import zarr

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
CHUNK_BYTES = 2 << 20
"""Of whole tiles in a row: what is read at a time, and a file of the folder."""
BUFFER_BYTES = 16 << 20
"""Of tiles that threads compress together, at most."""
BIG_BYTES = 1 << 31
"""Of samples that a classic TIFF holds, however badly they are compressed."""
MADE = 65000
"""A private tag, of those that anybody may use: by which settings a file was made, as JSON."""
TEXT = 2
"""tifffile's number of a type of tags."""


@dataclass(frozen=True)
class TiffPyramidTarget(FileTarget, PyramidTarget):
    """A TIFF of several levels."""

    path: Path = field(kw_only=True)
    form: TiffForm = field(kw_only=True)
    tile: tuple[int, int] = field(kw_only=True)
    packing: Packing = field(kw_only=True)
    threads: int = field(kw_only=True)
    buffer_bytes: int = field(kw_only=True)
    """Of tiles that threads compress together."""
    read: Callable[[int], None] = field(kw_only=True, default=lambda count: None)
    """Is told how many bytes of the levels have been read, when the file is put together."""

    def stored_as(self, array: zarr.Array[Any]) -> str:
        return f"tiles {by_axis(self.tile)}, {self.packing.name or 'not compressed'}"

    @property
    def bytes_to_finish(self) -> int:
        return sum(array.nbytes for array in self.levels)

    def telling(self, read: Callable[[int], None]) -> TiffPyramidTarget:
        return replace(self, read=read)

    def made(self) -> Mapping[str, str] | None:
        import tifffile

        with (
            suppress(OSError, ValueError, KeyError, TypeError, AttributeError, IndexError),
            tifffile.TiffFile(self.path) as file,
        ):
            return dict(json.loads(file.pages.first.tags[MADE].value))
        return None

    def opened(self) -> Any:
        return self.array

    def put_together(self, path: Path, made: Mapping[str, str]) -> None:
        import tifffile

        is_ome_tiff, options = is_ome(self.path.name), dict(self.form.options)
        resolution = options.pop("resolution", None)
        metadata = options.pop("metadata") if is_ome_tiff else None
        options |= {"dtype": self.array.dtype, "tile": self.tile, "metadata": None}
        options |= {"compression": self.packing.name, "compressionargs": dict(self.packing.arguments)}
        options["predictor"] = self.packing.of_differences
        options |= {"maxworkers": self.threads, "buffersize": self.buffer_bytes}
        how_made = (MADE, TEXT, None, json.dumps(dict(made)), True)
        first = {"metadata": metadata, "software": f"vrdask {version('vrdask')}", "extratags": [how_made]}
        first["subifds"] = len(self.levels) - 1 if is_ome_tiff else 0
        read = 0

        def tell(count: int) -> None:
            nonlocal read
            read += count
            self.read(read)

        is_big = self.bytes_to_finish > BIG_BYTES
        with tifffile.TiffWriter(path, bigtiff=is_big, ome=is_ome_tiff) as file:
            for level, array in enumerate(self.levels):
                own: dict[str, Any] = {"subfiletype": 1} if level else first
                if resolution is not None:
                    along = map(self.form.codes.index, "XY")
                    fewer = [self.array.shape[axis] / array.shape[axis] for axis in along]
                    own["resolution"] = (resolution[0] / fewer[0], resolution[1] / fewer[1])
                tiles = tiles_of(array, self.form.codes, self.tile, tell)
                file.write(tiles, shape=array.shape, **{**options, **own})


def tiles_of(
    array: zarr.Array[Any], codes: str, tile: tuple[int, int], tell: Callable[[int], None]
) -> Iterator[npt.NDArray[Any]]:
    """The tiles of an array, page by page and row by row; what a tile has beyond the edge is the edge's.

    codes : of the array's axes, in the order of the file. tell : is called with bytes that have been read.
    """
    read, shape, chunks = ChunkIO(array).read, tuple(array.shape), array.chunks
    rows = codes.index("Y")
    steps = [1] * rows + list(chunks[rows : rows + 2])
    for corner in product(*(range(0, n, step) for n, step in zip(shape, steps, strict=False))):
        box: Box = tuple((at, min(at + step, n)) for at, step, n in zip(corner, steps, shape, strict=False))
        samples = read((*box, *((0, n) for n in shape[rows + 2 :])))[(0,) * rows]
        tell(samples.nbytes)
        start, stop = box[-1]
        for at in range(0, stop - start, tile[1]):
            one = samples[:, at : at + tile[1]]
            beyond = [(0, size - n) for size, n in zip((*tile, *one.shape[2:]), one.shape, strict=True)]
            yield np.pad(one, beyond, "edge") if any(map(any, beyond)) else one


def is_tiff(place: Any) -> bool:
    """Whether a target's name promises a TIFF."""
    return isinstance(place, str | Path) and places.suffix_of(place) in (".tif", ".tiff")


def image_for_tiff(image: Image | None, names: Sequence[str | None] | None, shape: Sequence[int]) -> Image:
    """What is known of an array; its axes are called as is usual where nothing says their names.

    Raises
    ------
    ValueError
        It has so many axes that nothing is usual.
    """
    if image is not None:
        return image
    if (names is None or not all(names)) and len(shape) == 3 and shape[-1] in (3, 4):
        return image_of("yxc", {})
    return image_of(usual_names(names, len(shape)), {})


def order_for_tiff(image: Image, shape: Sequence[int], dtype: DType) -> tuple[int, ...]:
    """The order in which a TIFF has an image's axes: pages, rows, columns, colours."""
    codes = _codes(image, shape, dtype)
    return tuple(sorted(range(len(shape)), key=lambda axis: (ORDER.index(codes[axis]), axis)))


def _codes(image: Image, shape: Sequence[int], dtype: DType) -> str:
    """tifffile's letters of the axes; S for colours, wherever they are."""
    codes, axis = list(tiff_axes(shape, image)), channel_axis(image)
    if axis is not None and codes[axis] in "CS":
        is_colours = has_colours(image) or codes[axis] == "S"
        is_short = dtype in (np.uint8, np.uint16)
        codes[axis] = "S" if is_colours and is_short and shape[axis] in (3, 4) else "C"
    return "".join(codes)


def reduced_in_tiff(image: Image) -> tuple[int, ...]:
    """The axes along which levels of a TIFF are smaller."""
    return tuple(axis for axis, name in enumerate(image.axis_names) if name in ("y", "x"))


def tiff_pyramid(
    place: Any,
    images: Sequence[Image],
    shapes: Sequence[tuple[int, ...]],
    dtype: DType,
    tile: tuple[int, int],
    compressors: Any,
    threads: int,
    memory_limit: int | None,
    overwrite: bool,
    labels: Sequence[Any] = (),
) -> TiffPyramidTarget:
    """A TIFF to write; nothing is written yet.

    images, shapes : of all levels, with their axes in the order of the file. tile : rows and columns.
    labels : images beside it, which stay behind.

    Raises
    ------
    FileExistsError, FileNotFoundError
        There is something at `place` that may not be replaced, or no folder for it.
    TypeError, ValueError
        TIFF cannot hold the levels, or the compression not what they are.
    ModuleNotFoundError
        A package that writes it is not installed.
    """
    require_package(place, "tifffile", "tiff")
    path, root = place_of_file(place, overwrite, "a TIFF", begins_like_tiff)
    image, dtype = images[0], plain(dtype.newbyteorder("="))
    codes = _codes(image, shapes[0], dtype)
    if is_ome(path.name):
        require_ome(shapes[0], dtype, image, str(place))
    elif codes not in ("YX", "YXS"):
        raise ValueError(
            f"a pyramid in a TIFF that is no OME-TIFF must have rows, columns and perhaps colours; got "
            f"{', '.join(image.axis_names)} for {place}: write .ome.tif"
        )
    _require_pages(image, shapes, str(place))
    form = tiff_form(shapes[0], dtype, image, path.name, codes)
    colours = shapes[0][-1] if codes.endswith("S") else 1
    packing = packing_of(compressors, dtype, colours, str(place))
    in_row = max(1, CHUNK_BYTES // (tile[0] * tile[1] * colours * dtype.itemsize))
    sizes = {"Y": tile[0], "X": tile[1] * in_row, "S": colours}
    said = {"tile": tile, "packing": asdict(packing), "codes": codes, "options": form.options}
    levels = []
    for level, shape in enumerate(shapes):
        chunk = tuple(max(1, min(sizes.get(code, 1), n)) for code, n in zip(codes, shape, strict=True))
        attributes = {} if level else {"tiff": json.loads(json.dumps(said))}
        levels.append(
            blank_array(
                root / str(level), shape=shape, dtype=dtype, chunks=chunk, compressors=compressors_of("zstd:1", None),
                attributes=attributes,
            )
        )  # fmt: skip
    return TiffPyramidTarget(
        levels[0], root, None, tuple(levels), tuple(map(str, range(len(shapes)))), path=path, form=form, tile=tile,
        packing=packing, threads=threads,
        buffer_bytes=BUFFER_BYTES if memory_limit is None else min(BUFFER_BYTES, memory_limit // MOST_OF_LIMIT),
        told=tuple(_told(image, shapes, is_ome(path.name), [name for name, _ in labels])),
    )  # fmt: skip


def _told(image: Image, shapes: Sequence[tuple[int, ...]], is_ome_tiff: bool, labels: Sequence[str]) -> Iterator[str]:
    """What people have to know of what is written."""
    if any(image.translation) or not is_said_by_axes(image):
        yield "a TIFF says how large pixels are, and not where the image lies"
    if labels:
        yield f"a TIFF has no label images beside it: {', '.join(labels)}"
    pairs = [(n, m) for axis in reduced_in_tiff(image) for n, m in pairwise(shape[axis] for shape in shapes)]
    if not is_ome_tiff and not any(all(ceil_div(n, factor) == m for n, m in pairs) for factor in (2, 3, 4)):
        yield (
            "tifffile takes pages of a .tif for levels where one factor, 2, 3 or 4, is for both axes and all of them: "
            "here they are images of their own; OpenSlide takes any, and .ome.tif has any"
        )


def begins_like_tiff(path: Path) -> bool:
    """Whether a file is TIFF, by its first bytes."""
    with path.open("rb") as file:
        return file.read(4) in MAGICS


def tile_of(image: Image, chunks: Sequence[int] | None) -> tuple[int, int]:
    """Rows and columns of the tiles. chunks : what is asked for along all axes."""
    along = [image.axis_names.index(name) for name in ("y", "x") if name in image.axis_names]
    sizes = (TILE, TILE) if chunks is None or len(along) < 2 else tuple(chunks[axis] for axis in along)
    if any(size < 16 or size % 16 for size in sizes):
        raise ValueError(f"chunks must be multiples of 16 along y and x for a TIFF, whose tiles they are; got {sizes}")
    return sizes[0], sizes[1]


def chunks_of_tiles(image: Image, shape: Sequence[int], tile: tuple[int, int]) -> tuple[int, ...]:
    """What one tile holds along every axis, as far as levels are concerned."""
    sizes = dict(zip(("y", "x"), tile, strict=True))
    return tuple(sizes.get(name, n) for name, n in zip(image.axis_names, shape, strict=True))


def _require_pages(image: Image, shapes: Sequence[tuple[int, ...]], name: str) -> None:
    """Refuse levels that are smaller along other axes than y and x."""
    kept = [axis for axis in range(len(shapes[0])) if axis not in reduced_in_tiff(image)]
    smaller = [image.axis_names[axis] for axis in kept if any(shape[axis] != shapes[0][axis] for shape in shapes)]
    if smaller:
        raise ValueError(
            f"factors must be 1 along all axes but y and x for a TIFF, whose levels have the same pages; got others "
            f"along {', '.join(smaller)} for {name}: write OME-Zarr"
        )
