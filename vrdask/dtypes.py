"""Element types: which ones can be computed with, as which numbers, and in which of float32 and float64."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

DType = np.dtype[Any]

NAMES = ("uint8", "int8", "uint16", "int16", "float16", "float32", "int32", "uint32", "int64", "uint64", "float64")
"""Types that kernels know; a type's place is its code there."""
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


def in_native_order(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The samples in this machine's byte order: the array itself where they are."""
    return x if x.dtype in CODES else x.astype(native(x.dtype), copy=False)


def is_number(dtype: DType) -> bool:
    """Whether kernels know the type."""
    return native(dtype) in CODES


def is_bfloat16(dtype: DType) -> bool:
    """Whether it is the type of that name that ml_dtypes gives numpy."""
    return dtype.kind == "V" and dtype.name == "bfloat16"


REAL = f"{', '.join(NAMES)}, bool, bfloat16"
COMPLEX = "complex64, complex128"
"""The types that can be computed with, for people."""


@lru_cache(maxsize=128)
def stand_in(dtype: DType, result: bool = False) -> DType | None:
    """The type of the numbers that are computed with for samples of a type; None where there is none.

    The type itself where kernels know it. Parts of complex numbers; float32 for bfloat16; of bool 0 and 1, in a result
    a number above 0, which int8 rounds to half to even.
    """
    usual = native(dtype)
    if usual in CODES:
        return usual
    if usual.kind == "b":
        return np.dtype("int8" if result else "uint8")
    if usual.kind == "c" and usual.itemsize <= 16:
        return np.dtype(f"f{usual.itemsize // 2}")
    return np.dtype("float32") if is_bfloat16(usual) else None


def needs_float64(*dtypes: DType) -> bool:
    """Whether computing with these types takes float64; 8- and 16-bit types and float32 are computed in float32."""
    return any(stand_in(dtype) not in _EXACT_IN_FLOAT32 for dtype in dtypes)
