"""What a target may replace: Zarr, what is ours and nothing; what is no Zarr is left alone."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import plain_array
import pytest
import zarr
from plain_array import X, contents, run

from vrdask.api.affine_zarr import affine_zarr
from vrdask.api.resample_zarr import resample_zarr

plain = plain_array.plain


@pytest.mark.parametrize("empty", ["", " ", "file://", "local://"])
def test_an_empty_name_is_no_place(plain, tmp_path, monkeypatch, empty):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years")
    monkeypatch.chdir(tmp_path / "home")
    for arguments in (("resample", plain, empty), ("resample", empty, "out.zarr")):
        status, said = run(*arguments, "--factor", "0.5", "--overwrite")
        assert (status, "a place must have a name" in said) == (1, True), said
    with pytest.raises(ValueError, match="a place must have a name"):
        affine_zarr(plain, empty, [2, 2], overwrite=True)
    assert [path.name for path in Path().iterdir()] == ["thesis.txt"]


def make_thesis(place: Path) -> None:
    place.mkdir()
    (place / "thesis.txt").write_text("years")


def make_folder_of_zarr(place: Path) -> None:
    zarr.create_array(place / "raw.zarr", data=X)
    zarr.create_array(place / "other.zarr", data=X)


def make_file(place: Path) -> None:
    place.write_text("years")


def make_folder_called_a_record(place: Path) -> None:
    (place / ".vrdask").mkdir(parents=True)
    (place / "thesis.txt").write_text("years")


KEPT = [make_thesis, make_folder_of_zarr, make_file, make_folder_called_a_record]


@pytest.mark.parametrize("make", KEPT)
@pytest.mark.parametrize("options", [{"overwrite": True}, {"resume": True}, {}], ids=["overwrite", "resume", "plain"])
@pytest.mark.parametrize("write", [resample_zarr, lambda s, t, **k: affine_zarr(s, t, [2, 2], **k)])
def test_what_is_no_zarr_is_left_alone(plain, tmp_path, make, options, write):
    make(tmp_path / "out.zarr")
    before = contents(tmp_path)
    arguments = {"factor": 0.5} if write is resample_zarr else {}
    with pytest.raises(FileExistsError, match=r"must replace Zarr|must hold an unfinished run|must not exist"):
        write(plain, tmp_path / "out.zarr", **arguments, **options)
    assert contents(tmp_path) == before


def make_zarr(place: Path) -> None:
    zarr.create_array(place, data=np.ones((9, 9)), chunks=(3, 3), zarr_format=2)


def make_group(place: Path) -> None:
    zarr.create_group(place).create_group("a").create_array("b", data=X)


def make_empty(place: Path) -> None:
    place.mkdir()


def make_beginning(place: Path) -> None:
    (place / ".vrdask" / "done").mkdir(parents=True)
    (place / ".vrdask" / "lock.json").write_text("{")


def make_unfinished(place: Path) -> None:
    make_beginning(place)
    (place / ".vrdask" / "job.json").write_text('{"mode"')
    (place / "c").mkdir()
    (place / "c" / "junk").write_text("junk")


@pytest.mark.parametrize("make", [make_zarr, make_group, make_empty, make_beginning, make_unfinished])
@pytest.mark.parametrize("affine", [False, True])
def test_overwrite_replaces_zarr_what_is_ours_and_nothing(plain, tmp_path, make, affine):
    target = tmp_path / "out.zarr"
    make(target)
    if affine:
        affine_zarr(plain, target, [2, 2], overwrite=True, chunks=4)
    else:
        resample_zarr(plain, target, factor=0.5, overwrite=True, chunks=4)
    assert zarr.open_array(target, mode="r").chunks == (4, 4)
    assert sorted(path.name for path in target.iterdir()) == ["c", "zarr.json"]
    assert sum(path.is_file() for path in (target / "c").rglob("*")) <= 16


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_overwrite_removes_a_link_and_not_what_it_leads_to(plain, tmp_path):
    make_thesis(tmp_path / "papers")
    make_group(tmp_path / "out.zarr")
    (tmp_path / "out.zarr" / "b").symlink_to(tmp_path / "papers")
    resample_zarr(plain, tmp_path / "out.zarr", factor=0.5, overwrite=True)
    assert (tmp_path / "papers" / "thesis.txt").read_text() == "years"
    assert not (tmp_path / "out.zarr" / "b").exists()


@pytest.mark.parametrize("made", ["beginning", "empty"])
@pytest.mark.parametrize("resume", [False, True])
def test_the_beginnings_of_a_record_are_a_beginning(plain, tmp_path, made, resume):
    (make_beginning if made == "beginning" else make_empty)(tmp_path / "out.zarr")
    resample_zarr(plain, tmp_path / "out.zarr", factor=0.5, resume=resume)
    assert sorted(path.name for path in (tmp_path / "out.zarr").iterdir()) == ["c", "zarr.json"]


@pytest.mark.parametrize(
    "name", ["out.mha", "out.tar.gz", "out.npy", "out.h5", "out.zip", "out.gif", "out.n5", "a.zarr/b.json"]
)
def test_a_name_that_promises_another_format_is_refused(plain, tmp_path, name):
    for target in (tmp_path / name, f"file://{tmp_path}/{name}", f"memory://x/{name}", f"s3://bucket/{name}"):
        with pytest.raises(ValueError, match=r"target must have no suffix or end in \.zarr"):
            resample_zarr(plain, target, factor=0.5)
    with pytest.raises(ValueError, match=r"the format \.\w+ is not written"):
        affine_zarr(plain, tmp_path / name, [2, 2])
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["out", "out.ZARR", "scan_0.5mm", "out.ome.zarr", "v1.2", ".hidden", "a.b/out"])
def test_names_that_promise_nothing_else_are_zarr(plain, tmp_path, name):
    assert resample_zarr(plain, tmp_path / name, factor=0.5).shape == (8, 8)
    assert zarr.open_array(tmp_path / name, mode="r").shape == (8, 8)


def test_a_picture_is_a_local_file(plain):
    with pytest.raises(ValueError, match="a picture must be a local file"):
        resample_zarr(plain, "memory://x/out.png", factor=0.5)
