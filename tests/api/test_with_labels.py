"""The labels beside an image come with it, onto the grid of the result: shrunk by majority, else nearest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from numpy.testing import assert_array_equal
from pyramids import image_at

import vrdask
from vrdask.cli import main
from vrdask.runs import beside
from vrdask.sources import open_source

X = np.random.default_rng(0).integers(0, 60_000, (2, 12, 20, 16)).astype("uint16")
CELLS = np.random.default_rng(1).choice(np.array([0, 7, 2**63 + 1], np.uint64), X.shape[1:])
SCALE = (2.0, 0.5, 0.5)
SAID = {"version": "0.5", "colors": [{"label-value": 7, "rgba": [255, 0, 0, 255]}], "source": {"image": "../../"}}


def add_labels(
    place: Path, name: str, x: np.ndarray, names: str, scale: Any, version: str = "0.5", **more: Any
) -> None:
    image_at(place / "labels" / name, x, scale, names, version=version, **{"image-label": SAID, **more})
    group = zarr.open_group(place / "labels", mode="a", zarr_format=2 if version == "0.4" else 3)
    listed = dict(group.attrs).get("ome", dict(group.attrs)).get("labels", [])
    said = {"labels": [*listed, name]}
    group.attrs.update(said if version == "0.4" else {"ome": {"version": "0.5", **said}})


def pictured(place: Path, version: str = "0.5") -> Path:
    """An image c, z, y, x with two label images, without channels and with one."""
    image_at(place, X, (1.0, *SCALE), "czyx", version=version)
    add_labels(place, "cells", CELLS, "zyx", SCALE, version)
    add_labels(place, "alike", CELLS[None], "czyx", (1.0, *SCALE), version)
    return place


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return pictured(tmp_path / "in.zarr")


def labels_of(place: Path, name: str = "cells") -> Any:
    return vrdask.open(place / "labels" / name)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"factor": 0.5}, vrdask.downsample(CELLS, 2, "majority")),
        ({"shape": (4, 20, 4)}, vrdask.downsample(CELLS, (3, 1, 4), "majority")),
        ({"factor": 0.5, "mode": "cubic"}, vrdask.downsample(CELLS, 2, "majority")),
        ({"factor": 2}, vrdask.resample(CELLS, (24, 40, 32), "nearest")),
        ({"shape": (7, 9, 31)}, vrdask.resample(CELLS, (7, 9, 31), "nearest")),
        ({"shape": (7, 10, 8), "align_corners": True}, vrdask.resample(CELLS, (7, 10, 8), "nearest", True)),
        ({"spacing": (2, 1.3, 1.3), "exact": True}, vrdask.resample(CELLS, factor=(1, 1 / 2.6, 1 / 2.6), exact=True,
                                                                    mode="nearest")),
        ({"factor": 0.5, "region": "c=1:2,z=2:8,x=4:12"}, vrdask.downsample(CELLS[2:8, :, 4:12], 2, "majority")),
        ({"factor": 0.5, "region": "z=2:8,x=4.5:12.5"}, vrdask.resample(CELLS[2:8], (3, 10, 4), "nearest",
                                                                        region={2: (4.5, 12.5)})),
    ],
)  # fmt: skip
def test_labels_have_the_samples_of_a_run_of_their_own(image, tmp_path, how, expected):
    vrdask.resample_zarr(image, tmp_path / "out.zarr", with_labels=True, **how)
    out = vrdask.open(tmp_path / "out.zarr")
    for name in ("cells", "alike"):
        made = labels_of(tmp_path / "out.zarr", name)
        assert_array_equal(np.asarray(made.array[:]).reshape(expected.shape), expected, strict=True)
        assert made.spacing[-3:] == out.spacing[-3:]
        assert made.image.is_labels


@pytest.mark.parametrize(
    "how",
    [
        {"factor": 0.5},
        {"factor": 0.4},
        {"shape": (5, 40, 9)},
        {"factor": 0.5, "region": "y=3:15"},
        {"factor": 0.5, "region": "z=2:8,y=3.25:15"},
    ],
)
def test_labels_lie_where_the_image_does(image, tmp_path, how):
    vrdask.resample_zarr(image, tmp_path / "out.zarr", with_labels=True, **how)
    out, made = vrdask.open(tmp_path / "out.zarr"), labels_of(tmp_path / "out.zarr")
    assert made.spacing == out.spacing[1:]
    assert made.origin == out.origin[1:]
    assert made.shape == out.shape[1:]


def test_a_channel_leaves_labels_alone(image, tmp_path):
    one = vrdask.open(image, channel=1)
    vrdask.resample_zarr(one, tmp_path / "out.zarr", factor=0.5, with_labels=True)
    assert_array_equal(labels_of(tmp_path / "out.zarr").array[:], vrdask.downsample(CELLS, 2, "majority"))


def test_labels_of_a_level_are_of_that_level(image, tmp_path):
    vrdask.write_pyramid(image, tmp_path / "pyramid.zarr", levels=1)
    vrdask.resample_zarr(
        open_source(tmp_path / "pyramid.zarr", level=1), tmp_path / "out.zarr", shape=(6, 20, 16), with_labels=True
    )
    half = vrdask.downsample(CELLS, 2, "majority")
    assert_array_equal(labels_of(tmp_path / "out.zarr").array[:], vrdask.resample(half, (6, 20, 16), "nearest"))
    group = vrdask.write_pyramid(open_source(tmp_path / "pyramid.zarr", level=1), tmp_path / "more.zarr", levels=1)
    assert_array_equal(group["labels/cells/0"][:], half)


@pytest.mark.parametrize(
    "how",
    [
        {"factor": 0.5},
        {"factor": 0.75},
        {"factor": 2},
        {"factor": 0.7, "region": "y=3:15,x=1:12"},
        {"factor": 0.7, "region": "y=3.5:15,x=1:12.25"},
    ],
)
def test_labels_of_other_sizes_lie_at_their_place(image, tmp_path, how):
    """At half the resolution: the label of every sample is the one that is nearest in the world."""
    z, y, x = (np.arange(n // 2) for n in CELLS.shape)
    coarse = (100 * z[:, None, None] + 10 * y[:, None] + x + 1).astype("uint16")
    steps = [{"type": "scale", "scale": [4.0, 1.0, 1.0]}, {"type": "translation", "translation": [1.0, 0.25, 0.25]}]
    add_labels(image, "coarse", coarse, "zyx", (4.0, 1.0, 1.0))
    group = zarr.open_group(image / "labels/coarse", mode="a")
    ome = dict(group.attrs)["ome"]
    ome["multiscales"][0]["datasets"][0]["coordinateTransformations"] = steps
    group.attrs["ome"] = ome
    vrdask.resample_zarr(image, tmp_path / "out.zarr", with_labels=True, **how)
    made, out = labels_of(tmp_path / "out.zarr", "coarse"), vrdask.open(tmp_path / "out.zarr")
    assert (made.shape, made.spacing, made.origin) == (out.shape[1:], out.spacing[1:], out.origin[1:])
    found = made.array[:].astype(int) - 1
    lines = zip(
        (found // 100, found // 10 % 10, found % 10),
        made.spacing,
        made.origin,
        (4.0, 1.0, 1.0),
        (1.0, 0.25, 0.25),
        strict=True,
    )
    for axis, (index, size, first, step, start) in enumerate(lines):
        place = first + size * np.indices(found.shape)[axis]
        ends = start - step / 2, start + step * (coarse.shape[axis] - 0.5)
        assert (np.abs(np.clip(place, *ends) - (start + step * index)) <= step / 2 + 1e-9).all()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_validators_and_readers_take_labels(tmp_path, version):
    image, target = pictured(tmp_path / "in.zarr", version), tmp_path / "out.zarr"
    vrdask.resample_zarr(image, target, factor=0.5, with_labels=True, ome_zarr_version=version)
    group = zarr.open_group(target, mode="r")
    attributes = dict(group["labels"].attrs)
    assert attributes.get("ome", attributes)["labels"] == ["cells", "alike"]
    said = dict(group["labels/cells"].attrs)
    assert said.get("ome", said)["image-label"]["colors"] == SAID["colors"]
    models = pytest.importorskip(f"ome_zarr_models.v{version.replace('.', '')}", reason="ome-zarr-models is missing")
    models.ImageLabel.from_zarr(zarr.open_group(target / "labels/cells", mode="r"))
    models.Labels.from_zarr(zarr.open_group(target / "labels", mode="r"))
    yaozarrs = pytest.importorskip("yaozarrs", reason="yaozarrs is not installed")
    for place in (target, target / "labels/cells"):
        yaozarrs.validate_zarr_store(str(place))
    io = pytest.importorskip("ome_zarr.io", reason="ome-zarr is not installed")
    reader = pytest.importorskip("ome_zarr.reader", reason="ome-zarr is not installed")
    nodes = list(reader.Reader(io.parse_url(str(target)))())
    assert {(2, 6, 10, 8), (6, 10, 8), (1, 6, 10, 8)} <= {node.data[0].shape for node in nodes if node.data}


def test_a_run_cut_off_before_its_labels_goes_on(image, tmp_path, monkeypatch):
    target, how = tmp_path / "out.zarr", {"factor": 0.5, "with_labels": True}

    def fails(*_: Any) -> None:
        raise OSError("cut off")

    monkeypatch.setattr(beside, "_list_labels", fails)
    with pytest.raises(OSError, match="cut off"):
        vrdask.resample_zarr(image, target, **how)
    monkeypatch.undo()
    with pytest.raises(FileExistsError, match="target must not exist"):
        vrdask.resample_zarr(image, target, **how)
    vrdask.resample_zarr(image, target, resume=True, **how)
    vrdask.resample_zarr(image, target, resume=True, **how)  # nothing is left to do
    assert_array_equal(labels_of(target).array[:], vrdask.downsample(CELLS, 2, "majority"))
    vrdask.resample_zarr(image, target, factor=2, overwrite=True)
    assert not (target / "labels").exists()
    vrdask.resample_zarr(image, target, factor=2, resume=True, with_labels=True)  # the labels alone
    vrdask.resample_zarr(image, target, overwrite=True, **how)
    assert_array_equal(labels_of(target).array[:], vrdask.downsample(CELLS, 2, "majority"))


def test_chunks_and_compressors_are_asked_for_once(image, tmp_path):
    vrdask.resample_zarr(
        image, tmp_path / "out.zarr", factor=2, with_labels=True, chunks={"y": 4, "x": 5}, compressors="gzip:1"
    )
    for name, chunks in (("cells", (8, 4, 5)), ("alike", (1, 8, 4, 5))):
        array = labels_of(tmp_path / "out.zarr", name).array
        assert array.chunks == chunks
        assert "gzip" in str(array.compressors).lower()


def test_shards_alone_are_those_of_the_image(image, tmp_path):
    labels = zarr.open_array(image / "labels/cells/0", mode="r")
    add_labels(image, "large", labels[:], "zyx", SCALE, chunks=(12, 20, 16))
    vrdask.resample_zarr(image, tmp_path / "out.zarr", factor=2, with_labels=True, shards=16)
    whole = vrdask.open(tmp_path / "out.zarr").array
    for name in ("cells", "large"):
        array = labels_of(tmp_path / "out.zarr", name).array
        assert (array.chunks, array.shards) == (whole.chunks[1:], whole.shards[1:])


@pytest.mark.parametrize("name", ["out.npy.zarr", "out.nii.gz", "out.png", "out.ozx"])
def test_what_holds_no_labels_is_refused(image, tmp_path, name):
    source: Any = vrdask.open(image, channel=0, region={"z": (3, 4)}) if name.endswith(".png") else image
    if name.endswith(".zarr"):  # nothing is known of the axes
        source = zarr.open_array(image / "0", mode="r")[0]
    with pytest.raises(ValueError, match="with_labels must be False unless the target is a new OME-Zarr image"):
        vrdask.resample_zarr(source, tmp_path / name, shape=(5, 5), with_labels=True)
    assert not (tmp_path / name).exists()


def test_the_command_tells_of_labels(image, tmp_path):
    call = ["resample", str(image), str(tmp_path / "out.zarr"), "--factor", "0.5", "--with-labels"]
    said = CliRunner().invoke(main, [*call, "--dry-run"])
    assert said.exit_code == 0, said.output
    assert "labels              cells\n" in said.output
    assert not (tmp_path / "out.zarr").exists()
    said = CliRunner().invoke(main, call)
    assert said.exit_code == 0, said.output
    assert f"{tmp_path / 'out.zarr'}/labels/cells: 6x10x8 uint64, OME-Zarr 0.5 image" in said.output
    assert "not resampled" not in said.output
    found = json.loads(CliRunner().invoke(main, ["info", str(tmp_path / "out.zarr"), "--json"]).output)
    assert sorted(found["labels"]) == ["alike", "cells"]
    image_at(tmp_path / "alone.zarr", X, (1.0, *SCALE), "czyx")
    said = CliRunner().invoke(main, [*call[:1], str(tmp_path / "alone.zarr"), str(tmp_path / "a.zarr"), *call[3:]])
    assert said.output.endswith(f"no labels lie beside {tmp_path / 'alone.zarr'}\n")
