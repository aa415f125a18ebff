"""Servers that answer wrongly, late or not at all: their answers are refused or asked for again, and never taken."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import struct
import sys
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
from vrdask.sources import open_source
from vrdask.storage import remote, retry

pytest.importorskip("aiohttp", reason="vrdask[remote] is not installed")

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


@pytest.mark.parametrize("location", ["start", "end"])
def test_a_range_answered_with_the_whole_object_is_refused(website, x, tmp_path, location):
    url = stored(website, x, shards={"shape": (32, 24), "index_location": location})
    assert_array_equal(halved(url, tmp_path), vrdask.resample(x, (16, 24), "area"))
    website.text, website.answer = "/c/", knows_no_ranges
    with pytest.raises(retry.StoreError, match=r"reading chunk c/0/[01] .*bytes asked for; got"):
        halved(url, tmp_path)
    assert not (tmp_path / "out.zarr" / "zarr.json").exists()


def endless(handler: BaseHTTPRequestHandler, body: bytes, span: tuple[int, int] | None) -> None:
    """All of a large object."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 40))
    handler.end_headers()
    handler.close_connection = True
    with contextlib.suppress(OSError):
        for _ in range(2000):
            handler.wfile.write(bytes(1 << 20))


@pytest.mark.parametrize("location", ["start", "end"])
def test_a_whole_object_that_answers_a_range_is_not_even_read(website, x, tmp_path, location):
    url = stored(website, x, shards={"shape": (32, 24), "index_location": location})
    website.text, website.answer = "/c/", endless
    begun = time.monotonic()
    with pytest.raises(retry.StoreError, match=r"reading chunk c/0/[01] .*bytes asked for; got status 200"):
        halved(url, tmp_path)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("compressors", [None, "auto"])
def test_a_range_answered_with_another_one_is_refused(website, x, tmp_path, compressors):
    url = stored(website, x, shards=(32, 24), compressors=compressors)
    website.text, website.answer = "/c/", elsewhere
    with pytest.raises(retry.StoreError, match=r"reading chunk c/0/[01] .*bytes asked for; got status 206 and bytes"):
        halved(url, tmp_path)


@pytest.mark.parametrize("wrongly", [knows_no_ranges, elsewhere])
def test_ranges_that_zarr_asks_for_are_checked(website, x, tmp_path, wrongly):
    # here, zarr decodes
    values = x.astype("datetime64[s]")
    array = open_source(stored(website, values, shards=(32, 24), compressors=None)).array
    lazy = vrdask.resample(array, (16, 24), "nearest", chunks=(4, 12))
    assert_array_equal(lazy.compute(scheduler="threads"), vrdask.resample(values, (16, 24), "nearest"))
    website.text, website.answer = "/c/", wrongly
    with pytest.raises(retry.StoreError, match=r"reading chunk c/0/[01] .*bytes asked for; got"):
        lazy.compute(scheduler="threads")


def nearest(url: str, tmp_path: Path) -> np.ndarray:
    return vrdask.resample_zarr(url, tmp_path / "out.zarr", (16, 24), mode="nearest", overwrite=True)[:]


@pytest.mark.parametrize("wrongly", [empty, half, cut_off, unavailable, reset])
@pytest.mark.parametrize("shards", [None, (32, 24)])
def test_short_answers_to_zarr_are_asked_for_again(website, x, tmp_path, wrongly, shards):
    values = x.astype("datetime64[s]")
    url = stored(website, values, shards=shards)
    website.text, website.answer = "/c/0/1", first(1, wrongly)
    assert_array_equal(nearest(url, tmp_path), vrdask.resample(values, (16, 24), "nearest"))


@pytest.mark.parametrize("wrongly", [later, reset, pieces_cut_off, zipped, moved])
@pytest.mark.parametrize("shards", [None, (32, 24)])
def test_other_answers_of_servers(website, x, tmp_path, wrongly, shards):
    url = stored(website, x, shards=shards)
    lasting = wrongly in (zipped, moved)
    for website.text in ("/c/0/1", "zarr.json"):
        website.answer = wrongly if lasting else first(1, wrongly)
        assert_array_equal(halved(url, tmp_path), vrdask.resample(x, (16, 24), "area"))


@pytest.mark.parametrize("shards", [None, (32, 24)])
def test_an_empty_object_is_no_chunk(website, x, tmp_path, shards):
    url = stored(website, x, shards=shards)
    website.text, website.answer = "/c/0/1", not_satisfied if shards else empty
    with pytest.raises(retry.StoreError, match=re.escape("reading chunk c/0/1")):
        halved(url, tmp_path)


@pytest.mark.parametrize("lazily", [False, True])
@pytest.mark.parametrize("shards", [None, (32, 24)])
@pytest.mark.parametrize("wrongly", [empty, unavailable])
def test_an_array_that_zarr_has_opened(website, x, tmp_path, shards, wrongly, lazily):
    array = zarr.open_array(stored(website, x, shards=shards), mode="r")

    def made() -> np.ndarray:
        if lazily:
            return vrdask.resample(array, (16, 24), "area").compute(scheduler="threads")
        return halved(array, tmp_path)

    website.text, website.answer = "/c/0/1", first(2, wrongly)
    assert_array_equal(made(), vrdask.resample(x, (16, 24), "area"))
    website.answer = wrongly
    with pytest.raises(retry.StoreError, match=re.escape("reading chunk c/0/1")):
        made()
    if shards:
        website.answer = knows_no_ranges
        with pytest.raises(retry.StoreError, match="bytes asked for; got"):
            made()


def test_on_a_cluster(website, x, tmp_path):
    distributed = pytest.importorskip("distributed", reason="vrdask[distributed] is not installed")
    url = stored(website, x, shards=(32, 24))
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster),
    ):
        website.text, website.answer = "/c/0/1", first(2, unavailable)
        assert_array_equal(halved(url, tmp_path), vrdask.resample(x, (16, 24), "area"))
        website.answer = endless
        with pytest.raises(retry.StoreError, match=r"reading chunk c/0/1 .*bytes asked for; got status 200"):
            halved(url, tmp_path)


def test_what_servers_forbid(website, x, tmp_path):
    url = stored(website, x)
    website.missing = 403  # as stores say without the right to list
    assert_array_equal(halved(url, tmp_path), vrdask.resample(x, (16, 24), "area"))
    (website.folder / "in.zarr" / "c" / "0" / "1").unlink()
    with pytest.raises(retry.StoreError, match=r"reading chunk c/0/1 .*403.* not there, too"):
        halved(url, tmp_path)
    website.text, website.answer = "zarr.json", forbidden
    with pytest.raises(PermissionError, match=r"reading the metadata .*in\.zarr/\S+ failed.*403"):
        halved(url, tmp_path)


@pytest.mark.parametrize("wrongly", [empty, half, cut_off, unavailable])
def test_metadata_that_last_wrongly_are_named(website, x, tmp_path, wrongly):
    url = stored(website, x)
    website.text, website.answer = "zarr.json", first(1, wrongly)
    assert_array_equal(halved(url, tmp_path), vrdask.resample(x, (16, 24), "area"))
    website.answer, website.asked = wrongly, 0
    said = r"undamaged; got .*in\.zarr" if wrongly is half else r"reading the metadata .*in\.zarr/zarr\.json failed: "
    with pytest.raises((retry.StoreError, ValueError), match=said):
        halved(url, tmp_path)
    assert website.asked <= 6


def test_a_server_that_asks_to_wait_is_heard(website, x, tmp_path, monkeypatch):
    url = stored(website, x)
    slept: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", slept.append)
    website.text, website.answer = "/c/0/1", first(1, later)
    halved(url, tmp_path)
    assert slept == [0.2]


def test_attempts_end_after_a_time(monkeypatch):
    now, tries = [0.0], []

    def hangs() -> None:
        tries.append(now[0])
        now[0] += 30
        raise TimeoutError

    monkeypatch.setattr(retry.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(retry.time, "sleep", lambda seconds: None)
    with pytest.raises(retry.StoreError, match="reading c/0 failed: TimeoutError"):
        retry.attempt("reading c/0", hangs)
    assert tries == [0, 30]


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
    with pytest.raises(retry.StoreError, match=re.escape("reading chunk c/0/1")):
        halved(url, tmp_path)
    assert website.asked <= 12  # five together with others, five alone; what cannot be decoded, twice


def test_metadata_is_asked_for_again(website, x, tmp_path):
    url = stored(website, x)
    website.text, website.answer = "zarr.json", first(2, unavailable)
    assert_array_equal(halved(url, tmp_path), vrdask.resample(x, (16, 24), "area"))


def test_a_server_that_says_nothing_is_left(website, x, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "SECONDS_TO_READ", 0.2)
    monkeypatch.setattr(retry, "SECONDS_BEFORE_RETRIES", (0.01,))
    url = stored(website, x)
    website.text, website.answer = "/c/0/1", silent
    begun = time.monotonic()
    with pytest.raises(retry.StoreError, match=re.escape("reading chunk c/0/1")):
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


@pytest.mark.parametrize(("url", "extra"), [("gs://b/x", "gcs"), ("az://b/x", "azure"), ("abfs://b/x", "azure")])
def test_the_extra_that_is_missing_is_named(url, extra, x, tmp_path, monkeypatch):
    for package in ("gcsfs", "adlfs"):
        monkeypatch.setitem(sys.modules, package, None)
    zarr.create_array(tmp_path / "in.zarr", data=x)
    for source, target in ((url, tmp_path / "out.zarr"), (tmp_path / "in.zarr", url)):
        with pytest.raises(ModuleNotFoundError, match=rf"{url} needs .*pip install 'vrdask\[{extra}\]'"):
            vrdask.resample_zarr(source, target, (4, 4))


def test_a_file_system_that_lacks_credentials_is_told_with_the_url(x, tmp_path, monkeypatch):
    import fsspec

    class Lacking(fsspec.AbstractFileSystem):
        def __init__(self, *arguments: object, **named: object) -> None:
            raise ValueError("Must provide either a connection_string or account_name")

    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, "abfs", Lacking)
    zarr.create_array(tmp_path / "in.zarr", data=x)
    for source, target in (("abfs://b/x", tmp_path / "out.zarr"), (tmp_path / "in.zarr", "abfs://b/x")):
        with pytest.raises(ValueError, match="abfs://b/x: Must provide either a connection_string"):
            vrdask.resample_zarr(source, target, (4, 4))


def test_settings_of_the_user_go_before_ours(monkeypatch):
    import fsspec.config

    monkeypatch.setitem(
        fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 5, "retries": {"max_attempts": 9}}}
    )
    config = remote._options("s3://b/x")["config_kwargs"]
    assert config == {
        "read_timeout": 5,
        "connect_timeout": 10,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
    }
