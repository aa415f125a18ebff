"""Files behind URLs, read where they lie: in blocks, the latest of which are kept.

A library that reads a file in many small pieces would ask a server for each of them. Here it asks for a block of a
mebibyte at least, and for neighbours together. What is kept of a file is bounded, and each process has its own.
"""

from __future__ import annotations

import gc
import io
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from vrdask.storage.retry import ShortAnswerError, attempt, patiently, said_of

BLOCK_BYTES = 1 << 20
MOST_BLOCKS = 24
"""Of a file, that are kept."""
MOST_FILES = 4
"""Whose blocks a process keeps."""
_STATES = ("ETag", "etag", "LastModified", "Last-Modified", "last_modified", "mtime", "updated", "created")
"""What file systems say of an object that changes with it."""


def file_at(place: str) -> Path:
    """A path, or what does as much as formats ask of one: see `RemotePath`."""
    return cast(Path, RemotePath(place)) if is_remote(place) else Path(place)


def is_remote(place: str) -> bool:
    """Whether it is a URL; local ones are paths before they come here."""
    return "://" in place


class Stat(NamedTuple):
    """As `os.stat` has it; when it was written in the words of its store."""

    st_size: int
    st_mtime_ns: str


class _NoCollection:
    """No garbage is collected from the first of several threads to enter until the last one leaves.

    HDF5 reads with h5py's lock held, and waits for fsspec's thread; that would wait for the lock if it came to collect
    an object of h5py's.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._within = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._mutex:
            if self._within == 0:
                self._was_on = gc.isenabled()
                gc.disable()
            self._within += 1

    def __exit__(self, *error: object) -> None:
        with self._mutex:
            self._within -= 1
            if self._within == 0 and self._was_on:
                gc.enable()


_no_collection = _NoCollection()


class RemoteFile:
    """An object behind a URL, as this process reads it."""

    def __init__(self, url: str, stat: Stat, files: Any, path: str) -> None:
        self.url, self.stat = url, stat
        self._files, self._path = files, path
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._mutex = threading.Lock()

    def read_at(self, start: int, count: int) -> bytes:
        """Bytes from somewhere on, in any thread; fewer where the object ends.

        Raises
        ------
        StoreError
            They cannot be read.
        """
        stop = min(start + count, self.stat.st_size)
        if start >= stop:
            return b""
        if stop - start > MOST_BLOCKS * BLOCK_BYTES // 2:
            return self._fetched(start, stop)
        numbers = range(start // BLOCK_BYTES, -(-stop // BLOCK_BYTES))
        with self._mutex:
            found = {number: self._blocks[number] for number in numbers if number in self._blocks}
        for first, last in _runs([number for number in numbers if number not in found]):
            begin = first * BLOCK_BYTES
            data = self._fetched(begin, min((last + 1) * BLOCK_BYTES, self.stat.st_size))
            for number in range(first, last + 1):
                found[number] = data[number * BLOCK_BYTES - begin :][:BLOCK_BYTES]
        with self._mutex:
            for number in numbers:
                self._blocks[number] = found[number]
                self._blocks.move_to_end(number)
            while len(self._blocks) > MOST_BLOCKS:
                self._blocks.popitem(last=False)
        if len(numbers) == 1:
            begin = numbers.start * BLOCK_BYTES
            return found[numbers.start][start - begin : stop - begin]
        whole = b"".join(found[number] for number in numbers)
        return whole[start - numbers.start * BLOCK_BYTES :][: stop - start]

    def _fetched(self, start: int, stop: int) -> bytes:
        def fetch() -> bytes:
            data: bytes = self._files.cat_file(self._path, start=start, end=stop)
            if len(data) != stop - start:
                raise ShortAnswerError(f"the store must answer with {stop - start} bytes; got {len(data)}")
            return data

        with _no_collection:
            return attempt(lambda: f"reading bytes {start} to {stop} of {self.url}", fetch)


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of numbers that follow each other.

    >>> list(_runs([1, 2, 3, 7]))
    [(1, 3), (7, 7)]
    """
    for place, number in enumerate(numbers):
        if place == 0 or numbers[place - 1] != number - 1:
            first = number
        if place + 1 == len(numbers) or numbers[place + 1] != number + 1:
            yield first, number


_files: OrderedDict[tuple[int, str], RemoteFile] = OrderedDict()


def remote_file(url: str) -> RemoteFile:
    """The object behind a URL, as it was when it was last looked at; blocks of it are shared by all of a process."""
    return _files.get((os.getpid(), url)) or look(url)


def look(url: str) -> RemoteFile:
    """The object behind a URL, as it is now; blocks that are kept go where it has changed.

    Raises
    ------
    FileNotFoundError, PermissionError, StoreError
        It is not there, or the store does not say.
    ValueError
        The store does not say how long it is.
    ModuleNotFoundError
        A package for that kind of URL is not installed.
    """
    from vrdask.storage import remote  # which needs fsspec and zarr, as a local file does not
    from vrdask.storage.remote_store import asking_once

    files, path = remote.file_system(url)
    files = asking_once(files)

    def ask() -> Any:
        files.invalidate_cache(path)
        return files.info(path)

    with said_of(f"opening {url}"):
        try:
            said = patiently(f"opening {url}", ask)
        except FileNotFoundError:
            raise FileNotFoundError(f"source must exist; got {url}") from None
    size = said.get("size")
    if not isinstance(size, int):
        raise ValueError(f"source must be a file whose size its server tells; got {url}")
    stat = Stat(size, " ".join(str(said[name]) for name in _STATES if said.get(name)))
    key = os.getpid(), url
    if (known := _files.get(key)) is not None and known.stat == stat:
        return known
    found = _files[key] = RemoteFile(url, stat, files, path)
    while len(_files) > MOST_FILES:
        _files.popitem(last=False)
    return found


class RemoteReader(io.RawIOBase):
    """An object as a file that can be read, from any place on. It holds no connection, and travels into forks."""

    def __init__(self, url: str) -> None:
        self.name = url
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: remote_file(self.name).stat.st_size}[whence]
        if base + offset < 0:
            raise ValueError(f"a place in a file must be at least 0; got {base + offset}")
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = max(0, remote_file(self.name).stat.st_size - self._at)
        data = remote_file(self.name).read_at(self._at, size)
        self._at += len(data)
        return data

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)


@dataclass(frozen=True)
class RemotePath:
    """A URL, with as much of `pathlib.Path` as formats use."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def name(self) -> str:
        return self.url.partition("?")[0].rstrip("/").rpartition("/")[2]

    @property
    def parent(self) -> RemotePath:
        return RemotePath(self.url.partition("?")[0].rstrip("/").rpartition("/")[0])

    def __truediv__(self, name: str) -> RemotePath:
        return RemotePath(f"{self.url.rstrip('/')}/{name}")

    def is_file(self) -> bool:
        """Whether it is there."""
        try:
            look(self.url)
        except FileNotFoundError:
            return False
        return True

    def stat(self) -> Stat:
        """Its size and its state, as they are now."""
        return look(self.url).stat

    def open(self, mode: str = "rb", buffering: int = -1) -> Any:
        """A file to read. buffering : bytes that are asked for at a time by who reads all of it."""
        reader = RemoteReader(self.url)
        return io.BufferedReader(reader, buffering) if buffering > 1 else reader
