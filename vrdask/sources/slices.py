"""Folders and patterns of images, a file a slice: TIFF, PNG, JPEG.

Slices lie along z, in the natural order of the files' names. They must agree in size and type, which their headers
tell: no samples are read before. How far apart they lie no file says but an OME-TIFF: `--pixel-size` gives it.
"""

from __future__ import annotations

from dataclasses import replace

from vrdask.boxes import MOST_CHUNKS
from vrdask.images.axes import may_be_ome_zarr
from vrdask.sources.folders import beginning, files_stamp, headers_of, left_out
from vrdask.sources.picture import JPEG, PNG
from vrdask.sources.slice_format import ImageFiles, SliceFormat
from vrdask.sources.source import Source
from vrdask.sources.stack_array import StackArray, stack_layout
from vrdask.sources.tiff_slice import TIFF
from vrdask.text import counted

FORMATS = (TIFF, PNG, JPEG)


def open_slices(place: str, files: tuple[str, ...]) -> Source:
    """The stack of some files. place : the folder or pattern that they were found by.

    Raises
    ------
    ValueError
        One is no image of the first one's format, cannot be decoded here, or has another size or type.
    ModuleNotFoundError
        The package that reads them is not installed.
    """
    if len(files) > MOST_CHUNKS:
        raise ValueError(f"source must have at most {MOST_CHUNKS} slices; got {len(files)} for {place}")
    kind = _kind_of(files[0], place)
    found = headers_of(files, place, kind.slice, kind.what)
    first = found[0]
    for file, one in zip(files, found, strict=True):
        if one != first:
            raise ValueError(
                f"slices must agree in size and type; got {one} in {file} of {place}, where {files[0]} has {first}"
            )
    names = ("z", "y", "x", *(("c",) if len(first.shape) > 2 else ()))
    image, how = kind.known(files[0], first, names)
    image = replace(image, path="0") if may_be_ome_zarr(image) else image
    array = StackArray(ImageFiles(files, kind, first), (len(files),), first.shape, first.dtype)
    gap = left_out(files)
    details = (
        ("format", f"stack of {counted(len(files), f'{kind.form.name} file')}, each decoded whole"),
        ("slices", files[0] if len(files) == 1 else f"{files[0]} to {files[-1]}"),
        *((("note", gap),) if gap is not None else ()),
        *kind.beside(files[0], image),
    )
    return Source(array, stack_layout(array, image), place, files_stamp(files), image, details, seen=how)


def _kind_of(file: str, place: str) -> SliceFormat:
    begins = beginning(file)
    for one in FORMATS:
        if one.form.begins(begins):
            return one
    raise ValueError(f"slices must be TIFF, PNG, JPEG or DICOM files; got {file} of {place}, which is none of these")
