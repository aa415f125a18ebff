"""A series of DICOM files: which of several, in which order, and where its slices lie.

Slices are sorted along the normal of their planes. They must lie on a line, at equal distances: what is missing or
there twice would make a volume that never was.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from vrdask.images.axes import image_of
from vrdask.images.image import Image
from vrdask.sources.dicom_frames import Frame, Header, normal
from vrdask.sources.dicom_times import Times, in_time
from vrdask.sources.folders import natural
from vrdask.sources.raw_volume import placed_image
from vrdask.text import by_axis, counted

if TYPE_CHECKING:
    from vrdask.sources.dicom_slide_header import SlideHeader

TO_RAS = np.array([-1.0, -1.0, 1.0])
"""From DICOM's world: to the left, the back and the top."""
SAME_POSITION = 1e-3
"""Of the usual distance: two slices that lie nearer are at one position."""
ROUNDING = 1e-6
"""Of a position, that is none of slices."""
EQUAL = 0.1
"""Of the usual distance: how far positions may be off, which some scanners round to a tenth of a millimetre."""
SAME = 1e-3
"""Directions and spacings that differ by less are equal."""

OfSeries = TypeVar("OfSeries", "Header", "SlideHeader")


def chosen(headers: Sequence[OfSeries], series: int | str, place: str) -> list[OfSeries]:
    """The files of one series. series : its number among those that there are, from 1, or its UID; 0 for the only one.

    Raises
    ------
    ValueError
        There are several, or there is no such one.
    """
    by_uid: dict[str, list[OfSeries]] = {}
    for header in headers:
        by_uid.setdefault(header.series, []).append(header)
    found = sorted(by_uid.values(), key=lambda some: (some[0].series_number, some[0].series))
    if series == 0 and len(found) == 1:
        return found[0]
    for number, some in enumerate(found, 1):
        if series in (number, some[0].series) and series != "":
            return some
    there = "; ".join(f"{number} ({_told(some)})" for number, some in enumerate(found, 1))
    raise ValueError(f"series must be the number, or the UID, of one of {there}: of {place}; got {series}")


def _told(some: Sequence[Header | SlideHeader]) -> str:
    first = some[0]
    said = ", ".join(filter(None, (first.description, first.modality)))
    form = by_axis(first.size)
    return f"{said}: {counted(len(some), 'file')} of {form}, {first.series}".removeprefix(": ")


class Ordered(NamedTuple):
    """The frames of a series, slice by slice of each time. times : what they are; None where there is one alone."""

    frames: list[Frame]
    times: Times | None

    @property
    def slices(self) -> list[Frame]:
        """Those of the first time."""
        return self.frames[: len(self.frames) // (1 if self.times is None else self.times.number)]


def in_order(headers: Sequence[Header], place: str) -> Ordered:
    """The frames of a series from slice to slice, time by time where there are several at each position.

    Raises
    ------
    ValueError
        They differ in size, type, orientation or spacing, or do not lie on a line at equal distances, or nothing orders
        those at one position; files are named.
    """
    in_files = sorted(headers, key=lambda one: (one.number, natural(one.path)))
    frames = [frame for header in in_files for frame in header.frames]
    first = frames[0]
    for frame in frames:
        _require_alike(frame, first)
    if first.position is None or first.directions is None:
        if len(frames) > 1 and len(headers) > 1 and len(frames) > len(headers):
            raise ValueError(
                f"frames of several files must say where they lie; got {first} of {place} without position"
            )
        return Ordered(frames, None)
    along = normal(first.directions)
    heights = np.array([frame.position for frame in frames]) @ along
    order = np.argsort(heights, kind="stable")
    frames, heights = [frames[k] for k in order], heights[order]
    begins = np.flatnonzero(np.diff(heights, prepend=-np.inf) > _same_position(heights))
    if len(begins) == len(frames):
        _require_even(frames, heights)
        return Ordered(frames, None)
    positions = [frames[a:b] for a, b in pairwise([*begins.tolist(), len(frames)])]
    at = heights[begins]
    ordered, times = in_time(positions, lambda k: f"at {at[k]:g} mm along the normal", headers[0].time_seconds)
    volumes = list(zip(*ordered, strict=True))
    for volume in volumes:
        _require_even(volume, at)
        _require_same_places(volume, volumes[0])
    return Ordered([frame for volume in volumes for frame in volume], times)


def _same_position(heights: npt.NDArray[np.float64]) -> float:
    """How far apart slices at one position may lie."""
    distances = np.diff(heights)
    most = float(distances.max(initial=0.0))
    if most <= ROUNDING * max(1.0, float(np.abs(heights).max())):
        return most
    return SAME_POSITION * float(median(distances[distances > SAME_POSITION * most].tolist()))


def _require_same_places(volume: Sequence[Frame], first: Sequence[Frame]) -> None:
    """Refuse a time whose slices lie beside those of the first one."""
    here, there = (np.array([frame.position for frame in some]) for some in (volume, first))
    off = np.linalg.norm(here - there, axis=1)
    worst = int(off.argmax())
    size = min(first[0].spacing or (1.0,))
    if off[worst] > EQUAL * size:
        raise ValueError(
            f"slices must lie where those of the first time do; got {volume[worst]}, {off[worst]:g} mm beside "
            f"{first[worst]}"
        )


def _require_alike(frame: Frame, first: Frame) -> None:
    if frame.form != first.form:
        raise ValueError(f"frames must agree in size and type; got {frame.form} in {frame}, {first.form} in {first}")
    for name in ("position", "directions", "spacing"):
        here, there = getattr(frame, name), getattr(first, name)
        if (here is None) != (there is None):
            without, having = (frame, first) if here is None else (first, frame)
            raise ValueError(f"all frames must say their {name}, or none; got {without} without, {having} with it")
        if name == "position" or here is None or here == there:
            continue
        if np.abs(np.subtract(here, there)).max() > SAME * max(map(abs, there)):
            raise ValueError(
                f"frames must agree in {name}; got {_text(here)} in {frame}, where {first} has {_text(there)}"
            )


def _require_even(frames: Sequence[Frame], heights: npt.NDArray[np.float64]) -> None:
    if len(frames) < 2:
        return
    distances = np.diff(heights)
    usual = median(distances.tolist()) or float(distances.max())
    for k, distance in enumerate(distances.tolist()):
        a, b = frames[k], frames[k + 1]
        if abs(distance - usual) > EQUAL * usual:
            what = "a slice is missing, or there is one too many" if distance > usual else "there is one too many"
            raise ValueError(
                f"slices must lie at equal distances; got {distance:g} mm from {a} to {b}, where others lie {usual:g} "
                f"mm apart: {what}"
            )
    positions = np.array([frame.position for frame in frames])
    straight = positions[0] + np.linspace(0, 1, len(frames))[:, None] * (positions[-1] - positions[0])
    off = np.linalg.norm(positions - straight, axis=1)
    if (worst := int(off.argmax())) and off[worst] > EQUAL * usual:
        raise ValueError(f"slices must lie on one line; got {frames[worst]}, {off[worst]:g} mm off that of the others")


def image_of_frames(ordered: Ordered, frame_seconds: float | None, is_one_file: bool, what: str) -> Image:
    """Names, spacing and position of the axes: of slices z, y, x; of a single one y, x; times before, colours last.

    frame_seconds : from frame to frame of a film.
    """
    frames, times = ordered.slices, ordered.times
    first, last = frames[0], frames[-1]
    names = ["y", "x", *(["c"] if first.form.samples > 1 else [])]
    sizes: dict[str, Any] = {}
    if first.spacing is not None:
        sizes = {"y": (first.spacing[0], "millimeter"), "x": (first.spacing[1], "millimeter")}
    if len(frames) > 1:
        is_film = is_one_file and first.position is None
        names.insert(0, "z" if not is_film else "i" if frame_seconds is None else "t")
        if is_film and frame_seconds is not None:
            sizes["t"] = (frame_seconds, "second")
    if times is not None:
        names.insert(0, "t")
        if times.seconds is not None:
            sizes["t"] = (times.seconds, "second")
    if first.position is None or first.directions is None or first.spacing is None:
        return image_of(names, sizes)
    row, column = np.array(first.directions[:3]), np.array(first.directions[3:])
    columns = [column * first.spacing[0], row * first.spacing[1]]
    if len(frames) > 1:
        assert last.position is not None
        columns.insert(0, (np.array(last.position) - np.array(first.position)) / (len(frames) - 1))
    others = {name: size for name, size in sizes.items() if name == "t"}
    return placed_image(
        names, np.array(columns).T * TO_RAS[:, None], np.array(first.position) * TO_RAS, what, others=others
    )


def _text(numbers: Sequence[float]) -> str:
    return ", ".join(f"{one:g}" for one in numbers)
