"""OME-Zarr metadata of an image: read from a group's attributes (0.4 and 0.5), carried through a resampling, written
as 0.5.

The centre of the first sample is the origin. With r = n_in / n_out, half-pixel resampling of samples at ``s * i + t``
gives samples at ``s * r * i + t + s * (r - 1) / 2``; aligned corners give ``s * (n_in - 1) / (n_out - 1) * i + t``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Multiscale:
    """One level of an image: of the first multiscale image of an OME-Zarr group, or an array by itself.

    axes : the metadata's own list, one mapping per array axis.
    path : of the level within the group; empty for an array by itself.
    scale, translation : one number per axis, in the axes' units; NaN where a file does not say (never in OME-Zarr).
    extra : what else the group says (name, omero, ..), kept as it is.
    """

    axes: tuple[Mapping[str, Any], ...]
    path: str
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    name: str | None
    extra: Mapping[str, Any]

    @property
    def axis_names(self) -> tuple[str, ...]:
        return tuple(axis["name"] for axis in self.axes)

    @property
    def space_axes(self) -> tuple[int, ...]:
        return tuple(number for number, axis in enumerate(self.axes) if axis.get("type", "space") == "space")

    def resampled(self, in_shape: Sequence[int], out_shape: Sequence[int], align_corners: bool) -> Multiscale:
        """The same image after a resampling."""
        scale, translation = [], []
        for n_in, n_out, s, t in zip(in_shape, out_shape, self.scale, self.translation, strict=True):
            if n_in == n_out:
                scale.append(s)
                translation.append(t)
            elif align_corners:
                scale.append(s * (n_in - 1) / (n_out - 1) if n_out > 1 else s)
                translation.append(t)
            else:
                scale.append(s * n_in / n_out)
                translation.append(t + s * (n_in - n_out) / (2 * n_out))
        return replace(self, scale=tuple(scale), translation=tuple(translation))

    def attributes(self) -> dict[str, Any]:
        """Attributes of an OME-Zarr 0.5 group that holds this image alone, at `path`."""
        transformations: list[dict[str, Any]] = [{"type": "scale", "scale": list(self.scale)}]
        if any(self.translation):
            transformations.append({"type": "translation", "translation": list(self.translation)})
        multiscale: dict[str, Any] = {
            "axes": [dict(axis) for axis in self.axes],
            "datasets": [{"path": self.path, "coordinateTransformations": transformations}],
        }
        if self.name is not None:
            multiscale["name"] = self.name
        return {"ome": {"version": "0.5", "multiscales": [multiscale], **deepcopy(dict(self.extra))}}


def read_multiscale(attributes: Mapping[str, Any], level: int = 0) -> Multiscale | None:
    """A level of the image that a group's attributes describe, or None where they describe none."""
    ome = attributes.get("ome", attributes)
    if not isinstance(ome, Mapping) or not ome.get("multiscales"):
        return None
    multiscale = ome["multiscales"][0]
    datasets = multiscale["datasets"]
    if not 0 <= level < len(datasets):
        there = ", ".join(f"{k} ({dataset['path']})" for k, dataset in enumerate(datasets))
        raise ValueError(f"level must be one of {there}; got {level}")
    dataset = datasets[level]
    axes = [{"name": axis} if isinstance(axis, str) else axis for axis in multiscale.get("axes", "tczyx")]
    scale, translation = [1.0] * len(axes), [0.0] * len(axes)
    for transformation in (
        *dataset.get("coordinateTransformations", ()), *multiscale.get("coordinateTransformations", ()),
    ):  # fmt: skip
        if "scale" in transformation:
            scale = [a * b for a, b in zip(scale, transformation["scale"], strict=True)]
            translation = [a * b for a, b in zip(translation, transformation["scale"], strict=True)]
        elif "translation" in transformation:
            translation = [a + b for a, b in zip(translation, transformation["translation"], strict=True)]
    extra = {key: ome[key] for key in ("omero",) if key in ome}
    return Multiscale(tuple(axes), dataset["path"], tuple(scale), tuple(translation), multiscale.get("name"), extra)
