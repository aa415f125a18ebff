"""Instructions that the kernels execute for a few named cases: figures that repeat, so that a slower kernel is noticed.

    python benchmarks/instructions.py             compare with instructions.json; status 1 where a count grew by > 5 %
    python benchmarks/instructions.py --record    write instructions.json

valgrind's callgrind counts inside the kernels' entry points only, on one thread. It knows no AVX-512, so the builds
for AVX2 and baseline are counted. Counts belong to a compiler: record again when it changes, before the kernels do.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from problems import Problem, cube, problem

RECORD = Path(__file__).with_name("instructions.json")
GROWTH = 0.05
END_OF_CASE = "getpriority"
"""A C function that nothing else calls: entering it writes the counts so far to a file and starts again from zero."""
KERNELS = {
    "contract": "_*Contraction*__call__",
    "prefilter": "_*prefilter",
    "gather": "_*Gather*__call__",
    "uint8_filter": "_*Filter*__call__",
}
"""Each kernel's module, and the end of its entry point's C name; counting is on from entering until returning."""


def entry_point(kernel: str, isa: str) -> str:
    """The C name, spelled out as far as it goes: of patterns alike up to their first ``*`` valgrind finds only one."""
    module = f"{kernel}_{isa}"
    return f"__pyx_pw_6vrdask_7compute_8_kernels_{len(module)}{module}{KERNELS[kernel]}"


SMALL, HALF, LARGE = cube(64), cube(32), cube(90)
CASES = (
    problem("count", "nearest", "uint8", SMALL, HALF),
    problem("count", "nearest", "float32", SMALL, LARGE),
    problem("count", "linear", "float32", SMALL, HALF),
    problem("count", "linear", "float32", SMALL, LARGE),
    problem("count", "linear", "uint16", SMALL, (40, 40, 40)),
    problem("count", "linear", "float64", SMALL, HALF),
    problem("count", "linear", "float32", (512, 512), (313, 313)),
    problem("count", "area", "uint8", SMALL, HALF),
    problem("count", "area", "float32", SMALL, (27, 27, 27)),
    problem("count", "cubic", "float32", SMALL, HALF),
    problem("count", "cubic", "float32", SMALL, LARGE),
    problem("count", "cubic", "int16", SMALL, (48, 80, 48)),
    problem("count", "lanczos", "uint8", (512, 512), (313, 313)),
    problem("count", "bicubic", "uint8", (256, 256), (700, 700)),
)


def run_cases(cases: Sequence[Problem]) -> None:
    """What callgrind watches: every case once, each followed by its mark."""
    import vrdask

    for p in cases:
        vrdask.resample(p.data(), p.out_shape, p.mode, p.align_corners, num_threads=1)
        os.getpriority(os.PRIO_PROCESS, 0)


def count(isa: str) -> dict[str, int]:
    """Instructions of each case with one instruction set's kernels."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/counts", f"--dump-before={END_OF_CASE}",
            *(f"--toggle-collect={entry_point(kernel, isa)}" for kernel in KERNELS), sys.executable, __file__, "--run",
        ]  # fmt: skip
        environment = {**os.environ, "VRDASK_ISA": isa, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"valgrind failed with status {done.returncode}:\n{done.stderr[-2000:]}")
        counts = {}
        for number, p in enumerate(CASES, 1):
            found = re.search(r"^totals: (\d+)", Path(folder, f"counts.{number}").read_text(), re.MULTILINE)
            counts[p.name] = int(found[1]) if found else 0
            if not counts[p.name]:
                raise SystemExit(f"{p.name}: no instruction counted; do {KERNELS} still end the kernels' names?")
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write instructions.json instead of comparing")
    parser.add_argument("--isa", nargs="+", default=["avx2", "baseline"], choices=["avx2", "baseline"])
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run:
        run_cases(CASES)
        return 0
    counts = {isa: count(isa) for isa in options.isa}
    if options.record:
        about = {"machine": platform.machine(), "numpy": np.__version__, "python": platform.python_version()}
        RECORD.write_text(json.dumps({"about": about, "instructions": counts}, indent=1) + "\n")
    recorded = json.loads(RECORD.read_text())["instructions"]
    grew = 0
    for isa, cases in counts.items():
        print(f"{isa:<48}{'instructions':>14}{'per output':>12}{'recorded':>14}{'change':>9}")
        for p in CASES:
            now, before = cases[p.name], recorded.get(isa, {}).get(p.name)
            change = f"{now / before - 1:+.1%}" if before else "new"
            worse = before is not None and now > (1 + GROWTH) * before
            grew += worse
            print(
                f"  {p.name:<46}{now:>14,}{now / np.prod(p.result_shape):>12.2f}{before or 0:>14,}{change:>9}"
                f"{'  GREW' if worse else ''}"
            )
    if grew:
        print(f"{grew} counts grew by more than {GROWTH:.0%}")
    return int(grew > 0)


if __name__ == "__main__":
    raise SystemExit(main())
