"""Errors: "{thing} must {condition}; got {value}", before anything is read or written."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import zarr
from messages import pattern

import vrdask

IMAGE = (6, 8)


class Untouchable:
    """Sources that may be asked for shape and dtype, and for nothing else."""

    @staticmethod
    def dask():
        def read(*args):
            raise AssertionError("a sample was read")

        return da.map_blocks(read, chunks=((3, 3), (8,)), dtype=np.uint8, meta=np.empty((0, 0), np.uint8))

    @staticmethod
    def zarr(monkeypatch):
        source = zarr.create_array({}, shape=IMAGE, chunks=(3, 4), dtype="uint8")

        def read(self, *args):
            raise AssertionError("a sample was read")

        monkeypatch.setattr(zarr.Array, "__getitem__", read)
        return source


GEOMETRY = [  # positional and keyword arguments; the exception; thing, condition and value as the message has them
    (((0, 4),), {}, ValueError, "shape must hold positive sizes; got 0 in"),
    (((4, -2),), {}, ValueError, "shape must hold positive sizes; got -2 in"),
    (((4, 2.5),), {}, TypeError, "shape must hold integers; got 2.5 in"),
    (((4, "8"),), {}, TypeError, "shape must hold integers; got '8' in"),
    (((4, None),), {}, TypeError, "shape must hold integers; got None"),
    (((True, 4),), {}, TypeError, "shape must hold integers; got True"),
    (((),), {}, ValueError, "shape must give at least one size; got"),
    (((4, 4, 4),), {}, ValueError, "shape must give at most 2 sizes, one per axis of the array; got 3"),
    (((4, 4, 4),), {"axes": (0,)}, ValueError, "shape must give one size per axis; got 3 sizes for 1 axes"),
    (((4, 4),), {"axes": (1, 1)}, ValueError, "axes must not repeat; got (1, 1)"),
    (((4, 4),), {"axes": (1, -1)}, ValueError, "axes must not repeat; got (1, -1)"),
    ((4,), {"axes": 2}, ValueError, "axes must lie in [-2, 2) for an array of 2 axes; got 2"),
    ((4,), {"axes": -3}, ValueError, "axes must lie in [-2, 2) for an array of 2 axes; got -3"),
    ((4,), {"axes": 1.5}, TypeError, "axes must .*integer.*; got 1.5"),
    ((4, "trilinear"), {}, ValueError, "mode must be one of nearest, linear, .*; got 'trilinear'"),
    ((4, 1.5), {}, ValueError, "mode must be one of nearest, linear, area, area_exact, cubic.*; got 1.5"),
    ((4, ["linear", "cubic"]), {}, ValueError, "mode must be one name, or one per axis; got .* for 1 axes"),
    ((4, "area", True), {}, ValueError, "align_corners must be False with mode 'area' (it is defined for nearest"),
    ((4,), {"dtype": object}, TypeError, "dtype must .*; got object"),
    ((4,), {"dtype": "complex64"}, TypeError, "dtype must be one of uint8, .*; got complex64"),
    ((4, "nearest"), {"dtype": "S3"}, TypeError, "dtype must be one of uint8, .*; got |S3"),
    ((2**62,), {}, ValueError, "input size times output size of axis 1 must be below 2^62; got 8 and"),
]  # fmt: skip


def resample_numpy(monkeypatch, *args, **options):
    vrdask.resample(np.zeros(IMAGE, np.uint8), *args, **options)


def resample_dask(monkeypatch, *args, **options):
    vrdask.resample(Untouchable.dask(), *args, **options)


def resample_zarr_lazily(monkeypatch, *args, **options):
    vrdask.resample(Untouchable.zarr(monkeypatch), *args, **options)


def resample_zarr(monkeypatch, shape, mode="linear", align_corners=False, **options):
    target = {}
    try:
        vrdask.resample_zarr(
            Untouchable.zarr(monkeypatch), target, shape, mode=mode, align_corners=align_corners, **options
        )
    finally:
        assert not target, "something was written"


def plan_resample(monkeypatch, *args, **options):
    vrdask.plan_resample(IMAGE, *args, **options)


@pytest.mark.parametrize("call", [resample_numpy, resample_dask, resample_zarr_lazily, resample_zarr, plan_resample])
@pytest.mark.parametrize(("args", "options", "error", "text"), GEOMETRY, ids=[case[3] for case in GEOMETRY])
def test_wrong_geometry_is_refused_everywhere(monkeypatch, call, args, options, error, text):
    if call is plan_resample and "dtype" in options:
        pytest.skip("a plan's dtype is that of its source as well")
    with pytest.raises(error, match=pattern(text)):
        call(monkeypatch, *args, **options)


@pytest.mark.parametrize("call", [resample_numpy, resample_dask, resample_zarr_lazily, resample_zarr])
@pytest.mark.parametrize(
    ("threads", "error", "text"),
    [
        (0, ValueError, "number of threads must be at least 1; got 0"),
        (-2, ValueError, "number of threads must be at least 1; got -2"),
        (1.5, TypeError, "number of threads must be an integer; got 1.5"),
    ],
)
def test_a_wrong_number_of_threads_is_refused_everywhere(monkeypatch, call, threads, error, text):
    with pytest.raises(error, match=text):
        call(monkeypatch, 4, num_threads=threads)
    with pytest.raises(error, match=text):
        vrdask.set_num_threads(threads)


@pytest.mark.parametrize(
    ("x", "shape", "error", "text"),
    [
        (np.float32(1), (1,), ValueError, "shape must give at most 0 sizes"),
        (np.zeros((3, 0)), (2,), ValueError, "resampled axis 1 must have at least one sample; got shape (3, 0)"),
        (np.zeros(3, "m8[s]"), 2, TypeError, "dtype must be .* with mode 'linear'; got timedelta64[s] (mode nearest"),
        (np.zeros(3, "U3"), 2, TypeError, "got <U3"),
        ([[1, 2], [3]], 2, (TypeError, ValueError), ".*"),
        (None, 2, (TypeError, ValueError), ".*"),
    ],
)  # fmt: skip
def test_wrong_arrays_are_refused(x, shape, error, text):
    with pytest.raises(error, match=pattern(text)):
        vrdask.resample(x, shape)


def test_unknown_dask_sizes_are_refused():
    x = da.from_array(np.arange(10.0), chunks=5)
    with pytest.raises(ValueError, match=r"sizes must be known; got \(nan,\) .*compute_chunk_sizes"):
        vrdask.resample(x[x > 3], 4)
    unknown = Untouchable.dask()
    batch = da.concatenate([unknown, unknown])[da.from_array(np.ones(12, bool), chunks=3)]
    with pytest.raises(ValueError, match="sizes must be known"):
        vrdask.resample(batch, 4, axes=1)


def test_chunks_for_a_numpy_array_are_refused():
    with pytest.raises(ValueError, match="chunks must be None for a numpy array, which is resampled at once; got 3"):
        vrdask.resample(np.zeros(6), 3, chunks=3)


def test_chunks_that_do_not_fit_a_lazy_result_are_refused():
    with pytest.raises(ValueError, match=r"[Cc]hunks"):
        vrdask.resample(Untouchable.dask(), 4, chunks=((6,), (3, 3)))


@pytest.mark.parametrize(("in_shape", "shape"), [((-1, 4), (2,)), ((4, -1), (2,)), ((3.5, 4), (2,)), (("a", 4), (2,))])
def test_plan_of_a_shape_that_no_array_has_is_refused(in_shape, shape):
    with pytest.raises((TypeError, ValueError), match="must"):
        vrdask.plan_resample(in_shape, shape)


def test_plan_of_axes_out_of_range_is_refused_for_a_full_shape_too():
    with pytest.raises(ValueError, match=r"axes must lie in \[-2, 2\)"):
        vrdask.plan_resample((4, 4), (4, 4), axes=(5,))


ZARR = [  # arguments of resample_zarr
    ({}, ValueError, "exactly one of shape, factor and spacing must be given; got none"),
    ({"shape": 4, "factor": 2}, ValueError, "exactly one of shape, factor and spacing must .*; got shape, factor"),
    ({"factor": 0}, ValueError, "factor must be positive and finite; got 0"),
    ({"factor": -0.5}, ValueError, "factor must be positive and finite; got -0.5"),
    ({"factor": float("nan")}, ValueError, "factor must be positive and finite; got nan"),
    ({"factor": float("inf")}, ValueError, "factor must be positive and finite; got inf"),
    ({"factor": "half"}, (TypeError, ValueError), "factor must .*; got .*half"),
    ({"factor": (1, 1, 1)}, ValueError, "factor must give .*one per axis; got 3|axes"),
    ({"factor": (0.5, 0.5), "axes": (0,)}, ValueError, "factor must give .*one per axis; got 2 for 1 axes"),
    ({"factor": 0.5, "axes": (7,)}, ValueError, "axes must lie in [-2, 2) for an array of 2 axes; got 7"),
    ({"spacing": 2.0}, ValueError, "spacing must be known for the source.*; got a plain array: give shape or factor"),
    ({"shape": 4, "chunks": (3, 3), "shards": (4, 6)}, ValueError, "chunks must divide shards; got .*3 and .*4"),
    ({"shape": 4, "chunks": (3,)}, ValueError, "chunks must have one size per axis; got 1 for 2 axes"),
    ({"shape": 4, "chunks": (0, 3)}, ValueError, "chunks must be positive integers; got (0, 3)"),
    ({"shape": 4, "shards": -1}, ValueError, "shards must be positive integers; got (-1, -1)"),
    ({"shape": 4, "compressors": "zip"}, ValueError, "compressors must be one of zstd, blosc, gzip, lz4.*; got 'zip'"),
    ({"shape": 4, "compressors": "zstd:50"}, ValueError, "level of zstd must be a number from -7 to 22; got '50'"),
    ({"shape": 4, "compressors": "gzip:"}, ValueError, "level of gzip must be a number from 0 to 9; got ''"),
    ({"shape": 4, "memory_limit": "lots"}, ValueError, "memory_limit must be a number of bytes .*; got 'lots'"),
    ({"shape": 4, "memory_limit": 0}, ValueError, "memory_limit must be positive; got 0"),
    ({"shape": 4, "memory_limit": 10}, ValueError, "memory_limit must be at least .* bytes .*; got 10"),
    ({"shape": 4, "progress": "yes"}, TypeError, "progress must be None, a bool, a callable.*; got 'yes'"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "error", "text"), ZARR, ids=[case[2] for case in ZARR])
@pytest.mark.parametrize("store", ["memory", "local"])
def test_wrong_arguments_of_resample_zarr_leave_no_trace(monkeypatch, tmp_path, store, options, error, text):
    target = {} if store == "memory" else tmp_path / "target.zarr"
    with pytest.raises(error, match=pattern(text) if "|" not in text else "must"):
        vrdask.resample_zarr(Untouchable.zarr(monkeypatch), target, **options)
    assert not target if store == "memory" else not target.exists()


def test_a_target_that_exists_is_refused_and_kept(tmp_path):
    source = zarr.create_array({}, data=np.arange(8.0))
    kept = zarr.create_array(tmp_path / "target.zarr", data=np.arange(3.0))
    with pytest.raises(FileExistsError, match=r"target must not exist; got .*target\.zarr.* overwrite=True"):
        vrdask.resample_zarr(source, tmp_path / "target.zarr", 4)
    assert kept[:].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match=r"target array must have shape \(4,\) and dtype float64; got \(3,\)"):
        vrdask.resample_zarr(source, kept, 4)
