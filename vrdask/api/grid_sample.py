"""`grid_sample`: values at the positions of a grid, for numpy, dask and zarr arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy.typing as npt

from vrdask import buffers
from vrdask.api.known import is_of_xarray
from vrdask.api.signatures import with_hints
from vrdask.api.taken import taken
from vrdask.compute import threads
from vrdask.transforms.grid import GridSampling, grid_sampling

if TYPE_CHECKING:
    import dask.array as da

    from vrdask.api.taken import Lazy


@overload
def grid_sample(
    input: npt.NDArray[Any],
    grid: npt.NDArray[Any],
    mode: str = ...,
    padding_mode: str = ...,
    fill_value: Any = ...,
    rounding_rule: str = ...,
    *,
    align_corners: bool = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
) -> npt.NDArray[Any]: ...
@overload
def grid_sample(
    input: Lazy,
    grid: Any,
    mode: str = ...,
    padding_mode: str = ...,
    fill_value: Any = ...,
    rounding_rule: str = ...,
    *,
    align_corners: bool = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
) -> da.Array: ...
@overload
def grid_sample(  # type: ignore[overload-cannot-match]  # where dask has no types
    input: Any,
    grid: Lazy,
    mode: str = ...,
    padding_mode: str = ...,
    fill_value: Any = ...,
    rounding_rule: str = ...,
    *,
    align_corners: bool = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
) -> da.Array: ...
@overload
def grid_sample(  # type: ignore[overload-cannot-match]  # where dask has no types
    input: Any,
    grid: Any,
    mode: str = ...,
    padding_mode: str = ...,
    fill_value: Any = ...,
    rounding_rule: str = ...,
    *,
    align_corners: bool = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
) -> Any: ...
@with_hints
def grid_sample(
    input: Any,  # noqa: A002 (torch's name for it)
    grid: Any,
    mode: str = "linear",
    padding_mode: str = "zeros",
    fill_value: Any = 0,
    rounding_rule: str = "bankers",
    *,
    align_corners: bool = False,
    dtype: npt.DTypeLike | None = None,
    num_threads: int | None = None,
) -> Any:
    """The input at the positions that a grid gives: torch's ``grid_sample``, for arrays of any size.

    Chunk by chunk gives the same bits as the whole arrays at once, for every chunking, thread count and scheduler.

    Parameters
    ----------
    input : (N, C, D, H, W) or (N, C, H, W) array
        As in `resample`. Of a DataArray the result is one, with batch and channels of `input` and, where `grid` is
        labelled, its dimensions. Never changed.
    grid : (N, d, h, w, 3) or (N, h, w, 2) array of floats
        For each output sample a position, x first: -1 and 1 are the outer edges of the first and last samples, with
        `align_corners` their centres. float32 and float16 are computed with in float32, float64 in float64.
    mode : {"linear", "nearest", "cubic"}
        "linear" and "nearest" as torch's "bilinear" and "nearest". "cubic" is a B-spline through the samples, filtered
        over the whole input, as ``scipy.ndimage.map_coordinates(order=3)``.
    padding_mode : {"zeros", "border", "reflection", "constant", "voxel", "wrap"}
        What lies beyond the input. "zeros" and "constant" are samples of value 0 or `fill_value`, with which
        "linear" blends; with "cubic" they are the value of every position outside ``[0, n - 1]`` (SciPy's mode
        "constant"); there a position that only rounding has brought beyond an end, by a few units in the last place of
        the grid's numbers, is at the end, so that the grid of the identity keeps the borders. "border" moves positions
        to the ends; "reflection" is about the edges, with `align_corners` about the centres (cubic: SciPy's "reflect"
        and "mirror"). "voxel" is `fill_value` beyond the outer edges of the end samples, which go on up to there, as
        in ITK. "wrap" goes on with the first samples behind the last ones, along every axis (SciPy's "grid-wrap").
    fill_value : number
        Of "constant" and "voxel", and with "wrap" of positions that are NaN or infinite; rounded half to even and
        clamped for integers of the result.
    rounding_rule : {"bankers", "round_half_up"}
        What "nearest" does with ties; torch rounds half to even.
    align_corners : bool
    dtype : optional
        Type of the result; the input's by default. Integers round half to even and saturate.
    num_threads : int, optional
        As in `resample`.

    Returns
    -------
    numpy.ndarray, dask.array.Array or xarray.DataArray
        (N, C, d, h, w) or (N, C, h, w), in this machine's byte order. Lazy where either argument is, in the grid's
        chunks.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described; nothing has been read then.

    Notes
    -----
    NaN and infinite positions are missing with "zeros" and "constant", whatever the rank (torch's 2-D "bilinear" gives
    NaN for some of them). With "border" and "reflection" NaN is one of the ends, the one that torch's CPU kernels take:
    the last in 3-D, the first in 2-D.

    Of an input that must be filtered ("cubic") or converted, only what a grid of few points weighs is; so a point costs
    the same in an array of any size.

    What a lazy task reads follows from its piece of the grid. Of a zarr input it reads the box that its positions
    weigh. Of a dask input with a numpy grid it depends on exactly the blocks in that box, which is looked up when the
    graph is made. With a lazy grid too, the box is known only once the piece is: then each output chunk asks each
    input block for its share. No compute is nested and every block is made once, but the graph has (output chunks) x
    (input blocks) small tasks, and all blocks are made even if some are not needed.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(6.0).reshape(1, 1, 2, 3)
    >>> grid_sample(image, np.array([[[[0.0, 0.0], [1.0, 1.0]]]]), align_corners=True)
    array([[[[2.5, 5. ]]]])
    """
    (x, x_lazy), (points, points_lazy) = taken(input, "input"), taken(grid, "grid")
    what = grid_sampling(
        x.shape,
        x.dtype,
        points.shape,
        points.dtype,
        mode,
        padding_mode,
        fill_value,
        rounding_rule,
        align_corners,
        dtype,
    )
    result = _sampled(what, x, points, x_lazy or points_lazy, num_threads)
    if not is_of_xarray(input):
        return result
    from vrdask.api.labelled import labelled_at_points

    return labelled_at_points(input, grid, result)


def _sampled(what: GridSampling, x: Any, points: Any, lazily: bool, num_threads: int | None) -> Any:
    if lazily:
        from vrdask.lazy.sampling import sample_grid_lazily

        return sample_grid_lazily(what, x, points, 1 if num_threads is None else threads.resolve(num_threads))
    from vrdask.compute.sample_box import sample_grid_at_once

    return sample_grid_at_once(what, x, points, threads.resolve(num_threads), buffers.empty)
