"""What a TIFF's numbers mean to eyes, and what its OME-XML says of channels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np

from vrdask.dtypes import DType
from vrdask.images.colours import USUAL, channel_axis, omero, with_colours
from vrdask.images.image import Image
from vrdask.sources.seen import Meaning, Seen

if TYPE_CHECKING:
    from tifffile import TiffFile

WHITE_IS_ZERO, GREY, RGB, PALETTE, SEPARATED, YCBCR, CIELAB = 0, 1, 2, 3, 5, 6, 8
"""Of the tag PhotometricInterpretation."""
APERIO_YCBCR = 33003
"""A compression: JPEG 2000 of YCbCr, which the tag PhotometricInterpretation does not tell."""
READ_AS_RGB = (6, 7, 33007, 34892)
"""Compressions whose decoders turn YCbCr into RGB: JPEG."""
CMYK_INKS = 1
ASSOCIATED_ALPHA = 1
MEANINGS = {
    WHITE_IS_ZERO: Meaning.WHITE_IS_ZERO, GREY: Meaning.PLAIN, RGB: Meaning.PLAIN, PALETTE: Meaning.PALETTE,
    SEPARATED: Meaning.CMYK, YCBCR: Meaning.PLAIN, CIELAB: Meaning.CIELAB,
}  # fmt: skip


def is_stored_as_ycbcr(page: Any) -> bool:
    """Whether the decoded samples are YCbCr."""
    if page.samplesperpixel != 3 or page.bitspersample != 8:
        return False
    return page.compression == APERIO_YCBCR or (page.photometric == YCBCR and page.compression not in READ_AS_RGB)


def seen_as(page: Any) -> Seen:
    """How eyes see the samples of a page. Of an interpretation that nothing here shows, `meaning` is None."""
    meaning = MEANINGS.get(int(page.photometric))
    if page.compression == APERIO_YCBCR:
        meaning = Meaning.PLAIN
    palette = None
    if meaning is Meaning.PALETTE:
        palette = (np.asarray(page.colormap) >> 8).astype(np.uint8).T.tobytes()
    elif meaning is Meaning.CMYK and int(page.tags.valueof("InkSet", CMYK_INKS)) != CMYK_INKS:
        meaning = None
    elif meaning is Meaning.PLAIN and page.photometric == RGB and page.extrasamples[:1] == (ASSOCIATED_ALPHA,):
        meaning = Meaning.PREMULTIPLIED
    bits = page.bitspersample
    orientation = int(page.tags.valueof("Orientation", 1) or 1)
    name = getattr(page.photometric, "name", str(page.photometric))
    return Seen(meaning, bits if isinstance(bits, int) else max(bits), palette, orientation, name)


def with_channels(image: Image, file: TiffFile, series: int, shape: tuple[int, ...], dtype: DType) -> Image:
    """A series' image with what the file says of its channels: colours, or names and colours in OME-XML."""
    axis = channel_axis(image)
    if axis is None:
        return image
    page, count = file.series[series].keyframe, shape[axis]
    codes = file.series[series].axes
    is_rgb = int(page.photometric) in (RGB, YCBCR) or page.compression == APERIO_YCBCR
    if is_rgb and "S" in codes and codes.index("S") == axis and count in (3, 4):
        return with_colours(image, count, dtype)
    said = _channels(file, series)
    if len(said) != count or not any(name or colour for name, colour in said):
        return image
    channels = [(name or f"Channel {k}", colour or USUAL[k % len(USUAL)]) for k, (name, colour) in enumerate(said)]
    return with_omero(image, omero(channels, dtype))


def with_omero(image: Image, said: dict[str, Any]) -> Image:
    """An image of which more is said."""
    return replace(image, extra={**image.extra, "omero": said})


def _channels(file: TiffFile, series: int) -> list[tuple[str | None, str | None]]:
    """Name and colour (RRGGBB) of each channel, as far as OME-XML says them."""
    xml = file.ome_metadata if file.is_ome else None
    try:
        pixels = [one for one in ElementTree.fromstring(xml or "<none/>").iter() if one.tag.endswith("}Pixels")]
    except ElementTree.ParseError:
        return []
    if series >= len(pixels):
        return []
    found = [one for one in pixels[series] if one.tag.endswith("}Channel")]
    return [(one.get("Name"), _colour(one.get("Color"))) for one in found]


def _colour(said: str | None) -> str | None:
    """RRGGBB from a signed number of 32 bits, RRGGBBAA.

    >>> _colour("-16776961"), _colour("16711935"), _colour("red")
    ('FF0000', '00FF00', None)
    """
    try:
        number = int(said) & 0xFFFFFFFF if said is not None else None
    except ValueError:
        return None
    return None if number is None else f"{number >> 8:06X}"
