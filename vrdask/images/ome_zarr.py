"""OME-Zarr metadata of an image: read from a group's attributes (0.1 to 0.6), carried through a resampling, written
as 0.4 or 0.5.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from vrdask.images.checked import checked
from vrdask.images.image import Image
from vrdask.images.kinds import space_of, told
from vrdask.images.ome_transforms import composed, systems_of, transformations_of

VERSIONS = ("0.4", "0.5")
"""That are written."""
_OF_OME = ("omero", "image-label", "_creator")
"""What a group of up to 0.4 says of OME-Zarr beside `multiscales`, among whatever else it says."""
_OF_THE_PLACE = ("version", "multiscales", "labels", "plate", "well", "series", "bioformats2raw.layout")
"""What holds for a group and the groups in it, and not for what is made from its image."""
_WITH_VERSION = ("omero", "image-label")
ATTRIBUTE = "vrdask"
UNKNOWN = "unknown"
"""Of the attribute of a group: axes whose scale is written as 1, for OME-Zarr asks for a number and nobody knows it."""
MADE = "made"
"""Of the attribute: by which settings this very array or group was made."""


def group_attributes(images: Image | Sequence[Image], version: str = "0.5", **said: Any) -> dict[str, Any]:
    """Attributes of an OME-Zarr group that holds one image alone.

    images : its levels, each at its `path`, the full one first; or a single one. version : "0.4" or "0.5". said : what
    else the image says of itself, such as ``type`` and ``metadata``: how the levels were made.
    """
    levels = [images] if isinstance(images, Image) else list(images)
    full = levels[0]
    multiscale: dict[str, Any] = {
        **({"version": version} if version == "0.4" else {}),
        "axes": [dict(axis) for axis in full.axes],
        "datasets": [dataset(level, len(levels) > 1) for level in levels],
        **({"name": full.name} if full.name is not None else {}),
        **said,
    }
    ome = {"multiscales": [multiscale], **_of_version(full.extra, version)}
    beside = deepcopy(dict(full.beside))
    unknown = [name for name, scale in zip(full.axis_names, full.scale, strict=True) if not math.isfinite(scale)]
    if unknown:
        beside[ATTRIBUTE] = {**beside.get(ATTRIBUTE, {}), UNKNOWN: unknown}
    return {**beside, **ome} if version == "0.4" else {**beside, "ome": {"version": version, **ome}}


def require_version(version: str) -> None:
    """Refuse a version that is not written.

    Raises
    ------
    ValueError
        It is none of `VERSIONS`.
    """
    if version not in VERSIONS:
        raise ValueError(f"ome_zarr_version must be {' or '.join(VERSIONS)}; got {version!r}")


def dataset(level: Image, is_shifted: bool = False) -> dict[str, Any]:
    """What the metadata say of a level. is_shifted : whether it has a translation even if that is zero."""
    known = [math.isfinite(scale) for scale in level.scale]
    scale = [size if is_known else 1.0 for size, is_known in zip(level.scale, known, strict=True)]
    shift = [first if is_known else 0.0 for first, is_known in zip(level.translation, known, strict=True)]
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if is_shifted or any(shift):
        transformations.append({"type": "translation", "translation": shift})
    return {"path": level.path, "coordinateTransformations": transformations}


def _of_version(extra: Mapping[str, Any], version: str) -> dict[str, Any]:
    """What a group says beside its image: 0.4 has a version in each of its parts, 0.5 one for all."""
    found: dict[str, Any] = deepcopy(dict(extra))
    for key in _WITH_VERSION:
        if isinstance(part := found.get(key), dict):
            part.pop("version", None)
            if version == "0.4":
                found[key] = {"version": version, **part}
    return found


def carried(attributes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a group's attributes say of its image beside `multiscales`, in OME-Zarr's words and in others'."""
    ome = attributes.get("ome")
    if isinstance(ome, Mapping):
        extra = {key: value for key, value in ome.items() if key not in _OF_THE_PLACE}
        beside = {key: value for key, value in attributes.items() if key != "ome"}
    else:
        extra = {key: attributes[key] for key in _OF_OME if key in attributes}
        beside = {key: v for key, v in attributes.items() if key not in (*_OF_OME, *_OF_THE_PLACE)}
    return extra, beside


def _unknown(beside: dict[str, Any]) -> list[Any]:
    """Axes of which it is said that the distance between their samples is not known; nothing is left of that, nor of
    how the group was made.
    """
    said = beside.get(ATTRIBUTE)
    if not isinstance(said, Mapping):
        return []
    beside[ATTRIBUTE] = {key: value for key, value in said.items() if key not in (UNKNOWN, MADE)}
    if not beside[ATTRIBUTE]:
        del beside[ATTRIBUTE]
    unknown = said.get(UNKNOWN)
    return list(unknown) if isinstance(unknown, list) else []


def read_multiscale(
    attributes: Mapping[str, Any], level: int = 0, *, path: str | None = None, coordinate_system: str | None = None
) -> Image | None:
    """A level of the image that a group's attributes describe, or None where they describe none.

    path : the level whose array this is, in place of `level`; None where there is no such. coordinate_system : the one
    that scale and translation lead to; that of the level's own transformations by default.

    Raises
    ------
    ValueError
        There is no such level or system, or the metadata are not as OME-Zarr has them, or newer than what is known.
    """
    ome = attributes.get("ome", attributes)
    if not isinstance(ome, Mapping) or not ome.get("multiscales"):
        return None
    images = [checked(one, Mapping, "an image of multiscales") for one in checked(ome["multiscales"], list, _ALL)]
    if path is None:
        _require_one(images)
    for multiscale in images[: None if path is not None else 1]:
        given = checked(multiscale.get("datasets"), list, "datasets")
        datasets = [checked(one, Mapping, "a dataset") for one in given]
        paths = [checked(dataset.get("path"), str, "path of a dataset") for dataset in datasets]
        if path is not None:
            found = [number for number, one in enumerate(paths) if one.strip("/").removeprefix("./") == path]
            if not found:
                continue
            level = found[0]
        if not 0 <= level < len(datasets):
            there = ", ".join(f"{k} ({one})" for k, one in enumerate(paths))
            raise ValueError(f"level must be one of {there or 'none'}; got {level}")
        axes = _axes_of(multiscale, _version_of(ome, multiscale), datasets[level], coordinate_system)
        way = composed(datasets[level], multiscale, len(axes), coordinate_system)
        extra, beside = carried(attributes)
        unknown, name = _unknown(beside), multiscale.get("name")
        if not (transformations_of(datasets[level]) or transformations_of(multiscale)):  # nobody says it
            unknown += [axes[number]["name"] for number in space_of(axes)]
        scale = tuple(math.nan if axis["name"] in unknown else s for axis, s in zip(axes, way.scale, strict=True))
        return Image(axes, paths[level], scale, way.translation, name, extra, beside=beside)
    return None


def _require_one(images: Sequence[Mapping[str, Any]]) -> None:
    """Refuse several images in one group, of which nobody has chosen one."""
    first = [one["datasets"][0].get("path") if _has_datasets(one) else None for one in images]
    if len(set(map(str, first))) > 1:
        named = ", ".join(
            f"{path} ({one.get('name', 'without a name')})" for path, one in zip(first, images, strict=True)
        )
        raise ValueError(
            f"a group must hold one image; got {len(images)}, with the full levels {named}: name one of these"
        )


def _has_datasets(multiscale: Mapping[str, Any]) -> bool:
    datasets = multiscale.get("datasets")
    return isinstance(datasets, list) and bool(datasets) and isinstance(datasets[0], Mapping)


_ALL = "multiscales"
_KNOWN = re.compile(r"0\.[1-6](?!\d)")
"""Versions that are read, drafts of them ("0.6.dev4", "0.5-dev-spatialdata") too."""


def _version_of(ome: Mapping[str, Any], multiscale: Mapping[str, Any]) -> str | None:
    """The version that the metadata say; up to 0.4 it stands with the image."""
    said = ome.get("version", multiscale.get("version"))
    if said is None:
        return None
    version: str = checked(said, str, "version of OME-Zarr metadata")
    if not _KNOWN.match(version):
        raise ValueError(f"OME-Zarr metadata must be of version 0.1 to 0.6; got {said!r}")
    return version[:3]


def _axes_of(
    multiscale: Mapping[str, Any], version: str | None, dataset: Mapping[str, Any], system: str | None
) -> tuple[Mapping[str, Any], ...]:
    """The axes of an image: named from 0.3 on, those of a coordinate system from 0.6 on, else always tczyx."""
    if "coordinateSystems" in multiscale:
        listed = checked(multiscale["coordinateSystems"], list, "coordinateSystems")
        systems = {
            checked(checked(one, Mapping, "a coordinate system").get("name"), str, "name of a coordinate system"): one
            for one in listed
        }
        outputs = systems_of(dataset, {})
        name = system if system in systems else outputs[0] if outputs else next(iter(systems))
        if name not in systems:
            raise ValueError(f"a transformation must lead to one of {', '.join(systems)}; got {name!r}")
        return told(read_axes(systems[name].get("axes")))
    if version in ("0.1", "0.2"):
        axes = read_axes(multiscale.get("axes", list("tczyx")))
        if [axis["name"] for axis in axes] != list("tczyx"):
            names = ", ".join(axis["name"] for axis in axes)
            raise ValueError(f"axes of OME-Zarr {version} must be t, c, z, y, x; got {names}")
        return told(axes)
    if version is not None and "axes" not in multiscale:
        raise ValueError(f"axes must be told by OME-Zarr {version}; got none")
    return told(read_axes(multiscale.get("axes", list("tczyx"))))


def read_axes(given: Any) -> tuple[Mapping[str, Any], ...]:
    """The axes of an image as mappings with a name each."""
    axes = [{"name": axis} if isinstance(axis, str) else axis for axis in checked(given, list, "axes")]
    for axis in axes:
        for key in ("name", "type", "unit"):
            if key == "name" or checked(axis, Mapping, "an axis").get(key) is not None:
                checked(checked(axis, Mapping, "an axis").get(key), str, f"{key} of an axis")
    if len({axis["name"] for axis in axes}) < len(axes):
        raise ValueError(f"axes must not repeat; got {', '.join(axis['name'] for axis in axes)}")
    return tuple({key: value for key, value in axis.items() if key != "unit" or value is not None} for axis in axes)
