"""What an HDF5 file says of a dataset's axes: their names, the distances between samples, and where the first one lies.

names      labels of dimensions; names of the scales attached to them (as netCDF-4 does); vigra's "axistags" (ilastik)
distances  evenly spaced scales, with their "units"; the attribute "element_size_um": z, y, x in micrometres

What none of these say is unknown.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np

from vrdask.images.axes import UNITS, image_of
from vrdask.images.image import Image
from vrdask.images.kinds import space_of
from vrdask.sources.labelled import Line, kind_of, line_through, unit_of

ELEMENT_SIZE = "element_size_um"
MOST_ON_A_SCALE = 1 << 22
"""Of a scale's numbers, which are read to see whether they are evenly spaced."""
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
    kinds = [kind_of(name) for name in names]
    sizes: dict[str, tuple[float, str | None]] = {}
    origin = [0.0] * dataset.ndim
    for axis, name in enumerate(names):
        line, unit = _scale(dataset, axis)
        if line is not None and line.step > 0:
            sizes[name], origin[axis] = (line.step, unit), line.first
    space = space_of([{"name": name, "type": kind} for name, kind in zip(names, kinds, strict=True)])
    if size is not None and len(size) == len(space):
        sizes |= {names[axis]: (one, "micrometer") for axis, one in zip(space, size, strict=True)}
    image = image_of(names, sizes)
    scale = tuple(
        sizes[name][0] if name in sizes else math.nan if kind == "space" else 1.0
        for name, kind in zip(names, kinds, strict=True)
    )
    axes = tuple({**axis, "type": kind} for axis, kind in zip(image.axes, kinds, strict=True))
    return replace(image, axes=axes, scale=scale, translation=tuple(origin))


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


def _scale(dataset: Any, axis: int) -> tuple[Line | None, str | None]:
    """The positions and the unit of the first scale of a dimension, where it has one that is evenly spaced."""
    if not len(dataset.dims[axis]):
        return None, None
    scale = dataset.dims[axis][0]
    if (
        scale.shape != dataset.shape[axis : axis + 1]
        or not 1 < scale.size <= MOST_ON_A_SCALE
        or scale.dtype.kind not in "iuf"
    ):
        return None, None
    said = {key: scale.attrs[key] for key in ("units", "unit") if key in scale.attrs}
    unit = unit_of(
        {key: one.decode("utf-8", "replace") if isinstance(one, bytes) else one for key, one in said.items()}
    )
    try:
        return line_through(scale[()], dataset.name), UNITS.get(unit or "", unit)
    except ValueError:
        return None, None
