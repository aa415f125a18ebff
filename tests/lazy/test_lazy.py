"""Lazy results: equal to numpy's under every scheduler, lazy until asked, with true metadata and small graphs."""

from __future__ import annotations

import os
import pickle
from importlib.util import find_spec

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from strategies import MODES, values

import vrdask
from vrdask.buffers import OneAtATime
from vrdask.compute import threads
from vrdask.storage.chunk_array import ChunkIO

SHAPE, CHUNKS, TARGET = (40, 53, 3), (16, 20, 3), (61, 30)


@pytest.fixture
def x():
    return values(SHAPE, "int16", 9)


@pytest.fixture
def stored(x, tmp_path):
    return zarr.create_array(tmp_path / "x.zarr", data=x, chunks=CHUNKS)


def lazily(source, mode="cubic", **options):
    return vrdask.resample(source, TARGET, mode, axes=(0, 1), **options)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_numpy_dask_and_zarr_give_the_same_array(x, stored, mode, scheduler):
    expected = lazily(x, mode)
    with dask.config.set(scheduler=scheduler):
        for source in (da.from_array(x, chunks=CHUNKS), stored, da.from_zarr(stored)):
            assert_array_equal(lazily(source, mode).compute(), expected)


@pytest.mark.slow
def test_processes_give_the_same_array(x, stored):
    with dask.config.set(scheduler="processes", num_workers=2):
        for source in (da.from_array(x, chunks=CHUNKS), stored):
            assert_array_equal(lazily(source).compute(), lazily(x))


@pytest.mark.slow
def test_distributed_workers_give_the_same_array(x, stored, client):
    for source in (da.from_array(x, chunks=CHUNKS), stored):
        assert_array_equal(lazily(source).compute(), lazily(x))
        assert_array_equal(client.compute(lazily(source, num_threads=2)).result(), lazily(x))


def test_nothing_is_read_before_it_is_asked_for():
    def read(block):
        raise RuntimeError("a sample was read")

    source = da.map_blocks(read, da.zeros(SHAPE, chunks=CHUNKS, dtype="int16"), meta=np.empty((0, 0, 0), "int16"))
    lazy = lazily(source)
    assert lazy.shape == (*TARGET, 3)
    with pytest.raises(RuntimeError, match="a sample was read"):
        lazy.compute(scheduler="synchronous")


@pytest.mark.parametrize("chunks", [None, 16, (20, -1, 1), ((60, 1), (10, 10, 10), 3), "auto", {0: 7}])
@pytest.mark.parametrize("dtype", [None, "float32"])
def test_metadata_is_what_computing_gives(x, stored, chunks, dtype):
    for source in (da.from_array(x, chunks=CHUNKS), stored):
        lazy = lazily(source, chunks=chunks, dtype=dtype)
        assert lazy.dtype == lazy._meta.dtype == lazy.compute().dtype == (dtype or x.dtype)
        assert isinstance(lazy._meta, np.ndarray)
        assert lazy._meta.shape == (0, 0, 0)
        assert tuple(map(sum, lazy.chunks)) == lazy.shape == (*TARGET, 3)
        for index in np.ndindex(lazy.numblocks):
            promised = tuple(sizes[k] for sizes, k in zip(lazy.chunks, index, strict=True))
            assert lazy.blocks[index].compute(scheduler="synchronous").shape == promised


@pytest.mark.parametrize("chunks", [((30, 0, 31), 30, 3), ((0, 61), 30, 3), ((61, 0), 30, 3)])
def test_empty_chunks_are_chunks(x, chunks):
    source = da.from_array(x, chunks=((0, 40), (53,), (3,)))
    assert_array_equal(lazily(source, chunks=chunks).compute(), lazily(x))


def test_names_follow_from_the_arguments_alone(x, stored):
    for source in (da.from_array(x, chunks=CHUNKS), stored):
        lazy = lazily(source)
        assert lazy.name == lazily(source).name
        assert lazy.name.startswith("resample-cubic-")
        others = [
            lazily(source, "linear"), lazily(source, chunks=7), lazily(source, dtype="float32"),
            vrdask.resample(source, TARGET, "cubic", True, axes=(0, 1)), vrdask.resample(source, (61, 31), "cubic",
            axes=(0, 1)),
        ]  # fmt: skip
        assert len({other.name for other in others} | {lazy.name}) == 6
    assert lazily(da.from_array(x, chunks=CHUNKS)).name != lazily(da.from_array(x + 1, chunks=CHUNKS)).name
    assert lazily(pickle.loads(pickle.dumps(stored))).name == lazily(stored).name


def test_a_zarr_source_makes_one_task_per_output_chunk_and_two_shared_nodes(stored):
    for chunks in (10, 30):
        lazy = lazily(stored, chunks=chunks)
        assert len(dict(lazy.__dask_graph__())) == lazy.npartitions + 2


def test_a_zarr_source_is_read_once_per_task_and_only_the_region(stored, monkeypatch):
    regions, read = [], ChunkIO.read
    monkeypatch.setattr(ChunkIO, "read", lambda self, box: regions.append(box) or read(self, box))
    lazy = lazily(stored, chunks=(20, 30, 3))
    assert regions == []
    lazy.blocks[0, 0, 0].compute(scheduler="synchronous")
    plan = vrdask.plan_resample(SHAPE, TARGET, "cubic", axes=(0, 1), out_chunks=(20, 30, 3), dtype="int16")
    assert regions == [plan[0].reads]


def test_a_dask_task_depends_on_the_blocks_its_box_touches_and_no_others():
    source = da.from_array(np.arange(400.0), chunks=10, name="source")
    lazy = vrdask.resample(source, 200, "linear", chunks=5)
    graph = dict(lazy.__dask_graph__())
    for number in range(1, 39):
        graph_of_one = dict(lazy.blocks[number].__dask_graph__().cull([(lazy.blocks[number].name, 0)]))
        touched = {key[1] for key in graph_of_one if key[0] == "source"}
        assert touched == {number}, "even factor two: each output chunk lies under one block"
    assert sum(key[0] == lazy.name for key in graph if isinstance(key, tuple)) == 40


def test_a_large_graph_stays_small_per_task():
    lazy = vrdask.resample(da.zeros((4000, 4000), chunks=100), (2000, 2000), "cubic")
    assert lazy.npartitions == 1600
    graph = dict(lazy.__dask_graph__())
    sizes = [len(pickle.dumps(graph[lazy.name, i, j])) for i, j in np.ndindex(lazy.numblocks)]
    assert max(sizes) < 6000, "no table is embedded"


def test_neighbours_share_the_slabs_that_they_take_of_a_block():
    # in the middle of a halved volume each chunk reads 64 blocks, and of 56 of them a margin: three slabs of each block
    # hold all of its margins
    source = da.zeros((2048,) * 3, chunks=128)
    lazy = vrdask.resample(source, (1024,) * 3, "cubic", chunks=128)
    added = set(lazy.__dask_graph__()) - set(source.__dask_graph__())
    parts = [key for key in added if isinstance(key, tuple) and key[0] != lazy.name]
    assert len(parts) == 3 * 14 * 16 * 16, "the first and the last block of an axis have no margin along it"
    (taken,) = {len(lazy.__dask_graph__()[lazy.name, 3, 4, 5].dependencies) - 1}
    assert taken == 64


def test_parts_are_slabs_only_where_that_is_little_more():
    # along one axis of small chunks the margin is most of a block: what is needed is cut out, or the whole is taken
    source = da.from_array(np.random.default_rng(0).random((60, 61, 62), "float32"), chunks=10)
    lazy = vrdask.resample(source, (30, 40, 31), "cubic", chunks=(10, 10, 5))
    cuts = [key[4:] for key in lazy.__dask_graph__() if isinstance(key, tuple) and key[0].startswith("resample-part")]
    sizes = [np.prod([stop - start for start, stop in zip(cut[::2], cut[1::2], strict=True)]) for cut in cuts]
    assert max(sizes) < 500
    assert_array_equal(lazy.compute(), vrdask.resample(source.compute(), (30, 40, 31), "cubic"))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("dask.array._array_expr") is None, reason="this dask has no query planning of arrays")
def test_query_planning_gives_the_same_array(python):
    code = """
import dask.array as da, numpy as np, vrdask, zarr
assert da.ARRAY_EXPR_ENABLED
x = np.random.default_rng(0).random((40, 53), np.float32)
expected = vrdask.resample(x, (61, 30), "cubic")
stored = zarr.create_array(zarr.storage.MemoryStore(), data=x, chunks=(16, 20))
for source in (da.from_array(x, chunks=(16, 20)), -da.from_array(-x, chunks=(16, 20)), stored):
    lazy = vrdask.resample(source, (61, 30), "cubic", chunks=(20, 17))
    assert np.array_equal(lazy.compute(), expected)
    assert np.array_equal((lazy + lazy)[5:9].compute(), (expected + expected)[5:9])
print("equal")
"""
    assert python(code, DASK_ARRAY__QUERY_PLANNING="True") == "equal"


@pytest.mark.slow
@pytest.mark.parametrize("forks", ["multiprocessing", "data loader"])
def test_a_forked_child_starts_threads_of_its_own(python, forks):
    # none of the parent's goes on in it: one that waited for them would hang
    if forks == "data loader":
        pytest.importorskip("torch", reason="torch is not installed")
    code = f"""
import multiprocessing, os, numpy as np, vrdask
from vrdask.api.resample_zarr import prepare
x = np.random.default_rng(0).random((64, 128, 128), np.float32)
expected = vrdask.resample(x, (50, 90, 200), num_threads=2)
def of_the_system():
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
def work(_):
    before = of_the_system()
    equal = np.array_equal(vrdask.resample(x, (50, 90, 200), num_threads=3), expected)
    return equal and of_the_system() - before in (0, 2)
if {forks!r} == "multiprocessing":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        results = pool.map_async(work, range(4)).get(timeout=60)
else:
    from torch.utils.data import DataLoader
    results = list(DataLoader(range(4), batch_size=None, num_workers=2, collate_fn=work, timeout=60,
    multiprocessing_context="fork"))
print(len(results), all(map(bool, results)))
assert np.array_equal(vrdask.resample(x, (50, 90, 200), num_threads=2), expected)
"""
    assert python(code, PYTHONWARNINGS="ignore") == "4 True"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_forking_while_other_threads_are_at_work_does_not_hang(python, tmp_path):
    code = """
import multiprocessing, os, threading, numpy as np, vrdask, zarr
from vrdask import buffers as reuse
from vrdask.runs import process as store_access
x = np.random.default_rng(0).random((160, 160, 160), np.float32)
expected = vrdask.resample(x, (140, 160, 140), "cubic")
zarr.create_array(os.environ["SOURCE"], data=x, chunks=(40, 40, 40), shards=(80, 80, 80))
def work(k):
    made = vrdask.resample_zarr(os.environ["SOURCE"], f"{os.environ['SOURCE']}.{k}.zarr", (140, 160, 140), mode="cubic",
                                num_threads=2)
    return np.array_equal(made[:], expected) and np.array_equal(vrdask.resample(x, (140, 160, 140), "cubic"), expected)
held, done = threading.Event(), threading.Event()
def holding():
    with reuse._results._mutex, store_access._mutex:
        held.set()
        done.wait()
threading.Thread(target=holding).start()
held.wait()
with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map_async(work, range(2))
    try:
        print(found.get(timeout=60))
    finally:
        done.set()
"""
    assert python(code, PYTHONWARNINGS="ignore", SOURCE=str(tmp_path / "in.zarr")) == "[True, True]"


@pytest.fixture
def default_threads():
    before = threads._chosen
    yield
    threads._chosen = before


def test_more_tasks_than_cores_are_taken_as_asked_for_and_logged(caplog):
    many = 2 * threads.usable_cores()
    assert threads.resolve_tasks(many) == many
    (record,) = caplog.records
    assert record.name == "vrdask.compute.threads"
    assert f"{many} tasks at a time on {many // 2} usable cores" in record.message
    caplog.clear()
    assert threads.resolve_tasks(None) == threads.get_num_threads()
    assert not caplog.records


@pytest.mark.usefixtures("default_threads")
def test_the_number_of_threads_is_kept():
    threads._chosen = None
    assert vrdask.get_num_threads() >= 1
    vrdask.set_num_threads(3)
    assert vrdask.get_num_threads() == threads.resolve(None) == 3
    assert threads.resolve(5) == 5
    assert vrdask.get_num_threads() == 3


@pytest.mark.usefixtures("default_threads")
def test_lazy_tasks_run_on_one_thread_unless_asked(x, monkeypatch):
    import vrdask.lazy.resample as lazy_executor

    counts, compute = [], lazy_executor.compute_box
    monkeypatch.setattr(lazy_executor, "compute_box", lambda *args: counts.append(args[-1]) or compute(*args))
    vrdask.set_num_threads(2)
    for asked, expected in ((None, 1), (4, 4)):
        lazily(da.from_array(x, chunks=-1), num_threads=asked).compute(scheduler="synchronous")
        assert counts.pop() == expected


def test_usable_cores_respect_affinity(python):
    code = """
import os, vrdask
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(vrdask.get_num_threads())
"""
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no affinity")
    assert python(code) == "1"


def test_arrays_that_are_used_one_at_a_time_share_their_memory():
    made = []

    def empty(shape, dtype):
        made.append(np.empty(shape, dtype))
        return made[-1]

    one_at_a_time = OneAtATime(empty)
    first = one_at_a_time((4, 3), np.dtype("u1"))
    assert one_at_a_time((4, 3), np.dtype("u1")) is first
    for shape, dtype in [((3, 4), "u1"), ((3, 4), "f4")]:
        assert one_at_a_time(shape, np.dtype(dtype)) is made[-1] is not first
    assert [(one.shape, one.dtype.str) for one in made] == [((4, 3), "|u1"), ((3, 4), "|u1"), ((3, 4), "<f4")]
