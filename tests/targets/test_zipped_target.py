"""Zipped OME-Zarr (.ozx) as a target: what RFC-9 asks of the file, and what others read of it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import ome_images
import pytest
import tifffile
import zarr
from click.testing import CliRunner
from numpy.testing import assert_array_equal

import vrdask
from vrdask.cli import main
from vrdask.runs import task
from vrdask.targets import zipped


@pytest.fixture
def image(tmp_path: Path) -> Path:
    ome_images.write(tmp_path / "in.zarr", "0.5")
    return tmp_path / "in.zarr"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("shards", [None, {"z": 4, "y": 10, "x": 4}])
def test_the_file_is_as_the_rfc_has_it(image, tmp_path, shards):
    how = {"factor": 0.5, "chunks": {"z": 2, "y": 5, "x": 4}, "shards": shards}
    made = vrdask.resample_zarr(image, tmp_path / "out.ozx", **how)
    plain = vrdask.resample_zarr(image, tmp_path / "out.zarr", **how)
    assert_array_equal(made[:], plain[:], strict=True)
    with zipfile.ZipFile(tmp_path / "out.ozx") as file:
        listed = file.infolist()
        assert [one.filename for one in listed][:2] == ["zarr.json", "0/zarr.json"]
        assert all(one.compress_type == zipfile.ZIP_STORED for one in listed)
        assert sorted(one.filename for one in listed) == sorted(
            one.relative_to(tmp_path / "out.zarr").as_posix()
            for one in (tmp_path / "out.zarr").rglob("*")
            if one.is_file()
        )
        assert [one.header_offset for one in listed] == sorted(one.header_offset for one in listed)
        assert file.read("zarr.json") == (tmp_path / "out.zarr" / "zarr.json").read_bytes()
        if shards is None:
            assert file.comment == b""
        else:  # the variant that the RFC recommends
            assert json.loads(file.comment.rstrip(b"\0")) == {"ome": {"version": "0.5"}}
    assert names(tmp_path) == ["in.zarr", "out.ozx", "out.zarr"]


def test_others_read_it(image, tmp_path):
    vrdask.resample_zarr(image, tmp_path / "out.ozx", factor=0.5)
    expected = vrdask.resample(ome_images.ramp((2,)), (6, 5, 7))
    with zarr.storage.ZipStore(tmp_path / "out.ozx", mode="r") as store:
        assert_array_equal(zarr.open_group(store, mode="r")["0"][:], expected)
    again = vrdask.open(tmp_path / "out.ozx")
    assert (again.spacing, again.origin) == ((1, 4, 1, 1.5), (0, 11, -2.75, 0.625))
    ngff_zarr = pytest.importorskip("ngff_zarr", reason="ngff-zarr is not installed")
    (found,) = ngff_zarr.from_ngff_zarr(str(tmp_path / "out.ozx")).images
    assert_array_equal(np.asarray(found.data), expected)
    assert found.translation["z"] == 11


def test_a_slide_becomes_channels(tmp_path):
    data = np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", data, photometric="rgb", tile=(16, 16), resolution=(20_000, 20_000),
                     resolutionunit="CENTIMETER")  # fmt: skip
    said = CliRunner().invoke(main, ["resample", str(tmp_path / "x.tif"), str(tmp_path / "out.ozx"), "--factor", "0.5"])
    assert said.exit_code == 0, said.output
    assert "out.ozx: 3x32x24 uint8, zipped OME-Zarr: axes c, y, x, spacing y 1, x 1 micrometer" in said.output
    expected = vrdask.resample(data, (32, 24), axes=(0, 1))
    assert_array_equal(vrdask.open(tmp_path / "out.ozx").array[:], expected.transpose(2, 0, 1))


def test_a_run_that_was_cut_off_goes_on(image, tmp_path, monkeypatch):
    target, how = tmp_path / "out.ozx", {"factor": 0.5, "chunks": 2, "num_threads": 1, "memory_limit": "100kB"}
    whole = vrdask.resample_zarr(image, tmp_path / "whole.ozx", **how)[:]
    apply, calls = task.compute_box, []

    def failing(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) > 3:
            raise RuntimeError("cut off")
        return apply(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(task, "compute_box", failing)
        with pytest.raises(RuntimeError, match="cut off"):
            vrdask.resample_zarr(image, target, **how)
    assert not target.exists()
    with pytest.raises(FileExistsError, match="unfinished run"):
        vrdask.resample_zarr(image, target, **how)
    with monkeypatch.context() as patch:  # while the file is put together
        patch.setattr(zipped.zipfile.ZipFile, "open", failing)
        with pytest.raises(RuntimeError, match="cut off"):
            vrdask.resample_zarr(image, target, resume=True, **how)
    assert not target.exists()
    assert_array_equal(vrdask.resample_zarr(image, target, resume=True, **how)[:], whole)
    assert target.read_bytes() == (tmp_path / "whole.ozx").read_bytes()
    before = target.stat().st_mtime_ns
    vrdask.resample_zarr(image, target, resume=True, **how)
    assert target.stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="resume must have the settings that the target was made with"):
        vrdask.resample_zarr(image, target, factor=0.25, resume=True)
    assert vrdask.resample_zarr(image, target, factor=0.25, overwrite=True).shape == (2, 3, 3, 4)
    assert names(tmp_path) == ["in.zarr", "out.ozx", "whole.ozx"]


def test_what_cannot_be_zipped_is_refused(image, tmp_path):
    zarr.create_array(tmp_path / "plain.zarr", data=np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"a zipped OME-Zarr target must be an image; .* nothing is known of its axes"):
        vrdask.resample_zarr(tmp_path / "plain.zarr", tmp_path / "out.ozx", factor=0.5)
    with pytest.raises(ValueError, match=r"a zipped OME-Zarr target must be of version 0\.5; got 0\.4"):
        vrdask.resample_zarr(image, tmp_path / "out.ozx", factor=0.5, ome_zarr_version="0.4")
    with pytest.raises(ValueError, match="zipped OME-Zarr must be a local file"):
        vrdask.resample_zarr(image, "memory://out.ozx", factor=0.5)
    with pytest.raises(ValueError, match=r"a pyramid is written as OME-Zarr"):
        vrdask.write_pyramid(image, tmp_path / "out.ozx")
    vrdask.resample_zarr(image, tmp_path / "there.ozx", factor=0.5)
    for write in (vrdask.resample_zarr, vrdask.write_pyramid):
        with pytest.raises(NotADirectoryError, match=r"target must lie in a folder; got .*there\.ozx is a file"):
            write(image, tmp_path / "there.ozx" / "out", **({"factor": 0.5} if write is vrdask.resample_zarr else {}))
    (tmp_path / "out.ozx").write_text("a thesis")
    for how in ({}, {"overwrite": True}):
        with pytest.raises(FileExistsError, match=r"target must not exist|a file of the format that its name promises"):
            vrdask.resample_zarr(image, tmp_path / "out.ozx", factor=0.5, **how)
    assert (tmp_path / "out.ozx").read_text() == "a thesis"
