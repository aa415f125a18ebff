"""FreeSurfer's volumes (.mgh, .mgz), whose headers nibabel understands: big-endian samples behind 284 bytes."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from vrdask.sources.format import Format
from vrdask.sources.mapped import MappedArray
from vrdask.sources.opening import package_for
from vrdask.sources.raw_volume import RawVolume, placed_image, raw_source
from vrdask.sources.source import Source

WHAT = "an MGH source"
DATA_OFFSET = 284
PARAMETERS = ("tr", "flip_angle", "te", "ti", "fov")
"""Numbers of 4 bytes behind the samples."""


def open_mgh(path: Path) -> Source:
    """The volume of a .mgh or .mgz, axes z, y, x, frames before them; nothing but its header is read.

    Raises
    ------
    ValueError
        The header is damaged, or the samples are not all there.
    ModuleNotFoundError
        nibabel is not installed.
    """
    mghformat = package_for(path, "nibabel.freesurfer.mghformat", "nifti")
    packed = not path.name.lower().endswith(".mgh")
    try:
        with path.open("rb") as raw, gzip.GzipFile(fileobj=raw) if packed else nullcontext(raw) as file:
            block = file.read(DATA_OFFSET)
        if len(block) < DATA_OFFSET:
            raise ValueError("it is truncated")
        header = mghformat.MGHHeader.from_fileobj(io.BytesIO(block + bytes(1024)))
        sizes = tuple(int(one) for one in header["dims"])
        affine = np.asarray(header.get_affine(), float)
        dtype = np.dtype(header.get_data_dtype()).newbyteorder(">")
    except Exception as error:  # which nibabel raises of several kinds
        if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
            raise
        if isinstance(error, zlib.error | EOFError | gzip.BadGzipFile):
            raise ValueError(f"{WHAT} must be a whole gzip file; got {path}: {error}") from None
        raise ValueError(f"{WHAT} must have a whole header; got {path}: {error}") from None
    if min(sizes) < 1:
        raise ValueError(f"{WHAT} must have positive sizes; got {sizes} in {path}")
    names, shape = ("zyx", sizes[2::-1]) if sizes[3] == 1 else ("tzyx", sizes[::-1])
    if not np.isfinite(affine).all():
        raise ValueError(f"the affine of {WHAT} must hold finite numbers; got {path}")
    image = placed_image(names, affine[:3, 2::-1], affine[:3, 3], f"{WHAT} at {path}")
    stored = MappedArray(str(path), shape, dtype, DATA_OFFSET)
    beside = _beside(path, stored.stop, packed)
    return raw_source(path, RawVolume(stored, 0 if packed else None, WHAT), image, "MGH", beside)


def _beside(path: Path, stop: int, packed: bool) -> Iterator[str]:
    """What follows the samples: parameters of the scan, and tags. Of a compressed file only its length is known, which
    its last bytes tell.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 4) if packed else min(stop, size))
        tail = file.read(4 if packed else 4 * len(PARAMETERS))
    if packed:
        behind = (int.from_bytes(tail, "little") - stop) % (1 << 32)
        if 4 * len(PARAMETERS) < behind < 1 << 31:
            yield "what follows the samples"
        return
    numbers = np.frombuffer(tail[: len(tail) // 4 * 4], ">f4")
    yield from (name for name, number in zip(PARAMETERS, numbers, strict=False) if number)
    if size > stop + 4 * len(PARAMETERS):
        yield "tags"


FORMAT = Format("MGH", (".mgh", ".mgz"), (), lambda path, level, series: open_mgh(path))
