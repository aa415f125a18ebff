"""Time the antialiased filters on a picture: the nine operations of the Pillow-SIMD benchmark.

python benchmarks/bench_filters.py --json filters.json --png filters.png
python benchmarks/bench_filters.py --simd ~/simd/bin/python --peers ~/peers/bin/python

2560x1600 RGB uint8 -> 320x200, 2048x1280, 5478x3424 with bilinear, bicubic and lanczos. Pillow-SIMD replaces Pillow, so
it has an environment of its own, which `--simd` names:

    apt-get install -y libjpeg-dev zlib1g-dev
    python -m venv simd && CC="cc -mavx2" simd/bin/pip install numpy pillow-simd==9.5.0.post2

`--peers` names another with numpy, cykooz.resizer, opencv-python-headless and pyvips[binary]; it is this one by
default. What is not installed is left out. Each library takes one turn per round, in this process or in one that waits
for its turn; medians over rounds.

Pillow, Pillow-SIMD: one thread, whatever is asked. torch: `interpolate(antialias=True)`, channels last. OpenCV's
filters do not antialias: they weigh 2, 4 or 8 samples per axis for any ratio, another job where pictures shrink.
pyvips antialiases by kernels of its own. fast_image_resize (cykooz.resizer) has
Pillow's filters and resizes into an image that is there; bicubic differs by up to 17 levels at edges of full contrast.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import numpy as np
from bench_kernels import machine, tell
from filters_libraries import Array, Library, Operation, does, libraries
from isa import ISAS, start_with
from rich.console import Console
from rich.table import Table
from turns import PAUSE, pause

HEIGHT, WIDTH = 1600, 2560
SIZES = ((320, 200), (2048, 1280), (5478, 3424))
FILTERS = ("bilinear", "bicubic", "lanczos")
SAME_JOB = {"pillow": 1, "pillow-simd": 2, "torch": 2}
"""Who must agree with us, to how many grey levels: torch and Pillow-SIMD have weights of 16 bits."""


@dataclass(frozen=True)
class Result:
    """Median milliseconds of a call, by library, and how our samples differ from those of who does the same job."""

    operation: Operation
    ms: dict[str, float]
    fastest: dict[str, float]
    differences: dict[str, dict[str, float]] = field(default_factory=dict)

    def speedup(self, peer: str) -> float | None:
        return self.ms[peer] / self.ms["vrdask"] if peer in self.ms else None


def picture() -> Array:
    """Smooth shapes, edges of full contrast and noise, by thirds."""
    rng = np.random.default_rng(9)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    smooth = np.stack([np.sin(x / 37 + k) * np.cos(y / 53 - k) for k in range(3)], -1) * 120 + 128
    smooth[:, WIDTH // 3 : 2 * WIDTH // 3] = 255.0 * ((x // 9 + y // 7) % 2)[:, WIDTH // 3 : 2 * WIDTH // 3, None]
    smooth[:, 2 * WIDTH // 3 :] = rng.integers(0, 256, smooth[:, 2 * WIDTH // 3 :].shape)
    return smooth.astype(np.uint8)


def difference(a: Array, b: Array) -> dict[str, float]:
    apart = np.abs(a.astype(np.int16) - b)
    return {"largest": int(apart.max()), "share": float((apart > 0).mean())}


def measure(operation: Operation, found: dict[str, Library], repeats: int, folder: Path) -> Result:
    """Medians over rounds in which everyone takes one turn."""
    mine = {name: library for name, library in found.items() if does(name, operation)}
    times: dict[str, list[float]] = {name: [] for name in mine}
    pictures = {}
    for name, library in mine.items():
        library(operation, folder / "result.npy")
        pictures[name] = np.load(folder / "result.npy")
    differences = {name: difference(pictures["vrdask"], pictures[name]) for name in SAME_JOB if name in pictures}
    for name, apart in differences.items():
        if apart["largest"] > SAME_JOB[name]:
            raise SystemExit(f"{operation.name}: {name} does another job: {apart}")
    for _ in range(repeats):
        for name, library in mine.items():
            pause()
            times[name].append(library(operation))
    return Result(
        operation, {name: median(values) for name, values in times.items()},
        {name: min(values) for name, values in times.items()}, differences,
    )  # fmt: skip


def results_table(results: Sequence[Result], names: Sequence[str]) -> Table:
    pixels = HEIGHT * WIDTH / 1e6
    table = Table(title="median ms per call (times vrdask)")
    table.add_column("2560x1600 RGB uint8 ->", no_wrap=True)
    for name in ("threads", *names, "Mpx/s of source"):
        table.add_column(name, justify="right")
    for r in results:
        cells = []
        for name in names:
            ratio = r.speedup(name)
            extra = "" if name == "vrdask" or ratio is None else f" ({ratio:.1f}x)"
            cells.append("" if ratio is None else f"{r.ms[name]:.3g}{extra}")
        speed = 1e3 * pixels / r.ms["vrdask"]
        table.add_row(r.operation.name, str(r.operation.threads), *cells, f"{speed:.0f}")
    return table


def targets(results: Sequence[Result]) -> list[dict[str, Any]]:
    """What the figures must reach: least and geometric mean of speed-ups."""
    simd = {r.operation.name: r.ms["pillow-simd"] for r in results if "pillow-simd" in r.ms}
    asked = (
        ("pillow-simd", 1, 1.3, 1.0),
        ("pillow-simd", 2, 2.3, None),
        ("fast_image_resize", 1, None, 1.05),
        ("torch", 1, None, 1.0),
        ("torch", 2, None, 1.0),
    )
    rows = []
    for what, threads, mean, each in asked:
        ratios = {}
        for r in results:
            peer = simd.get(r.operation.name) if what == "pillow-simd" else r.ms.get(what)
            if r.operation.threads == threads and peer is not None:
                ratios[r.operation.name] = peer / r.ms["vrdask"]
        if ratios:
            middle, least = geometric_mean(ratios.values()), min(ratios, key=ratios.__getitem__)
            met = (mean is None or middle >= mean) and (each is None or ratios[least] >= each)
            rows.append(
                {"over": what + (" at one thread" if what == "pillow-simd" else ""), "threads": threads,
                 "cases": len(ratios), "mean": middle, "least": ratios[least], "least case": least,
                 "asked": f"mean {mean or '-'}, each {each or '-'}", "met": met}
            )  # fmt: skip
    return rows


def targets_table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(title="targets")
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))
    return table


COLORS = {
    "pillow-simd": "#2a6f97", "fast_image_resize": "#6d597a", "torch": "#e07a5f", "pillow": "#8a8d91",
    "pyvips": "#81b29a", "opencv": "#d9b44a",
}  # fmt: skip


def chart(results: Sequence[Result], path: Path, about: dict[str, Any]) -> None:
    """Milliseconds of every library at one thread, logarithmic."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    mine = [r for r in results if r.operation.threads == min(r.operation.threads for r in results)]
    names = ["vrdask", *(name for name in COLORS if any(name in r.ms for r in mine))]
    fig, ax = plt.subplots(figsize=(8.3, 4.2), layout="constrained")
    width = 0.8 / len(names)
    for k, name in enumerate(names):
        at = [i + (k - (len(names) - 1) / 2) * width for i, r in enumerate(mine) if name in r.ms]
        label = f"{name} {about['vrdask'] if name == 'vrdask' else about['libraries'][name]}"
        ax.bar(
            at, [r.ms[name] for r in mine if name in r.ms], width * 0.92, color=COLORS.get(name, "#222222"), label=label
        )
    ax.set_yscale("log")
    ax.set_xticks(range(len(mine)), [r.operation.name.replace(" ", "\n") for r in mine], fontsize=8)
    ax.set_ylabel("ms, 1 thread" if mine[0].operation.threads == 1 else "ms")
    ax.grid(axis="y", color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=7, frameon=False, ncols=2, title="OpenCV does not antialias", title_fontsize=7)
    ax.set_title("2560x1600 RGB uint8 to other sizes", fontsize=10)
    fig.savefig(path, dpi=130)
    plt.close(fig)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts (default: 1 2)")
    parser.add_argument("--repeats", type=int, default=15, help="rounds per operation (default: 15)")
    parser.add_argument("--simd", metavar="PYTHON", help="interpreter with Pillow-SIMD")
    parser.add_argument("--peers", metavar="PYTHON", default=sys.executable, help="interpreter with the other peers")
    parser.add_argument("--isa", choices=ISAS, help="the kernels' instruction set (default: the best one)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--png", type=Path, help="draw the chart here")
    options = parser.parse_args(arguments)
    start_with(options.isa)
    x = picture()
    results: list[Result] = []
    about: dict[str, Any] = machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "picture.npy", x)
        for threads in options.threads:
            found = libraries(x, folder / "picture.npy", options.simd, options.peers, threads)
            about["libraries"] = {name: library.version for name, library in found.items()}
            for (width, height), kind in product(SIZES, FILTERS):
                results.append(measure(Operation(width, height, kind, threads), found, options.repeats, folder))
            for library in found.values():
                library.close()
    console = Console() if sys.stdout.isatty() else Console(width=160)
    tell(about)
    names = ["vrdask", *(name for name in COLORS if any(name in r.ms for r in results))]
    console.print(results_table(results, names))
    reached = targets(results)
    console.print(targets_table(reached))
    if options.json:
        document = {
            "about": about, "options": {"repeats": options.repeats, "pause": PAUSE},
            "results": [asdict(result) for result in results], "targets": reached,
        }  # fmt: skip
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if options.png:
        chart(results, options.png, about)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
