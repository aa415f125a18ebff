"""`affine_transform` for numpy, dask and zarr arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy.typing as npt

from vrdask import buffers
from vrdask.api.known import axis_numbers, is_of_xarray, numbered_chunks
from vrdask.api.signatures import with_hints
from vrdask.api.taken import taken
from vrdask.boxes import slices_of, whole
from vrdask.compute import threads
from vrdask.transforms.affine import Affine, affine

if TYPE_CHECKING:
    import dask.array as da

    from vrdask.api.taken import Lazy


@overload
def affine_transform(
    x: npt.NDArray[Any],
    matrix: Any,
    offset: Any = ...,
    output_shape: Sequence[int] | int | None = ...,
    mode: str = ...,
    *,
    padding_mode: str = ...,
    fill_value: Any = ...,
    axes: Iterable[int | str] | int | str | None = ...,
    chunks: Any = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
) -> npt.NDArray[Any]: ...
@overload
def affine_transform(
    x: Lazy,
    matrix: Any,
    offset: Any = ...,
    output_shape: Sequence[int] | int | None = ...,
    mode: str = ...,
    *,
    padding_mode: str = ...,
    fill_value: Any = ...,
    axes: Iterable[int | str] | int | str | None = ...,
    chunks: Any = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
) -> da.Array: ...
@overload
def affine_transform(  # type: ignore[overload-cannot-match]  # where dask has no types
    x: Any,
    matrix: Any,
    offset: Any = ...,
    output_shape: Sequence[int] | int | None = ...,
    mode: str = ...,
    *,
    padding_mode: str = ...,
    fill_value: Any = ...,
    axes: Iterable[int | str] | int | str | None = ...,
    chunks: Any = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
) -> Any: ...
@with_hints
def affine_transform(
    x: Any,
    matrix: Any,
    offset: Any = 0.0,
    output_shape: Sequence[int] | int | None = None,
    mode: str = "linear",
    *,
    padding_mode: str = "constant",
    fill_value: Any = 0,
    axes: Iterable[int | str] | int | str | None = None,
    chunks: Any = None,
    dtype: npt.DTypeLike | None = None,
    num_threads: int | None = None,
) -> Any:
    """The array seen through an affine map of indices, as ``scipy.ndimage.affine_transform``: the output at index o is
    the input at ``matrix @ o + offset``.

    Chunk by chunk gives the same bits as the whole array at once, for every chunking, thread count and scheduler.

    Parameters
    ----------
    x : array
        As in `resample`. A DataArray's result gets the coordinates along axes that the map only stretches, flips and
        shifts; others have none. Never changed.
    matrix : (n,), (n, n), (n, n + 1) or (n + 1, n + 1) array
        One number per axis is a diagonal. A last column is the offset, and `offset` is not looked at; a last row must
        be zeros and a one. It must be invertible. A row for each axis of the array, or one more of a homogeneous
        matrix, is read as SciPy reads it: 4 x 4 is linear for an array of 4 axes, homogeneous for one of 3. Fewer rows
        map the last axes: at most three, of which a 4 x 4 matrix is the homogeneous one, unless `axes` says which.
    offset : float or (n,) array
    output_shape : sequence of int, optional
        Sizes of `axes`, or of every axis; the input's by default.
    mode : {"linear", "nearest", "cubic"}
        SciPy's order 1, 0 (ties round up) and 3, a B-spline through the samples, filtered over the whole input.
    padding_mode : {"constant", "voxel", "zeros", "border", "reflection", "mirror", "grid-constant", "wrap"}
        What positions outside ``[0, n - 1]`` give. "constant" is `fill_value` for all of them, as SciPy's "constant":
        nothing is interpolated beyond the last samples. "voxel" is the same beyond ``[-1/2, n - 1/2]``, the outer edges
        of the last samples, which go on up to there, as in ITK. "grid-constant" is an input surrounded by samples of
        that value, with which it blends, and "zeros" the same with 0, as in `grid_sample` (cubic: like "constant").
        "border", "reflection" and "mirror" are SciPy's "nearest", "reflect" and "mirror"; a cubic "border" holds the
        mirrored spline's end values, where SciPy filters a padded array. "wrap" is SciPy's "grid-wrap": an axis goes on
        with its first sample behind its last, as angles do, and so does a spline.
    fill_value : number
    axes : int, str, or sequence of them, optional
        The axes, by number or name, that the matrix maps, in its order; by default the last n. All others are batch or
        channel axes. Name three to map those of a 4-D array by a homogeneous 4 x 4 matrix.
    chunks : optional
        Chunks of a lazy result, in any notation of dask. By default the input's.
    dtype : optional
        Type of the result; the input's by default. Integers round half to even and saturate.
    num_threads : int, optional
        As in `resample`.

    Returns
    -------
    numpy.ndarray, dask.array.Array or xarray.DataArray
        Lazy where `resample` is: each output chunk reads the box that the positions of its corners span, with
        the neighbours that the mode weighs.

    Raises
    ------
    TypeError, ValueError
        An argument is not as described; nothing has been read then.

    Notes
    -----
    Positions are computed in float64 from output indices; there is no grid of them in memory. Types are computed in as
    in `resample`. A sample of weight zero takes no part: the identity gives the input back, whole shifts its slices.
    A map that moves more than three axes is computed by numpy, on one thread, in about the time that SciPy takes.

    Examples
    --------
    >>> import numpy as np
    >>> affine_transform(np.array([[1.0, 2.0], [3.0, 4.0]]), [[0, 1], [-1, 0]], offset=[0, 1])  # np.rot90
    array([[2., 4.],
           [1., 3.]])
    """
    given = x
    x, lazily = taken(x)
    numbers = axis_numbers(given, axes)
    what = affine(x.shape, x.dtype, matrix, offset, output_shape, mode, padding_mode, fill_value, numbers, dtype)
    if not is_of_xarray(given):
        return _transformed(what, x, lazily, numbered_chunks(given, chunks), num_threads)
    from vrdask.api.labelled import grids_of_map, labelled_as, lines_of

    grids = grids_of_map(x.shape, what)
    lines_of(given, grids)  # refuses what has no places for the new samples, before they are made
    result = _transformed(what, x, lazily, numbered_chunks(given, chunks), num_threads)
    return labelled_as(given, result, grids)


def _transformed(what: Affine, x: Any, lazily: bool, chunks: Any, num_threads: int | None) -> Any:
    if lazily:
        from vrdask.lazy.sampling import affine_lazily

        return affine_lazily(what, x, chunks, 1 if num_threads is None else threads.resolve(num_threads))
    if chunks is not None:
        raise ValueError(f"chunks must be None for a numpy array, which is sampled at once; got {chunks!r}")
    from vrdask.compute.sample_box import sample_affine

    writes = whole(what.out_shape)
    reads = whole(x.shape) if what.sampling.wraps else what.reads(writes)
    return sample_affine(what, x[slices_of(reads)], reads, writes, threads.resolve(num_threads), buffers.empty)
