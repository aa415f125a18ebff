"""A checked transform of what reads axis by axis, made of an array: at once in memory, or as a lazy dask array."""

from __future__ import annotations

from math import prod
from typing import Any

from vrdask import buffers
from vrdask.api.in_memory import resample_in_memory
from vrdask.compute import threads
from vrdask.compute.box import compute_box
from vrdask.lazy.arrays import is_dask_array
from vrdask.transforms.blocks import Blocks
from vrdask.transforms.resampling import Resampling


def made(what: Resampling | Blocks, x: Any, lazily: bool, chunks: Any, num_threads: int | None) -> Any:
    """The result for an array that has been taken. lazily : as `taken` says."""
    if not lazily:
        if chunks is not None:
            done = f"{what.label.partition('-')[0]}d"
            raise ValueError(f"chunks must be None for a numpy array, which is {done} at once; got {chunks!r}")
        count = threads.resolve(num_threads, max(x.size, prod(what.out_shape)) if num_threads is None else None)
        if isinstance(what, Resampling):
            return resample_in_memory(what, x, count)
        return compute_box(what, x, *what.whole, count, buffers.empty)
    from vrdask.lazy import resample as lazy

    task_threads = 1 if num_threads is None else threads.resolve(num_threads)
    make = lazy.resample_dask if is_dask_array(x) else lazy.resample_stored
    return make(what, x, chunks, task_threads)
