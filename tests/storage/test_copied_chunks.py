"""Chunks that go from one array to another as they are stored: decoded once, checked by that, and not encoded again."""

from __future__ import annotations

import struct
from itertools import product

import numcodecs
import numpy as np
import pytest
import stored_chunks
import zarr
import zstandard
from numpy.testing import assert_array_equal
from stored_chunks import BOX, CODECS, DAMAGED, SHAPE, ZARR_2, X, objects
from zarr.codecs import ZstdCodec
from zarr.storage import MemoryStore

import vrdask
from vrdask.storage.chunk_array import ChunkIO

FORMS = [*product(["v3", "shards end", "shards start"], CODECS), *product(["v2"], ZARR_2)]


def empty_like(array: zarr.Array, **options) -> zarr.Array:
    form = {"shape": array.shape, "chunks": array.chunks, "dtype": array.dtype, "fill_value": 0,
            "compressors": array.compressors}  # fmt: skip
    return zarr.create_array(MemoryStore(), **{**form, **options})


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


def encoded_by_another(x: np.ndarray, chunks: tuple[int, ...], beyond: int = 0) -> tuple[zarr.Array, dict[str, bytes]]:
    """An array whose chunks a better encoder has made than its metadata ask for; and these by key.

    beyond : what they hold behind the ends of the array.
    """
    array = zarr.create_array(
        MemoryStore(), shape=x.shape, chunks=chunks, dtype=x.dtype, compressors=ZstdCodec(level=1)
    )
    found = {}
    for index in product(*(range(-(-n // c)) for n, c in zip(x.shape, chunks, strict=True))):
        chunk = np.full(chunks, beyond, x.dtype)
        part = x[tuple(slice(k * c, (k + 1) * c) for k, c in zip(index, chunks, strict=True))]
        chunk[tuple(map(slice, part.shape))] = part
        found["c/" + "/".join(map(str, index))] = bytes(numcodecs.Zstd(19).encode(chunk))
    for key, chunk in found.items():
        put(array, key, chunk)
    return array, found


def put(array: zarr.Array, key: str, chunk: bytes) -> None:
    array.store._store_dict[key] = zarr.core.buffer.cpu.Buffer.from_bytes(chunk)


def some(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 9, shape).astype("i4")


def test_the_bytes_are_those_of_the_source():
    x = some((23, 17, 9))
    array, found = encoded_by_another(x, (8, 5, 4))
    twin = empty_like(array)
    part = ((8, 23), (5, 17), (4, 9))
    assert_array_equal(ChunkIO(array).copy(part, ChunkIO(twin)), x[8:, 5:, 4:])
    assert objects(twin) == {key: chunk for key, chunk in found.items() if "0" not in key.split("/")}


@pytest.mark.parametrize("shards", [None, (16, 10, 8)])
def test_what_lies_beyond_the_ends_stays_behind(shards):
    x = some((23, 17, 9))
    array, found = encoded_by_another(x, (8, 5, 4), beyond=77)  # as after `resize` to a smaller shape
    twin, whole = empty_like(array, shards=shards), tuple((0, n) for n in x.shape)
    assert_array_equal(ChunkIO(array).copy(whole, ChunkIO(twin)), x)
    inner = {key for key in found if key.split("/")[1:] < ["2"] and key.split("/")[2] < "3" and key.split("/")[3] < "2"}
    if shards is None:
        assert {key for key in found if objects(twin)[key] == found[key]} == inner
    twin.resize((24, 20, 12))
    assert (twin[23:] == 0).all()
    assert (twin[:, 17:] == 0).all()
    assert (twin[:, :, 9:] == 0).all()
    assert_array_equal(twin[:23, :17, :9], x)


@pytest.mark.parametrize("chunk", ["without its checksum", "without its size", "in two frames", "with a long tail"])
def test_what_our_encoder_would_not_have_written_is_encoded(chunk):
    x = some((8, 64))
    how = {"without its checksum": ZstdCodec(level=1, checksum=True)}.get(chunk, ZstdCodec(level=1))
    array = zarr.create_array(MemoryStore(), shape=x.shape, chunks=x.shape, dtype=x.dtype, compressors=how)
    plain, raw = x.tobytes(), zstandard.ZstdCompressor(level=19).compress(x.tobytes())
    if chunk == "without its size":
        raw = zstandard.ZstdCompressor(level=19, write_content_size=False).compress(plain)
    elif chunk == "in two frames":
        raw = b"".join(zstandard.ZstdCompressor(level=19).compress(half) for half in (plain[:999], plain[999:]))
    elif chunk == "with a long tail":
        raw += struct.pack("<II", 0x184D2A50, 5000) + bytes(5000)  # a frame that is skipped
    put(array, "c/0/0", raw)
    twin = empty_like(array)
    assert_array_equal(ChunkIO(array).copy(((0, 8), (0, 64)), ChunkIO(twin)), x)
    assert_array_equal(twin[...], x)
    frame = zstandard.get_frame_parameters(objects(twin)["c/0/0"])
    assert frame.content_size == len(plain)
    assert frame.has_checksum == (chunk == "without its checksum")
    assert len(objects(twin)["c/0/0"]) < 5000


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
    whole = stored_chunks.encoded_chunks(codec)
    stored_chunks.store(tmp_path / "a", form, {**whole, DAMAGED: whole[DAMAGED][:-9]})
    array = zarr.open_array(tmp_path / "a", mode="r")
    twin = empty_like(array) if form != "v2" else empty_like(array, zarr_format=2)
    io = ChunkIO(twin)
    with pytest.raises(RuntimeError, match=r"reading chunk .* failed"):
        ChunkIO(array).copy(BOX, io)
    assert not [key for key in objects(twin) if key.endswith(("1/0/0", "1.0.0"))]


def test_a_chunk_cut_off_beyond_the_end_of_the_array_is_refused():
    x = np.random.default_rng(0).integers(0, 1 << 31, (9, 64)).astype("i4")
    array, found = encoded_by_another(x, (8, 64))
    half = found["c/1/0"][: len(found["c/1/0"]) - 3]
    put(array, "c/1/0", half)
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


def test_a_pyramid_takes_this_way_where_it_can():
    array, found = encoded_by_another(some((32, 32, 16)), (8, 8, 8))

    def full_level(source: object, **options: object) -> dict[str, bytes]:
        group = vrdask.write_pyramid(source, MemoryStore(), levels=2, chunks=(8, 8, 8), num_threads=2, **options)
        assert_array_equal(group["1"][...], vrdask.downsample(group["0"][...], 2))
        return {key[2:]: chunk for key, chunk in objects(group["0"]).items() if key.startswith("0/c/")}

    assert full_level(array) == found
    other = full_level(array, compressors="zstd:5")
    assert other.keys() == found.keys()
    assert not {*other.values()} & {*found.values()}


def test_of_chunks_that_came_cut_off_the_second_answer_is_copied(monkeypatch):
    x = some((16, 8))
    array, found = encoded_by_another(x, (8, 8))
    source, twin = ChunkIO(array), empty_like(array)
    fetch, cut = source._stored.fetch, ["once"]

    def fetched(indices):
        for index, raw in fetch(indices):
            yield index, raw[:-3] if cut and cut.pop() else raw

    monkeypatch.setattr(source._stored, "fetch", fetched)
    monkeypatch.setattr("vrdask.storage.objects.is_local", lambda at: False)
    assert_array_equal(source.copy(((0, 16), (0, 8)), ChunkIO(twin)), x)
    assert objects(twin) == found
