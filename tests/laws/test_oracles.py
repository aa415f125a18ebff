"""Results agree with the reference that each mode names, and with dense float64 matrices of our own."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import oracles
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from strategies import INTERPOLATING, MODES, problems

import vrdask

TOLERANCE = {
    "nearest": 0,
    "linear": 1e-5,
    "area": 1e-6,
    "area_exact": 1e-6,
    "cubic": 2e-6,
}  # on U(0, 1), float32, short axes
SHAPES = [  # input, output; up and down, simple and awkward ratios
    ((100,), (50,)),
    ((97,), (199,)),
    ((250,), (31,)),
    ((64, 48), (32, 96)),
    ((53, 71), (80, 29)),
    ((24, 20, 28), (13, 41, 28)),
    ((31, 17, 16), (62, 34, 8)),
]
CASES = [(mode, corners) for mode in MODES for corners in (False, True) if "area" not in mode or not corners]
# torch has no align_corners for nearest; there the definition itself, in exact fractions, is the reference
REFERENCED = [(mode, corners) for mode, corners in CASES if not (mode == "nearest" and corners)]


def uniform(shape, dtype="float32"):
    return np.random.default_rng(sum(shape)).random(shape).astype(dtype)


@pytest.mark.parametrize(("in_shape", "shape"), SHAPES)
@pytest.mark.parametrize(("mode", "align_corners"), REFERENCED)
def test_float32_agrees_with_torch_or_scipy(mode, align_corners, in_shape, shape):
    if mode != "cubic":
        pytest.importorskip("torch")
    x = uniform(in_shape)
    expected = oracles.REFERENCES[mode](x, shape, mode, align_corners)
    assert_allclose(vrdask.resample(x, shape, mode, align_corners), expected, rtol=0, atol=TOLERANCE[mode])


@pytest.mark.parametrize(("in_shape", "shape"), SHAPES)
@pytest.mark.parametrize(("mode", "align_corners"), CASES)
def test_float64_equals_the_dense_matrices(mode, align_corners, in_shape, shape):
    x = uniform(in_shape, "float64")
    expected = oracles.exact(x, shape, mode, align_corners)
    assert_allclose(vrdask.resample(x, shape, mode, align_corners), expected, rtol=0, atol=1e-12)
    if mode == "nearest":
        assert_array_equal(vrdask.resample(x, shape, mode, align_corners), expected)


@given(problem=problems(dtypes=("uint8", "int8", "uint16", "int16", "int32", "uint32"), convert=False, most_axes=3))
def test_integers_are_the_exact_result_rounded(problem):
    """Within one of the rounded exact value: float32 sums of 16-bit samples may fall on the other side of a tie.

    Equal where the exact value is not near a tie: further than the rounding errors of the sums, about 2^-20 of
    the type's range for 8 and 16 bits, 2^-48 of it for 32 bits.
    """
    x = problem.source
    expected = x.astype(np.float64)
    for axis, n_out in zip(problem.axes, problem.shape, strict=True):
        if x.shape[axis] != n_out:
            dense = oracles.matrix(problem.mode, x.shape[axis], n_out, problem.align_corners)
            expected = oracles.along(expected, dense, axis)
    limits = np.iinfo(x.dtype)
    got = problem.resample(x).astype(np.float64)
    rounded = np.clip(np.rint(expected), limits.min, limits.max)
    assert abs(got - rounded).max(initial=0) <= 1
    error = (float(limits.max) - float(limits.min)) * 2.0 ** (-48 if x.itemsize == 4 else -20) * 4 ** len(problem.axes)
    clear = abs(np.abs(expected - np.floor(expected)) - 0.5) > error
    assert_array_equal(got[clear], rounded[clear])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float16"])
def test_asking_for_float32_gives_unrounded_values(dtype):
    x = (uniform((40, 30)) * 100).astype(dtype)
    for mode in INTERPOLATING:
        expected = oracles.exact(x, (23, 50), mode)
        result = vrdask.resample(x, (23, 50), mode, dtype="float32")
        assert result.dtype == np.float32
        assert_allclose(result, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("n_out", [9, 20, 33, 64])
def test_a_ramp_stays_a_ramp(mode, n_out):
    ramp = np.arange(20.0)
    aligned = vrdask.resample(ramp, n_out, "linear", True)
    assert_allclose(aligned, np.linspace(0, 19, n_out), rtol=0, atol=1e-13)
    inner = vrdask.resample(np.arange(200.0), 10 * n_out, mode)
    centres = (np.arange(10 * n_out) + 0.5) * 20 / n_out - 0.5
    far = (centres > 30) & (centres < 169)  # a cubic feels the mirror at the ends for some 28 samples
    assert_allclose(inner[far], centres[far], rtol=0, atol=1e-11)


@given(n_in=st.integers(1, 12), n_out=st.integers(1, 12), mode=st.sampled_from(MODES))
def test_short_axes_equal_the_dense_matrices(n_in, n_out, mode):
    # where SciPy itself is inexact (see test_operators) and mirrors fold many times over
    x = uniform((3, n_in), "float64")
    assert_allclose(vrdask.resample(x, n_out, mode), oracles.exact(x, (n_out,), mode), rtol=0, atol=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_long_axes_keep_exact_positions(mode):
    # float32 positions lose 1.6e-3 of a sample here, and pick wrong neighbours
    n_in, n_out = 200_003, 1301
    x = uniform((n_in,), "float64")
    centres = [oracles.position(i, n_in, n_out, False) for i in range(n_out)]
    got = vrdask.resample(x, n_out, mode)
    if mode == "nearest":
        assert_array_equal(got, x[[oracles.nearest_index(i, n_in, n_out, False) for i in range(n_out)]])
    elif mode == "linear":
        expected = [(1 - (p - int(p))) * x[int(p)] + (p - int(p)) * x[int(p) + 1] for p in centres]
        assert_allclose(got, np.array(expected, float), rtol=0, atol=1e-15)
    elif mode == "area_exact":
        expected = []
        for i in range(n_out):
            k = np.arange(i * n_in // n_out, -(-(i + 1) * n_in // n_out))
            held = np.minimum((k + 1) * n_out, (i + 1) * n_in) - np.maximum(k * n_out, i * n_in)
            expected.append((x[k] * held).sum() / held.sum())
        assert_allclose(got, expected, rtol=0, atol=1e-14)
    elif mode == "area":
        bounds = [(i * n_in // n_out, -(-(i + 1) * n_in // n_out)) for i in range(n_out)]
        assert_allclose(got, [x[low:high].mean() for low, high in bounds], rtol=0, atol=1e-14)
    else:
        from scipy import ndimage

        coefficients = ndimage.spline_filter1d(x, order=3, mode="reflect")
        taps = [(int(p), float(p - int(p))) for p in centres]
        expected = [sum(coefficients[at + k] * oracles.b_spline(t - k) for k in (-1, 0, 1, 2)) for at, t in taps]
        assert_allclose(got, expected, rtol=0, atol=1e-14)


@pytest.fixture(scope="module")
def mni152():
    """A T1-weighted head, 197 x 233 x 189 voxels of 1 mm, that ships inside nilearn."""
    found = find_spec("nilearn")
    if found is None or found.origin is None:
        pytest.skip("nilearn is not installed")
    nibabel = pytest.importorskip("nibabel")
    path = Path(found.origin).parent / "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    head = np.asarray(nibabel.load(path).dataobj, dtype=np.float32)
    assert head.ndim == 3
    assert head.max() > 0
    return head / head.max()


@pytest.mark.parametrize("mode", MODES)
def test_a_real_head_through_zarr_equals_in_memory_and_the_reference(mni152, tmp_path, mode):
    if mode != "cubic":
        pytest.importorskip("torch")
    shape = (131, 155, 240)  # 1.5 mm, and finer along one axis
    source = zarr.create_array(tmp_path / "head.zarr", data=mni152, chunks=(64, 50, 77))
    written = vrdask.resample_zarr(
        source, tmp_path / "small.zarr", shape, mode=mode, chunks=(50, 64, 64), memory_limit="64MiB"
    )
    result = vrdask.resample(mni152, shape, mode)
    assert_array_equal(written[:], result)
    assert_array_equal(zarr.open_array(tmp_path / "small.zarr")[:], result)
    assert_allclose(result, oracles.REFERENCES[mode](mni152, shape, mode), rtol=0, atol=TOLERANCE[mode])
