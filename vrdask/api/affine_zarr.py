"""Zarr to Zarr through an affine map: each task reads its box of the source, samples it and writes whole units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vrdask.api import taken
from vrdask.api.coordinates import with_coordinates
from vrdask.api.labelled import grids_of_map
from vrdask.api.labels import holds_labels, mode_for
from vrdask.api.signatures import with_parameters_of
from vrdask.images.image import Image
from vrdask.images.nifti_fields import on_grid_of
from vrdask.images.onto import GridMap, onto
from vrdask.runs.job import Job, prepare_job
from vrdask.sources import Source
from vrdask.sources.seen import seen
from vrdask.sources.source import axes_of
from vrdask.targets.shown import is_for_eyes
from vrdask.transforms.affine import affine

if TYPE_CHECKING:
    import zarr


def prepare(
    source: Any,
    target: Any,
    matrix: Any = None,
    offset: Any = 0.0,
    output_shape: Sequence[int] | int | None = None,
    mode: str | None = None,
    *,
    like: Any = None,
    padding_mode: str = "constant",
    fill_value: Any = 0,
    axes: Iterable[int | str] | int | str | None = None,
    dtype: npt.DTypeLike | None = None,
    chunks: Sequence[int] | int | Mapping[str, int] | None = None,
    shards: Sequence[int] | int | Mapping[str, int] | None = None,
    compressors: Any = "auto",
    memory_limit: int | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Any = None,
    num_threads: int | None = None,
    ome_zarr_version: str = "0.5",
    keep_order: bool = False,
    window: Sequence[float] | None = None,
    region: Mapping[str, Any] | str | None = None,
    pixel_size: Any = None,
    labels: bool = False,
) -> Job:
    """Check the arguments of `affine_zarr`, plan the run, and write nothing."""
    opened = taken.opened(source, region=region, pixel_size=pixel_size)
    opened, is_labels = holds_labels(opened, labels)
    opened = seen(opened) if is_for_eyes(target) else opened
    grid = None
    if like is not None:
        reference = taken.opened(like)
        grid, output_shape = _grid(opened, reference, matrix, offset, output_shape, axes)
        matrix, offset, axes = grid.matrix, grid.offset, grid.axes
        layout = replace(opened.layout, attributes=on_grid_of(opened.layout.attributes, reference.layout.attributes))
        opened = replace(opened, layout=layout, details=(*opened.details, *(("note", note) for note in grid.notes)))
    elif matrix is None:
        raise ValueError("matrix or like must be given; got neither")
    what = affine(
        opened.array.shape,
        opened.array.dtype,
        matrix,
        offset,
        output_shape,
        str(mode_for(mode, is_labels)),
        padding_mode,
        fill_value,
        None if axes is None else axes_of(opened).numbers(axes),
        dtype,
    )
    if grid is not None:
        image: Image | None = grid.image
    else:
        image = opened.image and opened.image.seen_through(what.matrix, what.offset, what.axes)
    opened = with_coordinates(source, opened, grids_of_map(opened.shape, what), pixel_size)
    return prepare_job(
        source, opened, what, image, target,
        chunks=chunks, shards=shards, compressors=compressors, memory_limit=memory_limit, resume=resume,
        overwrite=overwrite, progress=progress, num_threads=num_threads, ome_zarr_version=ome_zarr_version,
        keep_order=keep_order, window=window, keeps_numbers=dtype is not None,
    )  # fmt: skip


def _grid(
    source: Source, reference: Source, world: Any, offset: Any, output_shape: Any, axes: Any
) -> tuple[GridMap, tuple[int, ...]]:
    """The map onto a reference's grid, and the sizes of that."""
    for name, value, is_given in (
        ("offset", offset, bool(np.any(offset))),
        ("output_shape", output_shape, output_shape is not None),
        ("axes", axes, axes is not None),
    ):
        if is_given:
            raise ValueError(f"{name} must be left out with like, which says it; got {value!r}")
    names = (source.place, reference.place)
    grid = onto(source.image, reference.image, world, names)
    assert reference.image is not None
    return grid, tuple(reference.array.shape[axis] for axis in reference.image.space_axes)


@with_parameters_of(prepare)
def affine_zarr(*args: Any, **kwargs: Any) -> zarr.Array[Any]:
    """Write one Zarr array as another seen through an affine map, in bounded memory; the result equals
    `affine_transform` at once, bit for bit.

    Parameters
    ----------
    source, target : as in `resample_zarr`
        A new target becomes an OME-Zarr image if the source is one, and the matrix is a positive diagonal or the source
        knows where it lies in a scanner's space; else the axes' scale and origin would be wrong, and it becomes a plain
        array. Names that end in .nii or .nii.gz become NIfTI, those in .png, .tif or .tiff pictures, for results that
        fit in memory.
    matrix, offset, output_shape : as in `affine_transform`; but with `like` see there.
    mode : as in `affine_transform`; by default linear, and nearest for labels (an image with `image-label`, or
        `labels`), which must not be mixed: another mode for them warns.
    like : path, URL, store or Source, optional
        The image whose grid the result gets: its sizes, spacing, place and directions, along the axes of space; the
        source's other axes stay. Samples are those at the same place of the world: of a scanner, in millimetres, where
        one of both says its directions (NIfTI, OME-Zarr with orientation; one that does not is taken as ITK takes it, x
        to the left and y to the back), else that of scale and translation along axes of the same names. `matrix` is
        then None or a 4 x 4 matrix between worlds, from that of the reference to that of the source, in millimetres,
        RAS+; `offset`, `output_shape` and `axes` are left out.
    padding_mode, fill_value, axes, dtype : as in `affine_transform`.
    chunks, shards, compressors, memory_limit : as in `resample_zarr`.
    resume, overwrite, progress, num_threads : as in `resample_zarr`.
    region, pixel_size, labels : as in `resample_zarr`; positions count from the region's first samples.

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
