"""Compressed bytes to samples, with all that they say of themselves held against what the array says.

Codecs decode what they are given: half of the samples, a frame that was cut off where its blocks end, more than one.
Into memory that is there already that leaves a part of it as it was. So here a chunk must decode to exactly its size,
from exactly the bytes that are stored.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

Bytes = npt.NDArray[np.uint8]
Stored = bytes | memoryview

BLOSC_HEADER = 16
_WINDOW_BITS = {"zlib": 15, "gzip": 31}
"""Of zlib's functions, for a stream with zlib's header and checksum, or gzip's."""


def decode(compressor: Any, stored: Stored, out: Bytes) -> None:
    """Fill `out`, contiguous, with what a chunk decodes to.

    compressor : numcodecs' Zstd or Blosc.

    Raises
    ------
    ValueError, RuntimeError
        The chunk is damaged, or holds more or less.
    """
    if compressor.codec_id == "blosc":
        _require_blosc(stored, out.nbytes)
    elif _size_of(stored) != out.nbytes:  # it does not say, or consists of several frames
        _decode_frames(stored, out)
        return
    compressor.decode(stored, out=out)


def is_of_form(stored: Stored, size: int, has_checksum: bool) -> bool:
    """Whether a zstd frame says that it holds so many bytes, and has a checksum, or none.

    Raises
    ------
    zstandard.ZstdError
        It is no zstd frame.
    """
    frame = zstandard.get_frame_parameters(_beginning_of(stored))
    return bool(frame.content_size == size and frame.has_checksum == has_checksum)


def decode_beginning(stored: Stored, out: Bytes, whole: int) -> bool:
    """Fill `out`, contiguous, with the first bytes of what a zstd frame decodes to. whole : bytes that the chunk has.

    False where that cannot be done: what checks the frame stands at its end, or it does not say that it is the chunk.

    Raises
    ------
    ValueError
        It is no zstd frame, or holds fewer bytes.
    """
    try:
        if not is_of_form(stored, whole, has_checksum=False):
            return False
        with zstandard.ZstdDecompressor().stream_reader(stored) as reader:
            found = _read(reader, out)
    except zstandard.ZstdError as error:
        raise ValueError(f"a chunk must be a zstd frame of {whole} bytes; {error}") from None
    if found < out.nbytes:
        raise ValueError(f"a chunk must be a zstd frame of {whole} bytes; it ends after {found}: it is cut off")
    return True


def inflate(kind: str, stored: Stored, size: int) -> bytes:
    """What a chunk decodes to: a stream of zlib's, or gzip's members one after the other. kind : "zlib" or "gzip".

    Raises
    ------
    ValueError
        The chunk is damaged, or does not decode to `size` bytes.
    """
    parts, missing, rest = [], size, memoryview(stored)
    while True:
        stream = zlib.decompressobj(_WINDOW_BITS[kind])
        try:
            # one byte more than there may be tells of a chunk that is too large, and never makes it
            parts.append(stream.decompress(rest, missing + 1))
        except zlib.error as error:
            raise ValueError(f"a chunk must be a whole stream of {kind}: {error}") from None
        missing -= len(parts[-1])
        if missing < 0:
            raise ValueError(f"a chunk must hold {size} bytes; got more")
        if not stream.eof:
            raise ValueError(f"a chunk must be a whole stream of {kind}; it ends early: it is cut off")
        if not stream.unused_data or kind == "zlib":
            break
        rest = rest[len(rest) - len(stream.unused_data) :]
    if missing or stream.unused_data:
        raise ValueError(f"a chunk must hold {size} bytes and nothing else; got {size - missing}")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _require_blosc(stored: Stored, size: int) -> None:
    """Refuse a frame that says it has other sizes; Blosc believes it, and reads beyond the end of one cut off."""
    if len(stored) < BLOSC_HEADER:
        raise ValueError(f"a chunk must be a Blosc frame of at least {BLOSC_HEADER} bytes; got {len(stored)}")
    decoded, encoded = (int.from_bytes(stored[at : at + 4], "little") for at in (4, 12))
    if encoded != len(stored):
        raise ValueError(f"a chunk must be a Blosc frame of {encoded} bytes, as it says; got {len(stored)}")
    if decoded != size:
        raise ValueError(f"a chunk must hold {size} bytes; got a Blosc frame of {decoded}")


def _beginning_of(stored: Stored) -> bytes:
    return bytes(stored[:32])  # headers have at most 18 bytes


def _size_of(stored: Stored) -> int:
    """The decoded bytes of the first zstd frame; -1 where it does not say."""
    try:
        return zstandard.frame_content_size(_beginning_of(stored))
    except zstandard.ZstdError as error:
        raise ValueError(f"a chunk must be a zstd frame: {error}") from None


def _decode_frames(stored: Stored, out: Bytes) -> None:
    """Fill `out` from zstd frames that follow each other."""
    try:
        with zstandard.ZstdDecompressor().stream_reader(stored, read_across_frames=True) as reader:
            found = _read(reader, out)
            found += len(reader.read(1))
    except zstandard.ZstdError as error:
        raise ValueError(f"a chunk must consist of zstd frames: {error}") from None
    if found != out.nbytes:
        raise ValueError(f"a chunk must hold {out.nbytes} bytes; got {'more' if found > out.nbytes else found}")


def _read(reader: Any, out: Bytes) -> int:
    """Read up to the end of `out` or of the stream; how much there was."""
    found = 0
    while found < out.nbytes and (more := reader.readinto(out[found:])):
        found += more
    return found
