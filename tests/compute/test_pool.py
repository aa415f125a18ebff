"""The threads that kernels share: every unit is done once, whoever calls at the same time, however many there are."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

import vrdask

COUNTED = pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="threads are counted in /proc")
SHAPE = (50, 70, 30)


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(5).random((60, 61, 62), np.float32)


@pytest.fixture(scope="module")
def expected(x):
    return vrdask.resample(x, SHAPE, "cubic", num_threads=1)


@pytest.mark.parametrize("count", [2, 3, 7, 64, 2000])
def test_any_number_of_threads_gives_the_same_bits(x, expected, machine, count):
    with machine():
        np.testing.assert_array_equal(vrdask.resample(x, SHAPE, "cubic", num_threads=count), expected)


def test_callers_at_the_same_time_do_not_meet(x, expected):
    wrong: list[int] = []

    def call(number):
        for _ in range(10):
            if not np.array_equal(vrdask.resample(x, SHAPE, "cubic", num_threads=1 + number % 4), expected):
                wrong.append(number)

    callers = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


@COUNTED
@pytest.mark.slow
def test_threads_start_when_they_are_asked_for_and_stay(python):
    code = """
import os, numpy as np, vrdask
started = lambda: len(os.listdir("/proc/self/task")) - before
x = np.ones((100, 100, 100), np.float32)
before = len(os.listdir("/proc/self/task"))
for count in (1, 3, 2, 5, 1, 5):
    vrdask.resample(x, (90, 90, 90), "cubic", num_threads=count)
    print(started(), end=" ")
"""
    assert python(code) == "0 2 2 4 4 4"


@COUNTED
@pytest.mark.slow
def test_a_system_that_gives_no_threads_leaves_the_work_to_the_caller(python):
    code = """
import os, resource, numpy as np, vrdask
x = np.random.default_rng(0).random((100, 100, 100), np.float32)
expected = vrdask.resample(x, (90, 90, 90), "cubic", num_threads=1)
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + (60 << 20), -1))  # what is computed takes half; a thread's stack 1 MiB
equal = np.array_equal(vrdask.resample(x, (90, 90, 90), "cubic", num_threads=64), expected)
print(equal, 1 < len(os.listdir("/proc/self/task")) < 64)
"""
    assert python(code) == "True True"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_forked_while_others_call_does_not_hang(python):
    code = """
import multiprocessing, threading, numpy as np, vrdask
x = np.random.default_rng(0).random((100, 100, 100), np.float32)
expected = vrdask.resample(x, (90, 90, 90), "cubic", num_threads=1)
ended = threading.Event()
def call():
    while not ended.is_set():
        vrdask.resample(x, (90, 90, 90), "cubic", num_threads=3)
def equal(_):
    return np.array_equal(vrdask.resample(x, (90, 90, 90), "cubic", num_threads=3), expected)
callers = [threading.Thread(target=call) for _ in range(2)]
for caller in callers:
    caller.start()
found = []
for _ in range(8):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found += pool.map_async(equal, range(2)).get(timeout=60)
ended.set()
for caller in callers:
    caller.join()
print(set(found))
"""
    assert python(code, PYTHONWARNINGS="ignore") == "{True}"
