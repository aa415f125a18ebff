"""Chunks that are stored in unusual ways: read right where they can be, refused by name where they cannot."""

from __future__ import annotations

import json
import re
import shutil
import zlib
from itertools import product

import numcodecs
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal
from stored_chunks import BOX, CHUNK, DAMAGED, SHAPE, X, chunk_of, encoded, readers, shard_of, written

import vrdask
from vrdask.boxes import slices_of
from vrdask.storage.chunk_array import ChunkIO
from vrdask.storage.retry import StoreError


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
