"""The antialiased filters: against Pillow, torch and float64, on noise and on photographs, by chunks and at once."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from strategies import DTYPES, chunks_of, problems

import vrdask
from vrdask.transforms.fixed_point import fixed_point
from vrdask.transforms.modes import MODES, axis_operators

FILTERS = ("box", "bilinear", "hamming", "bicubic", "lanczos", "mks2013", "mks2021")
OVERSHOOTING = ("bicubic", "lanczos", "mks2013", "mks2021")
"""Their weights are negative in places, so that sums leave the range of the samples."""
PHOTOGRAPHS = ("ihc.png", "astronaut.png", "chelsea.png", "camera.png", "page.png")
FACTORS = (1 / 7.3, 0.5, 0.8, 1.7, 2.14)


@cache
def image(name: str):
    rng = np.random.default_rng(0)
    if name == "noise":
        return rng.integers(0, 256, (97, 131), np.uint8)
    if name == "black and white":
        return np.repeat(np.repeat(rng.integers(0, 2, (19, 21), np.uint8), 5, 0), 6, 1) * np.uint8(255)
    if name == "noise in colour":
        return rng.integers(0, 256, (90, 113, 3), np.uint8)
    skimage = pytest.importorskip("skimage")
    with Image.open(Path(skimage.__file__).parent / "data" / name) as opened:
        return np.asarray(opened.convert("L" if opened.mode == "L" else "RGB"))


def pillow(x, shape, mode):
    """Grey, colour, or any number of channels one by one: Pillow premultiplies those of RGBA."""
    if x.ndim == 3 and x.shape[2] != 3:
        return np.stack([pillow(np.ascontiguousarray(channel), shape, mode) for channel in np.moveaxis(x, 2, 0)], 2)
    return np.asarray(Image.fromarray(x).resize(shape[::-1], Image.Resampling[mode.upper()]))


def written_out(mode, n_in, n_out):
    """The same in float64, sample by sample from Pillow's definition."""
    support, weight = {
        "box": (0.5, lambda x: float(-0.5 < x <= 0.5)),
        "bilinear": (1.0, lambda x: max(1 - abs(x), 0.0)),
        "hamming": (1.0, lambda x: np.sinc(x) * hamming(x) if abs(x) < 1 else 0.0),
        "bicubic": (2.0, lambda x: keys(abs(x))),
        "lanczos": (3.0, lambda x: np.sinc(x) * np.sinc(x / 3) if -3 <= x < 3 else 0.0),
        "mks2013": (2.5, lambda x: magic(abs(x), MAGIC_2013)),
        "mks2021": (4.5, lambda x: magic(abs(x), MAGIC_2021)),
    }[mode]
    dense = np.zeros((n_out, n_in))
    scale = n_in / n_out
    stretch = max(scale, 1.0)
    for i in range(n_out):
        centre = (i + 0.5) * scale
        start = max(int(centre - support * stretch + 0.5), 0)
        stop = min(int(centre + support * stretch + 0.5), n_in)
        row = [weight((j - centre + 0.5) / stretch) for j in range(start, stop)]
        dense[i, start:stop] = np.array(row) / sum(row)
    return dense


def hamming(x):
    """The window, whose constants Pillow has in single precision."""
    return float(np.float32(0.54)) + float(np.float32(0.46)) * np.cos(np.pi * x)


def keys(x):
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * -0.5 if x < 2 else 0.0


MAGIC_2013 = ((17 / 16, 0, -7 / 4), (7 / 4, -11 / 4, 1), (-25 / 32, 5 / 8, -1 / 8))
MAGIC_2021 = (
    (577 / 576, 0, -239 / 144),
    (239 / 144, -379 / 144, 35 / 36),
    (-65 / 72, 113 / 144, -1 / 6),
    (5 / 16, -3 / 16, 1 / 36),
    (-9 / 128, 1 / 32, -1 / 288),
)
"""Coefficients of 1, x and x**2, from 0 to 1/2, then unit by unit: Costella's formulas, multiplied out."""


def magic(x, pieces):
    number = int(np.ceil(x - 0.5))
    return sum(c * x**k for k, c in enumerate(pieces[max(number, 0)])) if number < len(pieces) else 0.0


def sizes(x, factor):
    return tuple(max(1, int(n * factor)) for n in x.shape[:2])


def test_the_modes_are_these():
    assert set(FILTERS) < set(MODES)
    assert not any(MODES[mode].takes_align_corners for mode in FILTERS)


# Against Pillow


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", ["noise", "noise in colour", "black and white", *PHOTOGRAPHS])
@pytest.mark.parametrize("mode", FILTERS)
def test_uint8_is_within_a_grey_level_of_pillow(mode, name, factor, record_property):
    # every sample, next to edges of full contrast too: uint8 between the passes, rows first, as Pillow has it
    x = image(name)
    shape = sizes(x, factor)
    difference = np.abs(vrdask.resample(x, shape, mode, axes=(0, 1)).astype(int) - pillow(x, shape, mode))
    record_property("share of samples that differ", float((difference > 0).mean()))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.02  # weights of 16 bits where Pillow has 32: a few sums round the other way


@pytest.mark.parametrize("mode", FILTERS)
@pytest.mark.parametrize("sizes", [((300, 200), (3, 2)), ((7, 5), (700, 90)), ((257, 1), (31, 1)), ((90, 80), (1, 1))])
def test_uint8_is_within_a_grey_level_of_pillow_for_extreme_ratios(mode, sizes):
    in_shape, shape = sizes
    x = np.random.default_rng(7).choice(np.array([0, 255], np.uint8), (*in_shape, 4))
    got = vrdask.resample(x, shape, mode, axes=(0, 1))
    assert np.abs(got.astype(int) - pillow(x, shape, mode)).max() <= 1


@pytest.mark.parametrize("mode", FILTERS)
def test_uint8_has_pillows_passes_for_any_pair_of_ratios(mode):
    # Pillow 13 takes the axis first that leaves less to do: up to 50 grey levels lie between the two orders
    rng = np.random.default_rng(FILTERS.index(mode))
    for _ in range(120):
        in_shape, shape = (tuple(map(int, rng.integers(1, 100, 2))) for _ in range(2))
        x = rng.choice(np.array([0, 255], np.uint8), in_shape)
        difference = np.abs(vrdask.resample(x, shape, mode).astype(int) - pillow(x, shape, mode)).max()
        assert difference <= max(map(is_above_four, in_shape, shape)), (in_shape, shape)


@pytest.mark.parametrize("mode", FILTERS)
def test_uint8_is_pillows_to_the_bit_up_to_a_ratio_of_four(mode):
    # large enough that a weight that is off by one unit of 22 bits shows
    rng = np.random.default_rng(FILTERS.index(mode))
    for _ in range(10):
        in_shape = tuple(map(int, rng.integers(200, 500, 2)))
        shape = tuple(int(n / ratio) for n, ratio in zip(in_shape, rng.uniform(0.5, 3.9, 2), strict=True))
        x = rng.choice(np.array([0, 255], np.uint8), in_shape)
        assert_array_equal(vrdask.resample(x, shape, mode), pillow(x, shape, mode), str((in_shape, shape)))


@pytest.mark.parametrize(("mode", "n_in", "n_out"), [("mks2021", 9, 2304), ("mks2013", 6, 3072), ("lanczos", 7, 31)])
def test_weights_of_22_bits_are_rounded_as_pillow_rounds_them(mode, n_in, n_out):
    # halves of negative weights, which large powers of two make, go down
    _, op = axis_operators(mode, n_in, n_out, False, False)
    expected = [[int(w * 2**22 + (0.5 if w >= 0 else -0.5)) for w in row] for row in op.weights.tolist()]
    assert_array_equal(fixed_point(op).weights, expected)


def is_above_four(n_in, n_out):
    return n_in > 4 * n_out


@pytest.mark.parametrize("mode", FILTERS)
def test_float32_is_pillows_for_any_pair_of_ratios(mode):
    rng = np.random.default_rng(FILTERS.index(mode))
    for _ in range(60):
        in_shape, shape = (tuple(map(int, rng.integers(1, 100, 2))) for _ in range(2))
        x = rng.random(in_shape, np.float32)
        assert_allclose(vrdask.resample(x, shape, mode), pillow(x, shape, mode), rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", FILTERS)
def test_uint8_to_another_dtype_is_computed_in_floating_point(mode):
    x = image("black and white")
    shape = sizes(x, 0.7)
    got = vrdask.resample(x, shape, mode, dtype="float32")
    assert_array_equal(got, vrdask.resample(x.astype("float32"), shape, mode))
    assert mode not in OVERSHOOTING or got.min() < -1 < 256 < got.max()
    whole = vrdask.resample(x, shape, mode, dtype="int16")
    assert_array_equal(whole, np.rint(got))


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("name", ["noise", "camera.png", "page.png"])
@pytest.mark.parametrize("mode", FILTERS)
def test_float32_is_pillows_mode_f(mode, name, factor):
    x = image(name).astype(np.float32) / 255
    shape = sizes(x, factor)
    assert_allclose(vrdask.resample(x, shape, mode), pillow(x, shape, mode), rtol=0, atol=1e-5)


@given(n_in=st.integers(1, 300), n_out=st.integers(1, 300), mode=st.sampled_from(FILTERS), seed=st.integers(0, 99))
def test_any_sizes_are_pillows_at_the_ends_of_the_support_too(n_in, n_out, mode, seed):
    # a box whose end falls on a sample counts it or not as Pillow's rounding has it: half a row would be off otherwise
    x = np.random.default_rng(seed).random((1, n_in), np.float32)
    assert_allclose(vrdask.resample(x, n_out, mode), pillow(x, (1, n_out), mode), rtol=0, atol=1e-5)


@pytest.mark.parametrize("sizes", [(131, 104), (100, 33), (33, 100), (191, 26), (17, 16), (1, 5), (5, 1), (64, 64)])
@pytest.mark.parametrize("mode", FILTERS)
def test_tables_are_pillows_definition_in_float64(mode, sizes):
    _, table = axis_operators(mode, *sizes, False, True)
    dense = np.eye(sizes[0]) if table is None else table.dense()
    if table is not None:  # an axis that keeps its size is left alone, by Pillow, too
        assert_allclose(dense, written_out(mode, *sizes), rtol=0, atol=1e-14)
    assert_allclose(dense.sum(axis=1), 1, rtol=0, atol=1e-15 * sizes[0])


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("mode", FILTERS)
@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_16_bits_round_what_float64_gives(dtype, mode, factor):
    limits = np.iinfo(dtype)
    x = np.random.default_rng(1).integers(limits.min, limits.max, (61, 83), dtype, endpoint=True)
    shape = sizes(x, factor)
    dense = written_out(mode, 61, shape[0]) @ x.astype(np.float64) @ written_out(mode, 83, shape[1]).T
    got = vrdask.resample(x, shape, mode)
    clipped = np.clip(dense, limits.min, limits.max)
    assert np.abs(got - clipped).max() < 0.55  # half to round, the rest for sums of 16 bits in float32
    assert (got == np.rint(clipped)).mean() > 0.98


@pytest.mark.parametrize("mode", FILTERS)
def test_channels_last_first_and_alone_are_the_same(mode):
    x = np.random.default_rng(2).integers(0, 256, (50, 61, 4), np.uint8)
    last = vrdask.resample(x, (23, 90), mode, axes=(0, 1))
    first = vrdask.resample(np.ascontiguousarray(np.moveaxis(x, 2, 0)), (23, 90), mode)
    assert_array_equal(np.moveaxis(first, 0, 2), last)
    for channel in range(4):  # alpha is a channel like the others: nothing is premultiplied
        assert_array_equal(vrdask.resample(x[..., channel], (23, 90), mode), last[..., channel])


# Against torch


@pytest.mark.parametrize("shape", [(20, 31), (63, 40), (100, 160), (25, 111)])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_float32_is_torchs_antialias(mode, shape):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(3).random((64, 80), np.float32)
    tensor = torch.from_numpy(x)[None, None]
    expected = torch.nn.functional.interpolate(tensor, shape, mode=mode, antialias=True, align_corners=False)[0, 0]
    assert_allclose(vrdask.resample(x, shape, mode), expected.numpy(), rtol=0, atol=2e-5)


# Constants


@given(
    mode=st.sampled_from(FILTERS),
    dtype=st.sampled_from(DTYPES),
    n_in=st.integers(1, 200),
    n_out=st.integers(1, 200),
    data=st.data(),
)
def test_a_constant_stays_constant(mode, dtype, n_in, n_out, data):
    # Integers exactly: of 8 and 16 bits all, wider ones up to 2^50, where a float64 sum of taps is still within half.
    # Floats within 8 ulp: a row's weights are rounded once each, and so is every step of the sum.
    kind = np.dtype(dtype)
    if kind.kind == "f":
        value = data.draw(st.sampled_from([1.0, 0.1, -3.7, 1e-3, 12345.0]))
    else:
        limits = np.iinfo(kind)
        value = data.draw(st.integers(max(limits.min, -(2**50)), min(limits.max, 2**50)))
    x = np.full((n_in, 3), value, kind)
    got = vrdask.resample(x, n_out, mode, axes=0)
    if kind.kind == "f":
        ulp = np.spacing(np.abs(x[0, 0])).astype(np.float64)
        assert np.abs(got.astype(np.float64) - np.float64(x[0, 0])).max() <= (1 if dtype == "float16" else 8) * ulp
    else:
        assert (got == x[0, 0]).all()


# Seams


@given(mode=st.sampled_from(FILTERS), n_in=st.integers(1, 300), n_out=st.integers(1, 300))
def test_starts_and_stops_are_sorted(mode, n_in, n_out):
    # what an interval reads follows from its ends alone; bicubic is zero at whole numbers, which odd sizes meet
    _, table = axis_operators(mode, n_in, n_out, False, False)
    if table is not None:
        assert (np.diff(table.start) >= 0).all()
        assert (np.diff(table.start + table.count) >= 0).all()


@pytest.mark.parametrize("mode", FILTERS)
@pytest.mark.parametrize("sizes", [(97, 207), (5, 15), (33, 99), (7, 21), (21, 7)])
def test_chunks_that_begin_or_end_at_a_row_of_one_tap_equal_at_once(mode, sizes):
    n_in, n_out = sizes
    x = np.random.default_rng(5).random((n_in, 7), np.float32)
    whole = vrdask.resample(x, n_out, mode, axes=0)
    assert_allclose(whole, written_out(mode, n_in, n_out) @ x, rtol=0, atol=1e-5)
    for chunk in (1, 2, 5):
        lazy = vrdask.resample(da.from_array(x, chunks=(3, 7)), n_out, mode, axes=0, chunks=(chunk, 7))
        assert_array_equal(lazy.compute(), whole)


@given(problem=problems(modes=FILTERS), data=st.data())
def test_by_chunks_equals_at_once(problem, data):
    problem = replace(problem, align_corners=False)
    x = problem.source
    in_chunks, out_chunks = data.draw(chunks_of(x.shape)), data.draw(chunks_of(problem.what.out_shape))
    lazy = problem.resample(da.from_array(x, chunks=in_chunks), chunks=out_chunks)
    with dask.config.set(scheduler="synchronous"):
        assert_array_equal(lazy.compute(), problem.resample(x))


@pytest.mark.parametrize("mode", FILTERS)
def test_a_photograph_by_chunks_of_any_size_equals_at_once(mode):
    x = image("ihc.png")
    whole = vrdask.resample(x, (70, 311), mode, axes=(0, 1))
    for in_chunks, out_chunks in (((64, 64, 3), (64, 64, 3)), ((13, 512, 1), (7, 100, 3)), ((512, 1, 3), (70, 1, 2))):
        lazy = vrdask.resample(da.from_array(x, chunks=in_chunks), (70, 311), mode, axes=(0, 1), chunks=out_chunks)
        assert_array_equal(lazy.compute(), whole)


@pytest.mark.parametrize("mode", MODES)
def test_a_view_across_an_axis_of_one_sample_equals_its_copy(mode):
    # what a chunk of one channel is: joining its last axes gives a row whose samples do not lie side by side
    x = np.random.default_rng(4).integers(0, 256, (7, 2, 1), np.uint8)
    for view in (x[:, :1], x[:, 1:], x[::2, 1:], x.transpose(1, 0, 2), x.transpose(2, 1, 0)):
        for axes in ((0,), (0, 1), (0, 1, 2)):
            shape = tuple(view.shape[axis] + 1 for axis in axes)
            got = vrdask.resample(view, shape, mode, axes=axes)
            assert_array_equal(got, vrdask.resample(view.copy(), shape, mode, axes=axes))


# Bad input


@pytest.mark.parametrize("mode", FILTERS)
def test_aligned_corners_are_refused(mode):
    with pytest.raises(ValueError, match=rf"align_corners must be False with mode '{mode}'.*; got True"):
        vrdask.resample(np.zeros((4, 4)), (2, 2), mode, align_corners=True)
