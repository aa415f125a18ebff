"""Chunks that go from one array to another as they are stored: decoded once, checked by that, and not encoded again."""

from __future__ import annotations

from itertools import product

import numcodecs
import numpy as np
import pytest
import stored_chunks
import zarr
from numpy.testing import assert_array_equal
from stored_chunks import BOX, CODECS, DAMAGED, SHAPE, ZARR_2, X
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

from vrdask.storage.chunk_array import ChunkIO

FORMS = [*product(["v3", "shards end", "shards start"], CODECS), *product(["v2"], ZARR_2)]


def empty_like(array: zarr.Array, **options) -> zarr.Array:
    form = {"shape": array.shape, "chunks": array.chunks, "dtype": array.dtype, "fill_value": 0,
            "compressors": array.compressors}  # fmt: skip
    return zarr.create_array(MemoryStore(), **{**form, **options})


def objects(array: zarr.Array) -> dict[str, bytes]:
    return {key: value.to_bytes() for key, value in array.store._store_dict.items() if not key.endswith(".json")}


@pytest.mark.parametrize(("form", "codec"), FORMS)
def test_every_form_is_copied_to_every_other_that_encodes_chunks_alike(tmp_path, form, codec):
    stored_chunks.written(tmp_path / "a", form, codec)
    array = zarr.open_array(tmp_path / "a", mode="r")
    source = ChunkIO(array)
    for shards in (None, (24, 16, 10)):
        twin = empty_like(array, shards=shards) if form != "v2" else empty_like(array, zarr_format=2)
        assert source.stores_alike(ChunkIO(twin))
        assert_array_equal(source.copy(BOX, ChunkIO(twin)), X, strict=True)
        assert_array_equal(twin[...], X, strict=True)


def encoded_by_another(x: np.ndarray, chunks: tuple[int, ...], place: object) -> tuple[zarr.Array, dict[str, bytes]]:
    """An array whose chunks a better encoder has made than its metadata ask for; and these by key."""
    array = zarr.create_array(place, shape=x.shape, chunks=chunks, dtype=x.dtype, compressors=ZstdCodec(level=1))
    found = {}
    for index in product(*(range(-(-n // c)) for n, c in zip(x.shape, chunks, strict=True))):
        chunk = np.full(chunks, 77, x.dtype)  # beyond the ends of the array there may be anything
        part = x[tuple(slice(k * c, (k + 1) * c) for k, c in zip(index, chunks, strict=True))]
        chunk[tuple(map(slice, part.shape))] = part
        found["c/" + "/".join(map(str, index))] = bytes(numcodecs.Zstd(19).encode(chunk))
    for key, chunk in found.items():
        array.store._store_dict[key] = zarr.core.buffer.cpu.Buffer.from_bytes(chunk)
    return array, found


def test_the_bytes_are_those_of_the_source_also_at_the_ends():
    x = np.random.default_rng(0).integers(1, 9, (23, 17, 9)).astype("i4")
    array, found = encoded_by_another(x, (8, 5, 4), MemoryStore())
    twin = empty_like(array)
    part = ((8, 23), (5, 17), (4, 9))
    assert_array_equal(ChunkIO(array).copy(part, ChunkIO(twin)), x[8:, 5:, 4:])
    assert objects(twin) == {key: chunk for key, chunk in found.items() if "0" not in key.split("/")}


def test_what_is_not_stored_is_the_sources_fill_value_and_what_is_empty_is_not_stored():
    x = np.zeros((24, 8), "u2")
    x[:8] = 5
    array = zarr.create_array(MemoryStore(), shape=x.shape, chunks=(8, 8), dtype="u2", fill_value=5)
    with zarr.config.set({"array.write_empty_chunks": True}):
        ChunkIO(array).write(((8, 24), (0, 8)), x[8:])
        kept = empty_like(array)
        assert_array_equal(ChunkIO(array).copy(((0, 24), (0, 8)), ChunkIO(kept)), x)
        assert sorted(objects(kept)) == ["c/0/0", "c/1/0", "c/2/0"]
    twin = empty_like(array)
    assert_array_equal(ChunkIO(array).copy(((0, 24), (0, 8)), ChunkIO(twin)), x)
    assert sorted(objects(twin)) == ["c/0/0"]
    assert_array_equal(twin[...], x)
    assert_array_equal(kept[...], x)


@pytest.mark.parametrize("form", ["v2", "v3", "shards end"])
@pytest.mark.parametrize("codec", ["none", "zstd", "gzip", "blosc lz4"])
def test_a_damaged_chunk_is_refused_and_not_copied(tmp_path, form, codec):
    stored_chunks.written(tmp_path / "a", form, codec)
    whole = {index: stored_chunks.encoded(codec, stored_chunks.chunk_of(X, index))
             for index in product(range(2), range(2), [0])}  # fmt: skip
    stored_chunks.store(tmp_path / "a", form, {**whole, DAMAGED: whole[DAMAGED][:-9]})
    array = zarr.open_array(tmp_path / "a", mode="r")
    twin = empty_like(array) if form != "v2" else empty_like(array, zarr_format=2)
    io = ChunkIO(twin)
    with pytest.raises(RuntimeError, match=r"reading chunk .* failed"):
        ChunkIO(array).copy(BOX, io)
    assert not [key for key in objects(twin) if key.endswith(("1/0/0", "1.0.0"))]


def test_a_chunk_cut_off_beyond_the_end_of_the_array_is_refused():
    x = np.random.default_rng(0).integers(0, 1 << 31, (9, 64)).astype("i4")
    array, found = encoded_by_another(x, (8, 64), MemoryStore())
    half = found["c/1/0"][: len(found["c/1/0"]) - 3]
    array.store._store_dict["c/1/0"] = zarr.core.buffer.cpu.Buffer.from_bytes(half)
    with pytest.raises(RuntimeError, match="reading chunk c/1/0"):
        ChunkIO(array).copy(((0, 9), (0, 64)), ChunkIO(empty_like(array)))


@pytest.mark.parametrize("other", [
    {"compressors": ZstdCodec(level=9)}, {"compressors": ZstdCodec(checksum=True)}, {"compressors": None},
    {"chunks": (12, 16, 5)}, {"dtype": ">u2"}, {"dtype": "i2"}, {"zarr_format": 2, "compressors": numcodecs.GZip(3)},
    {"filters": zarr.codecs.TransposeCodec(order=(2, 1, 0))},
])  # fmt: skip
def test_what_would_store_other_bytes_is_not_alike(other):
    array = zarr.create_array(MemoryStore(), shape=SHAPE, chunks=(12, 8, 10), dtype="u2")
    assert ChunkIO(array).stores_alike(ChunkIO(empty_like(array)))
    assert not ChunkIO(array).stores_alike(ChunkIO(empty_like(array, **other)))
