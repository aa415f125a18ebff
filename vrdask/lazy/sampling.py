"""Lazy samplings: dask arrays with one task per output chunk.

An affine map: the box that a task reads follows from its output box, as in `lazy.resample`. A grid: it follows from the
numbers in a task's piece of the grid.

    input   grid    a task
    zarr    any     reads the box from the store
    dask    numpy   depends on the blocks in the box, which is looked up when the graph is made
    dask    lazy    asks each block of the input, by a small task, for its share of the box

The last has (output chunks) x (input blocks) small tasks and needs all blocks made, each once; but no task holds more
than its box, no compute is nested, and no bound on displacements has to be known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from dask.array.core import normalize_chunks
from dask.base import tokenize

from vrdask.boxes import Box, edges_of, intersection, intervals_of, rounds_of, size_of, slices_of, touched, within
from vrdask.compute.around import read_around
from vrdask.compute.sample_box import sample_affine, sample_grid
from vrdask.compute.sample_box import touched as touched_by
from vrdask.lazy.arrays import Stored, is_dask_array, is_stored
from vrdask.lazy.blocks import Blocks, Graph, assembled, cut_out, moved
from vrdask.lazy.dask_internals import DataNode, List, Task, TaskRef, array_of
from vrdask.transforms.affine import Affine
from vrdask.transforms.grid import GridSampling

Array = npt.NDArray[Any]


def affine_lazily(affine: Affine, x: Any, chunks: Any, num_threads: int) -> Any:
    """A lazy dask array from a dask array or an array in a store."""
    by_region = is_stored(x)
    stored = x.stored if by_region else x.chunks
    if chunks is None:
        sizes = [
            s if n == m else min(max(s), m) for s, n, m in zip(stored, affine.in_shape, affine.out_shape, strict=True)
        ]
        chunks = tuple(sizes)
    chunks = normalize_chunks(chunks, affine.out_shape, dtype=affine.sampling.out_dtype, previous_chunks=stored)
    token = tokenize(x.identity if by_region else x.name, affine, chunks, num_threads)
    name, shared, source = f"affine-{affine.sampling.mode}-{token}", f"affine-map-{token}", f"zarr-source-{token}"
    graph: Graph = {shared: DataNode(shared, affine)}
    if by_region:
        graph[source] = DataNode(source, x)
    else:
        blocks = Blocks(x, f"affine-part-{token}")
    for index, writes in chunk_boxes(chunks):
        key = (name, *index)
        reads = affine.reads(writes)
        if by_region:
            graph[key] = Task(key, affine_region, TaskRef(shared), TaskRef(source), reads, writes, num_threads)
        else:
            graph[key] = Task(
                key, affine_blocks, TaskRef(shared), *blocks.parts(reads, graph), reads, writes, num_threads
            )
    return array_of(graph, name, chunks, affine.sampling.out_dtype, [] if by_region else [x])


def affine_region(affine: Affine, source: Stored, reads: Box, writes: Box, num_threads: int) -> Array:
    return sample_affine(affine, region(source, reads), reads, writes, num_threads)


def affine_blocks(
    affine: Affine, pieces: list[Array], places: list[Box], reads: Box, writes: Box, num_threads: int
) -> Array:
    return sample_affine(affine, assembled(pieces, places, reads, affine.sampling.in_dtype), reads, writes, num_threads)


def chunk_boxes(chunks: Sequence[Sequence[int]]) -> Any:
    """(index, box) of every chunk, in C order."""
    intervals = [intervals_of(edges_of(sizes)) for sizes in chunks]
    yield from zip(product(*(range(len(axis)) for axis in intervals)), product(*intervals), strict=True)


def sample_grid_lazily(grid_sampling: GridSampling, x: Any, grid: Any, num_threads: int) -> Any:
    """A lazy dask array from an input and a grid of which at least one is a dask array or an array in a store."""
    chunks = grid_chunks(grid_sampling, x, grid)
    token = tokenize(_identity(x), _identity(grid), grid_sampling, chunks, num_threads)
    name, shared = f"grid-sample-{grid_sampling.sampling.mode}-{token}", f"grid-sample-how-{token}"
    graph: Graph = {shared: DataNode(shared, grid_sampling)}
    parents = [array for array in (x, grid) if is_dask_array(array)]
    points = _Points(grid, f"grid-sample-points-{token}", graph)
    blocks = Blocks(x, f"grid-sample-part-{token}")
    if not is_dask_array(x):
        graph[f"grid-sample-input-{token}"] = DataNode(f"grid-sample-input-{token}", x)
    for index, writes in chunk_boxes(chunks):
        key = (name, *index)
        batch, channels = writes[:2]
        count = channels[1] - channels[0]
        piece = points.node((batch, *writes[2:], (0, grid_sampling.rank)), index)
        how = (TaskRef(shared), piece)
        if not is_dask_array(x):
            source = TaskRef(f"grid-sample-input-{token}")
            graph[key] = Task(key, grid_region, *how, source, batch, channels, num_threads)
        elif isinstance(grid, np.ndarray):
            window = _window(grid_sampling, grid[slices_of((batch, *writes[2:]))], batch, channels)
            reads = grid_sampling.reads(window) if size_of(window) else window
            graph[key] = Task(key, grid_blocks, *how, *blocks.parts(reads, graph), window, count, num_threads)
        else:
            box = (f"grid-sample-window-{token}", *index)
            graph[box] = Task(box, _window, *how, batch, channels)
            shares = _shares(blocks, TaskRef(shared), TaskRef(box), (batch, channels), index, graph)
            graph[key] = Task(key, grid_shares, *how, shares, TaskRef(box), count, num_threads)
    return array_of(graph, name, chunks, grid_sampling.sampling.out_dtype, parents)


def _identity(array: Any) -> Any:
    return array.identity if is_stored(array) else array


def grid_chunks(grid_sampling: GridSampling, x: Any, grid: Any) -> tuple[tuple[int, ...], ...]:
    """Chunks of the result: the input's channels; the grid's points, or pieces as large as the input's chunks of a
    grid that has none; batches cut where either is."""
    stored = [_stored(array) for array in (x, grid)]
    cuts = sorted({int(edge) for sizes in stored for edge in edges_of(sizes[0])})
    batch = tuple(np.diff(cuts).tolist()) or (0,)
    if isinstance(grid, np.ndarray):
        largest = tuple(max(sizes) for sizes in stored[0][2:])
        spatial = normalize_chunks(
            tuple(max(1, min(n, size)) for n, size in zip(largest, grid_sampling.out_shape[2:], strict=True)),
            grid_sampling.out_shape[2:], dtype=grid_sampling.sampling.out_dtype,
        )  # fmt: skip
    else:
        spatial = stored[1][1:-1]
    return (batch, tuple(stored[0][1]), *(tuple(sizes) for sizes in spatial))


def _stored(array: Any) -> tuple[tuple[int, ...], ...]:
    if isinstance(array, np.ndarray):
        return tuple((n,) for n in array.shape)
    if is_stored(array):
        return array.stored
    chunks: tuple[tuple[int, ...], ...] = array.chunks
    return chunks


class _Points:
    """The grid as a source of pieces, one per output chunk but for channels, which share it."""

    def __init__(self, grid: Any, name: str, graph: Graph) -> None:
        self.grid, self.name, self.graph = grid, name, graph
        self.blocks = Blocks(grid, f"{name}-part")
        if is_stored(grid):
            graph[f"{name}-source"] = DataNode(f"{name}-source", grid)

    def node(self, box: Box, index: Sequence[int]) -> TaskRef:
        key = (self.name, index[0], *index[2:])
        if key not in self.graph:
            if isinstance(self.grid, np.ndarray):
                self.graph[key] = DataNode(key, np.ascontiguousarray(self.grid[slices_of(box)]))
            elif is_stored(self.grid):
                self.graph[key] = Task(key, region, TaskRef(f"{self.name}-source"), box)
            else:
                pieces, places = self.blocks.parts(box, self.graph)
                self.graph[key] = Task(key, assembled, pieces, places, box, self.grid.dtype)
        return TaskRef(key)


def region(source: Stored | Array, box: Box) -> Array:
    """A box of an array, which may go on behind the end, where the array begins again."""
    if isinstance(source, np.ndarray):
        return read_around(lambda part: source[slices_of(part)], box, source.shape)
    return read_around(source.read, box, source.shape)


def _window(grid_sampling: GridSampling, points: Array, batch: tuple[int, int], channels: tuple[int, int]) -> Box:
    """The box of what is sampled that a piece of the grid weighs; all intervals (0, 0) for none."""
    spatial = touched_by(grid_sampling, points)
    window = (batch, channels, *spatial)
    return window if size_of(window) else ((0, 0),) * len(window)


def _shares(blocks: Blocks, how: TaskRef, window: TaskRef, lead: Box, index: Sequence[int], graph: Graph) -> List:
    """For one output chunk, a task per input block that cuts the block's share of the window's reads out."""
    shares = []
    intervals = blocks.intervals
    near = [touched(edges, interval) for edges, interval in zip(blocks.edges[:2], lead, strict=True)]
    for block in product(*near, *(range(len(axis)) for axis in intervals[2:])):
        box = tuple(axis[k] for axis, k in zip(intervals, block, strict=True))
        key = (blocks.part_name, *index, *block)
        graph[key] = Task(key, share, how, TaskRef((blocks.array.name, *block)), box, window)
        shares.append(TaskRef(key))
    return List(*shares)


@dataclass(frozen=True)
class Share:
    """A part of a block and the box that it holds."""

    place: Box
    samples: Array


def share(grid_sampling: GridSampling, block: Array, box: Box, window: Box) -> list[Share]:
    """What of a block, which holds `box`, the window's reads need."""
    if not size_of(window):
        return []
    found = []
    for part, place in rounds_of(grid_sampling.reads(window), grid_sampling.in_shape):
        needed = intersection(box, part)
        if size_of(needed):
            found.append(Share(moved(needed, part, place), cut_out(block, within(needed, box))))
    return found


def grid_region(
    grid_sampling: GridSampling,
    points: Array,
    source: Stored | Array,
    batch: tuple[int, int],
    channels: tuple[int, int],
    num_threads: int,
) -> Array:
    """One output chunk from the region of an input that its piece of the grid weighs."""
    window = _window(grid_sampling, points, batch, channels)
    reads = grid_sampling.reads(window) if size_of(window) else window
    return sample_grid(
        grid_sampling, region(source, reads), reads, window, points, channels[1] - channels[0], num_threads
    )


def grid_blocks(
    grid_sampling: GridSampling, points: Array, pieces: list[Array], places: list[Box], window: Box, channels: int,
    num_threads: int,
) -> Array:  # fmt: skip
    """One output chunk from pieces of the input."""
    reads = grid_sampling.reads(window) if size_of(window) else window
    box = assembled(pieces, places, reads, grid_sampling.sampling.in_dtype)
    return sample_grid(grid_sampling, box, reads, window, points, channels, num_threads)


def grid_shares(
    grid_sampling: GridSampling, points: Array, shares: list[list[Share]], window: Box, channels: int, num_threads: int
) -> Array:
    """One output chunk from the shares of all blocks."""
    found = [one for some in shares for one in some]
    pieces, places = [one.samples for one in found], [one.place for one in found]
    return grid_blocks(grid_sampling, points, pieces, places, window, channels, num_threads)
