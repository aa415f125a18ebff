"""What a caller's array knows of its own axes, and what is asked of them by name, by factor or by spacing.

DataArrays and Sources know names, and often spacings; plain arrays know how many axes they have.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vrdask.images.asked import Axes, of_axes, per_axis, several
from vrdask.images.image import Image
from vrdask.images.sizes import Sizes, sizes_of


def is_of_xarray(x: Any) -> bool:
    """Whether it is a DataArray or a Dataset."""
    if type(x) is np.ndarray:
        return False
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(x, xarray.DataArray | xarray.Dataset)


def axes_and_image(x: Any, ndim: int) -> tuple[Axes, Image | None, str]:
    """The axes of an array, what is known of them, and what the array is called in messages."""
    if is_of_xarray(x):
        from vrdask.sources.labelled import image_of_labelled

        image = image_of_labelled(x)
        return Axes(image.axis_names, image.space_axes), image, "the DataArray"
    if type(x).__module__.startswith("vrdask.sources."):
        from vrdask.sources.source import axes_of

        return axes_of(x), x.image, x.place
    return Axes((None,) * ndim, tuple(range(ndim))), None, "the array"


def is_named(x: Any, sizes: Any, axes: Any) -> bool:
    """Whether axes are named, or what is asked without naming them is meant for the axes of space alone."""
    if type(sizes) is tuple and axes is None and type(x) is np.ndarray:
        return False
    if isinstance(sizes, Mapping | str) or sizes is None:
        return True
    if type(x).__module__.startswith(("vrdask.sources.", "xarray.")):
        return True
    return axes is not None and any(isinstance(axis, str) for axis in several(axes))


def asked_sizes(
    x: Any, in_shape: Sequence[int], shape: Any, factor: Any, spacing: Any, axes: Any, align_corners: bool, exact: bool
) -> Sizes:
    """The axes to resample, their sizes and steps (see `images.sizes`)."""
    known, image, called = axes_and_image(x, len(in_shape))
    if spacing is not None and shape is None and factor is None and is_of_xarray(x):
        from vrdask.sources.labelled import line_of

        for axis in of_axes("spacing", spacing, axes, known)[0]:
            line_of(x, x.dims[axis])  # which says why it gives no spacing
    return sizes_of(in_shape, known, shape, factor, spacing, axes, align_corners, exact, image, called)


def axis_numbers(x: Any, axes: Any, ndim: int) -> Any:
    """Axes by number, where some are named; else as they are given."""
    if axes is None or not any(isinstance(axis, str) for axis in several(axes)):
        return axes
    return axes_and_image(x, ndim)[0].numbers(axes)


def numbered_chunks(x: Any, chunks: Any, ndim: int) -> Any:
    """Chunks of a lazy result, with numbers for the names of axes."""
    if not isinstance(chunks, Mapping):
        return chunks
    known = axes_and_image(x, ndim)[0]
    return {known.number(axis): size for axis, size in chunks.items()}


def by_dimension(asked: Mapping[str, Any], axes: Any) -> tuple[str, dict[Any, Any]]:
    """Which of shape, factor and spacing is asked for, and what by the name of a dimension, for a Dataset.

    Raises
    ------
    ValueError
        There is not one of them, or dimensions are not named.
    """
    given = [name for name, value in asked.items() if value is not None]
    if len(given) != 1:
        raise ValueError(f"exactly one of {', '.join(asked)} must be given; got {', '.join(given) or 'none'}")
    (name,) = given
    value = per_axis(name, asked[name])
    if isinstance(value, Mapping):
        if axes is not None:
            raise ValueError(f"axes must be left out where {name} names them; got {axes!r} and {dict(value)!r}")
        return name, dict(value)
    names, values = [] if axes is None else several(axes), several(value)
    if not names or not all(isinstance(axis, str) for axis in names):
        raise ValueError(f"axes must be named for a Dataset; got {axes!r}: give {name}={{'y': .., 'x': ..}}")
    values = values * len(names) if values == [value] else values
    if len(values) != len(names):
        raise ValueError(f"{name} must give one number, or one per axis; got {len(values)} for {len(names)} axes")
    return name, dict(zip(names, values, strict=True))
