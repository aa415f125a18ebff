"""Resample a slide of JPEG tiles out of core, beside decoding its tiles and doing nothing with them.

python benchmarks/bench_slide.py --json slide.json
python benchmarks/bench_slide.py --columns 10000 --rows 7500 --repeats 1

A synthetic pyramid of 40,000 x 30,000 RGB pixels in tiles of 512 x 512 (3.4 GiB decoded), to 1/7.3 with lanczos: into
a Zarr array and into a PNG. Decoding alone calls imagecodecs on every tile from as many threads: what any reader must
do. Everyone takes one turn per round; medians over rounds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from bench_kernels import machine, tell

import vrdask

TILE = 512
AT_ONCE = 32
"""Tiles of a turn of a decoding thread."""


def write_slide(path: Path, rows: int, columns: int) -> None:
    """A pyramid of two levels, tile by tile: gradients and texture, which take JPEG decoders as long as tissue does."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:TILE, :TILE]
    patterns = [
        np.stack([(x * k // 4) % 256, (y + 40 * k) % 256, (x + y) // 4 % 256], 2)
        + rng.integers(0, 24, (TILE, TILE, 1))
        for k in range(1, 8)
    ]  # fmt: skip

    def tiles(rows: int, columns: int) -> Iterator[npt.NDArray[np.uint8]]:
        for number in range(-(-rows // TILE) * -(-columns // TILE)):
            yield patterns[number * number % 7].clip(0, 255).astype(np.uint8)

    common: dict[str, Any] = {"dtype": "uint8", "tile": (TILE, TILE), "photometric": "rgb", "compression": "jpeg"}
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        file.write(tiles(rows, columns), shape=(rows, columns, 3), subifds=1, **common)
        file.write(tiles(rows // 4, columns // 4), shape=(rows // 4, columns // 4, 3), subfiletype=1, **common)


def decode(path: Path, threads: int) -> None:
    """Every tile of the full size."""
    with tifffile.TiffFile(path) as file, ThreadPoolExecutor(threads) as pool:
        page = file.pages.first
        tiles = list(zip(page.dataoffsets, page.databytecounts, range(len(page.dataoffsets)), strict=True))

        def some(part: Sequence[tuple[int, int, int]]) -> None:
            with path.open("rb", buffering=0) as raw:
                for offset, count, index in part:
                    raw.seek(offset)
                    page.decode(raw.read(count), index, jpegtables=page.jpegtables)

        list(pool.map(some, [tiles[k : k + AT_ONCE] for k in range(0, len(tiles), AT_ONCE)]))


def seconds_of(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--columns", type=int, default=40_000)
    parser.add_argument("--factor", type=float, default=1 / 7.3)
    parser.add_argument("--mode", default="lanczos")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        slide = folder / "slide.tif"
        write_slide(slide, options.rows, options.columns)
        shape = (round(options.rows * options.factor), round(options.columns * options.factor))

        def resampled(target: str) -> Callable[[], object]:
            return lambda: vrdask.resample_zarr(
                vrdask.open(slide, level=0),
                folder / target,
                shape,
                mode=options.mode,
                num_threads=options.threads,
                overwrite=True,
            )

        calls = {
            "decoding": lambda: decode(slide, options.threads),
            "to Zarr": resampled("out.zarr"),
            "to PNG": resampled("out.png"),
        }
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(options.repeats):
            for name, call in calls.items():
                times[name].append(seconds_of(call))
                shutil.rmtree(folder / "out.zarr", ignore_errors=True)
    about = machine() | {"tifffile": tifffile.__version__, "threads": options.threads}
    tell(about)
    figures = {name: median(values) for name, values in times.items()}
    pixels = options.rows * options.columns / 1e6
    print(f"{options.columns}x{options.rows} -> {shape[1]}x{shape[0]}, {options.mode}")
    for name, seconds in figures.items():
        ratio = seconds / figures["decoding"]
        print(f"{name:<16} {seconds:6.2f} s  {ratio:5.2f} x decoding  {pixels / seconds:6.0f} Mpx/s of source")
    if options.json:
        document = {"about": about, "shape": shape, "mode": options.mode, "seconds": times, "medians": figures}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
