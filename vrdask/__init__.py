"""Resample arrays larger than memory, chunk by chunk, with exactly the bits that resampling the whole array would give.

    resample(x, shape, mode)                numpy, dask and zarr arrays
    grid_sample(input, grid, mode)          the same arrays at any positions
    affine_transform(x, matrix, offset)     rotated, sheared, shifted
    downsample(x, factors, mode)            whole blocks: mean, majority, median, min, max, stride
    resample_zarr(source, target, shape)    Zarr to Zarr, with bounded memory
    write_pyramid(source, target)           an OME-Zarr image with all its levels, of one read
    downsample_zarr(source, target, factors)  blocks, likewise
    affine_zarr(source, target, matrix)     the same through an affine map
    plan_resample(in_shape, out_shape)      what each output chunk reads, before anything runs
    open(place)                             what is at a place, and what is known of its axes

Names are imported when first used, so that planning needs neither dask nor zarr nor the compiled kernels.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vrdask.api.affine_transform import affine_transform as affine_transform
    from vrdask.api.affine_zarr import affine_zarr as affine_zarr
    from vrdask.api.downsample import downsample as downsample
    from vrdask.api.downsample_zarr import downsample_zarr as downsample_zarr
    from vrdask.api.grid_sample import grid_sample as grid_sample
    from vrdask.api.open import open as open  # noqa: A004 (as zarr.open)
    from vrdask.api.resample import resample as resample
    from vrdask.api.resample_zarr import resample_zarr as resample_zarr
    from vrdask.api.write_pyramid import write_pyramid as write_pyramid
    from vrdask.compute.threads import get_num_threads as get_num_threads
    from vrdask.compute.threads import set_num_threads as set_num_threads
    from vrdask.planning.plan import ResamplePlan as ResamplePlan
    from vrdask.planning.plan import plan_resample as plan_resample

__version__ = "0.1.0"

_HOMES = {
    "resample": "vrdask.api.resample",
    "grid_sample": "vrdask.api.grid_sample",
    "affine_transform": "vrdask.api.affine_transform",
    "affine_zarr": "vrdask.api.affine_zarr",
    "downsample": "vrdask.api.downsample",
    "downsample_zarr": "vrdask.api.downsample_zarr",
    "resample_zarr": "vrdask.api.resample_zarr",
    "open": "vrdask.api.open",
    "write_pyramid": "vrdask.api.write_pyramid",
    "plan_resample": "vrdask.planning.plan",
    "ResamplePlan": "vrdask.planning.plan",
    "set_num_threads": "vrdask.compute.threads",
    "get_num_threads": "vrdask.compute.threads",
}

__all__ = [
    "ResamplePlan",
    "__version__",
    "affine_transform",
    "affine_zarr",
    "downsample",
    "downsample_zarr",
    "get_num_threads",
    "grid_sample",
    "open",
    "plan_resample",
    "resample",
    "resample_zarr",
    "set_num_threads",
    "write_pyramid",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'vrdask' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


class _WithXarray:
    """Gives xarray the accessor ``x.vrdask`` when it is imported after this."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "xarray":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            execute = spec.loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                import_module("vrdask.api.accessor")

            spec.loader.exec_module = execute_and_register  # type: ignore[method-assign]
        return spec


if "xarray" in sys.modules:
    import_module("vrdask.api.accessor")
else:
    sys.meta_path.insert(0, _WithXarray())
