"""Instructions that the kernels execute for a few named cases: figures that repeat, so that a slower kernel is noticed.

    python benchmarks/instructions.py             compare with instructions.json; status 1 where a count grew by > 5 %
    python benchmarks/instructions.py --record    write instructions.json
    python benchmarks/instructions.py --isa avx512 --only "linear.*float32"

valgrind's callgrind counts inside the kernels' entry points only, on one thread. It knows no AVX-512: that build
is counted by single steps (`stepping.py`), on a processor that has it; that takes some minutes, and leaves out what the
kernels call (for AVX2 the two ways give about the same where kernels call nothing). Counts belong to a compiler:
record again when it changes, before the kernels do. Arm is not counted.
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
from isa import ISAS
from problems import Problem, cube, problem
from stepping import Steps

from vrdask.compute import builds

RECORD = Path(__file__).with_name("instructions.json")
GROWTH = 0.05
BY_STEPS = ("avx512",)
"""Instruction sets that valgrind does not know."""
END_OF_CASE = "getpriority"
"""A C function that nothing else calls: entering it writes the counts so far to a file and starts again from zero."""
KERNELS = {
    "contract": "_*Contraction*__call__",
    "prefilter": "_*prefilter",
    "gather": "_*Gather*__call__",
    "uint8_filter": "_*Filter*__call__",
    "reduce": "_*reduce",
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
    problem("count", "area", "uint8", (512, 512), (256, 256)),
    problem("count", "area", "uint8", (512, 512), (256, 256), channels=3),
    problem("count", "area", "uint16", (512, 512), (256, 256)),
    problem("count", "linear", "uint8", (512, 512), (256, 256)),
    problem("count", "linear", "uint8", (512, 512), (175, 175)),
    problem("count", "linear", "uint8", (512, 512), (175, 175), channels=3),
    problem("count", "nearest", "uint8", (512, 512), (256, 256), channels=3),
)


def run_cases(cases: Sequence[Problem]) -> None:
    """What callgrind watches: every case once, each followed by its mark."""
    import vrdask

    for p in cases:
        vrdask.resample(p.data(), p.out_shape, p.mode, p.align_corners, axes=p.axes, num_threads=1)
        os.getpriority(os.PRIO_PROCESS, 0)


def step_cases(cases: Sequence[Problem], isa: str) -> None:
    """Count by steps; a line of JSON for every case."""
    import vrdask

    for p in cases:
        x = p.data()
        vrdask.resample(x, p.out_shape, p.mode, p.align_corners, axes=p.axes, num_threads=1)  # loads what it takes
        with Steps(rf"/_kernels/\w+_{isa}\.").counted() as found:
            vrdask.resample(x, p.out_shape, p.mode, p.align_corners, axes=p.axes, num_threads=1)
        print(json.dumps([p.name, *found]), flush=True)


def count_by_steps(isa: str, cases: Sequence[Problem], only: str) -> dict[str, int]:
    """Instructions of each case with one instruction set's kernels, where valgrind does not know it."""
    command = [sys.executable, __file__, "--run-by-steps", "--isa", isa, "--only", only]
    found: dict[str, int] = {}
    with subprocess.Popen(command, env={**os.environ, "VRDASK_ISA": isa}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            name, counted = json.loads(line)
            found[name] = counted
            print(f"{isa}, {name}: {counted:,}", file=sys.stderr)
    if process.returncode:
        raise SystemExit(f"counting by steps failed with status {process.returncode}")
    return found


def count(isa: str, cases: Sequence[Problem], only: str) -> dict[str, int]:
    """Instructions of each case with one instruction set's kernels."""
    if isa in BY_STEPS:
        return count_by_steps(isa, cases, only)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/counts", f"--dump-before={END_OF_CASE}",
            *(f"--toggle-collect={entry_point(kernel, isa)}" for kernel in KERNELS), sys.executable, __file__, "--run",
            "--only", only,
        ]  # fmt: skip
        environment = {**os.environ, "VRDASK_ISA": isa, "PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"valgrind failed with status {done.returncode}:\n{done.stderr[-2000:]}")
        counts = {}
        for number, p in enumerate(cases, 1):
            found = re.search(r"^totals: (\d+)", Path(folder, f"counts.{number}").read_text(), re.MULTILINE)
            counts[p.name] = int(found[1]) if found else 0
            if not counts[p.name]:
                raise SystemExit(f"{p.name}: no instruction counted; do {KERNELS} still end the kernels' names?")
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write instructions.json instead of comparing")
    parser.add_argument("--isa", nargs="+", choices=ISAS, help="default: all that this processor has")
    parser.add_argument("--only", metavar="PATTERN", default="", help="cases whose name has this regular expression")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--run-by-steps", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    chosen = [p for p in CASES if re.search(options.only, p.name)]
    if options.run or options.run_by_steps:
        run_cases(chosen) if options.run else step_cases(chosen, *options.isa)
        return 0
    if not chosen:
        parser.error(f"no case's name matches {options.only!r}")
    counts = {isa: count(isa, chosen, options.only) for isa in options.isa or reversed(builds.supported())}
    recorded = json.loads(RECORD.read_text())["instructions"]
    if options.record:
        about = {"machine": platform.machine(), "numpy": np.__version__, "python": platform.python_version()}
        recorded = {isa: recorded.get(isa, {}) | counts.get(isa, {}) for isa in reversed(ISAS)}
        RECORD.write_text(json.dumps({"about": about, "instructions": recorded}, indent=1) + "\n")
    grew = 0
    for isa, cases in counts.items():
        print(f"{isa:<48}{'instructions':>14}{'per output':>12}{'recorded':>14}{'change':>9}")
        for p in chosen:
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
