"""What a run keeps of its decoded chunks: counted, against the arithmetic that plans it."""

from __future__ import annotations

from collections import Counter
from itertools import product
from math import prod

import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal

from vrdask.chunk_cache import ChunkCache
from vrdask.chunk_io import ChunkIO
from vrdask.decoding import decodings, readers
from vrdask.intervals import slices_of, touched
from vrdask.plan import plan_resample

PLANS = {
    "margins on two axes": ((70, 90), (35, 45), 8, 10, "cubic"),
    "blocks within a chunk": ((60, 64), (60, 64), 20, 3, "cubic"),
    "chunks that many blocks share": ((90, 90), (45, 45), 32, 7, "linear"),
    "three axes": ((30, 28, 26), (15, 14, 13), 6, 4, "lanczos"),
    "one block across": ((90, 20, 3), (45, 10, 3), (8, 8, 3), (6, 10, 3), "lanczos"),
    "no margins": ((64, 64), (32, 32), 8, 8, "area"),
}


@pytest.fixture(params=PLANS)
def plan(request):
    in_shape, out_shape, in_chunks, out_chunks, mode = PLANS[request.param]
    return plan_resample(in_shape, out_shape, mode, in_chunks=in_chunks, out_chunks=out_chunks, dtype="uint8")


def test_readers_are_the_tasks_that_touch_a_chunk(plan):
    counted = Counter()
    for task in plan:
        counted.update(product(*map(touched, plan.in_edges, task.reads)))
    along = readers(plan, reused=0)
    for index in product(*(range(len(edges) - 1) for edges in plan.in_edges)):
        assert prod(int(axis[k]) for axis, k in zip(along, index, strict=True)) == counted[index]
    for reused in range(len(plan.axes) + 1):
        assert all((axis == 1).all() for axis in readers(plan, reused)[:reused])


def test_a_cache_keeps_what_is_said_and_nothing_in_the_end(plan):
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256, plan.resampling.in_shape, np.uint8)
    chunks = tuple(int(edges[1]) for edges in plan.in_edges)
    array = zarr.create_array({}, data=data, chunks=chunks)
    choices = decodings(plan, concurrent=1)
    assert [one.decoded for one in choices] == sorted({one.decoded for one in choices}, reverse=True)
    for choice in choices[1:]:
        decoded = 0

        class Counted(ChunkIO):
            def chunk(self, index):
                nonlocal decoded
                samples = super().chunk(index)
                decoded += samples.nbytes
                return samples

        cache = ChunkCache(Counted(array), data.dtype, choice.cache, readers=readers(plan, choice.reused))
        for task in plan:
            assert_array_equal(cache.read(task.reads), data[slices_of(task.reads)])
        assert decoded == choice.decoded
        assert not cache._kept
        assert not cache._bytes
