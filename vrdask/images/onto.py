"""Onto another image's grid: the map of indices from a reference to a source through the world that they share. Pure.

A sample o of the reference lies at ``A_reference @ o``; where a world transform W leads there, in the source's world,
is the source's sample ``inv(A_source) @ W @ A_reference @ o``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.images.image import Affine, Image
from vrdask.images.orientation import as_affine, as_itk_has_it, homogeneous, require_invertible, said_by_axes, unit_of

Matrix = npt.NDArray[np.float64]

SIMPLEST = 10_000
ROUNDING = 1e-11
OUT_OF_PLANE = 1e-3


@dataclass(frozen=True)
class GridMap:
    """Where the samples of a result lie in its source: at ``matrix @ index + offset``, along some axes."""

    matrix: Matrix
    offset: Matrix
    axes: tuple[int, ...]
    """Of the source's array: those of space, in order."""
    image: Image
    """The result: the source's, with the reference's axes of space."""
    notes: tuple[str, ...] = ()
    """What was taken for granted: a line each."""


def onto(
    source: Image | None, reference: Image | None, world: Any = None, names: tuple[str, str] = ("", "")
) -> GridMap:
    """The map from the grid of a reference to that of a source.

    world : None, or a 4 x 4 matrix from the world of the reference to that of the source, in millimetres, RAS+.
    names : of the source and the reference, for errors.

    Raises
    ------
    ValueError
        One of them has no geometry, they differ in the number of axes of space, or planes do not coincide.
    """
    for image, name, what in ((source, names[0], "source"), (reference, names[1], "reference (like)")):
        if image is None or not _has_geometry(image):
            got = "no axes" if image is None else "no spacing, or no axes of space"
            raise ValueError(
                f"the {what} must say where its samples lie (OME-Zarr with scale, NIfTI); got {got} of {name}: "
                "give a matrix of samples instead"
            )
    assert source is not None
    assert reference is not None
    count = len(source.space_axes)
    if len(reference.space_axes) != count:
        raise ValueError(
            "source and reference (like) must have as many axes of space; "
            f"got {_named(source)} of {names[0]} and {_named(reference)} of {names[1]}"
        )
    from_source, from_reference, notes = _worlds(source, reference, world is not None, names)
    through = _checked_world(world)
    if from_source.shape[1] < 4:
        from_source, from_reference = _with_normal(from_source), _with_normal(from_reference)
    require_invertible(as_affine(from_source), f"the affine of {names[0]}")
    require_invertible(as_affine(from_reference), f"the affine of {names[1]}")
    whole = np.linalg.inv(from_source) @ through @ from_reference
    beyond = np.abs(np.delete(whole[count:3], range(count, 3), axis=1))
    if beyond.size and beyond.max() > OUT_OF_PLANE * max(1.0, np.abs(whole[:count, :count]).max()):
        raise ValueError(
            f"source and reference (like) must lie in one plane; got {names[0]} and {names[1]}, of which the second "
            f"lies up to {beyond.max():.3g} mm outside the first"
        )
    simple = np.vectorize(_simple, otypes=[float])
    return GridMap(
        simple(whole[:count, :count]), simple(whole[:count, 3]), source.space_axes, _result(source, reference), notes
    )


def _has_geometry(image: Image) -> bool:
    space = image.space_axes
    return 0 < len(space) <= 3 and (
        image.affine is not None
        or all(math.isfinite(image.scale[axis]) and math.isfinite(image.translation[axis]) for axis in space)
    )


def _named(image: Image) -> str:
    return ", ".join(image.axis_names[axis] for axis in image.space_axes)


def _worlds(
    source: Image, reference: Image, must_be_anatomical: bool, names: tuple[str, str]
) -> tuple[Matrix, Matrix, tuple[str, ...]]:
    """From the samples of both to one world: 4 rows, a column per axis of space and one more."""
    said = [image.affine or said_by_axes(image) for image in (source, reference)]
    if said[0] is None and said[1] is None and not must_be_anatomical:
        return *_own_worlds(source, reference, names), ()
    notes = []
    for number, image in enumerate((source, reference)):
        if said[number] is None:
            said[number] = as_itk_has_it(image)
            if said[number] is None:
                raise ValueError(
                    f"an image without directions must have axes x, y, z, in units of length; "
                    f"got {_named(image)} of {names[number]}"
                )
            notes.append(names[number])
    assert said[0] is not None
    assert said[1] is not None
    taken = "no directions are known: x is taken to point to the left, y to the back, z to the top, as ITK would"
    return homogeneous(said[0]), homogeneous(said[1]), tuple(f"{name}: {taken}" for name in notes)


def _own_worlds(source: Image, reference: Image, names: tuple[str, str]) -> tuple[Matrix, Matrix]:
    """The world of scale and translation, along axes that both name."""
    rows = [source.axis_names[axis] for axis in source.space_axes]
    if sorted(rows) != sorted(reference.axis_names[axis] for axis in reference.space_axes):
        raise ValueError(
            "source and reference (like) must name the same axes of space where neither says its directions; "
            f"got {_named(source)} of {names[0]} and {_named(reference)} of {names[1]}"
        )
    found = []
    for image, other in ((source, reference), (reference, source)):
        matrix = np.zeros((4, len(rows) + 1))
        matrix[3, -1] = 1.0
        for number, axis in enumerate(image.space_axes):
            unit = _unit_beside(image, other, axis, names)
            matrix[rows.index(image.axis_names[axis]), [number, -1]] = (
                image.scale[axis] * unit,
                image.translation[axis] * unit,
            )
        found.append(matrix)
    return found[0], found[1]


def _unit_beside(image: Image, other: Image, axis: int, names: tuple[str, str]) -> float:
    """The unit of an axis in one that both images share; one that has none is taken to have the other's."""
    beside = other.axes[other.axis_names.index(image.axis_names[axis])]
    unit, its = image.axes[axis].get("unit"), beside.get("unit")
    if unit is None or its is None or unit == its:
        return 1.0
    factor = unit_of(image.axes[axis])
    if factor is None or unit_of(beside) is None:
        raise ValueError(
            f"source and reference (like) must have units of length; got {unit} and {its} of {names[0]} and {names[1]}"
        )
    return factor


def _with_normal(affine: Matrix) -> Matrix:
    """A plane's, or a line's, affine as one of space: further columns at right angles, of length 1."""
    count = affine.shape[1] - 1
    columns = affine[:3, :count]
    missing = np.linalg.svd(columns / np.linalg.norm(columns, axis=0))[0][:, count:]
    if count == 2:
        missing *= np.sign(np.linalg.det(np.column_stack([columns, missing])))
    return homogeneous(as_affine(np.column_stack([columns, missing, affine[:3, count]])))


def _checked_world(world: Any) -> Matrix:
    if world is None:
        return np.eye(4)
    matrix = np.asarray(world)
    if matrix.dtype.kind not in "iuf" or matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(
            "with like, matrix must be a 4 x 4 matrix of finite numbers, from the reference's world to the source's in "
            f"millimetres; got {'shape ' + str(matrix.shape) if matrix.shape != (4, 4) else matrix.tolist()}"
        )
    if (matrix[3] != [0, 0, 0, 1]).any():
        raise ValueError(f"matrix must have a last row of zeros and a one; got {matrix[3].tolist()}")
    require_invertible(as_affine(matrix), "matrix")
    return matrix.astype(np.float64)


def _simple(number: float) -> float:
    """A number without the rounding of an inverse: 0.75, not 0.7500000000000001, which may lie beyond a last sample."""
    near = float(Fraction(number).limit_denominator(SIMPLEST))
    return near if abs(near - number) <= ROUNDING * max(1.0, abs(number)) else number


def _result(source: Image, reference: Image) -> Image:
    axes, scale, translation = list(source.axes), list(source.scale), list(source.translation)
    for axis, there in zip(source.space_axes, reference.space_axes, strict=True):
        axes[axis], scale[axis] = reference.axes[there], reference.scale[there]
        translation[axis] = reference.translation[there]
    affine: Affine | None = reference.affine
    return replace(source, axes=tuple(axes), scale=tuple(scale), translation=tuple(translation), affine=affine)
