"""A region with fractions: the result is of a part of an axis, and weighs what lies beyond it. Pillow's `box`."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import dask
import dask.array as da
import numpy as np
import oracles
import pytest
import zarr
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from strategies import DTYPES, FILTERS, MODES, chunks_of, values

import vrdask
from vrdask.cli.main import main
from vrdask.transforms import reference
from vrdask.transforms.coordinates import Window
from vrdask.transforms.resampling import resampling

RNG = np.random.default_rng(0)


def pillow(x, shape, mode, region):
    """region : starts and stops of rows, then of columns."""
    (top, bottom), (left, right) = region
    return np.asarray(
        Image.fromarray(x).resize(shape[::-1], Image.Resampling[mode.upper()], (left, top, right, bottom))
    )


def random_case(rng, largest=120):
    n, shape = rng.integers(1, largest, 2), tuple(map(int, rng.integers(1, largest, 2)))
    length = rng.uniform(0.05, 1, 2) ** 2 * n
    start = rng.uniform(0, n - length) * rng.choice([0, 1], 2)
    stop = np.where(rng.random(2) < 0.2, n, start + length)
    return tuple(n), shape, [(float(a), float(b)) for a, b in zip(start, stop, strict=True)]


# Against Pillow


@pytest.mark.parametrize("mode", FILTERS)
def test_uint8_of_random_boxes_is_pillows(mode):
    # to the bit up to a ratio of 4, as without a box; its ends and their difference are single-precision numbers there
    rng = np.random.default_rng(FILTERS.index(mode))
    for _ in range(150):
        n, shape, region = random_case(rng)
        x = rng.choice(np.array([0, 255], np.uint8), n)
        got = vrdask.resample(x, shape, mode, region=dict(enumerate(region)))
        steepest = max((b - a) / size for (a, b), size in zip(region, shape, strict=True))
        difference = np.abs(got.astype(int) - pillow(x, shape, mode, region)).max()
        assert difference <= (steepest > 4), (n, shape, region)


@pytest.mark.parametrize("mode", FILTERS)
def test_a_photograph_in_colour_is_pillows(mode):
    skimage = pytest.importorskip("skimage")
    x = skimage.data.astronaut()
    for region in ([(10.25, 300.8), (99.9, 401.3)], [(0, 511.5), (0.1, 512.0)], [(100.0, 150.0), (20.0, 400.0)]):
        got = vrdask.resample(x, (170, 211), mode, axes=(0, 1), region=dict(enumerate(region)))
        assert_array_equal(got, pillow(x, (170, 211), mode, region))


@pytest.mark.parametrize("mode", FILTERS)
def test_float32_of_random_boxes_is_pillows(mode):
    rng = np.random.default_rng(FILTERS.index(mode))
    for _ in range(60):
        n, shape, region = random_case(rng)
        region = [(round(a * 64) / 64, round(b * 64) / 64 + (round(a * 64) == round(b * 64)) / 64) for a, b in region]
        region = [(min(a, size - 1 / 64), min(b, size)) for (a, b), size in zip(region, map(int, n), strict=True)]
        x = rng.random(n, np.float32)
        got = vrdask.resample(x, shape, mode, region=dict(enumerate(region)))
        assert_allclose(got, pillow(x, shape, mode, region), rtol=0, atol=1e-5, err_msg=str((n, shape, region)))


@pytest.mark.parametrize("mode", [*MODES, *FILTERS])
def test_the_whole_axis_is_no_window(mode):
    x = RNG.integers(0, 255, (31, 40), np.uint8)
    whole = vrdask.resample(x, (17, 60), mode)
    for region in ({0: (0.0, 31.0), 1: (0.0, 40)}, "0=0.0:,1=:40.0", {0: slice(0.0, None)}):
        assert_array_equal(vrdask.resample(x, (17, 60), mode, region=region), whole)
    assert resampling((31,), 17, mode, steps=[Window(Fraction(0), Fraction(31, 17))]).steps is None


@pytest.mark.parametrize("mode", [*MODES, *FILTERS])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "uint64"])
def test_a_window_of_whole_samples_that_are_kept_is_the_cut(mode, dtype):
    x = values((20, 30), dtype, 2)
    x = x // 2**12 if dtype == "uint64" else x
    got = vrdask.resample(x, (5, 13), mode, region={0: (10.0, 15.0), 1: (7.0, 20.0)})
    assert_array_equal(got, x[10:15, 7:20])


@pytest.mark.parametrize("mode", ["bilinear", "lanczos"])
def test_whole_numbers_cut_and_fractions_do_not(mode):
    x = RNG.random((40, 50))
    cut = vrdask.resample(x, (11, 9), mode, region={0: (10, 30), 1: (20, 45)})
    assert_array_equal(cut, vrdask.resample(x[10:30, 20:45], (11, 9), mode))
    window = vrdask.resample(x, (11, 9), mode, region={0: (10.0, 30.0), 1: (20.0, 45.0)})
    assert np.abs(window - cut)[[0, -1]].max() > 1e-3  # samples beyond weigh in
    assert_allclose(window[4:-4, 4:-4], cut[4:-4, 4:-4], rtol=0, atol=1e-15)  # and only there
    mixed = vrdask.resample(x, (11, 9), mode, region={0: (10, 30), 1: (20.0, 45.0)})
    assert_array_equal(mixed, vrdask.resample(x[10:30], (11, 9), mode, region={1: (20.0, 45.0)}))


@pytest.mark.parametrize("mode", [*MODES, *FILTERS])
def test_tiles_make_the_whole(mode):
    # what Pillow's own tile test asks for within 0.01
    x = RNG.random((61, 47))
    whole = vrdask.resample(x, (36, 81), mode)
    made = np.empty_like(whole)
    for top in range(0, 36, 9):
        for left in range(0, 81, 27):
            region = {0: (Fraction(top * 61, 36), Fraction((top + 9) * 61, 36)),
                      1: (Fraction(left * 47, 81), Fraction((left + 27) * 47, 81))}  # fmt: skip
            made[top : top + 9, left : left + 27] = vrdask.resample(x, (9, 27), mode, region=region)
    assert_allclose(made, whole, rtol=0, atol=1e-12)


# Against exact fractions


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("n", "m", "start", "stop"),
    [(30, 7, "3.25", "21.5"), (30, 50, "3.25", "21.5"), (9, 1, "0.1", "8.9"), (40, 16, "8.5", "40"), (13, 13, "1", "5"),
     (17, 30, "16.2", "16.9"), (25, 4, "0", "10.3"), (300, 20, "99.1234567890123456", "202.3333333333333333")],
)  # fmt: skip
def test_other_modes_are_their_matrices(mode, n, m, start, stop):
    a, b = Fraction(start), Fraction(stop)
    x = np.random.default_rng(n).random((n, 3))
    dense = oracles.matrix(mode, n, m, False, (b - a) / m, a)
    got = vrdask.resample(
        x, m, mode, axes=0, region=f"0={float(a)}:{stop}" if "." not in start else f"0={start}:{stop}"
    )
    assert_allclose(got, dense @ x, rtol=0, atol=1e-13)
    ints = np.random.default_rng(m).integers(0, 60000, (n, 3), np.uint16)
    got = vrdask.resample(ints, m, mode, axes=0, region={0: (a, b)})
    assert np.abs(got - (dense @ ints).clip(0, 65535)).max() <= 0.51


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64"])
def test_means_of_integers_in_windows_are_exact(dtype):
    rng = np.random.default_rng(3)
    for _ in range(60):
        n, m = int(rng.integers(3, 60)), int(rng.integers(1, 20))
        start, parts = int(rng.integers(0, 2 * n)), int(rng.integers(1, 2 * n))
        a, b = Fraction(start % (4 * n - 1), 4), Fraction(min(start % (4 * n - 1) + parts, 4 * n), 4)
        x = values((n, 2), dtype, n)
        got = vrdask.resample(x, m, "area", axes=0, region={0: (a, b)}, dtype="float64")
        for i in range(m):
            low, high = a + i * (b - a) / m, a + (i + 1) * (b - a) / m
            window = x[int(low // 1) : int(-(-high // 1))]
            sums = [sum(map(int, column)) for column in window.T]
            assert_allclose(got[i], [float(Fraction(one, len(window))) for one in sums], rtol=1e-15)


# The theorem


@st.composite
def windowed_problems(draw):
    count = draw(st.integers(1, 3))
    largest = {1: 90, 2: 30, 3: 12}[count]
    shape = tuple(draw(st.integers(1, largest)) for _ in range(count + draw(st.integers(0, 1))))
    axes = tuple(draw(st.permutations(range(len(shape))))[:count])
    sizes = tuple(draw(st.integers(1, largest)) for _ in axes)
    region: dict[int, Any] = {}
    for axis in axes:
        ends = st.fractions(0, shape[axis], max_denominator=draw(st.sampled_from([1, 2, 4, 97, 10**17])))
        start, stop = sorted((draw(ends), draw(ends)))
        if start < stop:
            region[axis] = start, stop
    options = {"mode": draw(st.sampled_from([*MODES, *FILTERS])), "axes": axes, "region": region or None}
    if draw(st.booleans()):
        options["dtype"] = draw(st.sampled_from(DTYPES))
    return values(shape, draw(st.sampled_from(DTYPES)), draw(st.integers(0, 2**16))), sizes, options


@given(problem=windowed_problems(), data=st.data())
def test_by_chunks_and_the_twin_equal_at_once(problem, data):
    x, sizes, options = problem
    whole = vrdask.resample(x, sizes, **options)
    chunks, out_chunks = data.draw(chunks_of(x.shape)), data.draw(chunks_of(whole.shape))
    with dask.config.set(scheduler="synchronous"):
        lazy = vrdask.resample(da.from_array(x, chunks=chunks), sizes, chunks=out_chunks, **options)
        assert_array_equal(lazy.compute(), whole, strict=True)
        stored = zarr.create_array({}, data=x, chunks=tuple(max(1, n // 3) for n in x.shape))
        assert_array_equal(vrdask.resample(stored, sizes, **options).compute(), whole, strict=True)
    steps = [
        Window(start, (stop - start) / size) if (start, stop) != (0, x.shape[axis]) else None
        for axis, size in zip(options["axes"], sizes, strict=True)
        for start, stop in [(options["region"] or {}).get(axis, (Fraction(0), Fraction(x.shape[axis])))]
    ]
    what = resampling(
        x.shape, sizes, options["mode"], axes=options["axes"], in_dtype=x.dtype, out_dtype=options.get("dtype"),
        steps=steps,
    )  # fmt: skip
    if not what.sums.by_bits:
        assert_array_equal(reference.resample(what, x), whole, strict=True)


REGION = {"z": (2, 17), "y": (3.25, 19.5), "x": (0.5, 30)}


@pytest.mark.parametrize("mode", [*MODES, *FILTERS])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_runs_write_what_resample_gives(mode, dtype, tmp_path):
    x = values((20, 23, 31), dtype, 4)
    source = zarr.create_array({}, data=x, chunks=(6, 7, 8), dimension_names=("z", "y", "x"))
    whole = vrdask.resample(x, (9, 30, 11), mode, region={0: (2, 17), 1: (3.25, 19.5), 2: (0.5, 30.0)})
    assert_array_equal(vrdask.resample(source, (9, 30, 11), mode, region=REGION | {"x": (0.5, 30)}).compute(), whole)
    made = vrdask.resample_zarr(source, tmp_path / "out.zarr", (9, 30, 11), mode=mode, region=REGION, chunks=5)
    assert_array_equal(made[:], whole, strict=True)


def test_a_small_window_of_a_long_axis_reads_little_and_has_chunks_of_the_sources_size(monkeypatch):
    x = zarr.create_array({}, shape=(100_000,), chunks=(256,), dtype="float32")
    lazy = vrdask.resample(x, 512, "lanczos", region={0: (51234.3, 51490.3)})
    assert lazy.chunks == ((256, 256),)
    what = resampling((100_000,), 512, "lanczos", steps=[Window(Fraction("51234.3"), Fraction(1, 2))])
    assert what.whole[0] == ((51232, 51493),)


def test_ends_that_single_precision_does_not_tell_apart():
    x = np.arange(200_000) // 1000 % 256
    got = vrdask.resample(x.astype(np.uint8), 3, "bilinear", region={0: (151234.301, 151234.302)})
    assert_array_equal(got, [151, 151, 151])


@pytest.mark.parametrize("kind", ["h5py", "tensorstore", "torch", "list", "Source"])
def test_arrays_of_other_libraries_take_regions(kind, tmp_path):
    x = values((12, 14), "float32", 2)
    region = {0: (2, 9), 1: (1.5, 12.25)}
    whole = vrdask.resample(x, (5, 20), "cubic", region=region)
    library = pytest.importorskip(kind) if kind not in ("list", "Source") else None
    if kind == "h5py":
        with library.File(tmp_path / "x.h5", "w") as file:
            given = file.create_dataset("x", data=x, chunks=(4, 5))
            assert_array_equal(vrdask.resample(given, (5, 20), "cubic", region=region).compute(), whole)
        return
    if kind == "Source":
        zarr.create_array(tmp_path / "x.zarr", data=x, chunks=(4, 5))
        given = vrdask.open(tmp_path / "x.zarr")
    elif kind == "tensorstore":
        given = library.array(x)
    else:
        given = library.from_numpy(x) if kind == "torch" else x.astype(float).tolist()
    got = np.asarray(vrdask.resample(given, (5, 20), "cubic", region=region, dtype="float32"))
    assert_allclose(got, whole, rtol=0, atol=1e-6 if kind == "list" else 0)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("size", [{"factor": 0.7}, {"factor": 1.9}, {"spacing": "1.3um"}])
def test_a_ramp_is_the_coordinate_that_the_metadata_give(tmp_path, size, exact):
    weights, scale, shape = (1, 100, 10000), (0.9, 0.5, 0.7), (20, 23, 31)
    x = sum(w * s * i for w, s, i in zip(weights, scale, np.indices(shape), strict=True))
    source = zarr.create_array({}, data=x, chunks=(7, 7, 7), dimension_names=("z", "y", "x"))
    region = {"z": (3.25, 16.75), "y": (1, 22), "x": (4.0, 29.875)}
    pixel_size = "z=0.9um,y=0.5um,x=0.7um"
    vrdask.resample_zarr(
        source, tmp_path / "out.zarr", mode="linear", region=region, exact=exact, pixel_size=pixel_size, **size
    )
    made = vrdask.open(tmp_path / "out.zarr")
    samples = np.asarray(made.array[:])
    lines = [first + step * np.arange(n) for n, step, first in zip(made.shape, made.spacing, made.origin, strict=True)]
    inner = (slice(None), slice(2, -2), slice(None))  # where y has been cut its values end
    expected = sum(w * line.reshape([-1 if k == axis else 1 for k in range(3)])
                   for axis, (w, line) in enumerate(zip(weights, lines, strict=True)))  # fmt: skip
    assert_allclose(samples[inner], expected[inner], rtol=0, atol=1e-8)


def test_labelled_arrays_get_the_coordinates_of_the_window():
    xarray = pytest.importorskip("xarray")
    y, x = 3.0 + 0.5 * np.arange(20), -1.0 + 2.0 * np.arange(30)
    labelled = xarray.DataArray(y[:, None] + 100 * x, {"y": y, "x": x}, ("y", "x"))
    region = {"y": (2, 18), "x": (4.25, 25.5)}
    for one in (labelled, labelled.chunk(7)):
        made = vrdask.resample(one, {"x": 40}, region=region)
        assert made.shape == (16, 40)
        assert_array_equal(made.y, y[2:18])
        assert_allclose(made.x, -1 + 2 * (4.25 + (np.arange(40) + 0.5) * 21.25 / 40 - 0.5), atol=1e-12)
        assert_allclose(made.values, made.y.values[:, None] + 100 * made.x.values, atol=1e-10)
    with pytest.raises(ValueError, match="region must be left out for a Dataset"):
        vrdask.resample(labelled.to_dataset(name="a"), {"x": 40}, region=region)


def test_the_command_line_takes_fractions(tmp_path):
    x = values((12, 23, 31), "uint8", 6)
    zarr.create_array(tmp_path / "in.zarr", data=x, chunks=(5, 7, 8), dimension_names=("z", "y", "x"))
    arguments = ["resample", str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), "--shape", "y=9,x=40", "--mode",
                 "lanczos", "--region", "z=2:10,y=1.5:20.25,x=3.0:"]  # fmt: skip
    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == 0, ran.output
    expected = vrdask.resample(x[2:10], (9, 40), "lanczos", region={1: (1.5, 20.25), 2: (3.0, 31)})
    assert_array_equal(zarr.open_array(tmp_path / "out.zarr")[:], expected)
    again = CliRunner().invoke(main, [*arguments[:-1], "y=1.5:20.5", "--resume"])
    assert again.exit_code == 1
    ran = CliRunner().invoke(main, ["downsample", *arguments[1:3], "--factors", "2", "--region", "y=1.5:20.25"])
    assert ran.exit_code == 1
    assert "two integers, such as 0:100; got 1.5:20.25: resample and resample_zarr take fractions" in ran.output


def test_labels_in_a_window_take_the_nearest(tmp_path):
    labels = RNG.integers(0, 9, (8, 8)).astype(np.uint32)
    made = vrdask.resample_zarr(labels, tmp_path / "out.zarr", (4, 4), labels=True, region={0: (0.5, 7.5)})
    assert_array_equal(made[:], vrdask.resample(labels, (4, 4), "nearest", region={0: (0.5, 7.5)}))


@pytest.mark.parametrize(
    ("shape", "how", "error", "said"),
    [
        (4, {"region": {0: (0.5, 3)}, "axes": 1}, ValueError, "axis 0, which is not resampled, must be whole"),
        ((4, 4), {"region": {0: (0.5, 3)}, "align_corners": True}, ValueError, "align_corners must be False with a"),
        ((4, 4), {"region": {0: (0.5, 8.5)}}, ValueError, r"at 8 at most; got 0\.5:8\.5"),
        ((4, 4), {"region": {0: (-0.5, 8)}}, ValueError, r"must start at 0 or later.* got -0\.5:8"),
        ((4, 4), {"region": {0: (3.5, 3.5)}}, ValueError, r"got 3\.5:3\.5"),
        ((4, 4), {"region": {0: (float("nan"), 3)}}, TypeError, "region of axis 0 must be a start and a stop"),
        ((4, 4), {"region": {0: "half:3"}}, TypeError, "region of axis 0 must be a start and a stop"),
        ((4, 4), {"region": {"q": (0.5, 3)}}, ValueError, "axes must be numbers"),
        ((0, 4), {"region": {0: (0.5, 3)}}, ValueError, "shape must hold positive sizes; got 0"),
        ((4, 2.5), {"region": {1: (0.5, 3)}}, TypeError, "shape must hold integers; got 2.5"),
    ],
)  # fmt: skip
def test_regions_that_are_none_are_refused(shape, how, error, said):
    for x in (np.zeros((8, 9)), zarr.create_array({}, shape=(8, 9), dtype="float64", chunks=(4, 4))):
        with pytest.raises(error, match=said):
            vrdask.resample(x, shape, "linear", **how)


def test_a_source_itself_has_whole_regions(tmp_path):
    zarr.create_array(tmp_path / "in.zarr", shape=(8, 9), dtype="float64")
    with pytest.raises(
        TypeError, match=r"two integers, such as 0:100; got 0\.5:3: resample and resample_zarr take fra"
    ):
        vrdask.open(tmp_path / "in.zarr", region={0: (0.5, 3)})
