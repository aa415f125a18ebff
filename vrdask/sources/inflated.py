"""What a gzip file holds, as a file that can be mapped.

The file is as long as was asked for, whatever gzip would go on to give: a few bytes of it can stand for any number.
(An index into the gzip file would save the temporary file, and would decompress the better part of the volume for each
box that is short along the last axis.)
"""

from __future__ import annotations

import gzip
import threading
import zlib
from functools import lru_cache
from typing import Any

from vrdask.sources import unpacked
from vrdask.sources.unpacked import Unpacked
from vrdask.storage.remote_file import file_at

MOST_PER_BYTE = 1032
"""Bytes that a byte of deflate can stand for: 258 for each two bits."""
PIECE_BYTES = 1 << 20
PACKED_BYTES = 4 << 20
"""That are read at a time."""
BYTES_TO_CHECKSUM = 64 << 20
"""What is decompressed beyond the end of the samples, and let go, to reach the checksum of the whole."""


def inflated(path: str, length: int, what: str, start: int = 0) -> Unpacked:
    """The first bytes of what a gzip file holds; the same file for all threads of a process.

    what : begins the message of an error, as in "a NIfTI source". start : where gzip, or zlib, begins in the file.

    Raises
    ------
    ValueError
        The gzip file is damaged, or holds fewer bytes.
    OSError
        There is no room for the temporary file.
    """
    stat = file_at(path).stat()
    with _one_at_a_time:
        return _inflated(path, length, what, start, stat.st_size, stat.st_mtime_ns)


_one_at_a_time = threading.Lock()


@lru_cache(maxsize=4)
def _inflated(path: str, length: int, what: str, start: int, size: int, modified: Any) -> Unpacked:
    try:
        return Unpacked(f"decompressing {path}", length, lambda file: _inflate(path, length, file, start))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{what} must be a whole gzip file; got {path}: {error}") from None


def _inflate(path: str, length: int, to: Any, start: int) -> None:
    with file_at(path).open("rb", buffering=PACKED_BYTES) as file:
        file.seek(start)
        begins = file.read(2)
        file.seek(start)
        is_zlib = len(begins) == 2 and begins[0] & 15 == 8 and not int.from_bytes(begins, "big") % 31
        packed: Any = _Zlib(file) if is_zlib else gzip.GzipFile(fileobj=file)
        left = length
        while left:
            piece = packed.read(min(left, PIECE_BYTES))
            if not piece:
                raise EOFError(f"it holds {length - left} of the {length} bytes that its header says: it is truncated")
            unpacked.write(to, piece)
            left -= len(piece)
        beyond = 0
        while beyond < BYTES_TO_CHECKSUM and (piece := packed.read(PIECE_BYTES)):
            beyond += len(piece)


class _Zlib:
    """A stream of zlib, as MetaImage has it, that is read piece by piece."""

    def __init__(self, file: Any) -> None:
        self._file, self._decoder = file, zlib.decompressobj()

    def read(self, most: int) -> bytes:
        while not self._decoder.eof:
            packed = self._decoder.unconsumed_tail or self._file.read(PIECE_BYTES)
            piece = self._decoder.decompress(packed, most)
            if not packed and not piece:
                raise EOFError("it is truncated")
            if piece:
                return piece
        return b""
