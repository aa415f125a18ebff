"""Results of labelled arrays (xarray) are labelled: a result gets the coordinates of its samples.

A change of the grid is told by the step and the start of each axis: sample i of the result lies where sample
``step * i + start`` of the input does (as in `Image.stepped`). Along each axis that changes, the dimension's own
coordinate must be evenly spaced, and gets the new samples' places; other numeric coordinates that run along it are
interpolated, others are left out, with a warning. What does not change is kept as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vrdask.api.by_axis import made
from vrdask.api.known import asked_resampling, by_dimension, numbered_chunks
from vrdask.api.regions import in_region
from vrdask.api.taken import taken
from vrdask.sources.labelled import Line, is_dataset, line_of, numbers_of
from vrdask.transforms.affine import Affine
from vrdask.transforms.blocks import Blocks
from vrdask.transforms.coordinates import Step, line

Number: TypeAlias = int | float | Fraction


@dataclass(frozen=True)
class Grid:
    """Where the samples of a result lie along one axis of its input."""

    size: int
    """Of the result."""
    step: Number | None
    """Samples of the input from one to the next; None where that is not the same everywhere."""
    start: Number = 0
    """Of the first sample of the result, in samples of the input."""

    def is_still(self, n: int) -> bool:
        """Whether it is that of the input's `n` samples."""
        return self.size == n and self.step == 1 and self.start == 0

    @property
    def positions(self) -> npt.NDArray[np.float64]:
        assert self.step is not None
        places: npt.NDArray[np.float64] = float(self.step) * np.arange(self.size, dtype=np.float64) + float(self.start)
        return places


def grids_of(
    in_shape: Sequence[int],
    out_shape: Sequence[int],
    align_corners: bool,
    own_steps: Sequence[Step | None] | None = None,
) -> tuple[Grid, ...]:
    """The grids of a resampling. own_steps : by axis, where they are not those of the sizes."""
    along = zip(in_shape, out_shape, own_steps or (None,) * len(in_shape), strict=True)
    return tuple(Grid(n_out, *line(n_in, n_out, align_corners, own)) for n_in, n_out, own in along)


def steps_and_starts(grids: Sequence[Grid]) -> tuple[list[Number], list[Number]]:
    """Those of grids that all have a step, as `Image.stepped` takes them."""
    return [1 if grid.step is None else grid.step for grid in grids], [grid.start for grid in grids]


def lines_of(x: Any, grids: Sequence[Grid]) -> dict[Any, Line | None]:
    """The positions along each dimension that changes.

    Raises
    ------
    ValueError
        A coordinate is not evenly spaced.
    """
    along = zip(x.dims, x.shape, grids, strict=True)
    return {dim: line_of(x, dim) for dim, n, grid in along if grid.step is not None and not grid.is_still(n)}


def labelled_as(x: Any, samples: Any, grids: Sequence[Grid]) -> Any:
    """A result as a DataArray: with names, attributes and what coordinates say of the new samples."""
    import xarray

    lines, changed = lines_of(x, grids), {}
    for dim, n, grid in zip(x.dims, x.shape, grids, strict=True):
        if not grid.is_still(n):
            changed[dim] = grid
    coords: dict[Any, Any] = {}
    for name, coordinate in x.coords.items():
        along = [dim for dim in coordinate.dims if dim in changed]
        if not along:
            coords[name] = coordinate.variable
        elif any(changed[dim].step is None for dim in along):
            continue
        elif name in lines:
            values = _moved(coordinate.values, lines[name], changed[name])
            if values is not None:
                coords[name] = (name, values, coordinate.attrs)
        elif (values := _interpolated(coordinate, changed)) is not None:
            coords[name] = (coordinate.dims, values, coordinate.attrs)
        else:
            warnings.warn(
                f"coordinate {name!r} is left out: {coordinate.dtype} along {', '.join(map(str, along))}",
                stacklevel=4,
            )
    return xarray.DataArray(samples, coords, x.dims, x.name, x.attrs)


def _moved(values: npt.NDArray[Any], line: Line | None, grid: Grid) -> npt.NDArray[Any] | None:
    """A dimension's coordinate at the new samples; None where one sample alone says no step."""
    assert line is not None
    assert grid.step is not None
    if np.isnan(line.step):
        return values if grid.size == 1 else None
    step = float(Fraction(line.step) * Fraction(grid.step))
    first = float(Fraction(line.first) + Fraction(line.step) * Fraction(grid.start))
    return _typed(first + step * np.arange(grid.size), values)


def _typed(numbers: npt.NDArray[Any], values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Numbers (see `numbers_of`) as what the coordinate's values were."""
    if values.dtype.kind in "mM":
        times: npt.NDArray[Any] = values[:1].astype(f"{values.dtype.kind}8[ns]") + np.rint(numbers).astype("m8[ns]")
        return times
    return numbers.astype(values.dtype) if values.dtype.kind == "f" else numbers


def _interpolated(coordinate: Any, changed: dict[Any, Grid]) -> npt.NDArray[Any] | None:
    """A coordinate at the new samples, on straight lines between the old ones and beyond them; None for no numbers."""
    values = coordinate.values
    if values.dtype.kind not in "iuf":
        return None
    numbers = numbers_of(values)
    assert numbers is not None
    for axis, dim in enumerate(coordinate.dims):
        if dim in changed and numbers.shape[axis] > 1:
            at = changed[dim].positions
            below = np.clip(np.floor(at), 0, numbers.shape[axis] - 2).astype(np.int64)
            share = (at - below).reshape(-1, *(1,) * (numbers.ndim - axis - 1))
            numbers = numbers.take(below, axis) * (1 - share) + numbers.take(below + 1, axis) * share
        elif dim in changed:
            numbers = np.repeat(numbers, changed[dim].size, axis)
    return _typed(numbers, values)


def resample_labelled(
    x: Any,
    asked: dict[str, Any],
    mode: Any,
    align_corners: bool,
    exact: bool,
    axes: Any,
    chunks: Any,
    dtype: Any,
    num_threads: int | None,
    region: Any = None,
) -> Any:
    """`resample` of a DataArray, or of each variable of a Dataset. asked : shape, factor, spacing."""
    if is_dataset(x):
        name, by_dim = by_dimension(asked, axes)
        options = (mode, align_corners, exact, None, chunks, dtype, num_threads)
        if region is not None:
            raise ValueError(f"region must be left out for a Dataset; got {region!r}: its isel cuts, and each of its "
                             "variables takes one")  # fmt: skip
        return of_each_variable(x, by_dim, lambda one, some: resample_labelled(one, {**asked, name: some}, *options))
    x, windows = in_region(x, region)
    array, lazily = taken(x)
    what = asked_resampling(
        array, asked["shape"], asked["factor"], asked["spacing"], mode, align_corners, exact, axes, dtype, x, windows
    )
    grids = grids_of(what.in_shape, what.out_shape, align_corners, what.steps)
    lines_of(x, grids)  # refuses what has no places for the new samples, before they are made
    return labelled_as(x, made(what, array, lazily, numbered_chunks(x, chunks), num_threads), grids)


def downsample_labelled(
    x: Any, factors: Any, mode: str, axes: Any, chunks: Any, dtype: Any, num_threads: int | None, sparse: bool
) -> Any:
    """`downsample` of a DataArray, or of each variable of a Dataset."""
    from vrdask.api.downsample import asked_blocks

    if is_dataset(x):
        _, by_dim = by_dimension({"factors": factors}, axes)
        options = (mode, None, chunks, dtype, num_threads, sparse)
        return of_each_variable(x, by_dim, lambda one, some: downsample_labelled(one, some, *options))
    array, lazily = taken(x)
    what = asked_blocks(array, factors, mode, axes, dtype, sparse, x)
    grids = grids_of_blocks(what)
    lines_of(x, grids)  # refuses what has no places for the new samples, before they are made
    return labelled_as(x, made(what, array, lazily, numbered_chunks(x, chunks), num_threads), grids)


def of_each_variable(dataset: Any, by_dim: dict[Any, Any], function: Callable[[Any, dict[Any, Any]], Any]) -> Any:
    """A Dataset of the results of a function of each variable that has some of the dimensions, and of what is asked for
    these; the other variables as they are.

    Raises
    ------
    ValueError
        The Dataset has no such dimension.
    """
    import xarray

    for dim in by_dim:
        if dim not in dataset.dims:
            raise ValueError(f"axes must be among the Dataset's, {', '.join(map(str, dataset.dims))}; got {dim!r}")
    results = {}
    for name, variable in dataset.data_vars.items():
        asked = {dim: value for dim, value in by_dim.items() if dim in variable.dims}
        results[name] = function(variable, asked) if asked else variable
    return xarray.Dataset(results, attrs=dataset.attrs)


def grids_of_blocks(what: Blocks) -> tuple[Grid, ...]:
    """The grids of a downsampling."""
    along = zip(what.out_shape, what.steps, what.starts, strict=True)
    return tuple(Grid(size, step, start) for size, step, start in along)


def grids_of_map(in_shape: Sequence[int], what: Affine) -> tuple[Grid, ...]:
    """The grids of an affine map; an axis whose position depends on several others has no step."""
    grids = [Grid(n, 1) for n in in_shape]
    for number, axis in enumerate(what.axes):
        row = what.matrix[number]
        straight = row[number] != 0 and not any(factor for k, factor in enumerate(row) if k != number)
        size = what.out_shape[axis]
        grids[axis] = Grid(size, row[number], what.offset[number]) if straight else Grid(size, None)
    return tuple(grids)


def labelled_at_points(x: Any, grid: Any, samples: Any) -> Any:
    """Values of a DataArray at the points of a grid, with the batch and channels of the one and, where the grid is
    labelled, the dimensions of the other.
    """
    import xarray

    names, coords = list(x.dims), {}
    if isinstance(grid, xarray.DataArray):
        points = grid.dims[1:-1]
        names[2:] = [dim if dim not in names[:2] else f"{dim}_of_grid" for dim in points]
        coords = {
            name: coordinate.variable
            for name, coordinate in grid.coords.items()
            if coordinate.dims and set(coordinate.dims) <= set(points) & set(names[2:])
        }
    lead = set(x.dims[:2])
    coords |= {name: value.variable for name, value in x.coords.items() if set(value.dims) <= lead}
    return xarray.DataArray(samples, coords, names, x.name, x.attrs)
