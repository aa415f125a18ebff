"""The theorem for whole blocks: downsampling by chunks gives the bits of downsampling at once.

For every mode, dtype, factor, chunking of input and of output, thread count, store and instruction set.
"""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import zarr
from block_problems import block_problems
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import boxes_in, chunks_of

import vrdask
from vrdask.boxes import slices_of
from vrdask.compute import builds
from vrdask.compute.box import compute_box
from vrdask.transforms import reference_blocks


def assert_same_bits(by_chunks, at_once):
    assert by_chunks.dtype == at_once.dtype
    assert_array_equal(by_chunks, at_once)
    if at_once.dtype.kind == "f":  # zeros have signs; of NaN, IEEE 754 leaves the sign open
        number = ~np.isnan(at_once)
        assert_array_equal(np.signbit(by_chunks)[number], np.signbit(at_once)[number])


@given(problem=block_problems(), data=st.data(), threads=st.sampled_from([1, 2]))
def test_dask_by_chunks_equals_at_once_and_the_definition(machine, problem, data, threads):
    x, what = problem.source, problem.what
    in_chunks, out_chunks = data.draw(chunks_of(x.shape)), data.draw(chunks_of(what.out_shape))
    lazy = problem.downsample(da.from_array(x, chunks=in_chunks), chunks=out_chunks, num_threads=threads)
    assert lazy.chunks == out_chunks
    whole = problem.downsample(x)
    assert_same_bits(whole, reference_blocks.downsample(what, x))
    with machine(), dask.config.set(scheduler="synchronous"):
        assert_same_bits(lazy.compute(), whole)


@given(problem=block_problems(), data=st.data(), threads=st.sampled_from([1, 2]))
def test_any_box_alone_equals_its_part_of_the_whole(machine, problem, data, threads):
    what, x = problem.what, problem.source
    writes = data.draw(boxes_in(what.out_shape))
    reads = what.reads(writes)
    whole = problem.downsample(x)
    with machine(data.draw(st.sampled_from(builds.supported())), row_elements=data.draw(st.sampled_from([1, 16, 512]))):
        got = compute_box(what, x[slices_of(reads)], reads, writes, threads)
    assert_same_bits(got, whole[slices_of(writes)])


@given(problem=block_problems(), data=st.data())
def test_zarr_by_regions_equals_at_once(problem, data):
    x = problem.source
    chunks = tuple(max(sizes) for sizes in data.draw(chunks_of(x.shape)))
    stored = zarr.create_array(zarr.storage.MemoryStore(), data=x, chunks=chunks)
    lazy = problem.downsample(stored, chunks=data.draw(chunks_of(problem.what.out_shape)))
    with dask.config.set(scheduler="synchronous"):
        assert_same_bits(lazy.compute(), problem.downsample(x))


@given(problem=block_problems(), data=st.data())
def test_zarr_to_zarr_equals_at_once(problem, data):
    x, what = problem.source, problem.what
    stored, made = (tuple(max(sizes) for sizes in data.draw(chunks_of(s))) for s in (x.shape, what.out_shape))
    shards = tuple(c * data.draw(st.integers(1, 3)) for c in made) if data.draw(st.booleans()) else None
    result = vrdask.downsample_zarr(
        zarr.create_array(zarr.storage.MemoryStore(), data=x, chunks=stored), zarr.storage.MemoryStore(),
        problem.factors, problem.mode, axes=problem.axes, dtype=problem.out_dtype, sparse=problem.sparse, chunks=made,
        shards=shards, num_threads=data.draw(st.sampled_from([1, 2])),
    )  # fmt: skip
    assert_same_bits(result[...], problem.downsample(x))


@given(problem=block_problems())
def test_cutting_along_whole_blocks_is_cutting_the_result(problem):
    """Of two halves side by side, cut at a multiple of the factor, the results lie side by side."""
    x, what = problem.source, problem.what
    whole = problem.downsample(x)
    for axis, factor in enumerate(what.factors):
        cut = what.out_shape[axis] // 2 * factor
        halves = [part for part in np.split(x, [cut], axis) if part.size]
        assert_same_bits(np.concatenate([problem.downsample(half) for half in halves], axis), whole)
