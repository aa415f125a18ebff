"""What is known of an argument's axes, and a resampling of it from a shape, a factor or a spacing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy.typing as npt

from vrdask.images.asked import Axes, for_axes
from vrdask.images.image import Image
from vrdask.images.sizes import sizes_of
from vrdask.lazy.arrays import is_zarr_array
from vrdask.transforms.resampling import Resampling, resampling


def known_of(x: Any) -> tuple[Axes, Image | None]:
    """Names of the axes of an array as `taken` gives it, and its image; a stored array may say both."""
    if is_zarr_array(getattr(x, "array", None)):
        from vrdask.sources import open_source
        from vrdask.sources.source import axes_of

        source = open_source(x.array)
        return axes_of(source), source.image
    return Axes((None,) * len(x.shape), tuple(range(len(x.shape)))), None


def asked_resampling(
    x: Any,
    shape: Any,
    factor: Any,
    spacing: Any,
    mode: Any,
    align_corners: bool,
    exact: bool,
    axes: Any,
    dtype: npt.DTypeLike | None,
) -> Resampling:
    """The resampling of an array that is asked for: exactly one of shape, factor and spacing is."""
    if factor is None and spacing is None and not exact and shape is not None and not _names(shape, axes, mode):
        return resampling(x.shape, shape, mode, align_corners, axes=axes, in_dtype=x.dtype, out_dtype=dtype)
    known, image = known_of(x)
    sizes = sizes_of(x.shape, known, shape, factor, spacing, axes, bool(align_corners), exact, image)
    return resampling(
        x.shape, sizes.shape, for_axes("mode", mode, sizes.axes, known), align_corners,
        axes=sizes.axes, in_dtype=x.dtype, out_dtype=dtype, steps=sizes.steps,
    )  # fmt: skip


def _names(shape: Any, axes: Any, mode: Any) -> bool:
    """Whether axes are called by name."""
    several = [*(axes if isinstance(axes, Iterable) else (axes,)), *(mode if isinstance(mode, Mapping) else ())]
    return isinstance(shape, Mapping | str) or any(isinstance(axis, str) for axis in several)
