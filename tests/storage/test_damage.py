"""Stored bytes that are damaged: an error that names the chunk and the file, or right values; never anything else.

Each kind of damage to each kind of chunk, read by Zarr to Zarr runs and by lazy results, beside tensorstore's verdict.
"""

from __future__ import annotations

import json
import re
import shutil
import struct
import zlib
from itertools import product
from pathlib import Path

import google_crc32c
import numcodecs
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal

import vrdask
from vrdask.boxes import slices_of
from vrdask.storage.chunk_array import ChunkIO
from vrdask.storage.retry import StoreError

SHAPE, CHUNK = (24, 16, 10), (12, 8, 10)
SIZE = 12 * 8 * 10 * 2
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
X = (np.random.default_rng(0).integers(0, 300, SHAPE) + np.arange(10) * 40).astype("<u2")


def blosc(cname, shuffle):
    return {"name": "blosc", "configuration": {"cname": cname, "clevel": 5, "shuffle": shuffle, "typesize": 2,
                                               "blocksize": 0}}  # fmt: skip


CODECS = {
    "none": [],
    "crc32c": [{"name": "crc32c"}],
    "zstd": [{"name": "zstd", "configuration": {"level": 3, "checksum": False}}],
    "zstd checksum": [{"name": "zstd", "configuration": {"level": 3, "checksum": True}}],
    "zstd crc32c": [{"name": "zstd", "configuration": {"level": 3, "checksum": False}}, {"name": "crc32c"}],
    "gzip": [{"name": "gzip", "configuration": {"level": 5}}],
    "blosc lz4": [blosc("lz4", "shuffle")],
    "blosc zstd": [blosc("zstd", "bitshuffle")],
    "blosc stored": [blosc("lz4", "noshuffle")],  # noise that does not get smaller
}
ZARR_2 = {
    "none": None, "zstd": {"id": "zstd", "level": 3}, "zstd checksum": {"id": "zstd", "level": 3, "checksum": True},
    "gzip": {"id": "gzip", "level": 5}, "zlib": {"id": "zlib", "level": 5},
    "blosc lz4": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    "blosc zstd": {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2, "blocksize": 0},
    "blosc stored": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 0, "blocksize": 0},
}  # fmt: skip
CHECKED = {"crc32c", "zstd checksum", "zstd crc32c", "gzip", "zlib"}
"""These tell of any byte that has changed; of the others nobody can know, tensorstore neither."""


def encoded(codec: str, samples: np.ndarray) -> bytes:
    """A chunk as it is stored, by libraries that know nothing of arrays."""
    raw = np.ascontiguousarray(samples).tobytes()
    name = codec.split()
    if name[0] == "zstd":
        raw = bytes(numcodecs.Zstd(3, checksum="checksum" in name).encode(raw))
    elif name[0] == "gzip":
        raw = bytes(numcodecs.GZip(5).encode(raw))
    elif name[0] == "zlib":
        raw = zlib.compress(raw)
    elif name[0] == "blosc":
        kind = {"lz4": ("lz4", 1), "zstd": ("zstd", 2), "stored": ("lz4", 0)}[name[1]]
        raw = bytes(numcodecs.Blosc(kind[0], 5, kind[1]).encode(np.frombuffer(raw, "<u2")))
    return raw + struct.pack("<I", google_crc32c.value(raw)) if "crc32c" in name else raw


def written(root: Path, form: str, codec: str) -> None:
    """An array of X; as Zarr 2, Zarr 3, or in shards of four chunks with the index at the end or the start."""
    root.mkdir()
    if form == "v2":
        document = {"zarr_format": 2, "shape": SHAPE, "chunks": CHUNK, "dtype": "<u2", "order": "C", "fill_value": 0,
                    "filters": None, "compressor": ZARR_2[codec]}  # fmt: skip
        (root / ".zarray").write_text(json.dumps(document))
    else:
        chain, grid = [BYTES, *CODECS[codec]], CHUNK
        if form != "v3":
            inner = {"chunk_shape": CHUNK, "codecs": chain, "index_codecs": [BYTES, {"name": "crc32c"}],
                     "index_location": form.split()[1]}  # fmt: skip
            chain, grid = [{"name": "sharding_indexed", "configuration": inner}], (24, 16, 10)
        document = {
            "zarr_format": 3, "node_type": "array", "shape": SHAPE, "data_type": "uint16", "fill_value": 0,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": grid}}, "codecs": chain,
            "chunk_key_encoding": {"name": "default"}, "attributes": {},
        }  # fmt: skip
        (root / "zarr.json").write_text(json.dumps(document))
    chunks = {index: encoded(codec, chunk_of(X, index)) for index in product(range(2), range(2), [0])}
    store(root, form, chunks)


def chunk_of(x: np.ndarray, index: tuple[int, ...]) -> np.ndarray:
    return x[tuple(slice(k * c, (k + 1) * c) for k, c in zip(index, CHUNK, strict=True))]


def store(root: Path, form: str, chunks: dict[tuple[int, ...], bytes]) -> None:
    if "shard" in form:
        (root / "c/0/0").mkdir(parents=True, exist_ok=True)
        (root / "c/0/0/0").write_bytes(shard_of(chunks, form.endswith("start")))
        return
    for index, chunk in chunks.items():
        path = root / (".".join(map(str, index)) if form == "v2" else "c/" + "/".join(map(str, index)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chunk)


def shard_of(chunks: dict[tuple[int, ...], bytes], first: bool = False, spans: dict | None = None) -> bytes:
    """A shard; spans : of some chunks, in place of where they are."""
    index_bytes = 16 * len(chunks) + 4
    at, numbers, body = index_bytes if first else 0, [], b""
    for place, chunk in chunks.items():
        numbers += (spans or {}).get(place, (at + len(body), len(chunk)))
        body += chunk
    index = struct.pack(f"<{len(numbers)}Q", *numbers)
    index += struct.pack("<I", google_crc32c.value(index))
    return index + body if first else body + index


DAMAGES = {
    "99 %": lambda whole, codec: whole[: int(0.99 * len(whole))],
    "90 %": lambda whole, codec: whole[: int(0.9 * len(whole))],
    "50 %": lambda whole, codec: whole[: len(whole) // 2],
    "10 %": lambda whole, codec: whole[: len(whole) // 10],
    "empty": lambda whole, codec: b"",
    "one byte short": lambda whole, codec: whole[:-1],
    "one byte more": lambda whole, codec: whole + b"\0",
    "zeroed": lambda whole, codec: bytes(len(whole)),
    "flipped": lambda whole, codec: whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:],
    "doubled": lambda whole, codec: whole * 2,
    "half of the samples": lambda whole, codec: encoded(codec, X[:6, :8]),
    "twice the samples": lambda whole, codec: encoded(codec, X[:, :8]),
    "of other bytes": lambda whole, codec: b"no chunk" * 40,
}
NOBODY_KNOWS = {("none", "zeroed"), ("none", "flipped")} | {
    (codec, "flipped") for codec in ("zstd", "blosc lz4", "blosc zstd", "blosc stored")
}
"""Bytes that are a valid chunk of the right size, with other samples; so are chunks that have changed places."""
TENSORSTORE_OVERLOOKS = {"doubled", "one byte more", "one byte short"}
"""It stops where it has all samples: it reads neither what follows nor all of a checksum at the end."""
FORMS = ["v2", "v3", "shard end", "shard start"]
DAMAGED = (1, 0, 0)
BOX = tuple((0, n) for n in SHAPE)


def cases():
    for form, codec in product(FORMS, dict.fromkeys([*CODECS, *ZARR_2])):
        if codec in (ZARR_2 if form == "v2" else CODECS):
            yield form, codec


def readers(root: Path):
    """What the ways of reading give."""
    array = zarr.open_array(root, mode="r")
    yield lambda: ChunkIO(array).read(BOX)
    yield lambda: ChunkIO(array).read(((0, 13), (0, 16), (0, 10)))  # the beginning of the damaged chunk
    yield lambda: np.concatenate([ChunkIO(array).chunk((k, 0, 0)) for k in range(2)])
    yield lambda: vrdask.resample(array, SHAPE, "nearest").compute(scheduler="synchronous")
    yield lambda: vrdask.affine_transform(array, np.eye(3), mode="nearest").compute(scheduler="synchronous")


def by_tensorstore(root: Path, form: str) -> np.ndarray | str:
    tensorstore = pytest.importorskip("tensorstore", reason="tensorstore is not installed")
    spec = {"driver": "zarr" if form == "v2" else "zarr3", "kvstore": {"driver": "file", "path": str(root)}}
    try:
        return tensorstore.open(spec).result().read().result()
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(("form", "codec"), list(cases()))
def test_whole_chunks_are_read_by_all(tmp_path, form, codec):
    written(tmp_path / "a", form, codec)
    for read in readers(tmp_path / "a"):
        got = read()
        assert_array_equal(got, X[tuple(map(slice, got.shape))])
    if (form, codec) != ("v2", "zstd checksum"):  # which tensorstore does not know
        assert_array_equal(by_tensorstore(tmp_path / "a", form), X)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("form", "codec"), list(cases()))
def test_a_damaged_chunk_is_an_error_that_names_it_or_right(tmp_path, form, codec, damage):
    root = tmp_path / "a"
    written(root, form, codec)
    chunks = {index: encoded(codec, chunk_of(X, index)) for index in product(range(2), range(2), [0])}
    chunks[DAMAGED] = DAMAGES[damage](chunks[DAMAGED], codec)
    store(root, form, chunks)
    key = {"v2": "1.0.0", "v3": "c/1/0/0"}.get(form, "c/0/0/0")
    verdicts = [verdict(read, key, root) for read in readers(root)]
    if (codec, damage) in NOBODY_KNOWS:
        return
    assert set(verdicts) <= {"error", "right"}
    if (form, codec) == ("v2", "zstd checksum"):
        return  # which tensorstore does not know
    theirs = by_tensorstore(root, form)
    if isinstance(theirs, str):
        assert verdicts[0] == "error", f"tensorstore says {theirs}"
    else:
        assert verdicts[0] == "right" or not np.array_equal(theirs, X) or damage in TENSORSTORE_OVERLOOKS


def verdict(read, key: str, root: Path) -> str:
    try:
        got = read()
    except StoreError as error:
        named = re.search(rf"chunk {re.escape(key)} \(\[12:24, 0:8, 0:10\]\) of file://.*{root.name}\b", str(error))
        return "error" if named else f"an error that does not name it: {error}"
    return "right" if np.array_equal(got, X[tuple(map(slice, got.shape))]) else "wrong"


@pytest.mark.parametrize("damage", ["no bytes", "zeroed", "cut", "crc", "outside", "huge", "half missing", "itself",
                                    "overlap", "no length"])  # fmt: skip
@pytest.mark.parametrize("place", ["start", "end"])
@pytest.mark.parametrize("codec", ["none", "zstd", "blosc lz4"])
def test_a_damaged_index_is_an_error_that_names_the_shard(tmp_path, codec, place, damage):
    root, form = tmp_path / "a", f"shard {place}"
    written(root, form, codec)
    chunks = {index: encoded(codec, chunk_of(X, index)) for index in product(range(2), range(2), [0])}
    first, size = place == "start", sum(map(len, chunks.values())) + 68
    at = 68 * first + sum(len(chunk) for index, chunk in chunks.items() if index < DAMAGED)
    n = len(chunks[DAMAGED])
    spans = {
        "outside": (size + 10, n), "huge": (at, 1 << 60), "half missing": (at, 2**64 - 1), "no length": (at, 0),
        "itself": (0 if first else size - 68, n), "overlap": (at - 20, n),
    }  # fmt: skip
    whole = shard_of(chunks, first, {DAMAGED: spans[damage]} if damage in spans else None)
    index = slice(0, 68) if first else slice(len(whole) - 68, len(whole))
    broken = bytearray(whole)
    if damage == "no bytes":
        broken = bytearray()
    elif damage == "cut":
        broken = broken[:50]
    elif damage == "zeroed":
        broken[index] = bytes(68)
    elif damage == "crc":
        broken[index.start + 3] ^= 4
    (root / "c/0/0/0").write_bytes(broken)
    for read in readers(root):
        with pytest.raises(StoreError, match=r"chunk c/0/0/0 \(\[.*\]\) of file://.*/a\b"):
            read()


def test_chunks_of_a_shard_may_share_their_bytes(tmp_path):
    written(tmp_path / "a", "shard end", "zstd")
    chunk = encoded("zstd", chunk_of(X, (0, 0, 0)))
    places = list(product(range(2), range(2), [0]))
    one = dict.fromkeys(places[1:], b"")
    shard = shard_of({places[0]: chunk, **one}, spans=dict.fromkeys(places, (0, len(chunk))))
    (tmp_path / "a/c/0/0/0").write_bytes(shard)
    got = ChunkIO(zarr.open_array(tmp_path / "a", mode="r")).read(BOX)
    for index in places:
        assert_array_equal(chunk_of(got, index), chunk_of(X, (0, 0, 0)))


@pytest.mark.parametrize("codec", ["zstd", "gzip"])
def test_frames_that_make_up_a_chunk_together_are_read(tmp_path, codec):
    # parallel compressors write such
    written(tmp_path / "a", "v3", codec)
    whole = np.ascontiguousarray(chunk_of(X, DAMAGED))
    parts = [encoded(codec, part) for part in np.split(whole, 3)]
    (tmp_path / "a/c/1/0/0").write_bytes(b"".join(parts))
    for read in readers(tmp_path / "a"):
        got = read()
        assert_array_equal(got, X[tuple(map(slice, got.shape))])
    (tmp_path / "a/c/1/0/0").write_bytes(b"".join(parts[:2]))
    with pytest.raises(StoreError, match=r"chunk c/1/0/0 .* must hold 1920 bytes.*; got 1280"):
        ChunkIO(zarr.open_array(tmp_path / "a", mode="r")).read(BOX)


def test_a_zstd_frame_that_does_not_say_its_size_is_read(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    written(tmp_path / "a", "v3", "zstd")
    raw = np.ascontiguousarray(chunk_of(X, DAMAGED)).tobytes()
    for samples, whole in ((raw, True), (raw[:-2], False), (raw + b"\0\0", False)):
        frame = zstandard.ZstdCompressor(write_content_size=False).compress(samples)
        assert zstandard.frame_content_size(frame) == -1
        (tmp_path / "a/c/1/0/0").write_bytes(frame)
        for read in readers(tmp_path / "a"):
            if whole:
                got = read()
                assert_array_equal(got, X[tuple(map(slice, got.shape))])
            else:
                with pytest.raises(StoreError, match=r"chunk c/1/0/0 .* must hold 1920 bytes; got (1918|more)"):
                    read()


def test_a_small_gzip_chunk_that_holds_gigabytes_is_not_unpacked(tmp_path):
    written(tmp_path / "a", "v3", "gzip")
    bomb = zlib.compressobj(9, wbits=31)
    stored = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(64)) + bomb.flush()
    (tmp_path / "a/c/1/0/0").write_bytes(stored)
    with pytest.raises(StoreError, match=r"c/1/0/0 .* must hold 1920 bytes; got more"):
        ChunkIO(zarr.open_array(tmp_path / "a", mode="r")).read(BOX)


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        (">u2", {}), ("<u2", {"order": "F"}), ("<f4", {"fill_value": None}), (">f8", {"order": "F"}),
        ("<i4", {"filters": [numcodecs.Delta("<i4")]}), ("<u2", {"dimension_separator": "/"}),
        ("|b1", {}), ("<c8", {"fill_value": [0.0, 0.0]}), ("<f2", {"compressor": None}),
    ],
)  # fmt: skip
def test_arrays_of_all_kinds_are_read_right_and_say_what_cannot_be(tmp_path, dtype, options):
    options = dict(options)
    filters, compressor = options.pop("filters", None), options.pop("compressor", numcodecs.Zstd(1))
    document = {
        "zarr_format": 2, "shape": SHAPE, "chunks": CHUNK, "dtype": dtype, "order": "C", "fill_value": 0,
        "filters": filters and [one.get_config() for one in filters],
        "compressor": compressor and {"id": "zstd", "level": 1}, **options,
    }  # fmt: skip
    root = tmp_path / "a"
    root.mkdir()
    (root / ".zarray").write_text(json.dumps(document))
    x = (X % 2 if dtype == "|b1" else X).astype(dtype)
    separator = document.get("dimension_separator", ".")
    for index in product(range(2), range(2), [0]):
        raw = chunk_of(x, index).tobytes(document["order"])
        for one in filters or ():
            raw = bytes(one.encode(np.frombuffer(raw, dtype)))
        path = root / separator.join(map(str, index))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw if compressor is None else bytes(compressor.encode(raw)))
    for box in (BOX, ((3, 17), (2, 9), (0, 10))):
        got = ChunkIO(zarr.open_array(root, mode="r")).read(box)
        assert_array_equal(got, x[slices_of(box)])
    lazily = vrdask.resample(zarr.open_array(root, mode="r"), SHAPE, "nearest")
    assert_array_equal(lazily.compute(scheduler="synchronous"), x)
    path.write_bytes(b"broken")
    key = re.escape(path.relative_to(root).as_posix())
    for read in (
        lambda: ChunkIO(zarr.open_array(root, mode="r")).read(BOX),
        lambda: lazily.compute(scheduler="synchronous"),
    ):
        with pytest.raises(StoreError, match=rf"chunk {key} \(\[12:24, 8:16, 0:10\]\) of file://.*a failed"):
            read()
    path.unlink()
    got = lazily.compute(scheduler="synchronous")
    assert_array_equal(got[:12], x[:12])
    assert not got[12:, 8:].any(), "what is not stored is the fill value, or zero where there is none"


@pytest.mark.parametrize("form", ["v3", "shard end", "shard start"])
def test_a_folder_or_nothing_to_go_through_is_no_missing_chunk(tmp_path, form):
    written(tmp_path / "a", form, "zstd")
    (tmp_path / "a/c/0/0/0").unlink()
    array = zarr.open_array(tmp_path / "a", mode="r")
    assert not ChunkIO(array).read(BOX)[:12, :8].any(), "what is not there is the fill value"
    (tmp_path / "a/c/0/0/0").mkdir()
    for read in readers(tmp_path / "a"):
        with pytest.raises(StoreError, match=r"reading chunk c/0/0/0 .* must be a file; got the folder .*c/0/0/0"):
            read()
    shutil.rmtree(tmp_path / "a/c/0")
    (tmp_path / "a/c/0").write_text("")
    for read in readers(tmp_path / "a"):
        with pytest.raises(StoreError, match=r"reading chunk c/0/[01]/0 .*NotADirectoryError"):
            read()


def test_chunks_of_several_sizes_are_refused_by_name():
    try:
        with zarr.config.set({"array.rectilinear_chunks": True}):
            array = zarr.create_array({}, shape=(20, 20), dtype="u2", chunks=((5, 15), (10, 10)))
    except TypeError:
        pytest.skip("this zarr knows no such grids")
    for call in (
        lambda: vrdask.resample(array, (10, 10)),
        lambda: vrdask.affine_transform(array, np.eye(2)),
    ):
        with pytest.raises(ValueError, match=r"must have chunks of one size; got .*: dask.array.from_zarr"):
            call()
