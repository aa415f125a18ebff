"""Memory of large arrays and of intermediates, kept for the next ones.

The operating system hands out large arrays page by page, zeroed, and takes them back when they are freed: for a result
of 100 MB that costs more than computing it, and twice as much for chunks on their way. So the memory of a large array
that nobody holds any more is kept and given to the next array that it fits. An array that is still in use, or any view
of it, is never touched.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import DType

Empty = Callable[[tuple[int, ...], DType], npt.NDArray[Any]]
"""A maker of arrays with any content, as `numpy.empty` is."""
WORKSPACE_BYTES = 16 << 20
"""A thread keeps no larger workspaces than this."""
CACHE_LINE = 64

_workspaces = threading.local()


class Pool:
    """Memory that is lent to arrays.

    large : arrays of fewer bytes are the C library's business: it keeps them itself.
    kept : at most so many bytes are kept in all; larger arrays are the operating system's. New memory takes the place
        of what is kept where it would pass this number together with what is lent.
    slack : how many times larger than needed kept memory may be.
    """

    def __init__(self, large: int, kept: int, slack: float = 1.25) -> None:
        self._large, self._most, self._slack = large, kept, slack
        self._kept: list[npt.NDArray[np.uint8]] = []
        self._kept_bytes = self._lent = 0
        self._mutex = threading.RLock()  # an array may be freed while this very thread takes one

    def after_fork(self) -> None:
        """In a forked child, where the thread that held the lock may be gone."""
        self._mutex = threading.RLock()

    def empty(self, shape: tuple[int, ...], dtype: DType) -> npt.NDArray[Any]:
        """`numpy.empty`, from kept memory where there is some."""
        size = prod(shape) * dtype.itemsize
        if size < self._large or size > self._most or dtype.hasobject:
            return np.empty(shape, dtype)
        memory = self._take(size)
        if memory is None:
            memory = aligned(size)
        with self._mutex:
            self._lent += memory.nbytes
        return np.asarray(_Loan(self, memory, size)).view(dtype).reshape(shape)

    def _take(self, size: int) -> npt.NDArray[np.uint8] | None:
        with self._mutex:
            kept = self._kept
            for k in reversed(range(len(kept))):  # the latest: it may still be in the processor's cache
                if kept[k].nbytes == size:
                    return self._taken(k)
            fitting = [k for k, memory in enumerate(kept) if size <= memory.nbytes <= self._slack * size]
            if fitting:
                return self._taken(min(reversed(fitting), key=lambda k: kept[k].nbytes))
            # what is a little too small makes room: the new memory will serve in its place
            for k in reversed(range(len(kept))):
                if size <= self._slack * kept[k].nbytes < self._slack * size:
                    self._taken(k)
            while kept and self._lent + self._kept_bytes + size > self._most:
                self._taken(0)
            return None

    def keep(self, memory: npt.NDArray[np.uint8]) -> None:
        """Take memory back that nobody holds any more."""
        with self._mutex:
            self._lent -= memory.nbytes
            self._kept.append(memory)
            self._kept_bytes += memory.nbytes
            while self._kept_bytes > self._most:
                self._taken(0)

    def _taken(self, k: int) -> npt.NDArray[np.uint8]:
        memory = self._kept.pop(k)
        self._kept_bytes -= memory.nbytes
        return memory


def workspace(name: str, size: int) -> npt.NDArray[np.uint8]:
    """`size` bytes for the calling thread's intermediates: from the same memory at each call with this name."""
    if size > WORKSPACE_BYTES:
        return aligned(size)
    kept: npt.NDArray[np.uint8] | None = getattr(_workspaces, name, None)
    if kept is None or kept.nbytes < size:
        kept = None
        _workspaces.__dict__.pop(name, None)  # before there is a larger one
        kept = aligned(size)
        setattr(_workspaces, name, kept)
    return kept[:size]


def aligned(size: int) -> npt.NDArray[np.uint8]:
    """Fresh bytes from the beginning of a cache line on: a register's load or store then touches one line, not two."""
    memory = np.empty(size + CACHE_LINE, np.uint8)
    start = -memory.__array_interface__["data"][0] % CACHE_LINE
    return memory[start : start + size]


class OneAtATime:
    """A maker of arrays of which one is used at a time: each has the memory of the one before, where that fits.

    empty : makes that memory.
    """

    def __init__(self, empty: Empty) -> None:
        self._empty = empty
        self._latest: npt.NDArray[Any] | None = None

    def __call__(self, shape: tuple[int, ...], dtype: DType) -> npt.NDArray[Any]:
        latest = self._latest
        if latest is None or latest.shape != shape or latest.dtype != dtype:
            self._latest = latest = None  # before there is another
            self._latest = latest = self._empty(shape, dtype)
        return latest


class _Loan:
    """The base of a lent array: gives the memory back when the last view of it is gone."""

    __slots__ = ("__array_interface__", "_memory", "_pool")

    def __init__(self, pool: Pool, memory: npt.NDArray[np.uint8], size: int) -> None:
        self._pool, self._memory = pool, memory
        self.__array_interface__ = {**memory.__array_interface__, "shape": (size,), "strides": None}

    def __del__(self) -> None:
        self._pool.keep(self._memory)


_results = Pool(large=8 << 20, kept=512 << 20)
empty = _results.empty
"""`numpy.empty` for results that a caller gets."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_results.after_fork)
