"""Zarr to Zarr through an affine map: each task reads its box of the source, samples it and writes whole units."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy.typing as npt
import zarr

from vrdask.api import taken
from vrdask.api.signatures import with_parameters_of
from vrdask.runs.job import Job, prepare_job
from vrdask.transforms.affine import affine


def prepare(
    source: Any,
    target: Any,
    matrix: Any,
    offset: Any = 0.0,
    output_shape: Sequence[int] | int | None = None,
    mode: str = "linear",
    *,
    padding_mode: str = "constant",
    fill_value: Any = 0,
    axes: Iterable[int] | int | None = None,
    dtype: npt.DTypeLike | None = None,
    chunks: Sequence[int] | int | None = None,
    shards: Sequence[int] | int | None = None,
    compressors: Any = "auto",
    memory_limit: int | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Any = None,
    num_threads: int | None = None,
) -> Job:
    """Check the arguments of `affine_zarr`, plan the run, and write nothing."""
    opened = taken.opened(source)
    what = affine(
        opened.array.shape,
        opened.array.dtype,
        matrix,
        offset,
        output_shape,
        mode,
        padding_mode,
        fill_value,
        axes,
        dtype,
    )
    image = opened.image and opened.image.seen_through(what.matrix, what.offset, what.axes)
    return prepare_job(
        source, opened, what, image, target,
        chunks=chunks, shards=shards, compressors=compressors, memory_limit=memory_limit, resume=resume,
        overwrite=overwrite, progress=progress, num_threads=num_threads,
    )  # fmt: skip


@with_parameters_of(prepare)
def affine_zarr(*args: Any, **kwargs: Any) -> zarr.Array[Any]:
    """Write one Zarr array as another seen through an affine map, in bounded memory; the result equals
    `affine_transform` at once, bit for bit.

    Parameters
    ----------
    source, target : as in `resample_zarr`
        A new target becomes an OME-Zarr image if the source is one and the matrix is a positive diagonal; for any
        other map the axes' scale and origin would be wrong, and it becomes a plain array. A path that ends in .png,
        .tif or .tiff becomes a picture, for results that fit in memory.
    matrix, offset, output_shape, mode : as in `affine_transform`.
    padding_mode, fill_value, axes, dtype : as in `affine_transform`.
    chunks, shards, compressors, memory_limit : as in `resample_zarr`.
    resume, overwrite, progress, num_threads : as in `resample_zarr`.

    Examples
    --------
    >>> import numpy as np, zarr
    >>> source = zarr.create_array({}, data=np.arange(6.0).reshape(2, 3), chunks=(1, 3))
    >>> affine_zarr(source, zarr.storage.MemoryStore(), [[0, 1], [-1, 0]], (0, 2), (3, 2))[:]
    array([[2., 5.],
           [1., 4.],
           [0., 3.]])
    """
    return prepare(*args, **kwargs).run()
