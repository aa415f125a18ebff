"""Arguments that several functions take, checked once: axes, sizes, dtypes."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import COMPLEX, REAL, DType, native, stand_in


def checked_axes(axes: Iterable[int] | int, ndim: int) -> tuple[int, ...]:
    """Axes of an array, counted from its first.

    >>> checked_axes((-1, 0), 3)
    (2, 0)
    """
    try:
        given = tuple(map(operator.index, axes if isinstance(axes, Iterable) else (axes,)))
    except TypeError:
        raise TypeError(f"axes must be integers; got {axes!r}") from None
    for axis in given:
        if not -ndim <= axis < ndim:
            raise ValueError(f"axes must lie in [{-ndim}, {ndim}) for an array of {ndim} axes; got {axis} in {given}")
    positive = tuple(axis % ndim for axis in given)
    if len(set(positive)) < len(positive):
        raise ValueError(f"axes must not repeat; got {given}")
    return positive


def checked_sizes(name: str, sizes: Sequence[int] | int) -> tuple[int, ...]:
    """Sizes of a result, at least 1 each. name : of the argument."""
    found = []
    for value in sizes if isinstance(sizes, Iterable) else (sizes,):
        if isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
            raise TypeError(f"{name} must hold integers; got {value!r} in {sizes!r}")
        if (size := operator.index(value)) < 1:
            raise ValueError(f"{name} must hold positive sizes; got {size} in {sizes!r}")
        found.append(size)
    return tuple(found)


def checked_dtypes(
    mode: str, copying: Sequence[str], in_dtype: npt.DTypeLike, out_dtype: npt.DTypeLike | None
) -> tuple[DType, DType]:
    """The dtypes of array and result, in this machine's byte order. copying : the modes that take any dtype."""
    source = native(in_dtype)
    if source.hasobject:
        raise TypeError(f"the array's dtype must have a fixed size; got {source}")
    if mode not in copying and stand_in(source) is None:
        raise TypeError(
            f"the array's dtype must be one of {REAL}, {COMPLEX} with mode {mode!r}; got {source} "
            f"(mode {', '.join(copying)} takes any; convert with astype for the others)"
        )
    result = source if out_dtype is None else native(out_dtype)
    if result != source:
        for name, dtype in (("the array's dtype, when another is asked for,", source), ("dtype", result)):
            if stand_in(dtype) is None:
                raise TypeError(f"{name} must be one of {REAL}, {COMPLEX}; got {dtype}")
        if (source.kind == "c") != (result.kind == "c"):
            known, way = (REAL, "convert x with astype") if result.kind == "c" else (COMPLEX, "take x.real, or abs(x)")
            raise TypeError(f"dtype must be one of {known} for an array of {source}; got {result}: {way}")
    return source, result
