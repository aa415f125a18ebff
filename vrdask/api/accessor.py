"""``x.vrdask``: the functions for labelled arrays, as methods of xarray's DataArray and Dataset.

Importing this registers it. `import vrdask` does so as soon as xarray is there, and does not import xarray.
"""

from __future__ import annotations

from typing import Any

import xarray

from vrdask.api.affine_transform import affine_transform
from vrdask.api.downsample import downsample
from vrdask.api.resample import resample
from vrdask.api.resample_zarr import resample_zarr


@xarray.register_dataset_accessor("vrdask")  # type: ignore[no-untyped-call, unused-ignore]
class OfDataset:
    """vrdask's functions of a Dataset's variables."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def resample(self, shape: Any = None, mode: str = "linear", align_corners: bool = False, **options: Any) -> Any:
        """`vrdask.resample` of each variable."""
        return resample(self._dataset, shape, mode, align_corners, **options)

    def downsample(self, factors: Any, mode: str = "mean", **options: Any) -> Any:
        """`vrdask.downsample` of each variable."""
        return downsample(self._dataset, factors, mode, **options)


@xarray.register_dataarray_accessor("vrdask")  # type: ignore[no-untyped-call, unused-ignore]
class OfDataArray:
    """vrdask's functions of a DataArray."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def resample(self, shape: Any = None, mode: str = "linear", align_corners: bool = False, **options: Any) -> Any:
        """`vrdask.resample` of it."""
        return resample(self._array, shape, mode, align_corners, **options)

    def downsample(self, factors: Any, mode: str = "mean", **options: Any) -> Any:
        """`vrdask.downsample` of it."""
        return downsample(self._array, factors, mode, **options)

    def affine_transform(self, matrix: Any, *arguments: Any, **options: Any) -> Any:
        """`vrdask.affine_transform` of it."""
        return affine_transform(self._array, matrix, *arguments, **options)

    def resample_zarr(self, target: Any, *arguments: Any, **options: Any) -> Any:
        """`vrdask.resample_zarr` of it, in bounded memory."""
        return resample_zarr(self._array, target, *arguments, **options)
