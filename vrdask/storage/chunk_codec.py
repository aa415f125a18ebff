"""Stored chunks of a Zarr array to samples and back, in the thread that asks.

zarr-python decodes and encodes on an event loop of one thread that all threads of a process share, and assembles there
what they read. For the usual codecs (bytes, then zstd, blosc, gzip or nothing, then crc32c or nothing), of chunks by
themselves and of chunks in shards, this does the same with the same library, numcodecs, without leaving the task's
thread. Everything else (other codecs, shards in shards, a codec pipeline that the user has chosen) is zarr's.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vrdask.buffers import Empty
from vrdask.dtypes import DType
from vrdask.storage import frames, zarr_internals
from vrdask.storage.checksums import checked, crc32c
from vrdask.storage.costs import WORTH_CUTTING
from vrdask.storage.kinds import is_array
from vrdask.storage.shard_format import Codec, codecs_of, shard_format

if TYPE_CHECKING:
    import zarr

Array = npt.NDArray[Any]

SHARE_OVER, BYTES_OVER = 128, 128
"""By how much encoded bytes may exceed the samples, with every compressor."""
_SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}


@dataclass(frozen=True)
class ChunkCodec:
    """One chunk's codec.

    stored : dtype with the byte order of the stored bytes. dtype : of the samples. shape : of a chunk.
    compressor : numcodecs', or None. has_checksum : whether one follows.
    """

    stored: DType
    dtype: DType
    shape: tuple[int, ...]
    compressor: Any
    has_checksum: bool = False

    @property
    def row_axis(self) -> int:
        """The first axis along which a chunk has more than one sample: those it begins with are stored first."""
        return next((axis for axis, size in enumerate(self.shape) if size > 1), 0)

    @property
    def kind(self) -> str:
        """The compressor's name; empty where there is none."""
        return "" if self.compressor is None else str(self.compressor.codec_id)

    @property
    def by_rows(self) -> bool:
        """Whether the beginning of a chunk can be decoded alone."""
        return self.kind == "zstd" and not self.compressor.checksum

    def decode(self, raw: bytes | memoryview, empty: Empty = np.empty, rows: int | None = None) -> Array:
        """The samples of a chunk; may be read-only. empty : makes the array. rows : how many are needed along
        `row_axis`; there may be more.
        """
        if self.has_checksum:
            try:
                raw = checked(raw)
            except ValueError as error:
                raise ValueError(f"a chunk must be as it was written: {error}") from None
        size = prod(self.shape) * self.stored.itemsize
        plain = raw if self.compressor is None else None
        if (kind := self.kind) in ("gzip", "zlib"):
            plain = frames.inflate(kind, raw, size)
        if plain is not None:
            if len(plain) != size:
                raise ValueError(f"a chunk must hold {size} bytes; got {len(plain)}")
            return np.frombuffer(plain, self.stored).reshape(self.shape).astype(self.dtype, copy=False)
        if rows is not None and self.by_rows and rows <= WORTH_CUTTING * self.shape[self.row_axis]:
            samples = empty((*self.shape[: self.row_axis], rows, *self.shape[self.row_axis + 1 :]), self.stored)
            if frames.decode_beginning(raw, samples.reshape(-1).view(np.uint8), size):
                return samples.astype(self.dtype, copy=False)
        samples = empty(self.shape, self.stored)
        frames.decode(self.compressor, raw, samples.reshape(-1).view(np.uint8))
        return samples.astype(self.dtype, copy=False)

    def is_usual(self, raw: bytes | memoryview) -> bool:
        """Whether a chunk that can be decoded is stored as by `encode`: no longer than any is, and of zstd a frame that
        says its size, with a checksum where the compressor makes one.
        """
        size = prod(self.shape) * self.stored.itemsize
        if len(raw) > size + size // SHARE_OVER + BYTES_OVER:
            return False
        return self.kind != "zstd" or frames.is_of_form(raw, size, self.compressor.checksum)

    def encode(self, samples: Array) -> bytes:
        """What is stored for a whole chunk."""
        data = np.ascontiguousarray(samples, self.stored)
        encoded = data.tobytes() if self.compressor is None else bytes(self.compressor.encode(data))
        return encoded + crc32c(encoded) if self.has_checksum else encoded


def chunk_codec(array: Any) -> ChunkCodec | None:
    """The codec of an array's chunks, in shards or not, or None where zarr must do it."""
    if not is_array(array) or array.dtype.kind not in "buif" or not zarr_internals.has_own_pipeline():
        return None
    document = zarr_internals.array_document(array)
    if document["zarr_format"] == 2:
        return _of_zarr_2(document, array)
    if document["chunk_grid"]["name"] != "regular" or document.get("storage_transformers"):
        return None
    chain = codecs_of(document["codecs"])
    if array.shards is not None:
        if shard_format(array) is None:
            return None
        chain = codecs_of(chain[0].options["codecs"])
    return _of_chain(chain, array)


def _of_zarr_2(document: dict[str, Any], array: zarr.Array[Any]) -> ChunkCodec | None:
    options = document["compressor"]
    known = options is None or options["id"] in ("zstd", "blosc", "gzip", "zlib")
    if document.get("filters") or document["order"] != "C" or not known:
        return None
    from numcodecs import get_codec

    stored = np.dtype(document["dtype"])
    return ChunkCodec(stored, array.dtype, array.chunks, None if options is None else get_codec(options))


def _of_chain(chain: list[Codec], array: zarr.Array[Any]) -> ChunkCodec | None:
    """Of Zarr 3: to bytes, compressed or not, a checksum or none."""
    first, *rest = chain
    has_checksum = bool(rest) and rest[-1].name == "crc32c"
    if has_checksum:
        rest.pop()
    endian = first.options.get("endian", "little" if array.dtype.itemsize == 1 else None)
    if first.name != "bytes" or endian is None or len(rest) > 1:
        return None
    compressor = _compressor(rest[0]) if rest else None
    if rest and compressor is None:
        return None
    return ChunkCodec(array.dtype.newbyteorder(endian), array.dtype, array.chunks, compressor, has_checksum)


def _compressor(codec: Codec) -> Any:
    """numcodecs' of a codec of Zarr 3; None for one that is not known."""
    import numcodecs

    options = codec.options
    if codec.name == "zstd":
        return numcodecs.Zstd(level=options["level"], checksum=options.get("checksum", False))
    if codec.name == "gzip":
        return numcodecs.GZip(level=options["level"])
    if codec.name == "blosc" and options.get("shuffle") in _SHUFFLES:
        return numcodecs.Blosc(
            options["cname"], options["clevel"], _SHUFFLES[options["shuffle"]], options.get("blocksize", 0)
        )
    return None
