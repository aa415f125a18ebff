"""Labels are not mixed: nearest where they grow, majority where they shrink by whole factors."""

import json

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from numpy.testing import assert_array_equal

import vrdask
from vrdask.api.affine_zarr import affine_zarr
from vrdask.cli import main
from vrdask.sources import open_source

X = np.random.default_rng(0).choice(np.array([0, 7, 2**63 + 1], np.uint64), (12, 8))


def sized(x: np.ndarray):
    """An array whose samples are known to lie 1 apart."""
    stored = zarr.create_array({}, data=x, chunks=(4, 4), dimension_names=("y", "x"))
    return open_source(stored, pixel_size={"y": 1, "x": 1})


@pytest.fixture
def cells(tmp_path):
    """An image of labels, and an image with labels beside it."""
    vrdask.write_pyramid(sized(X.astype("f4")), tmp_path / "image.zarr", levels=1)
    vrdask.write_pyramid(sized(X), tmp_path / "image.zarr" / "labels" / "cells", levels=0, mode="majority")
    for at, said in (("labels/cells", {"image-label": {}}), ("labels", {"labels": ["cells"]})):
        group = zarr.open_group(tmp_path / "image.zarr", path=at, mode="a")
        group.attrs["ome"] = {"version": "0.5", **dict(group.attrs).get("ome", {}), **said}
    return tmp_path / "image.zarr"


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((6, 4), vrdask.downsample(X, 2, "majority")),
        ((4, 8), vrdask.downsample(X, (3, 1), "majority")),
        ((24, 16), vrdask.resample(X, (24, 16), "nearest")),
        ((7, 4), vrdask.resample(X, (7, 4), "nearest")),
        ((24, 4), vrdask.resample(X, (24, 4), "nearest")),
    ],
)
def test_what_becomes_of_labels_where_no_mode_is_asked_for(cells, tmp_path, shape, expected):
    made = vrdask.resample_zarr(cells / "labels" / "cells", tmp_path / "out.zarr", shape)
    assert_array_equal(made[:], expected, strict=True)
    assert vrdask.open(tmp_path / "out.zarr").image.is_labels


def test_labels_may_be_called_so(tmp_path):
    plain = zarr.create_array({}, data=X, chunks=(4, 4))
    made = vrdask.resample_zarr(plain, tmp_path / "out.zarr", (6, 4), labels=True)
    assert_array_equal(made[:], vrdask.downsample(X, 2, "majority"), strict=True)
    with pytest.warns(UserWarning, match="labels are mixed by mode 'linear'"):
        vrdask.resample_zarr(plain, tmp_path / "mixed.zarr", (6, 4), mode="linear", labels=True)


def test_a_ramp_of_labels_lies_where_the_metadata_say(tmp_path):
    ramp = np.repeat(np.arange(6, dtype=np.uint16), 2)
    vrdask.write_pyramid(sized(np.stack([ramp] * 4)), tmp_path / "in.zarr", levels=0)
    vrdask.resample_zarr(tmp_path / "in.zarr", tmp_path / "out.zarr", factor=0.5, labels=True)
    out = vrdask.open(tmp_path / "out.zarr")
    assert out.spacing == (2.0, 2.0)
    assert_array_equal(out.array[0], (out.origin[1] + 2.0 * np.arange(6)) // 2)


def test_info_tells_of_an_image_as_a_whole(cells, tmp_path):
    said = CliRunner().invoke(main, ["info", str(cells)])
    assert said.exit_code == 0, said.output
    for text in ("OME-Zarr 0.5", "level 1         6x4, spacing 2, 2", "labels          cells"):
        assert text in said.output
    found = json.loads(CliRunner().invoke(main, ["info", str(cells), "--json"]).output)
    assert found["labels"] == ["cells"]
    assert [one["shape"] for one in found["levels"]] == [[12, 8], [6, 4]]
    assert found["levels"][1]["origin"] == [0.5, 0.5]
    labels = json.loads(CliRunner().invoke(main, ["info", str(cells / "labels" / "cells"), "--json"]).output)
    assert labels["is_labels"]
    within = json.loads(CliRunner().invoke(main, ["info", str(cells / "labels"), "--json"]).output)
    assert within == {"kind": "a group of labels", "images": [f"{cells}/labels/cells"]}
    np.save(tmp_path / "x.npy", X)
    plain = json.loads(CliRunner().invoke(main, ["info", str(tmp_path / "x.npy"), "--json"]).output)
    assert plain.keys() == found.keys()
    assert plain["spacing"] == [None, None]


def test_a_run_names_the_labels_that_it_leaves(cells, tmp_path):
    line = f"labels beside {cells}, which were not resampled: cells"
    for name, how in (
        ("resample", ("--factor", "0.5")),
        ("downsample", ("--factors", "2")),
        ("affine", ("--like", cells)),
    ):
        call = [name, str(cells), str(tmp_path / f"{name}.zarr"), *map(str, how)]
        said = CliRunner().invoke(main, call)
        assert said.exit_code == 0, said.output
        assert line in said.output
        said = CliRunner().invoke(main, [*call, "--overwrite", "--quiet"])
        assert line not in said.output


def test_a_level_called_by_its_own_path_belongs_to_its_image(cells, tmp_path):
    for place in (cells / "0", cells / "1"):
        said = CliRunner().invoke(
            main, ["resample", str(place), str(tmp_path / f"{place.name}.zarr"), "--factor", "0.5"]
        )
        assert said.exit_code == 0, said.output
        assert f"labels beside {place}, which were not resampled: cells" in said.output
        found = json.loads(CliRunner().invoke(main, ["info", str(place), "--json"]).output)
        assert (found["level"], found["labels"], len(found["levels"])) == (place.name, ["cells"], 2)
    made = vrdask.write_pyramid(cells / "0", tmp_path / "pyramid.zarr", levels=1)
    assert sorted(made["labels"]) == ["cells"]


def test_labels_are_not_mixed_by_a_map_either(cells, tmp_path):
    """Half a sample away each lies between two labels."""
    source = cells / "labels" / "cells"
    made = affine_zarr(source, tmp_path / "out.zarr", [1, 1], (0.25, -0.5))
    assert set(np.unique(made[:])) <= {*np.unique(X)}
    assert_array_equal(made[:], vrdask.affine_transform(X, [1, 1], (0.25, -0.5), mode="nearest"))
    affine_zarr(source, tmp_path / "like.zarr", like=cells / "1")
    assert set(np.unique(vrdask.open(tmp_path / "like.zarr").array[:])) <= {*np.unique(X)}
    with pytest.warns(UserWarning, match="labels are mixed by mode 'linear'"):
        affine_zarr(source, tmp_path / "mixed.zarr", like=cells / "1", mode="linear")
    said = CliRunner().invoke(main, ["affine", str(source), str(tmp_path / "c.zarr"), "--like", str(cells / "1")])
    assert said.exit_code == 0, said.output
    assert_array_equal(vrdask.open(tmp_path / "c.zarr").array[:], vrdask.open(tmp_path / "like.zarr").array[:])
    zarr.create_array(tmp_path / "plain.zarr", data=X)
    plain = affine_zarr(tmp_path / "plain.zarr", tmp_path / "plain out.zarr", [1, 1], (0.25, -0.5), labels=True)
    assert_array_equal(plain[:], made[:])
