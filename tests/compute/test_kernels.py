"""Kernels give the bits of their numpy twins (`vrdask.transforms.reference`), in every build and on any number of
threads.
"""

from __future__ import annotations

import inspect

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from strategies import DTYPES, INTERPOLATING, MODES, Problem, problems, values

import vrdask
from vrdask.api.in_memory import resample_in_memory
from vrdask.compute import builds, contract, gather, resample_box
from vrdask.transforms import reference

BUILDS = builds.supported()


def twin(problem):
    with np.errstate(all="ignore"):  # sums of extremes overflow, as they do in C
        return reference.resample(problem.what, problem.source)


def assert_equals_twin(machine, problem):
    expected = twin(problem)
    for build in BUILDS:
        with machine(build):
            for threads in (1, 2):
                got = resample_in_memory(problem.what, problem.source, threads)
                assert got.dtype == problem.what.out_dtype
                assert_array_equal(got, expected, err_msg=f"{build}, {threads} threads")


@given(problem=problems())
def test_every_build_equals_its_twin(machine, problem):
    assert_equals_twin(machine, problem)


@pytest.mark.parametrize("out_dtype", DTYPES)
@pytest.mark.parametrize("in_dtype", DTYPES)
def test_every_pair_of_dtypes_equals_its_twin(machine, in_dtype, out_dtype):
    for mode in MODES:
        for in_shape, shape in (((37, 45), (20, 61)), ((5, 45), (5, 45))):
            assert_equals_twin(machine, Problem(in_shape, shape, (0, 1), mode, False, in_dtype, out_dtype, seed=1))


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "complex64"])
def test_every_second_sample_of_rows_of_any_length(machine, build, dtype):
    # rows of no whole number of registers, of one register of any width and of one sample more
    with machine(build):
        for n in (*range(1, 70), *range(120, 136), 255, 256, 257):
            x = np.random.default_rng(n).integers(0, 100, (3, 2 * n)).astype(dtype)
            assert_array_equal(vrdask.resample(x, n, "nearest"), x[:, 1::2])


def test_twin_and_builds_are_different_implementations(monkeypatch):
    assert len(
        {builds.load(kernel, build).__file__ for kernel in ("contract", "gather") for build in BUILDS}
    ) == 2 * len(BUILDS)
    for function in (reference.contract, reference.gather, reference.convert, reference.resample):
        assert inspect.isfunction(function)

    def forbidden(*args):
        raise AssertionError("the twin must not call a kernel")

    for module, name in (
        (contract, "_kernel"),
        (gather, "_kernel"),
        (resample_box, "apply"),
        (contract, "_contraction"),
    ):
        monkeypatch.setattr(module, name, forbidden)
    for mode in MODES:
        reference.resample(Problem((9, 8), (4, 17), (0, 1), mode).what, np.ones((9, 8), np.float32))


def test_the_widest_build_runs_unless_the_environment_says_otherwise(python):
    code = """
from vrdask.compute import builds, contract, gather
print(builds.choose(), contract._kernel.__name__, gather._kernel.__name__)"""
    for build in BUILDS:
        assert (
            python(code, VRDASK_ISA=build)
            == f"{build} vrdask.compute._kernels.contract_{build} vrdask.compute._kernels.gather_{build}"
        )
    assert python(code, VRDASK_ISA="").split()[0] == BUILDS[-1]


def test_an_unknown_build_is_refused(monkeypatch):
    monkeypatch.setenv("VRDASK_ISA", "neon9")
    with pytest.raises(ValueError, match=r"VRDASK_ISA must be one of baseline.*; got 'neon9'"):
        builds.choose()


def converted(x, dtype):
    return vrdask.resample(x, x.shape, "linear", dtype=dtype)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("wide", ["float32", "float64"])
def test_all_halves_convert_exactly_and_back(machine, build, wide):
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    with machine(build), np.errstate(all="ignore"):
        got = converted(halves, wide)
        assert_array_equal(got, halves.astype(wide))
        assert_array_equal(np.signbit(got), np.signbit(halves))
        back = converted(halves.astype(wide), "float16")
        assert_array_equal(back, halves)
        assert_array_equal(np.signbit(back), np.signbit(halves))


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("wide", ["float32", "float64"])
def test_halves_round_to_nearest_even_like_numpy(machine, build, wide):
    # every tie between neighbouring halves, and the numbers just beside it; overflow, underflow, double rounding
    finite = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(wide)
    ties = (finite[1:] + finite[:-1]) / 2
    edge = np.array([65504, 65519.996, 65520, 65536, 1e10, np.inf, 2.0**-25, 2.0**-26, 1e-30], wide)
    x = np.concatenate([ties, np.nextafter(ties, np.inf), np.nextafter(ties, -np.inf), edge])
    x = np.concatenate([x, -x]).astype(wide)
    with machine(build), np.errstate(all="ignore"):
        assert_array_equal(converted(x, "float16").view(np.uint16), x.astype(np.float16).view(np.uint16))


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("dtype", [name for name in DTYPES if "int" in name])
@pytest.mark.parametrize("wide", ["float32", "float64"])
def test_integers_round_half_to_even_saturate_and_make_zero_of_nan(machine, build, dtype, wide):
    limits = np.iinfo(dtype)
    low, high = float(limits.min), float(limits.max)
    ties = {0.5: 0, 1.5: 2, 2.5: 2, 126.5: 126}
    beyond = {-np.inf: limits.min, np.inf: limits.max, np.nan: 0, 1e30: limits.max, -1e30: limits.min}
    ends = {low: limits.min, low - 1: limits.min, 2 * high + 4: limits.max}
    cases = {**ties, **beyond, **ends}
    x = np.array([*cases] * 9, wide)  # long enough for vector body and tail
    with machine(build):
        assert converted(x, dtype).tolist() == [*cases.values()] * 9


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_nearest_and_area_keep_64_bit_integers_and_other_modes_hold_them_to_2_to_53(dtype):
    limits = np.iinfo(dtype)
    labels = np.array([limits.max, limits.max - 1, limits.min, 2**53 + 1, 2**62 + 1], dtype)
    assert_array_equal(vrdask.resample(labels, 10, "nearest"), np.repeat(labels, 2))
    assert_array_equal(vrdask.resample(np.repeat(labels, 2), 5, "area"), labels)  # means are exact
    exact = np.array([0, 2**53, 2**53 - 2, limits.max, limits.max], dtype)
    # two equal neighbours average to themselves, except where rounding to float64 shows: the maximum saturates back
    assert_array_equal(vrdask.resample(np.repeat(exact, 2), 5, "linear"), exact)


@given(
    problem=problems(modes=MODES, dtypes=("float32", "float64", "float16"), convert=False, most_axes=3),
    bad=st.sampled_from([np.nan, np.inf, -np.inf]),
    data=st.data(),
)
def test_a_bad_sample_reaches_exactly_the_outputs_that_weigh_it(machine, problem, bad, data):
    where = tuple(data.draw(st.integers(0, n - 1)) for n in problem.in_shape)
    x = np.random.default_rng(problem.seed).random(problem.in_shape).astype(problem.in_dtype)
    x[where] = bad
    what = problem.what
    expected = np.ones((), bool)
    for n_in, n_out, at in zip(what.in_shape, what.out_shape, where, strict=True):
        support = oracles.support(what.mode, n_in, n_out, what.align_corners, what.double)
        expected = expected[..., None] & support[:, at]
    for build in BUILDS:
        with machine(build):
            assert_array_equal(~np.isfinite(resample_in_memory(what, x, 2)), expected)


@pytest.mark.parametrize("mode", INTERPOLATING)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_constant_stays_that_constant(mode, dtype):
    high = 2.0 if dtype.startswith("f") else min(np.iinfo(dtype).max, 2**40)
    x = np.full((9, 31), high, dtype)
    assert_array_equal(vrdask.resample(x, (20, 13), mode), np.full((20, 13), high, dtype))


def test_values_hold_the_extremes_they_promise():
    for dtype in DTYPES:
        limits = np.finfo(dtype) if dtype.startswith("f") else np.iinfo(dtype)
        assert {limits.min, limits.max} <= set(values((4000,), dtype, 1).tolist())
