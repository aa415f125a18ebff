"""The same job, done by each library: one function per peer, which returns a call ready to be timed, or None where the
peer does not do that job (another definition of the mode, another precision, another number of axes).

Every call goes from a numpy array to a new numpy array of the same dtype. What a user must convert for a peer that
computes in float32 alone, the call converts: to float32, resample, round, clamp, back to the integers.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import more_peers
import numpy as np
import scipy.ndimage
import torch
import volresample
from problems import Array, Problem
from torch.nn import functional

import vrdask

Call = Callable[[], Array]

VERSIONS = {
    name: version(name) for name in ("vrdask", "volresample", "torch", "scipy", "numpy")
} | more_peers.versions()


def call_vrdask(p: Problem, x: Array, threads: int) -> Call:
    if p.mode == "mean":
        factors = [n // m for n, m in zip(p.sizes, p.out_shape, strict=True)]
        return lambda: vrdask.downsample(x, factors, axes=p.axes, num_threads=threads)
    return lambda: vrdask.resample(x, p.out_shape, p.mode, p.align_corners, axes=p.axes, num_threads=threads)


def call_volresample(p: Problem, x: Array, threads: int) -> Call | None:
    """3-D, uint8, int16 and float32; float32 results for integers, except with nearest. A 2-D image is one slice."""
    if p.dtype == "float64" or p.channels or p.mode == "mean":
        return None
    volresample.set_num_threads(threads)
    flat = len(p.out_shape) == 2
    size = (1, *p.out_shape) if flat else p.out_shape
    native = p.dtype in ("uint8", "int16", "float32")

    def run() -> Array:
        data = x if native else x.astype(np.float32)
        result = volresample.resample(data[None] if flat else data, size, mode=p.mode, align_corners=p.align_corners)
        if result.dtype != x.dtype:
            info = np.iinfo(x.dtype)
            result = np.rint(result, out=result).clip(info.min, info.max, out=result).astype(x.dtype)
        return result[0] if flat else result

    return run


def call_torch(p: Problem, x: Array, threads: int) -> Call | None:
    """No B-splines, and no nearest with aligned corners. uint8 nearest natively, other integers by way of float32."""
    if p.mode in ("cubic", "mean") or (p.mode == "nearest" and p.align_corners):
        return None
    torch.set_num_threads(threads)
    axes = len(p.out_shape)
    lead = (None,) * (2 - (x.ndim - axes))
    drop = (0,) * len(lead)
    mode = {"nearest": "nearest-exact", "area": "area", "linear": {2: "bilinear", 3: "trilinear"}[axes]}[p.mode]
    corners: dict[str, Any] = {"align_corners": p.align_corners} if p.mode == "linear" else {}
    by_float = p.is_integer and not (p.dtype == "uint8" and p.mode == "nearest")

    def run() -> Array:
        tensor = torch.from_numpy(x)
        tensor = tensor.permute(2, 0, 1)[None] if p.channels else tensor[lead]
        if by_float:
            tensor = tensor.to(torch.float32)
        result = functional.interpolate(tensor, size=p.out_shape, mode=mode, **corners)
        if by_float:
            info = np.iinfo(x.dtype)
            result = result.round_().clamp_(info.min, info.max).to(getattr(torch, p.dtype))
        return np.asarray((result[0].permute(1, 2, 0) if p.channels else result[drop]).numpy())

    return run


def call_scipy(p: Problem, x: Array, threads: int) -> Call | None:
    """Linear and cubic, on one thread; leading axes in a loop, for zoom would filter them too."""
    if p.mode not in ("linear", "cubic") or threads != 1 or p.channels:
        return None
    axes = len(p.out_shape)
    zoom = [n_out / n_in for n_out, n_in in zip(p.out_shape, x.shape[-axes:], strict=True)]
    order, boundary = {"linear": (1, "nearest"), "cubic": (3, "reflect")}[p.mode]

    def run() -> Array:
        result = np.empty(p.result_shape, x.dtype)
        for index in np.ndindex(x.shape[:-axes]):
            scipy.ndimage.zoom(
                x[index], zoom, output=result[index], order=order, mode=boundary, grid_mode=not p.align_corners
            )
        return result

    return run


PEERS: dict[str, Callable[[Problem, Array, int], Call | None]] = {
    "vrdask": call_vrdask,
    "volresample": call_volresample,
    "torch": call_torch,
    "scipy": call_scipy,
    **{name: call for name, call in more_peers.PEERS.items() if name in VERSIONS},
}


def disagreement(ours: Array, theirs: Array) -> str | None:
    """What is wrong with a peer's result beside ours, None if they are the same job.

    Loose on purpose: a rounded float32 coordinate moves a few samples, a wrong comparison moves most of them.
    """
    if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
        return f"{theirs.dtype}{theirs.shape} instead of {ours.dtype}{ours.shape}"
    part = tuple(slice(None, None, max(1, n // 97)) for n in ours.shape)
    a, b = ours[part].astype(np.float64), theirs[part].astype(np.float64)
    tolerance = 1e-3 if ours.dtype.kind == "f" else 1 + 1e-3 * (float(np.iinfo(ours.dtype).max) / 2)
    wrong = float(np.mean(np.abs(a - b) > tolerance))
    return f"{wrong:.1%} of samples differ by more than {tolerance:g}" if wrong > 0.02 else None
