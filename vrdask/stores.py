"""Small objects in a store, synchronously: what records and metadata need of zarr's stores."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.core.buffer import Buffer, default_buffer_prototype
from zarr.core.sync import sync
from zarr.storage import LocalStore, MemoryStore, StorePath


def get(at: StorePath) -> bytes | None:
    """The object's bytes, or None where there is none."""
    (value,) = get_many([at])
    return None if value is None else bytes(value)


def get_many(places: Sequence[StorePath]) -> list[Any]:
    """The bytes of objects of one store, as buffers, fetched at the same time; None where there is none."""
    prototype = default_buffer_prototype()
    store = places[0].store
    if _answers_at_once(store):
        found = [store.get_sync(at.path, prototype=prototype) for at in places]  # type: ignore[attr-defined]
    else:

        async def gather() -> list[Buffer | None]:
            return await asyncio.gather(*(at.get(prototype) for at in places))

        found = sync(gather())
    return [None if value is None else value.as_buffer_like() for value in found]


def put(at: StorePath, value: bytes | Buffer) -> None:
    """Write an object; on a local file system it appears whole or not at all."""
    if _answers_at_once(at.store):
        at.store.set_sync(at.path, _buffer(value))  # type: ignore[attr-defined]
    else:
        sync(at.set(_buffer(value)))


def is_local(at: StorePath) -> bool:
    """Whether a request is answered without waiting for a network."""
    return isinstance(at.store, LocalStore | MemoryStore)


def _answers_at_once(store: Store) -> bool:
    """Whether a store can be asked in this thread, rather than on zarr's event loop (zarr 3.1 and later)."""
    return type(store) is LocalStore and hasattr(store, "get_sync") and hasattr(store, "set_sync")


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
