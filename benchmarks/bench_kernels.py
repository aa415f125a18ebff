"""Time `resample` in memory against its peers and against the speed of memory, all in one process, interleaved.

python benchmarks/bench_kernels.py --threads 1 2 --json kernels.json --png kernels.png
python benchmarks/bench_kernels.py --only "cubic.*128" --repeats 5
python benchmarks/bench_kernels.py --isa avx2 --only "pictures|means" --threads 1
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from floor import streaming
from isa import ISAS, start_with
from more_peers import NOT_THE_SAME, ROUNDED, as_array
from peers import PEERS, VERSIONS, Call, disagreement
from problems import Array, Problem, select, smaller
from rich.console import Console
from rich.table import Table
from targets import Result, Row, by_peer, rows
from turns import PAUSE, SETTLED, pause, seconds_of, usual_seconds, warm_up

from vrdask.compute import builds

SCIPY_CALLS = 2
COLORS = {
    "volresample": "#2a6f97", "torch": "#e07a5f", "scipy": "#8a8d91", "SimpleITK": "#588157", "dask-image": "#9d6b9e",
    "OpenCV": "#c1121f", "tinybrain": "#b08968", "tensorstore": "#457b9d", "fast_image_resize": "#6d597a",
    "libvips": "#eebd5d",
}  # fmt: skip
ONE_THREAD = ("scipy", "tinybrain", "libvips")


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.platform(),
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "instruction_set": builds.choose(),
        "python": platform.python_version(),
        **VERSIONS,
    }


def tell(about: dict[str, Any]) -> None:
    """Print what the figures depend on."""
    for name, value in about.items():
        print(f"{name:<16} {value}")


def prepare(p: Problem, x: Array, threads: int, peers: Sequence[str]) -> tuple[dict[str, Call], dict[str, float], dict]:
    """The calls to time, about how long each takes, and how each agrees with ours."""
    calls = {name: call for name in peers if (call := PEERS[name](p, x, threads)) is not None}
    first: dict[str, float] = {}
    agrees: dict[str, str | None] = {}
    ours: Array | None = None
    for name, call in calls.items():
        start = time.perf_counter()
        result = call()
        first[name] = usual_seconds(time.perf_counter() - start, call)
        ours = result if ours is None else ours
        agrees[name] = disagreement(ours, as_array(name, p, result))
        if agrees[name] and (name, p.mode) not in NOT_THE_SAME:
            raise SystemExit(f"{p.name}: {name} does another job: {agrees[name]}")
    return calls, first, agrees


def measure(p: Problem, x: Array, threads: int, peers: Sequence[str], repeats: int, limit: float) -> Result:
    """Medians over rounds in which everyone takes one turn, for `repeats` rounds or `limit` seconds."""
    calls, first, agrees = prepare(p, x, threads, peers)
    rounds = {name: SCIPY_CALLS if name == "scipy" else repeats for name in calls}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for name, seconds in first.items():
        if seconds > limit / 2:  # once is what there is time for
            times[name], rounds[name] = [seconds], 0
    with ThreadPoolExecutor(max(threads - 1, 1)) as pool:
        turns: dict[str, Callable[[], object]] = dict(calls)
        for name, new_pages in (("floor", False), ("floor_new_pages", True)):
            turns[name] = streaming(p, x, pool, threads, new_pages)
            first[name], rounds[name], times[name] = seconds_of(turns[name]), repeats, []
        end = time.perf_counter() + limit
        for number in range(repeats):
            for name, call in turns.items():
                if number >= rounds[name]:
                    continue
                pause()
                if first[name] < SETTLED:
                    warm_up(call)
                times[name].append(seconds_of(call))
            if time.perf_counter() > end:
                break
    ms = {name: 1e3 * median(values) for name, values in times.items()}
    floor, new_pages_floor = ms.pop("floor"), ms.pop("floor_new_pages")
    fastest = {name: 1e3 * min(values) for name, values in times.items()}
    counts = {name: len(values) for name, values in times.items()}
    return Result(p, threads, ms, floor, new_pages_floor, fastest, counts, agrees)


def ms_text(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def results_table(results: Sequence[Result], peers: Sequence[str]) -> Table:
    table = Table(title="median ms per call (times vrdask)")
    table.add_column("problem", no_wrap=True)
    for name in ("threads", *peers, "floor", "vrdask / floor"):
        table.add_column(name, justify="right")
    for r in results:
        cells = []
        for name in peers:
            ratio = r.speedup(name)
            extra = "" if name == "vrdask" or ratio is None else f" ({ratio:.1f}x)"
            wrong = "*" if r.agrees.get(name) else ""
            cells.append("" if ratio is None else ms_text(r.ms[name]) + extra + wrong)
        table.add_row(r.problem.name, str(r.threads), *cells, ms_text(r.floor), f"{r.over_floor:.2f}")
    return table


def peers_table(found: Sequence[Row]) -> Table:
    table = Table(title="times vrdask, by peer")
    for name, justify in (("peer", "left"), ("threads", "right"), ("cases", "right"), ("geometric mean", "right"),
                          ("worst", "right"), ("worst case", "left")):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in found:
        table.add_row(row.what, row.threads, str(row.cases), f"{row.mean:.2f}", f"{row.worst:.2f}", row.worst_case)
    return table


def targets_table(found: Sequence[Row]) -> Table:
    table = Table(title="targets")
    for name, justify in (("cases", "left"), ("threads", "right"), ("number", "right"), ("geometric mean", "right"),
                          ("worst", "right"), ("worst case", "left"), ("target", "left"), ("", "left")):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in found:
        met = {None: "", True: "[green]met[/]", False: "[red]not met[/]"}[row.met]
        table.add_row(row.what, row.threads, str(row.cases), f"{row.mean:.2f}", f"{row.worst:.2f}",
                      row.worst_case, row.target, met)  # fmt: skip
    return table


def chart(results: Sequence[Result], path: Path, about: dict[str, Any]) -> None:
    """Bars of how many times as long each peer takes, at the largest thread count measured (SciPy: one)."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    threads = max(r.threads for r in results)
    bars: dict[str, dict[str, float]] = {}  # peer -> problem -> speed-up
    for r in results:
        for peer in r.ms:
            if peer != "vrdask" and r.threads == (1 if peer in ONE_THREAD else threads):
                bars.setdefault(peer, {})[r.problem.name] = r.ms[peer] / r.ms["vrdask"]
    names = list(dict.fromkeys(r.problem.name for r in results))
    fig, ax = plt.subplots(figsize=(8.3, 1.1 + 0.36 * len(names)), layout="constrained")
    top = max(value for values in bars.values() for value in values.values())
    low = min(0.9, *(0.9 * value for values in bars.values() for value in values.values()))
    height, position = 0.27, 0.0
    ticks = []
    for name in names:
        mine = [peer for peer in COLORS if name in bars.get(peer, {})]
        ticks.append(position + height * (len(mine) - 1) / 2)
        for peer in mine:
            value = bars[peer][name]
            ax.barh(position, value - 1, height * 0.9, left=1, color=COLORS[peer], linewidth=0)
            text = f"{value:.0f}" if value >= 10 else f"{value:.1f}"
            ax.text(max(value, 1) * 1.03, position, text, va="center", fontsize=7, color="#444444")
            position += height
        position += 0.6 * height
    ax.set_yticks(ticks, names, fontsize=8)
    ax.set_ylim(position, -2 * height)
    ax.set_xscale("log")
    ax.set_xlim(low, top * 1.6)
    marks = [m for m in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if low <= m <= top * 1.6]
    ax.set_xticks(marks, [f"{m:g}x" for m in marks], fontsize=8)
    ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    ax.axvline(1, color="black", linewidth=1)
    ax.grid(axis="x", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(axis="y", length=0)
    ax.spines[["top", "right", "left"]].set_visible(False)
    labels = {}
    for peer in COLORS:
        if peer in bars:
            count = 1 if peer in ONE_THREAD else threads
            labels[peer] = f"{peer} {about[peer]}, {count} thread{'s' if count > 1 else ''}"
    handles = [mpl.patches.Patch(color=COLORS[peer], label=label) for peer, label in labels.items()]
    fig.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    ax.set_title(f"speed-up of vrdask {about['vrdask']} ({about['instruction_set']}) over each library", fontsize=10)
    fig.savefig(path, dpi=130)
    plt.close(fig)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts (default: 1 2)")
    parser.add_argument("--repeats", type=int, default=15, help="rounds per problem (default: 15)")
    parser.add_argument("--seconds", type=float, default=20.0, help="limit per problem and thread count (default: 20)")
    parser.add_argument("--only", metavar="PATTERN", help="problems whose name has this regular expression, or a group")
    parser.add_argument("--peers", nargs="+", choices=[*PEERS], default=[*PEERS], help="default: all")
    parser.add_argument("--json", type=Path, help="write medians and metadata here")
    parser.add_argument("--png", type=Path, help="draw the chart here")
    parser.add_argument("--isa", choices=ISAS, help="the kernels' instruction set (default: the best one)")
    parser.add_argument("--smaller", type=int, default=1, metavar="N", help="divide all sizes, to try the script")
    parser.add_argument("--list", action="store_true", help="list the problems and stop")
    options = parser.parse_args(arguments)
    start_with(options.isa)
    problems = [p if options.smaller == 1 else smaller(p, options.smaller) for p in select(options.only)]
    if not problems:
        parser.error(f"no problem's name matches {options.only!r}")
    if options.list:
        print("\n".join(p.name for p in problems))
        return 0
    peers = ["vrdask", *(name for name in PEERS if name != "vrdask" and name in options.peers)]
    console = Console() if sys.stdout.isatty() else Console(width=240)
    about = machine()
    tell(about)
    if (about["load_before"] or 0) > 0.5:
        console.print("[yellow]other processes are running: these figures will not repeat[/]")
    results = []
    for p in problems:
        x = p.data()
        for threads in options.threads:
            result = measure(p, x, threads, peers, options.repeats, options.seconds)
            results.append(result)
            times = ", ".join(f"{name} {ms_text(value)}" for name, value in result.ms.items())
            print(f"{p.name}, threads {threads}: {times} ms", file=sys.stderr)
            for name, wrong in result.agrees.items():
                if wrong:
                    print(f"  {name}: {wrong}", file=sys.stderr)
        del x
    found, each = rows(results), by_peer(results)
    took_part = [name for name in peers if any(name in r.ms for r in results)]
    console.print(results_table(results, took_part))
    for (name, mode), why in NOT_THE_SAME.items():
        if any(r.agrees.get(name) and r.problem.mode == mode for r in results):
            console.print(f"* {name}, {mode}: {why}")
    for name, why in ROUNDED.items():
        if name in took_part:
            console.print(f"{name}: {why}")
    console.print(targets_table(found))
    console.print(peers_table(each))
    if options.json:
        document = {
            "about": about,
            "options": {"repeats": options.repeats, "seconds": options.seconds, "pause": PAUSE},
            "results": [asdict(result) for result in results],
            "targets": [asdict(row) for row in found],
            "peers": [asdict(row) for row in each],
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if options.png:
        chart(results, options.png, about)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
