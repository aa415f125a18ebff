"""Samples of types that kernels do not know, as numbers of types that they know, and back: see `dtypes.stand_in`.

Of bool and complex nothing is copied: they are looked at as 0 and 1, or as their parts. bfloat16 is copied.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from vrdask.boxes import Box
from vrdask.buffers import Empty
from vrdask.dtypes import DType, is_bfloat16, stand_in
from vrdask.transforms.resampling import Resampling

Array = npt.NDArray[Any]


@lru_cache(maxsize=256)
def in_numbers(resampling: Resampling) -> Resampling | None:
    """The same resampling of the numbers that stand in for samples of a type that kernels do not know, with an axis for
    the parts of complex ones; None where they know it, or only copy.
    """
    source, result = stand_in(resampling.in_dtype), stand_in(resampling.out_dtype, result=True)
    if source is None or result is None or (source, result) == (resampling.in_dtype, resampling.out_dtype):
        return None
    if resampling.in_dtype == resampling.out_dtype and (resampling.copies or not resampling.stages):
        return None
    if resampling.in_dtype.kind != "c":
        return replace(resampling, in_dtype=source, out_dtype=result)
    steps, modes = resampling.steps, resampling.modes
    return replace(
        resampling,
        in_shape=(*resampling.in_shape, 2),
        out_shape=(*resampling.out_shape, 2),
        in_dtype=source,
        out_dtype=result,
        steps=steps and (*steps, None),
        modes=modes and (*modes, modes[-1]),
    )


def with_parts(dtype: DType, box: Box) -> Box:
    """A box of an array as one of its numbers: complex ones have their two parts along a last axis."""
    return (*box, (0, 2)) if dtype.kind == "c" else box


def numbers_of(samples: Array) -> Array:
    """The numbers that stand in for samples, in any byte order and memory layout."""
    dtype = samples.dtype
    if dtype.kind == "b":
        return samples.view(np.uint8)
    if dtype.kind == "c":
        parts = samples.real
        return as_strided(parts, (*parts.shape, 2), (*parts.strides, parts.itemsize), writeable=False)
    return samples.astype(np.float32) if is_bfloat16(dtype) else samples


def parts_of(samples: Array) -> tuple[Array, ...]:
    """The same, with one array for each part of complex ones."""
    return (samples.real, samples.imag) if samples.dtype.kind == "c" else (numbers_of(samples),)


def samples_of(numbers: Array, dtype: DType, empty: Empty) -> Array:
    """Samples of a type from the numbers that stand in for them, in C order, which may become the samples. empty :
    makes arrays.
    """
    if dtype.kind == "b":
        found = numbers.view(np.bool_)
        np.greater(numbers, 0, out=found)
        return found
    if dtype.kind == "c":
        return numbers.view(dtype).reshape(numbers.shape[:-1])
    if is_bfloat16(dtype):
        found = empty(numbers.shape, dtype)
        found[...] = numbers
        return found
    return numbers


def joined(parts: list[Array], dtype: DType, empty: Empty) -> Array:
    """The same, from one array for each part of complex ones."""
    if dtype.kind != "c":
        return samples_of(parts[0], dtype, empty)
    found = empty(parts[0].shape, dtype)
    found.real, found.imag = parts
    return found
