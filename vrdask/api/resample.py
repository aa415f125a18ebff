"""`resample`: one function for numpy, dask and zarr arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy.typing as npt

from vrdask.api.by_axis import made
from vrdask.api.known import asked_resampling, is_of_xarray, numbered_chunks
from vrdask.api.regions import Region, in_region
from vrdask.api.signatures import with_hints
from vrdask.api.taken import taken

if TYPE_CHECKING:
    import dask.array as da

    from vrdask.api.taken import Lazy

Shape: TypeAlias = Sequence[int] | int | Mapping[str, int]
Asked: TypeAlias = float | str | Sequence[float | str] | Mapping[str, float | str]
"""Numbers by axis, in order or by name; texts may say units."""
ModeAsked: TypeAlias = str | Sequence[str] | Mapping[Any, str]
"""The mode of all axes, or one for each, in order or by the axis's number or name."""


@overload
def resample(
    x: npt.NDArray[Any],
    shape: Shape | None = ...,
    mode: ModeAsked = ...,
    align_corners: bool = ...,
    *,
    axes: Iterable[int | str] | int | str | None = ...,
    chunks: Any = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
    factor: Asked | None = ...,
    spacing: Asked | None = ...,
    exact: bool = ...,
    region: Region | None = ...,
) -> npt.NDArray[Any]: ...
@overload
def resample(
    x: Lazy,
    shape: Shape | None = ...,
    mode: ModeAsked = ...,
    align_corners: bool = ...,
    *,
    axes: Iterable[int | str] | int | str | None = ...,
    chunks: Any = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
    factor: Asked | None = ...,
    spacing: Asked | None = ...,
    exact: bool = ...,
    region: Region | None = ...,
) -> da.Array: ...
@overload
def resample(  # type: ignore[overload-cannot-match]  # where dask has no types
    x: Any,
    shape: Shape | None = ...,
    mode: ModeAsked = ...,
    align_corners: bool = ...,
    *,
    axes: Iterable[int | str] | int | str | None = ...,
    chunks: Any = ...,
    dtype: npt.DTypeLike | None = ...,
    num_threads: int | None = ...,
    factor: Asked | None = ...,
    spacing: Asked | None = ...,
    exact: bool = ...,
    region: Region | None = ...,
) -> Any: ...
@with_hints
def resample(
    x: Any,
    shape: Shape | None = None,
    mode: ModeAsked = "linear",
    align_corners: bool = False,
    *,
    axes: Iterable[int | str] | int | str | None = None,
    chunks: Any = None,
    dtype: npt.DTypeLike | None = None,
    num_threads: int | None = None,
    factor: Asked | None = None,
    spacing: Asked | None = None,
    exact: bool = False,
    region: Region | None = None,
) -> Any:
    """The array resampled to other sizes along some of its axes.

    Chunk by chunk gives the same bits as the whole array at once, for every chunking, thread count and scheduler.

    Parameters
    ----------
    x : array
        A numpy array is resampled at once, as are numbers in lists, buffers and torch tensors on the CPU. A dask array
        gives a lazy dask array, one task per output chunk that depends on the blocks it touches. A zarr array, an h5py
        dataset, a tensorstore and a Source (see `open`) give a lazy dask array, one task per output chunk that reads
        its own region. Of xarray, a DataArray gives a DataArray with the coordinates of the new samples, lazy where it
        is, and a Dataset one of all its variables. Never changed. Images of other libraries are refused by name.
    shape : int, sequence of int, or mapping
        Target sizes of `axes`; where axes have names (those of DataArrays, Sources, some zarr arrays) also a mapping,
        ``{"y": 512, "x": 512}``.
    factor, spacing : in place of `shape`
        Output samples per input sample; or the distance between output samples, for arrays that say their own (a text
        may say a unit, ``"2um"``). One number for all axes of space, or one per axis of `axes`, or a mapping. Numbers
        are exact decimals: 0.1 is 1/10. Sizes are rounded half up.
    exact : bool
        Outputs are as far apart as `factor` or `spacing` says, rather than as the rounded sizes say: torch's
        ``recompute_scale_factor=False``, SimpleITK's habit. With r = 1 / factor, output i lies at (i + 1/2) r - 1/2;
        its share is [i r, (i + 1) r), cut off at the end of the array. With `align_corners` it lies at i r, and there
        are as many outputs as lie from the first to the last sample.
    region : mapping or str, optional
        What of the array the result is of: by axis, a start and a stop in samples, ``{"y": (50, 900), "x": (0, 100)}``
        or "y=50:900", axes without names by number. Whole numbers cut: the rest is not there. A fraction, if only 10.0,
        says where an axis's first output begins and its last one ends, and samples beyond weigh in as far as the mode
        reaches: Pillow's ``Image.resize(box=..)`` with the filters, and likewise with the other modes. The ends are
        exact decimals; from uint8 to uint8 with the filters single-precision numbers, as Pillow has them.
    mode : {"nearest", "linear", "area", "area_exact", "cubic", "box", "bilinear", "hamming", "bicubic", "lanczos", \
            "mks2013", "mks2021"}
        As torch's ``interpolate`` with mode "nearest-exact"; "linear", "bilinear", "trilinear"; "area"; as OpenCV's
        ``resize`` with INTER_AREA where axes shrink, and scikit-image's ``resize_local_mean`` on all axes; as
        ``scipy.ndimage.zoom(order=3, mode="reflect")``, a cubic B-spline with its prefilter (exact on axes of a few
        samples, too, where SciPy's, up to 1.17, is not); and as Pillow's ``Image.resize`` with the antialiased filters
        of the other names (Pillow 13). Axes may have a mode each: one name per axis of `axes`, or a mapping from axis
        to name, such as ``{0: "nearest", 1: "cubic", 2: "cubic"}`` for slices that lie far apart.
    align_corners : bool
        The centres of the first and last samples stay where they are, rather than the edges of the array. For
        "nearest", "linear" and "cubic".
    axes : int, str or sequence of them, optional
        Axes to resample, by number or name; the last ``len(shape)`` by default. All others are batch or channel axes:
        ``axes=(0, 1)`` resamples a channel-last image.
    chunks : optional
        Chunks of a lazy result, in any notation of dask. By default the input's, made smaller where an axis shrinks.
    dtype : optional
        Type of the result; the input's by default. Integers round half to even and saturate; filters from uint8 to
        uint8 round half up after each axis, as Pillow does.
    num_threads : int, optional
        Threads for a numpy array; by default `get_num_threads`, which says what counts. For lazy results threads per
        task; by default one, since the scheduler fills the cores.

    Returns
    -------
    numpy.ndarray, dask.array.Array, xarray.DataArray or xarray.Dataset

    Raises
    ------
    TypeError, ValueError
        An argument is not as described; nothing has been read then.

    Notes
    -----
    "nearest" is exact for all sizes: torch's own "nearest-exact" computes positions in float32 for float32 tensors and
    picks another sample for 734 of the 39,601 pairs of sizes below 200. "linear" of uint8 is the exact value, rounded;
    torch's own, which rounds its weights, is a level off in a quarter of the samples. Results are in this machine's
    byte order.

    8- and 16-bit types and float32 are computed in float32, all others and rows of more than 48 taps in float64, which
    holds integers exactly up to 2^53. "area" of integers of any width is their exact mean, halves to even; so is "box"
    where all ratios are whole (but from uint8 to uint8, which is Pillow's). What is copied ("nearest", and arrays that
    keep their sizes) becomes another `dtype` in one step: integers stay what they are, or saturate. "nearest" takes any
    type of fixed size.

    NaN and infinities reach the outputs that weigh them. "cubic", "bicubic" and "lanczos" overshoot, and so do their
    sums on the way: beyond half of a float type's limits (no-data values such as -3.4e38) they may overflow to
    infinities or NaN, even where all samples are equal. The other modes keep such values.

    Examples
    --------
    >>> import numpy as np
    >>> resample(np.array([0.0, 10.0, 20.0, 30.0]), 2)
    array([ 5., 25.])
    >>> resample(np.zeros((480, 640, 3), np.uint8), (240, 320), "area", axes=(0, 1)).shape
    (240, 320, 3)
    >>> resample(np.arange(5.0), factor=0.5, exact=True)
    array([0.5, 2.5, 4. ])
    >>> resample(np.arange(8.0), 3, "bilinear", region={0: (1.25, 5.75)})
    array([1.5, 3. , 4.5])
    """
    if is_of_xarray(x):
        from vrdask.api.labelled import resample_labelled

        asked = {"shape": shape, "factor": factor, "spacing": spacing}
        return resample_labelled(x, asked, mode, align_corners, exact, axes, chunks, dtype, num_threads, region)
    windows = None
    if region is not None:
        x, windows = in_region(x, region)
    array, lazily = taken(x)
    what = asked_resampling(array, shape, factor, spacing, mode, align_corners, exact, axes, dtype, x, windows)
    return made(what, array, lazily, numbered_chunks(x, chunks), num_threads)
