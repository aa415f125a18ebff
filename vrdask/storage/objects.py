"""Small objects in a store, synchronously: what records and metadata need of zarr's stores."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from vrdask.storage import zarr_internals
from vrdask.storage.kinds import is_fsspec_store, is_local_store, is_memory_store
from vrdask.storage.places import Folder
from vrdask.storage.retry import RangeIgnoredError, ShortAnswerError, StoreError, may_pass, patiently
from vrdask.storage.zarr_internals import buffer as _buffer
from vrdask.storage.zarr_internals import described as described
from vrdask.storage.zarr_internals import sync

if TYPE_CHECKING:
    from zarr.storage import StorePath

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


def get(at: StorePath | Folder) -> bytes | None:
    """The object's bytes, or None where there is none."""
    (value,) = _asked("reading", at, lambda: get_many([at]))
    return None if value is None else bytes(value)


def get_many(places: Sequence[StorePath | Folder]) -> list[Any]:
    """The bytes of objects of one store, as buffers, fetched at the same time; None where there is none."""
    files = [at.read() for at in places if isinstance(at, Folder)]
    return files or _fetched([(at, None) for at in places if not isinstance(at, Folder)])


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

    import asyncio  # which takes a while to import

    async def gather() -> list[Any]:
        return await asyncio.gather(*(zarr_internals.get(at, part) for at, part in requests))

    found = sync(gather())
    if not is_local(requests[0][0]):
        for (_, part), value in zip(requests, found, strict=True):
            _require_answer(part, value)
    return found


def _require_answer(part: Any, value: Any) -> None:
    """Refuse what a server must not answer: more than the bytes that were asked for, or fewer.

    Raises
    ------
    RangeIgnoredError, ShortAnswerError
    """
    if value is None:
        return
    size, asked = len(value), zarr_internals.asked(part)
    require_no_more(part, size)
    if asked is not None and size < asked:
        raise ShortAnswerError(f"the store must answer with {asked} bytes; got {size}")


def require_no_more(part: Any, size: int) -> None:
    """Refuse more bytes than were asked for, as servers answer that do not know ranges; and nothing at all in place of
    a whole object, for what lies in a store has some.

    Raises
    ------
    RangeIgnoredError, ShortAnswerError
    """
    asked = zarr_internals.asked(part)
    if asked is not None and size > asked:
        raise RangeIgnoredError(
            f"the store must answer with the {asked} bytes asked for; got {size} (does it know ranges?)"
        )
    if part is None and not size:
        raise ShortAnswerError("the store must answer with some bytes; got 0")


def put(at: StorePath, value: bytes) -> None:
    """Write an object; on a local file system it appears whole or not at all."""
    _asked("writing", at, lambda: put_once(at, value))


def put_once(at: StorePath, value: bytes) -> None:
    """`put`, for callers that try again themselves."""
    if zarr_internals.answers_at_once(at.store):
        zarr_internals.set_at_once(at, value)
    else:
        sync(at.set(_buffer(value)))


def put_pieces(at: StorePath, pieces: Sequence[bytes]) -> None:
    """Write an object that consists of some pieces; on a local file system they are not put together in memory."""
    from zarr.storage import LocalStore

    if type(at.store) is not LocalStore:
        put_once(at, b"".join(pieces))
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


def url(at: StorePath | Folder) -> str:
    """A place in words: its path or URL."""
    if isinstance(at, Folder) or not is_fsspec_store(at.store):
        return str(at)
    protocol = at.store.fs.protocol
    names = "/".join(filter(None, (at.store.path, at.path)))
    return names if "://" in names else f"{protocol if isinstance(protocol, str) else protocol[0]}://{names}"


def is_local(at: StorePath | Folder) -> bool:
    """Whether a request is answered without waiting for a network."""
    return isinstance(at, Folder) or is_local_store(at.store) or is_memory_store(at.store)


def remove(at: StorePath) -> None:
    """Remove an object, where there is one."""
    _asked("removing", at, lambda: remove_once(at))


def remove_once(at: StorePath) -> None:
    """`remove`, for callers that try again themselves."""
    sync(at.store.delete(at.path))


def _asked(doing: str, at: StorePath | Folder, call: Callable[[], Result]) -> Result:
    """`call()`, again for as long as an error of the network may pass; one that lasts names the object.

    Raises
    ------
    StoreError
        In place of such an error.
    """
    if is_local(at):
        return call()
    said = f"{doing} {url(at)}"
    try:
        return patiently(said, call)
    except Exception as error:
        if not may_pass(error):
            raise
        raise StoreError(f"{said} failed: {type(error).__name__}: {error}") from error


def remove_all(at: StorePath, known: Iterable[str] = ()) -> None:
    """Remove everything below a place; on a store that cannot be listed, the known names."""
    try:
        sync(at.store.delete_dir(at.path))
    except CANNOT_LIST:
        for name in known:
            remove(at / name)


def remove_quietly(at: StorePath) -> None:
    """Remove an object if that is possible; an error is logged, for another one is on its way."""
    try:
        remove(at)
    except Exception as error:
        _log.warning("could not remove %s: %s", url(at), error)


def remove_but(at: StorePath, kept: str) -> None:
    """Remove everything below a place but what lies under one name. Links are removed, what they lead to is not. On a
    store that cannot be listed nothing is.
    """
    folder = local_folder(at)
    try:
        found = [name for name in names(at) if name != kept]
    except CANNOT_LIST:
        return
    for name in found:
        if folder is None:
            with suppress(FileNotFoundError):
                sync(at.store.delete_dir((at / name).path))
            with suppress(FileNotFoundError):
                remove(at / name)
        elif (path := folder / name).is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def remove_folder(at: StorePath) -> None:
    """Remove a folder of a file system if it is empty."""
    folder = local_folder(at)
    if folder is not None:
        with suppress(OSError):
            folder.rmdir()


def local_folder(at: StorePath) -> Path | None:
    """The path of a place in a store on a file system of this machine; None elsewhere."""
    return at.store.root / at.path if is_local_store(at.store) else None


def holds_but(at: StorePath, name: str) -> bool:
    """Whether anything lies directly below a place but one name. Of a store that cannot be listed: nothing known."""
    try:
        return any(found != name for found in names(at))
    except CANNOT_LIST:
        return False


def names(at: StorePath) -> list[str]:
    """Names directly below a place, sorted."""

    async def collect() -> list[str]:
        files = getattr(at.store, "fs", None)
        if files is not None:
            files.invalidate_cache()  # another process may have written since
        return [name.rsplit("/", 1)[-1] async for name in at.store.list_dir(at.path)]

    return sorted(filter(None, _asked("listing", at, lambda: sync(collect()))))


CANNOT_LIST = (NotImplementedError, PermissionError)


def numbered(at: StorePath) -> list[str]:
    """Names below a place that are numbers, sorted; on a store that cannot be listed those without a gap, from 1."""
    try:
        return [name for name in names(at) if name.isdigit()]
    except CANNOT_LIST:
        found: list[str] = []
        while get(at / (name := f"{len(found) + 1:08d}")) is not None:
            found.append(name)
        return found


def size(at: StorePath) -> int | None:
    """Bytes of the object, or None where there is none."""
    try:
        if is_local_store(at.store):
            return (at.store.root / at.path).stat().st_size
        return int(sync(at.store.getsize(at.path)))
    except FileNotFoundError:
        return None


def sizes_below(at: StorePath) -> dict[str, int] | None:
    """Stored bytes of all objects below a place, by their names from there; None where one cannot ask for
    all at once.
    """
    if not is_fsspec_store(at.store) or not hasattr(at.store.fs, "_find"):
        return None
    files, top = at.store.fs, "/".join(filter(None, (at.store.path, at.path)))
    files.invalidate_cache()
    try:
        found: dict[str, Any] = _asked("listing", at, lambda: sync(files._find(top, detail=True, withdirs=False)))
    except FileNotFoundError:
        return {}
    except CANNOT_LIST:
        return None
    start = str(files._strip_protocol(top)).strip("/") + "/"
    return {
        name.strip("/").removeprefix(start): int(entry["size"])
        for name, entry in found.items()
        if entry.get("size") is not None
    }


def remove_leftovers(at: StorePath, but: str | None = None) -> None:
    """Remove the half-written temporary files that a killed process leaves on a local file system. but : a folder that
    is left alone.
    """
    folder = local_folder(at)
    if folder is None:
        return
    for leftover in folder.rglob("*.partial"):
        if leftover.relative_to(folder).parts[0] != but:
            leftover.unlink(missing_ok=True)
