"""A slice in a TIFF: one page, decoded whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vrdask.buffers import Empty
from vrdask.dtypes import plain
from vrdask.images.axes import image_of
from vrdask.images.colours import with_colours
from vrdask.images.image import Image
from vrdask.sources.mapped import require_numbers
from vrdask.sources.opening import package_for
from vrdask.sources.slice_format import Slice, SliceFormat
from vrdask.sources.tiff import FORMAT, complaints_raised, require_readable
from vrdask.sources.tiff_beside import notes_beside
from vrdask.sources.tiff_checks import require_all_pages, require_sizes_of_pieces
from vrdask.sources.tiff_colours import RGB, YCBCR, seen_as
from vrdask.sources.tiff_sizes import pixel_sizes

PLANES = "SYX"
"""Axes of a page whose colours lie one after the other."""


def _slice(path: str) -> Slice:
    place = Path(path)
    with complaints_raised(place), package_for(place, "tifffile", "tiff").TiffFile(path) as file:
        page = file.pages.first
        rest = len(file.pages) - 1 and [one for one in file.pages[1:] if not one.is_reduced]
        if rest:
            raise ValueError(
                f"a slice must be one image; got {path} with {len(rest) + 1} pages: give it alone, or a page a file"
            )
        if page.axes not in ("YX", "YXS", PLANES) or page.dtype is None:
            raise ValueError(f"a slice must have rows and columns; got {path} with axes {page.axes or 'none'}")
        require_readable(page, place)
        require_numbers(plain(page.dtype), place, "a TIFF source")
        require_all_pages([page], place)
        shape = tuple(page.shape)
        return Slice(shape if page.axes != PLANES else (*shape[1:], shape[0]), plain(page.dtype))


def _read(path: str, form: Slice, empty: Empty) -> Any:
    with package_for(path, "tifffile", "tiff").TiffFile(path) as file:
        page = file.pages.first
        require_sizes_of_pieces([page])
        if page.axes == PLANES:
            return np.moveaxis(page.asarray(maxworkers=1), 0, -1)
        if tuple(page.shape) != form.shape:
            return page.asarray(maxworkers=1)
        return page.asarray(out=empty(form.shape, form.dtype), maxworkers=1)


def _known(path: str, form: Slice, names: tuple[str, ...]) -> tuple[Image, Any]:
    with package_for(path, "tifffile", "tiff").TiffFile(path) as file:
        page = file.pages.first
        sizes = {axis: size for axis, size in pixel_sizes(file, 0).items() if axis in names}
        image = image_of(names, sizes)
        if int(page.photometric) in (RGB, YCBCR) and form.shape[2:] in ((3,), (4,)):
            image = with_colours(image, form.shape[2], form.dtype)
        return image, seen_as(page)


def _beside(path: str, image: Image) -> tuple[tuple[str, str], ...]:
    with package_for(path, "tifffile", "tiff").TiffFile(path) as file:
        return tuple(notes_beside(file, 0, image))


TIFF = SliceFormat(FORMAT, "a TIFF source", _slice, _read, _known, _beside)
