"""Files that are one source together: what a folder holds, or what a pattern matches, in natural order."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from vrdask.cores import mapped
from vrdask.sources.format import Format
from vrdask.sources.opening import is_damage, quiet, reason_of

OF_ZARR = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
"""Files of which a folder that is Zarr has one."""
MAGIC_BYTES = 132
THREADS = 4
"""That read headers: what a file system takes for each counts on a network."""

Header = TypeVar("Header")


def files_at(place: str, formats: Sequence[Format]) -> tuple[str, ...] | None:
    """The files that a pattern matches, or the images in a folder, in natural order; None where a place is neither.

    formats : of images, by whose names those in a folder are known, or by what they begin with, where that is rare.

    Raises
    ------
    FileNotFoundError
        A pattern matches nothing.
    ValueError
        It matches folders alone, or there are images of several formats in a folder.
    """
    if os.path.isdir(place):
        return _in_folder(place, formats)
    if not glob.has_magic(place) or os.path.lexists(place):
        return None
    found = sorted({os.path.normpath(one) for one in glob.glob(place, recursive=True)}, key=natural)
    files = tuple(one for one in found if os.path.isfile(one))
    if not found:
        raise FileNotFoundError(f"source must exist; got {place}, a pattern that matches no file")
    if not files:
        raise ValueError(f"source must be a pattern of files; got {place}, which matches the folder {found[0]}")
    return files


def _in_folder(place: str, formats: Sequence[Format]) -> tuple[str, ...] | None:
    if any(os.path.exists(os.path.join(place, name)) for name in OF_ZARR):
        return None
    with os.scandir(place) as entries:
        files = [entry.path for entry in entries if not entry.name.startswith(".") and entry.is_file()]
    by_format: dict[str, list[str]] = {}
    for file in files:
        form = _format_of(file, formats)
        if form is not None:
            by_format.setdefault(form.name, []).append(os.path.normpath(file))
    if len(by_format) > 1:
        there = ", ".join(f"{len(by_format[name])} {name}" for name in sorted(by_format))
        one = os.path.splitext(min(next(iter(by_format.values())), key=natural))[1]
        pattern = os.path.join(place, f"*{one}")
        raise ValueError(
            f"source must be a folder of images of one format; got {Path(place)} with {there}: "
            f"choose by a pattern, such as '{pattern}'"
        )
    return next((tuple(sorted(found, key=natural)) for found in by_format.values()), None)


def _format_of(file: str, formats: Sequence[Format]) -> Format | None:
    """By its name, or by what it begins with: DICOM's files seldom have a suffix."""
    named = next((one for one in formats if one.is_named(file)), None)
    if named is not None:
        return named
    begins = beginning(file)
    return next((one for one in formats if one.magic_at and one.begins(begins)), None)


def beginning(file: str | Path) -> bytes:
    """As much of a file as tells its format."""
    with open(file, "rb") as opened:
        return opened.read(MAGIC_BYTES)


def headers_of(files: Sequence[str], place: str, read: Callable[[str], Header], what: str) -> list[Header]:
    """What the headers of files say. place : by which they were found, which errors name beside the file.

    Raises
    ------
    ValueError
        One is damaged, or not understood.
    """

    def one(file: str) -> Header:
        try:
            with quiet():
                return read(file)
        except Exception as error:
            if not is_damage(error):
                raise
            said = str(error) if isinstance(error, ValueError) and " must " in str(error) else ""
            said = said or f"{what} must be whole and undamaged; got {file}: {reason_of(error)}"
            raise ValueError(said if place in said else f"{said}: of {place}") from error

    return mapped(one, files, THREADS, "vrdask-headers")


def natural(name: str) -> tuple[list[Any], str]:
    """The key of an order in which numbers count as such.

    >>> sorted(["a10.tif", "a9.tif", "b1.tif", "A1.tif"], key=natural)
    ['A1.tif', 'a9.tif', 'a10.tif', 'b1.tif']
    """
    parts: list[Any] = re.split(r"([0-9]+)", name.lower())
    parts[1::2] = map(int, parts[1::2])
    return parts, name


def left_out(files: Sequence[str]) -> str | None:
    """A line where the files are numbered, and a number is left out that their others would have.

    >>> left_out(["s08.tif", "s09.tif", "s10.tif"]), left_out(["a.tif", "b.tif"])
    (None, None)
    >>> left_out(["s1.tif", "s2.tif", "s4.tif", "s5.tif"])
    'numbers of files are left out: s2.tif is followed by s4.tif'
    """
    split = [natural(file)[0] for file in files]
    if len({len(parts) for parts in split}) > 1:
        return None
    differ = [k for k in range(len(split[0])) if len({parts[k] for parts in split}) > 1]
    if len(differ) != 1 or not differ[0] % 2:
        return None
    numbers = [parts[differ[0]] for parts in split]
    steps = [b - a for a, b in pairwise(numbers)]
    usual = min(steps)
    wide = next((k for k, step in enumerate(steps) if step > usual), None)
    return None if wide is None else f"numbers of files are left out: {files[wide]} is followed by {files[wide + 1]}"


def files_stamp(files: Sequence[str], **which: Any) -> Callable[[], Any]:
    """The stamp of many files: how many, and a digest of their names, sizes and times."""

    def stamp() -> dict[str, Any]:
        digest = hashlib.sha256()
        for file in files:
            stat = os.stat(file)
            digest.update(
                f"{os.path.abspath(file)}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode(errors="surrogateescape")
            )
        return {**which, "files": len(files), "digest": digest.hexdigest()}

    return stamp
