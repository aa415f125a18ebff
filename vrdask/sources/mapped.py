"""An uncompressed array inside a file, memory-mapped box by box.

Each box is read through a mapping of its own, which ends with the box: the pages that a run has touched do not pile up
in its memory, and there is no open file to send to another process.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import DType, native


@dataclass(frozen=True)
class MappedArray:
    """`stored` is the type in the file's byte order; `order` is "C" or "F": whether the last or the first axis is
    contiguous.
    """

    path: str
    shape: tuple[int, ...]
    stored: DType
    offset: int
    order: Literal["C", "F"] = "C"

    chunks = None

    @property
    def dtype(self) -> DType:
        return native(self.stored)

    @property
    def stop(self) -> int:
        """Where the samples end in the file."""
        return self.offset + prod(self.shape) * self.stored.itemsize

    def __getitem__(self, box: tuple[slice, ...], /) -> npt.NDArray[Any]:
        if 0 in self.shape:  # which cannot be mapped
            return np.empty(self.shape, self.dtype)[box]
        whole = np.memmap(self.path, self.stored, "r", self.offset, self.shape, self.order)
        return whole[box].astype(self.dtype, copy=False)


def require_whole(array: MappedArray, what: str) -> None:
    """Refuse a file that ends before its samples do."""
    size = Path(array.path).stat().st_size
    if size < array.stop:
        raise ValueError(f"{what} must hold all its samples, {array.stop} bytes; got {size}: {array.path} is truncated")
