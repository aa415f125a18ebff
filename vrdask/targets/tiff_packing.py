"""How the tiles of a TIFF are compressed: by name, for people and command lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vrdask.dtypes import DType
from vrdask.targets.target import require_package


@dataclass(frozen=True)
class Packing:
    """How tiles are compressed.

    name : tifffile's. arguments : of its encoder. of_differences : of samples side by side (TIFF's predictor 2), which
    makes pictures a quarter smaller, and is read by all that read the compression.
    """

    name: str | None
    arguments: Mapping[str, int] = field(default_factory=dict)
    of_differences: bool = False


@dataclass(frozen=True)
class _Named:
    """A compression: tifffile's name, its argument and the lowest and highest; what it needs; the usual argument."""

    name: str
    lowest: int
    highest: int
    package: str | None = None
    usual: int | None = None


_KNOWN = {
    "deflate": _Named("adobe_deflate", 1, 9),
    "zstd": _Named("zstd", 1, 22, "imagecodecs", 3),
    "jpeg": _Named("jpeg", 1, 100, "imagecodecs", 90),
}


def packing_of(given: Any, dtype: DType, colours: int, name: str) -> Packing:
    """How tiles are compressed, from a name with a level (of JPEG, a quality) or without.

    Raises
    ------
    TypeError, ValueError
        An unknown name or level; or JPEG for what it cannot hold.

    >>> packing_of("zstd:7", np.dtype("uint16"), 1, "a.tif")
    Packing(name='zstd', arguments={'level': 7}, of_differences=True)
    """
    if not isinstance(given, str):
        raise TypeError(f"compressors must be a name for a TIFF, one of {', '.join(_KNOWN)} or none; got {given!r}")
    if given == "none":
        return Packing(None)
    called, has_level, said = ("deflate", "", "") if given == "auto" else given.partition(":")
    if called not in _KNOWN:
        known = ", ".join([*_KNOWN, "none", "auto"])
        raise ValueError(f"compressors must be one of {known} for a TIFF, with a level as in zstd:5; got {given!r}")
    one = _KNOWN[called]
    level = one.usual
    if has_level:
        level = int(said) if said.isdecimal() else one.highest + 1
        if not one.lowest <= level <= one.highest:
            raise ValueError(
                f"level of {called} must be a number from {one.lowest} to {one.highest}; got {said!r} for {name}"
            )
    if one.package is not None:
        require_package(f"{called} in {name}", one.package, "tiff")
    if called == "jpeg" and (dtype != np.uint8 or colours not in (1, 3)):
        held = f"{dtype}" if colours == 1 else f"{colours} colours of {dtype}"
        raise ValueError(
            f"jpeg must hold uint8, grey or red, green and blue; got {held} for {name}: choose deflate or zstd"
        )
    of_differences = called != "jpeg" and dtype.kind in "iu" and dtype.itemsize <= 4
    return Packing(one.name, {} if level is None else {"level": level}, of_differences)
