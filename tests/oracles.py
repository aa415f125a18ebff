"""What results are compared with: dense float64 matrices from exact fractions, torch, and scipy.

Nothing here uses `vrdask`: the matrices follow from the definitions alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
HALF = Fraction(1, 2)


def position(
    i: int, n_in: int, n_out: int, align_corners: bool, step: Fraction | None = None, start: Fraction = Fraction(0)
) -> Fraction:
    """Where output i lies on the input axis, in samples. start : of the first output's share."""
    if align_corners:
        return i * (Fraction(n_in - 1, max(n_out - 1, 1)) if step is None else step)
    return start + (i + HALF) * (Fraction(n_in, n_out) if step is None else step) - HALF


def nearest_index(
    i: int, n_in: int, n_out: int, align_corners: bool, step: Fraction | None = None, start: Fraction = Fraction(0)
) -> int:
    """Round half up; never beyond the ends, for either convention."""
    return min(floor(position(i, n_in, n_out, align_corners, step, start) + HALF), n_in - 1)


def mirrored(j: int, n: int) -> int:
    """... 2 1 0 | 0 1 2 ... n-1 | n-1 n-2 ..., by walking."""
    while not 0 <= j < n:
        j = -1 - j if j < 0 else 2 * n - 1 - j
    return j


def b_spline(x: float) -> float:
    """The cubic B-spline."""
    x = abs(x)
    return (4 - 6 * x**2 + 3 * x**3) / 6 if x < 1 else (2 - x) ** 3 / 6 if x < 2 else 0.0


def spline_collocation(n: int) -> Matrix:
    """Values at the samples from mirrored B-spline coefficients."""
    matrix = np.zeros((n, n))
    for i in range(n):
        for k in (-1, 0, 1):
            matrix[i, mirrored(i + k, n)] += b_spline(k)
    return matrix


@lru_cache(maxsize=512)
def matrix(
    mode: str, n_in: int, n_out: int, align_corners: bool = False, step: Fraction | None = None,
    start: Fraction = Fraction(0),
) -> Matrix:  # fmt: skip
    """The matrix of one axis; rows are output samples. step, start : of a window."""
    dense = np.zeros((n_out, n_in))
    ratio = Fraction(n_in, n_out) if step is None else step
    for i in range(n_out):
        p = position(i, n_in, n_out, align_corners, step, start)
        begin, end = start + i * ratio, min(start + (i + 1) * ratio, Fraction(n_in))
        if mode == "nearest":
            dense[i, nearest_index(i, n_in, n_out, align_corners, step, start)] = 1
        elif mode == "linear":
            low = floor(p)
            for j, weight in ((low, 1 - (p - low)), (low + 1, p - low)):
                dense[i, min(max(j, 0), n_in - 1)] += float(weight)
        elif mode == "area":
            low, high = floor(begin), ceil(end)
            dense[i, low:high] = 1 / (high - low)
        elif mode == "area_exact":
            for k in range(n_in):
                held = min(end, Fraction(k + 1)) - max(begin, Fraction(k))
                dense[i, k] = max(held / (end - begin), Fraction(0))
        elif mode == "cubic":
            for j in range(floor(p) - 1, floor(p) + 3):
                dense[i, mirrored(j, n_in)] += b_spline(float(p - j))
    if mode == "cubic":
        dense = np.linalg.solve(spline_collocation(n_in).T, dense.T).T
    return dense if n_in != n_out or step is not None or mode == "cubic" else np.eye(n_in)


@lru_cache(maxsize=512)
def support(mode: str, n_in: int, n_out: int, align_corners: bool, double: bool) -> npt.NDArray[np.bool_]:
    """Which source samples each output depends on, for sums in float32 or float64.

    A cubic's prefilter reaches 13 or 28 samples either way as a table, 16 or 32 as a product of filters. Not the
    non-zeros of a cubic's matrix: there products may cancel, to zero or to something tiny.
    """
    if n_in == n_out:
        return np.eye(n_in, dtype=bool)
    if mode != "cubic":
        return matrix(mode, n_in, n_out, align_corners) != 0
    filtered = n_out > n_in or (double and 3 * n_out > 2 * n_in)
    radius = (32 if double else 16) if filtered else (28 if double else 13)
    coefficients, samples = np.zeros((n_out, n_in), bool), np.zeros((n_in, n_in), bool)
    for i in range(n_out):
        p = position(i, n_in, n_out, align_corners)
        for j in range(floor(p) - 1, floor(p) + 3):
            coefficients[i, mirrored(j, n_in)] |= abs(p - j) < 2
    for i in range(n_in):
        samples[i, [mirrored(i + k, n_in) for k in range(-radius, radius + 1)]] = True
    return coefficients @ samples


def along(x: npt.NDArray[Any], dense: Matrix, axis: int) -> npt.NDArray[Any]:
    return np.moveaxis(np.tensordot(dense, x, (1, axis)), 0, axis)


def exact(x: npt.NDArray[Any], shape: Sequence[int], mode: str, align_corners: bool = False) -> npt.NDArray[np.float64]:
    """The last ``len(shape)`` axes resampled in float64."""
    result = x.astype(np.float64)
    for axis, n_out in zip(range(x.ndim - len(shape), x.ndim), shape, strict=True):
        result = along(result, matrix(mode, x.shape[axis], n_out, align_corners), axis)
    return result


def torch(x: npt.NDArray[Any], shape: Sequence[int], mode: str, align_corners: bool = False) -> npt.NDArray[Any]:
    """`torch.nn.functional.interpolate` of the last ``len(shape)`` axes, all axes of the array."""
    import torch as library

    name = {"nearest": "nearest-exact", "area": "area", "linear": ("linear", "bilinear", "trilinear")[len(shape) - 1]}
    options = {"align_corners": align_corners} if mode == "linear" else {}
    result = library.nn.functional.interpolate(
        library.from_numpy(x)[None, None], tuple(shape), mode=name[mode], **options
    )
    return result[0, 0].numpy()


def scipy(x: npt.NDArray[Any], shape: Sequence[int], mode: str, align_corners: bool = False) -> npt.NDArray[Any]:
    """`scipy.ndimage.zoom(order=3, mode="reflect")`, all axes of the array.

    Not of short ones: up to SciPy 1.17 the prefilter of "reflect" starts from a sample that it has overwritten already,
    off by ``(2 - sqrt(3))**(2 * n - 1)`` of it, which passes 2**-24 on axes of 6 samples and fewer. The dense matrix
    decides there.
    """
    from scipy import ndimage

    assert mode == "cubic"
    factors = [n_out / n_in for n_in, n_out in zip(x.shape, shape, strict=True)]
    result = ndimage.zoom(x, factors, order=3, mode="reflect", grid_mode=not align_corners)
    assert result.shape == tuple(shape)
    return result


def scikit_image(x: npt.NDArray[Any], shape: Sequence[int], mode: str, align_corners: bool = False) -> npt.NDArray[Any]:
    """`skimage.transform.resize_local_mean`, all axes of the array; in float64, as its positions have their type."""
    from skimage.transform import resize_local_mean

    assert mode == "area_exact"
    result: npt.NDArray[Any] = resize_local_mean(x.astype(np.float64), shape, preserve_range=True)
    return result


REFERENCES: dict[str, Callable[..., npt.NDArray[Any]]] = {
    "nearest": torch, "linear": torch, "area": torch, "area_exact": scikit_image, "cubic": scipy,
}  # fmt: skip
