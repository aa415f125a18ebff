"""`vrdask serve`: a store, its ranges and headers, and nothing beside it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from urllib.parse import unquote

import numpy as np
import pytest
import zarr
from browser import browser
from click.testing import CliRunner
from numpy.testing import assert_array_equal
from pages import cells

from vrdask.cli import main
from vrdask.cli.store_server import HOST, new_server


@pytest.fixture
def store(tmp_path):
    """A served store with a file of bytes 0 to 99, beside a secret; its address."""
    data = np.arange(5000, dtype="uint16").reshape(50, 100)
    zarr.create_array(tmp_path / "my store.zarr", data=data, chunks=(10, 50), shards=(50, 100))
    (tmp_path / "my store.zarr" / "bytes").write_bytes(bytes(range(100)))
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "my store.zarr2").mkdir()
    (tmp_path / "my store.zarr2" / "zarr.json").write_text("secret")
    server = new_server(tmp_path / "my store.zarr", 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://{HOST}:{server.server_port}/my%20store.zarr"
    server.shutdown()
    thread.join()
    server.server_close()


def asked(address, method="GET", **headers):
    """Status, headers and body of an answer."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address, method=method, headers=names)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def asked_as_it_stands(address, path):
    """The same for a path that a client would put right by itself."""
    host, port = re.match(r"http://([\d.]+):(\d+)/", address).groups()
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_a_file_whole_and_its_head(store):
    status, headers, body = asked(f"{store}/bytes")
    assert (status, body) == (200, bytes(range(100)))
    assert (headers["Content-Length"], headers["Accept-Ranges"]) == ("100", "bytes")
    status, headers, body = asked(f"{store}/bytes", "HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", "100")
    assert asked(f"{store}/zarr.json?version=1")[1]["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("span", "start", "stop"),
    [("0-0", 0, 1), ("10-19", 10, 20), ("90-", 90, 100), ("-7", 93, 100), ("-200", 0, 100), ("95-2000", 95, 100)],
)
def test_a_range_is_answered_by_its_bytes(store, span, start, stop):
    status, headers, body = asked(f"{store}/bytes", Range=f"bytes={span}")
    assert (status, body) == (206, bytes(range(start, stop)))
    assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/100"
    status, headers, body = asked(f"{store}/bytes", "HEAD", Range=f"bytes={span}")
    assert (status, body, headers["Content-Length"]) == (206, b"", str(stop - start))


@pytest.mark.parametrize("span", ["bytes=100-", "bytes=200-300", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(store, span):
    status, headers, body = asked(f"{store}/bytes", Range=span)
    assert (status, body, headers["Content-Range"]) == (416, b"", "bytes */100")


@pytest.mark.parametrize(
    "span", ["bytes=5-2", "bytes=-", "bytes=0-1,4-5", "lines=0-1", "bytes=a-b", f"bytes={10**30}-"]
)
def test_a_range_that_is_none_gives_all(store, span):
    assert asked(f"{store}/bytes", Range=span)[0::2] == (200, bytes(range(100)))


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/nothing", "/c", "/..", "/../secret", "/c/../../secret", "/%2e%2e/secret", "/%2E%2E%2Fsecret",
        "/..%2fsecret", "/%252e%252e/secret", "/..%5csecret", "/..\\secret", "/./bytes", "//bytes", "/c/../bytes",
        "/%00", "/bytes%00", "/%ff%fe", "2/zarr.json", "/bytes/", "/" + "a" * 5000, "/../my%20store.zarr2/zarr.json",
    ],
)  # fmt: skip
def test_nothing_but_files_of_the_store_is_there(store, path):
    status, body = asked_as_it_stands(store, "/my%20store.zarr" + path)
    assert (status, body) == (404, b"")


@pytest.mark.parametrize("path", ["/", "/secret", "/../secret", "//etc/passwd", "/etc/passwd", "http://x/secret", "*"])
def test_nothing_beside_the_store_is_there(store, path):
    assert asked_as_it_stands(store, path) == (404, b"")


def test_links_do_not_lead_out_of_the_store(store, tmp_path):
    root = tmp_path / "my store.zarr"
    (root / "inside").symlink_to(root / "bytes")
    (root / "outside").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    assert asked(f"{store}/inside")[2] == bytes(range(100))
    assert asked(f"{store}/outside")[0::2] == (404, b"")
    assert asked(f"{store}/folder/secret")[0::2] == (404, b"")


def test_a_pipe_does_not_hold_the_server_up(store, tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes with names on this system")
    os.mkfifo(tmp_path / "my store.zarr" / "pipe")
    assert asked(f"{store}/pipe")[0] == 404


def test_pages_of_every_origin_may_read_it(store):
    for method in ("GET", "HEAD"):
        for path in ("bytes", "nothing"):
            _, headers, _ = asked(f"{store}/{path}", method, Origin="https://neuroglancer-demo.appspot.com")
            assert headers["Access-Control-Allow-Origin"] == "*"
            assert "Content-Range" in headers["Access-Control-Expose-Headers"]
    status, headers, _ = asked(
        f"{store}/bytes", "OPTIONS", Origin="https://hms-dbmi.github.io", Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="range", Access_Control_Request_Private_Network="true",
    )  # fmt: skip
    assert status == 204
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Allow-Headers"] == "Range"
    assert {"GET", "HEAD"} <= {*headers["Access-Control-Allow-Methods"].split(", ")}
    assert headers["Access-Control-Allow-Private-Network"] == "true"


def test_nothing_can_be_written(store, tmp_path):
    for method in ("PUT", "POST", "DELETE"):
        assert asked(f"{store}/bytes", method)[0] == 501
    assert (tmp_path / "my store.zarr" / "bytes").stat().st_size == 100


def test_it_listens_on_loopback_alone(tmp_path):
    with new_server(tmp_path, 0) as server:
        assert server.socket.getsockname()[0] == "127.0.0.1"


def test_a_page_from_elsewhere_reads_the_end_of_a_shard(store, tmp_path):
    with browser(tmp_path / "chromium") as tab, new_server(tmp_path / "my store.zarr", 0) as other:
        threading.Thread(target=other.serve_forever, args=(0.01,), daemon=True).start()
        tab.open(f"http://{HOST}:{other.server_port}/my%20store.zarr/zarr.json")
        found = tab.value(
            f"""fetch("{store}/bytes", {{headers: {{Range: "bytes=-4"}}}}).then(async (answer) =>
            [answer.status, answer.headers.get("Content-Range"), ...new Uint8Array(await answer.arrayBuffer())])"""
        )
        other.shutdown()
    assert found == [206, "bytes 96-99/100", 96, 97, 98, 99]


def test_zarr_reads_shards_through_it(store):
    pytest.importorskip("aiohttp", reason="vrdask[remote] is not installed")
    found = zarr.open_array(store, mode="r")
    assert_array_equal(found[33:44, 20:60], np.arange(5000).reshape(50, 100)[33:44, 20:60])


HEARS_CTRL_C = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run behind a shell's &
runpy.run_module("vrdask", run_name="__main__", alter_sys=True)
"""


def test_the_command_prints_links_and_ends_with_ctrl_c(tmp_path):
    place, *_ = cells(tmp_path)
    command = [sys.executable, "-c", HEARS_CTRL_C, "serve", str(place)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = dict(process.stdout.readline().rstrip("\n").split(maxsplit=1) for _ in range(5))
            status, _, body = asked(f"{lines['store']}/zarr.json")
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (status, json.loads(body)["node_type"]) == (200, "group")
    assert (process.returncode, said) == (0, "")
    start, state = lines["neuroglancer"].split("#!")
    assert start == "https://neuroglancer-demo.appspot.com/"
    image, labels = json.loads(unquote(state))["layers"]
    assert image == {"type": "image", "source": f"zarr://{lines['store']}", "name": "cells.zarr"}
    assert labels == {"type": "segmentation", "source": f"zarr://{lines['store']}/labels/nuclei", "name": "nuclei"}
    assert lines["vizarr"].startswith("https://hms-dbmi.github.io/vizarr/?source=http%3A%2F%2F127.0.0.1%3A")
    assert lines["napari"].endswith(str(place))


def serve(*arguments):
    return CliRunner().invoke(main, ["serve", *map(str, arguments)])


def test_what_is_no_store_of_this_machine_is_refused(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.zarr").write_text("x")
    for place, said in (
        (tmp_path / "nothing.zarr", "a store to serve must exist; got"),
        (tmp_path / "folder", "a store to serve must be a folder that is Zarr; got"),
        (tmp_path / "file.zarr", "a store to serve must be a folder that is Zarr; got"),
        ("s3://bucket/x.zarr", "a store to serve must be on this machine; got s3://bucket/x.zarr"),
    ):
        done = serve(place)
        assert (done.exit_code, said in done.output) == (1, True), done.output
        assert str(place) in done.output
        assert len(done.output.strip().splitlines()) == 1
    assert serve(tmp_path, "--port", "70000").exit_code == 2


def test_a_port_that_is_taken_is_refused(tmp_path):
    zarr.create_array(tmp_path / "x.zarr", data=np.zeros(3))
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        done = serve(tmp_path / "x.zarr", "--port", port)
    assert done.exit_code == 1
    assert f"port must be free; got {port}" in done.output
