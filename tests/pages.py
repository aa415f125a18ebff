"""Pages of `vrdask view`, taken apart as a browser does, and an image to make one of."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser

import numpy as np
import zarr
from click.testing import CliRunner
from ome_images import TYPED

from vrdask.cli import main

HOSTILE = "</script><script>document.title = 'gone'</script><!--<img src=x onerror=alert(1)>"
CHANNEL = {"name": "c", "type": "channel"}


class Page(HTMLParser):
    """A page as a browser takes it apart: its scripts by id, and how many there are of every element."""

    def __init__(self, path):
        super().__init__()
        self.text, self.scripts, self.count, self._within = path.read_text("utf-8"), {}, {}, None
        self.feed(self.text)
        self.view, self.info = json.loads(self.scripts["view"]), json.loads(self.scripts["info"])

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag == "script":
            self._within = dict(attrs).get("id", "code")
            self.scripts[self._within] = ""

    def handle_endtag(self, tag):
        self._within = None

    def handle_data(self, data):
        if self._within:
            self.scripts[self._within] += data


def samples_of(part):
    return np.frombuffer(base64.b64decode(part["samples"]), f"<{np.dtype(part['type']).str[1:]}").reshape(part["shape"])


def image_at(place, data, axes=tuple(TYPED), scale=(2.0, 0.5, 0.5), shift=None, **extra):
    """An OME-Zarr image of one level."""
    steps = [{"type": "scale", "scale": list(scale)}]
    steps += [] if shift is None else [{"type": "translation", "translation": list(shift)}]
    levels = [{"path": "0", "coordinateTransformations": steps}]
    group = zarr.open_group(place, mode="w")
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": list(axes), "datasets": levels}], **extra}
    group.create_array("0", data=data, chunks=tuple(min(n, 16) for n in data.shape))
    return group


def cells(tmp_path, label=HOSTILE):
    """Two channels and labels of half the samples in y and x."""
    data = np.random.default_rng(0).integers(0, 4000, (2, 9, 20, 30)).astype("uint16")
    said = [
        {"label": label, "color": "FF0000", "active": True, "window": {"max": 65535, "start": 100, "end": 3000}},
        {"label": "actin", "color": "00FF00", "active": False, "window": {"start": 7, "end": 7}},
    ]  # fmt: skip
    group = image_at(tmp_path / "cells.zarr", data, [CHANNEL, *TYPED], (1, 2, 0.5, 0.5), omero={"channels": said})
    group.create_group("labels").attrs["ome"] = {"version": "0.5", "labels": ["nuclei"]}
    labels = np.random.default_rng(1).integers(0, 5, (9, 10, 15)).astype("uint64")
    labels[labels == 4] = 2**60 + 1
    colours = [{"label-value": 1, "rgba": [255, 0, 16, 255]}, {"label-value": 2, "rgba": [1, 2, 3, 0]}]
    image_at(
        tmp_path / "cells.zarr/labels/nuclei", labels, shift=(0, 0.25, 0.25), scale=(2, 1, 1),
        **{"image-label": {"colors": colours}},
    )  # fmt: skip
    return tmp_path / "cells.zarr", data, labels


def run(*arguments):
    return CliRunner().invoke(main, ["view", *map(str, arguments)])


def made(tmp_path, source, *options):
    done = run(source, "-o", tmp_path / "page.html", "--quiet", *options)
    assert (done.exit_code, done.output) == (0, "")
    return Page(tmp_path / "page.html")
