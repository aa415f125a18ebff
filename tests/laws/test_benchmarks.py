"""Scripts of benchmarks do what they say on sizes that take no time; what they print there is no figure."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the tests are not in a checkout")


def module(name):
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", FOLDER / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


def test_smaller_problems_are_of_the_same_kind():
    problems = module("problems")
    assert len({one.name for one in problems.PROBLEMS}) == len(problems.PROBLEMS)
    for one in problems.PROBLEMS:
        less = problems.smaller(one, 10)
        kinds = [(p.group, p.mode, p.dtype, p.channels, p.align_corners, p.leading) for p in (one, less)]
        assert kinds[0] == kinds[1]
        assert len(less.result_shape) == len(one.in_shape)
        for (n, m), (fewer, result) in zip(
            zip(one.sizes, one.out_shape, strict=True), zip(less.sizes, less.out_shape, strict=True), strict=True
        ):
            assert fewer < n
            assert n % m or fewer == result * (n // m)  # whole factors stay


@pytest.mark.slow
def test_kernels_beside_every_library_that_is_here(tmp_path):
    for name in ("torch", "volresample"):
        pytest.importorskip(name, reason="vrdask[test] brings it, [test-core] does not")
    command = [
        sys.executable,
        FOLDER / "bench_kernels.py",
        "--only",
        "(area|linear|nearest) uint8.*4000|means",
        "--smaller",
        "40",
    ]
    options = ["--repeats", "1", "--threads", "1", "--isa", "baseline", "--json", tmp_path / "x.json"]
    environment = {name: value for name, value in os.environ.items() if name != "VRDASK_ISA"}
    done = subprocess.run(map(str, [*command, *options]), capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads((tmp_path / "x.json").read_text())
    assert said["about"]["instruction_set"] == "baseline"
    assert {row["what"] for row in said["peers"]} >= {"volresample", "torch"}
    assert all(result["ms"]["vrdask"] > 0 for result in said["results"])
    assert "times vrdask, by peer" in done.stdout
