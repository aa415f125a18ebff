"""The padding mode "wrap": an axis goes on with its first sample behind its last, SciPy's "grid-wrap"."""

from __future__ import annotations

from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

import vrdask
from vrdask.boxes import rounds_of, shape_of
from vrdask.cli.main import main
from vrdask.compute import builds, sample_box
from vrdask.transforms import reference_sampling
from vrdask.transforms.affine import affine
from vrdask.transforms.grid import grid_sampling

ORDERS = {"nearest": 0, "linear": 1, "cubic": 3}
SHAPES = [((40,), (57,)), ((1,), (9,)), ((2,), (9,)), ((3, 17), (20, 8)), ((1, 24), (5, 30)), ((11, 2, 9), (4, 13, 10))]


def turned(rank, seed, far=3.0):
    """A map and an offset that take positions beyond both ends."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rank, rank)), rng.normal(size=rank) * far


@pytest.mark.parametrize("mode", ORDERS)
@pytest.mark.parametrize(("shape", "out"), SHAPES)
@pytest.mark.parametrize("far", [3.0, 1e3, 1e6])
def test_affine_maps_are_scipys(shape, out, far, mode):
    for seed in range(4):
        x, (matrix, offset) = np.random.default_rng(seed).random(shape), turned(len(shape), seed, far)
        got = vrdask.affine_transform(x, matrix, offset, out, mode, padding_mode="wrap")
        expected = ndimage.affine_transform(x, matrix, offset, out, order=ORDERS[mode], mode="grid-wrap")
        assert_allclose(got, expected, rtol=0, atol=1e-12 * max(far, 1e3))
        twin = reference_sampling.affine_transform(affine(shape, x.dtype, matrix, offset, out, mode, "wrap"), x)
        assert_array_equal(twin, got, strict=True)


@pytest.mark.parametrize("mode", ORDERS)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("numbers", ["float32", "float64"])
def test_grids_are_scipys_map_coordinates(numbers, align_corners, mode):
    rng = np.random.default_rng(0)
    for sizes in ((9, 12), (1, 7), (4, 5, 6), (2, 1, 3)):
        x = rng.random((2, 2, *sizes))
        grid = rng.uniform(-4, 4, (2, *(7,) * len(sizes), len(sizes))).astype(numbers)
        got = vrdask.grid_sample(x, grid, mode, "wrap", align_corners=align_corners)
        what = grid_sampling(x.shape, x.dtype, grid.shape, grid.dtype, mode, "wrap", align_corners=align_corners)
        assert_array_equal(reference_sampling.grid_sample(what, x, grid), got, strict=True)
        if mode == "nearest":  # ties round to even here, up in SciPy; the twin says the rest
            continue
        positions = reference_sampling.grid_positions(what, grid)
        for n, channel in np.ndindex(2, 2):
            at = [axis[n].astype(np.float64) for axis in positions]
            expected = ndimage.map_coordinates(x[n, channel], at, order=ORDERS[mode], mode="grid-wrap")
            assert_allclose(got[n, channel], expected, rtol=0, atol=1e-12 if numbers == "float64" else 2e-6)


def test_between_the_last_sample_and_the_first_both_count():
    x = np.array([1.0, 5.0, 3.0, 9.0])
    at = [3.25, 3.5, 4.0, -0.75, -8.5, 7.25]
    got = [vrdask.affine_transform(x, [[0.5]], [p], 1, padding_mode="wrap")[0] for p in at]
    assert_allclose(got, [7, 5, 1, 7, 5, 7], rtol=1e-14)


@pytest.mark.parametrize("mode", ORDERS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "float16", "float32"])
def test_whole_shifts_are_rolls(mode, dtype):
    x = np.random.default_rng(2).integers(0, 200, (6, 7)).astype(dtype)
    for shift in ((2, -3), (-6, 7), (100, -1001)):
        got = vrdask.affine_transform(x, np.eye(2), shift, mode=mode, padding_mode="wrap")
        assert_array_equal(got, np.roll(x, (-shift[0], -shift[1]), (0, 1)), strict=True)


@pytest.mark.parametrize("mode", ORDERS)
def test_a_rolled_array_has_the_same_values_further_on(mode):
    # no sample is the first: what a prefilter makes of the ends is what it makes of the middle
    x = np.random.default_rng(3).random((13, 10))
    whole = vrdask.affine_transform(x, [0.37, 0.61], (0.2, 0.4), (30, 15), mode, padding_mode="wrap")
    rolled = vrdask.affine_transform(
        np.roll(x, (4, 7), (0, 1)), [0.37, 0.61], (4.2, 7.4), (30, 15), mode, padding_mode="wrap"
    )
    assert_allclose(rolled, whole, rtol=0, atol=1e-13)


@pytest.mark.parametrize("mode", ORDERS)
def test_positions_that_are_none_have_the_fill_value(mode):
    x = np.random.default_rng(4).random((1, 2, 5, 6))
    grid = np.random.default_rng(5).uniform(-3, 3, (1, 4, 40, 2))
    bad = grid.copy()
    bad[0, 1, 3], bad[0, 2, 5, 1], bad[0, 3, 0, 0] = np.nan, np.inf, -np.inf
    got, plain = (vrdask.grid_sample(x, one, mode, "wrap", 7) for one in (bad, grid))
    missing = ~np.isfinite(bad).all(axis=-1)[0]
    assert (got[:, :, missing] == 7).all()
    assert_array_equal(got[:, :, ~missing], plain[:, :, ~missing])
    assert (vrdask.grid_sample(x, np.full_like(grid, np.nan), mode, "wrap", 7) == 7).all()


@pytest.mark.parametrize("mode", ORDERS)
@pytest.mark.parametrize("build", builds.supported())
def test_by_chunks_equals_at_once_on_every_instruction_set(monkeypatch, build, mode, tmp_path):
    monkeypatch.setattr(sample_box, "_kernel", builds.load("sample", build))
    for seed, (dtype, dtype_out) in enumerate([("float32", None), ("uint8", None), ("int64", "float32")]):
        x = (np.random.default_rng(seed).random((11, 14, 13)) * 200).astype(dtype)
        matrix, offset = turned(3, seed)
        options: dict[str, Any] = {"mode": mode, "padding_mode": "wrap", "dtype": dtype_out}
        whole = vrdask.affine_transform(x, matrix, offset, (9, 10, 8), **options)
        what = affine(x.shape, dtype, matrix, offset, (9, 10, 8), mode, "wrap", out_dtype=dtype_out)
        assert_array_equal(reference_sampling.affine_transform(what, x), whole, strict=True)
        with dask.config.set(scheduler="synchronous"):
            for source in (da.from_array(x, chunks=(3, 5, 4)), zarr.create_array({}, data=x, chunks=(4, 3, 5))):
                lazy = vrdask.affine_transform(source, matrix, offset, (9, 10, 8), chunks=(4, 3, 8), **options)
                assert_array_equal(lazy.compute(), whole, strict=True)


@pytest.mark.parametrize("mode", ORDERS)
def test_grids_by_chunks_equal_at_once(mode):
    rng = np.random.default_rng(6)
    x, grid = rng.random((1, 2, 9, 10, 11)).astype("f4"), rng.uniform(-2, 2, (1, 5, 6, 4, 3)).astype("f4")
    grid[0, :2] = grid[0, :2] * 0.1 + 1.1  # a piece that crosses the ends, and no more
    whole = vrdask.grid_sample(x, grid, mode, "wrap")
    inputs = (x, da.from_array(x, chunks=(1, 1, 4, 5, 6)), zarr.create_array({}, data=x, chunks=(1, 2, 5, 4, 3)))
    with dask.config.set(scheduler="synchronous"):
        for one in inputs:
            for other in (grid, da.from_array(grid, chunks=(1, 2, 3, 4, 3))):
                if one is not x or other is not grid:
                    assert_array_equal(vrdask.grid_sample(one, other, mode, "wrap").compute(), whole, strict=True)


@pytest.mark.parametrize("mode", ORDERS)
def test_runs_and_the_command_line_write_what_affine_transform_gives(mode, tmp_path):
    x = np.random.default_rng(7).integers(0, 60_000, (30, 41), np.uint16)
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(7, 9))
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    whole = vrdask.affine_transform(x, turn, (9.3, -11.8), (50, 33), mode, padding_mode="wrap")
    made = vrdask.affine_zarr(
        tmp_path / "in.zarr", tmp_path / "out.zarr", turn, (9.3, -11.8), (50, 33), mode, padding_mode="wrap",
        chunks=(8, 8), memory_limit="64MiB",
    )  # fmt: skip
    assert_array_equal(made[:], whole, strict=True)
    np.savetxt(tmp_path / "turn.txt", turn)
    ran = CliRunner().invoke(
        main,
        ["affine", str(tmp_path / "in.zarr"), str(tmp_path / "cli.zarr"), "--matrix", str(tmp_path / "turn.txt"),
         "--offset", "9.3,-11.8", "--output-shape", "50,33", "--mode", mode, "--padding-mode", "wrap"],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    assert_array_equal(zarr.open_array(tmp_path / "cli.zarr")[:], whole, strict=True)


@pytest.mark.parametrize("mode", ORDERS)
def test_a_box_across_an_end_reads_both_ends_and_not_what_lies_between(mode):
    what = affine((10_000, 500), "float32", np.eye(2), (9_990.5, 490.5), (40, 30), mode, "wrap")
    reads = what.reads(((0, 40), (0, 30)))
    assert all(n < 40 + 2 * 16 + 6 for n in shape_of(reads))
    parts = [part for part, _ in rounds_of(reads, what.in_shape)]
    assert len(parts) == 4
    assert all(stop <= n for part in parts for (_, stop), n in zip(part, what.in_shape, strict=True))
    assert shape_of(reads)[0] <= what.most_read((40, 30))[0]
