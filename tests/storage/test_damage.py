"""Stored bytes that are damaged: an error that names the chunk and the file, or right values; never anything else.

Each kind of damage to each kind of chunk, read by Zarr to Zarr runs and by lazy results, beside tensorstore's verdict.
"""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from stored_chunks import CODECS, DAMAGED, ZARR_2, X, encoded, encoded_chunks, readers, shard_of, store, written

from vrdask.storage.retry import StoreError

SIZE = 12 * 8 * 10 * 2
CHECKED = {"crc32c", "zstd checksum", "zstd crc32c", "gzip", "zlib"}
"""These tell of any byte that has changed; of the others nobody can know, tensorstore neither."""


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


def cases():
    for form, codec in product(FORMS, dict.fromkeys([*CODECS, *ZARR_2])):
        if codec in (ZARR_2 if form == "v2" else CODECS):
            yield form, codec


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
    chunks = encoded_chunks(codec)
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
    chunks = encoded_chunks(codec)
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
