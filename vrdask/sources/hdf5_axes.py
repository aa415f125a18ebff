"""What an HDF5 file says of a dataset's axes: their names, the distances between samples, and where the first one lies.

names      labels of dimensions; names of the scales attached to them (as netCDF-4 does); vigra's "axistags" (ilastik)
distances  evenly spaced scales, with their "units"; the attribute "element_size_um": z, y, x in micrometres

What none of these say is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from vrdask.images.axes import as_ome_zarr
from vrdask.images.image import Image
from vrdask.sources.labelled import image_of_scales

ELEMENT_SIZE = "element_size_um"
MOST_ON_A_SCALE = 1 << 22
"""Of a scale's numbers, which are read to see whether they are evenly spaced."""
OF_STORAGE = {
    ELEMENT_SIZE, "axistags", "CLASS", "NAME", "DIMENSION_LIST", "DIMENSION_LABELS", "REFERENCE_LIST", "_NCProperties",
    "_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict",
}  # fmt: skip
"""Attributes that are read, or that tell how others are stored."""
BY_SPACE = {2: "yx", 3: "zyx"}
"""The axes that `ELEMENT_SIZE` is about, by how many there are."""


def image_of_dataset(dataset: Any) -> Image | None:
    """What is known of a dataset's axes; None for nothing."""
    names = _names(dataset)
    size = _element_size(dataset)
    if not any(names):
        if size is None or len(size) != dataset.ndim:
            return None
        names = list(BY_SPACE[dataset.ndim])
    names = [name or f"dim_{axis}" for axis, name in enumerate(names)]
    if len({*names}) < len(names):
        return None
    image = image_of_scales(names, [_scale(dataset, axis) for axis in range(dataset.ndim)])
    if size is None or len(size) != len(image.space_axes):
        return image
    scale, axes = list(image.scale), [dict(axis) for axis in image.axes]
    for axis, one in zip(image.space_axes, size, strict=True):
        scale[axis], axes[axis]["unit"] = one, "micrometer"
    return as_ome_zarr(replace(image, scale=tuple(scale), axes=tuple(axes)))


def attributes_beside(dataset: Any) -> Iterator[str]:
    """Names of the attributes of a dataset, and of the groups that it lies in, that the image does not hold."""
    while True:
        yield from (str(name) for name in dataset.attrs if name not in OF_STORAGE)
        if dataset.name in ("/", None):
            return
        dataset = dataset.parent


def _names(dataset: Any) -> list[str]:
    found = []
    for dimension in dataset.dims:
        name = str(dimension.label or "")
        if not name and len(dimension):
            name = str(dimension[0].name or "").rpartition("/")[2]
        found.append(name)
    return found if any(found) else _of_axistags(dataset)


def _of_axistags(dataset: Any) -> list[str]:
    """Of vigra's tags, which have one letter for each axis."""
    said = dataset.attrs.get("axistags", "")
    try:
        keys = [str(axis["key"]) for axis in json.loads(said)["axes"]]
    except (ValueError, TypeError, KeyError):
        return [""] * dataset.ndim
    return keys if len(keys) == dataset.ndim else [""] * dataset.ndim


def _element_size(dataset: Any) -> list[float] | None:
    said = dataset.attrs.get(ELEMENT_SIZE)
    try:
        sizes = np.asarray(said, np.float64).ravel()
    except (ValueError, TypeError):
        return None
    if said is None or len(sizes) not in BY_SPACE or not (np.isfinite(sizes) & (sizes > 0)).all():
        return None
    return [float(str(one)) for one in np.asarray(said).ravel()]


def _scale(dataset: Any, axis: int) -> tuple[Any, dict[str, Any]]:
    """The numbers and the unit of the first scale of a dimension; None where it has none."""
    scale = dataset.dims[axis][0] if len(dataset.dims[axis]) else None
    if scale is None or scale.shape != dataset.shape[axis : axis + 1] or not 1 < scale.size <= MOST_ON_A_SCALE:
        return None, {}
    said = {key: scale.attrs[key] for key in ("units", "unit") if key in scale.attrs}
    return scale[()], {
        key: one.decode("utf-8", "replace") if isinstance(one, bytes) else one for key, one in said.items()
    }
