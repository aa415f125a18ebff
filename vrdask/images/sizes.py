"""Sizes of a result, from a shape, a factor or a spacing: exactly, as they were typed. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from vrdask.images.asked import Axes, Quantity, exact_quantity, of_axes
from vrdask.images.image import Image, decimal
from vrdask.images.units import conversion


class Sizes(NamedTuple):
    """axes : to resample. shape : their target sizes. steps : samples from one output to the next along them, where
    they are not to be those of the sizes; None for one where they are. starts : where the first output's share begins,
    along a part of an axis; None for a whole one.
    """

    axes: tuple[int, ...]
    shape: tuple[Any, ...]
    steps: tuple[Fraction | None, ...] | None = None
    starts: tuple[Fraction | None, ...] | None = None


def sizes_of(
    in_shape: Sequence[int],
    known: Axes,
    shape: Any,
    factor: Any,
    spacing: Any,
    axes: Any,
    align_corners: bool,
    exact: bool = False,
    image: Image | None = None,
    place: str = "the array",
    windows: Mapping[int, tuple[Fraction, Fraction]] | None = None,
) -> Sizes:
    """The axes to resample and their target sizes, from exactly one of shape, factor and spacing (see `asked`).

    A size is that of the array times the factor, rounded half up, and 1 at least; for a spacing with `align_corners`,
    that of the first to the last sample, and the last one. With `exact` outputs are as far apart as is asked for: from
    the edge of the array on, or with `align_corners` from its first sample on, as many as lie before its last.

    windows : where axes start and stop, in samples, as far as the result is of parts of them.

    Raises
    ------
    TypeError, ValueError
        One of them is not what it should be, or the array does not say its spacing.
    """
    asked = {"shape": shape, "factor": factor, "spacing": spacing}
    given = [name for name, value in asked.items() if value is not None]
    if len(given) != 1:
        raise ValueError(f"exactly one of shape, factor and spacing must be given; got {', '.join(given) or 'none'}")
    (name,) = given
    numbers, values = of_axes(name, asked[name], axes, known, one_for_all=name != "shape")
    if name == "shape":
        if exact:
            raise ValueError("exact must be False with shape, which is all there is to keep to; got True: give factor")
        asked_sizes = tuple(integers(shape, values))
        return _along(Sizes(numbers, asked_sizes), windows, known)
    quantities = [exact_quantity(value, name) for value in values]
    if name == "factor":
        for number, unit in quantities:
            if unit is not None:
                raise ValueError(f"factor must be without a unit; got {number} {unit}: spacing takes one")
        factors = [number for number, _ in quantities]
    else:
        factors = [
            1 / step_of(quantity, axis, known, image, place)
            for quantity, axis in zip(quantities, numbers, strict=True)
        ]  # fmt: skip
    lengths = {axis: stop - start for axis, (start, stop) in (windows or {}).items()}
    sizes = tuple(
        _size(lengths.get(axis, in_shape[axis]), ratio, align_corners, exact, name)
        for axis, ratio in zip(numbers, factors, strict=True)
    )
    return _along(Sizes(numbers, sizes, tuple(1 / ratio for ratio in factors) if exact else None), windows, known)


def _along(sizes: Sizes, windows: Mapping[int, tuple[Fraction, Fraction]] | None, known: Axes) -> Sizes:
    """Sizes with the steps and starts of parts of axes."""
    if not windows:
        return sizes
    for axis, (start, stop) in windows.items():
        if axis not in sizes.axes:
            raise ValueError(
                f"region of axis {known.label(axis)}, which is not resampled, must be whole samples; "
                f"got {float(start):g}:{float(stop):g}"
            )
    steps = list(sizes.steps or (None,) * len(sizes.axes))
    for k, (axis, size) in enumerate(zip(sizes.axes, sizes.shape, strict=True)):
        if axis in windows and steps[k] is None:
            start, stop = windows[axis]
            many = (
                size if isinstance(size, int) or hasattr(size, "__index__") else 0
            )  # what is no size is refused later
            steps[k] = (stop - start) / int(many) if int(many) > 0 else None
    starts = tuple(windows[axis][0] if axis in windows else None for axis in sizes.axes)
    return sizes._replace(steps=tuple(steps), starts=starts)


def step_of(asked: Quantity, axis: int, known: Axes, image: Image | None, place: str) -> Fraction:
    """How many samples of an axis a spacing is."""
    label = known.label(axis)
    if image is None or not is_known(image, axis):
        what = "a plain array" if image is None else f"{place}, which gives none for axis {label}"
        raise ValueError(
            "spacing must be known for the source (the scale of an OME-Zarr image, the pixel size of a file); "
            f"got {what}: give shape or factor, or pixel_size"
        )
    number, unit = asked
    if unit is not None:
        own = image.axes[axis].get("unit")
        if own is None and image.affine is not None and axis in image.space_axes:
            own = "millimeter"  # of a scanner's space
        if own is None:
            raise ValueError(
                f"spacing of axis {label} must be without a unit, since {place} gives none; "
                f"got {float(number):g} {unit}: pixel_size can say it"
            )
        times = conversion(unit, own)
        if times is None:
            raise ValueError(
                f"spacing of axis {label} must be in {own}, or a unit that becomes {own}; got {float(number):g} {unit}"
            )
        number *= times
    return number / decimal(image.scale[axis])


def is_known(image: Image, axis: int) -> bool:
    """Whether the distance between samples is known: pages, channels and times without a unit are counted, not
    measured.
    """
    said = image.axes[axis]
    return math.isfinite(image.scale[axis]) and (axis in image.space_axes or said.get("unit") is not None)


def _size(n: int | Fraction, factor: Fraction, align_corners: bool, exact: bool, name: str) -> int:
    if align_corners and exact:
        return math.floor(max(n - 1, 0) * factor) + 1
    size = (n - 1) * factor + 1 if align_corners and name == "spacing" else n * factor
    return max(1, math.floor(size + Fraction(1, 2)))


def integers(given: Any, values: Sequence[Any]) -> list[Any]:
    """Values of something given: numbers where it is a text; as they are, to be checked, where not."""
    is_text = isinstance(given, str)
    return [int(value) if is_text and str(value).lstrip("-").isdecimal() else value for value in values]
