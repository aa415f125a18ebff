"""A numpy array, resampled as one box on all threads."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy.typing as npt

from vrdask import buffers
from vrdask.boxes import slices_of
from vrdask.compute.resample_box import apply
from vrdask.transforms.resampling import Resampling

_slices_of = lru_cache(maxsize=64)(slices_of)


def resample_in_memory(resampling: Resampling, x: npt.NDArray[Any], num_threads: int) -> npt.NDArray[Any]:
    """The resampled array."""
    reads, writes = resampling.whole
    return apply(resampling, x[_slices_of(reads)], reads, writes, num_threads, buffers.empty)
