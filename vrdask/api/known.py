"""What is known of an argument's axes, and a resampling of it from a shape, a factor or a spacing."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.images.asked import Axes, for_axes, of_axes, per_axis, several
from vrdask.images.image import Image
from vrdask.images.sizes import Sizes, sizes_of
from vrdask.lazy.arrays import is_zarr_array
from vrdask.transforms.coordinates import Step, Window
from vrdask.transforms.resampling import Resampling, resampling


def is_of_xarray(x: Any) -> bool:
    """Whether it is a DataArray or a Dataset."""
    if type(x) is np.ndarray:
        return False
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(x, xarray.DataArray | xarray.Dataset)


def is_source(x: Any) -> bool:
    if type(x) is np.ndarray:
        return False
    sources = sys.modules.get("vrdask.sources.source")
    return sources is not None and isinstance(x, sources.Source)


def known_of(x: Any) -> tuple[Axes, Image | None]:
    """Names of the axes of an array, as it was given or as `taken` gives it, and its image: of DataArrays, Sources and
    zarr arrays, which may say them.
    """
    if is_of_xarray(x):
        from vrdask.sources.labelled import image_of_labelled

        image = image_of_labelled(x)
        return Axes(image.axis_names, image.space_axes), image
    x = getattr(x, "array", x) if is_zarr_array(getattr(x, "array", None)) and not is_source(x) else x
    if is_zarr_array(x) or is_source(x):
        from vrdask.sources import open_source
        from vrdask.sources.source import axes_of

        source = open_source(x)
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
    given: Any = None,
    windows: Mapping[int, tuple[Fraction, Fraction]] | None = None,
) -> Resampling:
    """The resampling of an array that is asked for: exactly one of shape, factor and spacing is. given : the array as
    the caller gave it. windows : the parts of axes that the result is of.
    """
    knows = given is not None and given is not x and (is_of_xarray(given) or is_source(given))
    by_name = knows or shape is None or exact or bool(windows) or _names(shape, axes, mode)
    if factor is None and spacing is None and not by_name:
        return resampling(x.shape, shape, mode, align_corners, axes=axes, in_dtype=x.dtype, out_dtype=dtype)
    known, image = known_of(given if knows else x)
    if spacing is not None and shape is None and factor is None and is_of_xarray(given):
        from vrdask.sources.labelled import line_of

        for axis in of_axes("spacing", spacing, axes, known)[0]:
            line_of(given, given.dims[axis])  # which says why it gives no spacing
    sizes = sizes_of(
        x.shape, known, shape, factor, spacing, axes, bool(align_corners), exact, image, windows=windows
    )  # fmt: skip
    return resampling(
        x.shape, sizes.shape, for_axes("mode", mode, sizes.axes, known), align_corners,
        axes=sizes.axes, in_dtype=x.dtype, out_dtype=dtype, steps=steps_of(sizes),
    )  # fmt: skip


def steps_of(sizes: Sizes) -> tuple[Step | None, ...] | None:
    """The steps of sizes, along the windows that they are of."""
    if sizes.steps is None or sizes.starts is None:
        return sizes.steps
    along = zip(sizes.steps, sizes.starts, strict=True)
    return tuple(step if step is None or start is None else Window(start, step) for step, start in along)


def _names(shape: Any, axes: Any, mode: Any) -> bool:
    """Whether axes are called by name."""
    plain = type(shape) in (int, tuple, list) and type(mode) is str
    if plain and (axes is None or (type(axes) is tuple and {*map(type, axes)} == {int})):  # most calls: in no time
        return False
    several = [*(axes if isinstance(axes, Iterable) else (axes,)), *(mode if isinstance(mode, Mapping) else ())]
    return isinstance(shape, Mapping | str) or any(isinstance(axis, str) for axis in several)


def axis_numbers(x: Any, axes: Any) -> Any:
    """Axes by number, where some are named; else as they are given."""
    return known_of(x)[0].numbers(axes) if axes is not None and _names(None, axes, None) else axes


def numbered_chunks(x: Any, chunks: Any) -> Any:
    """Chunks of a lazy result, with numbers for the names of axes."""
    if not isinstance(chunks, Mapping) or not any(isinstance(axis, str) for axis in chunks):
        return chunks
    known = known_of(x)[0]
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
