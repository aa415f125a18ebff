"""An array as a TIFF: axes, pixel sizes, colours, and channels with their names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import DType
from vrdask.images.colours import channel_axis, channels_of, has_colours
from vrdask.images.image import Image

MICROMETRES = {"nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "centimeter": 1e4, "meter": 1e6}
OME_TYPES = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64", "complex64", "complex128",
             "bool")  # fmt: skip
ORDER = "QTCZYXS"
TILE = 256
"""Rows and columns of a tile."""


def is_ome(name: str) -> bool:
    """Whether a file's name promises an OME-TIFF."""
    return name.lower().endswith((".ome.tif", ".ome.tiff"))


def require_ome(shape: Sequence[int], dtype: DType, image: Image | None, name: str) -> None:
    """Refuse what OME-TIFF has no words for.

    Raises
    ------
    ValueError
        Its axes, each once, must be among t, c, z, y, x, with rows and columns; its type one of `OME_TYPES`.
    """
    codes = tiff_axes(shape, image)
    if "Q" in codes or len(set(codes)) < len(codes) or not {"Y", "X"} <= set(codes):
        axes = ", ".join(image.axis_names) if image is not None else f"{len(shape)} axes without names"
        raise ValueError(
            f"an OME-TIFF must have rows and columns (y, x) and at most z, c and t besides, each once; got {axes} for "
            f"{name}: write .tif or Zarr"
        )
    if dtype.name not in OME_TYPES:
        raise ValueError(
            f"an OME-TIFF must hold one of {', '.join(OME_TYPES)}; got {dtype} for {name}: ask for a dtype"
        )


@dataclass(frozen=True)
class TiffForm:
    """How an array stands in a TIFF.

    order : its axes as the file has them, the slowest first. codes : tifffile's letters of these. options : what
    tifffile's `write` has to know of the samples.
    """

    order: tuple[int, ...]
    codes: str
    options: Mapping[str, Any]


def tiff_form(shape: Sequence[int], dtype: DType, image: Image | None, name: str, codes: str | None = None) -> TiffForm:
    """How an array stands in a TIFF of a name. codes : of its axes, in their order; by default what suits them."""
    given = tiff_axes(shape, image) if codes is None else codes
    sizes = {code: size for code, size in zip(given, _micrometres(image, len(shape)), strict=True) if size is not None}
    is_planar = given == "CYX" and has_colours(image)
    order = sorted(range(len(shape)), key=lambda axis: (ORDER.index(given[axis]), axis))
    stored, codes = [shape[axis] for axis in order], "".join(given[axis] for axis in order)
    codes = "SYX" if is_planar else codes
    metadata: dict[str, Any] = {"axes": codes}
    options: dict[str, Any] = {"metadata": metadata}
    if is_ome(name):
        if image is not None and image.name is not None:
            metadata["Name"] = image.name
        for code in sizes.keys() & set("XYZ"):
            metadata |= {f"PhysicalSize{code}": sizes[code], f"PhysicalSize{code}Unit": "µm"}
        if "C" in codes:
            metadata |= _channels(image, stored[codes.index("C")])
    elif {"X", "Y"} <= sizes.keys():
        options |= {"resolution": (1e4 / sizes["X"], 1e4 / sizes["Y"]), "resolutionunit": "CENTIMETER"}
    colours_last, is_short = codes.endswith("S"), dtype in (np.uint8, np.uint16)
    is_rgb = (colours_last and stored[-1] in (3, 4)) or (is_planar and stored[0] in (3, 4))
    options |= {"photometric": "rgb" if is_rgb and is_short else "minisblack"}
    options |= {"planarconfig": "contig"} if colours_last else {"planarconfig": "separate"} if codes == "SYX" else {}
    return TiffForm(tuple(order), codes, options)


def write_tiff(file: Path, name: str, data: npt.NDArray[Any], image: Image | None) -> None:
    """Write a TIFF, in tiles where its last axes are rows and columns."""
    import tifffile

    form = tiff_form(data.shape, data.dtype, image, name)
    tiled: dict[str, Any] = {"tile": (TILE, TILE), "compression": "zlib"} if form.codes.endswith(("YX", "YXS")) else {}
    tifffile.imwrite(file, data.transpose(form.order), ome=is_ome(name), **tiled, **form.options)


def lost_in_tiff(image: Image | None, name: str) -> tuple[str, ...]:
    """Lines, for people, about what a file of this name does not hold of an image."""
    if image is None:
        return ()
    held = "xyz" if is_ome(name) else "xy"
    sizes = _micrometres(image, len(image.axes))
    lost = [
        f"{image.axis_names[axis]} {image.scale[axis]:g} {image.axes[axis].get('unit', 'without a unit')}"
        for axis in image.space_axes
        if math.isfinite(image.scale[axis]) and (sizes[axis] is None or image.axis_names[axis].lower() not in held)
    ]
    kind = "an OME-TIFF" if is_ome(name) else "a TIFF that is no OME-TIFF"
    found = [f"{kind} does not hold the spacing {', '.join(lost)}"] if lost else []
    kept = {"omero"} if is_ome(name) or has_colours(image) else set()
    if rest := sorted({*image.extra} - kept):
        found.append(f"{kind} does not hold {', '.join(rest)}")
    return tuple(found)


def _channels(image: Image | None, count: int) -> dict[str, Any]:
    """Names and colours of channels, as OME-XML says them."""
    channels = channels_of(image)
    if len(channels) != count:
        return {}
    labels = [str(one.get("label", f"Channel {k}")) for k, one in enumerate(channels)]
    colours = [_colour(one.get("color")) for one in channels]
    known = {"Color": colours} if None not in colours else {}
    return {"Channel": {"Name": labels, **known}}


def _colour(said: Any) -> int | None:
    """A signed number of 32 bits, RRGGBBAA, from RRGGBB.

    >>> _colour("FF0000"), _colour("00FF00"), _colour("red")
    (-16776961, 16711935, None)
    """
    try:
        number = (int(str(said), 16) << 8) | 0xFF
    except ValueError:
        return None
    if not 0 <= number < 1 << 32:
        return None
    return number - (1 << 32) if number >> 31 else number


def tiff_axes(shape: Sequence[int], image: Image | None) -> str:
    """tifffile's letters of the axes; S for colours that stand last, C for channels elsewhere."""
    if image is None:
        return "YXS" if len(shape) == 3 and shape[-1] in (3, 4) else "QQQQQQQQZYX"[-len(shape) :]
    kinds = {"time": "T", "channel": "C"}
    codes = []
    for axis, said in zip(image.axis_names, image.axes, strict=True):
        letter = axis.upper() if len(axis) == 1 and axis.lower() in "xyzct" else kinds.get(str(said.get("type")), "Q")
        codes.append(letter if letter not in codes else "Q")
    channel = channel_axis(image)
    if codes and codes[-1] == "C" and channel == len(codes) - 1 and {"Y", "X"} <= set(codes):
        codes[-1] = "S" if has_colours(image) or (shape[-1] <= 4 and not channels_of(image)) else "C"
    return "".join(codes)


def _micrometres(image: Image | None, ndim: int) -> list[float | None]:
    """Sizes along the axes; None for those not known. Of a scanner's space, sizes without a unit are millimetres."""
    if image is None:
        return [None] * ndim
    usual = None if image.affine is None else "millimeter"
    units = [axis.get("unit", usual if k in image.space_axes else None) for k, axis in enumerate(image.axes)]
    return [
        scale * MICROMETRES[unit] if unit in MICROMETRES and math.isfinite(scale) else None
        for unit, scale in zip(units, image.scale, strict=True)
    ]
