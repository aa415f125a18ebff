"""Libraries that resize pictures, in this process or in another that waits for its turn, behind one call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from turns import warm_up

import vrdask

Array = npt.NDArray[Any]

ONE_THREAD = ("pillow", "pillow-simd")
OF_PEERS = ("fast_image_resize", "opencv", "pyvips")


@dataclass(frozen=True)
class Operation:
    width: int
    height: int
    filter: str
    threads: int

    @property
    def name(self) -> str:
        return f"{self.width}x{self.height} {self.filter}"


class Elsewhere:
    """A library in another process."""

    def __init__(self, python: str, library: str, image: Path, environment: dict[str, str]) -> None:
        script = Path(__file__).with_name("filters_peer.py")
        self.process = subprocess.Popen(
            [python, str(script), library, str(image)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env={**os.environ, **environment},
        )  # fmt: skip
        self.version = self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def __call__(self, operation: Operation, save: Path | None = None) -> float:
        """Milliseconds of one call."""
        assert self.process.stdin is not None
        print(json.dumps({**asdict(operation), "save": save and str(save)}), file=self.process.stdin, flush=True)
        return float(self._answer())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


class Here:
    """A library in this process."""

    def __init__(self, make: Callable[[Array, Operation], Callable[[], Array]], x: Array, version: str) -> None:
        self.make, self.x, self.version = make, x, version

    def __call__(self, operation: Operation, save: Path | None = None) -> float:
        call = self.make(self.x, operation)
        result = call()
        if save:
            np.save(save, result)
        del result
        warm_up(call)
        begun = time.perf_counter()
        result = call()  # kept until the clock has stopped, as the peers' are
        seconds = time.perf_counter() - begun
        del result
        return 1e3 * seconds

    def close(self) -> None:
        pass


Library = Here | Elsewhere


def by_vrdask(x: Array, o: Operation) -> Callable[[], Array]:
    return lambda: vrdask.resample(x, (o.height, o.width), o.filter, axes=(0, 1), num_threads=o.threads)


def by_torch(x: Array, o: Operation) -> Callable[[], Array]:
    torch.set_num_threads(o.threads)
    tensor = torch.from_numpy(x).permute(2, 0, 1)[None]

    def run() -> Array:
        result = torch.nn.functional.interpolate(
            tensor, (o.height, o.width), mode=o.filter, antialias=True, align_corners=False
        )
        return np.asarray(result[0].permute(1, 2, 0).numpy())

    return run


def libraries(x: Array, image: Path, simd: str | None, peers: str | None, threads: int) -> dict[str, Library]:
    """Those that are there."""
    found: dict[str, Library] = {
        "vrdask": Here(by_vrdask, x, vrdask.__version__), "torch": Here(by_torch, x, torch.__version__)
    }  # fmt: skip
    there = ((simd, "pillow-simd"), (sys.executable, "pillow"), *((peers, name) for name in OF_PEERS))
    for python, library in there:
        if python is not None:
            other = Elsewhere(python, library, image, {"VIPS_CONCURRENCY": str(threads)})
            if other.version is None:
                print(f"{library} is not installed in {python}: left out", file=sys.stderr)
            else:
                found[library] = other
    return found


def does(library: str, operation: Operation) -> bool:
    if library in ONE_THREAD:
        return operation.threads == 1
    return not (library == "torch" and operation.filter == "lanczos")
