"""grid_sample in memory: it agrees with torch, volresample and SciPy, with its numpy twin to the bit, and is safe."""

from __future__ import annotations

import tracemalloc
from itertools import product

import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal
from optional import torch, volresample
from scipy import ndimage

import vrdask
import vrdask.compute.sample_box
from vrdask.compute import builds
from vrdask.transforms import reference_sampling
from vrdask.transforms.grid import grid_sampling

PADDING = ("zeros", "border", "reflection", "constant")
DTYPES = ("uint8", "int8", "uint16", "int16", "float16", "float32", "int32", "uint32", "int64", "uint64", "float64")
SHAPES = {2: ((2, 3, 13, 21), (2, 11, 17)), 3: ((2, 2, 9, 12, 15), (2, 7, 10, 13))}
THIN = {2: ((1, 1, 1, 5), (1, 6, 40)), 3: ((1, 2, 1, 2, 1), (1, 4, 5, 30))}


def data(shape, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def grid_of(shape, rank, dtype="float32", reach=1.6, seed=1):
    """Random positions, some beyond the edges; one in eight is a multiple of 1/16, where ties and exact samples are."""
    rng = np.random.default_rng(seed)
    numbers = rng.uniform(-reach, reach, (*shape, rank))
    coarse = np.round(numbers * 16) / 16
    return np.where(rng.random(numbers.shape) < 1 / 8, coarse, numbers).astype(dtype)


def by_torch(x, grid, mode, padding, align_corners):
    name = "bilinear" if mode == "linear" else mode
    return torch.nn.functional.grid_sample(
        torch.from_numpy(x), torch.from_numpy(grid), mode=name, padding_mode=padding, align_corners=align_corners
    ).numpy()


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", [SHAPES, THIN])
@pytest.mark.parametrize("reach", [0.9, 1.6, 7.0])
def test_it_agrees_with_torch(rank, padding, align_corners, dtype, shapes, reach):
    x, grid = data(shapes[rank][0], dtype), grid_of(shapes[rank][1], rank, dtype, reach)
    for mode in ("nearest", "linear"):
        expected = by_torch(x, grid, mode, padding, align_corners)
        got = vrdask.grid_sample(x, grid, mode, padding, align_corners=align_corners)
        assert got.dtype == x.dtype
        if mode == "nearest":
            assert_array_equal(got, expected)
        else:
            # 7 spans away a float32 position has an error of 1e-6 of an axis
            assert_allclose(got, expected, rtol=0, atol=1e-12 if dtype == "float64" else 2e-5)


@pytest.mark.parametrize("rank", [2, 3])
def test_nearest_equals_torch_for_many_positions(rank):
    shape, out = {2: ((1, 1, 301, 211), (1, 600, 700)), 3: ((1, 1, 37, 64, 50), (1, 70, 80, 70))}[rank]
    x, grid = data(shape), grid_of(out, rank, reach=1.05, seed=3)
    for padding, align_corners in product(("zeros", "border", "reflection"), (False, True)):
        expected = by_torch(x, grid, "nearest", padding, align_corners)
        got = vrdask.grid_sample(x, grid, "nearest", padding, align_corners=align_corners)
        assert_array_equal(got, expected)


@pytest.mark.parametrize("padding", PADDING)
@pytest.mark.parametrize("fill", [0, 7.5, -3, 400])
def test_it_agrees_with_volresample(padding, fill):
    x, grid = data(SHAPES[3][0]), grid_of(SHAPES[3][1], 3)
    for mode in ("nearest", "linear"):
        got = vrdask.grid_sample(x, grid, mode, padding, fill)
        assert_allclose(got, volresample.grid_sample(x, grid, mode, padding, fill), rtol=1e-6, atol=2e-5)
    for dtype in ("uint8", "int16"):
        x = data(SHAPES[3][0], dtype)
        for rule in ("bankers", "round_half_up"):
            got = vrdask.grid_sample(x, grid, "nearest", padding, fill, rule)
            assert_array_equal(got, volresample.grid_sample(x, grid, "nearest", padding, fill, rule))


def test_rounding_rules_differ_at_ties_alone():
    x = np.arange(4.0, dtype=np.float32).reshape(1, 1, 1, 4)
    position = np.array([-0.5, 0.5, 1.5, 2.5, 3.5, -0.4, 3.4], np.float32)
    grid = np.zeros((1, 1, 7, 2), np.float32)
    grid[..., 0] = (2 * position + 1) / 4 - 1
    assert vrdask.grid_sample(x, grid, "nearest", "constant", 9).ravel().tolist() == [0, 0, 2, 2, 9, 0, 3]
    got = vrdask.grid_sample(x, grid, "nearest", "constant", 9, "round_half_up")
    assert got.ravel().tolist() == [0, 1, 2, 3, 9, 0, 3]


def test_constant_blends_at_the_edges():
    x = np.ones((1, 1, 1, 4), np.float32)
    position = np.array([-1.5, -1, -0.75, -0.25, 0, 3, 3.25, 9], np.float32)
    grid = np.zeros((1, 1, 8, 2), np.float32)
    grid[..., 0] = (2 * position + 1) / 4 - 1
    got = vrdask.grid_sample(x, grid, "linear", "constant", 10)
    assert_allclose(got.ravel(), [10, 10, 7.75, 3.25, 1, 1, 3.25, 10], rtol=1e-6)
    got = vrdask.grid_sample(np.ones_like(x, np.uint8), grid, "linear", "constant", 300)
    assert got.ravel().tolist() == [255, 255, 225, 76, 1, 1, 76, 255], "blended, then clamped"


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("padding", "mode"), [("reflection", None), ("zeros", "constant"), ("constant", "constant")])
@pytest.mark.parametrize("rank", [2, 3])
def test_cubic_agrees_with_scipy(rank, padding, mode, align_corners):
    mode = mode or ("mirror" if align_corners else "reflect")
    fill = 2.0 if padding == "constant" else 0.0
    for dtype, tolerance in (("float32", 1e-5), ("float64", 1e-10)):
        x, grid = data(SHAPES[rank][0], dtype), grid_of(SHAPES[rank][1], rank, dtype)
        what = grid_sampling(
            x.shape, x.dtype, grid.shape, grid.dtype, "cubic", padding, fill, align_corners=align_corners
        )
        positions = reference_sampling.grid_positions(what, grid)
        got = vrdask.grid_sample(x, grid, "cubic", padding, fill, align_corners=align_corners)
        for n, c in np.ndindex(x.shape[:2]):
            expected = ndimage.map_coordinates(
                x[n, c].astype("f8"), [at[n].astype("f8") for at in positions], order=3, mode=mode, cval=fill
            )
            assert_allclose(got[n, c], expected, rtol=0, atol=tolerance)


def centres(n, align_corners, dtype, how):
    """Where a grid has the centres of n samples, by the formulas that people use, rounded as they come."""
    real = np.dtype(dtype).type
    i = np.arange(n).astype(dtype)
    if align_corners and n == 1:
        return np.zeros(1, dtype)
    if how == "torch":
        theta = torch.eye(2, 3, dtype=getattr(torch, np.dtype(dtype).name))[None]
        grid = torch.nn.functional.affine_grid(theta, (1, 1, n, 2), align_corners=align_corners)
        return grid[0, :, 0, 1].numpy()
    if align_corners:
        return np.linspace(-1, 1, n).astype(dtype) if how == "once" else i * (real(2) / real(n - 1)) - real(1)
    if how == "once":
        return ((2 * np.arange(n) + 1) / n - 1).astype(dtype)
    return i * (real(2) / real(n)) + (real(1) / real(n) - real(1))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("how", ["once", "in steps", "torch"])
def test_the_identity_keeps_its_borders(how, dtype, align_corners):
    if dtype == "float16" and how != "once":
        pytest.skip("in float16 the formula itself is off by more than a sample")
    off = {"float16": 2.0**-11, "float32": 2.0**-22, "float64": 2.0**-51}[dtype]
    rng = np.random.default_rng(0)
    for n in (*range(1, 256), 1000, 4099, 20_000):
        if dtype == "float16" and n > 255:
            continue
        x = 1 + rng.random((1, 1, n, 2))
        grid = np.empty((1, n, 2, 2), dtype)
        grid[..., 1] = centres(n, align_corners, dtype, how)[:, None]
        grid[..., 0] = [-1, 1] if align_corners else [-0.5, 0.5]
        assert_array_equal(vrdask.grid_sample(x, grid, "nearest", align_corners=align_corners), x)
        most = 4 * off * n + 1e-12
        for mode in ("linear", "cubic"):
            got = vrdask.grid_sample(x, grid, mode, "constant", 1.0, align_corners=align_corners)
            assert_allclose(got, x, rtol=0, atol=most, err_msg=f"{mode} of {n}")
        got = vrdask.grid_sample(x, grid, "cubic", "constant", np.nan, align_corners=align_corners)
        assert not np.isnan(got).any(), n
        # and what is outside by more than rounding is outside
        beyond = grid * (1 + 64 * off + (1 / n if not align_corners else 0))
        got = vrdask.grid_sample(x, beyond, "cubic", "constant", np.nan, align_corners=align_corners)
        assert np.isnan(got[..., [0, -1], :]).all() or n == 1, n


WILD = [np.nan, np.inf, -np.inf, 1e38, -1e38, 1e30, 3e9, -3e9, 1e10, 1e6 + 0.3, -12345.6, 0.1]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_wild_positions_are_safe_and_as_torch_defines_them(rank, align_corners, dtype):
    x = data(SHAPES[rank][0], dtype)[:1]
    grid = np.array(list(product(WILD, repeat=rank)), dtype).reshape(1, *[len(WILD)] * rank, rank)
    finite = (np.abs(grid) < 1e6).all(axis=-1) if rank == 2 else np.isfinite(grid).all(axis=-1)
    for mode, padding in product(("nearest", "linear"), ("zeros", "border", "reflection")):
        got = vrdask.grid_sample(x, grid, mode, padding, align_corners=align_corners)
        assert np.isfinite(got).all()
        expected = by_torch(x, grid, mode, padding, align_corners)
        # torch's 2-D bilinear makes NaN of infinite positions with zeros; ours are missing there as in 3-D
        known = np.isfinite(expected) if rank == 2 else np.ones_like(expected, bool)
        if padding == "reflection":
            known &= finite[:, None]
        assert_allclose(got[known], expected[known], rtol=0, atol=2e-5)
    for mode, fill in product(("nearest", "linear", "cubic"), (5.0, np.nan)):
        got = vrdask.grid_sample(x, grid, mode, "constant", fill, align_corners=align_corners)
        assert_array_equal(got[:, :, ~np.isfinite(grid[0]).all(axis=-1)], fill)


def test_a_tap_of_weight_zero_takes_no_part():
    # positions on samples, next to NaN and infinity
    x = np.full((1, 1, 5, 5, 5), np.nan, np.float32)
    x[0, 0, 2, 2, 2] = 3
    x[0, 0, 2, 2, 4] = np.inf
    grid = np.zeros((1, 1, 1, 3, 3), np.float32)
    grid[0, 0, 0, :, 0] = [0, 1, -1]
    for padding in PADDING:
        got = vrdask.grid_sample(x, grid, "linear", padding, align_corners=True).ravel()
        assert_array_equal(got, [3, np.inf, np.nan])


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("build", builds.supported())
def test_the_kernel_equals_its_twin(monkeypatch, build, rank, mode):
    monkeypatch.setattr(vrdask.compute.sample_box, "_kernel", builds.load("sample", build))
    monkeypatch.setattr(vrdask.compute.sample_box, "_POINTS_AT_ONCE", 2048)
    assert vrdask.compute.sample_box._kernel is not reference_sampling
    for number, (dtype, padding, align_corners) in enumerate(product(DTYPES, PADDING, (False, True))):
        shape, out = (SHAPES if number % 3 else THIN)[rank]
        x = data(shape, dtype, seed=number)
        if x.dtype.kind == "f" and number % 2:
            x.reshape(-1)[:: 1 + x.size // 5] = np.nan
        grid = grid_of(out, rank, ("float32", "float64", "float16")[number % 5 % 3], seed=number)
        places = grid.reshape(-1)[:: 1 + grid.size // 9]
        places[:] = np.resize([np.nan, np.inf, -3e4, 3.0, 6e4], places.shape)
        fill = (0, 3.25, np.nan, -1)[number % 4]
        rule = "round_half_up" if mode == "nearest" and number % 2 else "bankers"
        what = grid_sampling(x.shape, x.dtype, grid.shape, grid.dtype, mode, padding, fill, rule, align_corners)
        got = vrdask.grid_sample(x, grid, mode, padding, fill, rule, align_corners=align_corners, num_threads=2)
        expected = reference_sampling.grid_sample(what, x, grid)
        assert_array_equal(got, expected, err_msg=str((dtype, padding, align_corners)))


def test_nearest_copies_items_of_any_size():
    x = data(SHAPES[3][0], "uint16")
    grid = grid_of(SHAPES[3][1], 3)
    numbers = vrdask.grid_sample(x, grid, "nearest", "border")
    for dtype in ("bool", "uint64", "complex64", "complex128", "S3", "U9", "m8[s]", [("a", "u1"), ("b", "f8")]):
        table = np.arange(1 << 16).astype("U6" if np.dtype(dtype).kind in "SU" else "i8")
        items = np.zeros(1 << 16, dtype)
        if items.dtype.names:
            items["a"], items["b"] = table, table
        else:
            items[:] = table
        got = vrdask.grid_sample(items[x], grid, "nearest", "border")
        assert got.dtype == items.dtype
        assert_array_equal(got, items[numbers])


def test_layout_and_byte_order_of_the_arguments_do_not_matter():
    x, grid = data(SHAPES[3][0]), grid_of(SHAPES[3][1], 3)
    for mode in ("nearest", "linear", "cubic"):
        expected = vrdask.grid_sample(x, grid, mode)
        for other in (np.asfortranarray(x), x.astype(">f4"), np.flip(np.flip(x, -1).copy(), -1),
                      np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)):  # fmt: skip
            assert_array_equal(vrdask.grid_sample(other, grid, mode), expected)
        assert_array_equal(vrdask.grid_sample(x, np.asfortranarray(grid), mode), expected)
        assert_array_equal(vrdask.grid_sample(x, grid.astype(">f4"), mode), expected)


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_another_dtype_of_the_result(mode, rank):
    shape, out = SHAPES[rank]
    grid = grid_of(out, rank)
    for padding, fill in (("zeros", 0), ("constant", np.nan), ("constant", 300.5), ("reflection", 0)):
        for dtype, wanted in (("uint8", "float32"), ("int16", "float64"), ("float64", "uint8"), ("float32", "int16")):
            x = data(shape, dtype) if dtype[0] != "f" else data(shape, dtype) * 300
            got = vrdask.grid_sample(x, grid, mode, padding, fill, dtype=wanted)
            what = grid_sampling(
                x.shape, x.dtype, grid.shape, grid.dtype, mode, padding, fill, out_dtype=np.dtype(wanted)
            )
            assert_array_equal(got, reference_sampling.grid_sample(what, x, grid), strict=True)
            if dtype == "uint8":
                as_float = vrdask.grid_sample(x.astype("f4"), grid, mode, padding, fill)
                assert_array_equal(got, as_float, strict=True)
            lazy = vrdask.grid_sample(da.from_array(x, chunks=5), grid, mode, padding, fill, dtype=wanted)
            assert lazy.dtype == lazy._meta.dtype == wanted
            assert_array_equal(lazy.compute(scheduler="synchronous"), got, strict=True)
            stored = zarr.create_array({}, data=x, chunks=(1, 2, *(6,) * rank))
            lazy = vrdask.grid_sample(stored, da.from_array(grid, chunks=4), mode, padding, fill, dtype=wanted)
            assert_array_equal(lazy.compute(scheduler="synchronous"), got, strict=True)


@pytest.mark.parametrize("dtype", ["float32", ">f4", "uint8"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_a_few_points_of_a_large_array_neither_copy_nor_filter_it(mode, dtype, monkeypatch):
    x = np.zeros((2, 1, 200, 210, 220), dtype)
    x[...] = data((1, 1, 200, 210, 1), "uint8")
    grid = np.array([[0.1, 0.2, 0.3], [0.15, 0.2, 0.28]]).reshape(1, 1, 1, 2, 3)
    grid = np.concatenate([grid, grid - 0.5])
    for options in ({}, {"dtype": "float64"}, {"padding_mode": "reflection"}, {"align_corners": True}):
        tracemalloc.start()
        try:
            got = vrdask.grid_sample(x, grid, mode, num_threads=1, **options)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < x.nbytes / 4
        with monkeypatch.context() as patch:
            patch.setattr(vrdask.compute.sample_box, "_VOXELS_PER_POINT", x.size)
            assert_array_equal(vrdask.grid_sample(x, grid, mode, **options), got, strict=True)
    far = np.full((2, 1, 1, 1, 3), 9.0)
    assert_array_equal(vrdask.grid_sample(x, far, mode, "constant", 5), np.full((2, 1, 1, 1, 1), 5))


def test_threads_change_nothing():
    x, grid = data((1, 2, 30, 31, 32)), grid_of((1, 40, 41, 42), 3)
    for mode in ("nearest", "linear", "cubic"):
        assert_array_equal(
            vrdask.grid_sample(x, grid, mode, num_threads=1), vrdask.grid_sample(x, grid, mode, num_threads=2)
        )


def test_empty_batches_and_grids():
    assert vrdask.grid_sample(np.zeros((0, 2, 4, 4)), np.zeros((0, 3, 3, 2))).shape == (0, 2, 3, 3)
    assert vrdask.grid_sample(np.zeros((1, 2, 4, 4)), np.zeros((1, 0, 3, 2))).shape == (1, 2, 0, 3)
    assert vrdask.grid_sample(np.zeros((1, 0, 4, 4)), np.zeros((1, 2, 3, 2))).shape == (1, 0, 2, 3)


X, G = np.zeros((1, 2, 4, 5, 6), np.float32), np.zeros((1, 3, 3, 3, 3), np.float32)
BAD = [
    ((X[0], G), {}, ValueError, r"grid must have shape \(N, h, w, 2\) for an input of 4 axes"),
    ((X[0, 0], G), {}, ValueError, r"input must have shape \(N, C, H, W\) or \(N, C, D, H, W\); got \(4, 5, 6\)"),
    ((X, G[0]), {}, ValueError, r"grid must have shape \(N, d, h, w, 3\).*; got \(3, 3, 3, 3\)"),
    ((X, G[..., :2]), {}, ValueError, r"grid must have 3 numbers per point.*; got 2"),
    ((X, np.concatenate([G, G])), {}, ValueError, "grid must have the input's batch size, 1; got 2"),
    ((X, G.astype(int)), {}, TypeError, "grid must have dtype float16, float32 or float64; got int64"),
    ((X, G), {"mode": "area"}, ValueError, "mode must be one of nearest, linear, cubic; got 'area'"),
    ((X, G), {"padding_mode": "periodic"}, ValueError, "padding_mode must be one of zeros, .*; got 'periodic'"),
    ((X, G), {"rounding_rule": "up"}, ValueError, "rounding_rule must be one of bankers, round_half_up; got 'up'"),
    ((X, G), {"rounding_rule": "round_half_up"}, ValueError, "rounding_rule must be left out with mode 'linear'"),
    ((X.astype("m8[s]"), G), {}, TypeError, r"dtype must be one of .*; got timedelta64\[s\]"),
    ((X.astype(object), G), {"mode": "nearest"}, TypeError, "dtype must have a fixed size; got object"),
    ((np.zeros((1, 1, 0, 5)), G[:, 0, ..., :2]), {}, ValueError, "must have between 1 and .* samples; got 0"),
    ((X, G), {"padding_mode": "constant", "fill_value": "x"}, TypeError, "fill_value must be a number; got 'x'"),
    ((X, G), {"num_threads": 0}, ValueError, "number of threads must be at least 1; got 0"),
    ((np.ma.zeros(X.shape), G), {}, TypeError, "input must not be a masked array"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "options", "kind", "message"), BAD)
def test_bad_arguments_are_refused(arguments, options, kind, message):
    with pytest.raises(kind, match=message):
        vrdask.grid_sample(*arguments, **options)
