"""How many threads a call uses by default: what is set, what others have set, and one where many such calls run."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import dask
import dask.array as da
import numpy as np
import pytest

import vrdask
from vrdask.compute import threads
from vrdask.compute.beside import among_others

needs_openmp = pytest.mark.skipif(not threads.HAS_OPENMP, reason="the kernels are built without OpenMP")
CORES = threads.usable_cores()
COUNT = "import vrdask; print(vrdask.get_num_threads())"
VARIABLES = ("VRDASK_NUM_THREADS", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT")
UNSET = dict.fromkeys(VARIABLES, "")


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(threads, "_chosen", None)
    monkeypatch.setattr(threads, "_chosen_here", True)
    monkeypatch.setattr(threads, "_asked", None)  # of whoever runs the tests
    monkeypatch.setattr(threads, "_limit", None)


def installed(name):
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")


@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({}, CORES),
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": " 5,2"}, 5),
        ({"OMP_NUM_THREADS": "0"}, CORES),
        ({"OMP_NUM_THREADS": "many"}, CORES),
        ({"OMP_NUM_THREADS": "7", "OMP_THREAD_LIMIT": "4"}, 4),
        ({"OMP_THREAD_LIMIT": "1"}, 1),
        ({"OMP_THREAD_LIMIT": "1000"}, CORES),
        ({"OMP_THREAD_LIMIT": "none"}, CORES),
        ({"VRDASK_NUM_THREADS": "6"}, 6),
        ({"VRDASK_NUM_THREADS": "6", "OMP_NUM_THREADS": "2", "OMP_THREAD_LIMIT": "3"}, 6),
        ({"VRDASK_NUM_THREADS": " 2 "}, 2),
    ],
)
def test_the_default_follows_the_environment(python, variables, count):
    assert python(COUNT, **{**UNSET, **variables}) == str(count)


def test_what_comes_first_counts(monkeypatch):
    monkeypatch.setenv("VRDASK_NUM_THREADS", "7")
    assert vrdask.get_num_threads() == threads.resolve(None) == 7
    vrdask.set_num_threads(6)
    assert vrdask.get_num_threads() == threads.resolve(None) == 6
    assert threads.resolve(3) == 3


def test_openmps_variables_count_as_they_were_at_first(monkeypatch):
    # as for OpenMP itself; a nanny of distributed sets them in the process that starts workers
    monkeypatch.setenv("OMP_NUM_THREADS", str(CORES + 1))
    monkeypatch.setenv("OMP_THREAD_LIMIT", str(CORES + 2))
    assert vrdask.get_num_threads() == CORES


@pytest.mark.parametrize("wrong", ["0", "-1", "abc", "4,2", "1.5", "²"])
def test_a_wrong_number_is_refused_by_the_variables_name(monkeypatch, wrong):
    monkeypatch.setenv("VRDASK_NUM_THREADS", wrong)
    for call in (
        vrdask.get_num_threads,
        lambda: threads.resolve_tasks(None),
        lambda: vrdask.resample(np.zeros((300, 300)), 200),
        lambda: vrdask.affine_transform(np.zeros((8, 8)), [1, 1]),
    ):
        with pytest.raises(ValueError, match=f"VRDASK_NUM_THREADS must be a whole number of at least 1; got '{wrong}'"):
            call()
    assert vrdask.resample(np.zeros((300, 300)), 200, num_threads=1).shape == (300, 200)


def test_tasks_of_a_run_are_no_threads_of_openmp(monkeypatch):
    monkeypatch.setattr(threads, "_asked", 1)
    monkeypatch.setattr(threads, "_limit", 1)
    assert vrdask.get_num_threads() == 1
    assert threads.resolve_tasks(None) == CORES
    monkeypatch.setenv("VRDASK_NUM_THREADS", "3")
    assert threads.resolve_tasks(None) == 3
    vrdask.set_num_threads(2)
    assert threads.resolve_tasks(None) == 2


@needs_openmp
@installed("threadpoolctl")
def test_the_default_follows_threadpoolctl(python):
    # in a process of its own: where torch is loaded, a limit that equals its own default is taken for that
    code = """
import numpy as np
import vrdask
from threadpoolctl import threadpool_limits
print(vrdask.get_num_threads())  # loads the kernels: it limits what is loaded
with threadpool_limits(limits=1):
    print(vrdask.get_num_threads())
    assert vrdask.resample(np.ones((300, 300)), 200).shape == (300, 200)
    vrdask.set_num_threads(3)
    print(vrdask.get_num_threads())
    vrdask.compute.threads._chosen = None
with threadpool_limits(limits=1, user_api="blas"):
    print(vrdask.get_num_threads())
print(vrdask.get_num_threads())
"""
    assert python(code, **UNSET).split() == [str(CORES), "1", "3", str(CORES), str(CORES)]


@needs_openmp
@installed("threadpoolctl")
def test_a_limit_of_threadpoolctl_counts_beside_the_variable(python):
    code = """
import vrdask
from threadpoolctl import threadpool_limits
def count():
    return vrdask.get_num_threads()
print(count())
for limit in (1, 2, 4):
    with threadpool_limits(limits=limit):
        print(count())
print(count())
"""
    assert python(code, **{**UNSET, "OMP_NUM_THREADS": "3"}).split() == ["3", "1", "2", "4", "3"]


@needs_openmp
@installed("torch")
@installed("threadpoolctl")
def test_what_torch_sets_for_itself_is_nobodys_wish(python):
    # torch tells OpenMP to use the physical cores, in each thread that it works in, and may share our runtime
    code = """
import torch, vrdask
from threadpoolctl import threadpool_limits
torch.ones(300, 300) @ torch.ones(300, 300)
own = torch.get_num_threads()
print(vrdask.get_num_threads())
with threadpool_limits(limits=own + 1):
    torch.ones(300, 300) @ torch.ones(300, 300)
    print(vrdask.get_num_threads() - min(own + 1, vrdask.compute.threads.usable_cores()))
print(vrdask.get_num_threads())
"""
    assert python(code, **UNSET).split() == [str(CORES), "0", str(CORES)]
    assert python(code, **{**UNSET, "OMP_NUM_THREADS": "3"}).split()[::2] == ["3", "3"]


def counted(block):
    """A block that holds how many threads a call made from its task would use."""
    return np.full_like(block, vrdask.get_num_threads())


def counts(**how):
    return set(da.zeros(8, chunks=1, dtype="i8").map_blocks(counted, meta=np.zeros(0, "i8")).compute(**how))


def test_a_task_of_dasks_threads_takes_one(monkeypatch):
    assert counts(scheduler="threads") == {1}
    assert counts(scheduler="threads", num_workers=3) == {1}
    with ThreadPoolExecutor(2) as pool, dask.config.set(pool=pool):
        assert counts(scheduler="threads") == {1}
        assert pool.submit(vrdask.get_num_threads).result() == CORES
    assert counts(scheduler="synchronous") == {CORES}
    monkeypatch.setenv("VRDASK_NUM_THREADS", "5")
    assert counts(scheduler="threads") == {5}


def test_a_thread_that_is_no_task_takes_all():
    found = []
    thread = threading.Thread(
        target=lambda: found.extend([vrdask.get_num_threads(), *counts(scheduler="synchronous"), among_others()])
    )
    thread.start()
    thread.join()
    assert found == [CORES, CORES, False]


@pytest.mark.slow
def test_a_task_of_dasks_processes_takes_one():
    assert counts(scheduler="processes", num_workers=2) == {1}


@installed("distributed")
def test_a_task_of_a_cluster_takes_one(client):
    # the nanny sets OMP_NUM_THREADS=1; a task says so by itself
    assert set(client.gather(client.map(_count_without_variables, range(4), pure=False))) == {1}
    assert counts() == {1}


def _count_without_variables(_):
    for name in VARIABLES:
        os.environ.pop(name, None)
    return vrdask.get_num_threads()


@installed("distributed")
def test_a_task_of_a_cluster_in_threads_takes_one():
    from distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=":0"):
        assert counts() == {1}
        assert vrdask.get_num_threads() == CORES


@pytest.mark.slow
@installed("torch")
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_a_worker_of_a_data_loader_takes_one(context):
    from torch.utils.data import DataLoader

    if context not in multiprocessing.get_all_start_methods():
        pytest.skip("this system does not fork")
    options = {"batch_size": None, "collate_fn": _counts_of_a_worker}
    vrdask.set_num_threads(4)
    alone = list(DataLoader(range(2), num_workers=0, **options))
    assert alone == [4, 4]
    loader = DataLoader(range(4), num_workers=2, multiprocessing_context=context, timeout=120, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONWARNINGS", "ignore")
        assert list(loader) == [1] * 4


def _counts_of_a_worker(_):
    return vrdask.get_num_threads()


@pytest.mark.slow
@installed("joblib")
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_a_job_of_joblib_takes_one(python, backend):
    code = f"""
import joblib, vrdask
with joblib.parallel_config(backend={backend!r}):
    print(joblib.Parallel(n_jobs=2)(joblib.delayed(vrdask.get_num_threads)() for _ in range(4)))
    print(joblib.Parallel(n_jobs=1)(joblib.delayed(vrdask.get_num_threads)() for _ in range(2)))
print(vrdask.get_num_threads())
"""
    found = python(code, **UNSET, PYTHONWARNINGS="ignore").splitlines()
    assert found == ["[1, 1, 1, 1]", str([CORES] * 2), str(CORES)]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_keeps_what_was_set_before_and_may_set_its_own(python):
    code = """
import multiprocessing, os, vrdask
vrdask.set_num_threads(5)
def work(_):
    inherited = vrdask.get_num_threads()
    os.environ["VRDASK_NUM_THREADS"] = "3"
    said = vrdask.get_num_threads()
    vrdask.set_num_threads(7)
    return inherited, said, vrdask.get_num_threads()
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.map(work, [0]), vrdask.get_num_threads())
"""
    assert python(code, **UNSET, PYTHONWARNINGS="ignore") == "[(5, 3, 7)] 5"


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
def test_threads_are_started_as_the_default_says(python):
    code = """
import os, numpy as np, vrdask
x = np.ones((400, 400, 10), np.float32)
before = len(os.listdir("/proc/self/task"))
for call in (lambda: vrdask.resample(x, (300, 300, 9)), lambda: vrdask.affine_transform(x, [0.9] * 3, mode="cubic"),
             lambda: vrdask.grid_sample(x[None, None], np.zeros((1, 60, 60, 60, 3), "f4"))):
    call()
    print(len(os.listdir("/proc/self/task")) - before)
"""
    assert python(code, **{**UNSET, "OMP_NUM_THREADS": "1"}).split() == ["0", "0", "0"]
    assert python(code, **{**UNSET, "OMP_NUM_THREADS": "4"}).split() == ["3", "3", "3"]


@pytest.mark.parametrize("shape", [(10, 10), (1000, 1000)])
def test_few_elements_take_one_thread_without_asking(monkeypatch, shape):
    asked = []
    monkeypatch.setattr(threads, "_said", lambda: asked.append(1) or 2)
    vrdask.resample(np.ones(shape, np.float32), (20, 20))
    assert bool(asked) == (shape == (1000, 1000))
