"""Start-up: what small commands take beside the interpreter, numpy and zarr alone.

python benchmarks/bench_startup.py
python benchmarks/bench_startup.py --repeats 2

Every process is new, takes one turn per round, and has its modules compiled already. Printed are the least seconds by
the clock, and the least of processor time (user and system), which hardly depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
import zarr


def seconds_of(command: Sequence[str]) -> tuple[float, float]:
    """By the clock, and of processors, for a process that must succeed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    taken = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return taken, used.ru_utime + used.ru_stime


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10, help="rounds (default: 10)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for zarr_format in (2, 3):
            zarr.create_array(folder / f"zarr{zarr_format}.zarr", shape=(64, 64, 64), chunks=(32, 32, 32), dtype="u2",
                              zarr_format=zarr_format)  # fmt: skip
        tifffile.imwrite(folder / "a.tif", np.zeros((64, 64), "u2"), tile=(32, 32), compression="zlib")
        vrdask = [sys.executable, "-m", "vrdask"]
        commands = {
            "python": [sys.executable, "-c", "pass"],
            "import numpy": [sys.executable, "-c", "import numpy"],
            "import zarr": [sys.executable, "-c", "import zarr"],
            "vrdask --help": [*vrdask, "--help"],
        }
        for one in ("zarr3.zarr", "zarr2.zarr", "a.tif"):
            commands[f"vrdask info {one}"] = [*vrdask, "info", str(folder / one)]
        for one in ("out.png", "out.zarr"):
            ends = [str(folder / "a.tif"), str(folder / one)]
            commands[f"vrdask resample a.tif {one}"] = [
                *vrdask, "resample", "--factor", "0.5", "--quiet", "--overwrite", *ends
            ]  # fmt: skip
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for turn in range(options.repeats + 1):
            for name, command in commands.items():
                found = seconds_of(command)
                if turn:  # the first compiles
                    times[name].append(found)
    for name, values in times.items():
        clock, processors = (min(column) for column in zip(*values, strict=True))
        print(f"{name:<32} {clock:6.3f} s  {processors:6.3f} s of processors")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
