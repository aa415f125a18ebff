"""The same job, done by libraries that take part where they are installed: OpenCV, SimpleITK, tinybrain, tensorstore,
fast_image_resize (cykooz.resizer) and libvips.

A function per peer as in `peers.py`: a call ready to be timed, or None. What a library has an image object of its own
for is made one beforehand, and the result stays one (`as_array` turns it into an array for the comparison): only the
resizing is timed. tinybrain takes arrays in Fortran's order, whose axes are named the other way round: nothing is
copied.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np
from problems import Array, Problem

os.environ.setdefault("VIPS_CONCURRENCY", "1")  # libvips reads it once

MODULES = {
    "OpenCV": ("cv2", "opencv-python-headless", "opencv-python"),
    "SimpleITK": ("SimpleITK", "SimpleITK"),
    "tinybrain": ("tinybrain", "tinybrain"),
    "tensorstore": ("tensorstore", "tensorstore"),
    "fast_image_resize": ("cykooz_resizer", "cykooz.resizer"),
    "libvips": ("pyvips",),
}
"""By name: the module that has to be there, and the packages that bring it."""

NOT_THE_SAME = {
    ("volresample", "area"): "rounds its bounds in float32: 288 of 9604 pairs",
    ("OpenCV", "nearest"): "INTER_NEAREST takes the sample before a place, not the nearest",
    ("libvips", "nearest"): "subsample: as OpenCV's",
    ("SimpleITK", "nearest"): "to half it takes now one, now the other of two samples that are as near",
}
"""What is another job on purpose, by peer and mode: what its users call, which does as much work."""
ROUNDED = {
    "OpenCV": "linear of uint8 in fixed point, a level off; means round halves up",
    "tinybrain": "means of integers round down",
    "libvips": "means of integers round after each axis",
    "SimpleITK": "means of integers round down",
}
"""What is within the tolerance of the comparison."""


def versions() -> dict[str, str]:
    """Of those that are there."""
    found = {}
    for name, (module, *packages) in MODULES.items():
        if name == "libvips" and find_spec(module) is not None:
            import pyvips

            found[name] = ".".join(str(pyvips.version(k)) for k in range(3))
        elif find_spec(module) is not None:
            for package in packages:
                try:
                    found[name] = version(package)
                except PackageNotFoundError:
                    continue
    return found


def _is_picture(p: Problem) -> bool:
    """Rows, columns and perhaps colours, and nothing before them."""
    return len(p.out_shape) == 2 and not p.leading and not p.align_corners


def _whole_factors(p: Problem) -> tuple[int, ...] | None:
    """Samples of the source for one of the result along each axis; None where these are no whole numbers."""
    pairs = list(zip(p.sizes, p.out_shape, strict=True))
    return tuple(n // m for n, m in pairs) if all(n % m == 0 for n, m in pairs) else None


def call_opencv(p: Problem, x: Array, threads: int) -> Callable[[], Any] | None:
    import cv2

    kinds = {"nearest": cv2.INTER_NEAREST, "linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "mean": cv2.INTER_AREA}
    if not _is_picture(p) or p.mode not in kinds or (p.mode in ("area", "mean") and _whole_factors(p) is None):
        return None  # at other ratios its areas are weighted by overlap, as area_exact
    cv2.setNumThreads(threads)
    return lambda: cv2.resize(x, p.out_shape[::-1], interpolation=kinds[p.mode])


def call_simpleitk(p: Problem, x: Array, threads: int) -> Callable[[], Any] | None:
    import SimpleITK as sitk  # noqa: N813 (as everybody calls it)

    if p.leading or p.align_corners or p.mode not in ("nearest", "linear", "area", "mean"):
        return None
    factors = _whole_factors(p)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    image = sitk.GetImageFromArray(x, isVector=p.channels > 0)
    if p.mode in ("area", "mean"):
        return None if factors is None else lambda: sitk.BinShrink(image, factors[::-1])
    kind = sitk.sitkLinear if p.mode == "linear" else sitk.sitkNearestNeighbor
    size = p.out_shape[::-1]
    step = [n / m for n, m in zip(p.sizes[::-1], size, strict=True)]
    first = [(one - 1) / 2 for one in step]
    return lambda: sitk.Resample(image, size, sitk.Transform(), kind, first, step, image.GetDirection())


def call_tinybrain(p: Problem, x: Array, threads: int) -> Callable[[], Any] | None:
    """One thread, whatever is asked for."""
    import tinybrain

    if threads > 1 or p.channels or p.leading or p.mode not in ("area", "mean") or set(_whole_factors(p) or ()) != {2}:
        return None
    return lambda: tinybrain.downsample_with_averaging(x.T, (2,) * x.ndim)


def call_tensorstore(p: Problem, x: Array, threads: int) -> Callable[[], Any] | None:
    import tensorstore as ts

    factors = _whole_factors(p)
    if factors is None or p.mode not in ("area", "mean"):
        return None
    array = ts.array(x, context=ts.Context({"data_copy_concurrency": {"limit": threads}}))
    every = [1] * len(p.leading) + [*factors] + [1] * (p.channels > 0)
    return lambda: ts.downsample(array, every, "mean").read().result()


def call_fast_image_resize(p: Problem, x: Array, threads: int) -> Callable[[], Any] | None:
    """Its bilinear filter antialiases, which linear does not."""
    import cykooz_resizer as fir

    kinds = {"uint8": "U8", "uint16": "U16", "float32": "F32"}
    if not _is_picture(p) or p.dtype not in kinds or p.mode not in ("nearest", "area", "mean"):
        return None
    if p.mode != "nearest" and _whole_factors(p) is None:
        return None
    kind = getattr(fir.PixelType, kinds[p.dtype] + (f"x{p.channels}" if p.channels else ""))
    source = fir.ImageData(p.sizes[1], p.sizes[0], kind, x.tobytes())
    result = fir.ImageData(p.out_shape[1], p.out_shape[0], kind)
    how = fir.ResizeAlg.nearest() if p.mode == "nearest" else fir.ResizeAlg.convolution(fir.FilterType.box)
    pool = {} if threads == 1 else {"thread_pool": fir.ResizerThreadPool(threads)}
    resizer, options = fir.Resizer(), fir.ResizeOptions(resize_alg=how, use_alpha=False, **pool)

    def run() -> Any:
        resizer.resize(source, result, options)
        return result

    return run


def call_libvips(p: Problem, x: Array, threads: int) -> Callable[[], Any] | None:
    """One thread: how many it has is said once."""
    import pyvips

    factors = _whole_factors(p)
    if not _is_picture(p) or threads > 1 or os.environ["VIPS_CONCURRENCY"] != "1":
        return None
    image = pyvips.Image.new_from_array(x).copy_memory()
    rows, columns = p.out_shape
    if p.mode in ("area", "mean", "nearest"):
        if factors is None:
            return None
        down, across = factors
        if p.mode == "nearest":
            return lambda: image.subsample(across, down).copy_memory()
        return lambda: image.shrink(across, down).copy_memory()
    if p.mode != "linear":
        return None
    bilinear = pyvips.Interpolate.new("bilinear")
    matrix = [columns / p.sizes[1], 0, 0, rows / p.sizes[0]]
    shift = {f"{way}{axis}": sign * 0.5 for way, sign in (("id", 1), ("od", -1)) for axis in "xy"}
    where = {"oarea": [0, 0, columns, rows], "extend": "copy", **shift}
    return lambda: image.affine(matrix, interpolate=bilinear, **where).copy_memory()


PEERS: dict[str, Callable[[Problem, Array, int], Callable[[], Any] | None]] = {
    "OpenCV": call_opencv,
    "SimpleITK": call_simpleitk,
    "tinybrain": call_tinybrain,
    "tensorstore": call_tensorstore,
    "fast_image_resize": call_fast_image_resize,
    "libvips": call_libvips,
}


def as_array(peer: str, p: Problem, result: Any) -> Array:
    """What a call of a peer gave."""
    if peer == "SimpleITK":
        import SimpleITK as sitk  # noqa: N813 (as everybody calls it)

        return np.asarray(sitk.GetArrayFromImage(result))
    if peer == "tinybrain":
        return np.asarray(result[0]).T
    if peer == "fast_image_resize":
        return np.frombuffer(result.get_buffer(), p.dtype).reshape(p.result_shape)
    if peer == "libvips":
        return np.asarray(result.numpy()).reshape(p.result_shape)
    return np.asarray(result)
