"""Named benchmark problems: what is resampled to what. Pure data; nothing here computes or imports a peer.

The list is the support table: every mode, every dtype class, growing and shrinking axes, both conventions of corners.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Problem:
    """One resampling to time.

    group : "volresample" (its own benchmark's list), "ours", or "pictures" and "means": what other libraries are for.
    in_shape : sizes of the whole array.
    out_shape : target sizes of the resampled axes, which are the last ones but for colours.
    mode : of `resample`; "mean" is that of `downsample`.
    channels : colours of a pixel, which stand last; 0 where they are no axis.
    """

    name: str
    group: str
    in_shape: Shape
    out_shape: Shape
    mode: str
    align_corners: bool
    dtype: str
    channels: int = 0

    @property
    def leading(self) -> Shape:
        """Sizes of the axes before the resampled ones."""
        return self.in_shape[: len(self.in_shape) - len(self.out_shape) - (self.channels > 0)]

    @property
    def sizes(self) -> Shape:
        """Of the resampled axes."""
        return self.in_shape[len(self.leading) :][: len(self.out_shape)]

    @property
    def axes(self) -> Shape:
        """The resampled ones."""
        return tuple(range(len(self.leading), len(self.leading) + len(self.out_shape)))

    @property
    def result_shape(self) -> Shape:
        return self.leading + self.out_shape + ((self.channels,) if self.channels else ())

    @property
    def is_integer(self) -> bool:
        return np.dtype(self.dtype).kind in "iu"

    @property
    def streamed_bytes(self) -> int:
        return (prod(self.in_shape) + prod(self.result_shape)) * np.dtype(self.dtype).itemsize

    def data(self) -> Array:
        """The same noise in every run: U(0, 1), or the middle half of an integer type's range, so that results of the
        cubic mode hardly saturate (SciPy wraps around)."""
        rng = np.random.default_rng(20)
        if not self.is_integer:
            return rng.random(self.in_shape, self.dtype)
        info = np.iinfo(self.dtype)
        quarter = (int(info.max) - int(info.min)) // 4
        return rng.integers(info.min + quarter, info.max - quarter, self.in_shape, self.dtype)


def _sizes(shape: Shape) -> str:
    return f"{shape[0]}^{len(shape)}" if len(shape) > 1 and len(set(shape)) == 1 else "x".join(map(str, shape))


def problem(
    group: str, mode: str, dtype: str, in_shape: Shape, out_shape: Shape, align_corners: bool = False,
    channels: int = 0,
) -> Problem:  # fmt: skip
    batch, sizes = in_shape[: -len(out_shape)], in_shape[-len(out_shape) :]
    source = "x".join([*map(str, batch), _sizes(sizes)])
    corners = " corners" if align_corners else ""
    colours = {0: "", 3: " RGB", 4: " RGBA"}[channels]
    name = f"{mode}{corners} {dtype}{colours} {source} -> {_sizes(out_shape)}"
    whole = in_shape + ((channels,) if channels else ())
    return Problem(name, group, whole, out_shape, mode, align_corners, dtype, channels)


def cube(n: int) -> Shape:
    return (n, n, n)


VOLRESAMPLE = (
    *(problem("volresample", "nearest", dtype, cube(128), cube(64)) for dtype in ("float32", "uint8", "int16")),
    problem("volresample", "nearest", "float32", cube(512), cube(256)),
    problem("volresample", "linear", "float32", cube(128), cube(64)),
    problem("volresample", "linear", "float32", cube(96), cube(144), align_corners=True),
    problem("volresample", "linear", "float32", cube(512), cube(256)),
    problem("volresample", "area", "float32", cube(160), cube(80)),
    problem("volresample", "area", "float32", cube(512), cube(64)),
    problem("volresample", "linear", "float32", (4, *cube(96)), cube(64)),
    problem("volresample", "linear", "float32", (2, 4, *cube(80)), cube(48)),
    problem("volresample", "cubic", "float32", cube(128), cube(64)),
    problem("volresample", "cubic", "float32", (96, 128, 80), (64, 160, 48), align_corners=True),
)

OURS = (
    *(
        problem("ours", mode, dtype, cube(512), cube(256))
        for dtype in ("uint16", "int16")
        for mode in ("linear", "area", "cubic")
    ),
    problem("ours", "linear", "float32", cube(256), cube(300)),
    problem("ours", "cubic", "float32", cube(256), cube(300)),
    problem("ours", "cubic", "float32", cube(128), cube(512)),
    *(problem("ours", mode, "int16", (350, 512, 512), (233, 341, 341)) for mode in ("linear", "cubic")),
    *(problem("ours", mode, "float64", cube(256), cube(128)) for mode in ("linear", "cubic")),
    *(problem("ours", mode, "float32", (8192, 8192), (5000, 5000)) for mode in ("nearest", "linear", "area", "cubic")),
)

LARGE, SMALLER = (4000, 6000), (3000, 4400)
KINDS = (("uint8", 3), ("uint8", 0), ("uint16", 0), ("float32", 0))
"""Of pictures: dtypes and colours."""


def _over(sizes: Shape, factor: float) -> Shape:
    return tuple(round(n / factor) for n in sizes)


PICTURES = (
    *(
        problem("pictures", mode, dtype, LARGE, _over(LARGE, factor), channels=channels)
        for mode, factor in (("area", 2), ("linear", 2), ("linear", 2.92), ("nearest", 2))
        for dtype, channels in KINDS
    ),
    *(problem("pictures", "area", dtype, SMALLER, _over(SMALLER, 2), channels=channels) for dtype, channels in KINDS),
    problem("pictures", "linear", "uint8", SMALLER, (3900, 5720)),
)

MEANS = tuple(
    problem("means", "mean", dtype, (256, 512, 512), (128, 256, 256)) for dtype in ("uint8", "uint16", "float32")
)

PROBLEMS = (*VOLRESAMPLE, *OURS, *PICTURES, *MEANS)


def select(pattern: str | None) -> list[Problem]:
    """Problems whose name or group the regular expression finds; all of them for None."""
    return [p for p in PROBLEMS if pattern is None or re.search(pattern, p.name) or re.fullmatch(pattern, p.group)]


def smaller(p: Problem, divisor: int) -> Problem:
    """The same with sizes divided, whole factors kept: to try a script."""
    out_shape = tuple(max(1, n // divisor) for n in p.out_shape)
    factors = [n / m for n, m in zip(p.sizes, p.out_shape, strict=True)]
    sizes = tuple(max(1, round(m * factor)) for m, factor in zip(out_shape, factors, strict=True))
    return problem(p.group, p.mode, p.dtype, p.leading + sizes, out_shape, p.align_corners, p.channels)
