"""Zarr's "crc32c" codec: four bytes that follow what they are the checksum of."""

from __future__ import annotations

from collections.abc import Iterable

import google_crc32c
import numpy as np

CHECKSUM_BYTES = 4


def crc32c(data: bytes | memoryview) -> bytes:
    """The checksum as it is stored.

    >>> crc32c(b"123456789").hex()  # the check value of RFC 3720, its last byte first
    '839206e3'
    """
    value: int = google_crc32c.value(np.frombuffer(data, np.uint8))
    return value.to_bytes(CHECKSUM_BYTES, "little")


def crc32c_of(pieces: Iterable[bytes | memoryview]) -> int:
    """The checksum of bytes that come in pieces, as a number.

    >>> crc32c_of([b"1234", b"56789"]) == int.from_bytes(crc32c(b"123456789"), "little")
    True
    """
    value = 0
    for piece in pieces:
        value = google_crc32c.extend(value, np.frombuffer(piece, np.uint8))
    return value


def checked(stored: bytes | memoryview) -> memoryview:
    """What stands before a checksum.

    Raises
    ------
    ValueError
        It is not what the checksum was made of.
    """
    data, stated = memoryview(stored)[:-CHECKSUM_BYTES], bytes(memoryview(stored)[-CHECKSUM_BYTES:])
    if (found := crc32c(data)) != stated:
        raise ValueError(f"its crc32c must be {stated.hex()}, as stored with it; got {found.hex()}")
    return data
