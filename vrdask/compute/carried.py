"""Sums of integers that go from level to level of a pyramid, and what is stored of them: exact means, halves to even.

Sums have a first axis of limbs: one number each, or the sums of the upper and of the lower 32 bits (see
`transforms.pyramid.SumForm`). A mean is the quotient of a sum and the number of samples in it, which is less in the
short last block of an axis, and rounded once.
"""

from __future__ import annotations

from itertools import product as combinations
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Interval, shape_of, within
from vrdask.compute.reduce_box import block_sums, out_shape
from vrdask.transforms.pyramid import Pyramid, SumForm

Array = npt.NDArray[Any]

LOW_BITS = 32
PIECE_ELEMENTS = 1 << 16
"""That are rounded at a time: intermediates stay in a cache."""


def summed_up(samples: Array, factors: tuple[int, ...], form: SumForm) -> Array:
    """Sums over whole blocks of the samples of level 0, the last blocks as short as they are. form : of the result."""
    if samples.dtype.kind == "b":
        samples = samples.view(np.uint8)
    if form.limbs == 1:
        return _over_blocks([samples], factors, form)
    upper = (samples >> LOW_BITS).astype(np.int64)
    lower = (samples & samples.dtype.type((1 << LOW_BITS) - 1)).astype(np.int64)
    return _over_blocks([upper, lower], factors, form)


def summed_further(sums: Array, factors: tuple[int, ...], form: SumForm) -> Array:
    """Sums over whole blocks of sums. form : of the result, which may have more limbs than `sums`."""
    if sums.shape[0] < form.limbs:
        return summed_up(sums[0], factors, form)
    return _over_blocks(list(sums), factors, form)


def _over_blocks(limbs: list[Array], factors: tuple[int, ...], form: SumForm) -> Array:
    """The sums of each limb, which the form holds."""
    result = np.empty((len(limbs), *out_shape(limbs[0].shape, factors)), form.dtype)
    for k, limb in enumerate(limbs):
        result[k] = block_sums(limb, factors, 1)
    return result


def means_of(sums: Array, pyramid: Pyramid, level: int, box: Box) -> Array:
    """What is stored of the sums of a box of a level."""
    result = np.empty(shape_of(box), pyramid.dtype)
    along = [
        _with_counts(interval, factor, n, size)
        for interval, factor, n, size in zip(
            box, pyramid.whole_product(level), pyramid.shapes[0], pyramid.shapes[level], strict=True
        )
    ]
    for cut in combinations(*along):
        part = within(tuple(interval for interval, _ in cut), box)
        _divide(sums[(slice(None), *part)], prod(count for _, count in cut), result[part])
    return result


def _with_counts(interval: Interval, factor: int, n: int, size: int) -> list[tuple[Interval, int]]:
    """The parts of an interval of a level, and how many samples of level 0 each of their samples stands for.

    >>> _with_counts((2, 5), 4, 18, 5), _with_counts((0, 2), 4, 18, 5)
    ([((2, 4), 4), ((4, 5), 2)], [((0, 2), 4)])
    """
    start, stop = interval
    short = n - (size - 1) * factor
    if stop < size or short == factor:
        return [(interval, factor)]
    return [one for one in (((start, stop - 1), factor), ((stop - 1, stop), short)) if one[0][0] < one[0][1]]


def _divide(sums: Array, count: int, result: Array) -> None:
    """Sums by their number of samples, to the nearest, halves to even."""
    if not result.size:
        return
    axis = int(np.argmax(result.shape))
    if result.size > PIECE_ELEMENTS and (length := result.shape[axis]) > 1:
        for half in (slice(length // 2), slice(length // 2, None)):
            index = (slice(None),) * axis + (half,)
            _divide(sums[(slice(None), *index)], count, result[index])
        return
    if sums.shape[0] == 1:
        result[...] = _rounded(sums[0], count)
        return
    upper, rest = np.divmod(sums[0], np.int64(count))
    lower = (rest.astype(np.uint64) << np.uint64(LOW_BITS)) + sums[1].astype(np.uint64)  # below 2^64: see MOST_SUMMED
    quotient, rest_of_all = np.divmod(lower, np.uint64(count))
    twice = 2 * rest_of_all
    up = (twice > count) | ((twice == count) & ((quotient & np.uint64(1)) == 1))
    quotient += up
    total = (upper.astype(np.uint64) << np.uint64(LOW_BITS)) + quotient  # modulo 2^64, as two's complement is
    result[...] = total.view(np.int64) if result.dtype.kind == "i" else total


def _rounded(sums: Array, count: int) -> Array:
    """With q = s // count: (s + count // 2 - 1 + (q & 1)) // count where count is even, (s + count // 2) // count where
    it is odd.
    """
    number: Any = sums.dtype.type
    if count == 1:
        return sums
    if count & 1:
        odd: Array = (sums + number(count // 2)) // number(count)
        return odd
    if count & (count - 1):
        even: Array = (sums + number(count // 2 - 1) + ((sums // number(count)) & number(1))) // number(count)
        return even
    shift = number(count.bit_length() - 1)
    result: Array = sums >> shift
    result &= number(1)
    result += sums
    result += number(count // 2 - 1)
    result >>= shift
    return result
