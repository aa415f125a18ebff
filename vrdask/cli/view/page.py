"""The page: what is known of an image and what is shown of it, as JSON in a page of HTML that needs nothing else.

Text from metadata stands in the JSON alone, in which `<` is escaped, and the script puts it on the page as text. The
page's policy lets no other script run, and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template
from typing import Any

import numpy as np

from vrdask import __version__
from vrdask.cli.view.numbers import Labels, Numbers, as_labels, as_numbers, histogram, window_of
from vrdask.cli.view.shown import Shown, steps_of
from vrdask.images.colours import PRIMARIES, USUAL, channels_of
from vrdask.images.image import Image
from vrdask.images.orientation import direction_of
from vrdask.sources.source import Source

ENDS = (("L", "R"), ("P", "A"), ("I", "S"))
"""Of the coordinates of a scanner's world: left and right, back and front, bottom and top of a patient."""
FIRST_DRAWN = ("R", "A", "S")
"""Where a slice begins, on the left or above: as radiologists have it."""


def page(title: str, info: Mapping[str, Any], told: Sequence[tuple[str, str]], view: Mapping[str, Any]) -> str:
    """The page as text. info : what `vrdask info --json` says; told : the same for people. view : see `view_of`."""
    parts = {name: (resources.files(__package__) / name).read_text("utf-8") for name in ("page.html", "page.js")}
    script = parts["page.js"]
    found = hashlib.sha256(script.encode()).digest()
    return Template(parts["page.html"]).substitute(
        title=html.escape(title),
        script=script,
        hash=base64.b64encode(found).decode(),
        info=as_script(info),
        view=as_script({"title": title, "version": __version__, "told": [list(row) for row in told], **view}),
    )


def as_script(value: Any) -> str:
    """JSON that may stand in a script element: no `<` ends it.

    >>> as_script({"label": "</script><script>alert(1)</script>"})
    '{"label": "\\\\u003c/script>\\\\u003cscript>alert(1)\\\\u003c/script>"}'
    """
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def levels_of(source: Source, info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Path, shape, spacing and bytes of every level."""
    found = []
    for number, one in enumerate(info["levels"]):
        spacing = one.get("spacing")
        if spacing is None:
            level = source if source.at_level is None or number == 0 else source.at_level(number)
            spacing = [_known(step) for step in level.spacing] if list(level.shape) == one["shape"] else None
        size = math.prod(one["shape"]) * source.dtype.itemsize
        found.append({"path": one["path"], "shape": one["shape"], "spacing": spacing, "bytes": size})
    return found


def view_of(base: Shown, labels: Mapping[str, Shown], is_labels: bool) -> dict[str, Any]:
    """What the script draws: the grid of the slices, the image on it, and labels with their places on that grid.

    base : of the image; of labels alone where `is_labels`.
    """
    grid = _grid(base)
    over = {"labels": base} if is_labels else labels
    return {
        "grid": grid,
        "image": None if is_labels else _image(base),
        "labels": [
            {"name": name, "how": one.how, **_labels(one), "places": _places(base, one)} for name, one in over.items()
        ],
    }


def _grid(shown: Shown) -> dict[str, Any]:
    axes: list[Mapping[str, Any]] = [{}] * 3
    spacing, origin = [math.nan] * 3, [math.nan] * 3
    if shown.image is not None:
        for place, axis in enumerate(shown.space, 3 - len(shown.space)):
            axes[place] = shown.image.axes[axis]
            spacing[place], origin[place] = shown.image.scale[axis], shown.image.translation[axis]
    names = [axis.get("name") or "zyx"[k] for k, axis in enumerate(axes)]
    ends, steps = [_ends(axis) for axis in axes], steps_of(shown.image, shown.space)
    return {
        "names": names,
        "sizes": list(shown.samples.shape[1:]),
        "spacing": [_known(step) for step in spacing],
        "origin": [_known(first) if math.isfinite(step) else None for first, step in zip(origin, spacing, strict=True)],
        "units": [axis.get("unit") for axis in axes],
        "steps": None if steps is None else [1.0] * (3 - len(steps)) + list(steps),
        "ends": ends,
        "backwards": [one is not None and one[0] not in FIRST_DRAWN for one in ends],
        "how": shown.how,
    }


def _ends(axis: Mapping[str, Any]) -> list[str] | None:
    """What lies before the first sample of an axis, and behind the last; None where nothing says it."""
    direction = direction_of(axis)
    if direction is None:
        return None
    coordinate, sign = direction
    return list(ENDS[coordinate][::sign])


def _image(shown: Shown) -> dict[str, Any]:
    numbers = as_numbers(shown.samples)
    return {
        **_data(numbers.data),
        "low": numbers.low,
        "step": numbers.step,
        "none": numbers.none,
        "channels": _channels(numbers, shown),
    }


def _channels(numbers: Numbers, shown: Shown) -> list[dict[str, Any]]:
    """Label, colour, window and histogram of each channel: as the image says them, else the usual ones."""
    count = len(numbers.data)
    said = channels_of(shown.image)
    said = said if len(said) >= count else []
    colours = not said and shown.samples.dtype == np.uint8 and count in (3, 4)
    found = []
    for channel in range(count):
        one: Mapping[str, Any] = said[channel] if said else {}
        counts, low, high = histogram(numbers, channel)
        usual = USUAL[channel % len(USUAL)]
        if colours:
            one = dict(zip(("label", "color"), PRIMARIES[channel], strict=True), active=channel < 3)
        window = (0.0, 255.0) if colours else _window(one) or window_of(numbers, channel)
        colour = str(one.get("color", usual))
        ends = [float(value) for value in numbers.values([low, high])]
        found.append(
            {
                "label": str(one.get("label") or (f"channel {channel}" if count > 1 else "samples")),
                "colour": colour if re.fullmatch("[0-9A-Fa-f]{6}", colour) else usual,
                "active": one.get("active") is not False,
                "window": list(window),
                "range": [min(ends[0], window[0]), max(ends[1], window[1])],
                "histogram": counts,
                "ends": ends,
            }
        )
    return found


def _window(said: Mapping[str, Any]) -> tuple[float, float] | None:
    """Of `omero`: start and end; None where it gives none that can be used."""
    window = said.get("window")
    ends: list[Any] = [window.get("start"), window.get("end")] if isinstance(window, Mapping) else [0, 0]
    if not all(isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) for end in ends):
        return None
    return (float(ends[0]), float(ends[1])) if ends[0] < ends[1] else None


def _labels(shown: Shown) -> dict[str, Any]:
    said = {} if shown.image is None else shown.image.extra.get("image-label", {})
    found: Labels = as_labels(shown.samples[0], said if isinstance(said, Mapping) else {})
    return {**_data(found.data), "values": found.values, "colours": found.colours}


def _places(base: Shown, other: Shown) -> list[list[int]]:
    """For every sample of the grid along z, y, x, the sample of the other that lies there; -1 where there is none."""
    return [
        list(range(n)) if base is other else _places_along(n, m, _line(base, place), _line(other, place))
        for place, (n, m) in enumerate(zip(base.samples.shape[1:], other.samples.shape[1:], strict=True))
    ]


def _line(shown: Shown, place: int) -> tuple[float, float]:
    """Distance between samples and first position along z, y or x."""
    axis = place - 3 + len(shown.space)
    image: Image | None = shown.image
    if image is None or axis < 0:
        return math.nan, math.nan
    return image.scale[shown.space[axis]], image.translation[shown.space[axis]]


def _places_along(n: int, m: int, own: tuple[float, float], other: tuple[float, float]) -> list[int]:
    if not all(map(math.isfinite, (*own, *other))) or not other[0]:  # as much of the one as of the other
        return [(2 * i + 1) * m // (2 * n) for i in range(n)]
    at = np.floor((own[1] + own[0] * np.arange(n) - other[1]) / other[0] + 0.5)
    return [int(place) if 0 <= place < m else -1 for place in at]


def _data(samples: Any) -> dict[str, Any]:
    little = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    return {
        "type": samples.dtype.name,
        "shape": list(samples.shape),
        "samples": base64.b64encode(little.tobytes()).decode(),
    }


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
