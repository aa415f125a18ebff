"""Each path that skips work whose result is known gives what the general path gives."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from block_problems import block_problems, block_values
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import DTYPES, INTERPOLATING, MODES, Problem, problems, values

import vrdask
import vrdask.compute.gather
from vrdask.api.in_memory import resample_in_memory
from vrdask.compute import builds, contract, reduce_box
from vrdask.compute.box import compute_box
from vrdask.compute.contract import row_tables
from vrdask.compute.resample_box import apply
from vrdask.compute.tiles import dims_of
from vrdask.compute.uint8_filter import whole_box
from vrdask.compute.uint8_filter.tables import Layout
from vrdask.compute.uint8_filter.whole_box import filter_box
from vrdask.transforms import interpolators, reference, reference_blocks
from vrdask.transforms.blocks import blocks
from vrdask.transforms.resampling import Resampling, resampling

BUILDS = builds.supported()


@given(problem=problems(convert=False, most_axes=3))
def test_an_axis_that_keeps_its_size_is_one_not_resampled(problem):
    kept = [k for k, axis in enumerate(problem.axes) if problem.shape[k] == problem.in_shape[axis]]
    changed = [k for k in range(len(problem.axes)) if k not in kept]
    if not changed:
        return
    without = Problem(
        problem.in_shape, tuple(problem.shape[k] for k in changed), tuple(problem.axes[k] for k in changed),
        problem.mode, problem.align_corners, problem.in_dtype, None, problem.seed,
    )  # fmt: skip
    assert_array_equal(problem.resample(problem.source), without.resample(problem.source))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_samples_of_every_size_are_copied_as_numpy_does(dtype, channels):
    for n_in, n_out in ((64, 32), (63, 21), (65, 22), (7, 40), (5, 1), (3, 3), (1, 9)):
        x = values((n_in, n_in, channels), dtype, n_in)
        picked = (2 * np.arange(n_out) + 1) * n_in // (2 * n_out)
        found = vrdask.resample(x, (n_out, n_out), "nearest", axes=(0, 1))
        assert_array_equal(found, x[np.ix_(picked, picked)])


INTEGERS = [dtype for dtype in DTYPES if np.dtype(dtype).kind in "iu"]


@pytest.mark.parametrize("mode", ["area", "area_exact", "box", "linear"])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_windows_that_are_whole_blocks_are_those_of_the_contraction(mode, dtype, monkeypatch):
    for sizes, axes, factor in product(
        ((8, 6, 10), (4, 46, 3), (1, 34, 2)), ((0, 1, 2), (0, 1), (1,), (2,)), (1, 2, 3)
    ):
        in_shape = tuple(n * factor if axis in axes else n for axis, n in enumerate(sizes))
        shape = tuple(sizes[axis] for axis in axes)
        made = resampling(in_shape, shape, mode, axes=axes, in_dtype=dtype)
        in_blocks = factor > 1 and (
            factor == 2 and np.dtype(dtype).itemsize < 8 if mode == "linear" else not made.fixed_point
        )
        assert (made.blocks is not None) == in_blocks
        x = values(in_shape, dtype, factor)
        found = apply(made, x, *made.whole, 2)
        with monkeypatch.context() as patched:
            patched.setattr(Resampling, "blocks", None)
            general = replace(made)
            assert general.blocks is None
            assert_array_equal(found, apply(general, x, *general.whole, 2))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_keeping_every_size_copies(mode, dtype):
    x = values((7, 9), dtype, 1)
    result = vrdask.resample(x, (7, 9), mode)
    assert_array_equal(result, x)
    assert not np.shares_memory(result, x)


# Output per input sample; 16 lanes of a register then span about 15 / ratio samples, and permutations reach 16 or 32.
RATIOS = [0.1, 0.3, 0.45, 0.49, 0.5, 0.51, 0.53, 0.6, 0.9, 0.97, 1.03, 1.5, 1.97, 2, 2.03, 3.7]


@pytest.mark.parametrize("build", BUILDS)
def test_ratios_span_both_sides_of_the_reach_of_a_permutation(machine, build):
    spans, halves = [], []
    with machine(build):
        lanes = contract._kernel.LANES[4]
        for ratio in RATIOS:
            op = interpolators.linear(400, round(400 * ratio), False)
            shapes = row_tables({"start": op.start, "count": op.count, "weights": op.weights.astype(np.float32)}, 1)[
                "shape"
            ]
            spans.append(int(shapes[:, 2].max()))
            halves.append(int(shapes[:, 6].max()) + 1)
    for found in (spans, halves):
        assert min(found) < lanes < 2 * lanes <= max(found)
        assert any(lanes <= span < 2 * lanes for span in found)
    assert any(span >= 2 * lanes > half for span, half in zip(spans, halves, strict=True))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("mode", INTERPOLATING)
def test_rows_by_permutation_equal_rows_by_gather(machine, mode, dtype):
    # the baseline build has the gather path alone
    for n_in, ratio, channels in product((33, 400), RATIOS, (1, 3)):
        problem = Problem((3, n_in, channels), (max(1, round(n_in * ratio)),), (1,), mode, in_dtype=dtype, seed=n_in)
        results = []
        for build in BUILDS:
            with machine(build):
                results.append(problem.resample(problem.source))
        for result in results[1:]:
            assert_array_equal(result, results[0], err_msg=str(problem))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_any_length_are_read_no_further_than_they_reach(machine, dtype):
    # rows that are read where they lie, and end where memory that must not be read may begin: a NaN for the arithmetic
    for n_in, ratio in product((2, 3, 5, 8, 9, 15, 16, 17, 31, 40), (0.3, 0.6, 1, 1.7)):
        n_out = max(1, round(n_in * ratio))
        if n_out == n_in:
            continue
        wide = np.full((5, n_in + 40), np.nan, dtype)
        wide[:, :n_in] = values((5, n_in), dtype, n_in)
        what = Problem((5, n_in), (n_out,), (1,), "linear", in_dtype=dtype).what
        expected = reference.resample(what, wide[:, :n_in])
        for build in BUILDS:
            with machine(build):
                assert_array_equal(vrdask.resample(wide[:, :n_in], n_out, "linear"), expected)


# Samples per output. Those of four lanes lie within one window of 16 bytes, within two, or within none; at 5/3 and 7/3
# some outputs lie on a sample and have one tap.
FEWER = [1.02, 1.5, 5 / 3, 2.3, 7 / 3, 2.92, 4.5, 5.5, 9.3, 12]


def test_ratios_span_windows_of_bytes():
    found = {
        contract.byte_tables(
            row_tables({"start": op.start, "count": op.count, "weights": op.weights.astype(np.float32)}, channels),
            channels,
        )[0]
        for ratio, channels in product(FEWER, (1, 3, 4))
        if (op := interpolators.linear(400, round(400 / ratio), False))
    }
    assert found == {0, 1, 2}


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 15])
@pytest.mark.parametrize("mode", ["linear", ("area", "linear"), ("linear", "area"), ("cubic", "linear")])
def test_rows_of_bytes_equal_the_definition(machine, mode, channels):
    for ratio, (height, width), out in product(FEWER, ((9, 40), (40, 9), (5, 301)), ("uint8", "int16", "float32")):
        rows, columns = max(1, round(height / (2.92 if ratio == 12 else ratio))), max(1, round(width / ratio))
        if (rows, columns) == (height, width):
            continue
        what = resampling(
            (height, width, channels), (rows, columns), mode, axes=(0, 1), in_dtype="uint8", out_dtype=out
        )
        x = values((height, width + 3, channels), "uint8", width)[:, :width]  # rows are followed by others
        expected = reference.resample(what, x)
        for build in BUILDS:
            with machine(build):
                assert_array_equal(resample_in_memory(what, x, 1), expected, err_msg=f"{build} {ratio} {out}")


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("wide", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_rows_of_any_length_are_rounded_as_the_definition_says(machine, dtype, wide, build):
    limits = np.iinfo(dtype)
    special = np.array(
        [np.nan, np.inf, -np.inf, 1e30, -1e30, 2.0**31, -(2.0**31), -0.0, limits.max + 0.5, limits.min - 0.5]
    )
    for n in (*range(1, 36), 63, 64, 65, 255, 256, 300):
        x = (np.random.default_rng(n).integers(2 * limits.min - 9, 2 * limits.max + 9, (2, n)) / 2).astype(wide)
        x[:, : len(special)] = special[:n]
        with machine(build):
            assert_array_equal(
                vrdask.resample(x, x.shape, "linear", dtype=dtype), reference.convert(x, np.dtype(dtype))
            )


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_short_tiles_of_rows_equal_the_definition(machine, dtype):
    for in_shape, shape in (((213, 50), (71, 20)), ((2, 150, 40), (141, 39)), ((3, 140, 33, 3), (66, 11))):
        axes = tuple(range(len(in_shape) - len(shape) - (len(in_shape) == 4), len(in_shape) - (len(in_shape) == 4)))
        what = Problem(in_shape, shape, axes, "linear", in_dtype=dtype).what
        x = values(in_shape, dtype, 5)
        expected = reference.resample(what, x)
        for build in BUILDS:
            with machine(build):
                for threads in (1, 2):
                    assert_array_equal(resample_in_memory(what, x, threads), expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("mode", ["box", "bilinear", "lanczos"])
def test_filters_along_rows_equal_those_without_permutations(machine, monkeypatch, mode, channels):
    # windows that a register's halves share, or not; positions with windows of their own; ends of rows, where these
    # reach beyond them; rows that do not make up a batch. Bytes between rows stay what they are.
    def outputs(problem):
        what, (rows, n_out) = problem.what, (problem.in_shape[0], problem.shape[0])
        held = np.full((rows, n_out + 2, channels), 7, np.uint8)
        filter_box(what, problem.source, *what.whole, held[:, 1:-1], 1)
        assert (held[:, [0, -1]] == 7).all()
        return held[:, 1:-1]

    sizes = [(97, n) for n in (3, 9, 12, 14, 23, 39, 61, 75, 98, 130, 201)] + [
        (800, 100),
        (800, 103),
        (799, 41),
        (5, 2),
    ]
    problems = [
        Problem((1 + n_out % 5, n_in, channels), (n_out,), (1,), mode, in_dtype="uint8", seed=n_out)
        for n_in, n_out in sizes
    ]
    monkeypatch.setattr(whole_box, "_layout", lambda: Layout(0, 1))
    whole_box._prepared_of_few.cache_clear()
    expected = [outputs(problem) for problem in problems]
    monkeypatch.undo()
    for build in BUILDS:
        with machine(build):
            for problem, result in zip(problems, expected, strict=True):
                assert_array_equal(outputs(problem), result, err_msg=f"{problem}, {build}")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n", [2, 64, 999])
def test_factor_two_equals_the_formula(mode, n):
    x = np.random.default_rng(n).integers(0, 1 << 12, (3, 2 * n)).astype(np.float32)
    even, odd = x[:, ::2], x[:, 1::2]
    halved = vrdask.resample(x, n, mode)
    if mode in ("linear", "area"):
        assert_array_equal(halved, (even + odd) / 2)
    elif mode == "nearest":
        assert_array_equal(halved, odd)
        assert_array_equal(vrdask.resample(x, 4 * n, mode), np.repeat(x, 2, axis=1))


@given(problem=problems(), scratch=st.sampled_from([1, 2000, 30_000]), row=st.sampled_from([16, 64, 512]))
def test_tile_sizes_change_no_bit(machine, problem, scratch, row):
    expected = problem.resample(problem.source, num_threads=1)
    with machine(scratch_bytes=scratch, row_elements=row):
        for threads in (1, 2, 5):
            assert_array_equal(resample_in_memory(problem.what, problem.source, threads), expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 15, 16, 17])
@pytest.mark.parametrize("shape", [(11, 40), (23, 9), (40, 23)])
def test_channels_in_a_row_equal_channels_one_by_one(mode, channels, shape):
    x = values((17, 23, channels), "uint8", 3)
    together = vrdask.resample(x, shape, mode, axes=(0, 1))
    alone = [vrdask.resample(np.ascontiguousarray(x[..., c]), shape, mode) for c in range(channels)]
    assert_array_equal(together, np.stack(alone, axis=-1))


@pytest.mark.parametrize(
    ("n_in", "n_out", "stride"),
    [(64, 64, None), (50, 25, 2), (99, 33, 3), (40, 10, 4), (64, 63, 0), (37, 80, 0), (90, 7, 0), (9, 1, 0)],
)
@pytest.mark.parametrize("item", ["V1", "V2", "V3", "V4", "V6", "V8", "V12", "V16", "V20"])
def test_strided_and_indexed_gathers_equal_take(machine, n_in, n_out, stride, item):
    size = np.dtype(item).itemsize
    x = np.random.default_rng(size).integers(0, 256, (5, n_in, size), np.uint8).view(item)[..., 0]
    index = (2 * np.arange(n_out) + 1) * n_in // (2 * n_out)
    for build in BUILDS:
        with machine(build):
            assert_array_equal(vrdask.resample(x, n_out, "nearest"), np.take(x, index, axis=1))
            assert_array_equal(vrdask.resample(x, n_out, "nearest", axes=1, num_threads=2), np.take(x, index, axis=1))
            if stride is not None:
                what = Problem((5, n_in), (n_out,), (1,), "nearest").what
                layout = np.empty((5, n_in), what.in_dtype)
                taken = vrdask.compute.gather._gathering(what, *what.whole, layout.shape, layout.strides)
                assert taken.stride == stride, "the path that this case is meant to test"


@pytest.mark.parametrize(
    ("mode", "in_shape", "shape"),
    [
        ("linear", (40, 36, 70), (20, 18, 35)), ("linear", (9, 31, 50), (4, 15, 27)), ("area", (7, 12, 33), (7, 6, 20)),
        ("linear", (3, 9, 8, 21), (9, 5, 13)), ("area", (10, 8, 40), (5, 4, 80)), ("linear", (5, 3, 6), (1, 1, 1)),
        ("linear", (3, 8, 257), (2, 7, 129)), ("area", (4, 14, 520), (2, 7, 260)), ("linear", (4, 6, 1100), (2, 3, 99)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float16", "float32", "float64"])
def test_two_axes_at_once_equal_one_after_the_other(machine, mode, in_shape, shape, dtype):
    what = Problem(in_shape, shape, tuple(range(len(in_shape) - len(shape), len(in_shape))), mode, in_dtype=dtype).what
    dims = dims_of(what.stages[-1], what.whole[1])
    assert ("pair" in [dim.kind for dim in dims]) == all(
        n_in != n_out for n_in, n_out in zip(in_shape[-3:], shape, strict=True)
    )
    x = values(in_shape, dtype, 3)
    expected = reference.resample(what, x)
    for build in BUILDS:
        with machine(build):
            assert_array_equal(vrdask.resample(x, shape, mode, num_threads=2), expected)


@pytest.mark.parametrize("mode", INTERPOLATING)
def test_one_thread_for_little_work_equals_many(mode):
    x = values((70, 90, 80), "int16", 5)
    assert_array_equal(
        vrdask.resample(x, (50, 100, 60), mode, num_threads=1), vrdask.resample(x, (50, 100, 60), mode, num_threads=3)
    )


@given(
    problem=block_problems(), build=st.sampled_from(BUILDS), most=st.sampled_from([0, 1 << 15]),
    inner=st.sampled_from([0, 1, 16]), tile=st.sampled_from([1, 7, 1024]), threads=st.sampled_from([1, 2, 5]),
    looked=st.sampled_from([0, 1 << 20]),
)  # fmt: skip
def test_blocks_by_narrow_sums_and_by_samples_side_by_side_equal_the_general_way(
    machine, problem, build, most, inner, tile, threads, looked
):
    # sums of 8 and 16 bits in 32 where they fit; channels within a row, or each place a row of its own; rows that are
    # looked through first, or not
    x = problem.source
    expected = problem.downsample(x, num_threads=1)
    with machine(build, row_elements=tile), pytest.MonkeyPatch.context() as patch:
        patch.setattr(reduce_box, "MOST_IN_32_BITS", most)
        patch.setattr(reduce_box, "MOST_INNER", inner)
        patch.setattr(reduce_box, "LARGE", 0)
        patch.setattr(reduce_box, "LOOKED_THROUGH", looked)
        assert_array_equal(problem.downsample(x, num_threads=threads), expected)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("mode", ["mean", "majority", "median", "min", "max"])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint64", "float32", "float64"])
def test_blocks_of_two_equal_the_definition_at_any_length(machine, mode, dtype, build):
    # kernels of their own for factors of two, in registers of any width, and the rest of a row behind them
    for n, channels in product((1, 2, 15, 16, 33, 64, 127, 1030), (1, 3, 4)):
        x = block_values((3, 5, n, channels), dtype, n)
        what = blocks(x.shape, (2, 2, 2, 1), mode, in_dtype=dtype)
        with machine(build):
            found = compute_box(what, x, *what.whole, 1)
        assert_array_equal(found, reference_blocks.downsample(what, x))
