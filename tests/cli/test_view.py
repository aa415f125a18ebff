"""`vrdask view`: what a page holds is what vrdask gives; text of metadata is text; nothing is overwritten."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal
from ome_images import TYPED
from pages import CHANNEL, HOSTILE, Page, cells, image_at, made, samples_of

import vrdask
from vrdask.cli import main


def test_a_page_holds_the_samples_and_what_is_known_of_them(tmp_path):
    place, data, _ = cells(tmp_path)
    page = made(tmp_path, place)
    image, grid = page.view["image"], page.view["grid"]
    assert_array_equal(image["low"] + image["step"] * samples_of(image), data)
    assert (grid["names"], grid["sizes"]) == (["z", "y", "x"], [9, 20, 30])
    assert (grid["spacing"], grid["units"]) == ([2, 0.5, 0.5], ["micrometer"] * 3)
    assert page.info == json.loads(CliRunner().invoke(main, ["info", str(place), "--json"]).output)
    (level,) = page.view["levels"]
    assert level == {"path": "0", "shape": list(data.shape), "spacing": [1, 2, 0.5, 0.5], "bytes": data.nbytes}
    assert ["dtype", "uint16"] in page.view["told"]


def test_channels_are_those_of_omero_where_it_says_them(tmp_path):
    place, data, _ = cells(tmp_path)
    one, two = made(tmp_path, place).view["image"]["channels"]
    assert (one["label"], one["colour"], one["active"], one["window"]) == (HOSTILE, "FF0000", True, [100, 3000])
    assert (two["colour"], two["active"]) == ("00FF00", False)
    low, high = np.percentile(data[1], (0.5, 99.5), method="inverted_cdf")
    assert_allclose(two["window"], (low, high), atol=20)  # its own is empty: all but the ends
    counts, _ = np.histogram(data[1], len(two["histogram"]), (data[1].min(), data[1].max() + 1))
    assert two["ends"] == [data[1].min(), data[1].max()]
    assert sum(two["histogram"]) == data[1].size
    assert_allclose(two["histogram"], counts, atol=6)  # of whole numbers, which a bin's end may or may not hold


def test_labels_lie_where_their_positions_say(tmp_path):
    place, _, labels = cells(tmp_path)
    (one,) = made(tmp_path, place).view["labels"]
    assert one["name"] == "nuclei"
    values = np.array([int(value) for value in one["values"]], "uint64")
    assert_array_equal(values[samples_of(one)], labels)
    assert dict(zip(one["values"], one["colours"], strict=True))["1"] == "ff0010"
    assert [colour for value, colour in zip(one["values"], one["colours"], strict=True) if value in "02"] == ["", ""]
    assert one["places"] == [list(range(9)), [k // 2 for k in range(20)], [k // 2 for k in range(30)]]
    assert made(tmp_path, place, "--no-labels", "--overwrite").view["labels"] == []


def test_labels_end_where_their_image_does(tmp_path):
    place, *_ = cells(tmp_path)
    image_at(place / "labels/nuclei", np.ones((4, 10, 15), "uint8"), shift=(4, 0.25, 0.25), scale=(2, 1, 1))
    (one,) = made(tmp_path, place).view["labels"]
    assert one["places"][0] == [-1, -1, 0, 1, 2, 3, -1, -1, -1]


def test_text_of_metadata_is_no_markup(tmp_path):
    place, *_ = cells(tmp_path)
    page = made(tmp_path, place)
    assert page.count["script"] == 3
    assert "img" not in page.count
    assert HOSTILE not in page.text
    assert page.view["image"]["channels"][0]["label"] == HOSTILE
    assert f"channels{HOSTILE}, actin" in "".join(map("".join, page.view["told"]))
    hostile = tmp_path / "a <b>&$title.npy"
    np.save(hostile, np.zeros((3, 4)))
    page = made(tmp_path, hostile, "--overwrite")
    assert "<title>a &lt;b&gt;&amp;$title.npy - vrdask view</title>" in page.text
    assert "b" not in page.count


def test_a_page_fetches_nothing(tmp_path):
    place, *_ = cells(tmp_path)
    page = made(tmp_path, place)
    code = page.scripts["code"]
    assert not re.search(r"https?:|fetch\(|XMLHttpRequest|import\(|innerHTML|eval\(|src=", code)
    assert not {"link", "iframe", "object", "img"} & page.count.keys()
    assert "default-src 'none'" in page.text


@pytest.mark.parametrize("budget", ["20kB", "1MiB"])
def test_what_does_not_fit_is_resampled_by_area(tmp_path, budget):
    data = np.random.default_rng(2).integers(-900, 3000, (40, 60, 80)).astype("int16")
    image_at(tmp_path / "x.zarr", data)
    page = made(tmp_path, tmp_path / "x.zarr", "--embed", budget)
    image, grid = page.view["image"], page.view["grid"]
    sizes = tuple(grid["sizes"])
    assert (sizes == data.shape) == (budget == "1MiB")
    expected = vrdask.resample(data, sizes, "area")
    assert_array_equal(image["low"] + image["step"] * samples_of(image)[0].astype(int), expected)
    assert len(base64.b64decode(image["samples"])) <= bytes_of(budget)
    ratio = np.divide(data.shape, sizes)
    assert_allclose(grid["spacing"], np.multiply((2, 0.5, 0.5), ratio))
    assert_allclose(grid["origin"], np.multiply((2, 0.5, 0.5), (ratio - 1) / 2), atol=1e-12)
    assert (budget == "1MiB") == (grid["how"] == "as stored")


def bytes_of(text):
    return {"20kB": 20_000, "1MiB": 1 << 20}[text]


def test_labels_that_do_not_fit_shrink_by_majority(tmp_path):
    data = np.random.default_rng(3).integers(0, 3, (30, 40, 50)).astype("uint32")
    image_at(tmp_path / "x.zarr", data, **{"image-label": {}})
    page = made(tmp_path, tmp_path / "x.zarr", "--embed", "20kB")
    (one,) = page.view["labels"]
    assert page.view["image"] is None
    factors = [-(-n // m) for n, m in zip(data.shape, one["shape"][-3:], strict=True)]
    assert max(factors) > 1
    values = np.array([int(value) for value in one["values"]], "uint32")
    assert_array_equal(values[samples_of(one)], vrdask.downsample(data, factors, "majority"))


def test_a_level_that_fits_is_taken_as_it_is(tmp_path):
    data = np.random.default_rng(4).integers(0, 255, (32, 64, 64)).astype("uint8")
    image_at(tmp_path / "x.zarr", data)
    levels = vrdask.write_pyramid(tmp_path / "x.zarr", tmp_path / "levels.zarr", levels=2)
    page = made(tmp_path, tmp_path / "levels.zarr", "--embed", "20kB")
    assert page.view["grid"]["how"] == "level 1, as stored"
    assert_array_equal(samples_of(page.view["image"])[0], levels["1"][...])
    assert page.view["grid"]["origin"] == [1, 0.25, 0.25]
    assert [one["shape"] for one in page.view["levels"]] == [[32, 64, 64], [16, 32, 32], [8, 16, 16]]
    assert [one["bytes"] for one in page.view["levels"]] == [32 * 64 * 64, 16 * 32 * 32, 8 * 16 * 16]
    vrdask.write_pyramid(tmp_path / "x.zarr", tmp_path / "coarse.zarr", factors=4, levels=1)
    far = made(tmp_path, tmp_path / "coarse.zarr", "--embed", "20kB", "--overwrite")  # level 1 is a tenth of that
    assert far.view["grid"]["how"].startswith("level 0, resampled by area")


@pytest.mark.parametrize(
    "data",
    [
        np.array([[-100, 0], [5, 27]], "int8"),
        np.array([[True, False], [False, True]]),
        np.array([[-(2**63), 0], [5, 2**63 - 1]], "int64"),
        np.array([[2**64 - 3, 2**64 - 2], [2**64 - 1, 2**64 - 300]], "uint64"),
        np.array([[0.25, np.nan], [np.inf, -3]], "float32"),
        np.array([[1e308, -1e308], [0, np.nan]]),
        np.full((2, 3), np.nan),
        np.array([[0.5, 2], [3, 4]], "float16"),
    ],
    ids=["int8", "bool", "int64", "uint64", "float32", "wide", "nothing", "float16"],
)
def test_every_type_is_told_to_a_step(tmp_path, data):
    np.save(tmp_path / "x.npy", data)
    image = made(tmp_path, tmp_path / "x.npy").view["image"]
    number = samples_of(image)[0, 0].astype(np.float64)
    found = np.where(number == image["none"], np.nan, image["low"] + image["step"] * number)
    finite = data[np.isfinite(data)].astype(np.float64)
    expected = np.clip(data.astype(np.float64), *(finite.min(), finite.max()) if finite.size else (0, 0))
    bounded = np.clip(expected, -1e300, 1e300)
    assert_array_equal(np.isnan(found), np.isnan(bounded))
    assert_allclose(found[~np.isnan(found)], bounded[~np.isnan(bounded)], rtol=1e-12, atol=image["step"] * 0.501)


def test_times_are_held_and_channels_are_bounded(tmp_path):
    data = np.random.default_rng(5).integers(0, 255, (3, 11, 4, 5, 6)).astype("uint8")
    image_at(tmp_path / "x.zarr", data, [{"name": "t", "type": "time"}, CHANNEL, *TYPED], (1, 1, 2, 1, 1))
    page = made(tmp_path, tmp_path / "x.zarr")
    assert_array_equal(samples_of(page.view["image"]), data[0, :8])
    assert page.view["grid"]["how"] == "as stored, t 0 of 3, the first 8 of 11 channels"
    later = made(tmp_path, tmp_path / "x.zarr", "--region", "t=2:3", "--channel", "9", "--overwrite")
    assert_array_equal(samples_of(later.view["image"]), data[2:, 9])


def test_a_picture_is_one_slice_in_its_colours(tmp_path):
    tifffile = pytest.importorskip("tifffile", reason="vrdask[tiff] is not installed")
    data = np.random.default_rng(6).integers(0, 255, (40, 50, 3)).astype("uint8")
    tifffile.imwrite(tmp_path / "x.tif", data, photometric="rgb")
    np.save(tmp_path / "x.npy", data)
    for source in ("x.tif", "x.npy"):
        page = made(tmp_path, tmp_path / source, "--overwrite")
        assert page.view["grid"]["sizes"] == [1, 40, 50]
        assert_array_equal(samples_of(page.view["image"])[:, 0], np.moveaxis(data, 2, 0))
        channels = page.view["image"]["channels"]
        assert [one["colour"] for one in channels] == ["FF0000", "00FF00", "0000FF"]
        assert [one["window"] for one in channels] == [[0, 255]] * 3


def test_a_scan_is_drawn_the_right_way_up(tmp_path):
    nibabel = pytest.importorskip("nibabel", reason="vrdask[nifti] is not installed")
    affine = np.diag([-2.0, 3, 4, 1])  # x grows to the left
    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 5, 4), np.int16), affine), tmp_path / "x.nii")
    grid = made(tmp_path, tmp_path / "x.nii").view["grid"]
    assert (grid["names"], grid["spacing"]) == (["z", "y", "x"], [4, 3, 2])
    assert grid["ends"] == [["I", "S"], ["P", "A"], ["R", "L"]]
    assert grid["backwards"] == [True, True, False]


def test_proportions_take_units_into_account(tmp_path):
    axes = [dict(axis) for axis in TYPED]
    axes[0]["unit"] = "nanometer"
    image_at(tmp_path / "x.zarr", np.zeros((4, 5, 6), "uint8"), axes, (40, 0.01, 0.02))
    grid = made(tmp_path, tmp_path / "x.zarr").view["grid"]
    assert_allclose(np.divide(grid["steps"], grid["steps"][1]), [4, 1, 2])
    assert grid["spacing"] == [40, 0.01, 0.02]
    np.save(tmp_path / "x.npy", np.zeros((4, 5, 6)))
    assert made(tmp_path, tmp_path / "x.npy", "--overwrite").view["grid"]["steps"] is None


def test_no_side_is_longer_than_a_browser_draws(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(100_000, dtype="uint16").reshape(2, 50_000))
    page = made(tmp_path, tmp_path / "x.npy")
    assert page.view["grid"]["sizes"] == [1, 2, 16_384]
    assert page.view["grid"]["how"] == "resampled by area, 2x16384"


@pytest.mark.parametrize(
    "omero",
    [
        [], "text", {"channels": {}}, {"channels": [None, 3]}, {"channels": [{}]},
        {"channels": [{"label": None, "color": "red", "window": [], "active": 0}] * 2},
        {"channels": [{"label": 7, "color": 255, "window": {"start": "0", "end": True}}] * 2},
        {"channels": [{"label": ["<b>"], "color": "ff000", "window": {"start": 1e999, "end": -1e999}}] * 2},
    ],
)  # fmt: skip
def test_channels_that_say_nonsense_are_shown_as_usual(tmp_path, omero):
    data = np.random.default_rng(7).integers(0, 255, (2, 6, 7)).astype("uint8")
    image_at(tmp_path / "x.zarr", data, [CHANNEL, *TYPED[1:]], (1, 1, 1), omero=omero)
    page = made(tmp_path, tmp_path / "x.zarr")
    channels = page.view["image"]["channels"]
    assert [one["colour"] for one in channels] == ["FFFFFF", "00FF00"]
    assert all(one["active"] and one["window"][0] < one["window"][1] and one["label"] for one in channels)
    assert "b" not in page.count


def test_the_types_of_machine_learning_are_shown(tmp_path):
    bfloat16 = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed").bfloat16
    from vrdask.cli.view import page_of
    from vrdask.cli.view.shown import reduced
    from vrdask.sources import open_source

    source = open_source(np.array([[0.5, 1], [2, 3]], bfloat16))
    (tmp_path / "page.html").write_text(page_of(source, "an array", "8MiB", True, reduced))
    image = Page(tmp_path / "page.html").view["image"]
    assert_allclose(image["low"] + image["step"] * samples_of(image)[0, 0], [[0.5, 1], [2, 3]], rtol=1e-4)
