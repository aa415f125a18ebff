"""Small objects in a store, synchronously: what records and metadata need of zarr's stores."""

from __future__ import annotations

import json
from typing import Any

import zarr
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import LocalStore, StorePath


def get(at: StorePath) -> bytes | None:
    """The object's bytes, or None where there is none."""
    value: Buffer | None = sync(at.get(default_buffer_prototype()))
    return None if value is None else value.to_bytes()


def put(at: StorePath, value: bytes | Buffer) -> None:
    """Write an object; on a local file system it appears whole or not at all."""
    sync(at.set(_buffer(value)))


def put_new(at: StorePath, value: bytes) -> bool:
    """Write an object where there is none; whether it was written."""
    sync(at.store.set_if_not_exists(at.path, _buffer(value)))
    return get(at) == value


def remove(at: StorePath) -> None:
    sync(at.store.delete(at.path))


def remove_all(at: StorePath) -> None:
    """Remove everything below a place."""
    sync(at.store.delete_dir(at.path))


def is_empty(at: StorePath) -> bool:
    return bool(sync(at.store.is_empty(at.path)))


def names(at: StorePath) -> list[str]:
    """Names directly below a place, sorted."""

    async def collect() -> list[str]:
        return [name.rsplit("/", 1)[-1] async for name in at.store.list_dir(at.path)]

    return sorted(sync(collect()))


def size(at: StorePath) -> int | None:
    """Bytes of the object, or None where there is none."""
    try:
        return int(sync(at.store.getsize(at.path)))
    except FileNotFoundError:
        return None


def described(array: zarr.Array[Any]) -> dict[str, Any]:
    """An array's metadata as JSON."""
    stored = array.metadata.to_buffer_dict(default_buffer_prototype())
    return {key: json.loads(value.to_bytes()) for key, value in stored.items()}


def remove_leftovers(at: StorePath) -> None:
    """Remove the half-written temporary files that a killed process leaves on a local file system."""
    if isinstance(at.store, LocalStore):
        for leftover in (at.store.root / at.path).rglob("*.partial"):
            leftover.unlink(missing_ok=True)


def _buffer(value: bytes | Buffer) -> Any:
    return default_buffer_prototype().buffer.from_bytes(value) if isinstance(value, bytes) else value
