"""Servers that answer wrongly, late or not at all: their answers are refused or asked for again, and never taken."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal

import vrdask
from vrdask import attempts, remote

pytest.importorskip("aiohttp", reason="vrdask[remote] is not installed")

Answer = Callable[[BaseHTTPRequestHandler, bytes, "tuple[int, int] | None"], None]


class Website:
    """A folder served on this machine. `answer` may be set: how objects are answered whose path holds `text`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.text, self.answer = folder, "nothing", honest
        self.asked = 0
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: object) -> None:
                pass

            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                path = site.folder / self.path.lstrip("/")
                if not path.is_file():
                    self.send_response(404)
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
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.close_connection = True


def unavailable(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    handler.send_response(503)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def silent(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    time.sleep(3)
    handler.close_connection = True


@pytest.fixture
def website(tmp_path, monkeypatch) -> Iterator[Website]:
    monkeypatch.setattr(attempts, "SECONDS_BEFORE_RETRIES", (0.01, 0.01, 0.01, 0.01))
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


@pytest.mark.parametrize("location", ["start", "end"])
def test_a_range_answered_with_the_whole_object_is_refused(website, x, tmp_path, location):
    url = stored(website, x, shards={"shape": (32, 24), "index_location": location})
    assert_array_equal(halved(url, tmp_path), vrdask.resample(x, (16, 24), "area"))
    website.text, website.answer = "/c/", knows_no_ranges
    with pytest.raises(attempts.StoreError, match=r"reading chunk c/0/[01] .*bytes asked for; got"):
        halved(url, tmp_path)
    assert not (tmp_path / "out.zarr" / "zarr.json").exists()


@pytest.mark.parametrize("wrongly", [empty, half, cut_off, unavailable])
@pytest.mark.parametrize("shards", [None, (32, 24)])
@pytest.mark.parametrize("compressors", [None, "auto"])
def test_short_answers_are_asked_for_again(website, x, tmp_path, wrongly, shards, compressors):
    url = stored(website, x, shards=shards, compressors=compressors)
    website.text, website.answer = "/c/0/1", first(1, wrongly)
    assert_array_equal(halved(url, tmp_path), vrdask.resample(x, (16, 24), "area"))


@pytest.mark.parametrize("wrongly", [empty, half, cut_off, unavailable])
def test_short_answers_that_last_are_refused_after_a_few_requests(website, x, tmp_path, wrongly):
    url = stored(website, x)
    website.text, website.answer = "/c/0/1", wrongly
    with pytest.raises(attempts.StoreError, match=re.escape("reading chunk c/0/1")):
        halved(url, tmp_path)
    assert website.asked <= 12  # five together with others, five alone; what cannot be decoded, twice


def test_metadata_is_asked_for_again(website, x, tmp_path):
    url = stored(website, x)
    website.text, website.answer = "zarr.json", first(2, unavailable)
    assert_array_equal(halved(url, tmp_path), vrdask.resample(x, (16, 24), "area"))


def test_a_server_that_says_nothing_is_left(website, x, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "SECONDS_TO_READ", 0.2)
    monkeypatch.setattr(attempts, "SECONDS_BEFORE_RETRIES", (0.01,))
    url = stored(website, x)
    website.text, website.answer = "/c/0/1", silent
    begun = time.monotonic()
    with pytest.raises(attempts.StoreError, match=re.escape("reading chunk c/0/1")):
        halved(url, tmp_path)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("url", "extra"),
    [
        ("gs://b/x", "gcs"),
        ("az://b/x", "azure"),
        ("abfs://b/x", "azure"),
        ("s3://b/x", "s3"),
        ("https://h/x", "remote"),
    ],
)
def test_the_extra_that_a_url_needs_is_named(url, extra):
    assert remote.extra_of(url) == extra
