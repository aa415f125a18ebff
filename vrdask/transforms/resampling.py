"""A resampling: everything that decides the bits of a result, and nothing else.

Global shapes, mode and dtypes; no chunks, threads or memory. Two places that hold equal resamplings compute equal bits.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, require_known, size_of, whole
from vrdask.dtypes import DType, stand_in
from vrdask.transforms.arguments import checked_axes, checked_dtypes, checked_sizes
from vrdask.transforms.blocks import Blocks, whole_blocks
from vrdask.transforms.coordinates import Step, Window, in_single, own_step
from vrdask.transforms.filters import FILTERS
from vrdask.transforms.hints import did_you_mean
from vrdask.transforms.modes import MODES, axis_operators
from vrdask.transforms.operators import Operator
from vrdask.transforms.prefilter import Prefilter
from vrdask.transforms.sums import Pair, Steps, Sums, by_axis, is_mean, is_resampled, sums

HALVING = {"linear", "area", "area_exact", "box"}
"""Modes that take the mean of two samples at a ratio of 2."""

Tables = tuple[Operator | None, ...]
"""One operator per array axis; None where an axis passes through."""
Modes: TypeAlias = str | Sequence[str] | Mapping[int, str]
"""The mode of all resampled axes, one for each in their order, or one for each by the axis's number."""
Stage = tuple[Operator | Prefilter | None, ...]
"""The operators of all axes, applied together; or the prefilter of one."""


@dataclass(frozen=True)
class Resampling:
    """A validated resampling of a whole array; make one with `resampling`.

    in_shape, out_shape : sizes of every axis.
    in_dtype, out_dtype : in this machine's byte order. Samples come in any; a result never does.
    steps : by axis, input samples from one output to the next, perhaps along a window; None for an axis, or for all,
        where its sizes say it.
    modes : by axis, where they differ; `mode` is then their names, joined. None where all axes have one.
    """

    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    mode: str
    align_corners: bool
    in_dtype: DType
    out_dtype: DType
    steps: tuple[Step | None, ...] | None = field(default=None, kw_only=True)
    modes: tuple[str, ...] | None = field(default=None, kw_only=True)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        sizes = self.in_shape, self.out_shape, self.steps
        return hash((*sizes, self.mode, self.modes, self.align_corners, self.in_dtype, self.out_dtype))

    @cached_property
    def pairs(self) -> list[Pair]:
        """Sizes and step of every axis."""
        return by_axis(self.in_shape, self.out_shape, self.steps)

    @property
    def axis_modes(self) -> tuple[str, ...]:
        """The mode of every axis, of those that keep their samples, too."""
        return self.modes or (self.mode,) * len(self.in_shape)

    @property
    def changed(self) -> list[tuple[str, Pair]]:
        """Mode, sizes and step of every axis that is resampled."""
        return [(mode, pair) for mode, pair in zip(self.axis_modes, self.pairs, strict=True) if is_resampled(*pair)]

    @property
    def used_modes(self) -> set[str]:
        """The modes of the axes that are resampled; of all where none is."""
        return {mode for mode, _ in self.changed} or {*self.axis_modes}

    @cached_property
    def double(self) -> bool:
        """Whether sums are in float64."""
        return self.sums.double

    @cached_property
    def sums(self) -> Sums:
        types = stand_in(self.in_dtype) or self.in_dtype, stand_in(self.out_dtype, result=True) or self.out_dtype
        return sums(self.axis_modes, self.in_shape, self.out_shape, *types, self.steps)

    @cached_property
    def acc_dtype(self) -> DType:
        return np.dtype("float64" if self.double else "float32")

    @cached_property
    def copies(self) -> bool:
        """Whether every output is one input sample."""
        return all(MODES[mode].copies for mode in self.used_modes)

    @cached_property
    def is_mean(self) -> bool:
        """Whether every output is the mean of a window."""
        return is_mean(self.changed)

    @cached_property
    def blocks(self) -> Blocks | None:
        """The downsampling that gives the same bits, where there is one."""
        if self.in_dtype != self.out_dtype or self.fixed_point:
            return None
        halves = self.used_modes <= HALVING and not self.align_corners
        return whole_blocks(self.pairs, self.in_dtype, self.is_mean, halves)

    @cached_property
    def fixed_point(self) -> bool:
        """Whether sums are integers, of uint8 samples and fixed-point weights, with uint8 after every axis.

        Pillow's way for its filters. A result of any other dtype is computed in floating point.
        """
        return self.used_modes <= FILTERS.keys() and self.in_dtype == self.out_dtype == np.uint8

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """What happens, in order; stages in which no axis has an operator are left out."""
        pairs = [
            axis_operators(
                mode, n_in, n_out, self.align_corners, self.double, in_single(step, n_out) if self.fixed_point else step
            )
            for mode, (n_in, n_out, step) in zip(self.axis_modes, self.pairs, strict=True)
        ]
        alone = tuple(None if first else second for first, second in pairs)
        after = tuple(second if first else None for first, second in pairs)
        return tuple(stage for stage in (alone, *prefilters(first for first, _ in pairs), after) if any(stage))

    @cached_property
    def whole(self) -> tuple[Box, Box]:
        """Reads and writes of the whole output; the whole input where there is nothing to read."""
        reads, writes = whole(self.in_shape), whole(self.out_shape)
        return (self.reads(writes) if size_of(reads) else reads), writes

    @cached_property
    def passes(self) -> tuple[int, ...]:
        """The axes of a fixed-point resampling in the order of its passes: last to first.

        But Pillow's (from version 13 on) where the last two, a picture's rows and its columns within a row, shrink so
        differently that there is less to do the other way: there the second last comes first.
        """
        last_to_first = [
            axis for stage in self.stages for axis in reversed(range(len(stage))) if stage[axis] is not None
        ]
        if len(last_to_first) > 1:
            width, height = last_to_first[:2]
            fewer = [self.in_shape[axis] - self.out_shape[axis] for axis in (height, width)]
            if fewer[0] > max(0, 2 * fewer[1]):
                last_to_first[:2] = height, width
        return tuple(last_to_first)

    def reads(self, writes: Box) -> Box:
        """The source box that an output box depends on."""
        return boxes_between(self, writes)[0]

    @property
    def label(self) -> str:
        return f"resample-{self.mode}"

    def settings(self) -> dict[str, object]:
        """What two runs must agree in for one to go on from the other: JSON."""
        steps = self.steps and [
            None if one is None else list(map(str, one)) if isinstance(one, Window) else str(one) for one in self.steps
        ]
        return {
            "shape": self.out_shape,
            "mode": self.mode,
            "align_corners": self.align_corners,
            "dtype": str(self.out_dtype),
            **({} if steps is None else {"steps": steps}),
            **({} if self.modes is None else {"modes": self.modes}),
        }

    def __getstate__(self) -> dict[str, object]:  # tables do not travel: they follow from the fields
        return {each.name: getattr(self, each.name) for each in fields(self)}


def prefilters(filters: Iterable[Prefilter | None]) -> list[Stage]:
    """Stages that apply the filters of some axes, the first axis's first."""
    given = list(filters)
    return [tuple(one if k == axis else None for k in range(len(given))) for axis, one in enumerate(given) if one]


def tables(stage: Stage) -> Tables:
    """A stage that is not a prefilter."""
    found = tuple(op for op in stage if not isinstance(op, Prefilter))
    assert len(found) == len(stage)
    return found


def prefilter_of(stage: Stage) -> tuple[int, Prefilter] | None:
    """The axis and the filter of a stage that is a prefilter."""
    for axis, op in enumerate(stage):
        if isinstance(op, Prefilter):
            return axis, op
    return None


def stage_reads(stage: Stage, writes: Box) -> Box:
    """The box of a stage's input that an output box depends on."""
    return tuple(
        interval if axis_operator is None else axis_operator.reads(interval)
        for axis_operator, interval in zip(stage, writes, strict=True)
    )


def boxes_between(resampling: Resampling, writes: Box) -> tuple[Box, ...]:
    """What each stage reads for an output box, in order, and the box itself: the first is what it reads."""
    boxes = [writes]
    for stage in reversed(resampling.stages):
        boxes.append(stage_reads(stage, boxes[-1]))
    return tuple(reversed(boxes))


def resampling(
    in_shape: Sequence[int],
    shape: Sequence[int] | int,
    mode: Modes = "linear",
    align_corners: bool = False,
    *,
    axes: Iterable[int] | int | None = None,
    in_dtype: npt.DTypeLike = "float32",
    out_dtype: npt.DTypeLike | None = None,
    steps: Steps | None = None,
) -> Resampling:
    """Check the arguments that decide the result and put them into their one form.

    Equal arguments of plain types are checked once: a call in a loop should cost little.

    steps : of `axes`, input samples from one output to the next, where they are not those of the sizes.
    """
    plain = steps is None and type(mode) is str and type(align_corners) is bool
    if plain and _are_integers(in_shape, shape, () if axes is None else axes):
        dtypes = np.dtype(in_dtype), None if out_dtype is None else np.dtype(out_dtype)
        return _checked_once(in_shape, shape, mode, align_corners, axes, *dtypes)
    return _checked(in_shape, shape, mode, align_corners, axes, in_dtype, out_dtype, steps)


def _are_integers(*values: Any) -> bool:
    """Whether equality says all about values: 1, 1.0 and True are equal."""
    return {*map(type, values)} == {tuple} and {*map(type, chain(*values))} == {int}


def _checked(
    in_shape: Sequence[int],
    shape: Sequence[int] | int,
    mode: Modes,
    align_corners: bool,
    axes: Iterable[int] | int | None,
    in_dtype: npt.DTypeLike,
    out_dtype: npt.DTypeLike | None,
    steps: Steps | None = None,
) -> Resampling:
    sizes = checked_sizes("shape", shape)
    if not sizes:
        raise ValueError(f"shape must give at least one size; got {shape!r}")
    ndim = len(in_shape)
    if axes is None and len(sizes) > ndim:
        raise ValueError(f"shape must give at most {ndim} sizes, one per axis of the array; got {len(sizes)}")
    axes = tuple(range(ndim - len(sizes), ndim)) if axes is None else checked_axes(axes, ndim)
    if len(sizes) != len(axes):
        raise ValueError(f"shape must give one size per axis; got {len(sizes)} sizes for {len(axes)} axes")
    along = _checked_modes(mode, axes, ndim, align_corners)
    require_known(in_shape)
    out_shape = [_known(size, in_shape) for size in in_shape]
    for axis, size in zip(axes, sizes, strict=True):
        if in_shape[axis] < 1:
            raise ValueError(f"resampled axis {axis} must have at least one sample; got shape {tuple(in_shape)}")
        if 2 * (in_shape[axis] + 1) * (size + 1) >= 2**63:
            raise ValueError(
                f"input size times output size of axis {axis} must be below 2^62; got {in_shape[axis]} and {size}"
            )
        out_shape[axis] = size
    own = None if steps is None else _own_steps(in_shape, sizes, bool(align_corners), axes, steps)
    changed = [axis for axis in axes if is_resampled(in_shape[axis], out_shape[axis], own[axis] if own else None)]
    used = list(dict.fromkeys(along[axis] for axis in changed or axes))
    name = "+".join(used)
    modes = None if len(used) == 1 else tuple(along[axis] if axis in changed else used[0] for axis in range(ndim))
    copying = [name for name, known in MODES.items() if known.copies]
    source, result = checked_dtypes(name, copying, in_dtype, out_dtype)
    return _interned(
        tuple(map(int, in_shape)), tuple(out_shape), name, bool(align_corners), source, result, steps=own, modes=modes
    )  # fmt: skip


def _checked_modes(mode: Modes, axes: tuple[int, ...], ndim: int, align_corners: bool) -> dict[int, str]:
    """The mode of each axis."""
    if isinstance(mode, str):
        along: dict[int, str] = dict.fromkeys(axes, mode)
    elif isinstance(mode, Mapping):
        along = dict(zip(checked_axes(mode, ndim), mode.values(), strict=True))
        if along.keys() != {*axes}:
            raise ValueError(f"mode must be given for the axes {axes}, which are resampled; got {dict(mode)}")
    else:
        given = list(mode) if isinstance(mode, Iterable) else [mode] * len(axes)
        if len(given) != len(axes):
            raise ValueError(f"mode must be one name, or one per axis; got {given} for {len(axes)} axes")
        along = dict(zip(axes, given, strict=True))
    for one in along.values():
        if not isinstance(one, str) or one not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}; got {one!r}{did_you_mean(one)}")
        if align_corners and not MODES[one].takes_align_corners:
            able = ", ".join(name for name, known in MODES.items() if known.takes_align_corners)
            raise ValueError(
                f"align_corners must be False with mode {one!r} (it is defined for {able}); got {align_corners}"
            )
    return along


def _own_steps(
    in_shape: Sequence[int], sizes: Sequence[int], align_corners: bool, axes: Sequence[int], steps: Steps
) -> tuple[Step | None, ...] | None:
    """Steps of all axes that differ from what the sizes say: None for the others, or where there are no such."""
    own: list[Step | None] = [None] * len(in_shape)
    for axis, n_out, step in zip(axes, sizes, steps, strict=True):
        own[axis] = own_step(in_shape[axis], n_out, align_corners, step)
    return tuple(own) if any(own) else None


_interned = lru_cache(maxsize=256)(Resampling)
_checked_once: Callable[..., Resampling] = lru_cache(maxsize=256)(_checked)


def _known(size: int, in_shape: Sequence[int]) -> int:
    try:
        known = operator.index(size)
    except TypeError:
        raise TypeError(f"the array's sizes must be integers; got {size!r} in {tuple(in_shape)}") from None
    if known < 0:
        raise ValueError(f"the array's sizes must not be negative; got {tuple(in_shape)}")
    return known
