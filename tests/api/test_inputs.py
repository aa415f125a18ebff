"""Whatever numpy can hold: memory layouts, byte orders, dtypes, empty and very long axes; never changed."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from numpy.testing import assert_array_equal
from strategies import DTYPES, INTERPOLATING, MODES, problems, values

import vrdask
from vrdask.api.in_memory import resample_in_memory


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


def unaligned(x):
    room = np.empty(x.nbytes + 1, np.uint8)
    moved = room[1:].view(x.dtype).reshape(x.shape)
    moved[...] = x
    return moved


def sliced(x):
    room = np.empty(tuple(2 * n + 3 for n in x.shape), x.dtype)
    room[...] = x.flat[0] if x.size else 0
    part = room[tuple(slice(1, 2 * n + 1, 2) for n in x.shape)]
    part[...] = x
    return part


def column(x):
    """The first of several along a last axis, which is cut off again: unit strides nowhere."""
    return np.repeat(x[..., None], 3, axis=-1)[..., 0]


LAYOUTS = {
    "read-only": read_only,
    "fortran": np.asfortranarray,
    "reversed": lambda x: np.ascontiguousarray(x[(slice(None, None, -1),) * x.ndim])[(slice(None, None, -1),) * x.ndim],
    "sliced": sliced,
    "a column": column,
    "unaligned": unaligned,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "inner part": lambda x: np.pad(x, 1)[(slice(1, -1),) * x.ndim],
    "list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@given(problem=problems(most_axes=3))
def test_memory_layout_changes_no_bit(machine, layout, problem):
    x = problem.source
    if layout == "list":
        x = x.astype(np.float64) if x.dtype.kind == "f" else x.astype(np.int64, casting="unsafe")
        given_x = x.tolist()
        assert_array_equal(problem.resample(given_x), problem.resample(x))
        return
    laid_out = LAYOUTS[layout](x)
    kept = laid_out.copy()
    with machine():
        assert_array_equal(resample_in_memory(problem.what, laid_out, 2), problem.resample(x))
    assert_array_equal(laid_out, kept, err_msg="the input was changed")


@pytest.mark.parametrize("shape", [(5, 4), (1, 4), (5, 1), (1, 1)])
@pytest.mark.parametrize("mode", MODES)
def test_a_broadcast_array_is_its_copy(mode, shape):
    x = np.broadcast_to(np.float32(3), shape)
    assert_array_equal(vrdask.resample(x, (3, 7), mode), vrdask.resample(x.copy(), (3, 7), mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("axis", [0, 1])
def test_a_single_column_of_an_image_is_an_image(mode, axis):
    # an axis of one sample has any stride; joined with its neighbour it must not hide that memory has gaps
    image = values((12, 9), "uint8", 1)
    x = image[:, :1] if axis == 0 else np.asfortranarray(image)[:1]
    assert_array_equal(vrdask.resample(x, 5, mode, axes=axis), vrdask.resample(x.copy(), 5, mode, axes=axis))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [name for name in DTYPES if "8" not in name])
def test_byte_swapped_arrays_give_the_same_values_in_native_order(mode, dtype):
    x = values((9, 14), dtype, 2)
    swapped = x.astype(x.dtype.newbyteorder())
    for shape in ((5, 20), (9, 14)):
        expected = vrdask.resample(x, shape, mode)
        assert_array_equal(vrdask.resample(swapped, shape, mode), expected, strict=True)
        assert_array_equal(vrdask.resample(x, shape, mode, dtype=swapped.dtype), expected, strict=True)
        lazy = vrdask.resample(da.from_array(swapped, chunks=4), shape, mode)
        assert lazy.dtype == lazy._meta.dtype == x.dtype
        assert_array_equal(lazy.compute(), expected, strict=True)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_every_function_gives_native_order(mode):
    x = values((1, 2, 9, 14), "uint16", 2)
    grid = np.random.default_rng(0).uniform(-1, 1, (1, 5, 6, 2))
    calls = {
        "grid": lambda x, **options: vrdask.grid_sample(x, grid, mode, **options),
        "affine": lambda x, **options: vrdask.affine_transform(x, [0.7, 1.2], mode=mode, **options),
        "copied": lambda x, **options: vrdask.affine_transform(x, np.eye(2), mode=mode, **options),
        "outside": lambda x, **options: vrdask.affine_transform(x, np.eye(2), 99, mode=mode, **options),
        "resample": lambda x, **options: vrdask.resample(x, (5, 20), mode, **options),
        "unchanged": lambda x, **options: vrdask.resample(x, (9, 14), mode, **options),
    }
    for name, call in calls.items():
        for dtype in (None, "float32"):
            expected = call(x, dtype=dtype)
            for order in (">", "<"):
                swapped = x.astype(x.dtype.newbyteorder(order))
                asked = None if dtype is None else np.dtype(dtype).newbyteorder(order)
                stored = zarr.create_array({}, shape=x.shape, dtype=swapped.dtype, chunks=(1, 1, 4, 5), zarr_format=2)
                stored[:] = x
                for source in (swapped, da.from_array(swapped, chunks=(1, 1, 4, 5)), stored):
                    got = call(source, dtype=asked)
                    assert got.dtype.isnative, name
                    assert_array_equal(np.asarray(got), expected, strict=True)
                    assert np.asarray(got).dtype.isnative, name


def test_items_of_many_numbers_are_turned_to_native_order_too():
    for dtype in (">c8", ">U3", ">M8[s]", [("a", ">i4"), ("b", "<f8")]):
        x = np.zeros(4, dtype)
        x[...] = ["a", "bc", "def", "g"] if dtype == ">U3" else np.arange(4).astype("i8")
        native = x.astype(x.dtype.newbyteorder("="))
        for source in (x, da.from_array(x, chunks=3)):
            got = vrdask.resample(source, 8, "nearest")
            assert got.dtype == native.dtype
            assert_array_equal(np.asarray(got), np.repeat(native, 2))


def test_a_target_in_the_other_byte_order_gets_the_same_values():
    x = values((9, 14), "uint16", 2)
    source = zarr.create_array({}, shape=x.shape, dtype=">u2", chunks=(4, 5), zarr_format=2, fill_value=7)
    source[:] = x
    for order in (">u2", "<u2"):
        target = zarr.create_array({}, shape=(5, 20), dtype=order, chunks=(4, 5), zarr_format=2)
        vrdask.resample_zarr(source, target, (5, 20))
        assert_array_equal(target[:], vrdask.resample(x, (5, 20)))
    made = vrdask.resample_zarr(source, zarr.storage.MemoryStore(), (5, 20))
    assert made.fill_value == 7
    assert made.dtype.isnative


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_big_endian_zarr_resamples(mode, zarr_format):
    x = values((9, 14), "uint16", 2)
    source = zarr.create_array({}, shape=x.shape, dtype=">u2", chunks=(4, 5), zarr_format=zarr_format)
    source[:] = x
    assert_array_equal(vrdask.resample(source, (5, 20), mode).compute(), vrdask.resample(x, (5, 20), mode))
    written = vrdask.resample_zarr(source, zarr.storage.MemoryStore(), (5, 20), mode=mode)
    assert_array_equal(written[:], vrdask.resample(x, (5, 20), mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("shape", "axes"), [((0, 8), (1,)), ((0, 8, 9), (1, 2)), ((8, 0), (0,)), ((3, 8, 0), (1,))])
def test_an_empty_batch_gives_an_empty_result(mode, shape, axes):
    expected = tuple(5 if axis in axes else n for axis, n in enumerate(shape))
    for x in (np.zeros(shape, np.uint8), da.from_array(np.zeros(shape, np.uint8))):
        result = np.asarray(vrdask.resample(x, (5,) * len(axes), mode, axes=axes))
        assert result.shape == expected
        assert result.dtype == np.uint8


@pytest.mark.parametrize(
    "x",
    [
        np.array([True, False, False, True]),
        np.arange(4) * (1 - 2j),
        np.array([(1, 2.5), (3, 4.5), (5, 6.5), (7, 8.5)], "i4,f8"),
        np.arange(4).astype("datetime64[D]"),
        np.arange(4).astype("timedelta64[s]"),
        np.array(["a", "bc", "def", "g"]),
        np.array([b"a", b"bc", b"def", b"g"]),
        np.arange(4, dtype=np.longdouble),
    ],
    ids=lambda x: str(x.dtype),
)
def test_nearest_copies_every_dtype_of_fixed_size(x):
    assert_array_equal(vrdask.resample(x, 8, "nearest"), np.repeat(x, 2))
    assert_array_equal(vrdask.resample(np.stack([x, x]), 2, "nearest"), np.stack([x[1::2]] * 2))
    assert vrdask.resample(x, 8, "nearest").dtype == x.dtype
    if x.dtype.kind in "bc":  # which can be computed with, too: see test_other_types
        return
    for mode in INTERPOLATING:
        with pytest.raises(TypeError, match=rf"dtype must be one of uint8, .* with mode '{mode}'; got"):
            vrdask.resample(x, 8, mode)


def test_object_arrays_are_refused():
    with pytest.raises(TypeError, match="dtype must have a fixed size; got object"):
        vrdask.resample(np.array([1, "a", None], object), 2, "nearest")


def test_masked_arrays_are_refused():
    masked = np.ma.masked_greater(np.arange(8.0), 5)
    with pytest.raises(TypeError, match="x must not be a masked array; fill it first"):
        vrdask.resample(masked, 4)
    with pytest.raises(TypeError, match=r"must not be .*masked"):  # a lost mask would be a silent error
        vrdask.resample(da.from_array(masked, chunks=4), 4)


def test_more_than_two_to_the_31_voxels_lazily():
    n_in, n_out = 40_000, 30_000

    def source_value(b, i, j):
        return ((7 * i + 13 * j + 101 * b) % 251).astype(np.uint8)

    def block(block_info=None):
        (b, _), (i, i_stop), (j, j_stop) = block_info[None]["array-location"]
        return source_value(b, np.arange(i, i_stop)[:, None], np.arange(j, j_stop))[None]

    x = da.map_blocks(block, chunks=((1, 1), (4000,) * 10, (4000,) * 10), dtype=np.uint8)
    assert x.size > 2**31
    corner = np.arange(n_out - 40, n_out)
    pick = (2 * corner + 1) * n_in // (2 * n_out)
    nearest = vrdask.resample(x, (n_out, n_out), "nearest", chunks=(1, 1500, 1500))
    assert nearest.shape == (2, n_out, n_out)
    got = nearest[1, -40:, -40:].compute(scheduler="synchronous")
    assert_array_equal(got, source_value(1, pick[:, None], pick))
    # the far corner of the whole is the far corner of a piece that ends there and is resampled by the same factor
    linear = vrdask.resample(x, (n_out, n_out), "linear", chunks=(1, 1500, 1500))[1, -40:, -40:]
    piece = source_value(1, np.arange(n_in - 400, n_in)[:, None], np.arange(n_in - 400, n_in))
    assert_array_equal(linear.compute(scheduler="synchronous"), vrdask.resample(piece, (300, 300))[-40:, -40:])


@pytest.mark.parametrize("n_out", [4, 7])
def test_an_axis_of_more_than_two_to_the_31_samples(python, n_out):
    # Pages that are never written take no memory. In a process of its own: a wrong index here is a crash.
    code = f"""
import numpy as np, vrdask
n_in, n_out = 3 * 10**9 + 1, {n_out}
x = np.zeros(n_in, np.uint8)
x[[(2 * i + 1) * n_in // (2 * n_out) for i in range(n_out)]] = np.arange(n_out)
print(vrdask.resample(x, n_out, "nearest").tolist() == list(range(n_out)))
"""
    assert python(code) == "True"


def test_many_axes_of_one_sample_change_nothing():
    x = values((1,) * 28 + (6, 5), "float32", 4)
    result = vrdask.resample(x, (9, 3), "cubic")
    assert_array_equal(result.reshape(9, 3), vrdask.resample(x.reshape(6, 5), (9, 3), "cubic"))
