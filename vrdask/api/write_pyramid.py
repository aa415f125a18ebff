"""Any source to an OME-Zarr image of several levels, all of one read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from vrdask.api import taken
from vrdask.api.labels import block_mode_for
from vrdask.api.signatures import with_parameters_of
from vrdask.compute.threads import resolve_tasks
from vrdask.dtypes import native
from vrdask.images.image import Image
from vrdask.images.pyramid_metadata import image_for_ome_zarr, images_of_levels, order_for_ome_zarr
from vrdask.planning.pyramid_levels import levels_of
from vrdask.runs.apart import require_apart
from vrdask.runs.pyramid_job import PyramidJob, prepare_pyramid
from vrdask.runs.pyramid_target import in_place_target, new_target
from vrdask.runs.target_sizes import chunks_and_shards, parse_bytes
from vrdask.sources import Source
from vrdask.sources.above import LABELS
from vrdask.sources.label_images import label_images, labels_at
from vrdask.sources.reordered import reordered
from vrdask.sources.source import axes_of
from vrdask.storage.places import normal
from vrdask.targets.pyramid import PyramidTarget
from vrdask.targets.tiff_pyramid import (
    chunks_of_tiles,
    image_for_tiff,
    is_tiff,
    order_for_tiff,
    reduced_in_tiff,
    tiff_pyramid,
    tile_of,
)
from vrdask.transforms.blocks import MODES as BLOCK_MODES
from vrdask.transforms.modes import MODES
from vrdask.transforms.pyramid import Factors, pyramid

KEEPING = ("majority", "nearest", "stride", "min", "max", "median")
"""Modes whose results are values of the source."""


def prepare(
    source: Any,
    target: Any = None,
    *,
    factors: Any = 2,
    levels: int | None = None,
    mode: str | None = None,
    axes: Sequence[int | str] | int | str | None = None,
    chunks: Sequence[int] | int | Mapping[str, int] | None = None,
    shards: Sequence[int] | int | Mapping[str, int] | None = None,
    compressors: Any = "auto",
    ome_zarr_version: str = "0.5",
    in_place: bool = False,
    memory_limit: int | str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Any = None,
    num_threads: int | None = None,
    with_labels: bool = True,
    force: bool = False,
) -> PyramidJob:
    """Check the arguments of `write_pyramid`, plan the run, and write nothing."""
    if resume and overwrite:
        raise ValueError("at most one of resume and overwrite may be True; got both")
    if in_place == (target is not None):
        said = "both" if in_place else "neither"
        raise ValueError(f"exactly one of target and in_place must be given; got {said}")
    to_tiff = not in_place and is_tiff(target)
    given, opened = source, _in_order(taken.opened(source), to_tiff, in_place)
    what_mode, image = _mode_of(opened, mode, force), opened.image
    assert image is not None
    chunks, shards = chunks_and_shards(opened, chunks, shards, opened.array.shape)
    known = axes_of(opened)
    usual, stored = known.space, chunks or opened.layout.chunks
    if to_tiff:
        tile = tile_of(image, chunks)
        usual, stored = reduced_in_tiff(image), chunks_of_tiles(image, opened.array.shape, tile)
    steps = levels_of(
        opened.array.shape, image.axis_names, usual if axes is None else known.numbers(axes), image.scale, stored,
        factors, levels, what_mode in BLOCK_MODES,
    )  # fmt: skip
    what = pyramid(opened.array.shape, steps, what_mode, native(opened.array.dtype))
    images = images_of_levels(
        image, [what.product(level) for level in range(what.levels + 1)], what.starts_at_first,
        list(map(str, range(what.levels + 1))),
    )  # fmt: skip
    about = {
        "description": _DESCRIPTION if what.in_blocks else "each level resampled from the one before",
        "method": "vrdask.write_pyramid",
        "version": version("vrdask"),
        "kwargs": {"mode": what_mode, "factors": [[float(f) for f in step] for step in steps]},
    }
    limit, more = parse_bytes(memory_limit), None
    made: PyramidTarget
    if in_place:
        if chunks is not None or shards is not None:
            raise ValueError("chunks and shards must be None in place, where levels are stored as the full one is")
        made, place, more = in_place_target(opened, images, what, ome_zarr_version, compressors, about)
    else:
        place = normal(target)
        require_apart(given, opened, place)
    if to_tiff:
        _require_none_of_zarr(shards, ome_zarr_version, place)
        made = tiff_pyramid(
            place, images, what.shapes, what.dtype, tile, compressors, resolve_tasks(num_threads), limit, overwrite,
            label_images(opened) if with_labels else (),
        )  # fmt: skip
        with_labels = False
    elif not in_place:
        made = new_target(place, opened.layout, images, what, chunks, shards, compressors, ome_zarr_version, about)
    job = prepare_pyramid(
        opened, what, images, made, place, limit=limit, resume=resume, overwrite=overwrite, progress=progress,
        num_threads=num_threads, in_place=more,
    )  # fmt: skip
    if not with_labels:
        return job
    beside = [
        (name, prepare(
            one, None if in_place else made.root / LABELS / name, factors=_for_axes(steps, image, one),
            mode="majority" if what.in_blocks else "nearest", compressors=compressors,
            ome_zarr_version=ome_zarr_version, in_place=in_place, memory_limit=memory_limit, resume=resume,
            overwrite=overwrite, progress=progress, num_threads=num_threads, with_labels=False,
        ))
        for name, one, _ in labels_at(opened) if made.root is not None
    ]  # fmt: skip
    return replace(job, labels=tuple(beside))


def _for_axes(steps: Sequence[Factors], image: Image, other: Source) -> list[dict[str, Any]]:
    """The factors of every level for an image of some of the same axes."""
    assert other.image is not None
    names = other.image.axis_names
    return [{name: f for name, f in zip(image.axis_names, step, strict=True) if name in names} for step in steps]


_DESCRIPTION = "each level of whole blocks of samples, aligned at the first"


def _in_order(source: Source, to_tiff: bool, in_place: bool) -> Source:
    """A source as an image with its axes as the target has them."""
    shape, names = source.array.shape, source.layout.dimension_names
    if to_tiff:
        image = image_for_tiff(source.image, names, shape)
        order = order_for_tiff(image, shape, source.array.dtype)
        source = replace(source, image=image)
        return source if order == tuple(range(len(shape))) else reordered(source, order)
    turned = None if in_place else order_for_ome_zarr(source.image)
    source = source if turned is None else reordered(source, turned)
    return replace(source, image=image_for_ome_zarr(source.image, names, len(shape)))


def _require_none_of_zarr(shards: Any, ome_zarr_version: str, place: Any) -> None:
    for name, given, none in (("shards", shards, None), ("ome_zarr_version", ome_zarr_version, "0.5")):
        if given != none:
            raise ValueError(f"{name} must be left out for a TIFF, which has none; got {given} for {place}")


def _mode_of(source: Source, mode: str | None, force: bool) -> str:
    """The mode, by default what suits the source."""
    if source.image is not None and source.image.is_labels and source.array.dtype.kind not in "biu":
        raise TypeError(f"labels must be integers; got {source.array.dtype} in {source.place}")
    if mode is not None and (not isinstance(mode, str) or (mode not in BLOCK_MODES and mode not in MODES)):
        raise ValueError(f"mode must be one of {', '.join([*BLOCK_MODES, *MODES])}; got {mode!r}")
    return block_mode_for(mode, source, KEEPING, force)


@with_parameters_of(prepare)
def write_pyramid(*args: Any, **kwargs: Any) -> Any:
    """Write an OME-Zarr image with smaller and smaller levels, all of one read of the source, in bounded memory.

    Every level has exactly the bits of its definition, whatever the chunks, threads or workers, and however often the
    run was cut off. The mean of integers, min, max and stride: those of one `downsample` of the full level by the
    product of the factors, rounded once. Every other mode, and the mean of floats: those of one `downsample`, or
    `resample` (with exact factors), of the level before, as stored.

    The run is that of `resample_zarr`: on the active dask client or on threads, one at a time for a target, recorded
    and resumable; the image becomes visible when all of it is there.

    Parameters
    ----------
    source : as in `resample_zarr`
        Of OME-Zarr with names of axes as it allows them; colours that come last, as in slides, become channels.
    target : path, URL or store
        A new OME-Zarr image. The full level is copied into it; stored chunks of Zarr as they are, where sizes, dtype
        and codecs stay the same. Or a file:
        ".ome.tif", an OME-TIFF whose smaller levels are SubIFDs; ".tif", of rows, columns and colours alone, with the
        smaller levels as reduced pages, which OpenSlide reads.
    factors : number, {axis name: number}, list of these, or "auto"
        Of each level over the one before; a number is for every axis of `axes` with more than one sample. Whole
        numbers, but for modes of `resample`, which take any from 1 on. "auto" halves the axes along which samples lie
        closest until they are about as far apart as along the others, then all.
    levels : int, optional
        How many below the full one; by default until the smallest fits one chunk.
    mode : str, optional
        Of `downsample` (mean, majority, median, min, max, stride) or of `resample` (nearest, linear, area, cubic, its
        filters). By default "mean", and "majority" for labels.
    axes : the axes that a single factor is for; those of space by default, of TIFF y and x.
    chunks, shards, compressors : as in `resample_zarr`, for all levels; no larger than a level is.
        Of TIFF, chunks are its tiles, and compressors is "deflate", "zstd", "jpeg" (of uint8, grey or in colours), with
        a level as in "jpeg:90", or "none". A lossy one is for the file alone: levels are made of what the source holds.
    ome_zarr_version : "0.5", in Zarr 3, or "0.4", in Zarr 2.
    in_place : bool
        Add levels to the OME-Zarr image that the source is, which keeps its version. Its metadata change last.
    memory_limit, resume, progress, num_threads : as in `resample_zarr`; progress counts bytes.
    overwrite : bool
        Replace what is at `target`; in place, the levels below the full one.
    with_labels : bool
        Whether the label images beside an OME-Zarr image come with it, by the same factors and majority.
    force : bool
        Let labels be mixed.

    Returns
    -------
    zarr.Group
        The finished image; of TIFF its full level, as a zarr.Array that reads the file.

    Notes
    -----
    OME-Zarr asks for a number where nothing says the distance between samples: it is written as 1 without a unit, and
    the attribute "vrdask" says that it is unknown.
    Of channels without a range of values to show, the range within the smallest level is written.

    Raises
    ------
    FileExistsError, FileNotFoundError, TypeError, ValueError
        As in `resample_zarr`; nothing has been written then.

    Examples
    --------
    >>> import numpy as np, zarr
    >>> source = zarr.create_array({}, data=np.arange(64, dtype="uint8").reshape(8, 8), chunks=(4, 4))
    >>> image = write_pyramid(source, zarr.storage.MemoryStore())
    >>> image["1"][:]
    array([[ 4,  6,  8, 10],
           [20, 22, 24, 26],
           [36, 38, 40, 42],
           [52, 54, 56, 58]], dtype=uint8)
    """
    return prepare(*args, **kwargs).run()
