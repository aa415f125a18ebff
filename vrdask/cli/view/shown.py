"""What a page shows of an image: few enough samples, of a level or resampled from one, and where they lie.

A level that fits is taken as it is, so that the page tells stored numbers, unless it is far smaller than what fits.
Else the nearest larger level is resampled: by area, so that nothing between samples is lost; labels by majority, in
whole blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.boxes import ceil_div
from vrdask.dtypes import is_bfloat16
from vrdask.images.colours import channel_axis
from vrdask.images.image import Image
from vrdask.images.orientation import millimetres_in
from vrdask.sources.region import one_region
from vrdask.sources.seen import seen
from vrdask.sources.source import Source, axes_of
from vrdask.text import by_axis

Array = npt.NDArray[Any]

MOST_CHANNELS = 8
FAR_SMALLER = 8
"""A level of less than this part of what fits is not shown where there is a larger one."""
MOST_SIDE = 16_384
"""Samples along an axis: browsers draw no larger canvas."""


@dataclass(frozen=True)
class Shown:
    """Samples in the order channel, z, y, x; an axis that the image has not is of one sample."""

    samples: Array
    image: Image | None
    """Of the samples, along their own axes."""
    space: tuple[int, ...]
    """The axes of `image` that are shown: two or three."""
    how: str
    """How the samples came about, for people."""


@dataclass(frozen=True)
class _Roles:
    """Which axes of a source are shown, which one is of channels, and which are held at one sample."""

    space: tuple[int, ...]
    channel: int | None
    held: tuple[int, ...]


def shown(source: Source, most: int, run: Callable[..., Array], majority: bool = False) -> Shown:
    """What is shown of a source. most : samples, of all channels. run : reduces a source (see `reduced`).

    Raises
    ------
    ValueError
        It has fewer than two axes to show, no samples, or complex ones.
    """
    if source.dtype.kind not in "biuf" and not is_bfloat16(source.dtype):
        raise ValueError(f"a view must be of real numbers; got {source.dtype} in {source.place}")
    if not math.prod(source.shape):
        raise ValueError(f"a view must show at least one sample; got shape {by_axis(source.shape)} in {source.place}")
    source = as_eyes_see(source)
    roles = roles_of(source)
    number, level, sizes = _chosen(source, roles, most)
    held, note = _held(level, roles)
    if sizes == tuple(level.shape[axis] for axis in roles.space):
        samples, image, how = np.asarray(held.array[(slice(None),) * held.ndim]), held.image, "as stored"
    else:
        factors = [ceil_div(level.shape[axis], n) for axis, n in zip(roles.space, sizes, strict=True)]
        samples = run(held, roles.space, factors if majority else sizes, majority)
        image = held.image and _resampled(held.image, held.shape, samples.shape, roles.space, factors, majority)
        small = by_axis(samples.shape[axis] for axis in roles.space)
        how = f"{'majority of blocks' if majority else 'resampled by area'}, {small}"
    samples = samples.astype(np.float32) if is_bfloat16(samples.dtype) else samples
    names = [*([f"level {number}"] if len(source.levels) > 1 else []), how, *note]
    return Shown(_in_order(samples, roles), image, roles.space, ", ".join(names))


def as_eyes_see(source: Source) -> Source:
    """Inks, palettes and turned pictures as colours the right way up; as it is what no eye sees."""
    return source if source.seen is None or source.seen.meaning is None else seen(source)


def roles_of(source: Source) -> _Roles:
    """Which axes are shown: the last three of space; the last of three without names are colours if at most four."""
    named = axes_of(source)
    channel = channel_axis(source.image) if source.image is not None else None
    if channel is None and any(named.names):
        channel = next((k for k, name in enumerate(named.names) if name and name.lower() in ("c", "channel")), None)
    if source.image is None and not any(named.names) and source.ndim == 3 and source.shape[-1] <= 4:
        channel = 2
    space = tuple(axis for axis in named.space if axis != channel)[-3:]
    if len(space) < 2:
        told = ", ".join(map(named.label, space)) or "none"
        raise ValueError(f"a view must have two or three axes of space; got {told} of shape {by_axis(source.shape)} "
                         f"in {source.place}")  # fmt: skip
    rest = (axis for axis in range(source.ndim) if axis not in space and axis != channel)
    return _Roles(space, channel, tuple(rest))


def steps_of(image: Image | None, space: Sequence[int]) -> tuple[float, ...] | None:
    """Distances between samples along the axes of space, in one unit, whichever; None where they are not all known."""
    if image is None or not all(math.isfinite(image.scale[axis]) and image.scale[axis] for axis in space):
        return None
    units = [image.axes[axis].get("unit") for axis in space]
    lengths = [millimetres_in(unit) for unit in units]
    same = len({*units}) == 1 or None in units or None in lengths
    return tuple(
        abs(image.scale[axis]) * (1.0 if same or length is None else length)
        for axis, length in zip(space, lengths, strict=True)
    )


def fitting(sizes: Sequence[int], steps: Sequence[float] | None, most: int) -> tuple[int, ...]:
    """Sizes of at most so many samples, of which the distances along the axes are as equal as can be; none grows.

    steps : the distances now; None where they are not known.

    >>> fitting((100, 512, 512), (3.0, 0.75, 0.75), 1 << 20), fitting((2, 50_000), None, 5000)
    ((86, 110, 110), (1, 5000))
    """
    steps = steps or (1.0,) * len(sizes)
    fine, coarse = min(steps), max(n * step for n, step in zip(sizes, steps, strict=True))

    def at(distance: float) -> tuple[int, ...]:
        found = (max(1, min(n, int(n * step / distance))) for n, step in zip(sizes, steps, strict=True))
        return tuple(min(n, MOST_SIDE) for n in found)

    if math.prod(at(fine)) <= most:
        return at(fine)
    for _ in range(60):
        middle = math.sqrt(fine * coarse)
        fine, coarse = (fine, middle) if math.prod(at(middle)) <= most else (middle, coarse)
    return at(coarse)


def _chosen(source: Source, roles: _Roles, most: int) -> tuple[int, Source, tuple[int, ...]]:
    """The level that is shown, and of which sizes: its own, or those to which it is to be resampled."""
    channels = 1 if roles.channel is None else min(MOST_CHANNELS, source.shape[roles.channel])
    most = max(1, most // channels)
    number, level = 0, source

    def fits(one: Source) -> tuple[bool, tuple[int, ...]]:
        sizes = tuple(one.shape[axis] for axis in roles.space)
        wanted = fitting(sizes, steps_of(one.image, roles.space), most)
        return wanted == sizes, wanted

    while source.at_level is not None and not fits(level)[0] and number + 1 < len(source.levels):
        following = as_eyes_see(source.at_level(number + 1))
        small = math.prod(following.shape[axis] for axis in roles.space) if following.ndim == source.ndim else 0
        if small * FAR_SMALLER < most:
            break
        number, level = number + 1, following
    return number, level, fits(level)[1]


def _held(source: Source, roles: _Roles) -> tuple[Source, list[str]]:
    """A source at the first sample of each axis that is not shown, and what is told of that."""
    named = axes_of(source)
    region: dict[int, tuple[int, int]] = {axis: (0, 1) for axis in roles.held if source.shape[axis] > 1}
    note = [f"{named.label(axis)} 0 of {source.shape[axis]}" for axis in region]
    if roles.channel is not None and source.shape[roles.channel] > MOST_CHANNELS:
        region[roles.channel] = (0, MOST_CHANNELS)
        note.append(f"the first {MOST_CHANNELS} of {source.shape[roles.channel]} channels")
    return (one_region(source, region) if region else source), note


def reduced(source: Source, axes: Sequence[int], numbers: Sequence[int], majority: bool, **how: Any) -> Array:
    """A source with some axes resampled by area to sizes, or with blocks of factors made one by majority; bounded
    memory. how : the run is done, as in `resample_zarr`.
    """
    from zarr.storage import MemoryStore

    from vrdask.api import downsample_zarr, resample_zarr

    plain = replace(source, image=None, layout=replace(source.layout, dimension_names=None))  # keeps the order of axes
    if majority:
        job = downsample_zarr.prepare(plain, MemoryStore(), list(numbers), "majority", axes=list(axes), **how)
    else:
        job = resample_zarr.prepare(plain, MemoryStore(), list(numbers), mode="area", axes=list(axes), **how)
    return np.asarray(job.run()[...])


def _resampled(
    image: Image, shape: Sequence[int], out: Sequence[int], space: Sequence[int], factors: Sequence[int], majority: bool
) -> Image:
    if not majority:
        return image.resampled(shape, out, align_corners=False)
    steps = [1] * len(shape)
    for axis, factor in zip(space, factors, strict=True):
        steps[axis] = factor
    return image.stepped(steps, [(factor - 1) / 2 for factor in steps])


def _in_order(samples: Array, roles: _Roles) -> Array:
    channels = () if roles.channel is None else (roles.channel,)
    turned = samples.transpose(*roles.held, *channels, *roles.space)
    sizes = [samples.shape[axis] for axis in roles.space]
    return turned.reshape(-1, *[1] * (3 - len(sizes)), *sizes)
