"""The beginning of a zstd frame, decoded that far and no further.

numcodecs decodes whole frames. The library inside it can stop anywhere, but has no Python face for that: its functions
are called where the extension module exports them, as on Linux. Elsewhere callers decode the whole.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt


class _Buffer(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer."""

    _fields_ = (("start", ctypes.c_void_p), ("size", ctypes.c_size_t), ("at", ctypes.c_size_t))


@cache
def _library() -> Any | None:
    try:
        import numcodecs.zstd

        zstd = ctypes.CDLL(numcodecs.zstd.__file__)
        zstd.ZSTD_createDStream.restype = ctypes.c_void_p
        zstd.ZSTD_createDStream.argtypes = ()
        zstd.ZSTD_freeDStream.argtypes = (ctypes.c_void_p,)
        zstd.ZSTD_decompressStream.restype = ctypes.c_size_t
        zstd.ZSTD_decompressStream.argtypes = (ctypes.c_void_p, ctypes.POINTER(_Buffer), ctypes.POINTER(_Buffer))
        zstd.ZSTD_isError.restype = ctypes.c_uint
        zstd.ZSTD_isError.argtypes = (ctypes.c_size_t,)
    except (ImportError, OSError, AttributeError):
        return None
    return zstd


def is_available() -> bool:
    """Whether the library's functions can be called."""
    return _library() is not None


def decode_beginning(stored: bytes | memoryview, out: npt.NDArray[np.uint8]) -> None:
    """Fill `out`, contiguous, with the first bytes of what `stored` decodes to.

    Raises
    ------
    ValueError
        It is no zstd frame, or holds fewer bytes.
    """
    zstd = _library()
    assert zstd is not None
    data = np.frombuffer(stored, np.uint8)
    given = _Buffer(data.ctypes.data, data.nbytes, 0)
    made = _Buffer(out.ctypes.data, out.nbytes, 0)
    stream = zstd.ZSTD_createDStream()
    if not stream:
        raise MemoryError("no memory to decode a chunk")
    try:
        while made.at < made.size:
            before = given.at, made.at
            code = zstd.ZSTD_decompressStream(stream, ctypes.byref(made), ctypes.byref(given))
            if zstd.ZSTD_isError(code) or (given.at, made.at) == before:
                raise ValueError(f"a chunk must be a zstd frame of at least {out.nbytes} bytes; got {made.at}")
    finally:
        zstd.ZSTD_freeDStream(stream)
