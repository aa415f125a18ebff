"""What an image says of itself, in words. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vrdask.images.axes import is_group, may_be_ome_zarr
from vrdask.images.image import Image


def geometry(image: Image | None, names: Sequence[str | None] = ()) -> str:
    """Axes, spacing and origin, in a line. names : of the axes where nothing else is known of them.

    >>> from vrdask.images.axes import image_of
    >>> geometry(image_of("zyx", {"z": (2.0, "micrometer"), "y": (0.5, "micrometer"), "x": (0.5, "micrometer")}))
    'axes z, y, x, spacing z 2, y 0.5, x 0.5 micrometer, origin z 0, y 0, x 0 micrometer'
    >>> geometry(None)
    'axes without names, spacing unknown'
    """
    if image is None:
        named = ", ".join(str(name) for name in names) if any(names) else "without names"
        return f"axes {named}, spacing unknown"
    spacing, origin = along_axes(image, image.scale), along_axes(image, image.translation)
    return f"axes {', '.join(image.axis_names)}, spacing {spacing}, origin {origin}"


def along_axes(image: Image, values: Sequence[float]) -> str:
    """Numbers along the axes that are measured, with their unit; once where all have the same."""
    measured = [axis for axis, said in enumerate(image.axes) if axis in image.space_axes or "unit" in said]
    units = [image.axes[axis].get("unit", "") for axis in measured]
    known = [math.isfinite(image.scale[axis]) and math.isfinite(values[axis]) for axis in measured]
    if not any(known):
        return "unknown"
    once = all(known) and len(set(units)) == 1
    said = []
    for axis, unit, is_known in zip(measured, units, known, strict=True):
        number = f"{values[axis]:.10g} {'' if once else unit}".strip() if is_known else "unknown"
        said.append(f"{image.axis_names[axis]} {number}")
    return f"{', '.join(said)} {units[0] if once else ''}".strip()


def why_plain(image: Image | None, names: Sequence[str | None] = ()) -> str:
    """Why an array is no OME-Zarr image. names : of its axes, where nothing else is known of them."""
    if image is None:
        return f"nothing{' but their names' if any(names) else ''} is known of its axes"
    unknown = [image.axis_names[axis] for axis, scale in enumerate(image.scale) if not math.isfinite(scale)]
    if unknown:
        return f"its spacing along {', '.join(unknown)} is unknown"
    if not may_be_ome_zarr(image):
        return f"OME-Zarr has no axes {', '.join(image.axis_names)} in this order"
    return "it is an image" if is_group(image) else "its source is one"
