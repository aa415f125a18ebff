"""Halving is a path of its own: of every second sample beside the one before it, the bits are the contraction's."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from strategies import values

import vrdask
from vrdask.compute import builds, reduce_box
from vrdask.compute.resample_box import apply
from vrdask.compute.stand_ins import in_numbers
from vrdask.transforms import reference
from vrdask.transforms.resampling import Resampling, resampling

BUILDS = builds.supported()


def _bits(x: np.ndarray) -> bytes:
    """Signs of zeros, too. Which NaN an operation makes, IEEE 754 leaves open."""
    parts = x.view(x.real.dtype)
    return np.where(np.isnan(parts), np.nan, parts).astype(parts.dtype).tobytes()


def _of_any_size(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    """Floats over all of their range, one in four of them special: at the limits, subnormal, zeros of both signs."""
    kind, random = np.dtype(dtype), np.random.default_rng(seed)
    if kind.kind == "c":
        return _of_any_size((*shape, 2), kind.type(0).real.dtype.name, seed).view(kind)[..., 0]
    limits = np.finfo(kind)
    low, high = np.log2(float(limits.smallest_subnormal)), np.log2(float(limits.max))
    x = (random.choice([-1, 1], shape) * 2 ** random.uniform(low, high, shape)).astype(kind)
    least = limits.smallest_subnormal
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, limits.max, limits.min, limits.tiny, -limits.tiny, least, -3 * least]
    return np.where(random.random(shape) < 1 / 4, random.choice(np.array(special, kind), shape), x)


HALVED = [
    ((8, 6, 10), (0, 1, 2)), ((4, 46, 3), (0, 1)), ((2, 34, 2), (1,)), ((3, 4, 130), (2,)), ((5200,), (0,)),
    ((2, 1, 70), (0, 2)), ((6, 4, 2100), (0, 1, 2)), ((4, 2, 4, 40), (0, 1, 2, 3)), ((2, 4, 2, 2, 40), (0, 1, 2, 3, 4)),
    *[((4, 6, 66, channels), (0, 1, 2)) for channels in (1, 2, 3, 4, 5, 16, 17, 40)],
    *[((2, 150, channels), (1,)) for channels in (2, 3, 4, 7)],
    *[((4, 4, 2, 18, channels), (0, 1, 2, 3)) for channels in (1, 3, 17)],
]  # fmt: skip


@pytest.mark.parametrize("mode", ["area", "area_exact", "box", "linear"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64"])
def test_floats_that_are_halved_are_those_of_the_contraction(machine, mode, dtype, monkeypatch):
    for number, (in_shape, axes) in enumerate(HALVED):
        shape = tuple(in_shape[axis] // 2 for axis in axes)
        x = _of_any_size(in_shape, dtype, number)
        made = resampling(in_shape, shape, mode, axes=axes, in_dtype=dtype)
        numbers = in_numbers(made) or made
        assert (numbers.blocks is not None) == (len(axes) <= 4)
        with monkeypatch.context() as patched:
            patched.setattr(Resampling, "blocks", None)
            expected = _bits(apply(replace(made), x, *made.whole, 1))
        if dtype != "complex64":
            with np.errstate(over="ignore"):
                assert expected == _bits(reference.resample(made, x))
        for build in BUILDS:
            with machine(build):
                for threads in (1, 3):
                    assert _bits(apply(made, x, *made.whole, threads)) == expected, (in_shape, axes, build)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_goes_past_the_caches_is_the_same(machine, monkeypatch, dtype, build):
    monkeypatch.setattr(reduce_box, "STREAMED", 0)
    for n, channels in product((1, 2, 7, 8, 15, 16, 17, 33, 64, 65, 1100), (1, 2, 3, 4, 5)):
        x = _of_any_size((6, 4, 2 * n, channels), dtype, n)
        what = resampling(x.shape, (3, 2, n), "area", axes=(0, 1, 2), in_dtype=dtype)
        with np.errstate(over="ignore"):
            expected = _bits(reference.resample(what, x))
        with machine(build, row_elements=37):
            for threads in (1, 3):
                assert _bits(apply(what, x, *what.whole, threads)) == expected


def test_floats_in_any_layout_are_halved_alike(machine):
    base = _of_any_size((12, 20, 36), "float32", 1)
    wide = np.zeros((12, 20, 72), "float32")
    wide[..., ::2] = base
    layouts = [base, np.asfortranarray(base), base.astype(">f4"), wide[..., ::2], base[::-1].copy()[::-1]]
    what = resampling(base.shape, (6, 10, 18), "area")
    expected = _bits(reference.resample(what, base))
    for build in BUILDS:
        with machine(build):
            assert {_bits(apply(what, x, *what.whole, 1)) for x in layouts} == {expected}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float16", "float32", "float64"])
def test_modes_that_mean_two_samples_may_differ_by_axis(dtype):
    x = values((8, 12, 34), dtype, 3)
    found = {
        _bits(vrdask.resample(x, (4, 6, 17), mode))
        for mode in ("area", "linear", ("area", "linear", "area_exact"), ("box", "area", "linear"))
    }
    made = resampling(x.shape, (4, 6, 17), ("box", "area", "linear"), in_dtype=dtype)
    assert made.blocks is not None
    assert found == {_bits(reference.resample(made, x))}


def test_other_ratios_and_corners_are_not_halved():
    for in_shape, shape, mode, corners in (
        ((9, 8), (3, 4), "area", False), ((9, 8), (5, 4), "linear", False), ((8, 8), (4, 16), "linear", False),
        ((8, 8), (4, 4), "linear", True), ((8, 8), (4, 4), "bilinear", False), ((8, 8), (4, 4), "cubic", False),
        ((8, 8), (4, 4), ("linear", "cubic"), False), ((8, 8), (2, 2), "linear", False),
    ):  # fmt: skip
        assert resampling(in_shape, shape, mode, corners).blocks is None
    assert resampling((8, 8), (4, 4), "area", out_dtype="float64").blocks is None
