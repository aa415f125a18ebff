"""Stores that list nothing, a web server and any file system of fsspec: from them and to them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import small_volume
import zarr
from numpy.testing import assert_array_equal
from small_volume import RESULT, SETTINGS
from zarr.storage import LocalStore

import vrdask

pytest.importorskip("aiohttp", reason="vrdask[remote] is not installed")

x = small_volume.x


class NoListing(LocalStore):
    """A store that gives and takes objects and can do nothing else."""

    supports_listing = False

    async def list_dir(self, prefix):
        raise NotImplementedError
        yield

    async def delete_dir(self, prefix):
        raise NotImplementedError


def test_a_store_that_cannot_be_listed(x, tmp_path):
    place = tmp_path / "in.zarr"
    zarr.create_array(place, data=x, chunks=(16, 16, 16))
    chunk = place / "c" / "2" / "1" / "1"
    whole = chunk.read_bytes()
    chunk.write_bytes(b"")
    settings = SETTINGS | {"num_threads": 1}
    with pytest.raises(RuntimeError, match="reading chunk c/2/1/1"):
        vrdask.resample_zarr(NoListing(place), NoListing(tmp_path / "out.zarr"), RESULT, **settings)
    with pytest.raises(FileExistsError, match="unfinished run"):
        vrdask.resample_zarr(NoListing(place), NoListing(tmp_path / "out.zarr"), RESULT, **settings)
    chunk.write_bytes(whole)
    result = vrdask.resample_zarr(NoListing(place), NoListing(tmp_path / "out.zarr"), RESULT, resume=True, **settings)
    assert_array_equal(result[:], vrdask.resample(x, RESULT, "cubic"))
    assert not [path for path in (tmp_path / "out.zarr" / ".vrdask").rglob("*") if path.is_file()]


@pytest.fixture
def website(tmp_path) -> Iterator[tuple[Path, str]]:
    """A folder and the URL of an HTTP server of it, which lists nothing."""
    code = """
import http.server
class Handler(http.server.SimpleHTTPRequestHandler):
    def list_directory(self, path):
        self.send_error(403)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""
    (tmp_path / "site").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path / "site",
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield tmp_path / "site", f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_from_a_web_server_that_lists_nothing(website, x, tmp_path):
    folder, url = website
    zarr.create_array(folder / "in.zarr", data=x, chunks=(16, 16, 16))
    result = vrdask.resample_zarr(f"{url}/in.zarr", tmp_path / "out.zarr", RESULT, **SETTINGS)
    assert_array_equal(result[:], vrdask.resample(x, RESULT, "cubic"))
    with pytest.raises(FileNotFoundError, match="source must be a Zarr array"):
        vrdask.resample_zarr(f"{url}/no.zarr", tmp_path / "none.zarr", RESULT)


def test_any_filesystem_of_fsspec(x):
    zarr.create_array("memory://vrdask-test/in.zarr", data=x, chunks=(16, 16, 16))
    result = vrdask.resample_zarr("memory://vrdask-test/in.zarr", "memory://vrdask-test/out.zarr", RESULT, **SETTINGS)
    assert_array_equal(result[:], vrdask.resample(x, RESULT, "cubic"))
