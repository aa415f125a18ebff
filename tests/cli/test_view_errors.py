"""`vrdask view` refuses in one line what it cannot show or must not replace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr
from pages import cells, image_at, made, run


def test_a_page_is_replaced_only_where_asked_for(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((3, 4)))
    target = tmp_path / "page.html"
    assert run(tmp_path / "x.npy", "-o", target).exit_code == 0
    before = target.read_bytes()
    again = run(tmp_path / "x.npy", "-o", target)
    assert (again.exit_code, target.read_bytes()) == (1, before)
    assert "target must not exist" in again.output
    assert "--overwrite" in again.output
    assert run(tmp_path / "x.npy", "-o", target, "--overwrite").exit_code == 0
    target.write_text("my diary")
    diary = run(tmp_path / "x.npy", "-o", target, "--overwrite")
    assert (diary.exit_code, target.read_text()) == (1, "my diary")
    assert "overwrite must replace a file of the format that its name promises" in diary.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "x.npy"]


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.zeros((3, 4)))
    target = tmp_path / "page.html"
    assert run(tmp_path / "x.npy", "-o", target).exit_code == 0
    before = target.read_bytes()

    def half(path, page):
        path.write_text(page[:100].decode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    done = run(tmp_path / "x.npy", "-o", target, "--overwrite")
    assert (done.exit_code, target.read_bytes()) == (1, before)
    assert "No space left" in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "x.npy"]


@pytest.mark.parametrize(
    ("data", "options", "status", "said"),
    [
        (np.zeros(5), (), 1, "a view must have two or three axes of space; got 0 of shape 5"),
        (np.zeros((3, 4), complex), (), 1, "a view must be of real numbers; got complex128"),
        (np.zeros((3, 4)), ("--embed", "much"), 1, "embed must be a number of bytes such as 2GiB or 500MB; got 'much'"),
        (np.zeros((3, 4)), ("--embed", "-1"), 1, "embed must be positive; got '-1'"),
        (np.zeros((3, 0)), (), 1, "a view must show at least one sample; got shape 3x0"),
        (np.zeros((3, 4)), ("--level", "2"), 1, "level and series must be 0"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(tmp_path, data, options, status, said):
    np.save(tmp_path / "x.npy", data)
    done = run(tmp_path / "x.npy", "-o", tmp_path / "page.html", *options)
    assert done.exit_code == status
    assert said in done.output
    assert "x.npy" in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("target", "status", "said"),
    [
        ("page.txt", 1, "a page's name must end in .html or .htm; got"),
        ("nowhere/page.html", 1, "the folder of a page must exist; got"),
        ("folder.html", 1, "target must not exist; got"),
    ],
)
def test_a_target_that_is_no_page_is_refused(tmp_path, target, status, said):
    np.save(tmp_path / "x.npy", np.zeros((3, 4)))
    (tmp_path / "folder.html").mkdir()
    done = run(tmp_path / "x.npy", "-o", tmp_path / target)
    assert (done.exit_code, said in done.output) == (status, True), done.output
    assert "Traceback" not in done.output


def test_a_source_that_is_not_there(tmp_path):
    done = run(tmp_path / "no.zarr", "-o", tmp_path / "page.html")
    assert (done.exit_code, "source must exist" in done.output) == (1, True)
    assert run(tmp_path / "no.zarr").exit_code == 2


def test_label_images_that_are_missing_are_told_with_the_way_out(tmp_path):
    place, *_ = cells(tmp_path)
    zarr.open_group(place / "labels", mode="r+").attrs["ome"] = {"version": "0.5", "labels": ["gone"]}
    done = run(place, "-o", tmp_path / "page.html")
    assert done.exit_code == 1
    assert "gone" in done.output
    assert "--no-labels leaves label images out" in done.output
    assert made(tmp_path, place, "--no-labels").view["labels"] == []


def test_a_plate_tells_where_its_images_are(tmp_path):
    plate = zarr.open_group(tmp_path / "plate.zarr", mode="w")
    plate.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "A/1"}]}}
    plate.create_group("A/1").attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
    image_at(tmp_path / "plate.zarr/A/1/0", np.ones((3, 4, 5), "uint8"))
    done = run(tmp_path / "plate.zarr", "-o", tmp_path / "page.html")
    assert (done.exit_code, "plate.zarr/A/1/0" in done.output) == (1, True)
    assert made(tmp_path, tmp_path / "plate.zarr/A/1/0").view["grid"]["sizes"] == [3, 4, 5]
