"""The space of a scanner: from an affine to what axes can say by themselves, and back. Pure.

World coordinates are those of nibabel: millimetres to the right, the front and the top (RAS+). OME-Zarr says less: an
axis has a scale, a translation and an orientation (RFC-4), one of six directions. So an axis says the direction that it
is nearest to, and its own coordinate ``scale * i + translation`` is the distance from the world's origin along its true
direction. For axes that are straight that is the world coordinate, signed as the orientation points, as ITK has it for
its LPS and nibabel for its RAS; where they are oblique, the affine stands in an attribute beside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.images.image import Affine, Image
from vrdask.images.units import conversion

Matrix = npt.NDArray[np.float64]

DIRECTIONS = {
    "left-to-right": (0, 1), "right-to-left": (0, -1), "posterior-to-anterior": (1, 1),
    "anterior-to-posterior": (1, -1), "inferior-to-superior": (2, 1), "superior-to-inferior": (2, -1),
}  # fmt: skip
"""Of RFC-4: the coordinate of the world, and whether it grows. The directions of quadrupeds and limbs lie in no world
of a scanner."""
_NAMES = {direction: name for name, direction in DIRECTIONS.items()}
_LPS = {"x": (0, -1), "y": (1, -1), "z": (2, 1)}
"""What axes without an orientation are taken for where a world has to be written: ITK's."""
SAME = 1e-6
"""Of a sample: two columns that differ by less are one."""
SAME_ORIGIN = 1e-3


def unit_of(axis: Mapping[str, Any]) -> float | None:
    """Millimetres in the unit of an axis; None where it is no length. Without a unit it is taken to be in millimetres,
    as nibabel and ITK do.
    """
    return millimetres_in(axis.get("unit"))


def millimetres_in(unit: str | None) -> float | None:
    """Of a unit by OME-Zarr's name; 1 for none, None where it is no length."""
    found = Fraction(1) if unit is None else conversion(unit, "millimeter")
    return None if found is None else float(found)


def _matrix(affine: Affine) -> Matrix:
    return np.array(affine, np.float64)


def as_affine(matrix: npt.ArrayLike) -> Affine:
    """The first three rows of a matrix as tuples."""
    return tuple(tuple(float(number) + 0.0 for number in row) for row in np.asarray(matrix)[:3])  # + 0.0: no -0.0


def lengths(affine: Affine) -> tuple[float, ...]:
    """The distance between samples along each axis, in millimetres, to seven digits.

    >>> lengths(((0.0, -2.0, 90.0), (0.5, 0.0, -126.0), (0.0, 0.0, 0.0)))
    (0.5, 2.0)
    """
    norms = np.linalg.norm(_matrix(affine)[:, :-1], axis=0)
    return tuple(float(f"{norm:.7g}") for norm in norms)


def require_invertible(affine: Affine, what: str) -> None:
    """Refuse an affine that does not tell samples apart.

    Raises
    ------
    ValueError
        It has numbers that are not finite, an axis of no length, or axes that lie in one plane or line.
    """
    matrix = _matrix(affine)
    norms = np.linalg.norm(matrix[:, :-1], axis=0)
    if not np.isfinite(matrix).all() or not norms.all():
        flat = True
    else:
        flat = bool(np.linalg.svd(matrix[:, :-1] / norms, compute_uv=False)[-1] < 1e-6)
    if flat:
        rows = ", ".join(str([float(f"{number:.6g}") for number in row]) for row in affine)
        raise ValueError(f"{what} must be invertible; got {rows}")


def directions(affine: Affine) -> tuple[tuple[int, int], ...]:
    """The coordinate of the world that each axis is nearest to, and its sign; no two axes share one.

    As `nibabel.io_orientation`: of the rotation that is nearest to the affine the largest element is taken first.

    >>> directions(((0.0, -2.0, 90.0), (0.5, 0.1, -126.0), (0.0, 0.0, 0.0)))
    ((1, 1), (0, -1))
    """
    columns = _matrix(affine)[:, :-1]
    left, _, right = np.linalg.svd(columns / np.linalg.norm(columns, axis=0), full_matrices=False)
    rotation = left @ right
    left_over = np.abs(rotation)
    found: dict[int, tuple[int, int]] = {}
    for _ in range(columns.shape[1]):
        row, column = map(int, np.unravel_index(int(np.argmax(left_over)), left_over.shape))
        found[column] = (row, 1 if rotation[row, column] >= 0 else -1)
        left_over[row, :] = left_over[:, column] = -1
    return tuple(found[column] for column in range(columns.shape[1]))


def degrees_off(affine: Affine) -> float:
    """The largest angle between an axis and the direction that it is nearest to."""
    columns = _matrix(affine)[:, :-1]
    units = columns / np.linalg.norm(columns, axis=0)
    near = [
        math.degrees(math.atan2(np.linalg.norm(np.delete(unit, row)), sign * unit[row]))
        for unit, (row, sign) in zip(units.T, directions(affine), strict=True)
    ]
    return max(near, default=0.0)


def placed(image: Image, affine: Affine) -> Image:
    """An image whose scale, translation and orientation along the axes of space are those of an affine.

    Raises
    ------
    ValueError
        The affine cannot be inverted.
    """
    require_invertible(affine, "an affine")
    matrix = _matrix(affine)
    axes, scale, translation = list(image.axes), list(image.scale), list(image.translation)
    for axis, column, length, direction in zip(
        image.space_axes, matrix[:, :-1].T, lengths(affine), directions(affine), strict=True
    ):
        unit = unit_of(image.axes[axis])
        if unit is None:
            raise ValueError(f"an axis of space must have a unit of length; got {image.axes[axis].get('unit')!r}")
        axes[axis] = {**image.axes[axis], "orientation": {"type": "anatomical", "value": _NAMES[direction]}}
        scale[axis] = float(f"{length / unit:.7g}") if unit != 1 else length
        translation[axis] = float(column / np.linalg.norm(column) @ matrix[:, -1]) / unit + 0.0
    return replace(image, axes=tuple(axes), scale=tuple(scale), translation=tuple(translation), affine=affine)


def turned(
    image: Image, matrix: Sequence[Sequence[float]], offset: Sequence[float], axes: Sequence[int]
) -> Image | None:
    """`Image.seen_through` for a map that turns, flips or shears: the scanner's space says where samples lie.

    None where nothing is known of one, or the map mixes axes of space with others.
    """
    space = image.space_axes
    if image.affine is None or any(unit_of(image.axes[axis]) is None for axis in space):
        return None
    places = {axis: number for number, axis in enumerate(axes)}
    steps, starts = [1.0] * len(image.axes), [0.0] * len(image.axes)
    for axis, k in places.items():
        if axis not in space:
            if matrix[k][k] <= 0 or any(matrix[k][j] or matrix[j][k] for j in range(len(axes)) if j != k):
                return None
            steps[axis], starts[axis] = matrix[k][k], offset[k]
    index_map = np.eye(len(space) + 1)
    for i, axis in enumerate(space):
        if axis in places:
            row = matrix[places[axis]]
            index_map[i, :-1] = [row[places[other]] if other in places else 0.0 for other in space]
            index_map[i, -1] = offset[places[axis]]
    return placed(image.stepped(steps, starts), as_affine(homogeneous(image.affine) @ index_map))


def homogeneous(affine: Affine) -> Matrix:
    """An affine with its last row, of zeros and a one."""
    return np.vstack([_matrix(affine), [0.0] * (len(affine[0]) - 1) + [1.0]])


def said_by_axes(image: Image) -> Affine | None:
    """The affine that orientation, scale and translation give; None where an axis of space does not say them all."""
    return _from_axes(image, [direction_of(image.axes[axis]) for axis in image.space_axes])


def as_itk_has_it(image: Image) -> Affine | None:
    """The affine of an image that says no directions: x to the left, y to the back, z to the top.

    So ITK, SimpleITK and ngff-zarr write an image of identical directions. None where an axis of space has another
    name, no known scale or no unit of length.
    """
    return _from_axes(image, [_LPS.get(image.axes[axis]["name"].lower()) for axis in image.space_axes])


def direction_of(axis: Mapping[str, Any]) -> tuple[int, int] | None:
    """The coordinate of the world that an axis says it runs along, and whether it grows; None where it says none."""
    said = axis.get("orientation")
    value = said.get("value") if isinstance(said, Mapping) and said.get("type") == "anatomical" else None
    return DIRECTIONS.get(value) if isinstance(value, str) else None


def _from_axes(image: Image, found: Sequence[tuple[int, int] | None]) -> Affine | None:
    space = image.space_axes
    units = [unit_of(image.axes[axis]) for axis in space]
    known = [one for one in found if one is not None]
    if not 0 < len(space) <= 3 or len(known) < len(space) or len({row for row, _ in known}) < len(space):
        return None
    matrix = np.zeros((3, len(space) + 1))
    for number, (axis, unit, (row, sign)) in enumerate(zip(space, units, known, strict=True)):
        if unit is None or not math.isfinite(image.scale[axis]) or not math.isfinite(image.translation[axis]):
            return None
        matrix[row, number] = sign * image.scale[axis] * unit
        matrix[row, -1] = sign * image.translation[axis] * unit
    return as_affine(matrix)


def is_said_by_axes(image: Image) -> bool:
    """Whether the axes of an image say all that its affine does, or it has none."""
    said = said_by_axes(image)
    if image.affine is None or said is None:
        return image.affine is None
    differ = np.abs(_matrix(said) - _matrix(image.affine))
    smallest = np.linalg.norm(_matrix(image.affine)[:, :-1], axis=0).min()
    return bool((differ[:, :-1] <= SAME * smallest).all() and (differ[:, -1] <= SAME * smallest).all())


def beside(image: Image | None) -> dict[str, Any]:
    """What an attribute of the array has to say because axes cannot: the affine, or nothing."""
    return {} if image is None or is_said_by_axes(image) else {"affine": [list(row) for row in image.affine or ()]}


def lost(image: Image | None) -> tuple[str, ...]:
    """A line, for people, about what the axes of an OME-Zarr image do not say."""
    if not beside(image):
        return ()
    assert image is not None
    assert image.affine is not None
    where = "the array's attribute 'vrdask' holds the affine"
    if image.space_axes and said_by_axes(image) is None:
        return (f"the axes of OME-Zarr do not say where the samples lie: {where}",)
    if (off := degrees_off(image.affine)) > 1e-3:
        return (
            f"OME-Zarr holds no oblique directions: the axes lie up to {off:.3g} degrees off those it says; {where}",
        )
    return (f"OME-Zarr holds no position beside its own axes: {where}",)


def as_stored(image: Image | None) -> tuple[str, ...]:
    """A line, for people, about where the axes of an OME-Zarr image point: nothing is turned. None beside `lost`."""
    axes = () if image is None or beside(image) else tuple(image.axes[axis] for axis in image.space_axes)
    known = [f"{axis['name']} {_NAMES[direction]}" for axis in axes if (direction := direction_of(axis)) is not None]
    if not known:
        return ()
    return (f"samples stay in the scan's order, which the axes say (RFC-4): {', '.join(known)}",)


def with_affine(image: Image, said: Any) -> tuple[Image, str | None]:
    """An image that has been read, with the affine that is `said` beside it or that its own axes give; and a line where
    what is said is not used.

    said : what `beside` wrote; None where there is nothing.
    """
    own = said_by_axes(image)
    image = replace(image, affine=own)
    if said is None:
        return image, None
    try:
        affine = as_affine(_rows(said, len(image.space_axes)))
        require_invertible(affine, "it")
        again = placed(replace(image, affine=None), affine)
    except ValueError as error:
        return image, f"the affine in the attribute 'vrdask' is not used: {error}"
    for axis in image.space_axes:
        scale, there = image.scale[axis], again.scale[axis]
        off = abs(again.translation[axis] - image.translation[axis])
        if not abs(scale - there) <= SAME_ORIGIN * there or (_is_orthogonal(affine) and not off <= SAME_ORIGIN * there):
            return image, (
                "the affine in the attribute 'vrdask' is not used: something has changed scale or translation since, "
                f"which are {scale:g} and {image.translation[axis]:g} for axis {image.axes[axis]['name']}, "
                f"not {there:g} and {again.translation[axis]:g}"
            )
    return replace(image, affine=affine), None


def _rows(said: Any, count: int) -> list[list[float]]:
    rows = said if isinstance(said, list) else []
    numbers = [n for row in rows if isinstance(row, list) for n in row if isinstance(n, int | float)]
    if len(rows) != 3 or len(numbers) != 3 * (count + 1) or any(len(row) != count + 1 for row in rows):
        raise ValueError(f"it must have 3 rows of {count + 1} numbers")
    return rows


def _is_orthogonal(affine: Affine) -> bool:
    columns = _matrix(affine)[:, :-1]
    units = columns / np.linalg.norm(columns, axis=0)
    return bool(np.abs(units.T @ units - np.eye(units.shape[1])).max(initial=0) < 1e-4)
