"""How large a target is to be: from a shape, a factor or a spacing, exactly; and numbers of bytes from text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from vrdask.sources import Source


def target_sizes(
    source: Source,
    shape: Sequence[int] | int | None,
    factor: float | Sequence[float] | None,
    spacing: float | Sequence[float] | None,
    axes: Sequence[int] | int | None,
    align_corners: bool,
) -> tuple[Sequence[int] | int | None, Sequence[int]]:
    """The axes to resample and their target sizes, from exactly one of shape, factor and spacing."""
    given = [name for name, value in (("shape", shape), ("factor", factor), ("spacing", spacing)) if value is not None]
    if len(given) != 1:
        raise ValueError(f"exactly one of shape, factor and spacing must be given; got {', '.join(given) or 'none'}")
    array, image = source.array, source.image
    ndim = len(array.shape)
    space = image.space_axes if image is not None else tuple(range(ndim))
    if shape is not None:
        sizes = list(shape) if isinstance(shape, Iterable) else [shape]
        return space[-len(sizes) :] if axes is None and 0 < len(sizes) <= len(space) else axes, sizes
    asked = factor if factor is not None else spacing
    try:
        numbers = [float(number) for number in asked] if isinstance(asked, Iterable) else None
        single = math.nan if numbers is not None else float(asked)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(f"{given[0]} must be a number, or numbers; got {asked!r}") from None
    if axes is None:
        among = space if numbers is None or len(numbers) <= len(space) else tuple(range(ndim))
        axes = among if numbers is None else among[-len(numbers) :]
    axes = tuple(axes) if isinstance(axes, Iterable) else (axes,)
    if numbers is None:
        numbers = [single] * len(axes)
    if len(numbers) != len(axes):
        raise ValueError(f"{given[0]} must give one number, or one per axis; got {len(numbers)} for {len(axes)} axes")
    if not all(number > 0 and math.isfinite(number) for number in numbers):
        raise ValueError(f"{given[0]} must be positive and finite; got {asked}")
    if factor is not None:
        factors = [Fraction(number) for number in numbers]
    elif image is None or any(math.isnan(image.scale[axis]) for axis in axes if -ndim <= axis < ndim):
        raise ValueError(
            "spacing must be known for the source (the scale of an OME-Zarr image, the pixel size of a file); "
            f"got {'a plain array' if image is None else source.place + ', which gives none'}: give shape or factor"
        )
    else:
        factors = [Fraction(image.scale[axis]) / Fraction(number) for axis, number in zip(axes, numbers, strict=True)]
    sizes = []
    for axis, ratio in zip(axes, factors, strict=True):
        if not -ndim <= axis < ndim:
            raise ValueError(f"axes must lie in [{-ndim}, {ndim}) for an array of {ndim} axes; got {axis}")
        n = array.shape[axis]
        exact = (n - 1) * ratio + 1 if align_corners and spacing is not None else n * ratio
        sizes.append(max(1, math.floor(exact + Fraction(1, 2))))
    return axes, sizes


def parse_bytes(limit: int | str | None) -> int | None:
    """A number of bytes from a number or a text such as "2GiB" or "500 MB"."""
    if limit is None:
        return None
    from dask.utils import parse_bytes as parse

    try:
        count = int(parse(limit))
    except (ValueError, TypeError):
        raise ValueError(f"memory_limit must be a number of bytes such as 2GiB or 500MB; got {limit!r}") from None
    if count < 1:
        raise ValueError(f"memory_limit must be positive; got {limit!r}")
    return count
