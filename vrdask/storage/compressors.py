"""Compressors by name: "zstd:5" for people and command lines, codecs for zarr."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class _Named:
    """A codec of a level; what it is made by, its usual level, and the lowest and highest."""

    make: Callable[[int], Any]
    usual: int
    lowest: int
    highest: int


_KNOWN = {
    "zstd": _Named(lambda level: _codecs().ZstdCodec(level=level), 0, -7, 22),
    "blosc": _Named(lambda level: _codecs().BloscCodec(cname="zstd", clevel=level), 5, 0, 9),
    "gzip": _Named(lambda level: _codecs().GzipCodec(level=level), 5, 0, 9),
    # every reader of Zarr 3 knows blosc; lz4 by itself is an extension that many do not
    "lz4": _Named(lambda level: _codecs().BloscCodec(cname="lz4", clevel=level), 5, 0, 9),
}


def _codecs() -> Any:
    """zarr's, which take longer to import than to name."""
    from zarr import codecs

    return codecs


def compressors(given: Any, default: Any) -> Any:
    """What `zarr.create_array` takes: from a name with a level or without ("zstd:5"), "none", "auto" for the default,
    or what it takes already.

    Raises
    ------
    ValueError
        An unknown name or level; says which there are.

    Examples
    --------
    >>> compressors("gzip:3", None)
    GzipCodec(level=3)
    >>> compressors("none", "auto") is None
    True
    """
    if not isinstance(given, str):
        return given
    if given == "auto":
        return default
    if given == "none":
        return None
    name, has_level, level = given.partition(":")
    if name not in _KNOWN:
        known = ", ".join([*_KNOWN, "none", "auto"])
        raise ValueError(f"compressors must be one of {known}, with a level as in zstd:5; got {given!r}")
    codec = _KNOWN[name]
    try:
        number = int(level) if has_level else codec.usual
    except ValueError:
        number = codec.highest + 1
    if not codec.lowest <= number <= codec.highest:
        raise ValueError(f"level of {name} must be a number from {codec.lowest} to {codec.highest}; got {level!r}")
    return codec.make(number)


def of_zarr_2(given: Any) -> Any:
    """The same for an array of Zarr 2: codecs of Zarr 3 as numcodecs has them."""
    if given is None or isinstance(given, str):
        return given
    found = [_of_zarr_2(one) for one in (given if isinstance(given, list | tuple) else (given,))]
    return found or None


def _of_zarr_2(codec: Any) -> Any:
    import numcodecs
    from zarr.codecs import BloscCodec, GzipCodec, ZstdCodec

    if not isinstance(codec, ZstdCodec | BloscCodec | GzipCodec):
        return codec
    options: Any = codec.to_dict()["configuration"]
    if isinstance(codec, ZstdCodec):
        return numcodecs.Zstd(level=options["level"])
    if isinstance(codec, GzipCodec):
        return numcodecs.GZip(level=options["level"])
    return numcodecs.Blosc(cname=options["cname"], clevel=options["clevel"], shuffle=numcodecs.Blosc.SHUFFLE)
