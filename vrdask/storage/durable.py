"""Data that have reached the disk: what a run records as done must outlive a loss of power, as must what it removes.

A store on a file system of this machine is asked to; other stores have kept what they have acknowledged.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from vrdask.cores import mapped
from vrdask.storage import objects
from vrdask.storage.checksums import crc32c_of

if TYPE_CHECKING:
    from zarr.storage import StorePath

VARIABLE = "VRDASK_SYNC"
THREADS = 4
"""A journal takes what several threads wait for in one go."""
PIECE_BYTES = 4 << 20


def wanted() -> bool:
    """Whether runs wait for the disk: yes, unless the environment says ``VRDASK_SYNC=0``."""
    return os.environ.get(VARIABLE, "1") != "0"


def put(at: StorePath, value: bytes) -> None:
    """Write an object; on a local file system it has reached the disk when this returns."""
    objects.put(at, value)
    path = objects.local_folder(at)
    if path is not None:
        sync_files([path], path.parent)


def sync_files(paths: Sequence[Path], top: Path) -> None:
    """Wait until files are on the disk, and the folders that lead to them, from the one that holds `top` on. What does
    not exist is passed over.
    """
    mapped(_sync, paths, THREADS, "vrdask-sync")
    folders = {top, top.parent}
    for folder in {path.parent for path in paths}:
        while folder not in folders and top in folder.parents:
            folders.add(folder)
            folder = folder.parent
    for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Wait until a folder's entries are on the disk, where that can be had: not on Windows, nor on some networks."""
    if os.name != "nt":
        with suppress(OSError):
            _sync(folder)


def _sync(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def checksum(path: Path) -> int:
    """The crc32c of a file, which is read piece by piece."""

    def pieces() -> Iterator[bytes]:
        with path.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    return crc32c_of(pieces())


def known(paths: Iterable[Path]) -> list[tuple[int, int] | None]:
    """Size and crc32c of each file; None for one that does not exist."""
    return [(path.stat().st_size, checksum(path)) if path.is_file() else None for path in paths]
