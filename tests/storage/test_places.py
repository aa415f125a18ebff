"""What is never destroyed: the source, by whatever name it is called, and the image it belongs to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import fsspec
import numpy as np
import plain_array
import pytest
import zarr
from numpy.testing import assert_array_equal
from plain_array import X, contents, run
from zarr.storage import FsspecStore, LocalStore, LoggingStore, MemoryStore, StorePath, ZipStore

import vrdask
from vrdask.api.affine_zarr import affine_zarr
from vrdask.api.resample_zarr import resample_zarr
from vrdask.sources import open_source
from vrdask.storage import addresses, objects, zarr_internals
from vrdask.storage.open_place import store_path
from vrdask.storage.places import Folder

plain = plain_array.plain


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An OME-Zarr image of two levels, with a label image of one."""
    place = tmp_path / "img.zarr"
    group = zarr.create_group(place)
    describe(group, "s0", "s1")
    group.create_array("s0", data=X, chunks=(8, 8))
    group.create_array("s1", data=X[::2, ::2], chunks=(8, 8))
    cells = group.create_group("labels").create_group("cells")
    describe(cells, "0")
    cells.create_array("0", data=X, chunks=(8, 8))
    return place


def describe(group: zarr.Group, *levels: str) -> None:
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    datasets = [
        {"path": path, "coordinateTransformations": [{"type": "scale", "scale": [2.0**k] * 2}]}
        for k, path in enumerate(levels)
    ]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}


URLS = {
    "file": "file://{}",
    "local": "local://{}",
    "capitals": "FILE://{}",
    "with a host": "file://localhost{}",
    "one slash": "file:{}",
    "encoded": lambda path: Path(path).as_uri(),
    "not encoded": "file://{}",
    "doubled": lambda path: str(path).replace("/", "//"),
    "there and back": "{0}/../in put.zarr",
    "a chain": "simplecache::file://{}",
}


def called(path: Path, way: str) -> str:
    made = URLS[way]
    return made(path) if callable(made) else made.format(path)


@pytest.mark.parametrize(
    ("way", "which"),
    [
        (way, which)
        for way in URLS
        for which in ("at", "inside", "above", "source")
        if which == "at" or way != "there and back"  # a name of the source itself
    ],
)
def test_a_url_of_the_source_is_the_source(plain, tmp_path, way, which):
    before = contents(tmp_path)
    path = {"at": plain, "inside": plain / "c", "above": tmp_path, "source": plain}[which]
    source, target = (called(path, way), plain) if which == "source" else (plain, called(path, way))
    status, said = run("resample", source, target, "--factor", "0.5", "--overwrite", "--quiet")
    assert status == 1
    assert "target must lie outside the source" in said
    with pytest.raises(ValueError, match="target must lie outside the source"):
        resample_zarr(source, target, factor=0.5, overwrite=True)
    with pytest.raises(ValueError, match="target must lie outside the source"):
        affine_zarr(source, target, [2, 2], overwrite=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("way", [way for way in URLS if way not in ("there and back", "a chain")])
def test_a_local_url_is_a_path(plain, tmp_path, way):
    target = tmp_path / "out put.zarr"
    resample_zarr(called(plain, way), called(target, way), factor=0.5)
    assert_array_equal(zarr.open_array(target, mode="r")[:], vrdask.resample(X, (8, 8)))
    assert run("resample", plain, called(target, way), "--factor", "0.5", "--overwrite", "--quiet") == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in put.zarr", "out put.zarr"]


def test_a_relative_url_is_a_path(plain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    resample_zarr("file://in put.zarr", "file://out.zarr", factor=0.5)
    assert_array_equal(zarr.open_array(tmp_path / "out.zarr", mode="r")[:], vrdask.resample(X, (8, 8)))
    for target in ("file://in put.zarr", "in put.zarr", "."):
        with pytest.raises(ValueError, match="target must lie outside"):
            resample_zarr("in put.zarr", target, factor=0.5, overwrite=True)


def test_pictures_and_files_have_urls_too(plain, tmp_path):
    pytest.importorskip("PIL.Image")
    np.save(tmp_path / "x.npy", X)
    resample_zarr((tmp_path / "x.npy").as_uri(), (tmp_path / "a.png").as_uri(), factor=0.5)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    resample_zarr(plain, tmp_path / "b.tif", factor=0.5)
    before = (tmp_path / "b.tif").read_bytes()
    os.link(tmp_path / "b.tif", tmp_path / "hard.tif")
    for target in ("b.tif", "hard.tif"):
        with pytest.raises(ValueError, match="target must lie outside"):
            resample_zarr(tmp_path / "b.tif", f"file://{tmp_path / target}", factor=0.5, overwrite=True)
    assert (tmp_path / "b.tif").read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_hide_nothing(image, plain, tmp_path):
    (tmp_path / "far").mkdir()
    os.rename(image / "s0", tmp_path / "far" / "raw")
    (image / "s0").symlink_to(tmp_path / "far" / "raw")
    (tmp_path / "link.zarr").symlink_to(image)
    before = contents(tmp_path)
    for target in ("far/raw", "far", "link.zarr", "link.zarr/s0", "link.zarr/s1", "img.zarr/s1"):
        for source in (image, open_source(image), zarr.open_array(image / "s0", mode="r"), tmp_path / "link.zarr"):
            with pytest.raises(ValueError, match="target must lie outside"):
                resample_zarr(source, tmp_path / target, factor=0.5, overwrite=True)
    (tmp_path / "other.zarr").symlink_to(plain)
    with pytest.raises(ValueError, match="target must lie outside"):
        resample_zarr(tmp_path / "other.zarr", plain, factor=0.5, overwrite=True)
    assert contents(tmp_path) == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a folder")
def test_a_bind_mount_hides_nothing(plain, tmp_path):
    import subprocess

    (tmp_path / "mount").mkdir()
    command = ["mount", "--bind", str(plain), str(tmp_path / "mount")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount")
    try:
        for source, target in ((plain, tmp_path / "mount"), (tmp_path / "mount", plain), (plain, tmp_path / "mount/c")):
            with pytest.raises(ValueError, match="target must lie outside"):
                resample_zarr(source, target, factor=0.5, overwrite=True)
    finally:
        subprocess.run(["umount", "-l", str(tmp_path / "mount")], check=True)


@pytest.mark.parametrize("target", ["img.zarr", "img.zarr/s0", "img.zarr/s1", "img.zarr/s2", "img.zarr/labels"])
def test_a_level_guards_its_image(image, tmp_path, target):
    before = contents(tmp_path)
    for source in (image, image / "s0", image / "s1", open_source(image, level=1), zarr.open_group(image, mode="r")):
        for place in (tmp_path / target, f"file://{tmp_path / target}", LocalStore(tmp_path / target)):
            with pytest.raises(ValueError, match="target must lie outside the source"):
                resample_zarr(source, place, factor=0.5, overwrite=True)
    assert run("resample", image, tmp_path / target, "--factor", "0.5", "--overwrite")[0] == 1
    assert contents(tmp_path) == before


def test_a_label_image_guards_itself_and_what_holds_it_but_not_its_neighbours(image, tmp_path):
    source = image / "labels" / "cells"
    for target in ("labels/cells/1", "labels/cells", "labels", ""):
        with pytest.raises(ValueError, match="target must lie outside the source"):
            resample_zarr(source, image / target, factor=0.5, mode="nearest", overwrite=True)
    resample_zarr(source, image / "labels" / "nuclei", factor=0.5, mode="nearest")


def test_one_channel_is_its_source(tmp_path):
    axes = [{"name": "c", "type": "channel"}, {"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
    for store in (MemoryStore(), LocalStore(tmp_path / "in.zarr")):
        group = zarr.create_group(store)
        steps = [{"type": "scale", "scale": [1.0] * 3}]
        multiscale = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": steps}]}
        group.attrs["ome"] = {"version": "0.5", "multiscales": [multiscale]}
        group.create_array("0", data=np.stack([X, X]), chunks=(1, 8, 8))
        with pytest.raises(ValueError, match="target must lie outside"):
            resample_zarr(open_source(store, channel=1), store, factor=0.5, overwrite=True)


def test_stores_that_are_one_under_several_names(plain, tmp_path):
    objects: dict = {}
    zarr.create_array(MemoryStore(objects), data=X, chunks=(8, 8), name="a")
    zarr.create_array("memory://same/in.zarr", data=X, chunks=(8, 8), overwrite=True)
    files = fsspec.filesystem("memory")
    in_files = FsspecStore(
        fsspec.implementations.asyn_wrapper.AsyncFileSystemWrapper(files, asynchronous=True), path="/same/in.zarr"
    )
    folder = fsspec.filesystem("dir", path=str(tmp_path), fs=fsspec.filesystem("file"))
    in_folder = FsspecStore(
        fsspec.implementations.asyn_wrapper.AsyncFileSystemWrapper(folder, asynchronous=True), path=plain.name
    )
    with ZipStore(tmp_path / "in.zip", mode="w") as zipped:
        zarr.create_array(zipped, data=X, chunks=(8, 8))
    for source, target in (
        (StorePath(MemoryStore(objects), "a"), MemoryStore(objects)),
        (StorePath(MemoryStore(objects), "a"), StorePath(MemoryStore(objects), "a/b")),
        (zarr.open_array(MemoryStore(objects), path="a"), LoggingStore(MemoryStore(objects))),
        ("memory://same/in.zarr", "memory://same//in.zarr/"),
        ("memory://same/in.zarr", in_files),
        (in_files, "memory://same"),
        (in_folder, plain),
        (plain, in_folder),
        (plain, LoggingStore(LocalStore(plain))),
        (tmp_path / "in.zip", tmp_path),
    ):
        with pytest.raises(ValueError, match="target must lie outside"):
            resample_zarr(source, target, factor=0.5, overwrite=True)
    resample_zarr(StorePath(MemoryStore(objects), "a"), StorePath(MemoryStore(objects), "b"), factor=0.5)
    resample_zarr("memory://same/in.zarr", "memory://same/in.zarr.small.zarr", factor=0.5)


def test_object_stores_are_compared_by_service_bucket_and_key():
    s3fs = pytest.importorskip("s3fs")

    def at(path: str, **options: object) -> addresses.Address:
        files = s3fs.S3FileSystem(asynchronous=True, skip_instance_cache=True, **options)
        return addresses.address_of(StorePath(FsspecStore(files, path=path)))

    one = at("bucket/in.zarr", key="a", secret="b")
    assert one.holds(at("s3://bucket/in.zarr", anon=True)), "whoever asks"
    assert one.holds(at("bucket/in.zarr/c", endpoint_url="http://here")), "where one end point is not known"
    assert not one.holds(at("bucket/in.zarr2", anon=True))
    here, there = (at("bucket/in.zarr", endpoint_url=f"http://{name}") for name in ("here", "there"))
    assert not here.holds(there)


def test_an_array_is_not_written_into_itself(image):
    array = zarr.open_array(image / "s0", mode="r+")
    with pytest.raises(ValueError, match="target must lie outside"):
        resample_zarr(image, array, shape=X.shape)
    level = zarr.open_array(image / "s1", mode="r+")
    assert_array_equal(resample_zarr(image / "s0", level, level.shape)[:], vrdask.resample(X, level.shape))


def test_what_is_asked_of_zarr_beyond_its_public_interface():
    objects: dict = {}
    store = MemoryStore(objects)
    assert zarr_internals.memory_of(store) is objects
    assert zarr_internals.memory_of(LocalStore("x")) is None
    assert zarr_internals.unwrapped(LoggingStore(store)) is store
    assert store_path("file:///a%20b", "r").store.root == Path("/a b")


def test_a_folder_is_what_the_place_in_a_store_is(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "x").write_bytes(b"1")
    folder, place = Folder(tmp_path / "a"), StorePath(LocalStore(tmp_path / "a"))
    for name in ("b", "b/x", "b/", "c", "b/x/y"):
        assert str(folder / name) == str(place / name).rstrip("/")
        assert objects.url(folder / name) == objects.url(place / name).rstrip("/")
        assert objects.get(folder / name) == objects.get(place / name)
        assert addresses.address_of(folder / name) == addresses.address_of(place / name)
        above = [[addresses.address_of(one) for one in addresses.above(at / name)] for at in (folder, place)]
        assert above[0] == above[1]
    assert objects.get_many([folder / "b/x", folder / "c"]) == [b"1", None]
    assert objects.is_local(folder)
