"""Servers that answer wrongly, late or not at all: their answers are refused or asked for again, and never taken."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import websites
import zarr
from numpy.testing import assert_array_equal
from websites import (
    cut_off,
    elsewhere,
    empty,
    endless,
    first,
    forbidden,
    half,
    halved,
    knows_no_ranges,
    later,
    moved,
    not_satisfied,
    pieces_cut_off,
    reset,
    silent,
    stored,
    unavailable,
    zipped,
)

import vrdask
from vrdask.sources import open_source
from vrdask.storage import remote, retry

website = websites.website
x = websites.x

pytest.importorskip("aiohttp", reason="vrdask[remote] is not installed")


@pytest.mark.parametrize("location", ["start", "end"])
def test_a_range_answered_with_the_whole_object_is_refused(website, x, tmp_path, location):
    url = stored(website, x, shards={"shape": (32, 24), "index_location": location})
    assert_array_equal(halved(url, tmp_path), vrdask.resample(x, (16, 24), "area"))
    website.text, website.answer = "/c/", knows_no_ranges
    with pytest.raises(retry.StoreError, match=r"reading chunk c/0/[01] .*bytes asked for; got"):
        halved(url, tmp_path)
    assert not (tmp_path / "out.zarr" / "zarr.json").exists()


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
    config = remote.options_of("s3://b/x")["config_kwargs"]
    assert config == {
        "read_timeout": 5,
        "connect_timeout": 10,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
    }
