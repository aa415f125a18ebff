"""The pixel size that a TIFF file gives: in OME-XML, in Aperio's or ImageJ's description, or in the resolution tags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from vrdask.images.axes import UNITS
from vrdask.sources.tifffile_internals import slide_description

if TYPE_CHECKING:
    from tifffile import TiffFile

Sizes = dict[str, tuple[float, str | None]]
"""Pixel size and unit by axis; axes whose size is not known are left out."""

MICROMETRES = {2: 25_400.0, 3: 10_000.0, 4: 1_000.0, 5: 1.0}
"""Of a unit of the tag ResolutionUnit: inch, centimetre, millimetre, micrometre."""


def pixel_sizes(file: TiffFile, series: int) -> Sizes:
    """Pixel sizes of a series at its full size."""
    if file.is_ome and file.ome_metadata:
        return _from_ome(file.ome_metadata, series)
    tags: Any = file.series[series].keyframe.tags
    if file.is_svs:
        return _from_aperio(file, series)
    if file.is_imagej:
        return _from_imagej(file.imagej_metadata or {}, tags)
    return _from_tags(tags)


def _from_ome(xml: str, series: int) -> Sizes:
    try:
        pixels = [one for one in ElementTree.fromstring(xml).iter() if one.tag.endswith("}Pixels")]
    except ElementTree.ParseError:
        return {}
    if series >= len(pixels):
        return {}
    sizes: Sizes = {}
    for axis in "XYZ":
        unit = pixels[series].get(f"PhysicalSize{axis}Unit", "µm")
        if f"PhysicalSize{axis}" in pixels[series].attrib and unit in UNITS:
            sizes[axis.lower()] = (float(pixels[series].attrib[f"PhysicalSize{axis}"]), UNITS[unit])
    if "TimeIncrement" in pixels[series].attrib:
        unit = pixels[series].get("TimeIncrementUnit", "s")
        sizes["t"] = (float(pixels[series].attrib["TimeIncrement"]), UNITS.get(unit))
    return sizes


def _from_aperio(file: TiffFile, series: int) -> Sizes:
    """Microns per pixel of the scan; label and overview have none."""
    try:
        mpp = float(slide_description(file.series[series].keyframe.description)["MPP"])
    except (ValueError, KeyError, TypeError):
        return {}
    return {"x": (mpp, "micrometer"), "y": (mpp, "micrometer")} if series == 0 else {}


def _from_imagej(metadata: dict[str, Any], tags: Any) -> Sizes:
    unit = UNITS.get(str(metadata.get("unit", "")).replace("\\u00B5", "µ"))
    if unit is None:
        return _from_tags(tags)
    sizes: Sizes = {axis: (1 / per, unit) for axis, per in _resolution(tags).items()}
    if "spacing" in metadata:
        sizes["z"] = (abs(float(metadata["spacing"])), unit)
    if metadata.get("finterval"):
        sizes["t"] = (float(metadata["finterval"]), UNITS.get(str(metadata.get("tunit", "sec"))))
    return sizes


def _from_tags(tags: Any) -> Sizes:
    micrometres = MICROMETRES.get(int(tags.valueof("ResolutionUnit", 2)))
    if micrometres is None:
        return {}
    return {axis: (micrometres / per, "micrometer") for axis, per in _resolution(tags).items()}


def _resolution(tags: Any) -> dict[str, float]:
    """Pixels per unit, where they are more than nothing."""
    found = {}
    for axis, tag in (("x", "XResolution"), ("y", "YResolution")):
        value = tags.valueof(tag)
        if value is not None and value[0] > 0 and value[1] > 0:
            found[axis] = value[0] / value[1]
    return found
