"""A Zarr store of this machine, served on loopback alone as viewers in a browser read it.

Neuroglancer and vizarr read chunks by GET and shards by ranges, from pages of other origins: so every answer allows any
origin, and says what a page may read of it. What is served is the store and nothing else: plain files in its folder, by
names that lead neither up nor, through links, out of it.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

HOST = "127.0.0.1"
HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Length, Content-Range",
    "Accept-Ranges": "bytes",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
    "Access-Control-Allow-Headers": "Range",
    "Access-Control-Allow-Private-Network": "true",
}
"""What a browser wants to know before a page from elsewhere may ask this machine for ranges."""
PIECE_BYTES = 1 << 20
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


def new_server(root: Path, port: int) -> ThreadingHTTPServer:
    """A server of a folder, under its name; port 0 is any that is free."""
    server = ThreadingHTTPServer((HOST, port), partial(_Handler, root=root))
    server.daemon_threads = True
    return server


def span_of(asked: str | None, size: int) -> tuple[int, int] | None:
    """The bytes that a header `Range` asks for, from start to before stop; None for all, where it asks for no span, or
    for several.

    Raises
    ------
    ValueError
        They lie behind the end.

    >>> span_of("bytes=2-4", 10), span_of("bytes=-3", 10), span_of("bytes=7-", 10), span_of("lines=1-2", 10)
    ((2, 5), (7, 10), (7, 10), None)
    """
    found = _RANGE.fullmatch(asked or "")
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        raise ValueError(f"a range must lie within {size} bytes; got {asked}")
    return start, stop


def file_of(root: Path, path: str) -> Path | None:
    """The file of a folder that the path of a URL names; None where it names none.

    Raises
    ------
    OSError, ValueError
        It is no name of a file.
    """
    parts = unquote(path, errors="strict").split("/")
    if len(parts) < 3 or parts[:2] != ["", root.name]:
        return None
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts[2:]):
        return None
    found = Path(os.path.realpath(root.joinpath(*parts[2:])))
    return found if found.is_relative_to(os.path.realpath(root)) and found.is_file() else None


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def __init__(self, *given: Any, root: Path) -> None:
        self.root = root
        super().__init__(*given)

    def do_GET(self) -> None:
        file: BinaryIO | None = None
        with suppress(OSError, ValueError):
            found = file_of(self.root, urlsplit(self.path).path)
            file = None if found is None else found.open("rb")
        if file is None:
            self._answer(HTTPStatus.NOT_FOUND, {"Content-Length": "0"})
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            try:
                span = span_of(self.headers.get("Range"), size)
            except ValueError:
                said = {"Content-Range": f"bytes */{size}", "Content-Length": "0"}
                self._answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, said)
                return
            start, stop = span or (0, size)
            said = {"Content-Type": self._kind(), "Content-Length": str(stop - start)}
            if span is None:
                self._answer(HTTPStatus.OK, said, file, start, stop)
            else:
                said["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
                self._answer(HTTPStatus.PARTIAL_CONTENT, said, file, start, stop)

    do_HEAD = do_GET  # noqa: N815

    def do_OPTIONS(self) -> None:
        self._answer(HTTPStatus.NO_CONTENT, PREFLIGHT)

    def log_message(self, *arguments: Any) -> None:
        """Nothing: a viewer asks for thousands of chunks."""

    def _kind(self) -> str:
        name = urlsplit(self.path).path.rsplit("/", 1)[-1]
        return "application/json" if name == "zarr.json" or name.startswith(".z") else "application/octet-stream"

    def _answer(
        self, status: HTTPStatus, said: dict[str, str], file: BinaryIO | None = None, start: int = 0, stop: int = 0
    ) -> None:
        """What is said of bytes of a file, and the bytes, where they are asked for."""
        self.send_response(status)
        for header, value in {**HEADERS, **said}.items():
            self.send_header(header, value)
        try:
            self.end_headers()
            if self.command == "GET" and file is not None:
                self._send(file, start, stop)
        except (ConnectionError, TimeoutError):  # a viewer that has moved on
            self.close_connection = True

    def _send(self, file: BinaryIO, start: int, stop: int) -> None:
        file.seek(start)
        left = stop - start
        while left and (piece := file.read(min(left, PIECE_BYTES))):
            self.wfile.write(piece)
            left -= len(piece)
        if left:  # the file has become shorter than what was told
            self.close_connection = True
