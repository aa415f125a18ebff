"""Coordinate transformations of OME-Zarr: from samples to a coordinate system, as a scale and a translation. Pure.

Up to 0.5 a list is a sequence: each transformation is applied to what the one before has given, those of the dataset
first, then those of the whole image. From 0.6 on, and in files of SpatialData, a transformation names the coordinate
system that it leads to (`output`): those of an image are then ways to different systems, of which at most one is gone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vrdask.images.checked import checked, short

KNOWN = "scale, translation, identity, sequence"


@dataclass(frozen=True)
class Straight:
    """A map without rotation: ``scale * i + translation`` along each axis."""

    scale: tuple[float, ...]
    translation: tuple[float, ...]

    @staticmethod
    def nothing(ndim: int) -> Straight:
        return Straight((1.0,) * ndim, (0.0,) * ndim)

    def then(self, other: Straight) -> Straight:
        """This map, and the other one of what it gives."""
        return Straight(
            tuple(a * b for a, b in zip(self.scale, other.scale, strict=True)),
            tuple(t * s + u for t, s, u in zip(self.translation, other.scale, other.translation, strict=True)),
        )


def output_of(one: Mapping[str, Any]) -> str | None:
    """The name of the coordinate system that a transformation leads to, where it tells."""
    output = one.get("output")
    name = output.get("name") if isinstance(output, Mapping) else output
    return name if isinstance(name, str) else None


def transformations_of(holder: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those of a dataset or of an image."""
    given = holder.get("coordinateTransformations")
    listed = checked([] if given is None else given, list, "coordinateTransformations")
    return [checked(one, Mapping, "a transformation") for one in listed]


def composed(dataset: Mapping[str, Any], multiscale: Mapping[str, Any], ndim: int, system: str | None) -> Straight:
    """From samples of a dataset to a coordinate system; None for that of the dataset itself.

    Raises
    ------
    ValueError
        A transformation is not known, not straight or not finite, or no such system is told of.
    """
    own, outer = transformations_of(dataset), transformations_of(multiscale)
    of_dataset = [output_of(one) for one in own]
    if len(own) > 1 and any(of_dataset):  # ways to different systems
        if len(set(of_dataset)) < len(own):
            raise ValueError(f"transformations of a dataset must lead to systems that differ; got {short(of_dataset)}")
        chosen = of_dataset.index(system) if system in of_dataset else 0
        own, of_dataset = [own[chosen]], [of_dataset[chosen]]
    found = _sequence(own, ndim)
    named = {name: one for one in outer if (name := output_of(one)) is not None}
    if not named:
        found = found.then(_sequence(outer, ndim))
    if system is None or system in of_dataset:
        return found
    if system not in named:
        there = ", ".join(dict.fromkeys([*filter(None, of_dataset), *named])) or "none"
        raise ValueError(f"coordinate_system must be one that the image tells of, {there}; got {system!r}")
    return found.then(_straight(named[system], ndim))


def systems_of(dataset: Mapping[str, Any], multiscale: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the coordinate systems that transformations lead to, the dataset's own first."""
    every = [*transformations_of(dataset), *transformations_of(multiscale)]
    return tuple(dict.fromkeys(name for one in every if (name := output_of(one)) is not None))


def _sequence(transformations: Sequence[Any], ndim: int) -> Straight:
    found = Straight.nothing(ndim)
    for one in transformations:
        found = found.then(_straight(checked(one, Mapping, "a transformation"), ndim))
    return found


def _straight(one: Mapping[str, Any], ndim: int) -> Straight:
    kind = one.get("type")
    if kind is None:  # not as the specification has it, but told all the same
        kind = next((name for name in ("scale", "translation", "affine", "rotation") if name in one), None)
    nothing = Straight.nothing(ndim)
    if kind == "identity":
        return nothing
    if kind == "sequence":
        return _sequence(checked(one.get("transformations"), list, "transformations of a sequence"), ndim)
    if kind in ("scale", "translation") and kind not in one and "path" in one:
        raise ValueError(f"a {kind} must be given by its numbers; got one in the array {short(one['path'])}")
    if kind == "scale":
        factors = _numbers(one.get("scale"), ndim, "scale")
        if not all(factor > 0 for factor in factors):
            raise ValueError(f"scale must hold positive numbers; got {list(factors)}")
        return Straight(factors, nothing.translation)
    if kind == "translation":
        return Straight(nothing.scale, _numbers(one.get("translation"), ndim, "translation"))
    if kind == "affine" and (found := _without_rotation(one.get("affine"), ndim)) is not None:
        return found
    raise ValueError(
        f"a transformation must be one of {KNOWN}; got {kind!r}: no spacing along the axes is told by it "
        "(vrdask.affine_zarr applies a matrix; vrdask.resample takes the level's zarr array as it is)"
    )


def _without_rotation(matrix: Any, ndim: int) -> Straight | None:
    """An affine that does no more than stretch and shift."""
    if not isinstance(matrix, list) or len(matrix) not in (ndim, ndim + 1):
        return None
    rows = [_numbers(row, ndim + 1, "a row of an affine") for row in matrix]
    if len(rows) > ndim and rows.pop() != (0.0,) * ndim + (1.0,):
        return None
    if any((row[k] <= 0) if k == number else row[k] for number, row in enumerate(rows) for k in range(ndim)):
        return None
    return Straight(tuple(row[k] for k, row in enumerate(rows)), tuple(row[-1] for row in rows))


def _numbers(given: Any, count: int, what: str) -> tuple[float, ...]:
    """Finite numbers, one per axis."""
    values = checked(given, list, what)
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < math.inf]
    if len(numbers) != count or len(values) != count:
        raise ValueError(f"{what} must hold {count} finite numbers, one per axis; got {short(values)}")
    return tuple(float(v) for v in numbers)
