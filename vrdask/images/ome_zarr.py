"""OME-Zarr metadata of an image: read from a group's attributes (0.4 and 0.5), carried through a resampling, written
as either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from vrdask.images.image import Image

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
        "datasets": [_dataset(level) for level in levels],
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


def _dataset(level: Image) -> dict[str, Any]:
    known = [math.isfinite(scale) for scale in level.scale]
    scale = [size if is_known else 1.0 for size, is_known in zip(level.scale, known, strict=True)]
    shift = [first if is_known else 0.0 for first, is_known in zip(level.translation, known, strict=True)]
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    if any(shift):
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
    """Axes of which it is said that the distance between their samples is not known; nothing is left of that."""
    said = beside.get(ATTRIBUTE)
    if not isinstance(said, Mapping) or not isinstance(said.get(UNKNOWN), list):
        return []
    beside[ATTRIBUTE] = {key: value for key, value in said.items() if key != UNKNOWN}
    if not beside[ATTRIBUTE]:
        del beside[ATTRIBUTE]
    return list(said[UNKNOWN])


def read_multiscale(attributes: Mapping[str, Any], level: int = 0) -> Image | None:
    """A level of the image that a group's attributes describe, or None where they describe none.

    Raises
    ------
    ValueError
        There is no such level, or the metadata are not as OME-Zarr has them, or newer than what is known here.
    """
    ome = attributes.get("ome", attributes)
    if not isinstance(ome, Mapping) or not ome.get("multiscales"):
        return None
    multiscale = checked(checked(ome["multiscales"], list, "multiscales")[0], Mapping, "an image of multiscales")
    if "coordinateSystems" in multiscale:
        raise ValueError(f"OME-Zarr metadata must be of version 0.1 to 0.5; got {ome.get('version')!r}")
    datasets = [checked(one, Mapping, "a dataset") for one in checked(multiscale.get("datasets"), list, "datasets")]
    paths = [checked(dataset.get("path"), str, "path of a dataset") for dataset in datasets]
    if not 0 <= level < len(datasets):
        there = ", ".join(f"{k} ({path})" for k, path in enumerate(paths))
        raise ValueError(f"level must be one of {there or 'none'}; got {level}")
    axes = read_axes(multiscale.get("axes", list("tczyx")))
    scale, translation = [1.0] * len(axes), [0.0] * len(axes)
    for holder in (datasets[level], multiscale):
        for one in checked(holder.get("coordinateTransformations", []), list, "coordinateTransformations"):
            scale, translation = _after(checked(one, Mapping, "a transformation"), scale, translation)
    extra, beside = carried(attributes)
    unknown = _unknown(beside)
    scale = [math.nan if axis["name"] in unknown else size for axis, size in zip(axes, scale, strict=True)]
    name = multiscale.get("name")
    return Image(axes, paths[level], tuple(scale), tuple(translation), name, extra, beside=beside)


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


def _after(one: Mapping[str, Any], scale: list[float], translation: list[float]) -> tuple[list[float], list[float]]:
    """Scale and translation after a further transformation."""
    if "scale" in one:
        factors = _numbers(one["scale"], len(scale), "scale")
        if not all(factor > 0 for factor in factors):
            raise ValueError(f"scale must hold positive numbers; got {factors}")
        return [a * b for a, b in zip(scale, factors, strict=True)], [
            a * b for a, b in zip(translation, factors, strict=True)
        ]
    if "translation" in one:
        shifts = _numbers(one["translation"], len(scale), "translation")
        return scale, [a + b for a, b in zip(translation, shifts, strict=True)]
    if one.get("type") != "identity":
        raise ValueError(
            f"a transformation must be a scale, a translation or the identity; got {one.get('type')!r} "
            "(the path of the level itself opens as a plain array)"
        )
    return scale, translation


def _numbers(given: Any, count: int, what: str) -> list[float]:
    """Finite numbers, one per axis."""
    values = checked(given, list, what)
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < math.inf]
    if len(numbers) != count or len(values) != count:
        raise ValueError(f"{what} must hold {count} finite numbers, one per axis; got {short(values)}")
    return [float(v) for v in numbers]


def checked(value: Any, kind: Any, what: str) -> Any:
    """A value of JSON that must be of a kind.

    Raises
    ------
    ValueError
        It is of another.
    """
    if not isinstance(value, kind) or (kind is list and not value and what in _NEVER_EMPTY):
        names: dict[Any, str] = {str: "a text", list: "a list", Mapping: "an object"}
        raise ValueError(f"{what} must be {names[kind]}; got {short(value)}")
    return value


_NEVER_EMPTY = ("datasets", "axes", "multiscales")


def short(value: Any) -> str:
    """A value for people, cut off where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
