"""Zarr to Zarr: each task reads its region of the source, resamples it and writes whole chunks or shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from vrdask.api import taken
from vrdask.api.coordinates import with_coordinates
from vrdask.api.labels import holds_labels, mode_for
from vrdask.api.labels_beside import with_labels_beside
from vrdask.api.regions import source_in_region
from vrdask.api.resample import Asked
from vrdask.api.signatures import with_parameters_of
from vrdask.api.sized import sized
from vrdask.runs.job import Job, prepare_job
from vrdask.runs.target_sizes import target_sizes
from vrdask.sources.levels import nearest_larger
from vrdask.sources.seen import seen
from vrdask.targets.shown import is_for_eyes

if TYPE_CHECKING:
    import zarr


def prepare(
    source: Any,
    target: Any,
    shape: Sequence[int] | int | Mapping[str, int] | None = None,
    *,
    factor: Asked | None = None,
    spacing: Asked | None = None,
    mode: str | Sequence[str] | Mapping[str, str] | None = None,
    align_corners: bool = False,
    axes: Sequence[int | str] | int | str | None = None,
    exact: bool = False,
    region: Mapping[str, Any] | str | None = None,
    dtype: npt.DTypeLike | None = None,
    chunks: Sequence[int] | int | Mapping[str, int] | None = None,
    shards: Sequence[int] | int | Mapping[str, int] | None = None,
    compressors: Any = "auto",
    memory_limit: int | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Any = None,
    num_threads: int | None = None,
    pixel_size: Asked | None = None,
    ome_zarr_version: str = "0.5",
    keep_order: bool = False,
    window: Sequence[float] | None = None,
    labels: bool = False,
    with_labels: bool = False,
) -> Job:
    """Check the arguments of `resample_zarr`, plan the run, and write nothing."""
    opened, windows = source_in_region(taken.opened(source, pixel_size=pixel_size), region)
    opened, is_labels = holds_labels(opened, labels)
    by_majority, mode = is_labels and mode is None and not align_corners, mode_for(mode, is_labels)
    for_eyes = is_for_eyes(target)
    opened = seen(opened) if for_eyes else opened
    sizes = target_sizes(opened, shape, factor, spacing, axes, align_corners, exact, windows)
    if for_eyes and sizes.steps is None:
        opened = nearest_larger(opened, sizes.axes, sizes.shape)
    what, image, grids = sized(opened, sizes, mode, align_corners, dtype, by_majority)
    opened = with_coordinates(source, opened, grids, pixel_size)
    how: dict[str, Any] = {
        "chunks": chunks, "shards": shards, "compressors": compressors, "memory_limit": memory_limit, "resume": resume,
        "overwrite": overwrite, "progress": progress, "num_threads": num_threads, "ome_zarr_version": ome_zarr_version,
    }  # fmt: skip
    job = prepare_job(
        source, opened, what, image, target, **how, keep_order=keep_order, window=window,
        keeps_numbers=dtype is not None,
    )  # fmt: skip
    return with_labels_beside(job, sizes, align_corners, **how) if with_labels else job


@with_parameters_of(prepare)
def resample_zarr(*args: Any, **kwargs: Any) -> zarr.Array[Any]:
    """Resample one Zarr array into another, block by block in bounded memory; the result equals `resample` at once,
    bit for bit.

    Runs on the active dask client if there is one, else on threads of this process. The target gets its metadata when
    all chunks are written: a run that fails leaves nothing that opens as an array. What is written is on the disk
    before it counts as done and before the target is published; ``VRDASK_SYNC=0`` in the environment leaves that to the
    operating system.

    Parameters
    ----------
    source : path, URL (fsspec), store, zarr.Array, zarr.Group or Source
        Zarr format 2 or 3; of an OME-Zarr image level 0 is read, and the target becomes an OME-Zarr image (0.5) of one
        level with the new scale and translation. Or a file, here or behind a URL: TIFF (OME-TIFF, SVS, tiled,
        pyramidal), DICOM, NIfTI, HDF5 (``"vol.h5::/path"``), ..; a folder with a DICOM series, or a folder or a pattern
        (``"scan/*.tif"``) of TIFF, PNG or JPEG slices; the target becomes an OME-Zarr image if the file's pixel size
        is known or its channels are colours, else an array that says what is known in its attribute "vrdask".
        `vrdask.sources.open_source` gives the source that is another level, series or channel.
        An xarray.DataArray: its coordinates, of one dimension and evenly spaced where that is resampled, and its
        attributes go along, and ``xarray.open_zarr(target)`` finds them; where it is no image, as the variable of its
        name in a group.
    target : path, URL, store or zarr.Array
        Where to write (format 3). An existing array of the right shape and dtype is written into as it is. A path that
        ends in .ozx becomes a zipped OME-Zarr image, in .nii or .nii.gz NIfTI, of any size: until it is complete, its
        samples stand in a folder beside it. One that ends in .png, .jpg, .jpeg, .tif or .tiff
        becomes a picture, for results that fit in memory. PNG and JPEG show what eyes see: palettes, CMYK, CIELab and
        orientation as Pillow shows them, made from the nearest larger level where `source` is a place.
    shape, factor, spacing : exactly one of them
        Target sizes; or output samples per input sample; or the distance between output samples in the source's units
        (OME-Zarr images, and files that give it) or in units of its own, ``"2um"``: one number for every resampled
        axis, or one per axis of `axes`, or by name, ``{"z": 1, "y": 0.5}``. Numbers are exact decimals: 0.1 is 1/10.
    mode, align_corners, dtype, exact : as in `resample`; by default linear. Labels (an image with
        `image-label`, or `labels`) must not be mixed: by default they shrink by majority, where the ratio is whole on
        every axis, else they take the nearest; another mode for them warns. With `exact`, 5 samples at 1 mm and a
        spacing of 2 give samples 2 mm apart; without, the sizes' ratio, 5 / 3, decides.
    region : only these samples of the source, ``{"z": (0, 100), "y": (50, 900)}``; nothing else is read. The region is
        resampled as if it were the source, and stays where it is. With a fraction, ``{"x": (10.5, 90.25)}``, samples
        beyond it weigh in: see `resample`.
    pixel_size : distances between the source's samples, where it does not say them: as `spacing`. A spacing that
        nothing says is unknown, and refused.
    axes : the axes to resample, by number or name
        By default the last ones of space, as many as there are sizes, so that colours last are left alone; for a single
        factor or spacing all of them. Without metadata every axis counts as one of space.
    chunks, shards, compressors : of the target, as in `zarr.create_array`; the source's by default. Sizes are for all
        axes, for those of space alone, or by name; the others keep the source's. A compressor may be
        a name with a level, such as ``"zstd:5"``: zstd, blosc, gzip, lz4, or none.
    with_labels : bool
        Resample the label images beside the source onto the same grid, into those of the target, which must be an
        OME-Zarr image: by majority where all axes shrink by whole factors, else nearest.
    ome_zarr_version : "0.5" or "0.4"
        The latter is written as Zarr 2.
    keep_order : bool
        Leave axes in the source's order. Otherwise they come as OME-Zarr has them, time, channels, space: the colours
        of a slide or picture become the channels R, G and B of an image c, y, x.
    window : two numbers, optional
        Of a picture: the values that become black and white. Without, integers of 16 bits are shown from their least to
        their greatest value, colours as their type has them; with a `dtype` of uint16 grey keeps its numbers.
    memory_limit : int or str, optional
        Bytes for all tasks of a process together, such as ``"2GiB"``; by default 320 MiB per thread.
    resume : bool
        Go on from an unfinished run at `target` with the same settings, doing only what was not recorded as done or is
        no longer as it was written; begin where there is none; do nothing where the target was made with the same
        settings.
    overwrite : bool
        Replace what is at `target`: Zarr, zipped or not, an unfinished run, NIfTI or a picture; never another folder,
        nor what the source belongs to. The old result goes when the new run may begin, its metadata first.
    progress : bool, callable or bar, optional
        True shows a bar on standard error; a callable gets (samples done, samples in all); a bar such as tqdm's gets
        its `total` and an `update` with the samples of each task.
    num_threads : int, optional
        Concurrent tasks, each with one kernel thread; by default `get_num_threads`. More than there are usable cores
        help only where tasks wait for a store.

    Returns
    -------
    zarr.Array
        The finished target; of a picture, an array in memory with its samples; of another file, one that reads it.

    Raises
    ------
    FileExistsError
        There is something at `target` that neither `overwrite` nor `resume` allows for, or another run is writing it.
    FileNotFoundError, TypeError, ValueError
        An argument is not as described; nothing has been written then.

    Examples
    --------
    >>> import numpy as np, zarr
    >>> source = zarr.create_array({}, data=np.arange(8.0), chunks=4)
    >>> resample_zarr(source, zarr.storage.MemoryStore(), factor=0.5, mode="area")[:]
    array([0.5, 2.5, 4.5, 6.5])
    """
    return prepare(*args, **kwargs).run()
