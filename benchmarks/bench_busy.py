"""Two threads beside one on a machine that is busy: what waiting for a thread that gets no core would cost.

python benchmarks/bench_busy.py --json busy.json
python benchmarks/bench_busy.py --busy 0

`--busy` processes per core do nothing but count. Calls with one thread and with all cores' come in pairs, in an order
left to chance, so that neither keeps step with the scheduler; the figure is the ratio of their medians, and of their
slowest tenths, which is what a training loop meets. Above 1, more threads cost time. With `--busy 0` it says what
threads bring on an idle machine.

A call of a millisecond or two either ends before its core is taken away or takes ten times as long. Where about half of
them do, a median says little: `by chance` is the ratio of those of every other call with one thread to the rest.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from statistics import median, quantiles
from typing import Any

import numpy as np
from bench_kernels import machine, tell

import vrdask
from vrdask.cores import usable_cores

SIZES = (32, 64, 128, 256)
MODES = ("nearest", "linear", "area", "cubic")
SPIN = "while True: pass"


@contextmanager
def busy(count: int) -> Any:
    """So many processes that want a core."""
    processes = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        time.sleep(0.5 if count else 0)
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def measure(mode: str, size: int, threads: int, seconds: float) -> dict[str, Any]:
    """Milliseconds of a call with one thread and with `threads`: medians, and of the slowest tenth."""
    x = np.random.default_rng(0).random((size,) * 3, np.float32)
    shape = (round(size * 0.8),) * 3
    times: dict[int, list[float]] = {1: [], threads: []}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times[1]) < 15:
        for count in random.sample(list(times), len(times)):
            begun = time.perf_counter()
            vrdask.resample(x, shape, mode, num_threads=count)
            times[count].append(1e3 * (time.perf_counter() - begun))
    one, many = times[1][1:], times[threads][1:]
    return {
        "mode": mode, "size": size, "threads": threads, "calls": len(one),
        "one_ms": median(one), "one_slow_ms": quantiles(one, n=10)[-1],
        "many_ms": median(many), "many_slow_ms": quantiles(many, n=10)[-1],
        "by_chance": median(one[::2]) / median(one[1::2]),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=2, help="busy processes per core")
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--seconds", type=float, default=3.0, help="of calls, for each row")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--modes", nargs="+", default=MODES)
    parser.add_argument("--json")
    options = parser.parse_args()
    about = machine() | {"busy": options.busy * usable_cores()}
    results = []
    tell(about)
    print(
        f"{about['busy']} busy processes on {about['cores']} cores; float32 volumes to 0.8 along each axis\n",
        flush=True,
    )
    print("mode     size^3 |  1 thread, ms | many threads | ratio | slowest tenths | ratio | by chance")
    with busy(about["busy"]):
        for mode in options.modes:
            for size in options.sizes:
                row = measure(mode, size, options.threads, options.seconds)
                results.append(row)
                print(
                    f"{mode:8} {size:6} | {row['one_ms']:13.3f} | {row['many_ms']:12.3f} |"
                    f" {row['many_ms'] / row['one_ms']:5.2f} | {row['one_slow_ms']:6.2f} {row['many_slow_ms']:7.2f} |"
                    f" {row['many_slow_ms'] / row['one_slow_ms']:5.2f} | {row['by_chance']:9.2f}"
                )
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"machine": about, "results": results}, file, indent=1)


if __name__ == "__main__":
    main()
