"""uint8 filters in fixed point: the kernel gives the bits of its numpy twin, however it lays out and cuts its work."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import zarr
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import Problem, boxes_in, problems, values

import vrdask
import vrdask.compute.uint8_filter.passes
import vrdask.compute.uint8_filter.whole_box
from vrdask.api.in_memory import resample_in_memory
from vrdask.api.resample_zarr import prepare
from vrdask.boxes import intersection, intervals_of, regular_edges, shape_of, size_of, slices_of
from vrdask.compute import builds
from vrdask.compute.resample_box import apply
from vrdask.compute.uint8_filter.by_chunk import filter_by_chunk
from vrdask.compute.uint8_filter.passes import calls_of, goes_by_chunk, peak_between_bytes, strips_of
from vrdask.compute.uint8_filter.tables import Layout, Taps, row_table
from vrdask.transforms import reference
from vrdask.transforms.filters import FILTERS
from vrdask.transforms.fixed_point import fixed_point
from vrdask.transforms.modes import axis_operators

BUILDS = builds.supported()
LAYOUTS = (Layout(0, 1), Layout(8, 2), Layout(8, 2, pairs=False), Layout(16, 1))


def filters(**options):
    found = problems(modes=tuple(FILTERS), dtypes=("uint8",), convert=False, **options)
    return found.map(lambda problem: replace(problem, align_corners=False))


def assert_equals_twin(machine, problem):
    assert problem.what.fixed_point
    expected = reference.resample(problem.what, problem.source)
    for build in BUILDS:
        with machine(build):
            for threads in (1, 2):
                got = resample_in_memory(problem.what, problem.source, threads)
                assert_array_equal(got, expected, err_msg=f"{problem}, {build}, {threads} threads")


@given(problem=filters())
def test_every_build_equals_its_twin(machine, problem):
    assert_equals_twin(machine, problem)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 8, 13, 15, 16, 40])
@pytest.mark.parametrize("mode", FILTERS)
def test_rows_of_any_ratio_and_channels_equal_their_twin(machine, mode, channels):
    for n_in, n_out in ((700, 20), (333, 41), (200, 90), (131, 104), (64, 63), (61, 200), (3, 70), (70, 1)):
        assert_equals_twin(machine, Problem((6, n_in, channels), (n_out,), (1,), mode, in_dtype="uint8", seed=n_in))


@pytest.mark.parametrize("n", [1, 15, 16, 31, 32, 33, 63, 64, 65, 127, 129, 200])
def test_columns_of_rows_of_any_length_equal_their_twin(machine, n):
    for mode, n_out in product(("box", "bicubic"), (5, 19, 40)):
        assert_equals_twin(machine, Problem((19, n), (n_out,), (0,), mode, in_dtype="uint8", seed=n))


@given(problem=filters(most_axes=3), ring=st.sampled_from([1, 500, 5000]), between=st.sampled_from([1, 300, 1 << 20]))
def test_rings_bands_and_strips_change_no_bit(machine, problem, ring, between):
    expected = problem.resample(problem.source, num_threads=1)
    with machine(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(vrdask.compute.uint8_filter.whole_box, "RING_BYTES", ring)
        patch.setattr(vrdask.compute.uint8_filter.passes, "SLAB_BYTES", between)
        for module in (vrdask.compute.uint8_filter.whole_box, vrdask.compute.uint8_filter.passes):
            patch.setattr(module, "NARROWEST", 5)
        vrdask.compute.uint8_filter.whole_box._prepared_of_few.cache_clear()
        for threads in (1, 2, 5):
            assert_array_equal(resample_in_memory(problem.what, problem.source, threads), expected)


@given(problem=filters(most_axes=3), data=st.data())
def test_any_box_alone_equals_its_part_of_the_whole(machine, problem, data):
    what, x = problem.what, problem.source
    writes = data.draw(boxes_in(what.out_shape))
    reads = what.reads(writes)
    whole = problem.resample(x)
    with machine(data.draw(st.sampled_from(BUILDS))):
        piece = x[slices_of(reads)] if data.draw(st.booleans()) else x[slices_of(reads)].copy("F")
        assert_array_equal(apply(what, piece, reads, writes, 2), whole[slices_of(writes)])


@pytest.mark.parametrize("mode", FILTERS)
def test_chunks_of_one_sample_equal_at_once(mode):
    import dask.array as da

    x = values((13, 11, 3), "uint8", 3)
    for shape in ((5, 17), (20, 4)):
        whole = vrdask.resample(x, shape, mode, axes=(0, 1))
        lazy = vrdask.resample(da.from_array(x, chunks=1), shape, mode, axes=(0, 1), chunks=1)
        assert_array_equal(lazy.compute(scheduler="synchronous"), whole)


# Tables


@given(mode=st.sampled_from(tuple(FILTERS)), n_in=st.integers(1, 400), n_out=st.integers(1, 400))
def test_weights_are_pillows_or_16_bits_that_add_up_to_one(mode, n_in, n_out):
    _, op = axis_operators(mode, n_in, n_out, False, False)
    if op is None:
        return
    table = fixed_point(op)
    largest, one = np.abs(op.weights).max(), 1 << table.bits
    error = np.abs(table.weights - op.weights * float(one)).max()
    if largest * 2**17 > 2**15 - 1:
        assert table.bits == 22
        assert error <= 0.5
    else:
        assert error < 1
        assert np.abs(table.weights).max() < 2**15
        assert (table.weights.sum(axis=1) == one).all()
        assert table.bits == 22 or largest * 2 * one > 2**15 - 1, "no higher precision would fit"
    assert 255 * np.abs(table.weights.astype(np.int64)).sum(axis=1).max() + one // 2 < 2**31
    assert (np.abs(255 * (table.weights.astype(np.int64).sum(axis=1) - one)) < one // 2).all(), "constants stay"
    assert not table.weights[np.arange(op.taps) >= op.count[:, None]].any()
    *high, low = table.digits(vrdask.compute.uint8_filter.whole_box._fixed.LOW).astype(np.int64)
    assert_array_equal(
        low + (high[0] << vrdask.compute.uint8_filter.whole_box._fixed.LOW if high else 0), table.weights
    )


def table_of(mode, n_in, n_out, channels, layout, precise=False):
    """The table of a row; and its operator's weights, in fixed point."""
    _, op = axis_operators(mode, n_in, n_out, False, False)
    table = fixed_point(op, precise)
    digits = table.digits(vrdask.compute.uint8_filter.whole_box._fixed.LOW)
    return row_table(Taps(op.start, op.count, table.weights, digits, table.bits), channels, layout), op, table


def test_every_layout_is_used():
    # which ratios and channels the tests above meet, by what the table of the row says
    found = set()
    for layout, channels, (n_in, n_out) in product(
        LAYOUTS, (1, 2, 3, 5, 13, 15), ((700, 20), (333, 41), (200, 90), (131, 104), (61, 200))
    ):
        row, _, _ = table_of("bicubic", n_in, n_out, channels, layout)
        full = row["unit_bytes"] == (layout.lanes or channels)
        way = (row["joint"], row["lanes"]) if layout.lanes == 8 else row["quartered"]
        found.add((layout.lanes, layout.pairs, row["steps"] > 0, way, bool(full) or row["lanes"] > 0))
    eights = {
        (8, pairs, *rest)
        for pairs in (True, False)
        for rest in (
            (True, (1, 0), True), (True, (0, 0), True), (False, (0, 0), False), (True, (1, 0), False),
            (True, (1, 1), True), (True, (1, 2), True), (True, (1, 4), True),
        )
    }  # fmt: skip
    assert found == eights | {
        (0, True, False, 0, True),
        (16, True, True, 0, True), (16, True, True, 0, False), (16, True, True, 1, True), (16, True, True, 1, False),
    }  # fmt: skip


def sums_by_windows(row, source, channels, layout):
    """Sums of all outputs of a row, from its table of eight lanes as row_windows.h reads it, step by step."""
    index, base = row["index"].reshape(-1, 2, 16), row["base"].view(np.int64)
    steps, digits = row["steps"], 1 + row["wide"]
    padded = np.concatenate([source.reshape(-1), np.full(4096, 255, np.uint8)])
    positions = row["lanes"] > 0
    weights = row["weights"].view(np.int16)
    if positions:
        index = index[:1]
    if row["lanes"] == 4:  # two pairs, each for four lanes
        weights = np.repeat(weights.reshape(-1, 2, 1, 2), 4, axis=2)
        weights = weights if layout.pairs else weights.swapaxes(-1, -2)
    registers = len(base) // (1 if positions else 2)
    weights = weights.reshape(registers, steps, digits, 2, 8).astype(np.int64)
    sums = np.zeros((registers, 8), np.int64)
    for k, half in product(range(steps), range(2)):
        at = base if positions else base[half::2]
        assert positions or not row["joint"] or (at == base[::2]).all()
        windows = padded[at[:, None] + k * row["advance"] + np.arange(16)]
        order = np.broadcast_to(index[:, half], windows.shape)
        found = np.where(order == 0x80, 0, np.take_along_axis(windows, order % 16, axis=1)).astype(np.int64)
        products = (found.reshape(-1, 1, 8, 2) @ (1, 256)) * weights[:, k, :, half]
        products = products[:, 0] if digits == 1 else (products[:, 0] << 8) + products[:, 1]
        pairs = products.reshape(-1, 4, 2).sum(2) if layout.pairs else products.reshape(-1, 2, 4).sum(1)
        sums[:, 4 * half : 4 * half + 4] += pairs
    if not positions:
        kept = row["keep"].view(np.uint32)[:, None] >> np.arange(8) & 1
        return sums[kept.astype(bool)]
    return (
        sums.reshape(registers, -1, row["lanes"]).sum(axis=1)[:, :channels].reshape(-1)[: row["at"].view(np.int64)[-1]]
    )


@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("mode", ["box", "bilinear", "lanczos"])
def test_tables_of_eight_lanes_give_every_sum(mode, channels, pairs):
    # AVX2 has pairs side by side, NEON has not: every machine checks both
    layout = Layout(8, 2, pairs)
    for n_in, n_out, precise in product((3, 97), (1, 5, 13, 70, 130), (False, True)):
        row, op, table = table_of(mode, n_in, n_out, channels, layout, precise) if n_in != n_out else (None,) * 3
        if not row or not row["steps"]:
            continue
        source = values((n_in, channels), "uint8", n_in).astype(np.uint8)
        dense = np.zeros((n_out, n_in), np.int64)
        for i in range(n_out):
            taps = op.count[i]
            dense[i, op.start[i] : op.start[i] + taps] = table.weights[i, :taps]
        expected = (dense @ source.astype(np.int64)).reshape(-1)
        assert_array_equal(sums_by_windows(row, source, channels, layout), expected, err_msg=f"{n_in} -> {n_out}")


def test_positions_that_overlap_share_windows():
    row, op, _ = table_of("lanczos", 1600, 200, 3, Layout(8, 2))
    apart = row["keep"].view(np.uint32)
    assert row["lanes"] == 4
    assert row["steps"] == op.count.max() / 4
    assert (apart[2:-2] == 2).all()
    assert (np.diff(row["base"].view(np.int64))[8:-8:2] == 2 * row["advance"]).all()


def test_rows_without_permutations_equal_rows_with_them(monkeypatch):
    problem = Problem((7, 300, 3), (41,), (1,), "lanczos", in_dtype="uint8")
    expected = problem.resample(problem.source)
    monkeypatch.setattr(vrdask.compute.uint8_filter.whole_box, "_layout", lambda: Layout(0, 1))
    vrdask.compute.uint8_filter.whole_box._prepared_of_few.cache_clear()
    assert_array_equal(problem.resample(problem.source), expected)


# Calls


def test_two_axes_take_one_call_and_each_further_axis_another():
    def calls(in_shape, shape, axes):
        return [tuple(call) for call in calls_of(Problem(in_shape, shape, axes, "box", in_dtype="uint8").what)]

    assert calls((40, 50, 3), (20, 20), (0, 1)) == [(1, 0)]
    assert calls((40, 50, 16), (20, 20), (0, 1)) == [(None, 1), (None, 0)]
    assert calls((3, 40, 50), (20, 20), (1, 2)) == [(2, 1)]
    assert calls((30, 40, 50), (10, 20, 20), (0, 1, 2)) == [(2, 1), (None, 0)]
    assert calls((30, 40, 50), (10,), (1,)) == [(None, 1)]
    assert calls((30, 40, 50), (30, 40, 50), (0, 1, 2)) == []


@pytest.mark.parametrize(
    ("in_shape", "shape"), [((300, 300, 3000), (150, 150, 2000)), ((300, 300, 2000), (150, 150, 3000))]
)
def test_arrays_between_calls_stay_within_their_bound(in_shape, shape):
    what = Problem(in_shape, shape, (0, 1, 2), "bicubic", in_dtype="uint8").what
    assert what.passes[0] == (2 if in_shape[2] > shape[2] else 1)
    reads, writes = what.whole
    bound = peak_between_bytes(what, reads, writes)
    assert bound <= 300 * 150 * 256
    for strip in strips_of(what, reads, writes):
        start, stop = (strip if what.passes[0] == 2 else what.reads(strip))[2]
        assert 300 * 150 * (stop - start) <= bound
    plan = vrdask.plan_resample(what.in_shape, what.out_shape, "bicubic", dtype="uint8")
    assert plan.peak_between_bytes == bound


@st.composite
def by_bits(draw):
    """A problem that can be filtered piece by piece, a box of its output and sizes of its source's chunks."""
    problem = draw(filters(most_axes=2))
    what = problem.what
    assume(len(calls_of(what)) == 1 and calls_of(what)[0].row is not None)
    axis = what.passes[0]
    shortest = [n if k > axis else 1 for k, n in enumerate(what.in_shape)]
    stored = [draw(st.integers(min(n, least), n)) for n, least in zip(what.in_shape, shortest, strict=True)]
    return problem, draw(boxes_in(what.out_shape)), tuple(stored)


@given(by_bits())
def test_filtering_piece_by_piece_changes_no_bit(case):
    problem, writes, stored = case
    what, x = problem.what, problem.source
    reads = what.reads(writes)
    edges = [regular_edges(n, size) for n, size in zip(what.in_shape, stored, strict=True)]
    chunks = product(*(intervals_of(one) for one in edges))
    boxes = [intersection(chunk, reads) for chunk in chunks]
    pieces = [(box, x[slices_of(box)]) for box in boxes if size_of(box)]
    target = np.empty(shape_of(writes), np.uint8)
    filter_by_chunk(what, pieces, reads, writes, target, np.empty)
    assert_array_equal(target, resample_in_memory(what, x, 1)[slices_of(writes)])


def test_pieces_narrower_than_an_output_hand_on_what_it_weighs():
    problem = Problem((3, 200, 3), (7,), (1,), "lanczos", in_dtype="uint8")
    what, x = problem.what, problem.source
    pieces = [(((0, 3), (k, k + 1), (0, 3)), x[:, k : k + 1]) for k in range(200)]
    target = np.empty((3, 7, 3), np.uint8)
    filter_by_chunk(what, pieces, *what.whole, target, np.empty)
    assert_array_equal(target, resample_in_memory(what, x, 1))


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda x: x[::-1, ::-1].copy()[::-1, ::-1]])
def test_pieces_of_any_memory_layout(layout):
    problem = Problem((40, 90), (11, 17), (0, 1), "bicubic", in_dtype="uint8")
    what, x = problem.what, problem.source
    boxes = product([(0, 25), (25, 40)], [(0, 50), (50, 90)])
    target = np.empty((11, 17), np.uint8)
    filter_by_chunk(what, [(box, layout(x[slices_of(box)])) for box in boxes], *what.whole, target, np.empty)
    assert_array_equal(target, resample_in_memory(what, x, 1))


@pytest.mark.parametrize("shards", [None, (64, 128, 3)])
@pytest.mark.parametrize("mode", ["lanczos", "box"])
def test_chunks_are_filtered_as_they_are_decoded(tmp_path, monkeypatch, mode, shards):
    monkeypatch.setattr(vrdask.compute.uint8_filter.passes, "SMALLEST_PIECE", 1)
    x = values((400, 450, 3), "uint8")
    source = zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(96, 100, 3))
    options = {"mode": mode, "axes": (0, 1), "chunks": (32, 64, 3), "shards": shards, "num_threads": 2}
    job = prepare(source, tmp_path / "out.zarr", (133, 170), **options)
    assert job.blocks.by_chunk
    assert_array_equal(job.run()[...], vrdask.resample(x, (133, 170), mode, axes=(0, 1)))


def test_small_pieces_and_narrow_ones_are_put_together_first():
    what = Problem((4000, 4000), (500, 500), (0, 1), "lanczos", in_dtype="uint8").what
    assert what.stages[0][1].weights.shape[1] == 48
    assert [goes_by_chunk(what, stored) for stored in ((700, 4 * 48), (200, 4000))] == [True, True]
    assert [goes_by_chunk(what, stored) for stored in ((700, 4 * 48 - 1), (16, 4000), None)] == [False, False, False]


def test_pieces_that_cut_channels_apart_are_put_together_first(tmp_path):
    x = values((800, 700, 3), "uint8")
    what = Problem(x.shape, (200, 180), (0, 1), "lanczos", in_dtype="uint8").what
    assert [goes_by_chunk(what, (800, 700, channels)) for channels in (1, 2, 3)] == [False, False, True]
    source = zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(400, 700, 1))
    job = prepare(source, tmp_path / "out.zarr", (200, 180), mode="lanczos", axes=(0, 1))
    assert_array_equal(job.run()[...], vrdask.resample(x, (200, 180), "lanczos", axes=(0, 1)))
