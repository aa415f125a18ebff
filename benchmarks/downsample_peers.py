"""`downsample` by 2 in memory, beside tinybrain, tensorstore and OpenCV: what each library is called with, and rows of
milliseconds. A peer that is not installed is left out.

A function per peer gives a call ready to be timed, or None where the peer does not do that job: OpenCV halves pictures
alone. tinybrain takes arrays in Fortran's order, whose axes are named the other way round: nothing is copied. OpenCV
rounds halves up, tinybrain down; the others to even.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import vrdask

Array = npt.NDArray[Any]
Call = Callable[[], Any]


@dataclass(frozen=True)
class Job:
    """An array of a shape to be halved along every axis."""

    shape: tuple[int, ...]
    dtype: str
    mode: str = "mean"

    @property
    def name(self) -> str:
        blocks = "x".join("2" for _ in self.shape)
        return f"{self.mode} {blocks} {self.dtype} {'x'.join(map(str, self.shape))}"

    def source(self) -> Array:
        """Noise; of labels blocks of some twenty voxels a side, so that few values meet in a block."""
        if self.mode == "majority":
            grids = np.ogrid[tuple(slice(n) for n in self.shape)]
            primes = (7919, 104_729, 1_299_709)
            found: Any = sum(
                grid // size * prime for grid, size, prime in zip(grids, (23, 31, 29), primes, strict=False)
            )
            return (found % 999_983).astype(self.dtype)
        random = np.random.default_rng(0)
        if np.dtype(self.dtype).kind == "f":
            return random.random(self.shape, self.dtype)
        return random.integers(0, np.iinfo(self.dtype).max, self.shape, self.dtype)


def call_vrdask(job: Job, x: Array, threads: int) -> Call | None:
    return lambda: vrdask.downsample(x, 2, job.mode, num_threads=threads)


def call_tinybrain(job: Job, x: Array, threads: int) -> Call | None:
    """One thread, whatever is asked for."""
    import tinybrain

    halve = tinybrain.downsample_segmentation if job.mode == "majority" else tinybrain.downsample_with_averaging
    return None if threads > 1 else lambda: halve(x.T, (2,) * x.ndim)


def call_tensorstore(job: Job, x: Array, threads: int) -> Call | None:
    import tensorstore as ts

    context = ts.Context({"data_copy_concurrency": {"limit": threads}})
    method = "mode" if job.mode == "majority" else job.mode
    array = ts.array(x, context=context)
    return lambda: ts.downsample(array, [2] * x.ndim, method).read().result()


def call_opencv(job: Job, x: Array, threads: int) -> Call | None:
    import cv2

    if x.ndim != 2 or job.mode != "mean":
        return None
    cv2.setNumThreads(threads)
    height, width = x.shape
    return lambda: cv2.resize(x, (width // 2, height // 2), interpolation=cv2.INTER_AREA)


def call_memory(job: Job, x: Array, threads: int) -> Call | None:
    """Read the input once and write as much as the output, which nothing that looks at every sample can undercut."""
    source, target = x.reshape(-1).view(np.uint64), np.ones(x.nbytes >> x.ndim, np.uint8)

    def read_and_write() -> None:
        source.max()
        target.fill(1)

    return None if threads > 1 else read_and_write


PEERS: dict[str, tuple[str, Callable[[Job, Array, int], Call | None]]] = {
    "vrdask": ("vrdask", call_vrdask),
    "tinybrain": ("tinybrain", call_tinybrain),
    "tensorstore": ("tensorstore", call_tensorstore),
    "OpenCV": ("cv2", call_opencv),
    "memory": ("numpy", call_memory),
}
"""By name: the module that has to be there, and the call."""


def jobs(volume: Sequence[int]) -> list[Job]:
    """What is halved: volumes of a shape, and pictures of as many samples."""
    size = int(np.prod(volume))
    width = 2 * round((size * 1.5) ** 0.5 / 2)
    picture = (2 * (size // width // 2), width)
    kinds = ("uint8", "uint16", "float32")
    return [
        *(Job(tuple(volume), dtype) for dtype in kinds),
        Job(tuple(volume), "uint64", "majority"),
        *(Job(picture, dtype) for dtype in kinds),
    ]


def print_rows(volume: Sequence[int], most_threads: int, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of the best call of each peer, the calls of a round interleaved; printed, and given back."""
    there = {name: call for name, (module, call) in PEERS.items() if importlib.util.find_spec(module) is not None}
    for name in PEERS.keys() - there.keys():
        print(f"{name} is not installed")
    found: dict[str, dict[str, float]] = {}
    print(f"{'in memory, ms':<46}" + "".join(f"{name:>14}" for name in there) + f"{'Mvoxels/s':>14}")
    for job in jobs(volume):
        x = job.source()
        for threads in sorted({1, most_threads}):
            calls = {name: call for name, made in there.items() if (call := made(job, x, threads)) is not None}
            best = dict.fromkeys(calls, float("inf"))
            for number in range(rounds + 1):
                for name, call in calls.items():
                    begun = time.perf_counter()
                    call()
                    if number:  # the first call makes what is kept for later ones
                        best[name] = min(best[name], 1000 * (time.perf_counter() - begun))
            row = f"{job.name}, {threads} thread{'s' * (threads > 1)}"
            times = "".join(f"{best[name]:14.2f}" if name in best else f"{'-':>14}" for name in there)
            print(f"{row:<46}{times}{x.size / best['vrdask'] / 1000:14.0f}")
            found[row] = best
    return found
