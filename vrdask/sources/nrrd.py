"""NRRD volumes (.nrrd, .nhdr), whose headers pynrrd understands.

The fastest axis comes first in the file, so the array's axes are the file's in reverse. World positions are LPS, RAS or
LAS, as the header says; of other spaces only the spacing is known.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from vrdask.images.axes import UNITS, image_of
from vrdask.images.image import Image
from vrdask.images.orientation import millimetres_in
from vrdask.sources.format import Format
from vrdask.sources.mapped import MappedArray
from vrdask.sources.opening import package_for
from vrdask.sources.raw_volume import RawVolume, data_file, placed_image, raw_source
from vrdask.sources.source import Source

WHAT = "an NRRD source"
MOST_HEADER_BYTES = 1 << 20
TYPES = {
    name: kind
    for kind, names in {
        "i1": "signed char,int8,int8_t", "u1": "uchar,unsigned char,uint8,uint8_t",
        "i2": "short,short int,signed short,signed short int,int16,int16_t",
        "u2": "ushort,unsigned short,unsigned short int,uint16,uint16_t",
        "i4": "int,signed int,int32,int32_t", "u4": "uint,unsigned int,uint32,uint32_t",
        "i8": "longlong,long long,long long int,signed long long,signed long long int,int64,int64_t",
        "u8": "ulonglong,unsigned long long,unsigned long long int,uint64,uint64_t", "f4": "float", "f8": "double",
    }.items()
    for name in names.split(",")
}  # fmt: skip
CARRIED = {
    "type", "dimension", "sizes", "kinds", "endian", "encoding", "spacings", "units", "space units", "space dimension",
    "data file", "datafile", "byte skip", "line skip", "block size", "centers", "centerings",
}  # fmt: skip
"""Fields that the image holds, or that tell how samples are stored."""
OF_PLACE = {"space", "space origin", "space directions"}
NO_UNIT = ("nan", "none", "None", "???")
TO_RAS = {
    "right-anterior-superior": (1, 1, 1), "ras": (1, 1, 1), "left-anterior-superior": (-1, 1, 1), "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1), "lps": (-1, -1, 1),
}  # fmt: skip


def open_nrrd(path: Path) -> Source:
    """The volume of a .nrrd or .nhdr; nothing but its header is read.

    Raises
    ------
    ValueError
        The header is damaged or says what is not read here, or the samples are not all there.
    ModuleNotFoundError
        pynrrd is not installed.
    """
    nrrd = package_for(path, "nrrd", "nrrd")
    with path.open("rb") as file:
        block = io.BytesIO(file.read(MOST_HEADER_BYTES))
    try:
        header: Any = nrrd.read_header(block)
        sizes = tuple(int(one) for one in header["sizes"])
        kind, encoding = str(header["type"]).lower(), str(header["encoding"]).lower()
        name = header.get("data file", header.get("datafile"))
        skip, lines = int(header.get("byte skip", 0)), int(header.get("line skip", 0))
        image = _image(header, len(sizes), f"{WHAT} at {path}")
    except Exception as error:  # which pynrrd raises of any kind
        said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(f"{WHAT} must have a whole header; got {path}: {' '.join(said.split())[:200]}") from None
    if kind not in TYPES or encoding not in ("raw", "gzip", "gz") or skip < -1 or lines:
        raise ValueError(
            f"{WHAT} must hold raw or gzip samples of a known type, behind no lines; got {kind}, {encoding}, "
            f"byte skip {skip}, line skip {lines} in {path}: write it with SimpleITK or pynrrd once more"
        )
    where, start = (path, block.tell()) if name is None else (data_file(path, str(name), WHAT), 0)
    dtype = np.dtype((">" if header.get("endian") == "big" else "<") + TYPES[kind])
    packed = encoding != "raw"
    if skip == -1:
        if packed:
            raise ValueError(f"{WHAT} must have byte skip -1 for raw samples only; got {encoding} in {path}")
        start = where.stat().st_size - int(np.prod([float(n) for n in sizes])) * dtype.itemsize
    offset = (skip if packed else start + skip) if skip > 0 else (0 if packed else start)
    if offset < 0:
        raise ValueError(f"{WHAT} must hold all its samples; got {where}, which is truncated")
    stored = MappedArray(str(where), sizes[::-1], dtype, offset)
    return raw_source(path, RawVolume(stored, start if packed else None, WHAT), image, "NRRD", _beside(header, image))


def _beside(header: Any, image: Image) -> Iterator[str]:
    """Fields, and keys of values, that the image does not hold: those of place, too, in a space that is not known."""
    for name, value in header.items():
        if name in OF_PLACE:
            yield str(name) if image.affine is None and not _is_plain(value) else ""
        elif name not in CARRIED:
            yield str(name)
    names = [str(one) for one in header.get("space units", []) or header.get("units", [])]
    yield from (f"unit {one}" for one in names if one and one not in UNITS and one not in NO_UNIT)


def _is_plain(value: Any) -> bool:
    """Whether an origin is 0, or directions are those of the axes."""
    if isinstance(value, str):
        return False
    numbers = np.array([one for one in np.asarray(value, float) if np.isfinite(one).all()])
    return not numbers.any() if numbers.ndim < 2 else not (numbers * (1 - np.eye(*numbers.shape))).any()


def _image(header: Any, ndim: int, what: str) -> Image:
    directions = [None if one is None or not np.isfinite(np.asarray(one, float)).all() else np.asarray(one, float)
                  for one in header.get("space directions", [None] * ndim)]  # fmt: skip
    kinds = [str(one).lower() for one in header.get("kinds", ["domain"] * ndim)]
    if len(directions) != ndim or len(kinds) != ndim:
        raise ValueError(f"space directions and kinds must be said of {ndim} axes")
    has_space = any(one is not None for one in directions)
    of_space = [
        one is not None if has_space else kind in ("domain", "space", "???", "none")
        for one, kind in zip(directions, kinds, strict=True)
    ]
    letters = iter("xyz" if sum(of_space) <= 3 else "xyzt")
    others = iter("cvw")
    names = [
        next(letters) if spatial else "t" if kind == "time" else next(others)
        for spatial, kind in zip(of_space, kinds, strict=True)
    ]
    units = [UNITS.get(str(one)) for one in header.get("space units", [])]
    space = str(header.get("space", "")).lower()
    if not has_space:
        spacings = [float(one) for one in header.get("spacings", [np.nan] * ndim)]
        said = [UNITS.get(str(one)) for one in header.get("units", [None] * ndim)]
        return image_of(names[::-1], {
            name: (size, unit) for name, size, unit in zip(names, spacings, said, strict=True) if np.isfinite(size)
        })  # fmt: skip
    columns = np.array([one for one in directions if one is not None]).T
    if space not in TO_RAS or columns.shape[0] != 3:
        sizes = np.linalg.norm(columns, axis=0)
        unit = units[0] if units else None
        known = [name for name, spatial in zip(names, of_space, strict=True) if spatial]
        return image_of(names[::-1], {name: (float(f"{s:.7g}"), unit) for name, s in zip(known, sizes, strict=True)})
    origin = np.asarray(header.get("space origin", np.zeros(3)), float)
    unit = units[0] if units and units[0] else "millimeter"
    flips = np.array(TO_RAS[space], float)
    if unit != "millimeter":
        length = millimetres_in(unit) or 1.0
        columns, origin = columns * length, origin * length
    return placed_image(names[::-1], (columns * flips[:, None])[:, ::-1], origin * flips, what)


FORMAT = Format("NRRD", (".nrrd", ".nhdr"), (b"NRRD000",), lambda path, level, series: open_nrrd(path))
