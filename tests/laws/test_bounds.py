"""Planning is bounded: whatever sizes are asked for, a plan is made or refused in seconds and little memory."""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pytest
import zarr

import vrdask

LARGEST = 2**31
CODE = """
import json, os
from peaks import peak_bytes
from vrdask.cli import main
try:
    main(standalone_mode=False, args=json.loads(os.environ["ARGUMENTS"]))
except Exception as error:
    print(f"{type(error).__name__}: {error}")
print(peak_bytes())
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="peaks are read with the module resource")


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        ((1000,), ["--shape", str(LARGEST)], "chunks must be at most"),
        ((1000,), ["--shape", str(LARGEST), "--mode", "cubic", "--chunks", str(2**16)], "tasks"),
        ((1000,), ["--shape", str(LARGEST - 1), "--mode", "lanczos", "--chunks", str(2**16)], "tasks"),
        ((1000,), ["--shape", "1000000000", "--chunks", "1", "--shards", "256"], "chunks must be at most"),
        ((64, 64), ["--shape", f"{LARGEST},{LARGEST}"], "chunks must be at most"),
        ((64, 64), ["--shape", f"{LARGEST},{LARGEST}", "--chunks", "65536,65536"], "tasks"),
        ((64, 64), ["--factor", "0.5", "--chunks", "1,1", "--shards", "256,256"], "tasks"),
        ((LARGEST, LARGEST), ["--factor", "0.5", "--mode", "area", "--chunks", "32768,32768"], "tasks"),
        ((2**24,) * 3, ["--factor", "0.5", "--mode", "cubic"], "tasks"),
        ((2**24,) * 2, ["--factor", "0.7", "--mode", "lanczos"], "tasks"),
        ((64,) * 3, ["--shape", "262144,262144,262144", "--chunks", "1", "--mode", "cubic"], "tasks"),
        ((64,) * 3, ["--shape", "262144,262144,262144", "--chunks", "1", "--shards", "256"], "tasks"),
        ((LARGEST,), ["--factor", "0.3333333", "--exact", "--chunks", "65536"], "tasks"),
        ((LARGEST,), ["--factor", "0.3333333", "--exact", "--mode", "lanczos", "--chunks", "65536"], "tasks"),
        ((LARGEST,), ["--factor", "0.33333333333333331", "--exact", "--mode", "cubic", "--chunks", "65536"], "tasks"),
        ((LARGEST,), ["--factor", "0.33333333333333331", "--exact", "--mode", "area", "--chunks", "65536"], "tasks"),
        ((1000,), ["--factor", "12345.678901234567", "--exact", "--mode", "linear", "--chunks", "65536"], "tasks"),
        ((1000,), ["--factor", "1e-300", "--exact", "--mode", "area", "--chunks", "65536"], "tasks"),
    ],
)
def test_a_plan_is_made_or_refused_in_seconds(tmp_path, python, shape, options, said):
    chunks = tuple(max(100, n // 2**15) for n in shape)
    zarr.create_array(tmp_path / "in.zarr", shape=shape, dtype="uint8", chunks=chunks)
    command = ["resample", str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), *options, "--dry-run"]
    begun = time.monotonic()
    told = python(CODE, ARGUMENTS=json.dumps(command))
    assert said in told
    assert int(told.split()[-1]) < 500e6
    assert time.monotonic() - begun < 60  # a fraction of it where nothing else runs
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("chunks", [{"in_chunks": 1}, {"out_chunks": 1}])
def test_too_many_chunks_along_an_axis_are_refused(chunks):
    with pytest.raises(ValueError, match=r"chunks must be at most 262144 along an axis; got \d+, of 1 samples"):
        vrdask.plan_resample((10**9, 7), (10**9 - 1, 7), "cubic", **chunks)


def test_any_number_of_tasks_is_a_plan():
    plan = vrdask.plan_resample((10**9,) * 3, (5 * 10**8,) * 3, "area", in_chunks=10**5, out_chunks=10**5)
    assert len(plan) == 5000**3
    assert plan.read_amplification == 1
    assert plan.bytes_read == 4 * 10**27
    assert "read amplification" in str(plan)
    last = plan[len(plan) - 1]
    assert last.writes == ((5 * 10**8 - 10**5, 5 * 10**8),) * 3
    assert np.prod([stop - start for start, stop in last.reads], dtype=float) == 8e15


ENDS = """
import json, os, vrdask
from peaks import peak_bytes
for n_in, n_out, mode, chunk in json.loads(os.environ["JOBS"]):
    plan = vrdask.plan_resample((n_in,), (n_out,), mode, out_chunks=chunk)
    print(n_in, n_out, mode, plan[0].reads[0], plan[len(plan) - 1].reads[0])
print(peak_bytes())
"""


def test_rows_of_any_length_are_planned_without_their_weights(python):
    tasks = [
        (10**9, 7, "area", None), (10**9, 7, "lanczos", 3), (10**9, 7, "mks2021", 1), (2**60, 1, "area", None),
        (2**60, 1, "cubic", None), (2**60, 1, "lanczos", None), (2**40, 2**20, "lanczos", None),
        (2**40, 2**20, "lanczos", 4), (2**40 + 1, 2**20 + 7, "bicubic", 5), (10**9, 9 * 10**8 + 1, "bicubic", 4000),
    ]  # fmt: skip
    begun = time.monotonic()
    *lines, peak = python(ENDS, JOBS=json.dumps(tasks)).splitlines()
    assert int(peak) < 500e6
    assert time.monotonic() - begun < 30  # about a second where nothing else runs
    assert lines[0].endswith(f"(0, {10**9}) (0, {10**9})")
    assert lines[3].endswith(f"(0, {2**60}) (0, {2**60})")
    assert lines[4].endswith(f"({2**59 - 15}, {2**59 + 15}) ({2**59 - 15}, {2**59 + 15})")
    assert lines[6].endswith(f"(0, {2**40}) (0, {2**40})")


def test_sizes_whose_product_is_no_integer_of_64_bits_are_refused():
    with pytest.raises(ValueError, match=r"input size times output size of axis 0 must be below 2\^62"):
        vrdask.plan_resample((2**62,), (2**61,), "linear")


@pytest.mark.parametrize(("whose", "shape", "chunks"), [("target", 2**31, 100), ("source", 1000, 100)])
def test_too_many_chunks_are_said_to_be_whose_they_are(tmp_path, whose, shape, chunks):
    size = 1000 if whose == "target" else 2**31
    source = zarr.create_array(tmp_path / "in.zarr", shape=size, dtype="uint8", chunks=chunks)
    with pytest.raises(ValueError, match=f"the {whose}'s chunks must be at most 262144 along an axis"):
        vrdask.resample_zarr(source, tmp_path / "out.zarr", shape)
