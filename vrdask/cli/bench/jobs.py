"""What `vrdask bench` times: jobs, each as every library does it, where one does.

Each call goes from numpy arrays to a new numpy array of the same dtype. What a user must convert for a library that
computes in float32 alone, the call converts. A library that gives another result is not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

import vrdask

Array = npt.NDArray[Any]
Call = Callable[..., Array]
"""Of arrays and `threads`."""

MODULES = {"scipy": "scipy", "torch": "torch", "volresample": "volresample", "opencv": "cv2", "pillow": "PIL"}
"""Peers, and what is imported of them."""
ONE_THREAD = ("scipy", "pillow")


@dataclass(frozen=True)
class Job:
    """One thing to do, and how each library does it."""

    name: str
    make: Callable[[], tuple[Array, ...]]
    calls: Mapping[str, Call]


def installed() -> tuple[str, ...]:
    """Peers that can be imported here."""
    return tuple(name for name, module in MODULES.items() if find_spec(module) is not None)


def set_threads(peers: tuple[str, ...], threads: int) -> None:
    """Let peers that have threads use so many."""
    if "torch" in peers:
        import torch

        torch.set_num_threads(threads)
    if "volresample" in peers:
        import volresample

        volresample.set_num_threads(threads)
    if "opencv" in peers:
        import cv2

        cv2.setNumThreads(threads)


def _noise(dtype: str, *shape: int) -> Array:
    """The same in every run; integers of the middle half of their range, so that cubic hardly saturates."""
    rng = np.random.default_rng(20)
    if dtype == "float32":
        return rng.random(shape, np.float32)
    info = np.iinfo(dtype)
    quarter = (int(info.max) - int(info.min)) // 4
    return rng.integers(info.min + quarter, info.max - quarter, shape, dtype)


def _ours(shape: tuple[int, ...], mode: str, **how: Any) -> Call:
    return lambda x, threads: vrdask.resample(x, shape, mode, num_threads=threads, **how)


def _zoom(shape: tuple[int, ...], order: int, boundary: str) -> Call:
    def run(x: Array, threads: int) -> Array:
        from scipy.ndimage import zoom

        factors = [n / m for n, m in zip(shape, x.shape, strict=True)]
        result: Array = zoom(x, factors, order=order, mode=boundary, grid_mode=True)
        return result

    return run


def _torch(shape: tuple[int, ...], mode: str) -> Call:
    def run(x: Array, threads: int) -> Array:
        import torch

        tensor = torch.from_numpy(x)[None, None]
        by_float = x.dtype != np.float32 and not (mode == "nearest-exact" and x.dtype == np.uint8)
        tensor = tensor.to(torch.float32) if by_float else tensor
        result = torch.nn.functional.interpolate(tensor, size=shape, mode=mode)
        if by_float:
            info = np.iinfo(x.dtype)
            result = result.round_().clamp_(info.min, info.max).to(getattr(torch, x.dtype.name))
        return np.asarray(result[0, 0].numpy())

    return run


def _volresample(shape: tuple[int, ...], mode: str) -> Call:
    def run(x: Array, threads: int) -> Array:
        import volresample

        result: Array = volresample.resample(x, shape, mode=mode)
        if result.dtype != x.dtype:
            info = np.iinfo(x.dtype)
            result = np.rint(result, out=result).clip(info.min, info.max, out=result).astype(x.dtype)
        return result

    return run


def _pillow(shape: tuple[int, int]) -> Call:
    def run(x: Array, threads: int) -> Array:
        from PIL import Image

        return np.asarray(Image.fromarray(x).resize(shape[::-1], Image.Resampling.LANCZOS))

    return run


def _opencv(shape: tuple[int, int]) -> Call:
    def run(x: Array, threads: int) -> Array:
        import cv2

        return np.asarray(cv2.resize(x, shape[::-1], interpolation=cv2.INTER_AREA))

    return run


def _points() -> tuple[Array, Array]:
    """A volume, and points of it that a smooth deformation moves."""
    size = 96
    line = (np.arange(size, dtype=np.float32) * 2 + 1) / size - 1
    z, y, x = np.meshgrid(line, line, line, indexing="ij")
    moved = [part + 0.05 * np.sin(5 * other) for part, other in ((x, y), (y, z), (z, x))]
    return _noise("float32", 1, 1, size, size, size), np.stack(moved, -1)[None]


def _torch_grid(x: Array, grid: Array, threads: int) -> Array:
    import torch

    tensors = (torch.from_numpy(x), torch.from_numpy(grid))
    result = torch.nn.functional.grid_sample(*tensors, mode="bilinear", padding_mode="border", align_corners=False)
    return np.asarray(result.numpy())


def _volresample_grid(x: Array, grid: Array, threads: int) -> Array:
    import volresample

    result: Array = volresample.grid_sample(x, grid, mode="linear", padding_mode="border")
    return result


def _scipy_grid(x: Array, grid: Array, threads: int) -> Array:
    from scipy.ndimage import map_coordinates

    n = x.shape[-1]
    at = [((grid[0, ..., part] + 1) * n - 1) / 2 for part in (2, 1, 0)]
    result: Array = map_coordinates(x[0, 0], at, order=1, mode="nearest")
    return result[None, None]


HALF, THIRDS = (64, 128, 128), (96, 96, 96)
SMALL = (411, 548)
"""Of a picture of 3000 x 4000 pixels: 1 / 7.3."""

JOBS = (
    Job(
        "nearest uint8 128x256x256 / 2",
        lambda: (_noise("uint8", 128, 256, 256),),
        {"vrdask": _ours(HALF, "nearest"), "torch": _torch(HALF, "nearest-exact"),
         "volresample": _volresample(HALF, "nearest")},
    ),
    Job(
        "linear float32 128x256x256 / 2",
        lambda: (_noise("float32", 128, 256, 256),),
        {"vrdask": _ours(HALF, "linear"), "scipy": _zoom(HALF, 1, "nearest"), "torch": _torch(HALF, "trilinear"),
         "volresample": _volresample(HALF, "linear")},
    ),
    Job(
        "area int16 128x256x256 / 2",
        lambda: (_noise("int16", 128, 256, 256),),
        {"vrdask": _ours(HALF, "area"), "torch": _torch(HALF, "area"), "volresample": _volresample(HALF, "area")},
    ),
    Job(
        "cubic float32 128^3 to 96^3",
        lambda: (_noise("float32", 128, 128, 128),),
        {"vrdask": _ours(THIRDS, "cubic"), "scipy": _zoom(THIRDS, 3, "reflect"),
         "volresample": _volresample(THIRDS, "cubic")},
    ),
    Job(
        "grid_sample linear float32 96^3",
        _points,
        {"vrdask": lambda x, grid, threads: vrdask.grid_sample(x, grid, "linear", "border", num_threads=threads),
         "scipy": _scipy_grid, "torch": _torch_grid, "volresample": _volresample_grid},
    ),
    Job(
        "lanczos RGB 3000x4000 / 7.3",
        lambda: (_noise("uint8", 3000, 4000, 3),),
        {"vrdask": _ours(SMALL, "lanczos", axes=(0, 1)), "pillow": _pillow(SMALL)},
    ),
    Job(
        "area_exact RGB 3000x4000 / 7.3",
        lambda: (_noise("uint8", 3000, 4000, 3),),
        {"vrdask": _ours(SMALL, "area_exact", axes=(0, 1)), "opencv": _opencv(SMALL)},
    ),
)  # fmt: skip


def differing(ours: Array, theirs: Array) -> float:
    """The share of samples that differ by more than rounding: 1e-3 of floats, one level of integers and a thousandth
    of their range. Loose on purpose: a rounded float32 coordinate moves a few samples, another job moves most of them.
    """
    if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
        return 1.0
    tolerance = 1e-3 if ours.dtype.kind == "f" else 1 + 5e-4 * float(np.iinfo(ours.dtype).max)
    return float(np.mean(np.abs(ours.astype(np.float64) - theirs) > tolerance))
