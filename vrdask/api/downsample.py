"""`downsample`: whole blocks of samples, for numpy, dask and zarr arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy.typing as npt

from vrdask.api.by_axis import made
from vrdask.api.known import is_of_xarray, is_source, known_of, numbered_chunks
from vrdask.api.signatures import with_hints
from vrdask.api.taken import taken
from vrdask.images.asked import of_axes
from vrdask.transforms.blocks import Blocks, blocks

if TYPE_CHECKING:
    import dask.array as da

    from vrdask.api.taken import Lazy

Factors: TypeAlias = int | Sequence[int] | Mapping[int, int] | Mapping[str, int]


@overload
def downsample(
    x: npt.NDArray[Any],
    factors: Factors,
    mode: str = ...,
    *,
    axes: Iterable[int | str] | int | str | None = ...,
    chunks: Any = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
    sparse: bool = ...,
) -> npt.NDArray[Any]: ...
@overload
def downsample(
    x: Lazy,
    factors: Factors,
    mode: str = ...,
    *,
    axes: Iterable[int | str] | int | str | None = ...,
    chunks: Any = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
    sparse: bool = ...,
) -> da.Array: ...
@overload
def downsample(  # type: ignore[overload-cannot-match]  # where dask has no types
    x: Any,
    factors: Factors,
    mode: str = ...,
    *,
    axes: Iterable[int | str] | int | str | None = ...,
    chunks: Any = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
    sparse: bool = ...,
) -> Any: ...
@with_hints
def downsample(
    x: Any,
    factors: Factors,
    mode: str = "mean",
    *,
    axes: Iterable[int | str] | int | str | None = None,
    chunks: Any = None,
    dtype: npt.DTypeLike | None = None,
    num_threads: int | None = None,
    sparse: bool = False,
) -> Any:
    """The array with every block of samples made one sample.

    Blocks are aligned at 0; where a factor does not divide an axis of n samples, the last block is partial: the result
    has ceil(n / factor). Chunk by chunk gives the same bits as the whole array at once, for every chunking, thread
    count and scheduler. Agrees with ``tensorstore.downsample``.

    Parameters
    ----------
    x : array
        As in `resample`: numpy arrays give numpy arrays, at once; dask and zarr arrays, h5py datasets, tensorstores and
        Sources a lazy dask array; DataArrays and Datasets of xarray the same with the coordinates of the new samples.
    factors : int, sequence of int, or mapping
        Samples of a block along each of `axes`. One number is for all axes (of space, where the array says which these
        are); where axes have names also a mapping, ``{"y": 2, "x": 2}``; and of numbers of axes, ``{-1: 2}``.
    mode : {"mean", "majority", "median", "min", "max", "stride"}
        The mean, of integers exact with halves to even; the value that is there most often, of several the lowest
        (labels); the value in the middle, the lower of two; the least or greatest; or the first sample.
    axes : int, str or sequence of them, optional
        By number or name; the last ``len(factors)`` by default.
    chunks : optional
        Chunks of a lazy result, in any notation of dask. By default the input's, smaller by the factors.
    dtype : optional
        Type of the result; the input's by default. Integers round half to even and saturate.
    num_threads : int, optional
        As in `resample`.
    sparse : bool
        Of "majority": zeros (background) count only where there is nothing else.

    Returns
    -------
    numpy.ndarray, dask.array.Array, xarray.DataArray or xarray.Dataset

    Raises
    ------
    TypeError, ValueError
        An argument is not as described; nothing has been read then.

    Notes
    -----
    Takes bool, integers of 8 to 64 bits, and floats of 16 to 64; "stride" takes any type of fixed size. Floats are
    added in float64 in C order. A NaN in a block makes its mean NaN. In "min" and "max" NaN is left out, as in numpy's
    fmin and fmax; in "median" it is above all numbers; in "majority" it is a value like others. -0 lies below +0.

    Examples
    --------
    >>> import numpy as np
    >>> downsample(np.array([1, 2, 3, 6, 9], np.uint8), 2)
    array([2, 4, 9], dtype=uint8)
    >>> downsample(np.array([[0, 7, 0, 0], [0, 7, 5, 0]]), 2, "majority", sparse=True)
    array([[7, 5]])
    """
    if is_of_xarray(x):
        from vrdask.api.labelled import downsample_labelled

        return downsample_labelled(x, factors, mode, axes, chunks, dtype, num_threads, sparse)
    array, lazily = taken(x)
    what = asked_blocks(array, factors, mode, axes, dtype, sparse, x)
    return made(what, array, lazily, numbered_chunks(x, chunks), num_threads)


def asked_blocks(
    x: Any, factors: Any, mode: str, axes: Any, dtype: npt.DTypeLike | None, sparse: bool, given: Any
) -> Blocks:
    """The downsampling of an array that is asked for. given : the array as the caller gave it."""
    known, _ = known_of(given if is_of_xarray(given) or is_source(given) else x)
    numbers, values = of_axes("factors", factors, axes, known)
    return blocks(x.shape, values or 1, mode, axes=numbers, in_dtype=x.dtype, out_dtype=dtype, sparse=sparse)
