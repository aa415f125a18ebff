"""Private names of zarr, dask and tifffile: each is there, and does what is asked of it."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, ZstdCodec
from zarr.storage import LocalStore, MemoryStore, StorePath

import vrdask
from vrdask.lazy import dask_internals
from vrdask.storage import zarr_internals

PACKAGE = Path(vrdask.__file__).parent
INTERNALS = {"storage/zarr_internals.py", "lazy/dask_internals.py", "sources/tifffile_internals.py"}
X = np.arange(24, dtype="uint16").reshape(4, 6)


def is_private(module: str) -> bool:
    parts = module.split(".")
    if parts[0] == "zarr":
        return len(parts) > 1 and (parts[1] == "core" or any(part.startswith("_") for part in parts[1:]))
    if parts[0] == "dask":
        return any(part.startswith("_") for part in parts[1:])
    return module.startswith("tifffile.")


def test_they_are_named_in_their_files_alone():
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).as_posix() in INTERNALS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                assert not is_private(node.module), f"{path.name} imports {node.module}"
            elif isinstance(node, ast.Import):
                assert not any(is_private(one.name) for one in node.names), path.name
            elif isinstance(node, ast.Attribute):
                private = {"_async_array", "encode_chunk_key", "get_sync", "set_sync", "to_buffer_dict"}
                assert node.attr not in private, f"{path.name} asks for {node.attr}"


def test_a_coroutine_and_a_place(tmp_path):
    async def three():
        return 3

    assert zarr_internals.sync(three()) == 3
    at = zarr_internals.place(tmp_path, "a")
    assert isinstance(at, StorePath)
    assert at.store.root == tmp_path


@pytest.mark.parametrize("kind", [LocalStore, MemoryStore])
def test_objects_are_written_and_read_whole_and_in_part(tmp_path, kind):
    at = StorePath(LocalStore(tmp_path) if kind is LocalStore else MemoryStore(), "there")
    assert zarr_internals.answers_at_once(at.store) == (kind is LocalStore and hasattr(LocalStore, "get_sync"))
    zarr_internals.sync(at.set(zarr_internals.buffer(b"0123456789")))
    parts = [(None, b"0123456789"), (zarr_internals.between(2, 5), b"234"), (zarr_internals.last(3), b"789")]
    for part, expected in parts:
        assert bytes(zarr_internals.sync(zarr_internals.get(at, part))) == expected
    assert zarr_internals.sync(zarr_internals.get(StorePath(at.store, "nothing"))) is None
    assert bytes(zarr_internals.buffer(zarr_internals.buffer(b"x")).to_bytes()) == b"x"


@pytest.mark.skipif(not hasattr(LocalStore, "get_sync"), reason="this zarr's stores answer on its event loop alone")
def test_a_local_store_answers_at_once(tmp_path):
    at = StorePath(LocalStore(tmp_path), "a/b")
    zarr_internals.set_at_once(at, b"0123")
    assert (tmp_path / "a" / "b").read_bytes() == b"0123"
    assert bytes(zarr_internals.get_at_once(at)) == b"0123"
    assert bytes(zarr_internals.get_at_once(at, zarr_internals.between(1, 3))) == b"12"
    assert zarr_internals.get_at_once(StorePath(at.store, "c")) is None

    class Own(LocalStore):
        """Whose methods may do something else."""

    assert not zarr_internals.answers_at_once(Own(tmp_path))


def test_metadata_have_the_names_of_the_specification(tmp_path):
    shard = ShardingCodec(
        chunk_shape=(2, 2),
        codecs=[BytesCodec(endian="big"), BloscCodec(cname="lz4", clevel=3, shuffle="bitshuffle"), Crc32cCodec()],
        index_location="start",
    )
    array = zarr.create_array(tmp_path, shape=X.shape, dtype="u2", chunks=(4, 4), serializer=shard, compressors=None)
    document = zarr_internals.array_document(array)
    assert document == json.loads((tmp_path / "zarr.json").read_text())
    (sharding,) = document["codecs"]
    assert sharding["name"] == "sharding_indexed"
    assert sharding["configuration"]["index_location"] == "start"
    first, blosc, checksum = sharding["configuration"]["codecs"]
    assert first == {"name": "bytes", "configuration": {"endian": "big"}}
    assert blosc["configuration"].items() >= {"cname": "lz4", "clevel": 3, "shuffle": "bitshuffle"}.items()
    assert checksum["name"] == "crc32c"
    plain = zarr.create_array({}, shape=X.shape, dtype="u2", chunks=(4, 4), compressors=GzipCodec(level=2))
    assert zarr_internals.array_document(plain)["codecs"][1] == {"name": "gzip", "configuration": {"level": 2}}
    plain = zarr.create_array({}, shape=X.shape, dtype="u2", chunks=(4, 4), compressors=ZstdCodec(level=2))
    assert zarr_internals.array_document(plain)["codecs"][1]["configuration"] == {"level": 2, "checksum": False}


def test_metadata_of_zarr_2_and_of_groups():
    array = zarr.create_array({}, shape=X.shape, dtype=">u2", chunks=(4, 4), zarr_format=2, attributes={"a": 1})
    assert set(zarr_internals.described(array)) == {".zarray", ".zattrs"}
    assert zarr_internals.array_document(array)["dtype"] == ">u2"
    assert zarr_internals.array_document(array)["compressor"]["id"] in ("zstd", "blosc")
    group = zarr.create_group({}, attributes={"b": 2})
    assert zarr_internals.described(group)["zarr.json"]["attributes"] == {"b": 2}
    assert b'"b"' in zarr_internals.metadata_objects(group.metadata)["zarr.json"]


@pytest.mark.parametrize(("zarr_format", "key"), [(3, "c/1/2"), (2, "1.2")])
def test_keys_of_chunks(tmp_path, zarr_format, key):
    array = zarr.create_array(tmp_path, data=X + 1, chunks=(2, 2), zarr_format=zarr_format)
    assert zarr_internals.chunk_keys(array)((1, 2)) == key
    assert (tmp_path / key).is_file()


def test_whether_empty_chunks_are_kept():
    array = zarr.create_array({}, shape=(4,), dtype="u1")
    assert not zarr_internals.keeps_empty_chunks(array)
    array = zarr.create_array({}, shape=(4,), dtype="u1", config={"write_empty_chunks": True})
    assert zarr_internals.keeps_empty_chunks(array)


def test_the_codec_pipeline():
    assert zarr_internals.has_own_pipeline()
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        assert not zarr_internals.has_own_pipeline()


def test_an_array_without_anything_stored(tmp_path):
    blank = zarr.create_array({}, shape=X.shape, dtype=X.dtype, chunks=(2, 2))
    array = zarr_internals.array_at(blank.metadata, StorePath(LocalStore(tmp_path), "a"))
    assert not list(tmp_path.rglob("*"))
    array[:] = X
    assert not (tmp_path / "a" / "zarr.json").exists()
    assert_array_equal(array[:], X)


def test_an_array_by_way_of_another_store(tmp_path):
    array = zarr.create_array(tmp_path / "a", data=X, chunks=(2, 2), config={"write_empty_chunks": True})
    by_another = zarr_internals.array_in(array, StorePath(LocalStore(tmp_path), "a"))
    assert_array_equal(by_another[:], X)
    assert by_another.store_path.path == "a"
    assert zarr_internals.keeps_empty_chunks(by_another)


def test_graphs_of_dask():
    parent = da.from_array(X, chunks=(4, 3))
    task, data, refs = dask_internals.Task, dask_internals.DataNode, dask_internals.TaskRef
    graph = {"two": data("two", 2)}
    for column in range(2):
        key = ("scaled", 0, column)
        blocks = dask_internals.List(refs((parent.name, 0, column)))
        graph[key] = task(key, lambda blocks, by: blocks[0] * by, blocks, refs("two"))
    made = dask_internals.array_of(graph, "scaled", ((4,), (3, 3)), X.dtype, [parent])
    assert made.name == "scaled"
    assert_array_equal(made.compute(scheduler="synchronous"), 2 * X)


def test_tifffile():
    pytest.importorskip("tifffile", reason="vrdask[tiff] is not installed")
    from vrdask.sources import tifffile_internals

    text = "Aperio Image Library v12\r\n100x50 [0,0 100x50] (64x64) JPEG/RGB Q=70|AppMag = 20|MPP = 0.4990"
    assert tifffile_internals.slide_description(text)["MPP"] == 0.499
    with pytest.raises(ValueError, match="description"):
        tifffile_internals.slide_description("something else")
    colours = tifffile_internals.jpeg_colours()
    assert colours is not None
    assert colours(2, 1, (), False) == (2, 2), "RGB stays RGB"


def test_threads_of_codecs_are_counted_where_zarr_is_there(python):
    before = zarr.config.get("threading.max_workers")
    with zarr_internals.codec_threads(3):
        assert zarr.config.get("threading.max_workers") == 3
    assert zarr.config.get("threading.max_workers") == before
    code = """
import sys
from vrdask.storage import zarr_internals
with zarr_internals.codec_threads(3):
    print("zarr" in sys.modules)
"""
    assert python(code) == "False"
