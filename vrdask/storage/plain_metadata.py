"""What `zarr.json` and `.zarray` say of an array, where they are plain: for whoever reads no samples.

Plain is what zarr, by itself or any other library, usually writes of numbers: of that zarr would say the same. Whatever
else there is, unusual or damaged, is refused by `NotPlainError`: then zarr is to be asked, which knows more, and whose
errors are those that people are told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import numpy as np

from vrdask.dtypes import DType
from vrdask.storage.places import Folder

Json = dict[str, Any]

_DTYPES = (
    "bool",
    *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
)
_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")
_BLOSC = ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
_NOT_NUMBERS = ("NaN", "Infinity", "-Infinity")


class NotPlainError(Exception):
    """Metadata of which zarr may say something else, or nothing."""


class Codec(NamedTuple):
    """A compressor: what zarr, or numcodecs for Zarr 2, calls its class, and its level."""

    class_name: str
    level: int | None = None


class Metadata(NamedTuple):
    """What an array or a group says of itself beside its samples."""

    zarr_format: int
    attributes: Json
    dimension_names: tuple[str | None, ...] | None = None


@dataclass(frozen=True)
class SaidArray:
    """An array; what zarr's says, this says by the same names."""

    store_path: Folder
    metadata: Metadata
    shape: tuple[int, ...]
    dtype: DType
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    compressors: tuple[Codec, ...]
    fill_value: Any

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def attrs(self) -> Json:
        return self.metadata.attributes

    def __getitem__(self, box: Any) -> NoReturn:
        raise NotPlainError("samples are zarr's to read")


def require(condition: object) -> None:
    """Refuse metadata that are not plain.

    Raises
    ------
    NotPlainError
    """
    if not condition:
        raise NotPlainError("metadata that zarr is to be asked about")


def require_keys(document: Json, needed: str, allowed: str = "") -> None:
    """Refuse an object without some keys, or with others than these and those allowed."""
    require(isinstance(document, dict) and {*needed.split()} <= {*document} <= {*needed.split(), *allowed.split()})


def _numbers(given: Any, least: int) -> tuple[int, ...]:
    require(isinstance(given, list) and all(type(one) is int and least <= one < 1 << 62 for one in given))
    return tuple(given)


def attributes_of(given: Any) -> Json:
    """Attributes by name."""
    require(isinstance(given, dict))
    return dict(given)


def array_of_zarr_3(at: Folder, document: Json) -> SaidArray:
    """What a `zarr.json` says of an array. at : its folder."""
    require_keys(
        document, "zarr_format node_type shape data_type chunk_grid chunk_key_encoding fill_value codecs",
        "attributes dimension_names storage_transformers",
    )  # fmt: skip
    shape, grid, keys = _numbers(document["shape"], 0), document["chunk_grid"], document["chunk_key_encoding"]
    require(document["data_type"] in _DTYPES)
    require_keys(grid, "name configuration")
    require_keys(grid["configuration"], "chunk_shape")
    require_keys(keys, "name", "configuration")
    require(grid["name"] == "regular" and keys["name"] in ("default", "v2"))
    require(keys.get("configuration", {"separator": "/"}) in ({"separator": "/"}, {"separator": "."}))
    require(document.get("storage_transformers", []) == [])
    names = document.get("dimension_names")
    require(names is None or (isinstance(names, list) and len(names) == len(shape)))
    require(all(one is None or isinstance(one, str) for one in names or ()))
    dtype = np.dtype(document["data_type"])
    _require_fill(document["fill_value"], dtype)
    outer = _numbers(grid["configuration"]["chunk_shape"], 1)
    require(len(outer) == len(shape))
    chain, chunks, shards = document["codecs"], outer, None
    require(isinstance(chain, list))
    if len(chain) == 1 and chain[0]["name"] == "sharding_indexed":
        chunks, shards = _inner_chunks(chain[0], outer), outer
        chain = chain[0]["configuration"]["codecs"]
    metadata = Metadata(3, attributes_of(document.get("attributes", {})), None if names is None else tuple(names))
    return SaidArray(at, metadata, shape, dtype, chunks, shards, _chain(chain, dtype), document["fill_value"])


def _inner_chunks(sharding: Json, shard: tuple[int, ...]) -> tuple[int, ...]:
    """The chunks of shards that are as zarr writes them."""
    require_keys(sharding, "name configuration")
    said = sharding["configuration"]
    require_keys(said, "chunk_shape codecs index_codecs index_location")
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    require(said["index_codecs"] in ([little], [little, {"name": "crc32c"}]))
    require(said["index_location"] in ("start", "end"))
    chunks = _numbers(said["chunk_shape"], 1)
    require(len(chunks) == len(shard) and not any(s % c for s, c in zip(shard, chunks, strict=True)))
    return chunks


def _require_fill(value: Any, dtype: DType) -> None:
    """The value of what is not stored must be a number of the type."""
    if dtype.kind == "b":
        require(type(value) is bool)
    elif dtype.kind == "f":
        require(type(value) in (int, float) or (isinstance(value, str) and value in _NOT_NUMBERS))
        require(isinstance(value, str) or abs(value) <= float(np.finfo(dtype).max))
    else:
        require(type(value) is int and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)


def _chain(documents: list[Json], dtype: DType) -> tuple[Codec, ...]:
    """The compressors of a chain of codecs of Zarr 3."""
    first, *rest = documents
    require_keys(first, "name", "configuration")
    endian = first.get("configuration", {})
    require(first["name"] == "bytes")
    require(endian in ({"endian": "little"}, {"endian": "big"}) or (endian == {} and dtype.itemsize == 1))
    return tuple(map(_compressor, rest))


def _compressor(document: Json) -> Codec:
    require_keys(document, "name", "configuration")
    name, options = document["name"], document.get("configuration", {})
    if name == "crc32c":
        require(options == {})
        return Codec("Crc32cCodec")
    require(name in _OPTIONS)
    class_name, level, needed, allowed, are_right = _OPTIONS[name]
    require_keys(options, needed, allowed)
    require(are_right(options))
    return Codec(class_name, options[level])


def _is_level(value: Any, lowest: int, highest: int) -> bool:
    return type(value) is int and lowest <= value <= highest


_OPTIONS: dict[str, tuple[str, str, str, str, Callable[[Json], bool]]] = {
    "zstd": ("ZstdCodec", "level", "level", "checksum",
             lambda said: _is_level(said["level"], -7, 22) and type(said.get("checksum", False)) is bool),
    "gzip": ("GzipCodec", "level", "level", "", lambda said: _is_level(said["level"], 0, 9)),
    "blosc": ("BloscCodec", "clevel", "cname clevel shuffle typesize blocksize", "",
              lambda said: said["cname"] in _BLOSC and said["shuffle"] in _SHUFFLES
              and _is_level(said["clevel"], 0, 9) and _is_level(said["typesize"], 1, 255)
              and _is_level(said["blocksize"], 0, 1 << 30)),
}  # fmt: skip
"""Of a codec's name: its class, what its level is called, the options that it must and may have, and a look at them."""


def array_of_zarr_2(at: Folder, document: Json, attributes: Json) -> SaidArray:
    """What a `.zarray` says of an array. attributes : those beside it."""
    require_keys(
        document, "zarr_format shape chunks dtype compressor fill_value order filters", "dimension_separator"
    )  # fmt: skip
    shape, chunks = _numbers(document["shape"], 0), _numbers(document["chunks"], 1)
    require(type(document["zarr_format"]) is int and document["zarr_format"] == 2 and len(shape) == len(chunks))
    require(isinstance(document["dtype"], str))
    dtype = np.dtype(document["dtype"])
    require(dtype.name in _DTYPES and dtype.str == document["dtype"])
    require(document["filters"] is None and document["order"] in ("C", "F"))
    require(document.get("dimension_separator", ".") in (".", "/"))
    if document["fill_value"] is not None:
        _require_fill(document["fill_value"], dtype)
    compressor = document["compressor"]
    compressors = () if compressor is None else (_compressor_of_zarr_2(compressor),)
    return SaidArray(
        at, Metadata(2, attributes), shape, dtype, chunks, None, compressors, document["fill_value"],
    )  # fmt: skip


def _compressor_of_zarr_2(said: Json) -> Codec:
    """numcodecs' name of a compressor, of which nothing is asked but its level."""
    if said["id"] == "zstd":
        require_keys(said, "id level", "checksum")
        require(_is_level(said["level"], -7, 22) and type(said.get("checksum", False)) is bool)
        return Codec("Zstd", said["level"])
    if said["id"] == "blosc":
        require_keys(said, "id cname clevel shuffle", "blocksize")
        require(said["cname"] in _BLOSC and said["shuffle"] in (-1, 0, 1, 2) and _is_level(said["clevel"], 0, 9))
        require(_is_level(said.get("blocksize", 0), 0, 1 << 30))
        return Codec("Blosc", said["clevel"])
    require(said["id"] in ("gzip", "zlib"))
    require_keys(said, "id level")
    require(_is_level(said["level"], 0, 9))
    return Codec("GZip" if said["id"] == "gzip" else "Zlib", said["level"])
