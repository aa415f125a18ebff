"""Shards read and written in the task's thread: what zarr reads and writes, byte for byte, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, ZstdCodec
from zarr.storage import LocalStore, MemoryStore

import vrdask
from vrdask.api.resample_zarr import prepare
from vrdask.boxes import shape_of, slices_of, whole
from vrdask.storage import chunk_bytes
from vrdask.storage.chunk_array import ChunkIO
from vrdask.storage.chunk_codec import chunk_codec

CODECS = {
    "zstd": (BytesCodec(), ZstdCodec(level=3)),
    "big-endian gzip": (BytesCodec(endian="big"), GzipCodec(level=2)),
    "blosc": (BytesCodec(), BloscCodec(typesize=2, cname="lz4", shuffle="bitshuffle", clevel=3)),
    "crc32c": (BytesCodec(), Crc32cCodec()),
    "none": (BytesCodec(),),
}
SHAPES = [  # shape, shards, chunks
    ((24, 20, 16), (8, 10, 16), (4, 5, 4)),  # all divide
    ((23, 17, 9), (16, 10, 8), (8, 5, 4)),  # none does
    ((5, 3), (64, 64), (2, 2)),  # one shard, most of it beyond the array
    ((40, 33), (14, 22), (7, 2)),  # grids of no power of two
    ((3, 9, 10, 11), (2, 6, 8, 4), (1, 3, 4, 2)),
]


def made(shape, shards, chunks, codecs="zstd", index="end", dtype="int16", store=None, fill_value=0, checksum=True):
    index_codecs = [BytesCodec(), Crc32cCodec()] if checksum else [BytesCodec()]
    sharding = ShardingCodec(chunk_shape=chunks, codecs=CODECS[codecs], index_codecs=index_codecs, index_location=index)
    store = MemoryStore() if store is None else store
    return zarr.create_array(
        store, shape=shape, dtype=dtype, chunks=shards, serializer=sharding, compressors=None, fill_value=fill_value
    )


def samples(shape: tuple[int, ...], shards: tuple[int, ...], chunks: tuple[int, ...], fill_value: int = 0):
    """Numbers, with an empty shard and an empty chunk."""
    x = np.random.default_rng(0).integers(0, 20_000, shape).astype("int16")
    x[tuple(slice(n) for n in shards)] = fill_value
    x[tuple(slice(-n, None) for n in chunks)] = fill_value
    return x


def objects(array: zarr.Array) -> dict[str, bytes]:
    return {key: value.to_bytes() for key, value in array.store._store_dict.items() if not key.endswith(".json")}


@pytest.mark.parametrize("index", ["start", "end"])
@pytest.mark.parametrize("codecs", CODECS)
@pytest.mark.parametrize(("shape", "shards", "chunks"), SHAPES)
def test_it_stores_and_reads_what_zarr_does(shape, shards, chunks, codecs, index):
    x = samples(shape, shards, chunks)
    by_zarr, by_us = (made(shape, shards, chunks, codecs, index) for _ in range(2))
    assert chunk_codec(by_us) is not None
    assert by_us.shards == shards
    by_zarr[:] = x
    ChunkIO(by_us).write(whole(shape), x)
    assert set(objects(by_us)) == set(objects(by_zarr)), "empty shards are not stored"
    if "gzip" not in codecs:  # whose header has the time
        assert objects(by_us) == objects(by_zarr)
    assert_array_equal(by_us[:], x)
    got = ChunkIO(by_zarr).read(whole(shape))
    assert got.dtype == by_zarr.dtype
    assert_array_equal(got, x)


@settings(max_examples=30)
@given(st.data())
def test_any_box_of_any_shards_is_what_zarr_reads(data):
    ndim = data.draw(st.integers(2, 3))
    axes = [[data.draw(st.integers(1, most)) for most in (20, 4, 4)] for _ in range(ndim)]
    shape, chunks = tuple(n for n, _, _ in axes), tuple(c for _, c, _ in axes)
    shards = tuple(c * k for _, c, k in axes)
    fill, index = data.draw(st.sampled_from([0, 7])), data.draw(st.sampled_from(["start", "end"]))
    x = samples(shape, shards, chunks, fill)
    array = made(shape, shards, chunks, "none", index, fill_value=fill, checksum=data.draw(st.booleans()))
    ChunkIO(array).write(whole(shape), x)
    assert_array_equal(array[:], x)
    box = tuple(tuple(sorted((data.draw(st.integers(0, n)), data.draw(st.integers(0, n))))) for n in shape)
    assert_array_equal(ChunkIO(array).read(box), x[slices_of(box)], strict=True)


def test_a_shard_written_in_parts_is_stored_with_its_last_chunk():
    shape, shards, chunks = SHAPES[1]
    x = samples(shape, shards, chunks, fill_value=1)
    at_once, in_parts = made(shape, shards, chunks), made(shape, shards, chunks)
    at_once[:] = x
    io = ChunkIO(in_parts)
    indices = [index for index, _ in io.parts(whole(shape))]
    np.random.default_rng(0).shuffle(indices)
    for index in indices[:-1]:
        io.write(io.place(index), x[slices_of(io.place(index))])
    assert len(objects(in_parts)) < len(objects(at_once)) == 2 * 2 * 2 - 1 + 1
    last = io.place(indices[-1])
    io.write(last, x[slices_of(last)])
    assert objects(in_parts) == objects(at_once)


def test_empty_chunks_are_stored_where_the_array_says_so_and_removed_where_not():
    shape, shards, chunks = SHAPES[1]
    x = np.zeros(shape, "int16")
    with zarr.config.set({"array.write_empty_chunks": True}):
        by_zarr, by_us = (made(shape, shards, chunks) for _ in range(2))
        by_zarr[:] = x
        ChunkIO(by_us).write(whole(shape), x)
    assert objects(by_us) == objects(by_zarr) != {}
    array = made(shape, shards, chunks)
    array[:] = 1
    ChunkIO(array).write(whole(shape), x)
    assert not objects(array)


@pytest.mark.parametrize("index", ["start", "end"])
def test_tensorstore_reads_what_it_stores_and_it_what_tensorstore_stores(tmp_path, index):
    shape, shards, chunks = SHAPES[1]
    x = samples(shape, shards, chunks)

    def opened(place: Path):
        store = {"driver": "file", "path": place.as_posix()}
        return tensorstore.open({"driver": "zarr3", "kvstore": store}).result()

    by_us = made(shape, shards, chunks, index=index, store=LocalStore(tmp_path / "ours.zarr"))
    ChunkIO(by_us).write(whole(shape), x)
    assert_array_equal(opened(tmp_path / "ours.zarr").read().result(), x)
    by_it = made(shape, shards, chunks, index=index, store=LocalStore(tmp_path / "theirs.zarr"))
    opened(tmp_path / "theirs.zarr").write(x).result()
    assert_array_equal(ChunkIO(by_it).read(whole(shape)), x)


def test_chunks_that_lie_together_are_read_together_and_an_index_once(tmp_path, monkeypatch):
    array = made((64, 64), (32, 64), (8, 8), store=LocalStore(tmp_path / "a.zarr"))
    array[:] = np.random.default_rng(0).integers(0, 9999, (64, 64))
    asked = []
    get_spans, get_last = chunk_bytes.objects.get_spans, chunk_bytes.objects.get_last
    monkeypatch.setattr(
        chunk_bytes.objects, "get_spans", lambda at, spans: asked.extend(["span"] * len(spans)) or get_spans(at, spans)
    )
    monkeypatch.setattr(chunk_bytes.objects, "get_last", lambda at, n: asked.append("index") or get_last(at, n))
    io = ChunkIO(array)
    assert_array_equal(io.read(((0, 32), (0, 64))), array[:32])
    assert asked == ["index", "span"]
    assert_array_equal(io.read(((3, 5), (9, 10))), array[3:5, 9:10])
    assert asked == ["index", "span", "span"]


def damaged(tmp_path: Path, index: str, damage) -> ChunkIO:
    shape, shards, chunks = SHAPES[1]
    array = made(shape, shards, chunks, "none", index, store=LocalStore(tmp_path / "a.zarr"))
    array[:] = np.random.default_rng(0).integers(1, 20_000, shape)
    shard = tmp_path / "a.zarr" / "c" / "1" / "1" / "0"
    shard.write_bytes(damage(shard.read_bytes()))
    return ChunkIO(array)


@pytest.mark.parametrize(
    ("index", "damage", "said"),
    [
        ("end", lambda raw: raw[:-1] + b"x", "a shard's index must be as it was written: its crc32c must be"),
        ("end", lambda raw: raw[:50], "a shard's index must have 132 bytes; got 50: it is cut off"),
        ("end", lambda raw: raw[:-20], "a shard's index must be as it was written"),
        ("end", lambda raw: b"", "a shard's index must have 132 bytes; got 0: it is cut off"),
        ("start", lambda raw: b"x" + raw[1:], "a shard's index must be as it was written"),
        ("start", lambda raw: raw[:-20], "its shard must have the .* bytes that its index tells of; it ends at"),
    ],
)  # fmt: skip
def test_a_damaged_shard_is_named(tmp_path, index, damage, said):
    io = damaged(tmp_path, index, damage)
    with pytest.raises(
        RuntimeError, match=rf"reading chunk c/1/1/0 \(\[16:23, 1[05]:1[57], [04]:[48]\]\) of .*: {said}"
    ):
        io.read(whole((23, 17, 9)))
    assert io.read(((0, 16), (0, 17), (0, 9))).all()


def test_a_damaged_chunk_in_a_shard_is_named(tmp_path):
    shape, shards, chunks = SHAPES[1]
    array = made(shape, shards, chunks, "crc32c", store=LocalStore(tmp_path / "a.zarr"))
    array[:] = 1
    shard = tmp_path / "a.zarr" / "c" / "0" / "0" / "0"
    raw = bytearray(shard.read_bytes())
    size = 2 * 8 * 5 * 4 + 4
    raw[size + 7] ^= 1  # the second in Morton order
    shard.write_bytes(raw)
    said = r"reading chunk c/0/0/0 \(\[8:16, 0:5, 0:4\]\) of .*a chunk must be as it was written: its crc32c must be"
    with pytest.raises(RuntimeError, match=said):
        ChunkIO(array).read(whole(shape))


@pytest.mark.parametrize("mode", ["area", "cubic"])
@pytest.mark.parametrize("target", [{"chunks": 8, "shards": 24}, {"chunks": (5, 8, 4), "shards": (20, 16, 8)}])
def test_resampled_from_shards_to_shards(tmp_path, mode, target):
    shape = (50, 40, 30)
    x = np.random.default_rng(0).integers(0, 20_000, shape).astype("int16")
    x[:20] = 0
    array = made(shape, (20, 16, 12), (5, 8, 6), store=LocalStore(tmp_path / "in.zarr"))
    array[:] = x
    result = vrdask.resample_zarr(
        array, tmp_path / "out.zarr", factor=0.6, mode=mode, memory_limit="4MB", num_threads=2, **target
    )
    assert result.shards is not None
    assert_array_equal(result[:], vrdask.resample(x, shape_of(whole(result.shape)), mode))


@pytest.fixture
def large_shards(tmp_path):
    """Two shards of 32 chunks each."""
    x = np.random.default_rng(0).integers(1, 20_000, (128, 64, 64)).astype("int16")
    array = made(x.shape, (64, 64, 64), (16, 16, 32), store=LocalStore(tmp_path / "in.zarr"))
    array[:] = x
    return x, array


@pytest.mark.parametrize("num_threads", [1, 2, 5])
@pytest.mark.parametrize("mode", ["area", "cubic"])
def test_threads_share_the_parts_of_few_shards(tmp_path, large_shards, mode, num_threads):
    x, array = large_shards
    job = prepare(
        array, tmp_path / "out.zarr", factor=0.5, mode=mode, chunks=16, shards=32, num_threads=num_threads,
        memory_limit="8MB",
    )  # fmt: skip
    assert len(job.plan) == 2
    assert job.blocks.shares_pieces == (num_threads > 1)
    assert job.blocks.peak_bytes <= 8_000_000
    assert_array_equal(job.run()[:], vrdask.resample(x, (64, 32, 32), mode))


def test_a_limit_holds_fewer_shards_at_once_and_then_is_refused(tmp_path, large_shards):
    x, array = large_shards
    options = {"shape": x.shape, "chunks": 16, "shards": 64, "num_threads": 2}
    ample = prepare(array, tmp_path / "out.zarr", **options).blocks
    assert ample.tasks_at_once == 2
    tight = prepare(array, tmp_path / "out.zarr", **options, memory_limit=ample.peak_bytes - ample.shard_bytes).blocks
    assert tight.tasks_at_once == 1
    with pytest.raises(ValueError, match="memory_limit must be at least") as refused:
        prepare(array, tmp_path / "out.zarr", **options, memory_limit=1000)
    least = int(re.search(r"at least (\d+) bytes", str(refused.value))[1])
    job = prepare(array, tmp_path / "out.zarr", **options, memory_limit=least)
    assert job.blocks.peak_bytes == least
    assert_array_equal(job.run()[:], x)
    with pytest.raises(ValueError, match=f"memory_limit must be at least {least} bytes"):
        prepare(array, tmp_path / "none.zarr", **options, memory_limit=least - 1)


@pytest.mark.parametrize("num_threads", [1, 2, 4])
@pytest.mark.parametrize(
    "stored", [{}, {"chunks": 16, "shards": 64}, {"chunks": 8, "shards": 32}, {"chunks": (8, 24, 20)}]
)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("factor", [0.5, 1.3])
def test_the_smallest_limit_is_the_smallest_and_works(tmp_path, large_shards, mode, factor, stored, num_threads):
    _, array = large_shards
    options = {"factor": factor, "mode": mode, "num_threads": num_threads, **stored}
    with pytest.raises(ValueError, match="memory_limit must be at least") as refused:
        prepare(array, tmp_path / "out.zarr", **options, memory_limit=1000)
    least = int(re.search(r"at least (\d+) bytes", str(refused.value))[1])
    assert prepare(array, tmp_path / "out.zarr", **options, memory_limit=least).blocks.peak_bytes <= least
    with pytest.raises(ValueError, match=f"memory_limit must be at least {least} bytes"):
        prepare(array, tmp_path / "out.zarr", **options, memory_limit=least - 1)
    for limit in (2 * least, 10 * least, 100 * least):
        assert prepare(array, tmp_path / "out.zarr", **options, memory_limit=limit).blocks.peak_bytes <= limit


def test_a_run_that_fails_in_a_part_of_a_shard_can_be_resumed(tmp_path, large_shards):
    x, array = large_shards
    shard = tmp_path / "in.zarr" / "c" / "1" / "0" / "0"
    intact = shard.read_bytes()
    shard.write_bytes(intact[:-1])
    options = {"factor": 0.5, "chunks": 16, "shards": 32, "num_threads": 2, "memory_limit": "4MB"}
    with pytest.raises(RuntimeError, match=r"reading chunk c/1/0/0 \(.*a shard's index must be as it was written"):
        vrdask.resample_zarr(array, tmp_path / "out.zarr", **options)
    shard.write_bytes(intact)
    result = vrdask.resample_zarr(array, tmp_path / "out.zarr", **options, resume=True)
    assert_array_equal(result[:], vrdask.resample(x, (64, 32, 32)))
    assert not list(tmp_path.rglob("*.partial"))
