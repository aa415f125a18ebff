"""Pictures: PNG, JPEG and TIFF targets, for results that fit in memory.

The result is gathered in an array of numpy's and encoded when it is complete, into a file beside the target that then
takes its name: a PNG strip by strip on the run's threads, the others at once. Nothing of that needs zarr.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, slices_of
from vrdask.dtypes import DType, plain
from vrdask.images.image import Image
from vrdask.storage import places
from vrdask.storage.costs import PLAIN, TransferCost
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
"""Of the result, in memory: as it is gathered, and as it is encoded."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """A result in memory. chunks : of whole ones of which a task writes."""

    samples: npt.NDArray[Any]
    chunks: tuple[int, ...]
    shards: None = None
    compressors: tuple[()] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.samples.shape

    @property
    def dtype(self) -> DType:
        return self.samples.dtype

    def read(self, box: Box) -> npt.NDArray[Any]:
        """The samples of a box."""
        found: npt.NDArray[Any] = self.samples[slices_of(box)]
        return found

    def write(self, box: Box, samples: npt.NDArray[Any]) -> None:
        """Take over the samples of a box."""
        self.samples[slices_of(box)] = samples

    def written(self, keys: Sequence[str]) -> list[tuple[int, int] | None]:
        """Nothing: see `ChunkIO.written`."""
        return []


@dataclass(frozen=True)
class PictureTarget(Target):
    """A file to encode; until then, an array in memory."""

    array: Gathered  # type: ignore[assignment]
    path: Path
    geometry: Image | None
    overwrite: bool
    show: Show | None = None
    """Of a picture for eyes."""
    threads: int = 1
    """That encode it."""

    def io(self) -> Gathered:
        return self.array

    @property
    def writing(self) -> TransferCost:
        return PLAIN

    def keys(self, box: Any) -> list[str]:
        return []

    @property
    def is_local(self) -> bool:
        return True

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

    def finish(self, made: Mapping[str, str] | None = None) -> Gathered:  # type: ignore[override]
        with written_whole(self.path, self.overwrite, _begins(self.path)) as beside:
            if self.show is not None:
                suffix = self.path.suffix.lower()
                write_shown(beside, suffix, self.array.shape, self.array.read, self.show, self.threads)
            else:
                write_tiff(beside, self.path.name, self.array.samples, self.geometry)
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
        if form.out_dtype.kind not in "biufc":
            raise ValueError(
                f"a TIFF must hold numbers that it has types for; got {form.out_dtype} for {place}: ask for a dtype"
            )
        if is_ome(path.name):
            require_ome(form.out_shape, form.out_dtype, image, str(place))
    array = Gathered(
        np.zeros(form.out_shape, plain(form.out_dtype.newbyteorder("="))),  # whose pages come as they are written
        tuple(max(1, min(c, n)) for c, n in zip(layout.chunks, form.out_shape, strict=True)),
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
