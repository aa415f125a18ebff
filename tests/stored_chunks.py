"""Arrays of four chunks, written by libraries that know nothing of arrays, and the ways in which they are read."""

from __future__ import annotations

import json
import struct
import zlib
from itertools import product
from pathlib import Path

import google_crc32c
import numcodecs
import numpy as np
import zarr

import vrdask
from vrdask.storage.chunk_array import ChunkIO

SHAPE, CHUNK = (24, 16, 10), (12, 8, 10)
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
    store(root, form, encoded_chunks(codec))


def encoded_chunks(codec: str) -> dict[tuple[int, ...], bytes]:
    """All chunks of X as they are stored."""
    return {index: encoded(codec, chunk_of(X, index)) for index in product(range(2), range(2), [0])}


def objects(array: zarr.Array) -> dict[str, bytes]:
    """What is stored of an array in memory, by key, but for metadata."""
    return {key: value.to_bytes() for key, value in array.store._store_dict.items() if not key.endswith(".json")}


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


DAMAGED = (1, 0, 0)
BOX = tuple((0, n) for n in SHAPE)


def readers(root: Path):
    """What the ways of reading give."""
    array = zarr.open_array(root, mode="r")
    yield lambda: ChunkIO(array).read(BOX)
    yield lambda: ChunkIO(array).read(((0, 13), (0, 16), (0, 10)))  # the beginning of the damaged chunk
    yield lambda: np.concatenate([ChunkIO(array).chunk((k, 0, 0)) for k in range(2)])
    yield lambda: vrdask.resample(array, SHAPE, "nearest").compute(scheduler="synchronous")
    yield lambda: vrdask.affine_transform(array, np.eye(3), mode="nearest").compute(scheduler="synchronous")
