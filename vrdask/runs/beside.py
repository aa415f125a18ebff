"""The label images of a target: runs of their own below it, and the group that lists them, when the target is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vrdask.sources.above import LABELS, listed_labels
from vrdask.storage.blank import group_metadata
from vrdask.targets import Target
from vrdask.targets.pyramid import attributes_at, put_group
from vrdask.targets.target import put_metadata


class Run(Protocol):
    """A checked run."""

    def run(self) -> object: ...


def run_beside(target: Target, labels: Sequence[tuple[str, Run]]) -> None:
    """Make the label images of a target that is there, and list them. labels : by name."""
    for _, one in labels:
        one.run()
    if labels:
        _list_labels(target, [name for name, _ in labels])


def _list_labels(target: Target, names: Sequence[str]) -> None:
    """Write the group of label images, which lists them, and the groups between."""
    assert target.root is not None
    zarr_format, at = target.array.metadata.zarr_format, target.root / LABELS
    there = listed_labels(attributes_at(at))
    if set(there) >= set(names):
        return
    for name in names:
        for depth in range(1, name.count("/") + 1):
            between = at / name.rsplit("/", depth)[0]
            put_metadata(between, group_metadata(zarr_format))
    listed = list(dict.fromkeys([*there, *names]))
    put_group(at, zarr_format, {"ome": {"version": "0.5", LABELS: listed}} if zarr_format == 3 else {LABELS: listed})
