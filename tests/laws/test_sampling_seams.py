"""The theorem for samplings: by chunks gives the bits of at once, whatever is chunked, and reads what it says."""

from __future__ import annotations

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import vrdask
from vrdask.boxes import shape_of, size_of, slices_of
from vrdask.compute import builds
from vrdask.compute.sample_box import sample_affine, sample_grid, touched
from vrdask.lazy import sampling
from vrdask.transforms.affine import PADDING, affine
from vrdask.transforms.grid import PADDING_MODES, grid_sampling

MODES = ("nearest", "linear", "cubic")
DTYPES = ("uint8", "int16", "float16", "float32", "int64", "float64")
SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck))


def values(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        x = rng.normal(size=shape).astype(dtype)
        if seed % 3 == 0 and x.size:
            x.reshape(-1)[rng.integers(0, x.size, 1 + x.size // 200)] = np.nan
        return x
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


@st.composite
def chunkings(draw, shape):
    result = []
    for size in shape:
        few = min(size, 5) - 1
        cuts = draw(st.lists(st.integers(1, size - 1), unique=True, max_size=few)) if size > 1 else []
        result.append(tuple(np.diff([0, *sorted(cuts), size]).tolist()))
    return tuple(result)


@st.composite
def affine_problems(draw):
    count = draw(st.integers(1, 3))
    others = draw(st.integers(0, 1))
    ndim = count + others
    axes = tuple(draw(st.permutations(range(ndim)))[:count])
    largest = {1: 90, 2: 24, 3: 11}[count]
    shape = tuple(draw(st.integers(1, largest if axis in axes else 3)) for axis in range(ndim))
    sizes = tuple(draw(st.integers(1, largest)) for _ in axes)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    matrix = rng.normal(size=(count, count))
    if draw(st.booleans()):
        matrix = np.round(matrix * 2) / 2 + np.eye(count) * 3.5
    centre = [shape[axis] / 2 for axis in axes]
    offset = centre - matrix @ (np.array(sizes) / 2) + rng.normal(size=count) * draw(st.sampled_from([0, 1, 30]))
    if draw(st.booleans()):
        offset = np.round(offset * 2) / 2
    mode = draw(st.sampled_from(MODES))
    padding = draw(st.sampled_from([name for name in PADDING if (mode, name) != ("cubic", "grid-constant")]))
    dtype, seed = draw(st.sampled_from(DTYPES)), draw(st.integers(0, 2**16))
    options = {"mode": mode, "padding_mode": padding, "axes": axes}
    options["fill_value"] = draw(st.sampled_from([0, 2.5, 2.5 + 1e-9, 1e30]))
    if draw(st.booleans()):
        options["dtype"] = draw(st.sampled_from(DTYPES))
    return values(shape, dtype, seed), matrix, offset, sizes, options


@SETTINGS
@given(problem=affine_problems(), data=st.data())
def test_affine_by_chunks_equals_at_once(problem, data):
    x, matrix, offset, sizes, options = problem
    whole = vrdask.affine_transform(x, matrix, offset, sizes, **options)
    chunks = data.draw(chunkings(whole.shape))
    lazy = vrdask.affine_transform(
        da.from_array(x, chunks=data.draw(chunkings(x.shape))), matrix, offset, sizes, chunks=chunks, **options
    )
    assert lazy.chunks == chunks
    with dask.config.set(scheduler="synchronous"):
        assert_array_equal(lazy.compute(), whole, strict=True)
    stored = zarr.create_array({}, data=x, chunks=tuple(max(1, n // 2) for n in x.shape))
    lazy = vrdask.affine_transform(stored, matrix, offset, sizes, chunks=chunks, **options)
    with dask.config.set(scheduler="synchronous"):
        assert_array_equal(lazy.compute(), whole, strict=True)


def taken(shape, reads):
    """Indices of a box, which goes on with the first samples behind the last where axes wrap."""
    return np.ix_(*(np.arange(start, stop) % n for (start, stop), n in zip(reads, shape, strict=True)))


@SETTINGS
@given(problem=affine_problems(), data=st.data())
def test_an_affine_box_reads_what_it_weighs(problem, data):
    x, matrix, offset, sizes, options = problem
    out_dtype = options.pop("dtype", None)
    what = affine(x.shape, x.dtype, matrix, offset, sizes, out_dtype=out_dtype, **options)
    whole = vrdask.affine_transform(x, matrix, offset, sizes, dtype=out_dtype, **options)
    for _ in range(3):
        starts = [data.draw(st.integers(0, n - 1)) for n in whole.shape]
        writes = tuple((a, data.draw(st.integers(a + 1, n))) for a, n in zip(starts, whole.shape, strict=True))
        reads = what.reads(writes)
        wraps = options["padding_mode"] == "wrap"
        assert all(
            0 <= start <= stop <= (start + n if wraps else n) for (start, stop), n in zip(reads, x.shape, strict=True)
        )
        assert all(start < n for (start, _), n in zip(reads, x.shape, strict=True))
        got = sample_affine(what, x[taken(x.shape, reads)], reads, writes, 1)
        assert_array_equal(got, whole[slices_of(writes)], strict=True)


@st.composite
def grid_problems(draw):
    rank = draw(st.integers(2, 3))
    largest = {2: 20, 3: 9}[rank]
    batch, channels = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    shape = (batch, channels, *(draw(st.integers(1, largest)) for _ in range(rank)))
    points = (batch, *(draw(st.integers(1, largest)) for _ in range(rank)))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    reach = draw(st.sampled_from([0.3, 1.2, 4.0]))
    grid = rng.uniform(-reach, reach, (*points, rank)) + rng.uniform(-0.7, 0.7, rank)
    if draw(st.booleans()):
        grid = np.round(grid * 8) / 8
    grid = grid.astype(draw(st.sampled_from(["float16", "float32", "float64"])))
    if draw(st.booleans()):
        grid.reshape(-1)[rng.integers(0, grid.size, 3)] = [np.nan, np.inf, -6e4]
    mode = draw(st.sampled_from(MODES))
    rule = draw(st.sampled_from(["bankers", "round_half_up"])) if mode == "nearest" else "bankers"
    arguments = (mode, draw(st.sampled_from(PADDING_MODES)), draw(st.sampled_from([0, 2.5, 2.5 + 1e-9, 1e30])), rule)
    x = values(shape, draw(st.sampled_from(DTYPES)), draw(st.integers(0, 2**16)))
    return x, grid, arguments, {"align_corners": draw(st.booleans())}


@SETTINGS
@given(problem=grid_problems(), data=st.data())
def test_grid_sample_by_chunks_equals_at_once(problem, data):
    x, grid, arguments, options = problem
    whole = vrdask.grid_sample(x, grid, *arguments, **options)
    in_zarr = [zarr.create_array({}, data=a, chunks=tuple(max(1, n // 2) for n in a.shape)) for a in (x, grid)]
    inputs = [x, da.from_array(x, chunks=data.draw(chunkings(x.shape))), in_zarr[0]]
    grids = [grid, da.from_array(grid, chunks=data.draw(chunkings(grid.shape))), in_zarr[1]]
    for one in inputs:
        for other in grids:
            if one is x and other is grid:
                continue
            lazy = vrdask.grid_sample(one, other, *arguments, **options)
            assert lazy.shape == whole.shape
            with dask.config.set(scheduler="synchronous"):
                assert_array_equal(lazy.compute(), whole, strict=True)


@SETTINGS
@given(problem=grid_problems(), data=st.data())
def test_touched_is_what_a_grid_weighs(problem, data):
    x, grid, (mode, padding, fill, rule), options = problem
    what = grid_sampling(x.shape, x.dtype, grid.shape, grid.dtype, mode, padding, fill, rule, **options)
    whole = vrdask.grid_sample(x, grid, mode, padding, fill, rule, **options)
    spatial = touched(what, grid)
    window = (*((0, n) for n in x.shape[:2]), *spatial)
    reads = what.reads(window) if size_of(window) else ((0, 0),) * x.ndim
    for other in (0, 1):  # what lies outside is never looked at
        noise = values(x.shape, x.dtype, 3 * other + 1)
        noise[taken(x.shape, reads)] = x[taken(x.shape, reads)]
        assert_array_equal(vrdask.grid_sample(noise, grid, mode, padding, fill, rule, **options), whole)
    got = sample_grid(what, x[taken(x.shape, reads)], reads, window, grid, x.shape[1], 1)
    assert_array_equal(got, whole, strict=True)


def test_touched_is_no_larger_than_needed():
    # every end of the box matters: NaN there reaches a result
    rng = np.random.default_rng(1)
    for rank, mode, padding in [(r, m, p) for r in (2, 3) for m in ("nearest", "linear") for p in PADDING_MODES]:
        x = rng.random((1, 1, *(20, 24, 16)[:rank])).astype("f4")
        grid = rng.uniform(-0.2, 0.5, (1, *(4, 3, 5)[:rank], rank)).astype("f4")
        what = grid_sampling(x.shape, x.dtype, grid.shape, grid.dtype, mode, padding)
        for axis, (start, stop) in enumerate(touched(what, grid), 2):
            for end in (start, stop - 1):
                poisoned = x.copy()
                poisoned[(slice(None),) * axis + (end,)] = np.nan
                assert np.isnan(vrdask.grid_sample(poisoned, grid, mode, padding)).any()


def test_on_a_cluster(client, tmp_path):
    x, grid = values((2, 2, 20, 21, 22), "float32", 1), np.random.default_rng(2).uniform(-1, 1, (2, 9, 20, 17, 3))
    stored = zarr.create_array(tmp_path / "input.zarr", data=x, chunks=(1, 2, 8, 8, 8))
    whole = vrdask.grid_sample(x, grid, "cubic")
    for one in (da.from_array(x, chunks=(1, 1, 11, 11, 11)), stored):
        for other in (grid, da.from_array(grid, chunks=(1, 8, 8, 8, 3))):
            assert_array_equal(vrdask.grid_sample(one, other, "cubic").compute(), whole)


def test_nothing_is_computed_until_asked():
    def never(block):
        raise AssertionError("computed while the graph was made")

    x = da.ones((1, 1, 8, 8, 8), chunks=4).map_blocks(never, dtype="f4", meta=np.empty((0,) * 5, "f4"))
    grid = da.zeros((1, 8, 8, 8, 3), chunks=4).map_blocks(never, dtype="f4", meta=np.empty((0,) * 5, "f4"))
    assert vrdask.grid_sample(x, grid).shape == (1, 1, 8, 8, 8)
    assert vrdask.grid_sample(x, np.zeros((1, 8, 8, 8, 3), "f4")).shape == (1, 1, 8, 8, 8)
    assert vrdask.affine_transform(x[0, 0], np.eye(3) * 0.9).shape == (8, 8, 8)


def test_sizes_that_dask_does_not_know_are_refused():
    x = da.ones((2, 1, 8, 8), chunks=4)
    unknown, grid = x[da.ones(2) > 0], da.zeros((2, 3, 3, 2))
    for call in (
        lambda: vrdask.affine_transform(unknown, np.eye(2)),
        lambda: vrdask.grid_sample(unknown, grid),
        lambda: vrdask.grid_sample(x, grid[da.ones(2) > 0]),
    ):
        with pytest.raises(ValueError, match=r"sizes must be known; got \(nan, .*compute_chunk_sizes"):
            call()


def test_names_are_deterministic_and_follow_the_arguments():
    x = da.ones((8, 8), chunks=4)
    first, again = (vrdask.affine_transform(x, np.eye(2) * 0.5) for _ in range(2))
    assert first.name == again.name
    assert first.name.startswith("affine-")
    assert vrdask.affine_transform(x, np.eye(2) * 0.6).name != first.name
    grid = np.zeros((1, 3, 3, 2), "f4")
    names = [vrdask.grid_sample(x[None, None], points).name for points in (grid, grid.copy(), grid + 1)]
    assert names[0] == names[1] != names[2]


def test_a_dask_task_depends_on_the_blocks_its_corners_span():
    x = da.zeros((100, 100), chunks=10)
    lazy = vrdask.affine_transform(x, np.eye(2) * 1.0, (0.5, 0.5), (100, 100), chunks=10)
    graph = dict(lazy.__dask_graph__())
    blocks = [key for key in graph[(lazy.name, 3, 3)].dependencies if isinstance(key, tuple)]
    assert len(blocks) == 4


def test_a_rotated_terabyte_reads_little_more_than_its_corners_span():
    turn = np.deg2rad(10)
    matrix = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    centre = np.full(3, 1023.5)
    what = affine((2048,) * 3, "uint8", matrix, centre - matrix @ centre)
    for index in np.ndindex(16, 16, 16):
        writes = tuple((128 * i, 128 * i + 128) for i in index)
        corners = np.array(np.meshgrid(*[(a, b - 1) for a, b in writes])).reshape(3, -1)
        at = matrix @ corners + np.array(what.offset)[:, None]
        low, high = np.floor(at.min(axis=1)).clip(0, 2047), np.ceil(at.max(axis=1)).clip(0, 2047)
        reads = what.reads(writes)
        if size_of(reads):
            assert np.all(np.array(shape_of(reads)) <= high - low + 1)


@pytest.mark.parametrize("build", builds.supported())
def test_every_instruction_set_gives_the_same_bits(monkeypatch, build):
    x = values((1, 2, 20, 21, 22), "float32", 1)
    rng = np.random.default_rng(0)
    grid = rng.uniform(-1.1, 1.1, (1, 17, 18, 19, 3)).astype("f4")
    matrix = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    calls = [lambda mode=mode, padding=padding: vrdask.grid_sample(x, grid, mode, padding, 0.3)
             for mode in MODES for padding in PADDING_MODES]  # fmt: skip
    calls += [lambda mode=mode: vrdask.affine_transform(x[0, 0], matrix, 9, mode=mode) for mode in MODES]
    expected = [call() for call in calls]
    monkeypatch.setattr(vrdask.compute.sample_box, "_kernel", builds.load("sample", build))
    for call, result in zip(calls, expected, strict=True):
        assert call().tobytes() == result.tobytes()


def test_assembled_pieces_need_not_cover_what_is_not_asked_for():
    a = np.arange(12).reshape(3, 4)
    pieces, places = [a[:, :2], a[:, 2:]], [((0, 3), (0, 2)), ((0, 3), (2, 4))]
    assert_array_equal(sampling.assembled(pieces, places, ((1, 3), (1, 4)), a.dtype), a[1:, 1:])
