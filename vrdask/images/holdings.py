"""Groups that hold images and are none: plates, wells, labels, files of bioformats2raw. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def held(attributes: Mapping[str, Any]) -> tuple[str, tuple[str, ...] | None] | None:
    """What kind of group attributes are of, and the paths of what it holds, where they tell; None for another group.

    A plate tells the paths of its wells.

    >>> held({"labels": ["cells"]}), held({"well": {"images": [{"path": "0"}]}}), held({"bioformats2raw.layout": 3})
    (('a group of labels', ('cells',)), ('a well', ('0',)), ('a group of images (bioformats2raw)', None))
    """
    ome = attributes.get("ome", attributes)
    if not isinstance(ome, Mapping):
        return None
    for key, kind, inner in (("plate", "a plate", "wells"), ("well", "a well", "images")):
        if isinstance(said := ome.get(key), Mapping):
            return kind, _paths(said.get(inner))
    if isinstance(labels := ome.get("labels"), list):
        return "a group of labels", _paths(labels)
    if "bioformats2raw.layout" in ome:
        series = _paths(ome.get("series"))
        return "a group of images (bioformats2raw)", series or None
    return None


def _paths(listed: Any) -> tuple[str, ...]:
    entries: Sequence[Any] = listed if isinstance(listed, list) else ()
    found = (one.get("path") if isinstance(one, Mapping) else one for one in entries)
    return tuple(path.strip("/") for path in found if isinstance(path, str) and path.strip("/"))
