"""A web server on this machine that answers honestly or in one of many wrong ways."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import zarr

import vrdask
from vrdask.storage import retry

Answer = Callable[[BaseHTTPRequestHandler, bytes, "tuple[int, int] | None"], None]


class Website:
    """A folder served on this machine. `answer` may be set: how objects are answered whose path holds `text`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.text, self.answer = folder, "nothing", honest
        self.asked, self.missing = 0, 404
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                path = site.folder / self.path.partition("?")[0].lstrip("/")
                if not path.is_file():
                    self.send_response(site.missing)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                body, found = path.read_bytes(), re.match(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
                span = None
                if found and found[1]:
                    span = int(found[1]), min(len(body), int(found[2] or len(body)) + 1)
                elif found:
                    span = max(0, len(body) - int(found[2])), len(body)
                asked = site.text in self.path and self.command == "GET"
                site.asked += asked
                (site.answer if asked else honest)(self, body, span)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def honest(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    handler.send_response(200 if span is None else 206)
    sent = body if span is None else body[slice(*span)]
    if span is not None:
        handler.send_header("Content-Range", f"bytes {span[0]}-{span[1] - 1}/{len(body)}")
    handler.send_header("Content-Length", str(len(sent)))
    handler.send_header("Accept-Ranges", "bytes")
    handler.end_headers()
    if handler.command == "GET":
        handler.wfile.write(sent)


def knows_no_ranges(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    honest(handler, body, None)


def first(times: int, wrongly: Answer) -> Answer:
    """Wrongly so many times, then honestly."""
    left = [times]

    def answer(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
        left[0] -= 1
        (wrongly if left[0] >= 0 else honest)(handler, body, span)

    return answer


def empty(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    honest(handler, b"", None)


def half(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    """Half of what was asked for, and a length that says that this is all."""
    start, stop = span or (0, len(body))
    honest(handler, body[start : (start + stop) // 2], None)


def cut_off(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    """The connection ends before the length that was told."""
    sent = body if span is None else body[slice(*span)]
    handler.send_response(200 if span is None else 206)
    handler.send_header("Content-Length", str(len(sent)))
    handler.end_headers()
    handler.wfile.write(sent[: len(sent) // 2])
    handler.close_connection = True


def unavailable(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    handler.send_response(503)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def later(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    """Too many requests, for the moment."""
    handler.send_response(429)
    handler.send_header("Retry-After", "0.2")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def reset(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    """Some of it, and then an end of the connection that tells of an error."""
    handler.send_response(200 if span is None else 206)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[:10])
    handler.wfile.flush()
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.shutdown(socket.SHUT_RD)
    handler.connection.close()
    handler.close_connection = True


def pieces_cut_off(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    """In pieces of told lengths, without the one that ends them."""
    handler.send_response(200 if span is None else 206)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"10\r\n" + body[:16] + b"\r\n")
    handler.close_connection = True


def elsewhere(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    """As many bytes as were asked for, but others."""
    if span is None or span[0] == 0:
        honest(handler, body, span)
    else:
        honest(handler, body, (span[0] - 1, span[1] - 1))


def not_satisfied(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    handler.send_response(416)
    handler.send_header("Content-Range", "bytes */0")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def forbidden(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    handler.send_response(403)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def zipped(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    """Compressed on its way, as web servers do."""
    sent = gzip.compress(body if span is None else body[slice(*span)])
    handler.send_response(200 if span is None else 206)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(sent)))
    handler.end_headers()
    handler.wfile.write(sent)


def moved(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    """To a name below which the same lies."""
    if "moved" in handler.path:
        return honest(handler, body, span)
    handler.send_response(302)
    handler.send_header("Location", handler.path + "?moved")
    handler.send_header("Content-Length", "0")
    handler.end_headers()
    return None


def silent(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    time.sleep(3)
    handler.close_connection = True


@pytest.fixture
def website(tmp_path, monkeypatch) -> Iterator[Website]:
    monkeypatch.setattr(retry, "SECONDS_BEFORE_RETRIES", (0.01, 0.01, 0.01, 0.01))
    (tmp_path / "site").mkdir()
    site = Website(tmp_path / "site")
    try:
        yield site
    finally:
        site.server.shutdown()
        site.server.server_close()


@pytest.fixture
def x() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 60_000, (32, 48)).astype("uint16")


def stored(site: Website, x: np.ndarray, **options: object) -> str:
    zarr.create_array(site.folder / "in.zarr", data=x, chunks=(8, 8), **options)
    return f"{site.url}/in.zarr"


def halved(url: str, tmp_path: Path) -> np.ndarray:
    return vrdask.resample_zarr(url, tmp_path / "out.zarr", (16, 24), mode="area", overwrite=True)[:]


def endless(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    """All of a large object."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 40))
    handler.end_headers()
    handler.close_connection = True
    with contextlib.suppress(OSError):
        for _ in range(2000):
            handler.wfile.write(bytes(1 << 20))
