"""Results of a function kept for its next calls, as many as a number of bytes allows."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")

KEPT_BYTES = 4 << 20
"""Of the tables of one kind that a process keeps."""
KEPT_ROW_BYTES = 16 << 20
"""Of the tables of rows of integer filters: those of all stored chunks along an axis, of a slide."""


class Kept(Generic[Result]):
    """`make`, whose latest results are kept as long as they take no more than `most_bytes` together.

    size : bytes of a result.
    """

    def __init__(
        self, make: Callable[..., Result], size: Callable[[Result], int], most_bytes: int = KEPT_BYTES
    ) -> None:
        self._make, self._size, self._most = make, size, most_bytes
        self._results: OrderedDict[Hashable, tuple[Result, int]] = OrderedDict()
        self._bytes = 0
        self._mutex = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def __call__(self, *args: Any) -> Result:
        with self._mutex:
            found = self._results.get(args)
            if found is not None:
                self._results.move_to_end(args)
                return found[0]
        result = self._make(*args)
        size = self._size(result)
        with self._mutex:
            if size <= self._most and args not in self._results:
                self._results[args] = result, size
                self._bytes += size
                while self._bytes > self._most:
                    self._bytes -= self._results.popitem(last=False)[1][1]
        return result

    def cache_clear(self) -> None:
        """Keep nothing of what has been made."""
        with self._mutex:
            self._results.clear()
            self._bytes = 0

    def _after_fork(self) -> None:
        """In a forked child, where the thread that held the lock may be gone."""
        self._mutex = threading.Lock()
        self._results, self._bytes = OrderedDict(), 0


def table_bytes(tables: Any) -> int:
    """Of the arrays in tables, which may lie in dictionaries and sequences.

    >>> import numpy as np
    >>> table_bytes([{"kind": "row", "tables": {"start": np.zeros(3, "i8")}}])
    24
    """
    if isinstance(tables, dict):
        return sum(map(table_bytes, tables.values()))
    if isinstance(tables, list | tuple):
        return sum(map(table_bytes, tables))
    return int(getattr(tables, "nbytes", 0))
