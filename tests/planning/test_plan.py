"""A plan's laws. `check_plan` holds all that can be read off a plan; every example and property calls it."""

from __future__ import annotations

import pickle
import tracemalloc
from itertools import product
from math import prod

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import MODES, Problem, chunks_of, problems

import vrdask
from vrdask.api.in_memory import resample_in_memory
from vrdask.boxes import shape_of, slices_of
from vrdask.compute.resample_box import apply
from vrdask.planning.plan import ResamplePlan, chunk_edges, plan_chunks
from vrdask.text import format_bytes


def planned(problem, out_chunks=None, in_chunks=None) -> ResamplePlan:
    what = problem.what
    in_edges = None if in_chunks is None else chunk_edges(what.in_shape, in_chunks)
    return plan_chunks(what, chunk_edges(what.out_shape, out_chunks), in_edges)


def check_plan(plan: ResamplePlan) -> None:
    what, tasks = plan.resampling, list(plan)
    itemsize = what.in_dtype.itemsize

    # the writes tile the output, in C order of the chunks
    written = np.zeros(what.out_shape, int)
    for task in tasks:
        written[slices_of(task.writes)] += 1
        assert min(shape_of(task.writes), default=1) > 0
    assert (written == 1).all()
    assert [task.index for task in tasks] == list(product(*map(range, plan.shape)))

    # random access is iteration
    assert len(plan) == len(tasks) == prod(plan.shape)
    assert [plan[number] for number in range(len(plan))] == tasks
    assert [plan[task.index] for task in tasks] == tasks
    assert plan[-1] == tasks[-1]

    # the reads are the smallest box with every sample that the definition of the mode weighs, and stay in the array
    supports = [
        oracles.support(what.mode, n_in, n_out, what.align_corners, what.double)
        for n_in, n_out in zip(what.in_shape, what.out_shape, strict=True)
    ]
    for task in tasks:
        weighed = [np.flatnonzero(s[slice(*w)].any(axis=0)) for s, w in zip(supports, task.writes, strict=True)]
        assert task.reads == tuple((found[0], found[-1] + 1) for found in weighed)
        assert what.reads(task.writes) == task.reads

    # costs add up
    decoded = 0
    for task in tasks:
        box = task.reads
        if plan.in_edges is not None:  # whole stored chunks
            box = tuple(
                (max(e for e in edges if e <= start), min(e for e in edges if e >= stop))
                for edges, (start, stop) in zip(plan.in_edges, box, strict=True)
            )
        decoded += prod(shape_of(box)) * itemsize
    assert plan.bytes_read == decoded
    assert plan.source_bytes == prod(what.in_shape) * itemsize
    assert plan.read_amplification == decoded / plan.source_bytes
    assert plan.bytes_written == prod(what.out_shape) * what.out_dtype.itemsize
    assert plan.peak_bytes >= max(
        prod(shape_of(task.reads)) * itemsize + prod(shape_of(task.writes)) * what.out_dtype.itemsize for task in tasks
    )

    # it shows itself, and travels
    for text in (str(plan), plan._repr_html_()):
        for fact in (f"{len(plan):,}", format_bytes(plan.bytes_read), format_bytes(plan.peak_bytes), what.mode):
            assert fact in text
    again = pickle.loads(pickle.dumps(plan))
    assert list(again) == tasks
    assert again.resampling == what


@given(problem=problems(), data=st.data())
def test_every_law_holds_for_any_problem_and_chunking(problem, data):
    what = problem.what
    in_chunks = data.draw(st.none() | chunks_of(what.in_shape))
    check_plan(planned(problem, data.draw(chunks_of(what.out_shape)), in_chunks))


EXAMPLES = [  # in_shape, out_shape, mode, align_corners, in_chunks, out_chunks; what the case is about
    ((1,), (1,), "linear", False, None, None),  # the least there is
    ((1,), (7,), "cubic", False, 1, 1),  # a single sample becomes many
    ((7,), (1,), "cubic", True, 1, 1),  # aligned corners of one output
    ((100,), (100,), "cubic", False, 32, 25),  # nothing to do
    ((3, 100), (3, 50), "area", False, (1, 32), (3, 25)),  # one axis kept
    ((97, 89), (31, 200), "cubic", False, ((40, 57), 1), ((1, 30), 64)),  # one shrinks, one grows: two stages
    ((5, 6, 7), (10, 3, 7), "nearest", True, 2, 3),
    ((400,), (397,), "linear", False, 64, (396, 1)),  # a ratio near one
]


@pytest.mark.parametrize(("in_shape", "out_shape", "mode", "corners", "in_chunks", "out_chunks"), EXAMPLES)
def test_every_law_holds_for_plan_resample(in_shape, out_shape, mode, corners, in_chunks, out_chunks):
    if isinstance(out_chunks, tuple) and len(out_chunks) != len(out_shape):
        out_chunks = (out_chunks,)
    check_plan(
        vrdask.plan_resample(in_shape, out_shape, mode, corners, in_chunks=in_chunks, out_chunks=out_chunks)
    )  # fmt: skip


@given(problem=problems(dtypes=("float32", "float64"), convert=False), data=st.data())
def test_reads_suffice_and_every_end_of_them_matters(problem, data):
    # NaN shows dependence for any weight however small.
    what, task = problem.what, None
    plan = planned(problem, data.draw(chunks_of(what.out_shape)))
    task = plan[data.draw(st.integers(0, len(plan) - 1))]
    clean = np.random.default_rng(problem.seed).random(problem.in_shape).astype(problem.in_dtype)
    expected = resample_in_memory(what, clean, 1)[slices_of(task.writes)]

    only = np.full_like(clean, np.nan)
    only[slices_of(task.reads)] = clean[slices_of(task.reads)]
    assert_array_equal(resample_in_memory(what, only, 1)[slices_of(task.writes)], expected)

    for axis, (start, stop) in enumerate(task.reads):
        for end in (start, stop - 1):
            poisoned = clean.copy()
            poisoned[(slice(None),) * axis + (end,)] = np.nan
            assert np.isnan(resample_in_memory(what, poisoned, 1)[slices_of(task.writes)]).any()


HEAD = (160, 170, 180)


@pytest.mark.parametrize(
    ("mode", "in_shape", "shape", "in_dtype", "out_dtype"),
    [
        *((mode, HEAD, shape, "uint8", "uint8") for mode in MODES for shape in ((80, 200, 200), (200, 150, 260))),
        ("cubic", HEAD, (300, 60, 200), "float64", "float64"),
        ("linear", HEAD, (80, 200, 200), "uint8", "float64"),
        ("nearest", HEAD, (200, 300, 300), "uint8", "float64"),  # gathers, then converts
        ("nearest", HEAD, (200, 300, 300), "float64", "uint8"),
        ("linear", (4, 4_000_000), (4, 1000), "uint8", "uint8"),  # an output row stands for a very long input row
    ],
)
def test_peak_bytes_bounds_what_a_task_holds(mode, in_shape, shape, in_dtype, out_dtype):
    what = Problem(in_shape, shape, tuple(range(len(shape))), mode, False, in_dtype, out_dtype).what
    (task,) = plan = plan_chunks(what, chunk_edges(what.out_shape, None))
    tracemalloc.start()
    try:
        apply(what, np.zeros(shape_of(task.reads), in_dtype), task.reads, task.writes, 1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= plan.peak_bytes + (2 << 20), "beyond it only one thread's scratch and the tables"


def test_peak_bytes_counts_reads_and_intermediates_and_writes():
    assert vrdask.plan_resample((100,), (50,), "area", dtype="uint8").peak_bytes == 100 + 50
    growing = vrdask.plan_resample((100, 100), (200, 50), "cubic", dtype="uint8", out_chunks=(-1, -1))
    assert growing.peak_bytes == 100 * 100 + 4 * 100 * 100 + 200 * 50  # filtered along axis 0 in float32


def test_a_plan_of_a_million_chunks_is_small_and_lazy(python):
    code = """
import vrdask
from peaks import peak_bytes
plan = vrdask.plan_resample((10**5, 10**5), (10**5 // 2, 10**5 // 3), "cubic", in_chunks=100, out_chunks=(50, 33))
first = plan[0], plan[len(plan) - 1], plan.bytes_read, plan.peak_bytes, str(plan)
assert len(plan) == 1000 * 1011 == sum(1 for task in plan)
assert peak_bytes() < 1 << 30, peak_bytes()
"""
    python(code)


def test_planning_imports_neither_dask_nor_zarr_nor_kernels(python):
    code = """
import sys, vrdask.planning.plan, vrdask
plan = vrdask.plan_resample((100, 100), (50, 50), "cubic", out_chunks=25)
list(plan), str(plan), plan.peak_bytes
heavy = {"dask", "zarr", "distributed", "click", "rich", "matplotlib"}
print(sorted(name for name in sys.modules if name in heavy or name.startswith(("vrdask.compute._kernels.contract",
"vrdask.compute._kernels.gather", "vrdask.compute._kernels.cpu"))))
"""
    assert python(code) == "[]"


@pytest.mark.parametrize(
    ("chunks", "condition"),
    [
        (0, "must be positive"),
        (-3, "must be positive"),
        ((2, 0), "must be positive"),
        ((2,), "must have one entry per axis; got 1 for 2 axes"),
        (((3, 3), 4), "must be positive and add up to 5"),
        (((5, 0), 4), "must be positive and add up to 5"),
    ],
)
@pytest.mark.parametrize("which", ["in_chunks", "out_chunks"])
def test_chunks_that_do_not_tile_are_refused(which, chunks, condition):
    with pytest.raises(ValueError, match=rf"{which}.* {condition}"):
        vrdask.plan_resample((5, 4), (5, 4), **{which: chunks})


def test_chunk_sizes_may_be_numpy_integers():
    plan = vrdask.plan_resample((5, 4), (10, 8), out_chunks=np.int64(3))
    assert plan.shape == (4, 3)
    assert vrdask.plan_resample((5, 4), (10, 8), out_chunks=(np.int64(3), None)).shape == (4, 1)


def test_an_index_outside_the_plan_is_refused():
    plan = vrdask.plan_resample((5,), (4,), out_chunks=1)
    with pytest.raises(IndexError, match=r"task must be in \[0, 4\); got 4"):
        plan[4]


def test_out_shape_may_give_every_axis():
    short = vrdask.plan_resample((4, 6, 3), (2, 3), axes=(0, 1))
    assert list(short) == list(vrdask.plan_resample((4, 6, 3), (2, 3, 3), axes=(0, 1)))
    with pytest.raises(ValueError, match=r"out_shape must keep .*axis 2"):
        vrdask.plan_resample((4, 6, 3), (2, 3, 2), axes=(0, 1))
