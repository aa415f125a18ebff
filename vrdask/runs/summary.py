"""What a run reads and what it makes, in words: shape, type, kind, axes, spacing and origin of each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vrdask.images.axes import ATTRIBUTE
from vrdask.images.image import Image
from vrdask.images.nifti_fields import OF_PLACE, fields_of
from vrdask.images.orientation import as_stored
from vrdask.images.told import along_axes, geometry, why_plain
from vrdask.sources import Source
from vrdask.sources.above import group_around
from vrdask.sources.source import innermost
from vrdask.storage.kinds import is_array
from vrdask.targets import Target, format_of
from vrdask.text import by_axis

if TYPE_CHECKING:
    from vrdask.runs.job import Job


def before_and_after(job: Job) -> list[tuple[str, str]]:
    """A line for the source and one for the result."""
    return [("source", _source(job.source)), ("result", _result(job))]


def notes_of(source: Source, target: Target, image: Image | None) -> tuple[str, ...]:
    """What people are told of a run, a line each.

    image : that the target is, where that is one of OME-Zarr.
    """
    found = [*source.notes, *target.notes]
    if not is_array(innermost(source)):  # whose axes have said it before
        found += as_stored(image)
    if not target.holds_place and (place := _place(source.image)):
        found.append(f"a TIFF does not hold the place of the source's first sample, {place}")
    fields = [name for name in fields_of(source.layout.attributes) if name not in OF_PLACE]
    if not target.holds_place and fields:
        found.append(f"a TIFF does not hold what the NIfTI header says: {', '.join(fields)}")
    if not target.holds_attributes and (names := _attributes(source)):
        found.append(f"the target does not hold the source's attributes {', '.join(names)}")
    return tuple(dict.fromkeys(found))


def _attributes(source: Source) -> list[str]:
    """Names of what an array and its group say in other words than OME-Zarr's, xarray's and our own."""
    beside = {} if source.image is None else source.image.beside
    return sorted({*source.layout.attributes, *beside} - {ATTRIBUTE, "_ARRAY_DIMENSIONS"})


def _place(image: Image | None) -> str:
    """Where the first sample of an image lies, where it says so."""
    said = image is not None and any(
        math.isfinite(image.translation[k]) and image.translation[k] for k in image.space_axes
    )
    return along_axes(image, image.translation) if image is not None and said else ""


def _source(source: Source) -> str:
    array = source.array
    while hasattr(array, "whole"):  # a channel of it, or a region
        array = array.whole
    kind = dict(source.details).get("format", "an array")
    if is_array(array):
        kind = "plain Zarr array" if group_around(source) is None else "level of an OME-Zarr image"
    names = source.layout.dimension_names or ()
    return _line(source.array.shape, source.array.dtype, kind.partition(",")[0], geometry(source.image, names))


def _result(job: Job) -> str:
    names = job.source.layout.dimension_names or ()
    what, target, image, shape = job.transform, job.target, job.image, job.transform.out_shape
    if is_array(job.at.place):
        kind = "the array that was there"
    elif target.is_whole or target.file is not None:
        kind = format_of(job.at.place).name
        if target.image is not None:
            image, shape = target.image, target.array.shape
    elif target.image is not None:
        version = "0.4" if target.array.metadata.zarr_format == 2 else "0.5"
        kind, image, shape = f"OME-Zarr {version} image", target.image, target.array.shape
    else:
        kind = f"plain Zarr array, because {why_plain(image, names)}"
    return _line(shape, what.out_dtype, kind, geometry(image, names))


def _line(shape: tuple[int, ...], dtype: object, kind: str, told: str) -> str:
    return f"{by_axis(shape) or '()'} {dtype}, {kind}: {told}"
