"""The label images beside an image that is resampled, onto the grid of the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from vrdask.api.labels import KEEPS_LABELS
from vrdask.api.sized import sized
from vrdask.images.image import Image
from vrdask.images.onto import GridMap, onto
from vrdask.images.sizes import Sizes
from vrdask.planning.plan import ByAxis
from vrdask.runs.job import Job, prepare_job
from vrdask.sources import Source
from vrdask.sources.above import LABELS
from vrdask.sources.label_images import LabelImage, labels_at
from vrdask.transforms.affine import Affine, affine

SAME = 1e-9
"""Of a sample, how far maps that are one may differ."""


def with_labels_beside(job: Job, sizes: Sizes, align_corners: bool, *, chunks: Any, shards: Any, **how: Any) -> Job:
    """A run with those of the label images beside its source, by majority where all axes shrink by whole factors, else
    nearest.

    chunks, shards : as asked for of the image, whose the labels get then. how : as in `prepare_job`.

    Raises
    ------
    ValueError
        The target holds no images beside one.
    """
    if job.target.root is None or job.target.image is None or job.target.file is not None:
        raise ValueError(
            f"with_labels must be False unless the target is a new OME-Zarr image, beside which labels lie; "
            f"got {job.at.place}"
        )
    names, is_asked = _names(job.source), chunks is not None or shards is not None
    chunk, shard = (dict(zip(names, one, strict=True)) for one in (job.target.chunks, job.target.unit))
    found = []
    for labels in labels_at(job.source):
        what, image = _transform(labels, job, sizes, align_corners)
        run = prepare_job(
            labels.source, labels.source, what, image, job.target.root / LABELS / labels.name,
            chunks=_of(chunk, labels.source) if is_asked else None,
            shards=_of(shard, labels.source) if is_asked and job.target.array.shards is not None else None, **how,
        )  # fmt: skip
        found.append((labels.name, run))
    return replace(job, labels=tuple(found))


def _transform(labels: LabelImage, job: Job, sizes: Sizes, align_corners: bool) -> tuple[ByAxis | Affine, Image | None]:
    """From labels to the grid of a run's result: by the same sizes, or else where their metadata say that they lie."""
    source, there = labels.source, _names(job.source)
    if not labels.is_alike:
        assert job.image is not None
        grid = onto(source.image, job.image, names=(source.place, str(job.at.place)))
        shape = tuple(job.transform.out_shape[axis] for axis in job.image.space_axes)
        if _is_of_sizes(grid, source, shape):
            what, _, _ = sized(source, Sizes(grid.axes, shape), KEEPS_LABELS, False, None, by_majority=True)
            return what, grid.image
        return affine(
            source.array.shape, source.array.dtype, grid.matrix, grid.offset, shape, KEEPS_LABELS, "voxel",
            axes=grid.axes,
        ), grid.image  # fmt: skip
    names = _names(source)
    nothing = (None,) * len(sizes.axes)
    asked = zip(sizes.axes, sizes.shape, sizes.steps or nothing, sizes.starts or nothing, strict=True)
    alike = [
        (names.index(there[axis]), size, step, start)
        for axis, size, step, start in asked
        if there[axis] in names and source.array.shape[names.index(there[axis])] == job.source.array.shape[axis]
    ]
    mine = Sizes(
        tuple(axis for axis, _, _, _ in alike),
        tuple(size for _, size, _, _ in alike),
        None if sizes.steps is None else tuple(step for _, _, step, _ in alike),
        None if sizes.starts is None else tuple(start for _, _, _, start in alike),
    )
    what, image, _ = sized(source, mine, KEEPS_LABELS, align_corners, None, by_majority=not align_corners)
    return what, image


def _is_of_sizes(grid: GridMap, source: Source, shape: Sequence[int]) -> bool:
    """Whether a map is a resampling to these sizes, of all that there is."""
    steps = np.array([source.array.shape[axis] / n for axis, n in zip(grid.axes, shape, strict=True)])
    found = np.column_stack([grid.matrix, grid.offset])
    return bool(np.abs(found - np.column_stack([np.diag(steps), (steps - 1) / 2])).max() < SAME)


def _names(source: Source) -> Sequence[str]:
    assert source.image is not None
    return source.image.axis_names


def _of(sizes: Mapping[str, Any], source: Source) -> tuple[Any, ...]:
    """Sizes by axis name, of an image's axes; those that it has not keep their own."""
    own = source.layout.chunks
    return tuple(sizes.get(name, n) for name, n in zip(_names(source), own, strict=True))
