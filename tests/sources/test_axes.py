"""What an image says of its axes, in every version: channels and times are left alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
import zarr
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal
from ome_images import SCALE, SHIFT, write

import vrdask
from vrdask.api.resample_zarr import prepare
from vrdask.cli import main
from vrdask.sources import open_source

KINDS = ["0.1", "0.2", "0.3", "0.4", "untyped 0.4", "global 0.4", "0.5", "spatialdata", "0.6"]
WITHOUT_SPACING = ("0.1", "0.2", "0.3")


@pytest.mark.parametrize("below", ["", "/s0", "/deep/down/s0"])
@pytest.mark.parametrize("kind", KINDS)
def test_only_space_is_resampled(tmp_path, kind, below):
    path = below.strip("/") or "s0"
    data = write(tmp_path / "image.zarr", kind, path)
    place = f"{tmp_path}/image.zarr{below}"
    result = vrdask.resample_zarr(place, tmp_path / "out.zarr", factor=0.5)
    assert result.shape == (*data.shape[:-3], 6, 5, 7)
    assert_allclose(result[:], vrdask.resample(data, (6, 5, 7)))
    image = open_source(place).image
    if kind in WITHOUT_SPACING:  # which nobody has said
        assert np.isnan(image.scale[-3:]).all()
        assert np.isnan(open_source(tmp_path / "out.zarr").spacing[-3:]).all()
        with pytest.raises(ValueError, match="spacing must be known for the source"):
            vrdask.resample_zarr(place, tmp_path / "spaced.zarr", spacing=2)
        vrdask.resample_zarr(place, tmp_path / "spaced.zarr", spacing="2um", pixel_size="z=1um,y=1um,x=1um")
        return
    assert (list(image.scale[-3:]), list(image.translation[-3:])) == (SCALE, SHIFT)
    (multiscale,) = zarr.open_group(tmp_path / "out.zarr", mode="r").attrs["ome"]["multiscales"]
    assert [axis["type"] for axis in multiscale["axes"]] == ["channel", "space", "space", "space"]
    scale, shift = (one[one["type"]][1:] for one in multiscale["datasets"][0]["coordinateTransformations"])
    index = np.indices(result.shape[1:])
    ramp = sum(w * (s * i + t) for w, s, i, t in zip((1, 100, 10_000), scale, index, shift, strict=True))
    assert_allclose(result[0], ramp, rtol=1e-11)


def test_a_coordinate_system_is_chosen_never_the_product_of_all(tmp_path):
    write(tmp_path / "image.zarr", "spatialdata")
    place = tmp_path / "image.zarr"
    assert list(open_source(place).image.scale[1:]) == SCALE
    assert list(open_source(place, coordinate_system="large").image.scale[1:]) == [3 * s for s in SCALE]
    assert list(open_source(place / "s0", coordinate_system="large").image.translation[1:]) == [3 * t for t in SHIFT]
    with pytest.raises(ValueError, match="one that the image tells of, large, global, turned; got 'small'"):
        open_source(place, coordinate_system="small")
    with pytest.raises(ValueError, match="one of scale, translation, identity, sequence; got 'affine'"):
        open_source(place, coordinate_system="turned")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "0.7"}, "must be of version 0.1 to 0.6; got '0.7'"),
        ({"version": "0.45"}, "must be of version 0.1 to 0.6; got '0.45'"),
        ({"version": 0.4}, "must be a text; got 0.4"),
        ({"version": "0.2"}, "must be t, c, z, y, x; got c, z, y, x"),
        ({"axes": [{"name": n, "type": "space"} for n in "czyx"]}, "axis c must be of type channel"),
        ({"axes": ["c", "y", "x"]}, "scale must hold 3 finite numbers"),
        ({"axes": ["c", "y", "x", "x"]}, "axes must not repeat"),
        ({"coordinateTransformations": [{"type": "scale", "scale": [1, 1, 0, 1]}]}, "must hold positive numbers"),
        ({"coordinateTransformations": [{"type": "scale", "scale": [1, 1, -2, 1]}]}, "must hold positive numbers"),
        ({"coordinateTransformations": [{"type": "rotation", "rotation": []}]}, "got 'rotation'"),
        ({"coordinateTransformations": [{"type": "mapAxis"}]}, "got 'mapAxis'"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path, change, message):
    write(tmp_path / "image.zarr", "0.4")
    file = tmp_path / "image.zarr" / ".zattrs"
    said = json.loads(file.read_text())
    said["multiscales"][0].update(change)
    file.write_text(json.dumps(said))
    for place in (tmp_path / "image.zarr", tmp_path / "image.zarr" / "s0"):
        with pytest.raises(ValueError, match=message):
            open_source(place)


@pytest.mark.parametrize("form", [2, 3])
def test_names_of_an_array_tell_what_is_space(tmp_path, form):
    names = ("time", "lat", "lon") if form == 2 else ("channel", "Y", "x")
    said = {"attributes": {"_ARRAY_DIMENSIONS": list(names)}} if form == 2 else {"dimension_names": names}
    zarr.create_array(tmp_path / "a.zarr", data=np.zeros((2, 8, 6)), chunks=(1, 8, 6), zarr_format=form, **said)
    assert vrdask.resample_zarr(tmp_path / "a.zarr", tmp_path / "out.zarr", factor=0.5).shape == (2, 4, 3)


def test_two_images_in_one_group_must_be_told_apart(tmp_path):
    data = write(tmp_path / "image.zarr", "0.5")
    group = zarr.open_group(tmp_path / "image.zarr")
    group.create_array("other", data=data + 1)
    first = group.attrs["ome"]["multiscales"][0]
    second = {**first, "name": "b", "datasets": [{**first["datasets"][0], "path": "other"}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [first, second]}
    with pytest.raises(ValueError, match=r"one image; got 2, .* s0 \(without a name\), other \(b\): name one"):
        open_source(tmp_path / "image.zarr")
    other = tmp_path / "image.zarr" / "other"
    assert open_source(other).image.name == "b"
    assert_array_equal(open_source(other).array[:], data + 1)
    said = CliRunner().invoke(main, ["resample", str(other), str(tmp_path / "out.zarr"), "--factor", "0.5"])
    assert said.exit_code == 0, said.output
    group.attrs["ome"] = {"version": "0.5", "multiscales": [first, {**first, "type": "again"}]}  # one, said twice
    assert open_source(tmp_path / "image.zarr").shape == data.shape


def test_a_unit_that_nobody_knows_is_kept_and_said(tmp_path):
    write(tmp_path / "image.zarr", "0.5")
    group = zarr.open_group(tmp_path / "image.zarr")
    ome = group.attrs["ome"]
    ome["multiscales"][0]["axes"][1]["unit"] = "furlong"
    group.attrs["ome"] = ome
    job = prepare(tmp_path / "image.zarr", tmp_path / "out.zarr", factor=0.5)
    assert job.notes == ("OME-Zarr has no such unit as that of z 'furlong', which is kept as it is",)
    with pytest.raises(ValueError, match="must be in furlong, or a unit that becomes furlong; got 2 micrometer"):
        prepare(tmp_path / "image.zarr", tmp_path / "out.zarr", spacing="2um")


def test_labels_are_not_mixed_unless_asked_for(tmp_path):
    write(tmp_path / "image.zarr", "0.5")
    group = zarr.open_group(tmp_path / "image.zarr")
    group.attrs["ome"] = {**group.attrs["ome"], "image-label": {"colors": []}}
    group["s0"][:] = np.arange(group["s0"].size).reshape(group["s0"].shape) % 7 * 10
    result = vrdask.resample_zarr(tmp_path / "image.zarr", tmp_path / "out.zarr", factor=0.5)
    assert_array_equal(result[:], vrdask.downsample(group["s0"][:], (2, 2, 2), "majority"))
    assert zarr.open_group(tmp_path / "out.zarr").attrs["ome"]["image-label"] == {"colors": []}
    with pytest.warns(UserWarning, match="labels are mixed by mode 'linear'"):
        vrdask.resample_zarr(tmp_path / "image.zarr", tmp_path / "mixed.zarr", factor=0.5, mode="linear")
    options = ["--factor", "0.5", "--mode", "linear", "--quiet"]
    done = CliRunner().invoke(main, ["resample", str(tmp_path / "image.zarr"), str(tmp_path / "cli.zarr"), *options])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Warning: labels are mixed")
    assert done.output.count("\n") == 1


def test_groups_of_images_tell_where_they_are(tmp_path):
    root = zarr.open_group(tmp_path / "plate.zarr", mode="w")
    root.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": "A/1"}, {"path": "B/2"}]}}
    for well in ("A/1", "B/2"):
        group = root.create_group(well)
        group.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": "0"}]}}
        write(tmp_path / "plate.zarr" / well / "0", "0.5")
    raw = zarr.open_group(tmp_path / "raw.zarr", mode="w", zarr_format=2)
    raw.attrs["bioformats2raw.layout"] = 3
    write(tmp_path / "raw.zarr" / "0", "0.4")
    labels = zarr.open_group(tmp_path / "image.zarr" / "labels", mode="w")
    labels.attrs["ome"] = {"version": "0.5", "labels": ["cells"]}
    write(tmp_path / "image.zarr" / "labels" / "cells", "0.5")
    wanted = {
        "plate.zarr": ("A/1/0", "B/2/0"),
        "plate.zarr/A/1": ("0",),
        "raw.zarr": ("0",),
        "image.zarr/labels": ("cells",),
    }
    for name, paths in wanted.items():
        place = tmp_path / name
        with pytest.raises(ValueError, match="must be one image") as raised:
            open_source(place)
        said = CliRunner().invoke(main, ["info", str(place)])
        assert said.exit_code == 0, said.output
        for path in paths:
            assert f"{place}/{path}" in str(raised.value)
            assert f"{place}/{path}\n" in said.output
            assert open_source(place / path).image.axis_names == ("c", "z", "y", "x")
