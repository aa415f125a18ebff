"""The theorem: resampling by chunks gives the bits of resampling at once.

For every mode, dtype, shape, chunking of input and of output, thread count, scheduler, store and instruction set.
"""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import MODES, Problem, boxes_in, chunks_of, exact_problems, problems, values

import vrdask
from vrdask.boxes import regular_edges, slices_of
from vrdask.compute import builds
from vrdask.compute.resample_box import apply
from vrdask.planning.plan import plan_chunks

ANY = problems() | exact_problems()


def assert_same_bits(by_chunks, at_once):
    assert by_chunks.dtype == at_once.dtype
    assert_array_equal(by_chunks, at_once)
    if at_once.dtype.kind == "f":  # zeros have signs; of NaN, IEEE 754 leaves the sign open
        number = ~np.isnan(at_once)
        assert_array_equal(np.signbit(by_chunks)[number], np.signbit(at_once)[number])


@given(problem=ANY, data=st.data(), threads=st.sampled_from([1, 2]))
def test_dask_by_chunks_equals_at_once(machine, problem, data, threads):
    x = problem.source
    in_chunks, out_chunks = data.draw(chunks_of(x.shape)), data.draw(chunks_of(problem.what.out_shape))
    lazy = problem.resample(da.from_array(x, chunks=in_chunks), chunks=out_chunks, num_threads=threads)
    assert lazy.chunks == out_chunks
    whole = problem.resample(x)
    with machine(), dask.config.set(scheduler="synchronous"):
        assert_same_bits(lazy.compute(), whole)


@given(problem=ANY, data=st.data(), threads=st.sampled_from([1, 2]))
def test_any_box_alone_equals_its_part_of_the_whole(machine, problem, data, threads):
    what, x = problem.what, problem.source
    writes = data.draw(boxes_in(what.out_shape))
    reads = what.reads(writes)
    build = data.draw(st.sampled_from(builds.supported()))
    whole = problem.resample(x)
    with machine(build, scratch_bytes=data.draw(st.sampled_from([None, 3000]))):
        got = apply(what, x[slices_of(reads)], reads, writes, threads)
    assert_same_bits(got, whole[slices_of(writes)])


@given(problem=ANY, data=st.data())
def test_zarr_by_regions_equals_at_once(problem, data):
    x = problem.source
    chunks = tuple(max(sizes) for sizes in data.draw(chunks_of(x.shape)))
    stored = zarr.create_array(zarr.storage.MemoryStore(), data=x, chunks=chunks)
    lazy = problem.resample(stored, chunks=data.draw(chunks_of(problem.what.out_shape)))
    with dask.config.set(scheduler="synchronous"):
        assert_same_bits(lazy.compute(), problem.resample(x))


@given(problem=ANY, data=st.data())
def test_zarr_to_zarr_equals_at_once(problem, data):
    x, what = problem.source, problem.what
    stored, made = (tuple(max(sizes) for sizes in data.draw(chunks_of(s))) for s in (x.shape, what.out_shape))
    result = vrdask.resample_zarr(
        zarr.create_array(zarr.storage.MemoryStore(), data=x, chunks=stored), zarr.storage.MemoryStore(),
        mode=problem.mode, align_corners=problem.align_corners, axes=problem.axes, dtype=problem.out_dtype, chunks=made,
        num_threads=data.draw(st.sampled_from([1, 2])), **problem.size,
    )  # fmt: skip
    assert_same_bits(result[...], problem.resample(x))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(40, 50), (90, 30), (101, 121)])
def test_chunks_of_one_sample_equal_at_once(mode, shape):
    # every seam there can be, each chunk far smaller than what it reads
    x = values((61, 53), "int16", 7)
    whole = vrdask.resample(x, shape, mode)
    problem = Problem(x.shape, shape, (0, 1), mode, in_dtype="int16")
    plan = plan_chunks(problem.what, [regular_edges(n, 1) for n in shape])
    for number in range(0, len(plan), 7):
        task = plan[number]
        got = apply(plan.resampling, x[slices_of(task.reads)], task.reads, task.writes, 1)
        assert_array_equal(got, whole[slices_of(task.writes)])
    lazy = vrdask.resample(da.from_array(x[:9, :8], chunks=1), (5, 13), mode, chunks=1)
    assert_array_equal(lazy.compute(), vrdask.resample(x[:9, :8], (5, 13), mode))


def test_cutting_further_changes_nothing():
    # chunks of chunks: result of a rechunked source, of a rechunked result, of a slice
    x = np.random.default_rng(0).random((50, 60), np.float32)
    whole = vrdask.resample(x, (33, 90), "cubic")
    lazy = da.from_array(x, chunks=(17, 60))
    for result in (
        vrdask.resample(lazy.rechunk((50, 7)), (33, 90), "cubic"),
        vrdask.resample(lazy, (33, 90), "cubic", chunks=(5, -1)).rechunk((8, 8)),
        vrdask.resample(lazy, (33, 90), "cubic", chunks=11, num_threads=2),
    ):
        assert_array_equal(result.compute(), whole)
        assert_array_equal(result[7:20, 3:80:5].compute(), whole[7:20, 3:80:5])
