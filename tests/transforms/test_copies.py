"""Copies keep what they are made of: integers stay themselves or saturate, and become floats by one rounding."""

from __future__ import annotations

from fractions import Fraction

import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from strategies import INTEGERS, limits, values

import vrdask
from vrdask.compute import builds

BUILDS = builds.supported()

FLOATS = ("float16", "float32", "float64")


def edges(in_dtype):
    """Every power of two that the type holds, its neighbours, and the limits."""
    low, high = limits(in_dtype)
    near = {sign * 2**k + d for k in range(65) for d in (-1, 0, 1) for sign in (1, -1)}
    labels = {720575940621039145, 2**53 + 1, 2**62 + 1, 2**24 + 1, 2**25 + 3, 2**54 + 2**30 + 1}
    return sorted(n for n in near | labels | {low, high} if low <= n <= high)


def identity_grid(n):
    """Of an image of n rows and one column."""
    rows = (2 * np.arange(n) + 1) / n - 1
    return np.stack([np.zeros(n), rows], axis=-1).reshape(1, n, 1, 2)


WAYS = {
    "nearest": lambda x, dtype: vrdask.resample(x, 2 * len(x), "nearest", dtype=dtype)[::2],
    "every size kept": lambda x, dtype: vrdask.resample(x, len(x), "cubic", dtype=dtype),
    "lazily": lambda x, dtype: vrdask.resample(da.from_array(x, chunks=7), len(x), "area", dtype=dtype).compute(),
    "zarr": lambda x, dtype: vrdask.resample_zarr(
        zarr.array(x, chunks=8), zarr.storage.MemoryStore(), len(x), mode="nearest", dtype=dtype
    )[:],
    "affine": lambda x, dtype: vrdask.affine_transform(x, np.eye(1), mode="nearest", dtype=dtype),
    "affine, between": lambda x, dtype: vrdask.affine_transform(
        np.append(x, x[-1:]), np.eye(1), 0.25, mode="nearest", dtype=dtype
    )[:-1],
    "grid": lambda x, dtype: vrdask.grid_sample(
        x.reshape(1, 1, -1, 1), identity_grid(len(x)), "nearest", dtype=dtype
    ).reshape(-1),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("in_dtype", INTEGERS)
def test_integers_stay_themselves_or_saturate_between_all_types(way, in_dtype):
    exact = edges(in_dtype)
    x = np.array(exact, in_dtype)
    for out_dtype in INTEGERS:
        low, high = limits(out_dtype)
        got = WAYS[way](x, out_dtype)
        assert got.dtype == out_dtype
        assert got.tolist() == [min(max(n, low), high) for n in exact], out_dtype


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("way", ["nearest", "every size kept", "affine"])
@pytest.mark.parametrize("in_dtype", INTEGERS)
def test_integers_become_floats_by_one_rounding(machine, build, way, in_dtype):
    exact = edges(in_dtype)
    x = np.array(exact, in_dtype)
    with machine(build), np.errstate(over="ignore"):
        for out_dtype in FLOATS:
            bits = {"float16": 11, "float32": 24, "float64": 53}[out_dtype]
            expected = []
            for n in exact:  # to `bits` binary digits, half to even: Fractions round so
                shift = max(abs(n).bit_length() - bits, 0)
                expected.append(round(Fraction(n, 2**shift)) * 2**shift)
            largest = int(np.finfo(out_dtype).max)
            expected = [n if abs(n) <= largest else np.sign(n) * np.inf for n in map(float, expected)]
            assert WAYS[way](x, out_dtype).astype(float).tolist() == expected, out_dtype


@pytest.mark.parametrize("build", BUILDS)
def test_large_integers_convert_in_every_build_on_any_number_of_threads(machine, build):
    x = values((3, 70, 1000), "uint64", 1)
    wide = np.array(limits("int64")[1], "uint64")
    with machine(build):
        for threads in (1, 2):
            got = vrdask.resample(x, x.shape, "linear", dtype="int64", num_threads=threads)
            assert_array_equal(got, np.minimum(x, wide).astype("int64"))


def test_the_label_that_float64_does_not_hold():
    label = np.array([720575940621039145], "u8")
    assert vrdask.resample(label, 2, "nearest", dtype="int64").tolist() == [720575940621039145] * 2
