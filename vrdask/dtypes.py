"""Element types: which ones each mode takes, and in which of float32 and float64 it computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

DType = np.dtype[Any]

NAMES = ("uint8", "int8", "uint16", "int16", "float16", "float32", "int32", "uint32", "int64", "uint64", "float64")
"""Types that can be computed with; a type's place is its code in the kernels."""
CODES = {np.dtype(name): code for code, name in enumerate(NAMES)}
_EXACT_IN_FLOAT32 = frozenset(np.dtype(name) for name in NAMES[:6])


def plain(dtype: npt.DTypeLike) -> DType:
    """The type by its usual name: of C's types that are equally long (long and long long; on some machines double and
    long double) the one that Zarr knows.

    >>> plain("q").char == np.dtype("int64").char
    True
    """
    given = np.dtype(dtype)
    return np.dtype(given.str) if given.kind in "biufc" else given


def native(dtype: npt.DTypeLike) -> DType:
    """The type by its usual name, in this machine's byte order."""
    return plain(dtype).newbyteorder("=")


def is_number(dtype: DType) -> bool:
    return native(dtype) in CODES


def needs_float64(*dtypes: DType) -> bool:
    """Whether computing with these types takes float64; 8- and 16-bit types and float32 are computed in float32."""
    return any(native(dtype) not in _EXACT_IN_FLOAT32 for dtype in dtypes)
