"""Zarr to Zarr by whole blocks: each task reads its blocks of the source and writes whole chunks or shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from vrdask.api import taken
from vrdask.api.coordinates import with_coordinates
from vrdask.api.downsample import Factors
from vrdask.api.labelled import grids_of_blocks
from vrdask.api.labels import block_mode_for
from vrdask.api.signatures import with_parameters_of
from vrdask.images.asked import of_axes
from vrdask.runs.job import Job, prepare_job
from vrdask.sources.source import axes_of
from vrdask.transforms.blocks import MODES, blocks

if TYPE_CHECKING:
    import zarr

KEEPING = tuple(mode for mode in MODES if mode != "mean")
"""Modes whose results are all samples of the source."""


def prepare(
    source: Any,
    target: Any,
    factors: Factors | str,
    mode: str | None = None,
    *,
    axes: Sequence[int | str] | int | str | None = None,
    sparse: bool = False,
    force: bool = False,
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
    pixel_size: Any = None,
) -> Job:
    """Check the arguments of `downsample_zarr`, plan the run, and write nothing."""
    opened = taken.opened(source, region=region, pixel_size=pixel_size)
    array = opened.array
    numbers, values = of_axes("factors", factors, axes, axes_of(opened))
    if mode is None or mode in MODES:  # `blocks` refuses others
        mode = block_mode_for(mode, opened, KEEPING, force)
    what = blocks(
        array.shape, values or 1, mode,
        axes=numbers, in_dtype=array.dtype, out_dtype=dtype, sparse=sparse,
    )  # fmt: skip
    image = opened.image and opened.image.stepped(what.steps, what.starts)
    opened = with_coordinates(source, opened, grids_of_blocks(what), pixel_size)
    return prepare_job(
        source, opened, what, image, target,
        chunks=chunks, shards=shards, compressors=compressors, memory_limit=memory_limit, resume=resume,
        overwrite=overwrite, progress=progress, num_threads=num_threads,
    )  # fmt: skip


@with_parameters_of(prepare)
def downsample_zarr(*args: Any, **kwargs: Any) -> zarr.Array[Any]:
    """Write an array with every block of its samples made one sample, in bounded memory; the result equals `downsample`
    at once, bit for bit.

    Parameters
    ----------
    source, target : as in `resample_zarr`
        A new target of an image is one: with the factors times its scale, and its first sample in the middle of the
        first whole block (mode "stride": where the source's is).
    factors, axes, sparse, dtype : as in `downsample`
        One factor is for all axes of space; several are for the last of them.
    mode : as in `downsample`
        By default "mean", and "majority" for labels.
    force : bool
        Let labels be mixed.
    region, pixel_size, chunks, shards, compressors : as in `resample_zarr`.
    memory_limit, resume, overwrite, progress, num_threads : as in `resample_zarr`.

    Examples
    --------
    >>> import numpy as np, zarr
    >>> source = zarr.create_array({}, data=np.arange(5.0), chunks=4)
    >>> downsample_zarr(source, zarr.storage.MemoryStore(), 2)[:]
    array([0.5, 2.5, 4. ])
    """
    return prepare(*args, **kwargs).run()
