"""Stores that take no keys but Zarr's, or list nothing: a run writes them, and goes on where it can."""

from __future__ import annotations

import pytest
import rivals
import zarr
from numpy.testing import assert_array_equal
from rivals import RUNS, X
from zarr.storage import LocalStore, MemoryStore, StorePath

import vrdask
from vrdask.runs import task

source = rivals.source


class ZarrKeysAlone(MemoryStore):
    """As Icechunk's: no key but Zarr's."""

    async def set(self, key, value, *args):
        name = key.rsplit("/", 1)[-1]
        if name not in ("zarr.json",) and not (key.startswith("c/") or "/c/" in key):
            raise ValueError(f"invalid zarr key format {key}")
        await super().set(key, value, *args)


@pytest.mark.parametrize("run", RUNS)
def test_a_store_that_takes_no_keys_but_zarrs(source, run, monkeypatch):
    store = ZarrKeysAlone()
    result = RUNS[run](source, store)
    assert {key.split("/")[0] for key in store._store_dict} == {"zarr.json", "c"}
    with pytest.raises(FileExistsError, match="target must not exist"):
        RUNS[run](source, store)
    again = RUNS[run](source, store, overwrite=True)
    assert_array_equal(again[:], result[:])
    RUNS[run](source, store, resume=True)


def test_an_unfinished_run_in_such_a_store_is_gone_on_from_in_this_process(source, monkeypatch):
    store, apply, calls = ZarrKeysAlone(), task.compute_box, []

    def failing(*args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise RuntimeError("cut off")
        return apply(*args, **kwargs)

    monkeypatch.setattr(task, "compute_box", failing)
    how = {"num_threads": 1, "memory_limit": "30kB"}
    with pytest.raises(RuntimeError, match="cut off"):
        RUNS["resample"](source, store, **how)
    with pytest.raises(FileExistsError, match="unfinished run"):
        RUNS["resample"](source, store, **how)
    result = RUNS["resample"](source, store, resume=True, **how)
    assert_array_equal(result[:], vrdask.resample(X, (16, 16)))
    assert not any(".vrdask" in key for key in store._store_dict)


def test_icechunk(source):
    icechunk = pytest.importorskip("icechunk", reason="icechunk is not installed; stores like it are tested above")
    repository = icechunk.Repository.create(icechunk.in_memory_storage())
    session = repository.writable_session("main")
    for run in RUNS:
        result = RUNS[run](source, StorePath(session.store, run))
        assert result.shape == (16, 16)
        RUNS[run](source, StorePath(session.store, run), overwrite=True)
    session.commit("resampled")
    found = zarr.open_array(repository.readonly_session("main").store, path="resample", mode="r")
    assert_array_equal(found[:], vrdask.resample(X, (16, 16)))


def test_a_store_without_listing(source, tmp_path):
    class NoListing(LocalStore):
        supports_listing = False

        async def list_dir(self, prefix):
            raise NotImplementedError
            yield

        async def delete_dir(self, prefix):
            raise NotImplementedError

    for overwrite in (False, True):
        result = RUNS["affine"](source, NoListing(tmp_path / "out.zarr"), overwrite=overwrite)
        assert result.shape == (16, 16)
