"""Chunks decoded and encoded in the task's thread: what zarr reads and writes, byte for byte, and nothing else."""

from __future__ import annotations

import gc
import weakref
from itertools import product

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from stored_chunks import objects
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec
from zarr.storage import LocalStore, MemoryStore

from vrdask.boxes import slices_of
from vrdask.buffers import Pool
from vrdask.storage.chunk_array import ChunkIO
from vrdask.storage.chunk_codec import chunk_codec

SHAPE, CHUNKS = (23, 17, 9), (8, 5, 4)
CODECS = {
    "zstd": (ZstdCodec(level=3),),
    "checksum": (ZstdCodec(checksum=True),),
    "gzip": (GzipCodec(level=2),),
    "blosc": (BloscCodec(cname="lz4", shuffle="bitshuffle", clevel=3),),
    "blosc by type": (BloscCodec(cname="zstd"),),
    "crc32c": (ZstdCodec(), Crc32cCodec()),
    "crc32c alone": (Crc32cCodec(),),
    "none": (),
}
DTYPES = ["uint8", "int16", "float32", "float64", ">u2", "bool"]


def samples(dtype: str) -> np.ndarray:
    x = np.random.default_rng(0).integers(0, 200, SHAPE)
    x[:8, :5] = 0  # chunks that hold the fill value alone
    return x.astype(dtype)


def made(x: np.ndarray, codecs: str, zarr_format: int = 3, **options) -> zarr.Array:
    if zarr_format == 2:
        v2 = {"zstd": numcodecs.Zstd(3), "gzip": numcodecs.GZip(2), "blosc": numcodecs.Blosc("lz4"), "none": None}
        options["compressors"] = v2[codecs]
    else:
        options["compressors"] = CODECS[codecs] or None
        if x.dtype.byteorder == ">":
            options["serializer"] = BytesCodec(endian="big")
    return zarr.create_array(
        MemoryStore(), shape=x.shape, dtype=x.dtype, chunks=CHUNKS, zarr_format=zarr_format, **options
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("zarr_format", "codecs"), [*product([3], CODECS), *product([2], ["zstd", "gzip", "none"])])
def test_it_stores_and_reads_what_zarr_does(zarr_format, codecs, dtype):
    x = samples(dtype)
    by_zarr, by_us = made(x, codecs, zarr_format), made(x, codecs, zarr_format)
    assert chunk_codec(by_us) is not None
    by_zarr[:] = x
    ChunkIO(by_us).write(tuple((0, n) for n in SHAPE), x)
    assert set(objects(by_us)) == set(objects(by_zarr)), "empty chunks are not stored"
    if codecs != "gzip":  # whose header has the time
        assert objects(by_us) == objects(by_zarr)
    assert_array_equal(by_us[:], x)
    got = ChunkIO(by_zarr).read(tuple((0, n) for n in SHAPE))
    assert got.dtype == by_zarr.dtype
    assert_array_equal(got, x)


@given(st.data())
def test_any_box_is_what_zarr_reads(data):
    x = samples("int16")
    array = made(x, "zstd")
    array[:] = x
    box = tuple(tuple(sorted((data.draw(st.integers(0, n)), data.draw(st.integers(0, n))))) for n in SHAPE)
    assert_array_equal(ChunkIO(array).read(box), x[slices_of(box)], strict=True)


def test_negative_zeros_and_nans_keep_their_bits():
    x = np.full(SHAPE, -0.0, "float32")
    array = made(x, "zstd")
    ChunkIO(array).write(tuple((0, n) for n in SHAPE), x)
    assert np.signbit(array[:]).all()
    assert np.signbit(ChunkIO(array).read(tuple((0, n) for n in SHAPE))).all()


def test_empty_chunks_are_stored_where_the_array_says_so_and_removed_where_not():
    x = np.zeros(SHAPE, "uint8")
    with zarr.config.set({"array.write_empty_chunks": True}):
        kept = made(x, "zstd")
        ChunkIO(kept).write(tuple((0, n) for n in SHAPE), x)
    assert len(objects(kept)) == 3 * 4 * 3
    array = made(x, "zstd")
    array[:] = 1
    ChunkIO(array).write(tuple((0, n) for n in SHAPE), x)
    assert not objects(array)
    assert_array_equal(array[:], x)


@pytest.mark.skipif(
    tuple(map(int, zarr.__version__.split(".")[:3])) < (3, 1, 6), reason="this zarr does not read shards in shards"
)
def test_shards_in_shards_are_zarrs():
    x = samples("uint8")
    nested = ShardingCodec(chunk_shape=(16, 10, 8), codecs=[ShardingCodec(chunk_shape=CHUNKS)])
    array = zarr.create_array(
        MemoryStore(), shape=SHAPE, dtype="u1", chunks=(32, 20, 16), serializer=nested, compressors=None
    )
    assert chunk_codec(array) is None
    array[:] = x
    assert_array_equal(ChunkIO(array).read(((3, 20), (0, 17), (2, 9))), x[3:20, 0:17, 2:9])


def test_what_it_does_not_know_is_zarrs(tmp_path):
    x = samples("uint8")
    turned = zarr.create_array(
        MemoryStore(), shape=SHAPE, dtype="u1", chunks=CHUNKS, filters=TransposeCodec(order=(2, 1, 0))
    )
    fortran = zarr.create_array(MemoryStore(), shape=SHAPE, dtype="u1", chunks=CHUNKS, zarr_format=2, order="F")
    for array in (turned, fortran):
        assert chunk_codec(array) is None
        array[:] = x
        assert_array_equal(ChunkIO(array).read(((3, 20), (0, 17), (2, 9))), x[3:20, 0:17, 2:9])
    plain = made(x, "zstd")
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        assert chunk_codec(plain) is None, "the user has chosen another pipeline"
    assert chunk_codec(x) is None


@pytest.mark.parametrize("together", [1, 4])
def test_a_chunk_that_cannot_be_decoded_is_named(tmp_path, together):
    array = zarr.create_array(tmp_path / "a.zarr", data=samples("uint16"), chunks=CHUNKS)
    (tmp_path / "a.zarr" / "c" / "1" / "2" / "0").write_bytes(b"no chunk")
    io = ChunkIO(array)
    io._stored._together = together
    with pytest.raises(
        RuntimeError, match=r"reading chunk c/1/2/0 \(\[8:16, 10:15, 0:4\]\) of file://.*a\.zarr failed"
    ):
        io.read(((0, 23), (0, 17), (0, 9)))
    assert io.read(((16, 23), (0, 17), (0, 9))).any()


def test_a_store_that_is_someones_own_is_asked_through_its_methods(tmp_path):
    class Counted(LocalStore):
        gets = sets = 0

        async def get(self, *args, **kwargs):
            Counted.gets += 1
            return await super().get(*args, **kwargs)

        async def set(self, *args, **kwargs):
            Counted.sets += 1
            await super().set(*args, **kwargs)

    array = zarr.create_array(Counted(tmp_path / "a.zarr"), shape=SHAPE, chunks=CHUNKS, dtype="u1")
    Counted.gets = Counted.sets = 0
    io = ChunkIO(array)
    io.write(tuple((0, n) for n in SHAPE), np.ones(SHAPE, "u1"))
    assert (io.read(tuple((0, n) for n in SHAPE)) == 1).all()
    assert (Counted.gets, Counted.sets) == (36, 36)


@pytest.mark.parametrize("options", [{"chunks": CHUNKS}, {"chunks": (4, 5, 3), "shards": (8, 10, 9)}])
def test_what_read_an_array_is_freed_with_its_memory_at_once(options):
    # a run's passes follow each other faster than cycles are looked for
    stored = zarr.create_array({}, data=samples("int16"), **options)
    memory = Pool(large=1, kept=1 << 20)
    chunks, kept = ChunkIO(stored, memory.empty), weakref.ref(memory)
    assert_array_equal(chunks.read(tuple((0, n) for n in SHAPE)), stored[...])
    gc.disable()
    try:
        del chunks, memory
        assert kept() is None
    finally:
        gc.enable()
