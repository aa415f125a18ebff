"""Sampling at the positions that a grid gives, as torch's ``grid_sample``: its arguments, checked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, in_first_round, require_known
from vrdask.dtypes import DType
from vrdask.transforms.sampling import Padding, Sampling, checked_fill, sampled_dtypes, sampled_sizes
from vrdask.transforms.spline_coefficients import SplineFilter

PADDING_MODES = ("zeros", "border", "reflection", "constant", "voxel", "wrap")
ROUNDING_RULES = ("bankers", "round_half_up")

ROUNDINGS = 3
"""Between a number of the grid and its position: the sum, the product, the difference."""


@dataclass(frozen=True)
class GridSampling:
    """What decides the bits of a `grid_sample`, but for the grid's own numbers.

    in_shape : (N, C, *sizes). out_shape : (N, C, *the grid's sizes).
    """

    sampling: Sampling
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    align_corners: bool
    grid_dtype: DType

    @property
    def rank(self) -> int:
        return len(self.in_shape) - 2

    def scale_and_shift(self, axis: int) -> tuple[float, float]:
        """Of spatial axis `axis`: position = (number + 1) * scale - shift."""
        n = self.sampling.sizes[axis]
        return ((n - 1) / 2, 0.0) if self.align_corners else (n / 2, 0.5)

    @property
    def prefilter(self) -> SplineFilter | None:
        if self.sampling.mode != "cubic":
            return None
        return SplineFilter(
            self.in_shape, self.in_shape, "cubic", False, self.sampling.in_dtype, self.sampling.acc_dtype,
            tuple(range(2, len(self.in_shape))), self.sampling.mirror, self.sampling.wraps,
        )  # fmt: skip

    def reads(self, window: Box) -> Box:
        """The source box that a box of what is sampled depends on. Where axes wrap it begins within the array, and may
        go on behind its end (`rounds_of`).
        """
        box = window if self.prefilter is None else self.prefilter.reads(window)
        if not self.sampling.wraps:
            return box
        return (*box[:2], *map(in_first_round, box[2:], self.sampling.sizes))


def grid_sampling(
    in_shape: tuple[int, ...],
    in_dtype: npt.DTypeLike,
    grid_shape: tuple[int, ...],
    grid_dtype: npt.DTypeLike,
    mode: str = "linear",
    padding_mode: str = "zeros",
    fill_value: Any = 0,
    rounding_rule: str = "bankers",
    align_corners: bool = False,
    out_dtype: npt.DTypeLike | None = None,
) -> GridSampling:
    """Check the arguments of `grid_sample` and put them into their one form."""
    require_known(in_shape)
    require_known(grid_shape, "the grid's")
    rank = len(in_shape) - 2
    if rank not in (2, 3):
        raise ValueError(f"input must have shape (N, C, H, W) or (N, C, D, H, W); got {tuple(in_shape)}")
    if len(grid_shape) != rank + 2:
        outputs = ("h, w", "d, h, w")[rank - 2]
        raise ValueError(
            f"grid must have shape (N, {outputs}, {rank}) for an input of {len(in_shape)} axes; got {tuple(grid_shape)}"
        )
    if grid_shape[-1] != rank:
        raise ValueError(
            f"grid must have {rank} numbers per point, as many as the input has spatial axes; "
            f"got {grid_shape[-1]} in {tuple(grid_shape)}"
        )
    if grid_shape[0] != in_shape[0]:
        raise ValueError(f"grid must have the input's batch size, {in_shape[0]}; got {grid_shape[0]}")
    numbers = np.dtype(grid_dtype).newbyteorder("=")
    if numbers not in (np.float16, np.float32, np.float64):
        raise TypeError(f"grid must have dtype float16, float32 or float64; got {numbers}")
    source, result = sampled_dtypes(mode, in_dtype, out_dtype)
    if padding_mode not in PADDING_MODES:
        raise ValueError(f"padding_mode must be one of {', '.join(PADDING_MODES)}; got {padding_mode!r}")
    if rounding_rule not in ROUNDING_RULES:
        raise ValueError(f"rounding_rule must be one of {', '.join(ROUNDING_RULES)}; got {rounding_rule!r}")
    if rounding_rule != "bankers" and mode != "nearest":
        raise ValueError(
            f"rounding_rule must be left out with mode {mode!r}, which rounds no position; got {rounding_rule!r}"
        )
    if padding_mode in ("zeros", "constant"):
        padding = Padding("inside", slack=_slack(numbers)) if mode == "cubic" else Padding("free", fills_taps=True)
    elif padding_mode == "voxel":
        padding = Padding("inside", margin=0.5)
    elif padding_mode == "border":
        padding = Padding("clamp")
    elif padding_mode == "wrap":
        padding = Padding("wrap")
    else:
        padding = Padding("reflect", half_samples=not align_corners)
    sampling = Sampling(
        sampled_sizes(tuple(in_shape[2:])), mode, padding,
        checked_fill(fill_value if padding_mode in ("constant", "voxel", "wrap") else 0, result),
        rounding_rule == "round_half_up", rank == 2, source, result,
    )  # fmt: skip
    return GridSampling(
        sampling,
        tuple(map(int, in_shape)),
        (*map(int, in_shape[:2]), *map(int, grid_shape[1:-1])),
        bool(align_corners),
        _computed_in(numbers),
    )


def _computed_in(numbers: DType) -> DType:
    return np.dtype("float64" if numbers == np.float64 else "float32")


def _slack(numbers: DType) -> float:
    """How far beyond -1 or 1 a number may lie that means the first or last sample: centres of end samples come out a
    few roundings beyond them. The number has been rounded in its own type, at 1 and twice as finely just below, then
    its position is.
    """
    return float(np.finfo(numbers).eps) + ROUNDINGS * float(np.finfo(_computed_in(numbers)).eps)
