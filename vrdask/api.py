"""`resample`: one function for numpy, dask and zarr arrays."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask import threads
from vrdask.executors.in_memory import resample_in_memory
from vrdask.resampling import resampling


def is_dask_array(x: object) -> bool:
    dask_array = sys.modules.get("dask.array")
    return dask_array is not None and isinstance(x, dask_array.Array)


def is_zarr_array(x: object) -> bool:
    zarr = sys.modules.get("zarr")
    return zarr is not None and isinstance(x, zarr.Array)


def resample(
    x: Any,
    shape: Sequence[int] | int,
    mode: str = "linear",
    align_corners: bool = False,
    *,
    axes: Iterable[int] | int | None = None,
    chunks: Any = None,
    dtype: npt.DTypeLike | None = None,
    num_threads: int | None = None,
) -> Any:
    """The array resampled to other sizes along some of its axes.

    Chunk by chunk gives the same bits as the whole array at once, for every chunking, thread count and scheduler.

    Parameters
    ----------
    x : numpy, dask or zarr array
        A numpy array (or what `numpy.asarray` makes of it) is resampled at once. A dask array gives a lazy dask array,
        one task per output chunk that depends on the blocks it touches. A zarr array gives a lazy dask array, one task
        per output chunk that reads its own region of the store. Never changed.
    shape : int or sequence of int
        Target sizes of `axes`.
    mode : {"nearest", "linear", "area", "cubic", "box", "bilinear", "hamming", "bicubic", "lanczos", "mks2013", "mks2021"}
        As torch's ``interpolate`` with mode "nearest-exact"; "linear", "bilinear", "trilinear"; "area"; as
        ``scipy.ndimage.zoom(order=3, mode="reflect")``, a cubic B-spline with its prefilter; and as Pillow's
        ``Image.resize`` with the antialiased filters of the other names (Pillow 13).
    align_corners : bool
        The centres of the first and last samples stay where they are, rather than the edges of the array. For
        "nearest", "linear" and "cubic".
    axes : int or sequence of int, optional
        Axes to resample; the last ``len(shape)`` by default. All others are batch or channel axes:
        ``axes=(0, 1)`` resamples a channel-last image.
    chunks : optional
        Chunks of a lazy result, in any notation of dask. By default the input's, made smaller where an axis shrinks.
    dtype : optional
        Type of the result; the input's by default. Integers round half to even and saturate; filters from uint8 to
        uint8 round half up after each axis, as Pillow does.
    num_threads : int, optional
        Threads for a numpy array; by default `get_num_threads`. For lazy results threads per task; by default one,
        since the scheduler fills the cores.

    Returns
    -------
    numpy.ndarray or dask.array.Array

    Raises
    ------
    TypeError, ValueError
        An argument is not as described; nothing has been read then.

    Notes
    -----
    8- and 16-bit types and float32 are computed in float32, all others in float64, which holds integers exactly up to
    2^53. "nearest" copies and takes any type of fixed size.

    Examples
    --------
    >>> import numpy as np
    >>> resample(np.array([0.0, 10.0, 20.0, 30.0]), 2)
    array([ 5., 25.])
    >>> resample(np.zeros((480, 640, 3), np.uint8), (240, 320), "area", axes=(0, 1)).shape
    (240, 320, 3)
    """
    x, lazily = _accepted(x)
    what = resampling(x.shape, shape, mode, align_corners, axes=axes, in_dtype=x.dtype, out_dtype=dtype)
    if not lazily:
        if chunks is not None:
            raise ValueError(f"chunks must be None for a numpy array, which is resampled at once; got {chunks!r}")
        return resample_in_memory(what, x, threads.resolve(num_threads))
    from vrdask.executors import lazy

    task_threads = 1 if num_threads is None else threads.resolve(num_threads)
    if is_zarr_array(x):
        return lazy.resample_zarr_lazily(what, x, chunks, task_threads)
    return lazy.resample_dask(what, x, chunks, task_threads)


def _accepted(x: Any) -> tuple[Any, bool]:
    """The array, and whether it is a dask or zarr array."""
    if type(x) is np.ndarray:
        return x, False
    if isinstance(getattr(x, "_meta", x), np.ma.MaskedArray):
        raise TypeError(
            "x must not be a masked array; fill it first: x.filled(value), or dask.array.ma.filled(x, value)"
        )
    lazily = is_dask_array(x) or is_zarr_array(x)
    return (x if lazily else np.asarray(x)), lazily
