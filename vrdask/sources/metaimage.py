"""MetaImage volumes (.mha, .mhd): ITK's own format, key = value lines before the samples or in a file beside them.

Positions are LPS, in millimetres, as ITK takes them. Row i of TransformMatrix is the direction of axis i.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vrdask.images.axes import image_of
from vrdask.images.image import Image
from vrdask.sources.format import Format
from vrdask.sources.mapped import MappedArray
from vrdask.sources.raw_volume import RawVolume, data_file, finite, placed_image, raw_source
from vrdask.sources.source import Source

WHAT = "a MetaImage source"
MOST_HEADER_BYTES = 1 << 20
TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
CARRIED = {
    "ObjectType", "ObjectSubType", "NDims", "DimSize", "BinaryData", "BinaryDataByteOrderMSB", "ElementByteOrderMSB",
    "CompressedData", "CompressedDataSize", "CompressionLevel", "HeaderSize", "ElementType", "ElementNumberOfChannels",
    "ElementDataFile", "ElementSpacing", "ElementSize", "CenterOfRotation", "AnatomicalOrientation",
}  # fmt: skip
"""Keys of what the image holds, or that tell how samples are stored."""
OF_PLACE = ("TransformMatrix", "Rotation", "Orientation", "Offset", "Position", "Origin")
_YES = ("true", "1", "yes")


def open_metaimage(path: Path) -> Source:
    """The volume of a .mha or .mhd; nothing but its header is read.

    Raises
    ------
    ValueError
        The header is damaged or says what is not read here, or the samples are not all there.
    """
    said, stop = _header(path)
    try:
        ndim = int(said["NDims"])
        sizes = [int(one) for one in said["DimSize"].split()]
        channels = int(said.get("ElementNumberOfChannels", "1"))
        kind, name = said["ElementType"].upper().removesuffix("_ARRAY"), said["ElementDataFile"]
    except (KeyError, ValueError) as error:
        raise ValueError(f"{WHAT} must have a whole header; got {path}: {error}") from None
    if not 1 <= ndim <= 4 or len(sizes) != ndim or min(sizes) < 1 or channels < 1 or kind not in TYPES:
        raise ValueError(f"{WHAT} must have 1 to 4 sizes and a known type; got {ndim}, {sizes[:9]}, {kind} in {path}")
    if said.get("BinaryData", "True").lower() not in _YES:
        raise ValueError(f"{WHAT} must hold binary samples; got {path} with text: write it with SimpleITK once more")
    if len(name.split()) != 1 or "%" in name:
        raise ValueError(f"{WHAT} must have its samples in one file; got {name[:80]!r} in {path}")
    big = said.get("BinaryDataByteOrderMSB", said.get("ElementByteOrderMSB", "False")).lower() in _YES
    dtype = np.dtype((">" if big else "<") + TYPES[kind])
    shape = tuple(sizes[::-1]) + ((channels,) if channels > 1 else ())
    where = path if name.upper() == "LOCAL" else data_file(path, name, WHAT)
    start = stop if where == path else 0
    skip = int(finite(said.get("HeaderSize", "0"), 1, "HeaderSize", f"{WHAT} at {path}")[0])
    packed = said.get("CompressedData", "False").lower() in _YES
    if skip == -1 and not packed:  # the samples are what the file ends with
        start = where.stat().st_size - int(np.prod([float(n) for n in shape])) * dtype.itemsize
    elif skip > 0:
        start += skip
    if start < 0:
        raise ValueError(f"{WHAT} must hold all its samples; got {where}, which is truncated")
    stored = MappedArray(str(where), shape, dtype, 0 if packed else start)
    image = _image(said, ndim, channels > 1, f"{WHAT} at {path}")
    beside = _beside(said, ndim)
    return raw_source(path, RawVolume(stored, start if packed else None, WHAT), image, "MetaImage", beside)


def _beside(said: dict[str, str], ndim: int) -> Iterator[str]:
    """Keys of what the image does not hold: of directions and a position, too, where they are not those of a volume."""
    is_placed = ndim == 3 and ("ElementSpacing" in said or "ElementSize" in said)
    plain = (np.eye(ndim).ravel().tolist(), [0.0] * ndim)
    for key, value in said.items():
        if key in OF_PLACE:
            yield "" if is_placed or _numbers(value) in plain else key
        elif key not in CARRIED:
            yield key


def _numbers(text: str) -> list[float] | None:
    try:
        return [float(one) for one in text.split()]
    except ValueError:
        return None


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Keys and values, and where they end."""
    with path.open("rb") as file:
        block = file.read(MOST_HEADER_BYTES)
    said, at = {}, 0
    while (end := block.find(b"\n", at)) >= 0:
        key, found, value = block[at:end].decode("latin-1").partition("=")
        if not found:
            break
        said[key.strip()] = value.strip()
        at = end + 1
        if key.strip() == "ElementDataFile":
            return said, at
    raise ValueError(f"{WHAT} must have a whole header that ends with ElementDataFile; got {path}")


def _image(said: dict[str, str], ndim: int, colours: bool, what: str) -> Image:
    names = ("xyzt"[:ndim])[::-1] + ("c" if colours else "")
    known = next((one for one in ("ElementSpacing", "ElementSize") if one in said), None)
    if known is None:
        return image_of(names, {})
    spacing = np.array(finite(said[known], ndim, known, what))
    if ndim != 3:
        sizes = {name: (float(size), None if name == "t" else "millimeter")
                 for name, size in zip("xyzt", spacing, strict=False)}  # fmt: skip
        return image_of(names, sizes)
    matrix, origin = np.eye(3), np.zeros(3)
    for key in ("TransformMatrix", "Rotation", "Orientation"):
        if key in said:
            matrix = np.array(finite(said[key], 9, key, what)).reshape(3, 3)
            break
    for key in ("Offset", "Position", "Origin"):
        if key in said:
            origin = np.array(finite(said[key], 3, key, what))
            break
    to_ras = np.array([-1.0, -1.0, 1.0])
    columns = (matrix * spacing[:, None]).T * to_ras[:, None]
    return placed_image(names, columns[:, ::-1], origin * to_ras, what)


FORMAT = Format("MetaImage", (".mha", ".mhd"), (), lambda path, level, series: open_metaimage(path))
