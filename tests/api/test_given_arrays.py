"""Arrays that people hold, of h5py, tensorstore, dask, xarray, torch and numpy, and Sources: taken by every function,
lazily where they lie in a store, with the bits that the samples in memory give.
"""

from __future__ import annotations

import pickle
from collections import Counter
from uuid import uuid4

import dask
import dask.array as da
import numpy as np
import pytest
import zarr
from clusters import two_workers
from numpy.testing import assert_array_equal
from strategies import values

import vrdask
from vrdask.runs.job import Job
from vrdask.sources.reordered import reordered
from vrdask.storage.readable import StoredArray

h5py = pytest.importorskip("h5py", reason="h5py is not installed")
tensorstore = pytest.importorskip("tensorstore", reason="tensorstore is not installed")
xarray = pytest.importorskip("xarray", reason="xarray is not installed")

X = values((40, 50), "float32", 2)
MAP = [[0.7, 0.2], [-0.1, 0.8]]
GRID = np.random.default_rng(1).uniform(-1, 1, (1, 9, 8, 2)).astype("f4")


def hdf5(folder, x=X, chunks=(7, 9)):
    path = folder / f"{uuid4().hex}.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("deep/x", data=x, chunks=chunks and tuple(map(min, (1, 1, *chunks)[-x.ndim :], x.shape)))
    return h5py.File(path)["deep/x"]


def store(folder, x=X, **kvstore):
    kvstore = kvstore or {"driver": "file", "path": str(folder / uuid4().hex)}
    grid = {"name": "regular", "configuration": {"chunk_shape": [8] * x.ndim}}
    metadata = {"shape": x.shape, "data_type": x.dtype.name, "chunk_grid": grid}
    opened = tensorstore.open({"driver": "zarr3", "kvstore": kvstore, "metadata": metadata}, create=True).result()
    opened[...] = x
    return opened


def npy(folder, x=X):
    path = folder / f"{uuid4().hex}.npy"
    np.save(path, x)
    return vrdask.open(path)


LAZY = {
    "h5py": hdf5,
    "h5py in one piece": lambda folder, x=X: hdf5(folder, x, None),
    "tensorstore": store,
    "tensorstore in memory": lambda folder, x=X: store(folder, x, driver="memory"),
    "tensorstore of numpy": lambda folder, x=X: tensorstore.array(x),
    "Source of a file": npy,
    "Source of zarr": lambda folder, x=X: vrdask.open(zarr.create_array({}, data=x, chunks=(9,) * x.ndim)),
    "dask": lambda folder, x=X: da.from_array(x, chunks=11),
    "irregular dask": lambda folder, x=X: da.from_array(x, chunks=((*x.shape[:-2], 1, 30, 9), (20, 30))[-2:])
    if x.ndim == 2 else da.from_array(x, chunks=6),
    "DataArray of dask": lambda folder, x=X: xarray.DataArray(da.from_array(x, chunks=12)),
}  # fmt: skip
AT_ONCE = {
    "numpy": lambda folder, x=X: x,
    "DataArray of numpy": lambda folder, x=X: xarray.DataArray(x),
    "torch": lambda folder, x=X: pytest.importorskip("torch", reason="torch is not installed").from_numpy(x),
}


def computed(result):
    result = getattr(result, "data", result) if isinstance(result, xarray.DataArray) else result
    return result.compute(scheduler="synchronous") if isinstance(result, da.Array) else result


@pytest.mark.parametrize("kind", [*LAZY, *AT_ONCE])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_every_array_gives_the_bits_of_its_samples(tmp_path, kind, mode):
    x = (LAZY | AT_ONCE)[kind](tmp_path)
    image = (LAZY | AT_ONCE)[kind](tmp_path, X[None, None])
    for call, one, plain in (
        (lambda x: vrdask.resample(x, (23, 71), mode), x, X),
        (lambda x: vrdask.affine_transform(x, MAP, mode=mode), x, X),
        (lambda x: vrdask.grid_sample(x, GRID, mode), image, X[None, None]),
        (lambda x: vrdask.grid_sample(np.ones((1, 1, 4, 4)), x, mode), (LAZY | AT_ONCE)[kind](tmp_path, GRID), GRID),
    ):
        got = call(one)
        data = got.data if isinstance(got, xarray.DataArray) else got
        assert type(data) is (da.Array if kind in LAZY else np.ndarray)
        assert_array_equal(computed(got), call(plain), strict=True)


@pytest.mark.parametrize("kind", [*LAZY, *AT_ONCE])
def test_every_array_is_a_source_of_runs(tmp_path, kind):
    x = (LAZY | AT_ONCE)[kind](tmp_path)
    made = vrdask.resample_zarr(x, tmp_path / "a.zarr", (23, 71), mode="cubic", num_threads=2)
    assert_array_equal(made[:], vrdask.resample(X, (23, 71), "cubic"))
    made = vrdask.affine_zarr(x, tmp_path / "b.zarr", MAP, num_threads=2)
    assert_array_equal(made[:], vrdask.affine_transform(X, MAP))


def test_nothing_is_read_at_the_call_and_tasks_read_their_regions(tmp_path, monkeypatch):
    read = []
    original = StoredArray.read
    monkeypatch.setattr(StoredArray, "read", lambda self, box: read.append(box) or original(self, box))
    for kind in ("h5py", "tensorstore", "Source of a file"):
        lazy = vrdask.resample(LAZY[kind](tmp_path), (20, 25), chunks=(10, 25))
        assert not read
        assert_array_equal(lazy[:10].compute(scheduler="synchronous"), vrdask.resample(X, (20, 25))[:10])
        assert [tuple(box) for box in read] == [((0, 20), (0, 50))], kind
        read.clear()


@pytest.mark.parametrize(
    ("kind", "sizes"), [("h5py", (7, 9)), ("tensorstore", (8, 8)), ("h5py in one piece", (40, 50))]
)
def test_lazy_results_have_the_stored_chunks(tmp_path, kind, sizes):
    lazy = vrdask.resample(LAZY[kind](tmp_path), 50)
    assert tuple(chunks[0] for chunks in lazy.chunks) == sizes


def test_parts_of_a_tensorstore_keep_their_own_origin(tmp_path):
    whole = store(tmp_path)
    for part, plain in ((whole[5:35, 3:44], X[5:35, 3:44]), (whole[5:35:3, 4], X[5:35:3, 4])):
        assert_array_equal(computed(vrdask.resample(part, 9)), vrdask.resample(plain, 9))
        assert_array_equal(vrdask.resample_zarr(part, {}, 9)[:], vrdask.resample(plain, 9))


def test_a_dataset_is_read_from_its_file_when_that_is_closed_and_elsewhere(tmp_path):
    dataset = hdf5(tmp_path)
    lazy = vrdask.resample(dataset, (9, 9))
    assert lazy.name == vrdask.resample(dataset, (9, 9)).name
    dataset.file.close()
    expected = vrdask.resample(X, (9, 9))
    assert_array_equal(computed(lazy), expected)
    assert_array_equal(computed(pickle.loads(pickle.dumps(lazy))), expected)
    with pytest.raises(ValueError, match="an HDF5 dataset must be open; got one whose file has been closed"):
        vrdask.resample(dataset, (9, 9))


@pytest.mark.parametrize("kind", ["h5py", "tensorstore", "Source of a file", "dask"])
def test_lazy_results_travel(tmp_path, kind):
    lazy = pickle.loads(pickle.dumps(vrdask.resample(LAZY[kind](tmp_path), (9, 9), "cubic")))
    assert_array_equal(computed(lazy), vrdask.resample(X, (9, 9), "cubic"))


def test_what_lies_in_this_process_alone_does_not_travel(tmp_path):
    with pytest.raises(TypeError, match="a tensorstore must lie in a store that all processes share to travel"):
        pickle.dumps(vrdask.resample(store(tmp_path, driver="memory"), (9, 9)))
    with h5py.File("nowhere", "w", driver="core", backing_store=False) as file:
        lazy = vrdask.resample(file.create_dataset("x", data=X), (9, 9))
        with pytest.raises(TypeError, match="an HDF5 dataset must lie in a file to travel"):
            pickle.dumps(lazy)
        assert_array_equal(computed(lazy), vrdask.resample(X, (9, 9)))


def counted(x, chunks, counts):
    """A dask array that counts how often each of its blocks is made."""

    def block(part, block_info=None):
        counts[block_info[0]["chunk-location"]] += 1
        return part

    return da.from_array(x, chunks=chunks).map_blocks(block, dtype=x.dtype, meta=x[:0, :0])


@pytest.mark.parametrize("chunks", [(8, 10), ((1, 19, 20), (7, 43))])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_run_makes_each_block_of_a_dask_array_once(tmp_path, chunks, threads):
    counts = Counter()
    x = counted(X, chunks, counts)
    made = vrdask.resample_zarr(x, tmp_path / "x.zarr", (61, 70), mode="cubic", chunks=(8, 9), num_threads=threads)
    assert_array_equal(made[:], vrdask.resample(X, (61, 70), "cubic"))
    assert set(counts) == set(np.ndindex(*map(len, x.chunks)))
    assert set(counts.values()) == {1}


def test_only_what_is_asked_for_of_a_dask_array_is_made(tmp_path):
    counts = Counter()
    part = counted(X, (10, 10), counts)[:10, 20:50]
    made = vrdask.resample_zarr(part, tmp_path / "x.zarr", (5, 15))
    assert_array_equal(made[:], vrdask.resample(X[:10, 20:50], (5, 15)))
    assert set(counts) == {(0, 2), (0, 3), (0, 4)}


@pytest.mark.parametrize("kind", ["numpy", "dask", "h5py", "tensorstore", "DataArray of dask"])
def test_runs_of_arrays_are_resumed_where_they_are_the_same(tmp_path, kind):
    make, target = (LAZY | AT_ONCE)[kind], tmp_path / "t.zarr"
    x = make(tmp_path)
    first = vrdask.resample_zarr(x, target, (23, 71), resume=True)
    again = vrdask.resample_zarr(x, target, (23, 71), resume=True)
    assert_array_equal(again[:], first[:])
    other = {"numpy": X + 1, "dask": da.from_array(X + 1, chunks=11)}.get(kind)
    if other is not None:
        with pytest.raises((FileExistsError, ValueError)):
            vrdask.resample_zarr(other, target, (23, 71), resume=True)


def test_a_source_is_not_destroyed_by_its_result(tmp_path):
    source = zarr.create_array(tmp_path / "x.zarr", data=X, chunks=(9, 9))
    with pytest.raises(ValueError, match="target must lie outside the source"):
        vrdask.resample_zarr(da.from_zarr(source) + 1, tmp_path / "x.zarr", (9, 9), overwrite=True)
    dataset = hdf5(tmp_path)
    for target in (dataset.file.filename, tmp_path):
        with pytest.raises((ValueError, FileExistsError), match="target must"):
            vrdask.resample_zarr(dataset, target, (9, 9), overwrite=True)
    assert_array_equal(dataset[:], X)
    assert_array_equal(source[:], X)


def test_on_a_cluster(tmp_path):
    with two_workers() as client:
        expected = vrdask.resample(X, (23, 71), "cubic")
        persisted = client.persist(da.from_array(X, chunks=11))
        arrays = {kind: (LAZY | AT_ONCE)[kind](tmp_path) for kind in ("dask", "h5py", "tensorstore", "numpy")}
        written = h5py.File(tmp_path / "written.h5", "w").create_dataset("x", data=X, chunks=(7, 9))
        for number, x in enumerate([*arrays.values(), persisted, written]):
            made = vrdask.resample_zarr(x, tmp_path / f"{number}.zarr", (23, 71), mode="cubic")
            assert_array_equal(made[:], expected)
        lazy = vrdask.resample(arrays["h5py"], (23, 71), "cubic")
        assert_array_equal(lazy.compute(), expected)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: np.ma.masked_greater(X, 0), TypeError, "source must not be a masked array; fill it first"),
        (lambda: da.from_array(np.ma.masked_greater(X, 0)), TypeError, "source must not be a masked array"),
        (lambda: da.from_array(X)[da.from_array(X[:, 0]) > 0], ValueError, "sizes must be known"),
        (lambda: xarray.Dataset({"x": ("y", X[0])}), TypeError, "got xarray.Dataset: give one variable of it"),
    ],
)
def test_what_cannot_be_a_source_is_refused_before_anything_is_written(tmp_path, make, error, text):
    with pytest.raises(error, match=text):
        vrdask.resample_zarr(make(), tmp_path / "t.zarr", (9, 9))
    assert not (tmp_path / "t.zarr").exists()


def test_torch_numbers_that_numpy_lacks():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    got = vrdask.resample(torch.from_numpy(X).bfloat16(), (9, 9))
    assert got.dtype == ml_dtypes.bfloat16
    assert_array_equal(got.view("u2"), vrdask.resample(X.astype(ml_dtypes.bfloat16), (9, 9)).view("u2"))


def test_a_target_that_cannot_hold_the_type_is_refused(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    x = X.astype(ml_dtypes.bfloat16)
    with pytest.raises((TypeError, ValueError), match="bfloat16"):
        vrdask.resample_zarr(x, tmp_path / "t.zarr", (9, 9))
    made = vrdask.resample_zarr(x, tmp_path / "t.zarr", (9, 9), dtype="float32")
    assert_array_equal(made[:], vrdask.resample(x.astype("f4"), (9, 9)))


def test_memory_of_a_run_from_dask_is_bounded_by_its_plan(tmp_path):
    from vrdask.api.resample_zarr import prepare

    x = da.zeros((2000, 4000), chunks=(500, 500), dtype="f4")
    job = prepare(x, tmp_path / "t.zarr", factor=0.5, memory_limit="64MiB", num_threads=1)
    assert isinstance(job, Job)
    assert job.blocks.peak_bytes < 64 << 20 < x.nbytes * 4
    with dask.config.set(scheduler="synchronous"):
        assert job.run().shape == (1000, 2000)


def test_pyramids_and_other_orders_of_axes(tmp_path):
    x = values((30, 40, 3), "uint8", 2)
    lazy = da.from_array(x, chunks=((7, 13, 10), 17, 3))
    expected = vrdask.resample(x, (15, 20), axes=(0, 1))
    turned = reordered(vrdask.open(lazy), (2, 1, 0))
    assert_array_equal(vrdask.resample_zarr(turned, {}, (20, 15))[:], expected.T)
    assert_array_equal(vrdask.resample(turned, (20, 15)).compute(), expected.T)
    one = xarray.DataArray(lazy[..., 0], {"y": np.arange(30) * 0.5, "x": np.arange(40) * 0.5}, ("y", "x"))
    group = vrdask.write_pyramid(one, tmp_path / "p.zarr", levels=1)
    assert_array_equal(group["0"][:], x[..., 0])
    half = vrdask.open(tmp_path / "p.zarr", level=1)
    assert (half.spacing, half.origin) == ((1, 1), (0.25, 0.25))
