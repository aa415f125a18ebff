"""What a run reads and what it makes, in words: shape, type, kind, axes, spacing and origin of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import zarr

from vrdask.images.axes import is_group
from vrdask.images.image import Image
from vrdask.images.orientation import as_stored
from vrdask.images.told import geometry, why_plain
from vrdask.sources import Source
from vrdask.sources.source import innermost
from vrdask.targets import format_of
from vrdask.text import by_axis

if TYPE_CHECKING:
    from vrdask.runs.job import Job


def before_and_after(job: Job) -> list[tuple[str, str]]:
    """A line for the source and one for the result."""
    return [("source", _source(job.source)), ("result", _result(job))]


def notes_of(source: Source, image: Image | None, notes: Iterable[str]) -> tuple[str, ...]:
    """What people are told of a run, a line each.

    image : that the target is, where that is one of OME-Zarr. notes : the target's own.
    """
    is_stored = isinstance(innermost(source), zarr.Array)  # whose axes have said it before
    return tuple(dict.fromkeys([*source.notes, *notes, *(() if is_stored else as_stored(image))]))


def _source(source: Source) -> str:
    array = source.array
    while hasattr(array, "whole"):  # a channel of it, or a region
        array = array.whole
    kind = dict(source.details).get("format", "an array")
    if isinstance(array, zarr.Array):
        kind = "level of an OME-Zarr image" if is_group(source.image) else "plain Zarr array"
    names = source.layout.dimension_names or ()
    return _line(source.array.shape, source.array.dtype, kind.partition(",")[0], geometry(source.image, names))


def _result(job: Job) -> str:
    what, target, image, shape = job.transform, job.target, job.image, job.transform.out_shape
    if isinstance(job.at.place, zarr.Array):
        kind = "the array that was there"
    elif target.is_whole or target.file is not None:
        kind = format_of(job.at.place).name
        if target.image is not None:
            image, shape = target.image, target.array.shape
    elif target.image is not None:
        version = "0.4" if target.array.metadata.zarr_format == 2 else "0.5"
        kind, image, shape = f"OME-Zarr {version} image", target.image, target.array.shape
    else:
        kind = f"plain Zarr array, because {why_plain(image)}"
    names = job.source.layout.dimension_names or ()
    return _line(shape, what.out_dtype, kind, geometry(image, names))


def _line(shape: tuple[int, ...], dtype: object, kind: str, told: str) -> str:
    return f"{by_axis(shape) or '()'} {dtype}, {kind}: {told}"
