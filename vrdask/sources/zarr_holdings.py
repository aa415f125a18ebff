"""Groups that are no images: where the images are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vrdask.images.holdings import held
from vrdask.sources.within import ImagesWithinError
from vrdask.storage.kinds import is_group

if TYPE_CHECKING:
    import zarr


def no_image(group: zarr.Group, attributes: Mapping[str, Any], place: str) -> ValueError:
    """The error for a group that is no image: it tells where the images are."""
    found = held(attributes)
    if found is None:
        arrays = ", ".join(sorted(name for name, _ in group.arrays())) or "none"
        return ValueError(
            f"source must be an array or an OME-Zarr image; got a group at {place} with the arrays: {arrays}"
        )
    above = place.rstrip("/")
    return ImagesWithinError(found[0], place, lambda: (f"{above}/{path}" for path in paths_within(group, attributes)))


def paths_within(group: zarr.Group, attributes: Mapping[str, Any]) -> Iterator[str]:
    """The paths of the images that a group holds."""
    found = held(attributes)
    if found is None:
        return
    kind, paths = found
    if paths is None:  # bioformats2raw: as a list beside says, or by number
        beside = group.get("OME")
        listed = held({"bioformats2raw.layout": 3, **_ome(beside)}) if is_group(beside) else None
        paths = (listed[1] if listed else None) or _numbered(group)
    for path in paths:
        inner = group.get(path)
        if not is_group(inner):
            continue
        if kind == "a plate":
            for image in paths_within(inner, dict(inner.attrs)):
                yield f"{path}/{image}"
        else:
            yield path


def _ome(group: zarr.Group) -> Mapping[str, Any]:
    attributes = dict(group.attrs)
    found = attributes.get("ome", attributes)
    return {"series": found.get("series")} if isinstance(found, Mapping) else {}


def _numbered(group: zarr.Group) -> tuple[str, ...]:
    """0, 1, 2, .. as far as there are groups."""
    found: list[str] = []
    while is_group(group.get(str(len(found)))):
        found.append(str(len(found)))
    return tuple(found)
