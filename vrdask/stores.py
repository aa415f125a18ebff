"""Small objects in a store, synchronously: what records and metadata need of zarr's stores."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import uuid4

from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath

from vrdask import zarr_internals
from vrdask.attempts import RangeIgnoredError, ShortAnswerError
from vrdask.zarr_internals import buffer as _buffer
from vrdask.zarr_internals import described as described
from vrdask.zarr_internals import sync


def get(at: StorePath) -> bytes | None:
    """The object's bytes, or None where there is none."""
    (value,) = get_many([at])
    return None if value is None else bytes(value)


def get_many(places: Sequence[StorePath]) -> list[Any]:
    """The bytes of objects of one store, as buffers, fetched at the same time; None where there is none."""
    return _fetched([(at, None) for at in places])


def get_spans(at: StorePath, spans: Sequence[tuple[int, int]]) -> list[Any]:
    """Bytes ``[start, stop)`` of one object, as buffers, fetched at the same time; None where there is none. What lies
    beyond its end is missing.
    """
    return _fetched([(at, zarr_internals.between(start, stop)) for start, stop in spans])


def get_last(at: StorePath, count: int) -> Any:
    """The last bytes of an object, as a buffer, or None where there is none."""
    return _fetched([(at, zarr_internals.last(count))])[0]


def _fetched(requests: Sequence[tuple[StorePath, Any]]) -> list[Any]:
    if zarr_internals.answers_at_once(requests[0][0].store):
        return [zarr_internals.get_at_once(at, part) for at, part in requests]

    async def gather() -> list[Any]:
        return await asyncio.gather(*(zarr_internals.get(at, part) for at, part in requests))

    found = sync(gather())
    if not is_local(requests[0][0]):
        for (_, part), value in zip(requests, found, strict=True):
            _require_answer(part, value)
    return found


def _require_answer(part: Any, value: Any) -> None:
    """Refuse what a server must not answer: more than the bytes that were asked for, as those without ranges do; fewer;
    or nothing at all, for what lies in a store has some.

    Raises
    ------
    RangeIgnoredError, ShortAnswerError
    """
    if value is None:
        return
    asked, size = zarr_internals.asked(part), len(value)
    if asked is not None and size > asked:
        raise RangeIgnoredError(
            f"the store must answer with the {asked} bytes asked for; got {size} (does it know ranges?)"
        )
    if size < (1 if asked is None else asked):
        raise ShortAnswerError(f"the store must answer with {asked or 'some'} bytes; got {size}")


def put(at: StorePath, value: bytes) -> None:
    """Write an object; on a local file system it appears whole or not at all."""
    if zarr_internals.answers_at_once(at.store):
        zarr_internals.set_at_once(at, value)
    else:
        sync(at.set(_buffer(value)))


def put_pieces(at: StorePath, pieces: Sequence[bytes]) -> None:
    """Write an object that consists of some pieces; on a local file system they are not put together in memory."""
    if type(at.store) is not LocalStore:
        put(at, b"".join(pieces))
        return
    path = at.store.root / at.path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{uuid4().hex}.partial")
    try:
        with partial.open("wb") as file:
            file.writelines(pieces)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def url(at: StorePath) -> str:
    """A place in words: its path or URL."""
    if not isinstance(at.store, FsspecStore):
        return str(at)
    protocol = at.store.fs.protocol
    names = "/".join(filter(None, (at.store.path, at.path)))
    return names if "://" in names else f"{protocol if isinstance(protocol, str) else protocol[0]}://{names}"


def is_local(at: StorePath) -> bool:
    """Whether a request is answered without waiting for a network."""
    return isinstance(at.store, LocalStore | MemoryStore)


def put_new(at: StorePath, value: bytes) -> bool:
    """Write an object where there is none; whether it was written."""
    sync(at.store.set_if_not_exists(at.path, _buffer(value)))
    return get(at) == value


def remove(at: StorePath) -> None:
    sync(at.store.delete(at.path))


def remove_all(at: StorePath, known: Iterable[str] = ()) -> None:
    """Remove everything below a place; on a store that cannot be listed, the known names."""
    try:
        sync(at.store.delete_dir(at.path))
    except _CANNOT_LIST:
        for name in known:
            remove(at / name)


def is_empty(at: StorePath) -> bool:
    """Whether nothing is stored at or below a place. On a store that cannot be listed: nothing that says what it is."""
    try:
        return not names(at)
    except _CANNOT_LIST:
        signs = ("zarr.json", ".zarray", ".zgroup", ".vrdask/job.json")
        return all(value is None for value in get_many([at / sign for sign in signs]))


def names(at: StorePath) -> list[str]:
    """Names directly below a place, sorted."""

    async def collect() -> list[str]:
        files = getattr(at.store, "fs", None)
        if files is not None:
            files.invalidate_cache()  # another process may have written since
        return [name.rsplit("/", 1)[-1] async for name in at.store.list_dir(at.path)]

    return sorted(filter(None, sync(collect())))


_CANNOT_LIST = (NotImplementedError, PermissionError)


def numbered(at: StorePath) -> list[str]:
    """Names below a place that are numbers, sorted; on a store that cannot be listed those without a gap, from 1."""
    try:
        return [name for name in names(at) if name.isdigit()]
    except _CANNOT_LIST:
        found: list[str] = []
        while get(at / (name := f"{len(found) + 1:08d}")) is not None:
            found.append(name)
        return found


def size(at: StorePath) -> int | None:
    """Bytes of the object, or None where there is none."""
    try:
        if isinstance(at.store, LocalStore):
            return (at.store.root / at.path).stat().st_size
        return int(sync(at.store.getsize(at.path)))
    except FileNotFoundError:
        return None


def remove_leftovers(at: StorePath) -> None:
    """Remove the half-written temporary files that a killed process leaves on a local file system."""
    if isinstance(at.store, LocalStore):
        for leftover in (at.store.root / at.path).rglob("*.partial"):
            leftover.unlink(missing_ok=True)
