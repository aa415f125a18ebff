"""Resample arrays larger than memory, chunk by chunk, with exactly the bits that resampling the whole array would give.

    resample(x, shape, mode)                numpy, dask and zarr arrays
    grid_sample(input, grid, mode)          the same arrays at any positions
    affine_transform(x, matrix, offset)     rotated, sheared, shifted
    resample_zarr(source, target, shape)    Zarr to Zarr, with bounded memory
    affine_zarr(source, target, matrix)     the same through an affine map
    plan_resample(in_shape, out_shape)      what each output chunk reads, before anything runs

Names are imported when first used, so that planning needs neither dask nor zarr nor the compiled kernels.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vrdask.affines import affine_transform as affine_transform
    from vrdask.api import resample as resample
    from vrdask.executors.affine_to_zarr import affine_zarr as affine_zarr
    from vrdask.executors.zarr_to_zarr import resample_zarr as resample_zarr
    from vrdask.grids import grid_sample as grid_sample
    from vrdask.plan import ResamplePlan as ResamplePlan
    from vrdask.plan import plan_resample as plan_resample
    from vrdask.threads import get_num_threads as get_num_threads
    from vrdask.threads import set_num_threads as set_num_threads

__version__ = "0.1.0"

_HOMES = {
    "resample": "vrdask.api",
    "grid_sample": "vrdask.grids",
    "affine_transform": "vrdask.affines",
    "affine_zarr": "vrdask.executors.affine_to_zarr",
    "resample_zarr": "vrdask.executors.zarr_to_zarr",
    "plan_resample": "vrdask.plan",
    "ResamplePlan": "vrdask.plan",
    "set_num_threads": "vrdask.threads",
    "get_num_threads": "vrdask.threads",
}

__all__ = [
    "ResamplePlan",
    "__version__",
    "affine_transform",
    "affine_zarr",
    "get_num_threads",
    "grid_sample",
    "plan_resample",
    "resample",
    "resample_zarr",
    "set_num_threads",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'vrdask' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
