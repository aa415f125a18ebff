"""Where a place is, and whether two places are one, whatever they are called.

Where there is a file system, places are compared by device and inode, so that symbolic links, bind mounts and the case
of letters cannot hide that two names lead to one folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrdask.storage import zarr_internals
from vrdask.storage.kinds import is_fsspec_store, is_local_store
from vrdask.storage.places import Folder

if TYPE_CHECKING:
    from zarr.storage import StorePath

_ONE_SERVICE = {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az", "adl": "az"}


@dataclass(frozen=True)
class Address:
    """Where a place is: a path of a file system, or names within another system, such as the objects of a service."""

    path: Path | None
    system: Any = None
    host: str | None = None
    names: tuple[str, ...] = ()

    def holds(self, other: Address) -> bool:
        """Whether the other place is this one or lies in it."""
        if self.path is not None and other.path is not None:
            return _holds(self.path, other.path)
        if self.path is not None or other.path is not None or self.system != other.system:
            return False
        if self.host is not None and other.host is not None and self.host != other.host:
            return False
        return other.names[: len(self.names)] == self.names


def address_of(at: StorePath | Folder) -> Address:
    """The address of a place in a store, seen through what wraps the store."""
    if isinstance(at, Folder):
        return Address(at.path)
    store = zarr_internals.unwrapped(at.store)
    names = tuple(filter(None, at.path.split("/")))
    if is_local_store(store):
        return Address(store.root / at.path)
    if is_fsspec_store(store):
        return _of_filesystem(store.fs, "/".join(filter(None, (store.path, at.path))))
    if (memory := zarr_internals.memory_of(store)) is not None:
        return Address(None, ("memory", id(memory)), None, names)
    if isinstance(archive := getattr(store, "path", None), Path | str):  # zarr's ZipStore
        return Address(Path(archive))
    return _of_object_store(store, names)


def _of_filesystem(fs: Any, path: str) -> Address:
    """The address of a path in one of fsspec's file systems, seen through caches, prefixes and archives."""
    for _ in range(8):
        if (archive := getattr(fs, "fo", None)) is not None and getattr(fs, "fs", None) is None:  # zip, tar
            fs, path = getattr(archive, "fs", None), str(getattr(archive, "path", getattr(archive, "name", "")))
            if fs is None:
                return Address(Path(path))
        elif (inner := getattr(fs, "sync_fs", None) or getattr(fs, "fs", None)) is not None:
            prefix = getattr(fs, "path", None)
            path = f"{prefix}/{path}" if isinstance(prefix, str) and hasattr(fs, "fs") else path
            fs = inner
        else:
            break
    protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
    path = str(fs._strip_protocol(path))
    if protocol in ("file", "local"):
        return Address(Path(path))
    options = getattr(fs, "storage_options", {})
    host = getattr(fs, "endpoint_url", None) or (options.get("client_kwargs") or {}).get("endpoint_url")
    host = host or options.get("account_name") or options.get("host")
    return Address(None, _ONE_SERVICE.get(protocol, protocol), host, tuple(filter(None, path.split("/"))))


def _of_object_store(store: Any, names: tuple[str, ...]) -> Address:
    """The address in a store of obstore, or in one of a kind that nobody knows: equal stores are one."""
    inner = getattr(store, "store", None)
    kind, prefix = type(inner).__name__, getattr(inner, "prefix", None)
    if kind == "LocalStore":
        return Address(Path(str(prefix or "/"), *names))
    config = getattr(inner, "config", None) or {}
    bucket = config.get("bucket") or config.get("container_name") if hasattr(config, "get") else None
    service = {"S3Store": "s3", "GCSStore": "gs", "AzureStore": "az"}.get(kind)
    if service is not None and bucket is not None:
        below = tuple(filter(None, str(prefix or "").split("/")))
        return Address(None, service, config.get("endpoint"), (str(bucket), *below, *names))
    return Address(None, ("store", id(inner if inner is not None else store)), None, names)


def _holds(above: Path, below: Path) -> bool:
    """Whether a path is, or lies below, another. Of what does not exist, the folders that do are asked."""
    identity = _identity(above)
    if identity is not None and identity in _identities(below):
        return True
    return any(one == way or one in way.parents for one in _ways(above) for way in _ways(below))


def _ways(path: Path) -> set[Path]:
    """A path as it is named, and as it is when links have been followed."""
    named = Path(os.path.abspath(path))
    found = {named} if ".." not in path.parts else set()
    try:
        found.add(path.resolve())
    except (OSError, RuntimeError):  # a loop of links
        found.add(named)
    return found


def _identities(path: Path) -> set[tuple[int, int]]:
    """Device and inode of a path and of all folders that hold it, by any of its names."""
    found = (_identity(one) for way in _ways(path) for one in (way, *way.parents))
    return {identity for identity in found if identity is not None}


def is_among(address: Address, files: Iterable[str]) -> bool:
    """Whether a place is one of many files, by whatever name; asks the system once for each."""
    if address.path is None or (identity := _identity(address.path)) is None:
        return False
    return any(_identity(Path(file)) == identity for file in files)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return None
    return (stat.st_dev, stat.st_ino) if stat.st_ino else None


def above(at: StorePath | Folder) -> Iterator[StorePath | Folder]:
    """The places that hold a place, the nearest first: folders of a file system, or prefixes."""
    if isinstance(at, Folder):
        yield from map(Folder, _folders_above(at.path))
        return
    from zarr.storage import FsspecStore, LocalStore, StorePath

    store = zarr_internals.unwrapped(at.store)
    if isinstance(store, LocalStore):
        for folder in _folders_above(store.root / at.path):
            yield StorePath(LocalStore(folder, read_only=True))
        return
    names = [name for name in at.path.split("/") if name]
    for count in reversed(range(len(names))):
        yield StorePath(store, "/".join(names[:count]))
    if isinstance(store, FsspecStore):
        outer = [name for name in store.path.split("/") if name]
        for count in reversed(range(1, len(outer))):
            yield StorePath(FsspecStore(store.fs, read_only=True, path="/".join(outer[:count])))


def _folders_above(path: Path) -> Iterator[Path]:
    seen = set()
    for way in sorted(_ways(path)):
        for folder in way.parents:
            if folder not in seen:
                seen.add(folder)
                yield folder
