"""Plans: which source box each output chunk reads, known before anything runs.

A plan is pure data. Per axis it holds the boundaries of the output chunks and the source interval of each; its tasks
are their product, made when asked for, so that a plan of a million chunks is small.

         source axis   |---------- reads ----------|
                       .  |....|....|....|....|....
                         \\                       /
         output axis       |------ writes ------|
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box, Edges, edges_of, intervals_of, longest, regular_edges, union_length
from vrdask.compute.footprint import between_bytes
from vrdask.planning.tasks import Plan, Task
from vrdask.transforms.bands import Indices
from vrdask.transforms.blocks import Blocks
from vrdask.transforms.operators import Operator
from vrdask.transforms.prefilter import Prefilter
from vrdask.transforms.resampling import Modes, Resampling, resampling

ChunksLike = int | Sequence[int | Sequence[int]] | None
ByAxis = Resampling | Blocks
"""Transforms of which an output's interval along an axis reads an interval along it, whatever the other axes do."""


@dataclass(frozen=True, eq=False)
class AxisPlan:
    """One axis: chunk k writes ``[edges[k], edges[k+1])`` and reads ``[reads_start[k], reads_stop[k])``."""

    edges: Edges
    reads_start: npt.NDArray[np.int64]
    reads_stop: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.edges) - 1


@dataclass(frozen=True, eq=False, repr=False)
class ResamplePlan(Plan):
    """How a resampling is cut into tasks; iterate over it, or ask it what a run will cost.

    Made by `plan_resample`. Tasks come in C order of the output chunks.
    """

    resampling: ByAxis
    axes: tuple[AxisPlan, ...]
    in_edges: tuple[Edges, ...] | None
    """Boundaries of the source's stored chunks; None where any sample can be read alone."""

    @property
    def transform(self) -> ByAxis:
        """The resampling: what plans of any transform call it."""
        return self.resampling

    @property
    def edges(self) -> tuple[Edges, ...]:
        """Boundaries of the output chunks along each axis."""
        return tuple(axis.edges for axis in self.axes)

    @property
    def stored_edges(self) -> tuple[Edges, ...] | None:
        """`in_edges`: what plans of any transform call them."""
        return self.in_edges

    def __iter__(self) -> Iterator[Task]:
        reads = [list(zip(axis.reads_start.tolist(), axis.reads_stop.tolist(), strict=True)) for axis in self.axes]
        writes = [intervals_of(axis.edges) for axis in self.axes]
        for index, read, write in zip(product(*map(range, self.shape)), product(*reads), product(*writes), strict=True):
            yield Task(index, read, write)

    def __getitem__(self, index: tuple[int, ...] | int) -> Task:
        """The task of one output chunk: by its place in the grid of chunks, or in C order."""
        if not isinstance(index, tuple):
            if not -len(self) <= index < len(self):
                raise IndexError(f"task must be in [0, {len(self)}); got {index}")
            index = tuple(map(int, np.unravel_index(index % len(self), self.shape)))
        return Task(
            index,
            tuple(
                (int(axis.reads_start[k]), int(axis.reads_stop[k])) for axis, k in zip(self.axes, index, strict=True)
            ),
            tuple((int(axis.edges[k]), int(axis.edges[k + 1])) for axis, k in zip(self.axes, index, strict=True)),
        )

    @property
    def bytes_read(self) -> int:
        """Bytes of source samples that the tasks decode together; whole stored chunks where `in_chunks` is known."""
        return self.resampling.in_dtype.itemsize * prod(
            int(np.sum(stop - start)) for start, stop in map(self.decoded, range(len(self.axes)))
        )

    @property
    def touched_bytes(self) -> int:
        """Bytes of source samples that are decoded at all; whole stored chunks where `in_chunks` is known."""
        lengths = (union_length(*self.decoded(axis)) for axis in range(len(self.axes)))
        return self.resampling.in_dtype.itemsize * prod(lengths)

    @property
    def largest(self) -> tuple[Box, Box]:
        """Boxes as large as any that a task reads, and writes, along each axis."""
        reads = tuple((0, int((axis.reads_stop - axis.reads_start).max(initial=0))) for axis in self.axes)
        return reads, tuple((0, longest(axis.edges)) for axis in self.axes)

    @property
    def peak_between_bytes(self) -> int:
        """The largest intermediate arrays of any task: B-spline coefficients, copies to be converted, or uint8 between
        the passes of a filter."""
        if 0 in self.shape:
            return 0
        reads, writes = self.largest
        what = self.resampling
        if isinstance(what, Resampling) and not what.fixed_point and len(what.stages) > 1:  # which depend on the place
            widest = tuple(int(np.argmax(axis.reads_stop - axis.reads_start)) for axis in self.axes)
            reads, writes = self[widest].reads, self[widest].writes
        return between_bytes(self.resampling, reads, writes)

    def decoded(self, axis: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Starts and stops of what is decoded for each chunk along an axis: `reads` out to the stored chunks' ends."""
        start, stop = self.axes[axis].reads_start, self.axes[axis].reads_stop
        if self.in_edges is None:
            return start, stop
        edges = self.in_edges[axis]
        return (
            edges[np.searchsorted(edges, start, side="right") - 1],
            edges[np.searchsorted(edges, stop, side="left")],
        )

    def _does(self) -> tuple[str, str]:
        word, between = super()._does()
        what = self.resampling
        return word, between + (", align_corners" if isinstance(what, Resampling) and what.align_corners else "")


def _reads_many(axis_operator: Operator | Prefilter | None, starts: Indices, stops: Indices) -> tuple[Indices, Indices]:
    """The source intervals of output intervals; an empty one reads nothing, at its place."""
    if axis_operator is None:
        return starts, stops
    empty = stops <= starts
    reads_start, reads_stop = axis_operator.reads_many(
        np.minimum(starts, axis_operator.n_out - 1), np.maximum(stops, np.minimum(starts, axis_operator.n_out - 1) + 1)
    )
    return reads_start, np.where(empty, reads_start, reads_stop)


def plan_resample(
    in_shape: Sequence[int],
    out_shape: Sequence[int] | int,
    mode: Modes = "linear",
    align_corners: bool = False,
    *,
    axes: Sequence[int] | int | None = None,
    in_chunks: ChunksLike = None,
    out_chunks: ChunksLike = None,
    dtype: npt.DTypeLike = "float32",
) -> ResamplePlan:
    """Plan a resampling chunk by chunk; reads, writes and allocates nothing.

    Parameters
    ----------
    in_shape : sizes of every axis of the source.
    out_shape : target sizes of `axes`, or of every axis.
    mode, align_corners, axes : as in `resample`.
    in_chunks, out_chunks : chunks of the source and of the result: one size for every axis, one entry per axis (a
    size, -1
        or None for the whole axis, or the sizes of all chunks), or None for a single chunk.
    dtype : of source and result.

    Returns
    -------
    ResamplePlan
        Its tasks tile the output; each reads the smallest box that holds every source sample it depends on.

    Examples
    --------
    >>> plan = plan_resample((100, 100), (50, 50), "cubic", in_chunks=32, out_chunks=25)
    >>> len(plan), plan[0, 1].writes, plan[0, 1].reads
    (4, ((0, 25), (25, 50)), ((0, 64), (36, 100)))
    >>> plan
    <ResamplePlan 100x100 float32 -> 50x50 float32, cubic; tasks: 4 of up to 25x25>
    """
    if axes is not None and isinstance(out_shape, Sequence) and len(out_shape) == len(in_shape):
        out_shape = _sizes_of_axes(in_shape, out_shape, [axes] if isinstance(axes, int) else axes)
    what = resampling(in_shape, out_shape, mode, align_corners, axes=axes, in_dtype=dtype)
    return plan_chunks(
        what,
        chunk_edges(what.out_shape, out_chunks, "out_chunks"),
        None if in_chunks is None else chunk_edges(what.in_shape, in_chunks, "in_chunks"),
    )


def plan_chunks(
    resampling: ByAxis, out_edges: Sequence[Edges], in_edges: Sequence[Edges] | None = None
) -> ResamplePlan:
    """Plan a resampling whose output is cut at `out_edges`."""
    axes = tuple(plan_axis(resampling, axis, edges) for axis, edges in enumerate(out_edges))
    return ResamplePlan(resampling, axes, None if in_edges is None else tuple(in_edges))


def plan_axis(resampling: ByAxis, axis: int, edges: Edges) -> AxisPlan:
    """Plan one axis of a resampling, cut at `edges`."""
    starts, stops = edges[:-1], edges[1:]
    if isinstance(resampling, Blocks):
        return AxisPlan(edges, *resampling.reads_along(axis, starts, stops))
    for stage in reversed(resampling.stages):
        starts, stops = _reads_many(stage[axis], starts, stops)
    return AxisPlan(edges, starts, stops)


def chunk_edges(shape: Sequence[int], chunks: ChunksLike, name: str = "chunks") -> tuple[Edges, ...]:
    """Chunk boundaries of every axis from the notations of `plan_resample`."""
    per_axis = list(chunks) if isinstance(chunks, Iterable) else [chunks] * len(shape)
    if len(per_axis) != len(shape):
        raise ValueError(f"{name} must have one entry per axis; got {len(per_axis)} for {len(shape)} axes")
    return tuple(
        _axis_edges(n, chunk, f"{name} of axis {axis}")
        for axis, (n, chunk) in enumerate(zip(shape, per_axis, strict=True))
    )


def _axis_edges(size: int, chunk: int | Iterable[int] | None, name: str) -> Edges:
    if chunk is None:
        return regular_edges(size, size)
    try:
        sizes = list(map(operator.index, chunk)) if isinstance(chunk, Iterable) else operator.index(chunk)
    except TypeError:
        raise TypeError(f"{name} must be integers; got {chunk!r}") from None
    if isinstance(sizes, list):
        if sum(sizes) != size or min(sizes, default=0) < min(size, 1):
            raise ValueError(f"{name} must be positive and add up to {size}; got {tuple(sizes)}")
        return edges_of(sizes)
    if sizes == -1:
        return regular_edges(size, size)
    if sizes < 1:
        raise ValueError(f"{name} must be positive; got {sizes}")
    return regular_edges(size, sizes, name.partition(" ")[0])


def _sizes_of_axes(in_shape: Sequence[int], out_shape: Sequence[int], axes: Sequence[int]) -> list[int]:
    """The sizes of `axes` from a full output shape, whose other sizes must be the input's."""
    if len(axes) == len(in_shape):
        return list(out_shape)
    if not all(-len(in_shape) <= axis < len(in_shape) for axis in axes):
        return list(out_shape)  # refused later, in words
    chosen = {axis % len(in_shape) for axis in axes}
    for axis, (n_in, n_out) in enumerate(zip(in_shape, out_shape, strict=True)):
        if axis not in chosen and n_in != n_out:
            raise ValueError(
                f"out_shape must keep axis {axis}, which axes {tuple(axes)} leaves out; got {n_in} and {n_out}"
            )
    return [out_shape[axis] for axis in axes]
