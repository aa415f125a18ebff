"""What a TIFF says beside its samples, and a result does not hold: in OME-XML, in ImageJ's metadata, in tags.

Sizes, names and colours of channels, names of axes and of the image are carried on, and what tells how samples are
stored ends with the file; all else is named.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from vrdask.images.axes import UNITS
from vrdask.images.image import Image
from vrdask.sources.not_carried import not_carried
from vrdask.sources.tifffile_internals import slide_description

if TYPE_CHECKING:
    from tifffile import TiffFile

OF_STORAGE = {
    *(254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 274), *range(277, 285), *range(288, 294), 296, 297, 301, 305,
    *range(317, 326), 330, 332, 334, 338, 339, 340, 341, 347, *range(512, 516), *range(517, 522), *range(529, 533), 559,
    *range(32995, 32999), 34675, 50838, 50839,
}  # fmt: skip
"""Tags of how samples are stored and seen, of resolution, of the software that wrote the file, of the colour profile,
which has a note of its own, and of ImageJ's metadata.
"""
DESCRIPTION = 270
HOW_MADE = 65000
"""Our own tag, of a file that is a result."""
OF_IMAGEJ = {
    "ImageJ", "images", "channels", "slices", "frames", "hyperstack", "mode", "loop", "fps", "unit", "spacing",
    "finterval", "tunit", "axes",
}  # fmt: skip
"""Keys that are carried on, or tell how pages follow each other."""
OF_SHAPED = {"shape", "axes", "truncate"}
"""The same of tifffile's own descriptions."""
WITHOUT_UNIT = ("", "pixel", "pixels", "null")
OF_ROOT = {"Image", "BinaryOnly", "StructuredAnnotations"}
OF_PIXELS = {"TiffData", "BinData", "MetadataOnly", "Channel", "Plane"}
"""Elements that say where samples are, or are looked at by themselves."""
OF_CHANNEL = {"ID", "SamplesPerPixel"}
OF_PLANE = {"TheZ", "TheC", "TheT"}
PYRAMID = "openmicroscopy.org/PyramidResolution"
"""The namespace of annotations that tell of levels."""
BITS = {"int8": 8, "uint8": 8, "int16": 16, "uint16": 16, "int32": 32, "uint32": 32}


def notes_beside(file: TiffFile, series: int, image: Image) -> Iterator[tuple[str, str]]:
    """The note about what a series of a file says more than its image holds; none where that is nothing."""
    page: Any = file.series[series].keyframe
    said: dict[str, Iterable[str]] = {}
    if file.is_ome:
        said["the OME-XML"] = of_ome_xml(file.ome_metadata or "", series, image.axis_names, "omero" in image.extra)
    elif file.is_imagej:
        said["ImageJ's metadata"] = of_imagej(file.imagej_metadata or {})
    else:
        said["the description"] = of_description(str(page.description or ""), file.is_svs)
    yield from not_carried({**said, "the tags": of_tags(page.tags)})


def of_ome_xml(xml: str, series: int, axes: Sequence[str], has_channels: bool) -> Iterator[str]:
    """Elements and attributes of OME-XML that the image of a series does not hold.

    axes : that the image has. has_channels : whether it holds names and colours of channels.
    """
    try:
        root = ElementTree.fromstring(xml or "<none/>")
    except ElementTree.ParseError:
        return
    images = [one for one in root.iter() if _tag(one) == "Image"]
    yield from (_tag(one) for one in root if _tag(one) not in OF_ROOT and _says(one))
    for one in root:
        kinds = {_tag(part): None for part in one if part.get("Namespace") != PYRAMID and _says(part)}
        if _tag(one) == "StructuredAnnotations" and kinds:
            yield f"{_tag(one)} ({', '.join(kinds)})"
    if series < len(images):
        yield from _of_image(images[series], axes, has_channels)


def _of_image(image: Any, axes: Sequence[str], has_channels: bool) -> Iterator[str]:
    pixels = next((one for one in image if _tag(one) == "Pixels"), image)
    yield from (_tag(one) for one in image if one is not pixels and not _tag(one).endswith("Ref") and _says(one))
    for axis in "XYZ":
        unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
        if f"PhysicalSize{axis}" in pixels.attrib and (unit not in UNITS or axis.lower() not in axes):
            yield f"PhysicalSize{axis}" if unit in UNITS else f"PhysicalSize{axis} in {unit}"
    if "TimeIncrement" in pixels.attrib:
        unit = pixels.get("TimeIncrementUnit", "s")
        yield "TimeIncrement" if "t" not in axes else f"TimeIncrementUnit {unit}" if unit not in UNITS else ""
    bits = BITS.get(pixels.get("Type", ""), 0)
    if pixels.get("SignificantBits", str(bits)) != str(bits) and bits:
        yield "SignificantBits"
    yield from (_tag(one) for one in pixels if _tag(one) not in OF_PIXELS and not _tag(one).endswith("Ref"))
    known = OF_CHANNEL | ({"Name", "Color"} if has_channels else set())
    yield from _within(pixels, "Channel", known)
    yield from _within(pixels, "Plane", OF_PLANE)


def _within(pixels: Any, kind: str, known: set[str]) -> Iterator[str]:
    """What elements of a kind say beyond what is known, together."""
    found: dict[str, None] = {}
    for one in pixels:
        if _tag(one) == kind:
            found |= {name: None for name in one.attrib if name not in known and not name.endswith("Unit")}
            found |= {_tag(part): None for part in one if not _tag(part).endswith("Ref") and _says(part)}
    if found:
        yield f"{kind} ({', '.join(found)})"


def _tag(element: Any) -> str:
    return str(element.tag).rpartition("}")[2]


def _says(element: Any) -> bool:
    """Whether an element says anything: it, or one within it, has an attribute or a text."""
    return any(one.attrib or (one.text or "").strip() for one in element.iter())


def of_imagej(metadata: dict[str, Any]) -> Iterator[str]:
    """Keys of ImageJ's metadata that nothing carries on."""
    unit = str(metadata.get("unit", "")).replace("\\u00B5", "µ")
    if unit not in UNITS:
        yield f"unit {unit}" if unit not in WITHOUT_UNIT else ""
        yield "spacing" if metadata.get("spacing", 1) != 1 else ""
    time = str(metadata.get("tunit", "sec"))
    if metadata.get("finterval") and time not in UNITS:
        yield f"tunit {time}"
    yield from (name for name, value in metadata.items() if name not in OF_IMAGEJ and _is_there(value))


def _is_there(value: Any) -> bool:
    return value is not None and not (hasattr(value, "__len__") and not len(value))


def of_description(text: str, is_slide: bool) -> Iterator[str]:
    """What a description says that nothing carries on: its keys, where it has some."""
    if is_slide:
        try:
            said = slide_description(text)
        except ValueError:
            return
        yield from (str(key) for key in said if key not in ("", "Header", "MPP"))
        return
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict) and "shape" in found:
        yield from (str(key) for key in found if key not in OF_SHAPED)
    elif text.strip():
        yield "ImageDescription"


def of_tags(tags: Any) -> Iterator[str]:
    """Names of the tags of a page that are about more than its samples; numbers of those that have none."""
    for tag in tags:
        code = int(tag.code)
        if code in OF_STORAGE or code == DESCRIPTION or (code == HOW_MADE and '"record"' in str(tag.value)[:64]):
            continue
        name = str(tag.name)
        yield f"tag {code}" if name.isdigit() else name
