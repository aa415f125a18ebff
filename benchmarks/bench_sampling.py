"""Time `grid_sample` and `affine_transform` in memory against their peers, in one process, turn by turn.

python benchmarks/bench_sampling.py --threads 1 2 --json sampling.json --png sampling.png --readme README.md
python benchmarks/bench_sampling.py --only "affine" --repeats 5
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from bench_kernels import chart, machine, ms_text, tell
from isa import ISAS, start_with
from sampling_peers import PEERS, ROWS, SAME_JOB, VERSIONS, Row, data
from targets import summary
from turns import SETTLED, pause, seconds_of, usual_seconds, warm_up

MARKS = "<!-- bench_sampling.py -->", "<!-- end of bench_sampling.py -->"
"""In a README, around the table."""


@dataclass(frozen=True)
class Timing:
    """Median and least milliseconds of each library for one row; as `targets.Result` for what draws charts."""

    problem: Row
    threads: int
    ms: dict[str, float]
    fastest: dict[str, float]
    calls: dict[str, int]

    def speedup(self, peer: str) -> float | None:
        return self.ms[peer] / self.ms["vrdask"] if peer in self.ms else None


TARGETS = (
    ("volresample", "volresample", 2.0, (1, 2)),
    ("volresample", "torch", 4.0, (1, 2)),
    ("field", "volresample", None, (1, 2)),
    ("field", "torch", None, (1, 2)),
    ("affine 256^3 float32 linear", "scipy", 10.0, (1,)),
    ("affine", "scipy", None, (1,)),
    ("affine", "SimpleITK", 1.0, (1, 2)),
    ("affine", "torch", 1.0, (1, 2)),
    ("affine", "dask-image", 1.0, (1, 2)),
)
"""Group or row, peer, least speed-up of each row (None: only told), thread counts."""


def measure(row: Row, threads: int, repeats: int, limit: float) -> Timing:
    """Rounds in which each library takes one turn; one too slow for that takes a single turn."""
    x = data(row)
    calls = {name: call for name, make in PEERS.items() if (call := make(row, x, threads)) is not None}
    first, ours = {}, None
    for name, call in calls.items():
        begun = time.perf_counter()
        result = call()
        first[name] = usual_seconds(time.perf_counter() - begun, call)
        ours = result if ours is None else ours
        wrong = float(np.mean(np.abs(result.astype("f4") - ours.astype("f4")) > (1e-3 if x.dtype.kind == "f" else 1)))
        if wrong > 0.02 and name in SAME_JOB:
            raise SystemExit(f"{row.name}: {name} does another job: {wrong:.1%} of samples differ")
    del result, ours
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + limit
    for number in range(repeats):
        for name, call in calls.items():
            if number and first[name] > limit / 4:
                continue
            pause()
            if first[name] < SETTLED:
                warm_up(call)
            times[name].append(1e3 * seconds_of(call))
        if time.perf_counter() > end:
            break
    return Timing(
        row, threads,
        {name: median(values) for name, values in times.items()},
        {name: min(values) for name, values in times.items()},
        {name: len(values) for name, values in times.items()},
    )  # fmt: skip


def judged(results: Sequence[Timing]) -> list[dict[str, Any]]:
    """What TARGETS say of the results."""
    found = []
    for what, peer, least, counts in TARGETS:
        for threads in counts:
            values = {
                r.problem.name: speedup
                for r in results
                if r.threads == threads
                and what in (r.problem.group, r.problem.name)
                and (speedup := r.speedup(peer)) is not None
            }
            line = summary(f"{what}, over {peer}", str(threads), values, None, least)
            if line is not None:
                found.append(asdict(line))
    return found


def table(results: Sequence[Timing], about: dict[str, Any]) -> str:
    """Markdown: milliseconds of ours, and how many times as long each peer takes."""
    peers = [name for name in PEERS if name != "vrdask" and any(name in r.ms for r in results)]
    heads = ["", "threads", "vrdask", *(f"{name} {about[name]}" for name in peers)]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    for r in results:
        ratios = ["" if (ratio := r.speedup(name)) is None else f"{ratio:.1f}x" for name in peers]
        lines.append(
            "| " + " | ".join([r.problem.name, str(r.threads), ms_text(r.ms["vrdask"]) + " ms", *ratios]) + " |"
        )
    return "\n".join(lines)


def put_into(readme: Path, text: str) -> None:
    """The text between the marks of a README, in place of what is there."""
    before, rest = readme.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    readme.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts (default: 1 2)")
    parser.add_argument("--repeats", type=int, default=15, help="rounds per row (default: 15)")
    parser.add_argument("--seconds", type=float, default=30.0, help="limit per row and thread count (default: 30)")
    parser.add_argument("--only", metavar="PATTERN", default="", help="rows whose name has this regular expression")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--add", action="store_true", help="keep what the JSON file has of other rows")
    parser.add_argument("--png", type=Path, help="draw the chart here")
    parser.add_argument("--readme", type=Path, help="put the table between the marks in this file")
    parser.add_argument("--isa", choices=ISAS, help="the kernels' instruction set (default: the best one)")
    options = parser.parse_args(arguments)
    start_with(options.isa)
    about = machine() | VERSIONS
    tell(about)
    results = []
    for row in ROWS:
        if not re.search(options.only, row.name):
            continue
        for threads in options.threads:
            found = measure(row, threads, options.repeats, options.seconds)
            cells = [f"{name} {ms_text(ms)} ms ({found.speedup(name):.1f}x)" for name, ms in found.ms.items()]
            print(f"{row.name}, threads {threads}: {', '.join(cells)}", flush=True)
            results.append(found)
    if options.add and options.json.exists():
        results = together(results, json.loads(options.json.read_text())["results"])
    for line in judged(results):
        met = {None: "", True: "met", False: "NOT MET"}[line["met"]]
        print(f"{line['what']}, threads {line['threads']}: mean {line['mean']:.1f}, least {line['worst']:.1f} "
              f"({line['worst_case']}), target {line['target']} {met}")  # fmt: skip
    if options.json:
        document = {"about": about, "results": [asdict(r) for r in results], "targets": judged(results)}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if options.png:
        chart(results, options.png, about)
    if options.readme:
        put_into(options.readme, table(results, about))
    return 0


def together(new: Sequence[Timing], kept: Sequence[dict[str, Any]]) -> list[Timing]:
    """New figures and those of other rows, in the order of ROWS."""
    rows = {row.name: row for row in ROWS}
    found = {
        (one["problem"]["name"], one["threads"]): Timing(**{**one, "problem": rows[one["problem"]["name"]]})
        for one in kept
        if one["problem"]["name"] in rows
    }
    found |= {(one.problem.name, one.threads): one for one in new}
    order = list(rows)
    return [found[key] for key in sorted(found, key=lambda key: (order.index(key[0]), key[1]))]


if __name__ == "__main__":
    raise SystemExit(main())
