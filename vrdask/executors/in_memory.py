"""A numpy array, resampled as one box on all threads."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from vrdask import reuse
from vrdask.apply import apply
from vrdask.resampling import Resampling


def resample_in_memory(what: Resampling, x: npt.NDArray[Any], num_threads: int) -> npt.NDArray[Any]:
    """The resampled array."""
    return apply(what, x, *what.whole, num_threads, reuse.empty)
