"""Pictures: PNG, JPEG and TIFF targets, for results that fit in memory.

The result is gathered in memory and encoded when it is complete, into a file beside the target that then takes its
name: a PNG strip by strip on the run's threads, the others at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.storage import MemoryStore

from vrdask.dtypes import plain
from vrdask.images.image import Image
from vrdask.storage import places
from vrdask.storage.chunk_array import ChunkIO
from vrdask.storage.layout import Layout
from vrdask.targets.shown import SUFFIXES, Show, how_shown, write_shown
from vrdask.targets.target import Form, Request, Target, TargetFormat, require_package
from vrdask.targets.tiff_writing import is_ome, lost_in_tiff, require_ome, write_tiff
from vrdask.targets.whole_file import Begins, require_replaceable, written_whole
from vrdask.text import format_bytes

MAGICS = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".tif": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
"""How files of a format begin."""
COPIES = 2
"""Of the result, in memory: as chunks, and as the array that is encoded."""


@dataclass(frozen=True)
class PictureTarget(Target):
    """A file to encode; until then, an array in memory."""

    path: Path
    geometry: Image | None
    overwrite: bool
    show: Show | None = None
    """Of a picture for eyes."""
    threads: int = 1
    """That encode it."""

    @property
    def is_whole(self) -> bool:
        return True

    @property
    def holds_place(self) -> bool:
        return self.show is not None  # nobody looks for one in a picture for eyes

    @property
    def holds_attributes(self) -> bool:
        return self.show is not None

    @property
    def notes(self) -> tuple[str, ...]:
        return () if self.show is not None else lost_in_tiff(self.geometry, self.path.name)

    def finish(self, made: Mapping[str, str] | None = None) -> zarr.Array[Any]:
        with written_whole(self.path, self.overwrite, _begins(self.path)) as beside:
            if self.show is not None:
                read = ChunkIO(self.array).read
                write_shown(beside, self.path.suffix.lower(), self.array.shape, read, self.show, self.threads)
            else:
                write_tiff(beside, self.path.name, np.asarray(self.array[...]), self.geometry)
        return self.array


def open_picture(place: Any, layout: Layout, image: Image | None, form: Form, request: Request) -> PictureTarget:
    """A picture to write; nothing is written yet.

    Raises
    ------
    FileExistsError
        There is something at `place` and `overwrite` is False.
    ValueError
        The result does not fit in memory, or the format cannot hold it.
    ModuleNotFoundError
        The package that writes the format is not installed.
    """
    if request.resume:
        raise ValueError(f"resume must be False for a picture, which is written at once; got {place}")
    if request.chunks is not None or request.shards is not None:
        raise ValueError(f"chunks and shards must be None for a picture; got {request.chunks} and {request.shards}")
    path = places.local_path(place) or Path(place)
    require_replaceable(path, request.overwrite, _begins(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder of a picture must exist; got {place}")
    needed = COPIES * prod(form.out_shape) * form.out_dtype.itemsize
    if needed > (limit := request.memory_limit or _half_of_memory()):
        raise ValueError(
            f"a picture must fit in memory, {format_bytes(limit)}; got a result that takes {format_bytes(needed)} "
            f"for {place}: write Zarr, or ask for a smaller result"
        )
    show = None
    if (suffix := path.suffix.lower()) in SUFFIXES:
        if SUFFIXES[suffix] == "JPEG":
            require_package(path, "PIL", "images", "pillow")
        show = how_shown(
            form.out_shape, form.out_dtype, image, suffix, request.window, request.keeps_numbers, str(place)
        )  # fmt: skip
    else:
        require_package(path, "tifffile", "tiff")
        if is_ome(path.name):
            require_ome(form.out_shape, form.out_dtype, image, str(place))
    array = zarr.create_array(
        MemoryStore(),
        shape=form.out_shape,
        dtype=plain(form.out_dtype.newbyteorder("=")),
        chunks=tuple(max(1, min(c, n)) for c, n in zip(layout.chunks, form.out_shape, strict=True)),
        compressors=None,
    )
    return PictureTarget(array, None, image, path, image, request.overwrite, show, request.threads)


def _begins(path: Path) -> Begins:
    """Whether a file begins as the name of one promises."""
    kind = {"PNG": ".png", "JPEG": ".jpg"}.get(SUFFIXES.get(path.suffix.lower(), ""), ".tif")
    return lambda first: first.startswith(MAGICS[kind])


def _half_of_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):  # Windows
        return 1 << 62


FORMAT = TargetFormat("a picture", (".png", ".jpg", ".jpeg", ".tif", ".tiff"), open_picture, is_local=True)
