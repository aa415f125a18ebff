"""An affine map: from output indices to positions of the input, ``matrix @ index + offset``, as SciPy's
``affine_transform``. Its arguments, checked, and the box that an output box reads. Pure.

A position is computed from global indices in float64, in one order: ``((m0*i0 + m1*i1) + m2*i2) + offset``. Each step
is monotone in each index, rounding included, so that over a box the extremes are at corners.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, in_first_round, require_known
from vrdask.dtypes import DType
from vrdask.transforms.arguments import checked_axes, checked_sizes
from vrdask.transforms.sampling import Padding, Sampling, checked_fill, sampled_dtypes, sampled_sizes
from vrdask.transforms.spline_coefficients import SplineFilter

MOST_GUESSED = 3
"""A matrix of fewer rows than the array has axes maps its last axes, this many at most; more must be named."""

PADDING = {
    "constant": Padding("inside"),
    "voxel": Padding("inside", margin=0.5),
    "grid-constant": Padding("free", fills_taps=True),
    "zeros": Padding("free", fills_taps=True),
    "border": Padding("clamp"),
    "reflection": Padding("reflect", half_samples=True),
    "mirror": Padding("reflect"),
    "wrap": Padding("wrap"),
}
SCIPY_MODES = {
    "constant": "constant", "grid-constant": "grid-constant", "zeros": "grid-constant", "border": "nearest",
    "reflection": "reflect", "mirror": "mirror", "wrap": "grid-wrap",
}  # fmt: skip
"""The `scipy.ndimage` mode that each padding mode agrees with; "border" and "zeros" not for cubic. "voxel" is ITK's."""


@dataclass(frozen=True)
class Affine:
    """A validated affine transform of a whole array; make one with `affine`.

    axes : sampled axes, ascending; row and column k of `matrix` belong to axis ``axes[k]``. One to three, but where a
        map really moves more.
    """

    sampling: Sampling
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    axes: tuple[int, ...]
    matrix: tuple[tuple[float, ...], ...]
    offset: tuple[float, ...]

    @property
    def in_dtype(self) -> DType:
        return self.sampling.in_dtype

    @property
    def out_dtype(self) -> DType:
        return self.sampling.out_dtype

    @property
    def prefilter(self) -> SplineFilter | None:
        if self.sampling.mode != "cubic":
            return None
        return SplineFilter(
            self.in_shape, self.in_shape, "cubic", False, self.sampling.in_dtype, self.sampling.acc_dtype,
            self.axes, self.sampling.mirror, self.sampling.wraps,
        )  # fmt: skip

    def window(self, writes: Box) -> Box:
        """The box of samples (cubic: coefficients) that an output box weighs; all intervals (0, 0) for none.

        Sampled axes get what the positions of the corners span.
        """
        box = list(writes)
        if any(start >= stop for start, stop in writes):
            return ((0, 0),) * len(writes)
        corners = list(product(*((writes[axis][0], writes[axis][1] - 1) for axis in self.axes)))
        for number, axis in enumerate(self.axes):
            ends = [position(self.matrix[number], self.offset[number], corner) for corner in corners]
            box[axis] = self.sampling.interval(number, min(ends), max(ends))
            if box[axis] == (0, 0):
                return ((0, 0),) * len(writes)
        return tuple(box)

    def reads(self, writes: Box) -> Box:
        """The source box that an output box depends on; all intervals (0, 0) for none. Where axes wrap it begins within
        the array, and may go on behind its end (`rounds_of`).
        """
        window = self.window(writes)
        if any(start >= stop for start, stop in window):
            return window
        box = window if self.prefilter is None else self.prefilter.reads(window)
        if not self.sampling.wraps:
            return box
        sides = enumerate(zip(box, self.in_shape, strict=True))
        return tuple(in_first_round(side, n) if axis in self.axes else side for axis, (side, n) in sides)

    def most_read(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """No output box of these sizes reads more along any axis: its image's bounding box, and what that weighs."""
        read = [min(size, n) for size, n in zip(sizes, self.in_shape, strict=True)]
        filtered = 0 if self.prefilter is None else 2 * self.prefilter.radius
        for axis, row in zip(self.axes, self.matrix, strict=True):
            span = sum(abs(factor) * (sizes[other] - 1) for factor, other in zip(row, self.axes, strict=True))
            read[axis] = int(
                min(self.in_shape[axis], ceil(span) + self.sampling.taps + 1 + self.sampling.wraps + filtered)
            )
        return tuple(read)

    @property
    def label(self) -> str:
        return f"affine-{self.sampling.mode}"

    def settings(self) -> dict[str, Any]:
        """What two runs must agree in for one to go on from the other: JSON."""
        return {
            "shape": self.out_shape,
            "matrix": [list(map(repr, row)) for row in self.matrix],
            "offset": list(map(repr, self.offset)),
            "axes": self.axes,
            "mode": self.sampling.mode,
            "padding_mode": repr(self.sampling.padding),
            "fill_value": repr(self.sampling.fill),
            "dtype": str(self.out_dtype),
        }


def position(row: Sequence[float], offset: float, index: Sequence[int]) -> float:
    """Where an output lies along one input axis.

    >>> position((0.5, 2.0), 1.0, (2, 3))
    8.0
    """
    total = row[0] * float(index[0])
    for factor, i in zip(row[1:], index[1:], strict=True):
        total = total + factor * float(i)
    return total + offset


def affine(
    in_shape: Sequence[int],
    in_dtype: npt.DTypeLike,
    matrix: Any,
    offset: Any = 0.0,
    output_shape: Sequence[int] | int | None = None,
    mode: str = "linear",
    padding_mode: str = "constant",
    fill_value: Any = 0,
    axes: Iterable[int] | int | None = None,
    out_dtype: npt.DTypeLike | None = None,
) -> Affine:
    """Check the arguments of `affine_transform` and put them into their one form."""
    require_known(in_shape)
    ndim = len(in_shape)
    source, result = sampled_dtypes(mode, in_dtype, out_dtype)
    if padding_mode not in PADDING:
        raise ValueError(f"padding_mode must be one of {', '.join(PADDING)}; got {padding_mode!r}")
    if mode == "cubic" and padding_mode == "grid-constant":
        able = ", ".join(name for name in PADDING if name != "grid-constant")
        raise ValueError(f"padding_mode must be one of {able} with mode 'cubic'; got {padding_mode!r}")
    chosen = None if axes is None else checked_axes(axes, ndim)
    if chosen == ():
        raise ValueError(f"axes must name at least one; got {axes}")
    rows, shift = _matrix(matrix, offset, ndim, chosen)
    count = len(rows)
    if chosen is None:
        chosen = tuple(range(ndim - count, ndim))
    sizes = _output_sizes(output_shape, in_shape, chosen)
    out_shape = [int(n) for n in in_shape]
    for axis, size in zip(chosen, sizes, strict=True):
        out_shape[axis] = size
    padding = PADDING[padding_mode]
    if mode == "cubic" and padding_mode == "zeros":
        padding = PADDING["constant"]
    if not (rows % 1).any() and not (shift % 1).any():
        mode = "nearest"  # every position is a sample, which every mode returns: copy
    still = _still(rows, shift, [in_shape[axis] for axis in chosen], sizes) if count > 3 else set()
    order = [k for k in sorted(range(count), key=chosen.__getitem__) if k not in still]
    ascending = tuple(chosen[k] for k in order)
    sampling = Sampling(
        sampled_sizes(tuple(in_shape[axis] for axis in ascending)), mode, padding,
        0 if padding_mode == "zeros" else checked_fill(fill_value, result), True, False, source, result,
    )  # fmt: skip
    return Affine(
        sampling, tuple(map(int, in_shape)), tuple(out_shape), ascending,
        tuple(tuple(float(rows[j, k]) for k in order) for j in order), tuple(float(shift[k]) for k in order),
    )  # fmt: skip


def _still(
    rows: npt.NDArray[np.float64], shift: npt.NDArray[np.float64], n_in: Sequence[int], n_out: Sequence[int]
) -> set[int]:
    """The axes, but for the last, that a map leaves as they are and that no other position depends on: batch axes."""
    one = np.eye(len(rows))
    return {
        k for k in range(len(rows) - 1)
        if n_in[k] == n_out[k] and shift[k] == 0 and (rows[k] == one[k]).all() and (rows[:, k] == one[k]).all()
    }  # fmt: skip


def _matrix(
    matrix: Any, offset: Any, ndim: int, axes: tuple[int, ...] | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The (n, n) matrix and the offset from any of SciPy's four forms."""
    given = _numbers(matrix, "matrix")
    count = len(axes) if axes is not None else _mapped(given.shape, ndim)
    if given.shape not in ((count,), (count, count), (count, count + 1), (count + 1, count + 1)):
        most = f"at most {min(MOST_GUESSED, ndim)}" + (f", or {ndim}" if ndim > MOST_GUESSED else "")
        raise ValueError(
            "matrix must have shape (n,), (n, n), (n, n + 1) or (n + 1, n + 1) with n "
            f"{most if axes is None else count}; got {given.shape}"
        )
    if not np.isfinite(given).all():
        raise ValueError(f"matrix must be finite; got {given.tolist()}")
    if given.shape == (count + 1, count + 1) and (given[-1] != [0.0] * count + [1.0]).any():
        raise ValueError(f"matrix must have a last row of zeros and a one; got {given[-1].tolist()}")
    if given.ndim == 1:
        given = np.diag(given)
    elif given.shape[1] == count + 1:  # as in SciPy, a matrix with a column of its own leaves `offset` aside
        offset = given[:count, count]
        given = given[:count, :count]
    lengths = np.abs(given).max(axis=1)
    if not lengths.all() or np.linalg.matrix_rank(given / lengths[:, None]) < count:
        raise ValueError(f"matrix must be invertible; got {given.tolist()}")
    shift = _numbers(offset, "offset")
    if shift.shape not in ((), (count,)):
        raise ValueError(f"offset must be one number, or one per axis: {count}; got shape {shift.shape}")
    shift = np.broadcast_to(shift, (count,))
    if not np.isfinite(shift).all():
        raise ValueError(f"offset must be finite; got {shift.tolist()}")
    return given, shift


def _mapped(shape: tuple[int, ...], ndim: int) -> int:
    """How many axes a matrix of this shape maps where none are named; 0 where none can be.

    One row per axis of the array, or one more of a homogeneous matrix, is what SciPy takes, and is read as SciPy reads
    it: 4 x 4 is linear for an array of 4 axes. Fewer rows map the last axes, and there 4 x 4 is homogeneous.

    >>> [_mapped((4, 4), ndim) for ndim in (2, 3, 4, 5)]
    [0, 3, 4, 3]
    """
    if not shape:
        return 0
    if shape[0] == ndim or shape == (ndim + 1, ndim + 1):
        return ndim
    count = MOST_GUESSED if shape == (MOST_GUESSED + 1, MOST_GUESSED + 1) else shape[0]
    return count if count <= min(MOST_GUESSED, ndim) else 0


def _numbers(given: Any, name: str) -> npt.NDArray[np.float64]:
    try:
        numbers = np.asarray(given)
    except ValueError:
        raise ValueError(f"{name} must have rows of one length; got {given!r}") from None
    if numbers.dtype.kind not in "iufb":
        raise TypeError(f"{name} must hold real numbers; got dtype {numbers.dtype}")
    return numbers.astype(np.float64)


def _output_sizes(
    output_shape: Sequence[int] | int | None, in_shape: Sequence[int], axes: tuple[int, ...]
) -> list[int]:
    """Sizes of the sampled axes; `output_shape` gives those, or every axis."""
    if output_shape is None:
        return [int(in_shape[axis]) for axis in axes]
    given = list(checked_sizes("output_shape", output_shape))
    if len(given) == len(axes):
        return given
    if len(given) != len(in_shape):
        raise ValueError(
            f"output_shape must give one size per sampled axis, {len(axes)}, or per axis, {len(in_shape)}; "
            f"got {len(given)}"
        )
    for axis, (n_in, n_out) in enumerate(zip(in_shape, given, strict=True)):
        if axis not in axes and n_in != n_out:
            raise ValueError(f"output_shape must keep axis {axis}, which is not sampled; got {n_in} and {n_out}")
    return [given[axis] for axis in axes]
