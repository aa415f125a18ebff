"""affine_transform in memory: it agrees with SciPy, with its numpy twin to the bit, and is exact where that can be."""

from __future__ import annotations

import tracemalloc
from itertools import product

import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

import vrdask
import vrdask.compute.sample_box
from vrdask.compute import builds
from vrdask.transforms import reference_sampling
from vrdask.transforms.affine import PADDING, SCIPY_MODES, affine

DTYPES = ("uint8", "int8", "uint16", "int16", "float16", "float32", "int32", "uint32", "int64", "uint64", "float64")
ORDERS = {"nearest": 0, "linear": 1, "cubic": 3}
SHAPES = {1: (37,), 2: (23, 31), 3: (11, 17, 14)}
OUTPUTS = {1: (50,), 2: (29, 20), 3: (13, 12, 19)}


def data(shape, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def maps(count, seed):
    """A matrix near a rotation and an offset that keeps part of the output within the input."""
    rng = np.random.default_rng(seed)
    matrix = np.linalg.qr(rng.normal(size=(count, count)))[0] + rng.normal(size=(count, count)) / 10
    centre = np.array(SHAPES[count]) / 2 + rng.normal(size=count)
    return matrix, centre - matrix @ (np.array(OUTPUTS[count]) / 2)


def sprinkle(x):
    """Every seventh sample something that is no ordinary number."""
    places = x.reshape(-1)[::7]
    places[:] = np.resize([np.nan, np.inf, -np.inf, -0.0, np.finfo(x.dtype).smallest_subnormal], places.shape)


@pytest.mark.parametrize("mode", ORDERS)
@pytest.mark.parametrize("padding", SCIPY_MODES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_agrees_with_scipy(count, mode, padding):
    if mode == "cubic" and padding in ("border", "zeros", "grid-constant"):
        pytest.skip("SciPy filters a padded array")
    for seed, dtype in product(range(4), ("float32", "float64")):
        x = data(SHAPES[count], dtype, seed)
        matrix, offset = maps(count, seed)
        fill = 0 if padding == "zeros" else 2.5
        got = vrdask.affine_transform(x, matrix, offset, OUTPUTS[count], mode, padding_mode=padding, fill_value=fill)
        expected = ndimage.affine_transform(
            x.astype("f8"), matrix, offset, OUTPUTS[count], order=ORDERS[mode], mode=SCIPY_MODES[padding], cval=fill
        )
        assert got.dtype == x.dtype
        assert_allclose(got, expected, rtol=0, atol=1e-10 if dtype == "float64" and mode != "nearest" else 1e-5)


def test_all_forms_of_the_matrix():
    x = data((6, 7, 8))
    matrix, offset = maps(3, 5)
    expected = vrdask.affine_transform(x, matrix, offset)
    column = np.column_stack([matrix, offset])
    assert_array_equal(vrdask.affine_transform(x, column), expected)
    assert_array_equal(vrdask.affine_transform(x, np.vstack([column, [0, 0, 0, 1]])), expected)
    assert_array_equal(vrdask.affine_transform(x[None, None], np.vstack([column, [0, 0, 0, 1]])), expected[None, None])
    assert_array_equal(vrdask.affine_transform(x, [2, 0.5, 1]), vrdask.affine_transform(x, np.diag([2, 0.5, 1])))
    assert_array_equal(
        vrdask.affine_transform(x, np.eye(3), 0.5), vrdask.affine_transform(x, np.eye(3), [0.5, 0.5, 0.5])
    )


FOUR = (6, 7, 5, 8)


def four_axes(seed):
    """A matrix and an offset that keep most of an array of four axes within it."""
    rng = np.random.default_rng(seed)
    return np.eye(4) + rng.normal(size=(4, 4)) / 12, rng.normal(size=4) / 3


@pytest.mark.parametrize("mode", ORDERS)
@pytest.mark.parametrize("ndim", [1, 2, 3, 4])
def test_each_of_scipys_forms_means_what_it_means_there(ndim, mode):
    matrix, offset = four_axes(ndim)
    matrix, offset = matrix[:ndim, :ndim], offset[:ndim]
    column = np.column_stack([matrix, offset])
    forms = {
        "diagonal": (np.diag(matrix), offset),
        "diagonal, one offset": (np.diag(matrix), 0.4),
        "linear": (matrix, offset),
        "linear, one offset": (matrix, 0.4),
        "linear, none": (matrix, 0.0),
        "with a column": (column, 0.0),
        "homogeneous": (np.vstack([column, np.eye(ndim + 1)[-1]]), 0.0),
        "homogeneous, an offset too": (np.vstack([column, np.eye(ndim + 1)[-1]]), offset + 3),
    }
    x = data(FOUR[:ndim])
    for name, (form, shift) in forms.items():
        for out in (None, tuple(n + 2 for n in x.shape)):
            got = vrdask.affine_transform(x, form, shift, out, mode)
            expected = ndimage.affine_transform(x.astype("f8"), form, shift, out, order=ORDERS[mode])
            assert_allclose(got, expected, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("mode", ORDERS)
@pytest.mark.parametrize("padding", PADDING)
def test_a_map_of_four_axes_by_chunks(padding, mode, monkeypatch):
    if mode == "cubic" and padding == "grid-constant":
        pytest.skip("refused")
    monkeypatch.setattr(vrdask.compute.sample_box, "_VALUES_AT_ONCE", 20_000)
    matrix, offset = four_axes(9)
    for dtype in ("uint8", "float64") if mode != "cubic" else ("float64",):
        x = data((2, *FOUR), dtype)
        options = {"mode": mode, "padding_mode": padding, "fill_value": 7, "axes": (4, 1, 3, 2)}
        whole = vrdask.affine_transform(x, matrix, offset, (7, 8, 6, 9), **options)
        assert whole.shape == (2, 8, 9, 6, 7)
        for source in (da.from_array(x, chunks=(1, 4, 3, 5, 4)), zarr.create_array({}, data=x, chunks=(2, 4, 3, 5, 4))):
            lazy = vrdask.affine_transform(source, matrix, offset, (7, 8, 6, 9), chunks=(2, 5, 9, 3, 4), **options)
            assert_array_equal(lazy.compute(scheduler="synchronous"), whole, strict=True)
        if padding in ("constant", "reflection", "mirror") and dtype == "float64":
            in_order = np.moveaxis(x, (0, 4, 1, 3, 2), range(5))
            expected = [
                ndimage.affine_transform(
                    one, matrix, offset, (7, 8, 6, 9), order=ORDERS[mode], mode=SCIPY_MODES[padding], cval=7
                )
                for one in in_order
            ]
            short = 2e-6 if mode == "cubic" and padding == "reflection" else 1e-10  # where SciPy's filter is inexact
            assert_allclose(np.moveaxis(whole, (0, 4, 1, 3, 2), range(5)), expected, rtol=0, atol=short)


def test_an_offset_beside_a_square_matrix_is_never_dropped():
    x = data(FOUR)
    got = vrdask.affine_transform(x, np.eye(4), (1, 0, 2, -1))
    expected = np.zeros_like(x)
    expected[:5, :, :3, 1:] = x[1:, :, 2:, :7]
    assert_array_equal(got, expected)
    # named, three axes take a homogeneous matrix of four rows, which has its own
    three = np.vstack([np.column_stack([np.eye(3), (0, 2, -1)]), np.eye(4)[-1]])
    expected = np.zeros_like(x)
    expected[:, :, :3, 1:] = x[:, :, 2:, :7]
    assert_array_equal(vrdask.affine_transform(x, three, axes=(1, 2, 3)), expected)
    assert_array_equal(vrdask.affine_transform(x[None], three), expected[None])


@pytest.mark.parametrize("mode", ORDERS)
def test_axes_that_four_rows_leave_alone_are_batch_axes(mode):
    x = data(FOUR)
    matrix, offset = maps(3, 5)
    four = np.eye(4)
    four[1:, 1:] = matrix
    for padding in ("constant", "border", "reflection"):
        alone = vrdask.affine_transform(x, matrix, offset, mode=mode, padding_mode=padding, fill_value=3)
        got = vrdask.affine_transform(x, four, (0, *offset), mode=mode, padding_mode=padding, fill_value=3)
        assert_array_equal(got, alone)
    assert affine(FOUR, "f4", four, (0, *offset)).axes == (1, 2, 3)
    assert affine(FOUR, "f4", four, (0, *offset), (5, 7, 5, 8)).axes == (0, 1, 2, 3)
    assert_array_equal(vrdask.affine_transform(x, np.eye(4), mode=mode), x)


@pytest.mark.parametrize("mode", ORDERS)
@pytest.mark.parametrize("padding", PADDING)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_identity_returns_the_input_bit_for_bit(mode, padding, dtype):
    if mode == "cubic" and padding == "grid-constant":
        pytest.skip("refused")
    x = data((5, 130, 9), dtype)
    if x.dtype.kind == "f":
        sprinkle(x)
        x = np.where(np.isnan(x), np.array(np.nan, dtype), x)
    for axes in ((0, 1, 2), (1, 2), (0, 1), (1,)):
        got = vrdask.affine_transform(x, np.eye(len(axes)), mode=mode, padding_mode=padding, fill_value=7, axes=axes)
        assert got.tobytes() == x.tobytes()


@pytest.mark.parametrize("padding", PADDING)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_linear_at_samples_is_exact_without_being_told(padding, dtype):
    # an axis that is not whole keeps the others from being copied: their weights are 0 and 1
    x = data((6, 70, 9), dtype)
    sprinkle(x)
    x[-1] = 0
    got = vrdask.affine_transform(x, [0.5, 1, 1], padding_mode=padding, output_shape=(11, 70, 9))
    assert_array_equal(got[::2], x)
    assert_array_equal(np.signbit(got[::2])[x == 0], np.signbit(x)[x == 0])


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("padding", PADDING)
def test_quarter_turns_equal_rot90(mode, padding):
    if mode == "cubic" and padding == "grid-constant":
        pytest.skip("refused")
    for shape, axes in (((2, 37, 50), (1, 2)), ((31, 40, 3), (0, 1)), ((20, 9, 33), (0, 2))):
        x = data(shape, "float32", 3)
        n, m = (shape[axis] for axis in axes)
        for turns, matrix, offset, sizes in (
            (1, [[0, 1], [-1, 0]], (0, m - 1), (m, n)),
            (2, [[-1, 0], [0, -1]], (n - 1, m - 1), (n, m)),
            (3, [[0, -1], [1, 0]], (n - 1, 0), (m, n)),
        ):
            got = vrdask.affine_transform(x, matrix, offset, sizes, mode, padding_mode=padding, axes=axes, fill_value=3)
            assert_array_equal(got, np.rot90(x, turns, axes))


@pytest.mark.parametrize("mode", ORDERS)
def test_whole_shifts_equal_slices(mode):
    x = data((19, 40, 33))
    x[3, 3, 3] = np.nan
    got = vrdask.affine_transform(x, np.eye(3), (2, -5, 30), mode=mode, fill_value=9)
    expected = np.full_like(x, 9)
    expected[:17, 5:, :3] = x[2:, :35, 30:]
    assert_array_equal(got, expected)
    assert_array_equal(vrdask.affine_transform(x, np.eye(3), (4, 5, 6), (10, 20, 20), mode), x[4:14, 5:25, 6:26])
    assert_array_equal(vrdask.affine_transform(x, [2, 3, 4], mode=mode, output_shape=(10, 14, 9)), x[::2, ::3, ::4])


def test_axes_may_come_in_any_order_and_leave_others_alone():
    x = data((3, 14, 4, 15))
    matrix, offset = maps(2, 1)
    got = vrdask.affine_transform(x, matrix, offset, (9, 10), axes=(3, 1))
    swapped = vrdask.affine_transform(x, matrix[::-1, ::-1], offset[::-1], (10, 9), axes=(1, 3))
    assert_array_equal(got, swapped)
    assert got.shape == (3, 10, 4, 9)
    for i, k in np.ndindex(3, 4):
        alone = vrdask.affine_transform(x[i, :, k], matrix[::-1, ::-1], offset[::-1], (10, 9))
        assert_array_equal(got[i, :, k], alone)
    assert_array_equal(vrdask.affine_transform(x, matrix, offset, (3, 10, 4, 9), axes=(3, 1)), got)


@pytest.mark.parametrize("mode", ORDERS)
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("build", builds.supported())
def test_the_kernel_equals_its_twin(monkeypatch, build, count, mode):
    monkeypatch.setattr(vrdask.compute.sample_box, "_kernel", builds.load("sample", build))
    monkeypatch.setattr(vrdask.compute.sample_box, "_POINTS_AT_ONCE", 64)
    monkeypatch.setattr(vrdask.compute.sample_box, "_TILE", (3, 4, 5 + 2 * count))
    for number, (dtype, padding) in enumerate(product(DTYPES, PADDING)):
        if mode == "cubic" and padding == "grid-constant":
            continue
        batch = ((), (3,), (2, 2))[number % 3]
        x = data((*batch, *SHAPES[count]), dtype, number)
        if x.dtype.kind == "f" and number % 2:
            x.reshape(-1)[:: 1 + x.size // 5] = np.nan
        matrix, offset = maps(count, number)
        if number % 4 == 0:
            matrix, offset = np.round(matrix * 2) / 2 + np.eye(count) * 0.25, np.round(offset * 4) / 4
        out_dtype = DTYPES[(5 * number + 3) % 11] if number % 3 == 1 else None
        axes = None if number % 2 else tuple(range(count))
        sizes = [x.shape[axis] + 3 for axis in axes] if axes else OUTPUTS[count]
        options = {"padding_mode": padding, "fill_value": (0, 3.25, -1e9, 0.3)[number % 4], "axes": axes}
        what = affine(x.shape, x.dtype, matrix, offset, sizes, mode, out_dtype=out_dtype, **options)
        got = vrdask.affine_transform(x, matrix, offset, sizes, mode, dtype=out_dtype, num_threads=2, **options)
        assert_array_equal(got, reference_sampling.affine_transform(what, x), err_msg=str((dtype, padding, number)))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_few_samples_and_strides_that_look_like_lines(mode):
    # two or three samples of an axis whose stride is that of a whole line of four taps
    for shape in ((5, 2, 3), (5, 3, 2), (5, 1, 3), (4, 2, 1), (4, 6, 3)):
        x = data(shape)
        got = vrdask.affine_transform(x, maps(2, 3)[0], 1.2, (7, 8), mode, padding_mode="border", axes=(0, 1))
        for c in range(shape[2]):
            alone = vrdask.affine_transform(x[..., c].copy(), maps(2, 3)[0], 1.2, (7, 8), mode, padding_mode="border")
            assert_array_equal(got[..., c], alone)


def test_another_dtype_of_the_result():
    x = data((20, 20), "uint8")
    matrix, offset = np.array([[0.9, 0.1], [-0.2, 1.1]]), (1, 2)
    as_float = vrdask.affine_transform(x, matrix, offset, dtype="float32", fill_value=np.nan)
    assert_array_equal(as_float, vrdask.affine_transform(x.astype("f4"), matrix, offset, fill_value=np.nan))
    nearest = vrdask.affine_transform(x, matrix, offset, mode="nearest", dtype="float32", fill_value=np.nan)
    assert np.isnan(nearest).any()
    there = ~np.isnan(nearest)
    assert_array_equal(nearest[there], vrdask.affine_transform(x, matrix, offset, mode="nearest")[there])


def test_nothing_inside_is_all_fill():
    x = data((8, 8))
    assert_array_equal(vrdask.affine_transform(x, np.eye(2), 100, fill_value=3), np.full((8, 8), 3, "f4"))
    assert_array_equal(
        vrdask.affine_transform(x, np.eye(2), 1e300, mode="cubic", fill_value=3), np.full((8, 8), 3, "f4")
    )
    assert_array_equal(vrdask.affine_transform(x, np.eye(2), 1e300, padding_mode="border"), np.full((8, 8), x[-1, -1]))


def test_no_grid_is_in_memory():
    x = np.zeros((100, 110, 120), np.float32)
    tracemalloc.start()
    try:
        vrdask.affine_transform(x, maps(3, 0)[0], 30, num_threads=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes + (1 << 20)


BAD = [
    (np.zeros((3, 3)), {}, ValueError, "matrix must be invertible"),
    ([[1, 2, 0], [2, 4, 0], [0, 0, 1]], {}, ValueError, "matrix must be invertible"),
    ([1, 0, 1], {}, ValueError, "matrix must be invertible"),
    ([[1, 0, np.nan], [0, 1, 0], [0, 0, 1]], {}, ValueError, "matrix must be finite"),
    ([1, np.inf, 1], {}, ValueError, "matrix must be finite"),
    (np.eye(2, 5), {}, ValueError, r"matrix must have shape \(n,\), \(n, n\).*; got \(2, 5\)"),
    (np.eye(5), {}, ValueError, r"matrix must have shape .* n at most 3; got \(5, 5\)"),
    (np.eye(3), {"axes": ()}, ValueError, r"axes must name at least one; got \(\)"),
    (np.eye(3), {"axes": (0, 1, 2, 3)}, ValueError, r"axes must lie in \[-3, 3\)"),
    (np.eye(4), {"axes": (0, 1)}, ValueError, r"matrix must have shape .* with n 2; got \(4, 4\)"),
    ([[1, 2], [3]], {}, ValueError, r"matrix must have rows of one length; got \[\[1, 2\], \[3\]\]"),
    (1.0, {}, ValueError, r"matrix must have shape .*; got \(\)"),
    (np.eye(3) * 1j, {}, TypeError, "matrix must hold real numbers; got dtype complex128"),
    (np.ones((4, 4)) + np.eye(4), {}, ValueError, "matrix must have a last row of zeros and a one"),
    (np.eye(3), {"offset": (1, 2)}, ValueError, r"offset must be one number, or one per axis: 3; got shape \(2,\)"),
    (np.eye(3), {"offset": np.nan}, ValueError, "offset must be finite"),
    (np.eye(3), {"output_shape": (2, 3)}, ValueError, "output_shape must give one size per sampled axis, 3"),
    (np.eye(3), {"output_shape": (2, 3, 0)}, ValueError, "output_shape must hold positive sizes; got 0"),
    (np.eye(3), {"output_shape": (2, 3, 1.5)}, TypeError, "output_shape must hold integers; got 1.5"),
    (np.eye(2), {"output_shape": (2, 3, 3)}, ValueError, "output_shape must keep axis 0, which is not sampled"),
    (np.eye(3), {"mode": "lanczos"}, ValueError, "mode must be one of nearest, linear, cubic; got 'lanczos'"),
    (np.eye(3), {"padding_mode": "periodic"}, ValueError, "padding_mode must be one of constant, .*; got 'periodic'"),
    (np.eye(3), {"padding_mode": "grid-constant", "mode": "cubic"}, ValueError, "padding_mode must be .*cubic"),
    (np.eye(2), {"axes": (1, 1)}, ValueError, "axes must not repeat"),
    (np.eye(3), {"chunks": 4}, ValueError, "chunks must be None for a numpy array"),
    (np.eye(3), {"dtype": "complex64"}, TypeError, "dtype must be one of"),
    (np.eye(3), {"fill_value": "x"}, TypeError, "fill_value must be a number; got 'x'"),
]  # fmt: skip


@pytest.mark.parametrize(("matrix", "options", "kind", "message"), BAD)
def test_bad_arguments_are_refused(matrix, options, kind, message):
    with pytest.raises(kind, match=message):
        vrdask.affine_transform(np.zeros((4, 5, 6)), matrix, **options)


@pytest.mark.parametrize("shape", [(6, 6), (4, 5), (4,), (5, 6), (3, 5)])
def test_a_matrix_that_could_mean_two_things_must_name_its_axes(shape):
    with pytest.raises(ValueError, match=r"matrix must have shape .* with n at most 3, or 7; got"):
        vrdask.affine_transform(np.zeros((2,) * 7), np.eye(*shape) if len(shape) == 2 else np.ones(shape))
