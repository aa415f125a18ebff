"""What can be written: a file per format.

    zarr      arrays, OME-Zarr images       paths, URLs, stores, arrays that are there
    zipped    .ozx                          local files; a folder until they are complete
    nifti     .nii, .nii.gz                 local files, larger than memory; vrdask[nifti]
    picture   PNG, JPEG, TIFF               local files, for results that fit in memory; vrdask[images] for JPEG, [tiff]

    pyramid        levels of an image       Zarr, as above
    tiff_pyramid   the same as a TIFF       local files, larger than memory; vrdask[tiff]

Each module opens one format, which it describes in its `FORMAT`, and gives a `Target`.
"""

from __future__ import annotations

from typing import Any

from vrdask.images.image import Image
from vrdask.storage import places
from vrdask.storage.kinds import is_array
from vrdask.storage.layout import Layout
from vrdask.targets import nifti, picture, zarr, zipped
from vrdask.targets.target import Form, Request, Target, TargetFormat

FORMATS = (zarr.FORMAT, zipped.FORMAT, nifti.FORMAT, picture.FORMAT)

__all__ = ["FORMATS", "Form", "Request", "Target", "TargetFormat", "format_of", "open_target"]


def open_target(place: Any, layout: Layout, image: Image | None, form: Form, request: Request) -> Target:
    """A target for a result; nothing is written yet.

    place : a path, URL, store, or array that is there. layout : what it takes over where nothing else is asked for.
    image : what is known of the result's axes.

    Raises
    ------
    FileExistsError, FileNotFoundError, TypeError, ValueError
        It cannot be made as asked for.
    """
    if is_array(place):
        return zarr.existing_target(place, form, request)
    return format_of(place).open(place, layout, image, form, request)


def format_of(place: Any) -> TargetFormat:
    """What a place's name promises: a folder of Zarr that is called `out.nii.gz` would be a lie.

    Raises
    ------
    ValueError
        It promises a format that is not written, or not there.
    """
    if isinstance(place, str) and (file := places.split(place)[0]) != place:
        format_of(file)
    suffix = places.suffix_of(place)
    found = next((one for one in FORMATS if suffix in one.suffixes), None)
    if found is None:
        known = ", or in ".join(f"{', '.join(one.suffixes)}, for {one.name}" for one in FORMATS if one.is_local)
        raise ValueError(
            f"target must have no suffix or end in .zarr, for Zarr, or in {known}; "
            f"got {place}: the format {suffix} is not written"
        )
    if found.is_local and places.local_path(place) is None:
        raise ValueError(f"{found.name} must be a local file; got {place}: write it here and copy it, or write Zarr")
    return found
