"""Calls from many threads at a time give what each gives alone: nothing that they share is written without a lock.

Matters most where Python has no lock of its own (3.13t, 3.14t), for which the kernels declare that they need none.
"""

from __future__ import annotations

import json
import sysconfig

import pytest

from vrdask.compute import builds

FREE = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
THREADS = 6
CALLS = """
import hashlib, json, sys, threading
from strategies import FIXED_PROBLEMS, FILTERED_PROBLEMS, POSITIONED, positioned
from block_problems import FIXED_BLOCKS

def called(problem):
    return lambda: [problem.resample(problem.source, num_threads=1)]

def placed(case):
    return lambda: positioned(*case)

def reduced(problem):
    return lambda: [problem.downsample(problem.source)]

calls = [called(problem) for problem in (*FIXED_PROBLEMS[::5], *FILTERED_PROBLEMS[::3])]
calls += [placed(case) for case in POSITIONED[::2]] + [reduced(problem) for problem in FIXED_BLOCKS[::5]]
THREADS = int(sys.argv[1])
found = [[""] * len(calls) for _ in range(THREADS)]
begin = threading.Barrier(THREADS)
sys.setswitchinterval(1e-5)

def work(digests):
    begin.wait()
    for number, call in enumerate(calls):  # all at the same one: its tables are made and kept by the first
        digests[number] = hashlib.sha256(b"".join(result.tobytes() for result in call())).hexdigest()

threads = [threading.Thread(target=work, args=(digests,)) for digests in found]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(found))
"""
NEEDS_NO_LOCK = """
import importlib, sys, warnings
warnings.simplefilter("error")
for name in sys.argv[1:]:
    importlib.import_module(f"vrdask.compute._kernels.{name}")
    assert not sys._is_gil_enabled(), name
"""


def run(python, code, *arguments, **environment):
    return python(f"import sys; sys.argv[1:] = {[str(one) for one in arguments]!r}\n{code}", **environment)


@pytest.mark.parametrize("isa", builds.supported())
def test_many_threads_find_what_one_finds(python, isa):
    alone = json.loads(run(python, CALLS, 1, VRDASK_ISA=isa))[0]
    assert "" not in alone
    for together in json.loads(run(python, CALLS, THREADS, VRDASK_ISA=isa)):
        assert together == alone


@pytest.mark.skipif(not FREE, reason="this Python has a lock")
def test_the_kernels_need_no_lock(python):
    kernels = ("contract", "gather", "prefilter", "reduce", "sample", "uint8_filter")
    run(python, NEEDS_NO_LOCK, "cpu_baseline", *(f"{kernel}_{isa}" for isa in builds.supported() for kernel in kernels))
