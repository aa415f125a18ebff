"""Stores that wait for a network: answers that a server must not give are refused, and what a run needs besides chunks
(metadata, its lock, its record) is asked for again where that may help, or else named together with what was being
done.

Chunks are asked for again by whoever asks for them: see `chunk_bytes`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from zarr.storage import FsspecStore, StorePath

from vrdask.storage import objects
from vrdask.storage.retry import ShortAnswerError, patiently_awaited, said_by

Result = TypeVar("Result")

ONE_ATTEMPT = {"total_max_attempts": 1, "mode": "standard"}
"""botocore's setting."""
METADATA = frozenset(("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"))
_RECORD = ".vrdask"
_NO_ACCESS = (401, 403)
_MAYBE_NOT_THERE = "(where listing is not allowed, stores say so of objects that are not there, too)"


class RemoteStore(FsspecStore):
    """A store in one of fsspec's file systems, which asks once for each request."""

    def __init__(self, fs: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(asking_once(fs), *arguments, **named)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        asking_once(self.fs)  # in another process it has been made anew

    async def get(self, key: str, prototype: Any, byte_range: Any = None) -> Any:
        """The bytes of an object, or of a part of it; None where there is none."""
        what, times, fetch = _kind_of(key), 0, partial(super().get, key, prototype, byte_range)

        async def checked() -> Any:
            nonlocal times
            times += 1
            try:
                found = await fetch()
            except Exception as error:
                if isinstance(error, PermissionError):
                    raise PermissionError(f"{error} {_MAYBE_NOT_THERE}") from error
                if getattr(error, "status", None) in _NO_ACCESS:
                    raise PermissionError(f"{said_by(error)} {_MAYBE_NOT_THERE}") from error
                raise
            if found is not None:
                objects.require_no_more(byte_range, len(found))
                if what == "the metadata" and times < 3 and not _is_json(found):
                    raise ShortAnswerError(f"metadata must be JSON; got {len(found)} bytes that are none")
            return found

        return await self._asked("reading", what, key, checked)

    async def set(self, key: str, value: Any, *arguments: Any) -> None:
        """Write an object."""
        await self._asked("writing", _kind_of(key), key, partial(super().set, key, value, *arguments))

    async def delete(self, key: str) -> None:
        """Remove an object, if it is there."""
        await self._asked("removing", _kind_of(key), key, partial(super().delete, key))

    async def delete_dir(self, prefix: str) -> None:
        """Remove all that lies below a place."""
        await self._asked("removing", "all below", prefix, partial(super().delete_dir, prefix))

    async def exists(self, key: str) -> bool:
        """Whether there is an object."""
        return await self._asked("looking for", _kind_of(key) or "", key, partial(super().exists, key))

    async def getsize(self, key: str) -> int:
        """Bytes of an object."""
        return await self._asked("asking for the size of", _kind_of(key) or "", key, partial(super().getsize, key))

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names directly below a place."""
        for name in await self._listed(prefix, super().list_dir):
            yield name

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Keys of all objects below a place."""
        for name in await self._listed(prefix, super().list_prefix):
            yield name

    async def _listed(self, prefix: str, names: Callable[[str], AsyncIterator[str]]) -> Iterable[str]:
        async def gathered() -> list[str]:
            return [name async for name in names(prefix)]

        return await self._asked("listing", "", prefix, gathered)

    async def _asked(self, doing: str, what: str | None, key: str, call: Callable[[], Awaitable[Result]]) -> Result:
        """`call()`; unless `what` is None, as of a chunk, again where it may help, or with an error that says all."""
        if what is None:
            return await call()
        return await patiently_awaited(lambda: " ".join(filter(None, (doing, what, self._url(key)))), call)

    def _url(self, key: str) -> str:
        return objects.url(StorePath(self, key))


def asking_once(files: Any) -> Any:
    """A file system of fsspec, or one made alike but for trying again: s3fs tries five times what botocore tries five
    times, so that our own five attempts would make 125 requests of one.
    """
    config = getattr(files, "config_kwargs", None)
    if config is None or not hasattr(files, "retries"):
        return files
    if config.get("retries") != ONE_ATTEMPT:
        options = files.storage_options | {"config_kwargs": {**config, "retries": ONE_ATTEMPT}}
        files = type(files)(*files.storage_args, **options)
    files.retries = 1  # of this one, which nobody else has: fsspec shares those made alike
    return files


def in_remote_store(at: StorePath) -> StorePath:
    """A place, in a store that refuses wrong answers where it waits for a network."""
    store = at.store
    if type(store) is not FsspecStore:
        return at
    ours = RemoteStore(
        store.fs, read_only=store.read_only, path=store.path, allowed_exceptions=store.allowed_exceptions
    )
    return StorePath(ours, at.path)


def _kind_of(key: str) -> str | None:
    """What an object is to a run, in words; None for a chunk."""
    *folders, name = key.split("/")
    if _RECORD in folders:
        return "the lock" if name.startswith(("lock", "claim")) else "the record"
    return "the metadata" if name in METADATA else None


def _is_json(stored: Any) -> bool:
    try:
        json.loads(stored.to_bytes())
    except ValueError:
        return False
    return True
