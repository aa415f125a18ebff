"""A numpy array, resampled as one box on all threads."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy.typing as npt

from vrdask import buffers
from vrdask.boxes import Box, shape_of, slices_of
from vrdask.compute.resample_box import apply
from vrdask.transforms.resampling import Resampling


@lru_cache(maxsize=64)
def _part(reads: Box, shape: tuple[int, ...]) -> tuple[slice, ...] | None:
    """Where a box lies in an array; None where it is all of it."""
    return None if shape_of(reads) == shape else slices_of(reads)


def resample_in_memory(resampling: Resampling, x: npt.NDArray[Any], num_threads: int) -> npt.NDArray[Any]:
    """The resampled array."""
    reads, writes = resampling.whole
    part = _part(reads, resampling.in_shape)
    return apply(resampling, x if part is None else x[part], reads, writes, num_threads, buffers.empty)
