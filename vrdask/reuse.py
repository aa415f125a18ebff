"""Memory of large results and of intermediates, kept for the next ones.

The operating system hands out large arrays page by page, zeroed, and takes them back when they are freed: for a result
of 100 MB that costs more than computing it. So the memory of a large result that nobody holds any more is kept, at most
`KEPT_BYTES` in all, and given to the next result that it fits. A result that is still in use, or any view of it, is
never touched.
"""

from __future__ import annotations

import threading
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import DType

LARGE_BYTES = 8 << 20
"""Smaller arrays are the C library's business: it keeps them itself."""
KEPT_BYTES = 512 << 20
WORKSPACE_BYTES = 16 << 20
"""A thread keeps no larger workspaces than this."""
SLACK = 1.25
"""How much larger than needed kept memory may be."""

_kept: list[npt.NDArray[np.uint8]] = []
_mutex = threading.RLock()
_workspaces = threading.local()


class _Loan:
    """The base of a result: gives the memory back when the last view of the result is gone."""

    __slots__ = ("__array_interface__", "_memory")

    def __init__(self, memory: npt.NDArray[np.uint8], size: int) -> None:
        self._memory = memory
        self.__array_interface__ = {**memory.__array_interface__, "shape": (size,), "strides": None}

    def __del__(self) -> None:
        if _keep is not None:  # else the interpreter is shutting down
            _keep(self._memory)


def empty(shape: tuple[int, ...], dtype: DType) -> npt.NDArray[Any]:
    """`numpy.empty`, from kept memory where there is some."""
    size = prod(shape) * dtype.itemsize
    if size < LARGE_BYTES or size > KEPT_BYTES:
        return np.empty(shape, dtype)
    memory = _take(size)
    if memory is None:
        memory = np.empty(size, np.uint8)
    return np.asarray(_Loan(memory, size)).view(dtype).reshape(shape)


def workspace(name: str, size: int) -> npt.NDArray[np.uint8]:
    """At least `size` bytes for the calling thread's intermediates: the same memory at each call with this name."""
    if size > WORKSPACE_BYTES:
        return np.empty(size, np.uint8)
    kept: npt.NDArray[np.uint8] | None = getattr(_workspaces, name, None)
    if kept is None or kept.nbytes < size:
        kept = np.empty(size, np.uint8)
        setattr(_workspaces, name, kept)
    return kept


def _take(size: int) -> npt.NDArray[np.uint8] | None:
    with _mutex:
        fitting = [number for number, memory in enumerate(_kept) if size <= memory.nbytes <= SLACK * size]
        if fitting:
            return _kept.pop(fitting[-1])
        _kept.clear()  # another size is wanted now
        return None


def _keep(memory: npt.NDArray[np.uint8]) -> None:
    with _mutex:
        _kept.append(memory)
        while sum(kept.nbytes for kept in _kept) > KEPT_BYTES:
            del _kept[0]
