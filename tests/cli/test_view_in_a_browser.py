"""The page of `vrdask view` in headless Chromium: sliders, windows, channels and labels do what they say.

Skipped where there is no Chromium; what the page holds is tested without one in `test_view.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from browser import browser
from click.testing import CliRunner
from numpy.testing import assert_allclose, assert_array_equal
from ome_images import TYPED
from pages import CHANNEL, HOSTILE, cells, image_at

from vrdask.cli import main

PIXELS = "Array.from(document.getElementById('slice-%d').getContext('2d').getImageData(0, 0, %d, %d).data)"


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def shown(tab, tmp_path, source, *options, place=""):
    """Make the page and open it: from disk, with nothing fetched and no error."""
    target = tmp_path / "page.html"
    done = CliRunner().invoke(main, ["view", str(source), "-o", str(target), "--overwrite", "--quiet", *options])
    assert done.exit_code == 0, done.output
    tab.said.clear()
    tab.open(f"file://{target}{place}")
    tab.value("1")  # whatever the page has told before arrives with the answer
    assert tab.said == []
    assert [address for address in tab.fetched if not address.startswith("file://")] == []
    if folder := os.environ.get("VRDASK_SCREENSHOTS"):  # to be looked at
        Path(folder).mkdir(parents=True, exist_ok=True)
        tab.picture(Path(folder) / f"{Path(source).name}.png")


def slice_of(tab, axis):
    """The pixels that are drawn of a slice: rows, columns, and red, green and blue."""
    width, height = tab.value(
        f"[document.getElementById('slice-{axis}').width, document.getElementById('slice-{axis}').height]"
    )
    return np.array(tab.value(PIXELS % (axis, width, height)), np.uint8).reshape(height, width, 4)[..., :3]


def grey(data, low, high):
    bright = np.clip((data.astype(np.float64) - low) / (high - low), 0, 1) * 255
    return np.repeat(bright[..., None], 3, -1)


@pytest.fixture
def volume(tmp_path):
    data = np.random.default_rng(0).integers(0, 256, (9, 14, 20)).astype("uint8")
    data[0, 0, :2] = 0, 255
    image_at(tmp_path / "x.zarr", data, scale=(3, 1, 0.5))
    return tmp_path / "x.zarr", data


def test_three_slices_through_a_point(tab, tmp_path, volume):
    place, data = volume
    shown(tab, tmp_path, place)
    low, high = tab.value("channels[0].window")
    for axis, part in enumerate((data[4], data[:, 7], data[:, :, 10])):
        assert_allclose(slice_of(tab, axis), grey(part, low, high), atol=0.51)
    assert tab.value("document.getElementById('here').textContent") == (
        f"z 4 (12 micrometer), y 7 (7 micrometer), x 10 (5 micrometer), samples: {data[4, 7, 10]}"
    )


def test_slices_have_the_proportions_of_the_world(tab, tmp_path, volume):
    shown(tab, tmp_path, volume[0])
    sizes = [tab.value(f"[slices[{k}].canvas.offsetWidth, slices[{k}].canvas.offsetHeight]") for k in range(3)]
    depth, height, width = 27, 14, 10
    assert_allclose([w / h for w, h in sizes], [width / height, width / depth, height / depth], rtol=0.02)
    tab.value("document.getElementById('size').focus()")
    for _ in range(10):
        tab.press("ArrowRight")  # to twice the size
    larger = [tab.value(f"[slices[{k}].canvas.offsetWidth, slices[{k}].canvas.offsetHeight]") for k in range(3)]
    assert_allclose(larger, np.multiply(sizes, 2), atol=1)


def test_sliders_move_through_the_volume(tab, tmp_path, volume):
    place, data = volume
    shown(tab, tmp_path, place)
    low, high = tab.value("channels[0].window")
    for axis, key, at in ((0, "ArrowRight", 5), (1, "Home", 0), (2, "End", 19)):
        tab.value(f"document.getElementById('slider-{axis}').focus()")
        tab.press(key)
        assert tab.value(f"point[{axis}]") == at
        assert_allclose(slice_of(tab, axis), grey(np.take(data, at, axis), low, high), atol=0.51)
    assert tab.value("document.getElementById('here').textContent").endswith(f"samples: {data[5, 0, 19]}")


def test_a_click_moves_the_other_slices(tab, tmp_path, volume):
    shown(tab, tmp_path, volume[0])
    left, top, width, height = tab.value(
        "(({x, y, width, height}) => [x, y, width, height])(slices[0].canvas.getBoundingClientRect())"
    )
    tab.click(left + width * 3.5 / 20, top + height * 11.5 / 14)
    assert tab.value("point") == [4, 11, 3]
    tab.ask("Input.dispatchMouseEvent", type="mouseWheel", x=left + 5, y=top + 5, deltaX=0, deltaY=100)
    assert tab.value("new Promise((done) => setTimeout(() => done(point[0]), 300))") == 5


def test_an_address_names_the_point(tab, tmp_path, volume):
    shown(tab, tmp_path, volume[0], place="#z=2&y=99&x=nowhere")
    assert tab.value("point") == [2, 13, 10]


def test_windows_make_values_black_and_white(tab, tmp_path, volume):
    place, data = volume
    shown(tab, tmp_path, place)
    tab.value("""{ const [low, high] = document.querySelectorAll("fieldset:nth-child(2) input[type=range]");
        low.value = 100; low.dispatchEvent(new Event("input"));
        high.value = 150; high.dispatchEvent(new Event("input")); }""")
    low, high = tab.value("channels[0].window")
    assert_allclose((low, high), (100, 150), atol=0.3)
    assert_allclose(slice_of(tab, 0), grey(data[4], low, high), atol=0.51)


def test_channels_add_up_in_their_colours_and_can_be_left_out(tab, tmp_path):
    data = np.array([[[10, 200], [255, 0]], [[0, 100], [255, 255]]], "uint8")
    window = {"start": 0, "end": 255}
    said = [{"label": "a", "color": "FF0000", "window": window}, {"label": "b", "color": "00FF80", "window": window}]
    image_at(tmp_path / "x.zarr", data, [CHANNEL, *TYPED[1:]], (1, 1, 1), omero={"channels": said})
    shown(tab, tmp_path, tmp_path / "x.zarr")
    red, other = data
    both = np.stack([red, other, np.rint(other * (128 / 255))], -1)
    assert_allclose(slice_of(tab, 0), both, atol=1)
    tab.value("document.querySelector('fieldset:nth-child(2) input[type=checkbox]').click()")
    assert_allclose(slice_of(tab, 0), both * (0, 1, 1), atol=1)
    assert tab.value("document.querySelectorAll('#slices figure').length") == 1  # two axes, one slice


def test_labels_are_drawn_over_the_image(tab, tmp_path):
    place, _, labels = cells(tmp_path)
    shown(tab, tmp_path, place)
    tab.value("for (const channel of channels) channel.active = false; draw()")
    over = np.kron(labels[4], np.ones((2, 2), "uint64"))
    drawn = slice_of(tab, 0)
    assert_array_equal(drawn[over == 1], np.broadcast_to(np.rint([127.5, 0, 8]), drawn[over == 1].shape))
    assert not drawn[(over == 0) | (over == 2)].any()
    assert drawn[over == 3].any()
    assert drawn[over == 2**60 + 1].any()
    assert tab.value("document.getElementById('here').textContent").endswith(f"nuclei: {labels[4, 5, 7]}")


def test_text_of_metadata_is_shown_as_text(tab, tmp_path):
    place, *_ = cells(tmp_path)
    shown(tab, tmp_path, place)
    assert tab.value("document.title") == "cells.zarr - vrdask view"
    assert HOSTILE in tab.value("document.querySelector('fieldset:nth-child(2) legend').textContent")
    assert tab.value("document.querySelectorAll('img').length") == 0


def test_no_number_is_told_as_such(tab, tmp_path):
    np.save(tmp_path / "x.npy", np.array([[1.5, 2.5], [3.5, np.nan]]))
    shown(tab, tmp_path, tmp_path / "x.npy")
    assert tab.value("document.getElementById('here').textContent") == "y 1, x 1, samples: NaN"
    assert not slice_of(tab, 0)[1, 1].any()


def test_a_scan_is_drawn_as_radiologists_have_it(tab, tmp_path):
    nibabel = pytest.importorskip("nibabel", reason="vrdask[nifti] is not installed")
    data = np.zeros((5, 6, 7), np.uint8)  # x to the right, y to the front, z up
    data[4, 5, 6] = 255
    nibabel.save(nibabel.Nifti1Image(data, np.diag([2.0, 2, 2, 1])), tmp_path / "x.nii")
    shown(tab, tmp_path, tmp_path / "x.nii", place="#z=6&y=5&x=4")
    for axis in range(3):
        found = slice_of(tab, axis)
        assert found[0, 0].all()  # front, top and right
        assert not found[1:, 1:].any()
    ends = tab.value("Array.from(document.querySelectorAll('.end')).map((one) => one.textContent).join('')")
    assert ends == "APRL" + "SIRL" + "SIAP"
