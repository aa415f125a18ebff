"""Problems, chunkings and values to try vrdask on.

A `Problem` is drawn small, since every law here is about positions, not about amounts; sizes favour what breaks
things: 1, primes, powers of two and their neighbours.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

import vrdask
from vrdask.boxes import Box
from vrdask.transforms.resampling import Resampling, resampling

DTYPES = ("uint8", "int8", "uint16", "int16", "float16", "float32", "int32", "uint32", "int64", "uint64", "float64")
INTEGERS = tuple(name for name in DTYPES if "int" in name)
INTERPOLATING = ("linear", "area", "area_exact", "cubic")
MODES = ("nearest", *INTERPOLATING)
FILTERS = ("box", "bilinear", "hamming", "bicubic", "lanczos", "mks2013", "mks2021")
LARGEST = {1: 130, 2: 40, 3: 17, 4: 9}
"""Largest size of a resampled axis, by the number of them."""
MOST_CHUNKS = {1: 40, 2: 8, 3: 4, 4: 3}
"""Most chunks of an axis, by the number of axes; 2 where there are more."""

Chunks = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Problem:
    """Arguments of `resample`, and a seed for the values of its source.

    factors : of `axes`, to be kept to exactly, where `shape` only tells what they come to.
    """

    in_shape: tuple[int, ...]
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    mode: str = "linear"
    align_corners: bool = False
    in_dtype: str = "float32"
    out_dtype: str | None = None
    seed: int = 0
    factors: tuple[Fraction, ...] | None = None

    @property
    def size(self) -> dict[str, Any]:
        """How large the result is to be."""
        return {"shape": self.shape} if self.factors is None else {"factor": self.factors, "exact": True}

    @property
    def what(self) -> Resampling:
        """The resampling that `resample` makes of it."""
        return resampling(
            self.in_shape, self.shape, self.mode, self.align_corners,
            axes=self.axes, in_dtype=self.in_dtype, out_dtype=self.out_dtype,
            steps=self.factors and tuple(1 / factor for factor in self.factors),
        )  # fmt: skip

    @property
    def source(self) -> npt.NDArray[Any]:
        return values(self.in_shape, self.in_dtype, self.seed)

    def resample(self, x: Any, **options: Any) -> Any:
        return vrdask.resample(
            x, mode=self.mode, align_corners=self.align_corners, axes=self.axes, dtype=self.out_dtype, **self.size,
            **options,
        )  # fmt: skip


def limits(dtype: str) -> tuple[int, int]:
    """The smallest and the largest number of an integer type."""
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> npt.NDArray[Any]:
    """Any bits of an integer type; of a float type moderate numbers. One in eight is an extreme of the type."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        limits = np.finfo(kind)
        plain = rng.normal(size=shape).astype(kind)
        extremes = np.array([limits.max, limits.min, limits.smallest_subnormal, -0.0, np.inf, np.nan], kind)
        rare = rng.random(shape) < (1 / 64 if seed % 2 else 0)  # every NaN blots out a cubic's whole neighbourhood
    else:
        whole = np.iinfo(kind)
        plain = rng.integers(whole.min, whole.max, shape, kind, endpoint=True)
        extremes = np.array([whole.min, whole.max, 0, 1], kind)
        rare = rng.random(shape) < 1 / 8
    return np.where(rare, rng.choice(extremes, shape), plain)


def sizes(largest: int) -> st.SearchStrategy[int]:
    awkward = [n for n in (1, 2, 3, 4, 7, 8, 13, 16, 17, 31, 32, 33, 64, 97, 127, 128) if n <= largest]
    return st.sampled_from(awkward) | st.integers(1, largest)


@st.composite
def problems(
    draw: st.DrawFn,
    modes: tuple[str, ...] = MODES,
    dtypes: tuple[str, ...] = DTYPES,
    convert: bool = True,
    most_axes: int = 4,
) -> Problem:
    """One to four resampled axes among up to two batch or channel axes, in any order."""
    count = draw(st.integers(1, most_axes))
    others = draw(st.integers(0, 2 if count < 4 else 1))
    ndim = count + others
    axes = tuple(draw(st.permutations(range(ndim)))[:count])
    largest = LARGEST[count]
    other = st.sampled_from([1, 2, 3, 4, 17]) if count < 3 else st.integers(1, 3)
    in_shape = tuple(draw(sizes(largest) if axis in axes else other) for axis in range(ndim))
    mode = draw(st.sampled_from(modes))
    return Problem(
        in_shape,
        tuple(draw(st.just(in_shape[axis]) | sizes(largest)) if draw(st.booleans()) else draw(sizes(largest)) for axis
        in axes), axes,
        mode,
        draw(st.booleans()) if "area" not in mode else False,
        draw(st.sampled_from(dtypes)),
        draw(st.none() | st.sampled_from(dtypes)) if convert else None,
        draw(st.integers(0, 2**16)),
    )  # fmt: skip


@st.composite
def exact_problems(draw: st.DrawFn) -> Problem:
    """Problems whose ratios are those of factors, of any denominator; sizes are rounded."""
    problem = draw(problems((*MODES, *FILTERS), ("uint8", "int16", "float32", "int64")))
    factors = st.sampled_from(
        [Fraction(text) for text in ("1/2", "1/3", "2", "1.05", "0.95", "0.7", "2.9", "0.3333333", "0.06"
                                     , "0.65000000000000013", "1.4999999999999998")]
    ) | st.fractions(Fraction(1, 20), 4, max_denominator=97)  # fmt: skip
    chosen = tuple(draw(factors) for _ in problem.axes)
    corners = problem.align_corners and problem.mode in ("nearest", "linear", "cubic")
    sizes = [
        floor((problem.in_shape[axis] - 1) * factor) + 1 if corners else
        max(1, floor(problem.in_shape[axis] * factor + Fraction(1, 2)))
        for axis, factor in zip(problem.axes, chosen, strict=True)
    ]  # fmt: skip
    return replace(problem, shape=tuple(sizes), align_corners=corners, factors=chosen)


@st.composite
def chunks_of(draw: st.DrawFn, shape: tuple[int, ...]) -> Chunks:
    """Chunk sizes of every axis: one chunk, regular ones, or any; chunks of a single sample are frequent."""
    most = MOST_CHUNKS.get(len(shape), 2)
    result = []
    for size in shape:
        near_ends = st.sampled_from([1, 2, size - 2, size - 1]).filter(lambda cut, size=size: 0 < cut < size)
        cut = (near_ends | st.integers(1, size - 1)) if size > 2 else st.just(1)
        few = min(most, size) - 1
        cuts = draw(st.lists(cut, unique=True, max_size=few)) if size > 1 else []
        if size > 1 and size <= most and draw(st.booleans()):
            cuts = list(range(1, size))
        result.append(tuple(np.diff([0, *sorted(cuts), size]).tolist()))
    return tuple(result)


@st.composite
def boxes_in(draw: st.DrawFn, shape: tuple[int, ...]) -> Box:
    """A box without empty sides."""
    starts = [draw(st.integers(0, size - 1)) for size in shape]
    return tuple((start, draw(st.integers(start + 1, size))) for start, size in zip(starts, shape, strict=True))


FIXED_PROBLEMS = [
    Problem(in_shape, shape, axes, mode, align_corners, dtype, None, seed=number)
    for number, (in_shape, shape, axes) in enumerate(
        [
            ((1000,), (433,), (0,)),
            ((333,), (1000,), (0,)),
            ((61, 67, 3), (97, 40), (0, 1)),
            ((2, 19, 23, 29), (13, 31, 17), (1, 2, 3)),
            ((5, 300, 2), (7,), (0,)),
        ]
    )
    for mode in MODES
    for align_corners in ((False, True) if "area" not in mode else (False,))
    for dtype in DTYPES
]


FILTERED_PROBLEMS = [
    Problem(in_shape, shape, axes, mode, False, dtype, None, seed=number)
    for number, (in_shape, shape, axes) in enumerate(
        [
            ((997,), (313,), (0,)),
            ((61, 67, 3), (97, 40), (0, 1)),
            ((90, 41), (11, 60), (0, 1)),
            ((2, 19, 23, 29), (13, 31, 7), (1, 2, 3)),
        ]
    )
    for mode in FILTERS
    for dtype in ("uint8", "int16", "float32", "int64", "float64")
]
POSITIONED = [
    (dtype, mode, padding)
    for dtype in ("uint8", "int16", "float32", "float64")
    for mode in ("nearest", "linear", "cubic")
    for padding in ("constant", "border", "reflection")
]


def positioned(dtype: str, mode: str, padding: str) -> list[npt.NDArray[Any]]:
    """An image seen through an affine map, and at points of a grid that leave it here and there."""
    x = values((2, 13, 17, 19), dtype, seed=2)
    turn = [[0.9, 0.2, 0.1], [-0.2, 1.1, 0.3], [0.1, -0.1, 0.8]]
    seen = vrdask.affine_transform(x, turn, (1.3, -2.1, 0.7), (11, 16, 18), mode, padding_mode=padding)
    points = np.random.default_rng(4).uniform(-1.2, 1.2, (1, 5, 7, 9, 3)).astype("float32")
    return [seen, vrdask.grid_sample(x[None], points, mode, padding)]


def digest_of_fixed_problems() -> str:
    """A hash of the bits of many results; equal on every machine that keeps the promise."""
    digest = hashlib.sha256()
    resampled = (problem.resample(problem.source) for problem in (*FIXED_PROBLEMS, *FILTERED_PROBLEMS))
    for result in (*resampled, *(result for case in POSITIONED for result in positioned(*case))):
        if result.dtype.kind == "f":
            result[np.isnan(result)] = np.nan  # which NaN an operation makes, IEEE 754 leaves open
        digest.update(result.tobytes())
    return digest.hexdigest()
