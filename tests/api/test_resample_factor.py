"""`resample` by factor or spacing, for arrays in memory, dask's and zarr's."""

from __future__ import annotations

from fractions import Fraction

import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal

import vrdask
from vrdask.images.axes import attributes_of, image_of

X = np.random.default_rng(0).random((10, 24, 26)).astype("float32")


def stored(**options):
    sizes = {"z": (3.0, "micrometer"), "y": (1.0, "micrometer"), "x": (1.0, "micrometer")}
    attributes = attributes_of(image_of("zyx", sizes))
    return zarr.create_array(
        {}, data=X, chunks=(7, 7, 7), dimension_names=("z", "y", "x"), attributes=attributes, **options
    )


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        ({"factor": 0.5}, (5, 12, 13)),
        ({"factor": (0.5, 2)}, (10, 12, 52)),
        ({"factor": 0.5, "axes": (0, 2)}, (5, 24, 13)),
        ({"factor": {0: 0.7, 2: "1/3"}}, (7, 24, 9)),
        ({"factor": Fraction(1, 7), "axes": -1}, (10, 24, 4)),
        ({"factor": np.float32(0.1)}, (1, 2, 3)),
    ],
)
@pytest.mark.parametrize("exact", [False, True])
def test_a_factor_of_every_kind_of_array(size, shape, exact):
    whole = vrdask.resample(X, mode="cubic", exact=exact, **size)
    assert whole.shape == shape
    for x in (da.from_array(X, chunks=(4, 9, 26)), stored()):
        lazy = vrdask.resample(x, mode="cubic", exact=exact, **size)
        assert isinstance(lazy, da.Array)
        assert_array_equal(lazy.compute(), whole)
    if not exact and "axes" not in size:
        assert_array_equal(whole, vrdask.resample(X, shape, "cubic"))


@pytest.mark.parametrize(
    "size",
    [
        {"shape": {"y": 12, "x": 6}}, {"factor": {"x": 0.7}}, {"shape": (12, 5), "axes": ("x", "z")},
        {"spacing": "2um", "exact": True}, {"spacing": {"z": 2, "x": "500nm"}}, {"factor": 0.5, "axes": "y,x"},
    ],
)  # fmt: skip
def test_a_stored_array_that_says_its_axes_is_resampled_by_their_names(size):
    lazy = vrdask.resample(stored(), mode="area", **size)
    target = vrdask.resample_zarr(stored(), zarr.storage.MemoryStore(), mode="area", **size)
    assert_array_equal(lazy.compute(), target[:])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "exactly one of shape, factor and spacing must be given; got none"),
        ({"shape": 4, "factor": 0.5}, "exactly one of shape, factor and spacing must be given; got shape, factor"),
        ({"shape": 4, "exact": True}, "exact must be False with shape"),
        ({"spacing": 2}, "spacing must be known for the source"),
        ({"factor": "two"}, "factor must be a number"),
        ({"factor": {"y": 2}}, "axes must be numbers for an array without names of axes; got 'y'"),
        ({"shape": {"y": 2}}, "axes must be numbers for an array without names of axes; got 'y'"),
        ({"shape": 4, "axes": "x"}, "axes must be numbers for an array without names of axes; got 'x'"),
        ({"factor": (1, 1, 1, 1)}, "factor must give at most 3 numbers"),
        ({"factor": 0}, "factor must be positive and finite"),
        ({"factor": 1e300}, "input size times output size of axis 0"),
        (
            {"factor": 0.5, "mode": "area", "align_corners": True, "exact": True},
            "align_corners must be False with mode",
        ),
    ],
)
def test_what_is_wrong_is_refused_for_every_kind_of_array(options, said):
    for x in (X, da.from_array(X, chunks=5), zarr.create_array({}, data=X)):
        with pytest.raises((TypeError, ValueError), match=said):
            vrdask.resample(x, **options)


def test_the_sizes_ratio_and_the_one_asked_for_differ():
    x = np.arange(5.0)
    assert_array_equal(vrdask.resample(x, factor=0.5, exact=True), [0.5, 2.5, 4.0])
    assert_array_equal(vrdask.resample(x, factor=0.5), vrdask.resample(x, 3))
    assert_array_equal(vrdask.resample(x, factor=0.5, exact=True, align_corners=True), [0.0, 2.0, 4.0])
    assert_array_equal(vrdask.resample(x, factor=0.4, exact=True, align_corners=True), [0.0, 2.5])
    closer = vrdask.resample(x, factor=Fraction(5, 4), exact=True)  # 6.25 outputs are 6
    np.testing.assert_allclose(closer[1:], np.arange(1, 6) * 0.8 - 0.1, atol=1e-15)
