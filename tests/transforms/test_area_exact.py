"""The mean weighted by overlap, beside what `tests/laws/test_oracles.py` asks of all modes."""

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vrdask
from vrdask.transforms import interpolators

SIZES = st.integers(1, 60)


@given(SIZES, SIZES)
def test_rows_hold_the_samples_of_an_interval_and_no_other(n_in, n_out):
    rows = interpolators.area_exact(n_in, n_out).rows(0, n_out)
    for start, count, expected in zip(rows.start, rows.count, oracles.matrix("area_exact", n_in, n_out), strict=True):
        held = np.flatnonzero(expected) if n_in != n_out else np.arange(start, start + count)
        assert (held[0], held[-1] + 1) == (start, start + count)  # so no NaN beside the interval enters


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16"])
def test_whole_ratios_are_exact_means(dtype):
    x = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (36, 40), dtype, endpoint=True)
    assert np.array_equal(vrdask.resample(x, (12, 10), "area_exact"), vrdask.resample(x, (12, 10), "area"))


def test_the_mean_stays():
    x = np.random.default_rng(2).random((61, 53))
    assert vrdask.resample(x, (17, 29), "area_exact").mean() == pytest.approx(x.mean(), rel=1e-12)
