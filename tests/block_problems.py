"""Problems of `downsample` to try vrdask on, as `strategies` has them of `resample`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from strategies import DTYPES, LARGEST, sizes

import vrdask
from vrdask.transforms.blocks import MODES, Blocks, blocks

KINDS = ("bool", *DTYPES)


@dataclass(frozen=True)
class BlockProblem:
    """Arguments of `downsample`, and a seed for the values of its source."""

    in_shape: tuple[int, ...]
    factors: tuple[int, ...]
    axes: tuple[int, ...]
    mode: str = "mean"
    sparse: bool = False
    in_dtype: str = "uint16"
    out_dtype: str | None = None
    seed: int = 0

    @property
    def what(self) -> Blocks:
        """The downsampling that `downsample` makes of it."""
        return blocks(
            self.in_shape, self.factors, self.mode, axes=self.axes, in_dtype=self.in_dtype, out_dtype=self.out_dtype,
            sparse=self.sparse,
        )  # fmt: skip

    @property
    def source(self) -> npt.NDArray[Any]:
        return block_values(self.in_shape, self.in_dtype, self.seed)

    def downsample(self, x: Any, **options: Any) -> Any:
        return vrdask.downsample(
            x, self.factors, self.mode, axes=self.axes, dtype=self.out_dtype, sparse=self.sparse, **options
        )  # fmt: skip


def block_values(shape: tuple[int, ...], dtype: str, seed: int = 0) -> npt.NDArray[Any]:
    """Few values, with runs of equal ones, beside any of the type; of floats one in sixteen is special: NaN, zeros of
    both signs, infinities.
    """
    random, kind = np.random.default_rng(seed), np.dtype(dtype)
    if kind == np.bool_:
        return random.random(shape) < 0.5
    if kind.kind == "f":
        any_value = random.normal(size=shape).astype(kind)
        few = np.array([0.0, 1.0, -1.0, 0.1], kind)
        special = np.array([np.nan, np.inf, -np.inf, -0.0, np.finfo(kind).smallest_subnormal], kind)
    else:
        limits = np.iinfo(kind)
        any_value = random.integers(limits.min, limits.max, shape, kind, endpoint=True)
        few = special = np.array([0, 1, limits.min, limits.max], kind)
    found = np.where(random.random(shape) < 0.5, random.choice(few, shape), any_value)
    return np.where(random.random(shape) < 1 / 16, random.choice(special, shape), found)


@st.composite
def block_problems(draw: st.DrawFn) -> BlockProblem:
    """One to four axes with factors, some of which exceed the axis, among up to two others, in any order."""
    count = draw(st.integers(1, 4))
    ndim = count + draw(st.integers(0, 2 if count < 4 else 1))
    axes = tuple(draw(st.permutations(range(ndim)))[:count])
    other = st.sampled_from([1, 2, 3, 4, 17]) if count < 3 else st.integers(1, 3)
    in_shape = tuple(draw(sizes(LARGEST[count]) if axis in axes else other) for axis in range(ndim))
    factor = st.sampled_from([1, 2, 2, 2, 3, 4, 5, 7, 8, 50])
    mode = draw(st.sampled_from(MODES))
    return BlockProblem(
        in_shape,
        tuple(draw(factor) for _ in axes),
        axes,
        mode,
        mode == "majority" and draw(st.booleans()),
        draw(st.sampled_from(KINDS)),
        draw(st.none() | st.sampled_from(DTYPES)),
        draw(st.integers(0, 2**16)),
    )


FIXED_BLOCKS = [
    BlockProblem(in_shape, factors, axes, mode, sparse, dtype, out, number)
    for number, (in_shape, factors, axes) in enumerate(
        [
            ((997,), (2,), (0,)),
            ((61, 67, 3), (2, 2), (0, 1)),
            ((2, 19, 23, 29), (2, 2, 2), (1, 2, 3)),
            ((33, 41, 18), (3, 4, 1), (0, 1, 2)),
            ((5, 300), (7, 100), (0, 1)),
        ]
    )
    for mode in MODES
    for sparse in ((False, True) if mode == "majority" else (False,))
    for dtype in KINDS
    for out in ((None, "float32", "uint8") if mode == "mean" else (None,))
]


def digest_of_blocks() -> str:
    """A hash of the bits of many results; equal on every machine that keeps the promise."""
    digest = hashlib.sha256()
    for problem in FIXED_BLOCKS:
        result = problem.downsample(problem.source)
        if result.dtype.kind == "f":
            result[np.isnan(result)] = np.nan  # which NaN an operation makes, IEEE 754 leaves open
        digest.update(result.tobytes())
    return digest.hexdigest()
