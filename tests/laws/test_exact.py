"""Exact factors and spacings: samples are as far apart as asked for, and lie where the metadata say.

Along an axis of n samples with r = 1 / factor, outputs lie at (i + 1/2) r - 1/2, or at i r with aligned corners,
whatever their number has been rounded to.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import oracles
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from optional import torch
from strategies import FILTERS, MODES, exact_problems, sizes

import vrdask
from vrdask.images.axes import attributes_of, image_of
from vrdask.images.image import Image
from vrdask.images.ome_zarr import group_attributes, read_multiscale
from vrdask.transforms import reference
from vrdask.transforms.resampling import resampling

FACTORS = [Fraction(text) for text in ("0.5", "2", "0.3", "1.6", "0.95", "1/3", "0.3333333", "0.65000000000000013")]
CORNERS = ("nearest", "linear", "cubic")


def uniform(n, dtype="float64"):
    return np.random.default_rng(n).random(n).astype(dtype)


def size_of(n, factor, align_corners=False):
    if align_corners:
        return floor((n - 1) * factor) + 1
    return max(1, floor(n * factor + Fraction(1, 2)))


CASES = [(mode, corners) for mode in MODES for corners in (False, True) if mode in CORNERS or not corners]


@pytest.mark.parametrize(("mode", "align_corners"), CASES)
@pytest.mark.parametrize("factor", FACTORS)
def test_results_are_those_of_the_dense_matrices(mode, factor, align_corners):
    for n in (1, 2, 3, 5, 13, 64, 101):
        x = uniform(n)
        got = vrdask.resample(x, factor=factor, mode=mode, align_corners=align_corners, exact=True)
        n_out = size_of(n, factor, align_corners)
        dense = oracles.matrix(mode, n, n_out, align_corners, 1 / factor)
        assert got.shape == (n_out,)
        assert_allclose(got, dense @ x, rtol=0, atol=1e-12)


@given(problem=exact_problems())
def test_the_kernels_are_their_specification_to_the_bit(problem):
    with np.errstate(all="ignore"):  # sums of extremes overflow, as they do in C
        expected = reference.resample(problem.what, problem.source)
    assert_array_equal(problem.resample(problem.source), expected)


@given(n=sizes(130), factor=st.sampled_from(FACTORS), mode=st.sampled_from((*MODES, *FILTERS)), data=st.data())
def test_where_the_factor_divides_nothing_changes(n, factor, mode, data):
    # a ratio that is that of the sizes gives their bits, and their record
    n = n * factor.denominator if factor.denominator < 10 else n
    corners = mode in CORNERS and data.draw(st.booleans())
    if (n * factor).denominator > 1 or n > 4000:
        return
    x = uniform(n, "float32")
    exact = vrdask.resample(x, factor=factor, mode=mode, exact=True)
    assert_array_equal(exact, vrdask.resample(x, factor=factor, mode=mode))
    if corners and ((n - 1) * factor).denominator == 1:
        exact = vrdask.resample(x, factor=factor, mode=mode, align_corners=True, exact=True)
        assert_array_equal(exact, vrdask.resample(x, len(exact), mode, True))


@pytest.mark.parametrize("factor", [0.5, 0.7, 0.3, 1.3, 2.6, 0.95])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_torch_keeps_to_its_scale_factor_likewise(mode, factor):
    # where its size, rounded down, is ours; its float32 positions are off beyond short axes
    for n in range(4, 40):
        x = uniform(n, "float64")
        name = {"linear": "linear", "nearest": "nearest-exact"}[mode]
        options = {"align_corners": False} if mode == "linear" else {}
        expected = torch.nn.functional.interpolate(
            torch.from_numpy(x)[None, None], scale_factor=factor, mode=name, recompute_scale_factor=False, **options
        )[0, 0].numpy()
        got = vrdask.resample(x, factor=factor, mode=mode, exact=True)
        count = min(len(got), len(expected))
        assert abs(len(got) - len(expected)) <= 1
        assert_allclose(got[:count], expected[:count], rtol=0, atol=1e-12)


@pytest.mark.parametrize("mode", FILTERS)
@pytest.mark.parametrize("factor", [0.5, 0.25, 0.4, 1.6, 2.0])
def test_filters_are_pillows_of_a_box(mode, factor):
    image = pytest.importorskip("PIL.Image")
    kind = getattr(image.Resampling, mode.upper(), None)
    if kind is None:
        pytest.skip("this Pillow has no such filter")
    for n in (16, 17, 41):
        x = uniform(n, "float32")
        got = vrdask.resample(x, factor=factor, mode=mode, exact=True)
        whole = floor(n * Fraction(repr(factor)))  # Pillow takes boxes within the image alone
        box = (0, 0, whole / factor, 1)
        expected = np.asarray(image.fromarray(x[None]).resize((whole, 1), kind, box))[0]
        inner = slice(0, whole)
        assert_allclose(got[inner], expected[: len(got)], rtol=0, atol=1e-5)


@pytest.mark.parametrize("spacing", [2.0, 1.5, 0.7, 0.3])
def test_simpleitk_has_the_same_samples(spacing):
    itk = pytest.importorskip("SimpleITK", reason="SimpleITK is not installed")
    x = np.random.default_rng(1).random((9, 11))
    image = itk.GetImageFromArray(x)
    got = vrdask.resample(x, factor=Fraction(1) / Fraction(repr(spacing)), exact=True)
    at = (Fraction(repr(spacing)) - 1) / 2
    expected = itk.GetArrayFromImage(
        itk.Resample(
            image, got.shape[::-1], itk.Transform(), itk.sitkLinear, (float(at),) * 2, (spacing,) * 2,
            image.GetDirection(), -1.0, itk.sitkFloat64,
        )
    )  # fmt: skip
    # beyond the first and last samples ITK has what is asked for outside, here the edge's value
    inside = [
        [i for i in range(m) if 0 <= (i + Fraction(1, 2)) * Fraction(repr(spacing)) - Fraction(1, 2) <= n - 1]
        for n, m in zip(x.shape, got.shape, strict=True)
    ]
    assert_allclose(got[np.ix_(*inside)], expected[np.ix_(*inside)], rtol=0, atol=1e-9)


def test_five_samples_at_one_millimetre_become_two_millimetres_apart(tmp_path):
    image = image_of("x", {"x": (1.0, "millimeter")})
    source = image_array(tmp_path / "in.zarr", np.arange(5.0), image)
    result = vrdask.resample_zarr(source, tmp_path / "out.zarr", spacing=2, exact=True)
    assert_array_equal(result[:], [0.5, 2.5, 4.0])
    (axis,) = result.attrs["vrdask"]["axes"]
    assert (axis["scale"], axis["translation"]) == (2.0, 0.5)
    inexact = vrdask.resample_zarr(source, tmp_path / "other.zarr", spacing=2)
    assert inexact.attrs["vrdask"]["axes"][0]["scale"] == 5 / 3


def image_array(place, data, image):
    """An array that says its geometry itself."""
    chunks = tuple(max(1, n // 2) for n in data.shape)
    return zarr.create_array(place, data=data, chunks=chunks, attributes=attributes_of(image))


DEVIATION = {
    "nearest": 0.5, "linear": 1e-9, "area": 0.5, "area_exact": 0.26, "cubic": 1e-4, "box": 0.5, "bilinear": 0.1,
    "hamming": 0.18, "bicubic": 0.05, "lanczos": 0.05, "mks2013": 0.1, "mks2021": 0.05,
}  # fmt: skip
"""Of a mode by itself, in samples: what its weights make of a ramp."""
REACH = {"nearest": 0, "linear": 0, "area": 1, "area_exact": 1, "box": 1, "cubic": 14}
"""Samples that an output weighs, each way; 5 for the others."""


@pytest.mark.parametrize(
    ("size", "region"),
    [
        ({"factor": 0.7}, None),
        ({"spacing": "1.3um"}, {"z": (3, 17), "x": (5, 29)}),
        ({"factor": {"z": 2, "y": 0.45}}, "y=2:23,z=1:20"),
    ],
)
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("mode", [*MODES, *FILTERS])
def test_a_ramp_is_the_coordinate_that_the_metadata_gives(mode, exact, region, size):
    scale, origin, shape = (0.9, 0.5, 0.7), (4.0, -3.0, 0.25), (20, 23, 31)
    image = image_of("czyx", {name: (s, "micrometer") for name, s in zip("zyx", scale, strict=True)})
    lines = [s * np.arange(n) + t for s, t, n in zip(scale, origin, shape, strict=True)]
    ramps = np.stack(np.meshgrid(*lines, indexing="ij"))  # a channel for each axis
    attributes = group_attributes(replace(image, translation=(0.0, *origin)))
    group = zarr.open_group({}, mode="w", attributes=attributes)
    group.create_array("0", shape=ramps.shape, dtype="float64", chunks=(2, 7, 8, 9))[:] = ramps
    bounds = {"z": (1, 20), "y": (2, 23)} if isinstance(region, str) else region or {}
    for corners in (False, True) if mode in CORNERS else (False,):
        store = zarr.storage.MemoryStore()
        result = vrdask.resample_zarr(
            group, store, chunks=5, mode=mode, exact=exact, region=region, align_corners=corners, **size
        )
        said = read_multiscale(zarr.open_group(store, mode="r").attrs.asdict())
        for axis, name in enumerate("zyx", 1):
            got = np.moveaxis(result[axis - 1], axis - 1, 0)[:, 0, 0]
            expected = said.scale[axis] * np.arange(len(got)) + said.translation[axis]
            held, sample = lines[axis - 1][slice(*bounds.get(name, (None,)))], scale[axis - 1]
            # at the ends values are those of the edge
            margin = REACH.get(mode, 5) * max(said.scale[axis], sample) if len(got) != len(held) or exact else 0
            inside = (expected >= held[0] + margin - 1e-9) & (expected <= held[-1] - margin + 1e-9)
            assert_allclose(got[inside], expected[inside], rtol=0, atol=(DEVIATION[mode] + 1e-9) * sample)
            if exact and "spacing" in size:
                assert said.scale[axis] == 1.3


@given(n=sizes(130), factor=st.sampled_from(FACTORS) | st.fractions(Fraction(1, 9), 9, max_denominator=50))
def test_outputs_lie_within_the_array(n, factor):
    for corners in (False, True):
        plan = resampling((n,), size_of(n, factor, corners), "linear", corners, steps=(1 / factor,))
        last = (Fraction(plan.out_shape[0] - 1) + (0 if corners else Fraction(1, 2))) / factor
        assert last <= (n - 1 if corners else n) or plan.out_shape == (1,)
        image = Image(({"name": "x"},), "", (1.0,), (0.0,), None, {})
        made = image.resampled(plan.in_shape, plan.out_shape, corners, plan.steps)
        assert made.scale == (float(1 / factor),) or (corners and plan.steps is None)


@pytest.mark.parametrize("mode", ["area", "area_exact", "box"])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64"])
def test_means_of_integers_are_exact_where_the_last_window_is_cut_off_or_the_axis_is(mode, dtype):
    for n in range(1, 14):
        x = np.random.default_rng(n).integers(0, 120, (n, 5), dtype)
        for step in range(2, 9):
            got = vrdask.resample(x, factor=Fraction(1, step), mode=mode, exact=True, axes=0, dtype="float64")
            windows = [x[i * step : (i + 1) * step] for i in range(len(got))]
            assert_allclose(got, [window.mean(axis=0) for window in windows], rtol=1e-15)
