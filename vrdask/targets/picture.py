"""Pictures: PNG and TIFF targets, for results that fit in memory.

The result is gathered in memory and encoded when it is complete, into a file beside the target that then takes its
name.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import zarr
from zarr.storage import MemoryStore

from vrdask.dtypes import DType, plain
from vrdask.images.image import Image
from vrdask.storage import durable, places
from vrdask.storage.layout import Layout
from vrdask.targets.target import Form, Request, Target, TargetFormat
from vrdask.text import format_bytes

MAGICS = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".tif": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
"""How files of a format begin."""
COPIES = 2
"""Of the result, in memory: as chunks, and as the array that is encoded."""
PNG_LEVEL = 4
"""zlib's effort: its default, 6, takes twice as long or more for files of about the same size."""
MICROMETRES = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "centimeter": 1e4, "meter": 1e6}


@dataclass(frozen=True)
class PictureTarget(Target):
    """A file to encode; until then, an array in memory."""

    path: Path
    geometry: Image | None
    overwrite: bool

    @property
    def is_whole(self) -> bool:
        return True

    def finish(self, made: Mapping[str, str] | None = None) -> zarr.Array[Any]:
        beside = self.path.with_name(f".{self.path.name}.{uuid4().hex}.partial")  # another run may make the same
        encode = _write_png if self.path.suffix.lower() == ".png" else _write_tiff
        try:
            encode(beside, self.path.name, np.asarray(self.array[...]), self.geometry)
            durable.sync_files([beside], beside.parent)
            _require_replaceable(self.path, self.overwrite)  # what has come meanwhile, too
            os.replace(beside, self.path)
        finally:
            beside.unlink(missing_ok=True)
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
    _require_replaceable(path, request.overwrite)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder of a picture must exist; got {place}")
    needed = COPIES * prod(form.out_shape) * form.out_dtype.itemsize
    if needed > (limit := request.memory_limit or _half_of_memory()):
        raise ValueError(
            f"a picture must fit in memory, {format_bytes(limit)}; got a result that takes {format_bytes(needed)} "
            f"for {place}: write Zarr, or ask for a smaller result"
        )
    if path.suffix.lower() == ".png":
        png_order(form.out_shape, form.out_dtype, image, str(place))
        _package("PIL", "pillow", "images", path)
    else:
        _package("tifffile", "tifffile", "tiff", path)
    array = zarr.create_array(
        MemoryStore(),
        shape=form.out_shape,
        dtype=plain(form.out_dtype.newbyteorder("=")),
        chunks=tuple(max(1, min(c, n)) for c, n in zip(layout.chunks, form.out_shape, strict=True)),
        compressors=None,
    )
    return PictureTarget(array, None, image, path, image, request.overwrite)


def _require_replaceable(path: Path, overwrite: bool) -> None:
    """Refuse a picture's place where anything is but, with `overwrite`, a file of the format that its name promises."""
    if not os.path.lexists(path):
        return
    kind = ".png" if path.suffix.lower() == ".png" else ".tif"
    if not path.is_file():
        raise FileExistsError(f"target must not exist; got {path}, which is no file: choose another name")
    if not overwrite:
        raise FileExistsError(f"target must not exist; got {path}: overwrite=True (--overwrite) replaces it")
    with path.open("rb") as file:
        begins = file.read(8)
    if begins and not begins.startswith(MAGICS[kind]):
        raise FileExistsError(
            f"overwrite must replace a file of the format that its name promises; got {path}, which is something else: "
            "remove it, or choose another name"
        )


def png_order(shape: Sequence[int], dtype: DType, image: Image | None, name: str = "a picture") -> tuple[int, ...]:
    """The axes that a PNG shows, rows, columns and perhaps channels; all others have a single sample.

    >>> png_order((3, 200, 100), np.dtype("uint8"), None)
    (1, 2, 0)
    """
    space = image.space_axes if image is not None else tuple(range(len(shape)))
    shown = [axis for axis in range(len(shape)) if axis in space or shape[axis] > 1]
    if len(shown) == 3:
        channel = next((axis for axis in shown if axis not in space), shown[0] if shape[shown[2]] > 4 else shown[2])
        shown.remove(channel)
        shown.append(channel)
    channels = shape[shown[2]] if len(shown) == 3 else 1
    if len(shown) not in (2, 3) or channels > 4:
        raise ValueError(
            f"a PNG must show 2 axes, and up to 4 channels of a third; got {'x'.join(map(str, shape))} for {name}: "
            "choose a channel, or write TIFF or Zarr"
        )
    if dtype != np.uint8 and not (dtype == np.uint16 and channels == 1):
        raise ValueError(
            f"a PNG must hold uint8, or uint16 without channels; got {dtype} for {name}: "
            "ask for dtype uint8, or write TIFF"
        )
    return tuple(shown)


def _write_png(file: Path, name: str, data: npt.NDArray[Any], image: Image | None) -> None:
    from PIL import Image

    order = png_order(data.shape, data.dtype, image)
    rest = [axis for axis in range(data.ndim) if axis not in order]
    shown = data.transpose(*rest, *order).reshape([data.shape[axis] for axis in order])
    if shown.ndim == 3 and shown.shape[2] == 1:
        shown = shown[..., 0]
    Image.fromarray(np.ascontiguousarray(shown)).save(file, format="PNG", compress_level=PNG_LEVEL)


def _write_tiff(file: Path, name: str, data: npt.NDArray[Any], image: Image | None) -> None:
    import tifffile

    codes = _tiff_axes(data.shape, image)
    sizes = {code: size for code, size in zip(codes, _micrometres(image, data.ndim), strict=True) if size is not None}
    order = sorted(range(data.ndim), key=lambda axis: ("QTCZYXS".index(codes[axis]), axis))
    data, codes = data.transpose(order), "".join(codes[axis] for axis in order)
    colours_last = codes.endswith("S")
    is_ome = name.lower().endswith((".ome.tif", ".ome.tiff"))
    metadata: dict[str, Any] = {"axes": codes}
    options: dict[str, Any] = {}
    if is_ome:
        for code in sizes.keys() & set("XYZ"):
            metadata |= {f"PhysicalSize{code}": sizes[code], f"PhysicalSize{code}Unit": "µm"}
    elif {"X", "Y"} <= sizes.keys():
        options = {"resolution": (1e4 / sizes["X"], 1e4 / sizes["Y"]), "resolutionunit": "CENTIMETER"}
    if codes.endswith(("YX", "YXS")):
        options |= {"tile": (256, 256), "compression": "zlib"}
    is_rgb = colours_last and data.shape[-1] in (3, 4) and data.dtype in (np.uint8, np.uint16)
    options |= {"photometric": "rgb" if is_rgb else "minisblack"}
    options |= {"planarconfig": "contig"} if colours_last else {}
    tifffile.imwrite(file, data, ome=is_ome, metadata=metadata, **options)


def _tiff_axes(shape: Sequence[int], image: Image | None) -> str:
    """tifffile's letters of the axes; S for colours that stand last, C for channels elsewhere."""
    if image is None:
        return "YXS" if len(shape) == 3 and shape[-1] in (3, 4) else "QQQQQQQQZYX"[-len(shape) :]
    codes = "".join(name.upper() if name in ("x", "y", "z", "c", "t") else "Q" for name in image.axis_names)
    return codes[:-1] + "S" if codes.endswith("YXC") else codes


def _micrometres(image: Image | None, ndim: int) -> list[float | None]:
    if image is None:
        return [None] * ndim
    return [
        scale * MICROMETRES[axis["unit"]] if axis.get("unit") in MICROMETRES and math.isfinite(scale) else None
        for axis, scale in zip(image.axes, image.scale, strict=True)
    ]


def _package(module: str, package: str, extra: str, path: Path) -> None:
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise ModuleNotFoundError(f"writing {path} needs the package {package}: pip install 'vrdask[{extra}]'")


def _half_of_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):  # Windows
        return 1 << 62


FORMAT = TargetFormat("a picture", (".png", ".tif", ".tiff"), open_picture, is_local=True)
