"""Positions are exact: every integer equals what `fractions.Fraction` says, and area bounds are torch's."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vrdask.transforms import coordinates

LARGE = st.integers(1, 2**31)
SMALL = [(n_in, n_out) for n_in in range(1, 33) for n_out in range(1, 33)]


@pytest.mark.parametrize("align_corners", [False, True])
def test_positions_are_the_exact_fractions(align_corners):
    for n_in, n_out in SMALL:
        got = coordinates.positions(n_in, n_out, align_corners)
        assert ((got.remainder >= 0) & (got.remainder < got.denominator)).all()
        for i, (base, remainder) in enumerate(zip(got.base.tolist(), got.remainder.tolist(), strict=True)):
            assert base + Fraction(remainder, got.denominator) == oracles.position(i, n_in, n_out, align_corners)


@pytest.mark.parametrize("align_corners", [False, True])
def test_nearest_rounds_the_exact_position_half_up(align_corners):
    for n_in, n_out in SMALL:
        expected = [oracles.nearest_index(i, n_in, n_out, align_corners) for i in range(n_out)]
        assert coordinates.nearest(n_in, n_out, align_corners).tolist() == expected
        assert 0 <= min(expected) <= max(expected) < n_in


def test_area_bounds_are_exact_floor_and_ceiling():
    for n_in, n_out in SMALL:
        start, stop = coordinates.area_bounds(n_in, n_out)
        assert start.tolist() == [floor(Fraction(i * n_in, n_out)) for i in range(n_out)]
        assert stop.tolist() == [ceil(Fraction((i + 1) * n_in, n_out)) for i in range(n_out)]


@given(n_in=LARGE, n_out=st.integers(1, 200))
def test_positions_stay_exact_on_axes_of_two_to_the_31(n_in, n_out):
    for align_corners in (False, True):
        got = coordinates.positions(n_in, n_out, align_corners)
        i = n_out - 1
        exact = oracles.position(i, n_in, n_out, align_corners)
        assert int(got.base[i]) + Fraction(int(got.remainder[i]), got.denominator) == exact
        nearest = int(coordinates.nearest(n_in, n_out, align_corners)[i])
        assert nearest == oracles.nearest_index(i, n_in, n_out, align_corners)


def test_no_area_pair_of_2_to_99_is_wrong():
    # An identity matrix shows which samples torch averages; a float formula gets hundreds of these 9,604 pairs wrong.
    interpolate = pytest.importorskip("torch").nn.functional.interpolate
    import torch

    for n_in in range(2, 100):
        samples = torch.eye(n_in, dtype=torch.float64)[None]
        j = np.arange(n_in)[:, None]
        for n_out in range(2, 100):
            averaged = interpolate(samples, n_out, mode="area")[0].numpy() > 0
            start, stop = coordinates.area_bounds(n_in, n_out)
            assert np.array_equal((start <= j) & (j < stop), averaged), (n_in, n_out)
