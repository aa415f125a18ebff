"""The jobs of bench_sampling.py, and how each library does them.

Every call goes from numpy arrays to a new numpy array of the same dtype; torch's affine calls make their grid of
positions, which is part of the job. Peers that are not installed (SimpleITK, dask-image) are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import torch
import volresample

import vrdask

Array = npt.NDArray[Any]
Call = Callable[[], Array]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One job.

    group : "volresample" for that library's own three benchmarks, "field" or "affine".
    field : random positions, or a smooth deformation of the identity.
    angles : of an affine row, in degrees, about z and y.
    """

    name: str
    group: str
    in_shape: Shape
    out_shape: Shape
    mode: str = "linear"
    padding: str = "zeros"
    field: str = "random"
    angles: tuple[float, float] | None = None
    dtype: str = "float32"


ROWS = (
    Row("random 1x2x96^3 -> 80^3 linear zeros", "volresample", (1, 2, 96, 96, 96), (80, 80, 80)),
    Row("random 1x2x96^3 -> 80^3 nearest zeros", "volresample", (1, 2, 96, 96, 96), (80, 80, 80), "nearest"),
    Row("random 1x2x80x96x64 -> 72x88x56 linear reflection", "volresample", (1, 2, 80, 96, 64), (72, 88, 56),
        padding="reflection"),
    *(
        Row(f"smooth 1x{channels}x128^3 {mode} border", "field", (1, channels, 128, 128, 128), (128, 128, 128), mode,
            "border", "smooth")
        for channels in (1, 2, 8)
        for mode in ("linear", "nearest")
    ),
    Row("smooth 1x3x1024^2 linear border", "field", (1, 3, 1024, 1024), (1024, 1024), padding="border", field="smooth"),
    Row("random 1x3x1024^2 linear zeros", "field", (1, 3, 1024, 1024), (1024, 1024)),
    *(
        Row(f"affine 256^3 {dtype} {mode}", "affine", (256, 256, 256), (256, 256, 256), mode, "constant",
            angles=(10, 20), dtype=dtype)
        for mode, dtype in (("linear", "float32"), ("nearest", "float32"), ("cubic", "float32"), ("linear", "uint8"))
    ),
    Row("affine 256^3 float32 linear about z", "affine", (256, 256, 256), (256, 256, 256), padding="constant",
        angles=(10, 0)),
    Row("affine 4096^2 float32 linear", "affine", (4096, 4096), (4096, 4096), padding="constant", angles=(10, 0)),
)  # fmt: skip


def data(row: Row) -> Array:
    rng = np.random.default_rng(20)
    if row.dtype == "float32":
        return rng.random(row.in_shape, np.float32)
    return rng.integers(0, 255, row.in_shape, row.dtype)


def grid_of(row: Row) -> Array:
    """Positions between -1 and 1, x first."""
    rank = len(row.out_shape)
    rng = np.random.default_rng(21)
    if row.field == "random":
        return rng.uniform(-1, 1, (1, *row.out_shape, rank)).astype(np.float32)
    axes = [(2 * np.arange(n) + 1) / n - 1 for n in row.out_shape]
    identity = np.stack(np.meshgrid(*axes, indexing="ij")[::-1], -1)
    waves = sum(np.sin(identity[..., [k]] * rng.uniform(3, 9, rank) + rng.uniform(0, 6, rank)) for k in range(rank))
    return (identity + 0.03 * waves).astype(np.float32)[None]


def map_of(row: Row) -> tuple[Array, Array]:
    """Matrix and offset of a rotation about the centre."""
    assert row.angles is not None
    a, b = np.deg2rad(row.angles)
    matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    if len(row.in_shape) == 3:
        about_z = np.eye(3)
        about_z[1:, 1:] = matrix
        matrix = about_z @ np.array([[np.cos(b), 0, -np.sin(b)], [0, 1, 0], [np.sin(b), 0, np.cos(b)]])
    centre = (np.array(row.in_shape) - 1) / 2
    return matrix, centre - matrix @ centre


def by_vrdask(row: Row, x: Array, threads: int) -> Call:
    if row.angles is None:
        grid = grid_of(row)
        return lambda: vrdask.grid_sample(x, grid, row.mode, row.padding, num_threads=threads)
    matrix, offset = map_of(row)
    return lambda: vrdask.affine_transform(x, matrix, offset, mode=row.mode, num_threads=threads)


def by_volresample(row: Row, x: Array, threads: int) -> Call | None:
    """3-D grids."""
    if row.angles is not None or len(row.out_shape) != 3:
        return None
    grid = grid_of(row)
    volresample.set_num_threads(threads)
    return lambda: volresample.grid_sample(x, grid, mode=row.mode, padding_mode=row.padding)


def by_torch(row: Row, x: Array, threads: int) -> Call | None:
    """Not cubic; integers by way of float32."""
    if row.mode == "cubic":
        return None
    torch.set_num_threads(threads)
    sample = torch.nn.functional.grid_sample
    mode = "bilinear" if row.mode == "linear" else row.mode
    if row.angles is None:
        positions = torch.from_numpy(grid_of(row))
        return lambda: sample(
            torch.from_numpy(x), positions, mode=mode, padding_mode=row.padding, align_corners=False
        ).numpy()
    matrix, _ = map_of(row)  # a rotation about the centre of a cube; torch's axes run the other way
    theta = torch.from_numpy(np.column_stack([matrix[::-1, ::-1], np.zeros(len(matrix))])).float()[None]

    def run() -> Array:
        tensor = torch.from_numpy(x)[None, None].float()
        positions = torch.nn.functional.affine_grid(theta, list(tensor.shape), align_corners=False)
        result = sample(tensor, positions, mode=mode, align_corners=False)[0, 0]
        return (result if row.dtype == "float32" else result.round_().to(getattr(torch, row.dtype))).numpy()

    return run


ORDER = {"nearest": 0, "linear": 1, "cubic": 3}
"""Of the spline, as SciPy names the modes."""


def by_scipy(row: Row, x: Array, threads: int) -> Call | None:
    """Affine maps, on one thread."""
    if row.angles is None or threads != 1:
        return None
    matrix, offset = map_of(row)
    order = ORDER[row.mode]
    return lambda: scipy.ndimage.affine_transform(x, matrix, offset, order=order)


def by_itk(row: Row, x: Array, threads: int) -> Call | None:
    try:
        import SimpleITK as sitk  # noqa: N813
    except ImportError:
        return None
    if row.angles is None:
        return None
    matrix, offset = map_of(row)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    transform = sitk.AffineTransform(len(matrix))
    transform.SetMatrix(matrix[::-1, ::-1].ravel().tolist())
    transform.SetTranslation(offset[::-1].tolist())
    kind = {"nearest": sitk.sitkNearestNeighbor, "linear": sitk.sitkLinear, "cubic": sitk.sitkBSpline}[row.mode]

    def run() -> Array:
        image = sitk.GetImageFromArray(x)
        return np.asarray(sitk.GetArrayFromImage(sitk.Resample(image, image, transform, kind, 0.0)))

    return run


def by_dask_image(row: Row, x: Array, threads: int) -> Call | None:
    try:
        import dask
        import dask.array as da
        from dask_image.ndinterp import affine_transform
    except ImportError:
        return None
    if row.angles is None:
        return None
    matrix, offset = map_of(row)
    order = ORDER[row.mode]

    def run() -> Array:
        with dask.config.set(scheduler="threads", num_workers=threads):
            source = da.from_array(x, chunks=tuple(n // 2 for n in x.shape))
            return np.asarray(affine_transform(source, matrix, offset, order=order, prefilter=False))

    return run


PEERS: dict[str, Callable[[Row, Array, int], Call | None]] = {
    "vrdask": by_vrdask, "volresample": by_volresample, "torch": by_torch, "scipy": by_scipy, "SimpleITK": by_itk,
    "dask-image": by_dask_image,
}  # fmt: skip
SAME_JOB = ("volresample", "torch", "scipy", "SimpleITK")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


VERSIONS = {name: _version(name) for name in ("SimpleITK", "dask-image")}
"""Of the peers that bench_kernels.py does not have."""
