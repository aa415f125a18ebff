"""Lazy results: a dask array with one task per output chunk.

A dask source: each task depends on exactly the blocks that its box touches, or on parts of them (see `blocks`). A
zarr source: each task reads its own region, so the graph is one task per output chunk and two nodes that they share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
from dask.array.core import normalize_chunks
from dask.base import tokenize

from vrdask.boxes import Box, ceil_div, edges_of, size_of
from vrdask.compute.box import compute_box
from vrdask.lazy.arrays import Stored
from vrdask.lazy.blocks import Blocks, assembled
from vrdask.lazy.dask_internals import DataNode, Task, TaskRef, array_of
from vrdask.planning.plan import ByAxis, ResamplePlan, plan_chunks
from vrdask.transforms.coordinates import Window
from vrdask.transforms.resampling import Resampling

Array = npt.NDArray[Any]


def resample_dask(resampling: ByAxis, x: Any, chunks: Any, num_threads: int) -> Any:
    """A lazy dask array from a dask array."""
    in_edges = [edges_of(sizes) for sizes in x.chunks]
    plan = plan_chunks(resampling, [edges_of(sizes) for sizes in out_chunks(resampling, x.chunks, chunks)], in_edges)
    token = tokenize(x.name, resampling, plan_chunk_sizes(plan), num_threads)
    name, part_name, shared = f"{resampling.label}-{token}", f"resample-part-{token}", f"resample-plan-{token}"
    graph: dict[Any, Any] = {shared: DataNode(shared, resampling)}
    blocks = Blocks(x, part_name, slabs=True)
    for task in plan:
        key = (name, *task.index)
        reads = task.reads if size_of(task.writes) else tuple((0, 0) for _ in task.reads)
        taken = blocks.parts(reads, graph)
        graph[key] = Task(key, resample_blocks, TaskRef(shared), *taken, reads, task.writes, num_threads)
    return collection(graph, name, plan, resampling, [x])


def resample_stored(resampling: ByAxis, x: Stored, chunks: Any, num_threads: int) -> Any:
    """A lazy dask array from an array in a store."""
    plan = plan_chunks(resampling, [edges_of(sizes) for sizes in out_chunks(resampling, x.stored, chunks)])
    token = tokenize(x.identity, resampling, plan_chunk_sizes(plan), num_threads)
    name, shared, source = f"{resampling.label}-{token}", f"resample-plan-{token}", f"zarr-source-{token}"
    graph: dict[Any, Any] = {shared: DataNode(shared, resampling), source: DataNode(source, x)}
    for task in plan:
        key = (name, *task.index)
        graph[key] = Task(key, resample_region, TaskRef(shared), TaskRef(source), task.reads, task.writes, num_threads)
    return collection(graph, name, plan, resampling, [])


def out_chunks(resampling: ByAxis, in_chunks: Sequence[Sequence[int]], chunks: Any) -> tuple[tuple[int, ...], ...]:
    """Chunks of the result. By default an axis that is not resampled keeps the input's; another gets chunks as large
    as the input's largest, less where it shrinks, so that neither side of a task outgrows an input chunk.
    """
    if chunks is None:
        shapes = resampling.in_shape, _extents(resampling), resampling.out_shape
        chunks = tuple(
            sizes if n_in == extent == n_out else max(1, ceil_div(max(sizes) * min(extent, n_out), extent))
            for sizes, n_in, extent, n_out in zip(in_chunks, *shapes, strict=True)
        )
    normal: tuple[tuple[int, ...], ...] = normalize_chunks(
        chunks, resampling.out_shape, dtype=resampling.out_dtype, previous_chunks=in_chunks
    )
    return normal


def _extents(resampling: ByAxis) -> list[int]:
    """Samples along each axis that the result is of."""
    if not isinstance(resampling, Resampling):
        return list(resampling.in_shape)
    return [
        max(1, ceil(n_out * step.step)) if isinstance(step, Window) else n_in for n_in, n_out, step in resampling.pairs
    ]


def plan_chunk_sizes(plan: ResamplePlan) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(np.diff(axis.edges).tolist()) for axis in plan.axes)


def collection(
    graph: Mapping[Any, Any], name: str, plan: ResamplePlan, resampling: ByAxis, parents: Sequence[Any]
) -> Any:
    """The dask array of a plan's graph."""
    return array_of(graph, name, plan_chunk_sizes(plan), resampling.out_dtype, parents)


def resample_blocks(
    resampling: ByAxis, pieces: list[Array], places: list[Box], reads: Box, writes: Box, num_threads: int
) -> Array:
    """One output chunk from pieces of the source, each of which holds the box at its place."""
    return compute_box(resampling, assembled(pieces, places, reads, resampling.in_dtype), reads, writes, num_threads)


def resample_region(resampling: ByAxis, source: Stored, reads: Box, writes: Box, num_threads: int) -> Array:
    """One output chunk from the region of a stored array that it reads."""
    return compute_box(resampling, source.read(reads), reads, writes, num_threads)
