"""The label images beside an image: as they are, and at the samples that a source is of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from vrdask.boxes import Box
from vrdask.images.pyramid_metadata import IMAGE_LABEL
from vrdask.sources import open_source
from vrdask.sources.above import LABELS, group_around, labels_beside, ome_zarr_of
from vrdask.sources.region import one_region
from vrdask.sources.source import Source, box_of_stored


class LabelImage(NamedTuple):
    """An image of labels. is_alike : whether its samples along the axes of space are those of the source."""

    name: str
    source: Source
    is_alike: bool


def label_images(source: Source) -> list[tuple[str, Source]]:
    """The label images beside the image that a source is a level of, by name; none beside labels themselves.

    Raises
    ------
    ValueError
        One that is listed is none.
    """
    group = group_around(source)
    if group is None or source.image is None or source.image.is_labels:
        return []
    found = []
    for name in labels_beside(source):
        opened = open_source(group.store_path / LABELS / name)
        if opened.image is None or not opened.image.path:
            raise ValueError(f"labels must be OME-Zarr images; got {opened.place}: with_labels=False leaves them out")
        extra = {IMAGE_LABEL: {}, **opened.image.extra}
        found.append((name, replace(opened, image=replace(opened.image, extra=extra))))
    return found


def labels_at(source: Source) -> list[LabelImage]:
    """The label images beside a source: of each the level with as many samples as the image's, cut as the source is.

    One without such a level is given whole. Axes along which it has other sizes, such as one channel for all, are left
    as they are.
    """
    whole = ome_zarr_of(source)
    if whole is None or source.image is None:
        return []
    level = next((one for one in whole.levels if one.image.path == source.image.path), None)
    if level is None:
        return []
    names, box = level.image.axis_names, box_of_stored(source)
    return [LabelImage(name, *_cut(opened, names, level.shape, box)) for name, opened in label_images(source)]


def _cut(labels: Source, names: Sequence[str], shape: Sequence[int], box: Box) -> tuple[Source, bool]:
    """Of labels the samples of a box of an image; whether they have the image's along the axes of space.

    names, shape : of the image's axes.
    """
    assert labels.image is not None
    sizes = dict(zip(names, shape, strict=True))
    found, is_alike = labels, False
    for number, one in enumerate(_levels(labels)):
        is_alike = all(sizes.get(labels.image.axis_names[axis]) == one[axis] for axis in labels.image.space_axes)
        if is_alike:
            found = labels if not number else _at_level(labels, number)
            break
    sides = dict(zip(names, box, strict=True))
    assert found.image is not None
    here = zip(found.image.axis_names, found.array.shape, strict=True)
    space = [] if is_alike else [found.image.axis_names[axis] for axis in found.image.space_axes]
    region: dict[Any, Any] = {name: sides[name] for name, n in here if sizes.get(name) == n and name not in space}
    return one_region(found, region) if region else found, is_alike


def _levels(source: Source) -> tuple[tuple[int, ...], ...]:
    whole = ome_zarr_of(source)
    return () if whole is None else tuple(one.shape for one in whole.levels)


def _at_level(labels: Source, number: int) -> Source:
    group = group_around(labels)
    assert group is not None
    assert labels.image is not None
    opened = open_source(group, level=number)
    assert opened.image is not None
    return replace(opened, image=replace(opened.image, extra=labels.image.extra))
