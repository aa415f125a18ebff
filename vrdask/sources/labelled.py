"""Labelled arrays (xarray's DataArray): their samples, and what their coordinates say of the axes.

A coordinate along its own dimension gives an axis its spacing and origin where its numbers are evenly spaced.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.images.axes import UNITS, as_ome_zarr, image_of
from vrdask.images.image import Image
from vrdask.sources.given import given_array, given_source
from vrdask.sources.source import Source

NOT_OF_SPACE = {
    "t": "time", "time": "time", "date": "time", "c": "channel", "channel": "channel", "channels": "channel",
    "band": "channel", "bands": "channel", "rgb": "channel", "s": "channel", "wavelength": "channel",
    "batch": "other", "sample": "other", "n": "other",
}  # fmt: skip
"""Types of dimensions by their names, in lower case; all others are of space."""
SECONDS = {"day": 86400.0, "hour": 3600.0, "minute": 60.0, "second": 1.0}
UNEVEN = 1e-3
"""Of a step, how far a coordinate may be off."""
SIGNIFICANT = 12
"""Decimal digits of a step that is a quotient of differences."""


def is_labelled(x: Any) -> bool:
    """Whether it is a DataArray of xarray's."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(x, xarray.DataArray)


def is_dataset(x: Any) -> bool:
    """Whether it is a Dataset of xarray's."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(x, xarray.Dataset)


def samples_of(x: Any) -> Any:
    """A labelled array's samples: numpy's or dask's; what lies in a file that xarray would load is read by dask."""
    variable = x.variable
    if x.chunks is None and not getattr(variable, "_in_memory", True):
        return x.chunk({}).data
    return x.data


@dataclass(frozen=True)
class Line:
    """Evenly spaced positions: the first, and from one to the next; the step is NaN where there is one alone. For times
    in nanoseconds.
    """

    first: float
    step: float


def line_of(x: Any, dim: Any) -> Line | None:
    """The positions that a dimension's coordinate gives; None where it has none.

    Raises
    ------
    ValueError
        They are not evenly spaced, or no numbers.
    """
    return None if dim not in x.coords else line_through(x.coords[dim].values, dim)


def line_through(values: npt.NDArray[Any], dim: Any) -> Line:
    """The same of a coordinate's values."""
    numbers = numbers_of(values)
    if numbers is None:
        raise ValueError(f"coordinate {dim!r} must hold numbers or times; got {values.dtype}: {_way_out(dim)}")
    if len(numbers) < 2:
        return Line(float(numbers[0]) if len(numbers) else 0.0, math.nan)
    step = float(numbers[-1] - numbers[0]) / (len(numbers) - 1)
    expected = float(numbers[0]) + step * np.arange(len(numbers))
    slack = UNEVEN * abs(step)
    if values.dtype.kind == "f":
        slack = max(slack, 4 * float(np.finfo(values.dtype).eps) * float(np.abs(numbers).max()))
    if not (step != 0 and (np.abs(numbers - expected) <= slack).all()):
        steps = np.diff(numbers)
        raise ValueError(
            f"coordinate {dim!r} must be evenly spaced; got steps from {steps.min():g} to {steps.max():g}: "
            f"{_way_out(dim)}"
        )
    return Line(float(numbers[0]), step if values.dtype.kind in "mM" else float(f"{step:.{SIGNIFICANT}g}"))


def _way_out(dim: Any) -> str:
    return f"x.drop_vars({dim!r}) leaves it out, x.interp makes it even"


def numbers_of(values: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """Coordinates as numbers, times as nanoseconds since the first; None for texts and the like."""
    if values.dtype.kind in "mM":
        since: npt.NDArray[Any] = values - values[:1]
        return since.astype("m8[ns]").astype(np.int64).astype(np.float64)
    return values.astype(np.float64) if values.dtype.kind in "iuf" else None


def image_of_labelled(x: Any) -> Image:
    """What coordinates say of the axes; NaN for what they do not say, or not evenly."""
    names = [str(dim) for dim in x.dims]
    sizes: dict[str, tuple[float, str | None]] = {}
    origin = []
    for dim, name in zip(x.dims, names, strict=True):
        line = _said(x, dim)
        origin.append(0.0 if line is None else line.first)
        if line is not None:
            in_time = x.coords[dim].dtype.kind in "mM"
            unit = "second" if in_time else unit_of(x.coords[dim].attrs)
            sizes[name] = abs(line.step) / 1e9 if in_time else abs(line.step), unit
    image = image_of(names, sizes)
    axes = tuple({**axis, "type": _type(x, dim)} for axis, dim in zip(image.axes, x.dims, strict=True))
    scale = tuple(sizes.get(name, (math.nan, None))[0] for name in names)
    known = tuple(
        size if math.isfinite(size) or axis["type"] == "space" else 1.0 for size, axis in zip(scale, axes, strict=True)
    )
    title = None if x.name is None else str(x.name)
    return replace(image, axes=axes, scale=known, translation=tuple(origin), name=title)


def _said(x: Any, dim: Any) -> Line | None:
    try:
        return line_of(x, dim)
    except ValueError:
        return None


def _type(x: Any, dim: Any) -> str:
    if dim in x.coords and x.coords[dim].dtype.kind in "mM":
        return "time"
    return kind_of(str(dim))


def kind_of(dim: str) -> str:
    """The type of a dimension by its name."""
    return NOT_OF_SPACE.get(dim.lower(), "space")


def unit_of(attributes: Mapping[Any, Any]) -> str | None:
    """The unit that a coordinate's attributes say."""
    unit = attributes.get("units", attributes.get("unit"))
    return UNITS.get(unit, unit) if isinstance(unit, str) and unit else None


def image_of_scales(names: Sequence[str], scales: Sequence[tuple[npt.NDArray[Any] | None, Mapping[Any, Any]]]) -> Image:
    """What is known of axes by their names, and by numbers along them, with their attributes, where there are some."""
    kinds = [kind_of(name) for name in names]
    axes: list[dict[str, Any]] = []
    steps, origin = [], []
    for name, kind, (values, said) in zip(names, kinds, scales, strict=True):
        unit, line = unit_of(said), None
        if values is not None:
            with suppress(ValueError):
                line = line_through(values, name)
        factor, first = 1.0, 0.0 if line is None else line.first
        if unit is not None and " since " in unit:  # as CF counts times
            factor, first = SECONDS.get(unit.partition(" ")[0].rstrip("s"), math.nan), 0.0
            unit = "second"
        step = math.nan if line is None or not line.step > 0 else line.step * factor
        known = math.isfinite(step)
        steps.append(step if known or kind == "space" else 1.0)
        origin.append(first if known else 0.0)
        axes.append({"name": name, "type": kind} | ({"unit": unit} if known and unit is not None else {}))
    return as_ome_zarr(Image(tuple(axes), "", tuple(steps), tuple(origin), None, {}))


def labelled_source(x: Any) -> Source:
    """A labelled array as a source."""
    array = given_array(samples_of(x))
    if array is None:
        raise TypeError(f"a DataArray must hold a numpy or dask array; got {type(x.data).__name__}")
    source = given_source(array)
    image = image_of_labelled(x)
    return replace(source, image=image, layout=replace(source.layout, dimension_names=image.axis_names))
