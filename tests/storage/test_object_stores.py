"""Object stores: a real S3 server (moto's), a process of its own, that fails now and then."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import small_volume
import zarr
from click.testing import CliRunner, Result
from numpy.testing import assert_array_equal
from small_files import FORMATS
from small_volume import RESULT, SETTINGS

import vrdask
from vrdask.cli import main
from vrdask.runs.apart import refuse_same_place
from vrdask.storage import retry
from vrdask.storage.open_place import store_path

s3fs = pytest.importorskip("s3fs", reason="vrdask[s3] is not installed")

x = small_volume.x


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of an S3 server."""
    command = [sys.executable, str(Path(__file__).parents[1] / "s3_server.py")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def s3(server, monkeypatch, tmp_path) -> Iterator[Callable[..., None]]:
    """Environment of a user of the server, with a bucket; gives a function that lets requests fail."""
    for name, value in {
        "AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setattr(retry, "SECONDS_BEFORE_RETRIES", (0.01, 0.02))
    s3fs.S3FileSystem.clear_instance_cache()

    def put(path: str) -> None:
        urllib.request.urlopen(urllib.request.Request(f"{server}/{path}", method="PUT")).close()

    def fail(times: int, text: str, method: str = "GET", status: int = 503) -> None:
        put(f"_fail/{status}/{times}/{method}/{text}")

    s3fs.S3FileSystem(skip_instance_cache=True).mkdir("bucket")
    try:
        yield fail
    finally:
        put("_heal")
        monkeypatch.undo()
        monkeypatch.setenv("AWS_ENDPOINT_URL", server)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        s3fs.S3FileSystem(skip_instance_cache=True).rm("bucket", recursive=True)
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def source(s3, x) -> str:
    zarr.create_array("s3://bucket/in.zarr", data=x, chunks=(16, 16, 16))
    return "s3://bucket/in.zarr"


@pytest.fixture
def small(s3) -> str:
    """A source of one chunk."""
    zarr.create_array("s3://bucket/in.zarr", data=np.arange(64, dtype="uint16").reshape(4, 4, 4), chunks=(4, 4, 4))
    return "s3://bucket/in.zarr"


def keys(below: str) -> list[str]:
    return s3fs.S3FileSystem(skip_instance_cache=True).find(f"bucket/{below}")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("shards", [None, 16])
def test_from_s3_to_s3(source, x, shards):
    result = vrdask.resample_zarr(source, "s3://bucket/out.zarr", RESULT, shards=shards, **SETTINGS)
    assert_array_equal(result[:], vrdask.resample(x, RESULT, "cubic"))
    assert not [key for key in keys("out.zarr") if ".vrdask" in key]
    with pytest.raises(FileExistsError, match="target must not exist"):
        vrdask.resample_zarr(source, "s3://bucket/out.zarr", RESULT)
    again = vrdask.resample_zarr(source, "s3://bucket/out.zarr", RESULT, mode="area", overwrite=True)
    assert_array_equal(again[:], vrdask.resample(x, RESULT, "area"))


@pytest.mark.parametrize("name", ["tiled.tif", "slide.svs", "chunks.h5", "volume.nii", "volume.nii.gz"])
def test_files_in_a_bucket(s3, tmp_path, name):
    for package in ("tifffile", "imagecodecs", "h5py", "nibabel"):
        pytest.importorskip(package)
    FORMATS[name](tmp_path / name)
    s3fs.S3FileSystem(skip_instance_cache=True).put(str(tmp_path / name), f"bucket/{name}")
    expected = vrdask.resample_zarr(tmp_path / name, tmp_path / "a.zarr", factor=0.5, axes=(0, 1))
    s3(2, name)
    result = vrdask.resample_zarr(f"s3://bucket/{name}", tmp_path / "b.zarr", factor=0.5, axes=(0, 1))
    assert_array_equal(result[:], expected[:])
    with pytest.raises(FileNotFoundError, match=rf"source must exist; got s3://bucket/x{name}"):
        vrdask.open(f"s3://bucket/x{name}")


def test_a_place_in_a_bucket_that_holds_the_source_is_refused(source):
    for target in ("s3://bucket/in.zarr", "s3://bucket/in.zarr/inside", "s3://bucket"):
        with pytest.raises(ValueError, match="target must lie outside the source"):
            refuse_same_place(source, target)
    refuse_same_place(source, "s3://bucket/in.zarr.small")


def test_errors_of_the_network_that_pass_are_retried(s3, source, x):
    s3(2, "in.zarr/c/1/1/1")
    s3(1, "out.zarr/c/1/1/1", "PUT")
    s3(1, "in.zarr/c/0/0/0", status=500)
    result = vrdask.resample_zarr(source, "s3://bucket/out.zarr", RESULT, **SETTINGS)
    assert_array_equal(result[:], vrdask.resample(x, RESULT, "cubic"))


def test_a_lasting_error_names_the_chunk_and_the_run_is_resumed(s3, source, x, server):
    s3(1000, "in.zarr/c/2/1/1")
    first = run("resample", source, "s3://bucket/out.zarr", "--factor", "0.5", "--mode", "linear", "--chunks", "8",
                "--memory-limit", "1MB", "--threads", "1", "--quiet")  # fmt: skip
    assert first.exit_code == 1
    assert "reading chunk c/2/1/1" in first.output
    assert "of s3://bucket/in.zarr failed" in first.output
    assert len(first.output.strip().splitlines()) == 1
    done = [key for key in keys("out.zarr") if "/c/" in key]
    assert done, "what was done before is kept"
    with pytest.raises(FileNotFoundError):
        zarr.open_array("s3://bucket/out.zarr", mode="r")
    heal(server)
    again = run("resample", source, "s3://bucket/out.zarr", "--factor", "0.5", "--mode", "linear", "--chunks", "8",
                "--memory-limit", "1MB", "--quiet", "--resume")  # fmt: skip
    assert again.exit_code == 0, again.output
    assert_array_equal(zarr.open_array("s3://bucket/out.zarr", mode="r")[:], vrdask.resample(x, RESULT, "linear"))
    assert not [key for key in keys("out.zarr") if ".vrdask" in key]


@pytest.fixture
def by_default(s3, monkeypatch, server) -> Callable[[], int]:
    """s3fs and botocore as they are by themselves; how many requests have failed since this was last asked."""
    monkeypatch.delenv("AWS_MAX_ATTEMPTS")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 5)
    before = [0]

    def failed() -> int:
        with urllib.request.urlopen(f"{server}/_failed") as answer:
            count = int(answer.read())
        before[0], since = count, count - before[0]
        return since

    failed()
    return failed


def test_a_lasting_error_costs_few_requests(source, s3, by_default, tmp_path, server):
    for key in ("in.zarr/c/2/1/1", "in.zarr/zarr.json"):
        s3(1000, key)
        result = run("resample", source, tmp_path / "out.zarr", "--factor", "0.5", "--threads", "1", "--quiet")
        assert result.exit_code == 1
        assert source in result.output
        assert 3 <= by_default() <= 6  # three attempts, and three more to find out which of several it was
        heal(server)


def test_a_lasting_error_of_an_array_that_zarr_has_opened_costs_few_requests(source, s3, by_default, x):
    array = zarr.open_array(source, mode="r")
    kept = array.store.fs
    s3(1000, "in.zarr/c/2/1/1")
    with pytest.raises(retry.StoreError, match="reading chunk c/2/1/1"):
        vrdask.resample(array, RESULT, "linear").compute(scheduler="threads", num_workers=1)
    assert 3 <= by_default() <= 6
    assert array.store.fs is kept
    assert kept.retries == 5, "the file system of others is left alone"


def test_a_store_sent_to_another_process_asks_once(source, s3, by_default):
    sent = pickle.dumps(store_path(source, "r"))
    s3fs.S3FileSystem.clear_instance_cache()  # as in a new process
    array = zarr.open_array(pickle.loads(sent), mode="r")
    assert array.store.fs.retries == 1
    s3(1000, "in.zarr/c/2/1/1")
    with pytest.raises(OSError, match="asked to fail"):
        array[:]
    assert by_default() == 1


def heal(server: str) -> None:
    urllib.request.urlopen(urllib.request.Request(f"{server}/_heal", method="PUT")).close()


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("in.zarr/zarr.json", "GET"),
        ("out.zarr/zarr.json", "PUT"),
        (".vrdask/lock.json", "PUT"),
        (".vrdask/lock.json", "GET"),
        (".vrdask/job.json", "PUT"),
        (".vrdask/done/", "PUT"),
        ("prefix=out.zarr%252F&", "GET"),
    ],
)
def test_errors_beside_the_chunks_are_retried(small, s3, by_default, text, method):
    s3(2, text, method)
    result = vrdask.resample_zarr(small, "s3://bucket/out.zarr", factor=0.5, mode="area")
    assert by_default() == 2
    assert_array_equal(result[:], vrdask.resample(zarr.open_array(small, mode="r")[:], (2, 2, 2), "area"))


@pytest.mark.parametrize(
    ("text", "method", "said"),
    [
        ("in.zarr/zarr.json", "GET", "reading the metadata s3://bucket/in.zarr/zarr.json failed: "),
        ("out.zarr/zarr.json", "PUT", "writing the metadata s3://bucket/out.zarr/zarr.json failed: "),
        (".vrdask/lock.json", "PUT", "writing the lock s3://bucket/out.zarr/.vrdask/lock.json failed: "),
        (".vrdask/lock.json", "GET", "reading the lock s3://bucket/out.zarr/.vrdask/lock.json failed: "),
        (".vrdask/job.json", "PUT", "writing the record s3://bucket/out.zarr/.vrdask/job.json failed: "),
        (".vrdask/done/", "PUT", "writing the record s3://bucket/out.zarr/.vrdask/done/00000001 failed: "),
        ("prefix=out.zarr%252F&", "GET", "listing s3://bucket/out.zarr"),
        ("out.zarr/c/0/0/0", "PUT", "writing chunk c/0/0/0"),
    ],
)
def test_lasting_errors_name_the_key_and_the_step(small, s3, by_default, text, method, said):
    s3(1000, text, method)
    result = run("resample", small, "s3://bucket/out.zarr", "--factor", "0.5", "--threads", "1", "--quiet")
    assert result.exit_code == 1
    assert said in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert by_default() <= 12


def test_a_lasting_error_takes_seconds(small, s3, by_default, tmp_path, monkeypatch):
    slept: list[float] = []
    monkeypatch.setattr(retry, "SECONDS_BEFORE_RETRIES", (0.1, 0.5, 2.0, 5.0))
    monkeypatch.setattr(retry.time, "sleep", slept.append)
    s3(1000, "in.zarr/c/0/0/0")
    begun = time.monotonic()
    assert run("resample", small, tmp_path / "out.zarr", "--factor", "0.5", "--threads", "1").exit_code == 1
    assert sum(slept) + time.monotonic() - begun < 20
    assert by_default() == 5


def test_without_the_right_to_list(source, s3, x, tmp_path):
    # S3 then says 403 of objects that are not there
    for name in ("in.zarr/.z", "in.zarr/c/0/0/0"):
        s3(1000, name, status=403)
    with pytest.raises(retry.StoreError, match=r"reading chunk c/0/0/0 .*PermissionError.* not there, too"):
        vrdask.resample_zarr(source, tmp_path / "out.zarr", RESULT)
    s3(1000, "in.zarr/zarr.json", status=403)
    with pytest.raises(PermissionError, match=r"reading the metadata s3://bucket/in.zarr/\S+ failed.* not there, too"):
        vrdask.resample_zarr(source, tmp_path / "out.zarr", RESULT)


def test_missing_or_wrong_credentials_and_buckets_are_told_in_one_line(s3, source, monkeypatch, tmp_path):
    def told(*arguments: str) -> str:
        s3fs.S3FileSystem.clear_instance_cache()
        result = run("resample", *arguments, "--factor", "0.5", "--quiet")
        assert result.exit_code == 1
        assert len(result.output.strip().splitlines()) == 1
        return result.output

    assert "s3://nowhere/out.zarr" in told(source, "s3://nowhere/out.zarr") or "ucket" in told(source, "s3://no/o.zarr")
    assert "s3://bucket/no.zarr" in told("s3://bucket/no.zarr", "s3://bucket/out.zarr")
    assert "must have a protocol that fsspec knows; got s4://" in told("s4://bucket/in.zarr", "s3://bucket/out.zarr")
    s3(1000, "list-type=2", status=403)
    assert "PermissionError" in told(source, "s3://bucket/out.zarr")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    said = told(source, "s3://bucket/out.zarr")
    assert re.search(f"reading the metadata {source}/[.z]\\w+(.json)? failed: NoCredentialsError", said)
    local = tmp_path / "in.zarr"
    zarr.create_array(local, data=np.zeros((4, 4)))
    said = told(str(local), "s3://bucket/out.zarr")
    assert "reading the lock s3://bucket/out.zarr/.vrdask/lock.json failed: NoCredentialsError" in said
