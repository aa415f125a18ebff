"""What a pyramid must be, by its definition, in the few lines of the numpy twin; images to make pyramids of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr

from vrdask.planning import pyramid_plan
from vrdask.transforms import reference_blocks
from vrdask.transforms.blocks import blocks

Array = npt.NDArray[Any]


def downsampled(x: Array, factors: Sequence[int], mode: str) -> Array:
    """One call of `downsample`, by its twin."""
    return reference_blocks.downsample(blocks(x.shape, tuple(factors), mode, in_dtype=x.dtype), x)


def expected(x: Array, steps: Sequence[Sequence[int]], mode: str) -> list[Array]:
    """All levels: of the full one where the definition says so, else each of the one before."""
    of_full = mode in ("min", "max", "stride") or (mode == "mean" and x.dtype.kind in "iub")
    found, product = [x], np.ones(x.ndim, int)
    for step in steps:
        product = product * step
        found.append(downsampled(x, product.tolist(), mode) if of_full else downsampled(found[-1], step, mode))
    return found


def image_at(
    place: Any, x: Array, scale: Sequence[float], names: str = "zyx", *, version: str = "0.5", path: str = "0",
    chunks: Any = None, **more: Any,
) -> zarr.Group:  # fmt: skip
    """An OME-Zarr image of one level."""
    kinds = {"t": "time", "c": "channel"}
    axes = [{"name": n, "type": kinds.get(n, "space"), **({"unit": "micrometer"} if n in "zyx" else {})} for n in names]
    multiscale = {
        "name": "cells", "axes": axes,
        "datasets": [{"path": path, "coordinateTransformations": [{"type": "scale", "scale": list(scale)}]}],
    }  # fmt: skip
    if version == "0.4":
        attributes: dict[str, Any] = {"multiscales": [{"version": "0.4", **multiscale}], **more}
    else:
        attributes = {"ome": {"version": version, "multiscales": [multiscale], **more}}
    group = zarr.create_group(place, attributes=attributes, zarr_format=2 if version == "0.4" else 3)
    how = {"chunk_key_encoding": {"name": "v2", "separator": "/"}} if version == "0.4" else {}
    group.create_array(path, data=x, chunks=chunks or tuple(min(n, 8) for n in x.shape), **how)
    return group


def levels_of(group: zarr.Group) -> list[zarr.Array[Any]]:
    """The arrays that the metadata of an image list."""
    attributes: Mapping[str, Any] = group.attrs.asdict()
    datasets = attributes.get("ome", attributes)["multiscales"][0]["datasets"]
    return [group[one["path"]] for one in datasets]


def small_blocks(patch: Any, block: int, part: int) -> None:
    """Tasks and cells of so many bytes, so that small arrays take several passes."""
    patch.setattr(pyramid_plan, "BLOCK_BYTES", block)
    patch.setattr(pyramid_plan, "PART_BYTES", part)
    patch.setattr(pyramid_plan, "SMALL_TASK_BYTES", min(block, 1 << 10))
