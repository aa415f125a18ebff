"""A source as eyes see it: grey or colours of which 0 is black, the right way up. For pictures; arrays keep their
numbers.

What Pillow converts, Pillow converts here, pixel by pixel: CMYK, CIELab, YCbCr, premultiplied colours. So the result is
what it shows of the same file, however it is cut into boxes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

from vrdask.dtypes import DType
from vrdask.images.colours import channel_axis, with_colours
from vrdask.images.image import Image
from vrdask.sources.source import Readable, Source

Array = npt.NDArray[Any]


class Meaning(Enum):
    """What samples stand for."""

    PLAIN = "grey, or red, green and blue"
    WHITE_IS_ZERO = "grey, of which 0 is white"
    PALETTE = "numbers of colours"
    CMYK = "inks"
    CIELAB = "lightness and two axes of colour"
    YCBCR = "luminance and two differences of colour"
    PREMULTIPLIED = "colours times opacity, and opacity"


PILLOW = {  # mode, raw mode, samples of a pixel, what it becomes
    Meaning.CMYK: ("CMYK", "CMYK", 4, "RGB"),
    Meaning.CIELAB: ("LAB", "LAB", 3, "RGB"),
    Meaning.YCBCR: ("YCbCr", "YCbCr", 3, "RGB"),
    Meaning.PREMULTIPLIED: ("RGBA", "RGBa", 4, "RGBA"),
}


@dataclass(frozen=True)
class Seen:
    """How eyes see an array."""

    meaning: Meaning | None = Meaning.PLAIN
    """None for what is not shown."""
    bits: int = 8
    """Of a sample."""
    palette: bytes | None = None
    """Red, green and blue of each number."""
    orientation: int = 1
    """Of the tag of that name, 1 to 8: where the first row and the first column are."""
    name: str = ""
    """Of the file's photometric interpretation."""

    @property
    def unseen(self) -> tuple[str, ...]:
        """What its numbers alone do not show: a line each, for people."""
        found = []
        if self.orientation not in (0, 1):
            found.append(
                f"rows and columns stay as they are stored: the file's orientation, {self.orientation}, turns them"
            )
        if self.meaning is None:
            found.append(f"samples stay the numbers that they are, of {self.name}")
        elif self.meaning is not Meaning.PLAIN:
            found.append(f"samples stay the numbers that they are: {self.meaning.value}")
        return tuple(f"{one} (.png and .jpg show it)" for one in found) if self.meaning is not None else tuple(found)


@dataclass(frozen=True)
class Colouring:
    """A function of each pixel alone. `axis` is that of its samples; None where it is one sample."""

    meaning: Meaning
    bits: int
    palette: bytes | None
    axis: int | None

    def __call__(self, samples: Array) -> Array:
        """Samples last, where a pixel has several."""
        if self.meaning is Meaning.PALETTE:
            assert self.palette is not None
            table = np.frombuffer(self.palette, np.uint8).reshape(-1, 3)
            return table[np.minimum(samples, len(table) - 1)]
        if self.meaning in PILLOW:
            return self._by_pillow(np.moveaxis(samples, -1 if self.axis is None else self.axis, -1))
        most = (1 << self.bits) - 1
        number = samples.astype(np.uint8) if self.bits < 8 else samples
        if self.meaning is Meaning.WHITE_IS_ZERO:
            number = (number.dtype.type(most) - number) if number.dtype.kind == "u" else -number
        return number * np.uint8(255 // most) if self.bits < 8 else number

    def _by_pillow(self, samples: Array) -> Array:
        from PIL import Image as Picture

        mode, raw, count, to = PILLOW[self.meaning]
        eight = samples[..., :count]
        eight = (eight >> 8).astype(np.uint8) if eight.dtype == np.uint16 else eight
        pixels = eight.size // count
        if not pixels:
            return np.empty((*eight.shape[:-1], len(to)), np.uint8)
        whole = Picture.frombytes(mode, (pixels, 1), np.ascontiguousarray(eight).tobytes(), "raw", raw)
        shown = whole if whole.mode == to else whole.convert(to)
        return np.asarray(shown).reshape(*eight.shape[:-1], len(to))


@dataclass(frozen=True)
class SeenArray:
    """An array as eyes see it. `rows` and `columns` are its axes of those names; colours, where there are some, come
    last. `orientation` as in `Seen`.
    """

    whole: Readable
    rows: int
    columns: int
    colouring: Colouring | None
    colours: int | None
    """How many samples of a pixel there are in the end; None for none of their own axis."""
    eight_bits: bool
    orientation: int

    @property
    def _turns(self) -> bool:
        return self.orientation >= 5

    @property
    def _shared(self) -> list[int]:
        """Axes of `whole` but that of a pixel's samples."""
        axis = self._samples
        return [k for k in range(len(self.whole.shape)) if k != axis]

    @property
    def _samples(self) -> int | None:
        return None if self.colouring is None else self.colouring.axis

    @property
    def _order(self) -> list[int]:
        """For each axis but that of colours, the axis of `whole` that it is."""
        swap = {self.rows: self.columns, self.columns: self.rows} if self._turns else {}
        return [swap.get(axis, axis) for axis in self._shared]

    @property
    def shape(self) -> tuple[int, ...]:
        return self._of(self.whole.shape)

    @property
    def dtype(self) -> DType:
        return np.dtype(np.uint8) if self.eight_bits else self.whole.dtype

    @property
    def chunks(self) -> tuple[int, ...] | None:
        return None if self.whole.chunks is None else self._of(self.whole.chunks)

    def _of(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        return (*(sizes[axis] for axis in self._order), *(() if self.colours is None else (self.colours,)))

    def __getitem__(self, box: tuple[slice, ...], /) -> Array:
        sides = [part.indices(n)[:2] for part, n in zip(box, self.shape, strict=False)]
        sides += [(0, n) for n in self.shape[len(sides) :]]
        inner: list[slice] = [slice(None)] * len(self.whole.shape)
        backwards = []
        for axis, (start, stop), place in zip(self._order, sides, range(len(self._order)), strict=False):
            n = self.whole.shape[axis]
            is_backwards = (axis == self.rows and self.orientation in (3, 4, 6, 7)) or (
                axis == self.columns and self.orientation in (2, 3, 7, 8)
            )
            stop = max(start, stop)
            inner[axis] = slice(n - stop, n - start) if is_backwards else slice(start, stop)
            if is_backwards:
                backwards.append(place)
        samples = np.asarray(self.whole[tuple(inner)])
        shown = samples if self.colouring is None else self.colouring(samples)
        places = [self._shared.index(axis) for axis in self._order]
        last = [] if self.colours is None else [len(places)]
        shown = np.flip(shown.transpose(*places, *last), tuple(backwards))
        if self.colours is not None:
            shown = shown[..., slice(*sides[-1])]
        return np.ascontiguousarray(shown)


def seen_alone(how: Seen | None) -> Seen | None:
    """How eyes see one sample of each pixel: as grey."""
    if how is None or how.meaning is Meaning.WHITE_IS_ZERO:
        return how
    return replace(how, meaning=Meaning.PLAIN)


def seen(source: Source) -> Source:
    """A source as eyes see it; itself where that is what it holds.

    Raises
    ------
    ValueError
        Its colours cannot be shown.
    """
    how = source.seen
    if how is None or source.image is None:
        return source
    if how.meaning is None:
        raise ValueError(
            f"a picture must be of grey, colours, a palette, CMYK or CIELab; got {how.name} in {source.place}: "
            "write TIFF or Zarr, which keep the numbers"
        )
    made = _shown(source, how)
    return source if made is None else made


def _shown(source: Source, how: Seen) -> Source | None:
    image, array = source.image, source.array
    assert image is not None
    assert how.meaning is not None
    names = image.axis_names
    if not {"y", "x"} <= {*names}:
        return None
    samples = channel_axis(image)
    plain = how.meaning is Meaning.PLAIN and how.bits >= 8
    if plain and how.orientation in (0, 1):
        return None
    pillow = PILLOW.get(how.meaning)
    if pillow is not None and (samples is None or array.shape[samples] < pillow[2] or array.dtype.itemsize > 2):
        raise ValueError(
            f"{how.name} must have {pillow[2]} samples of 8 or 16 bits to be shown; "
            f"got {array.dtype} and shape {array.shape} in {source.place}"
        )
    if how.meaning is Meaning.CIELAB and array.dtype != np.uint8:
        raise ValueError(f"CIELab must have 8 bits to be shown; got {array.dtype} in {source.place}")
    axis = samples if pillow is not None or plain else None
    if not plain and pillow is None and how.meaning is not Meaning.PALETTE and samples is not None:
        axis = None  # grey with further samples: each as it is
    count = len(pillow[3]) if pillow is not None else 3 if how.meaning is Meaning.PALETTE else None
    if plain:
        colouring = None
        axis = None
    else:
        colouring = Colouring(how.meaning, how.bits, how.palette, axis)
    shown = SeenArray(
        array, names.index("y"), names.index("x"), colouring, count, count is not None or how.bits < 8, how.orientation
    )
    said = _image(image, shown, count)
    layout = replace(
        source.layout,
        chunks=tuple(max(1, min(n, 1024)) for n in shown.shape),
        shards=None,
        dimension_names=said.axis_names,
    )

    def stamp() -> Any:
        return [source.stamp(), {"seen": [how.name, how.orientation]}]

    return replace(source, array=shown, image=said, layout=layout, stamp=stamp, seen=None)


def _image(image: Image, shown: SeenArray, count: int | None) -> Image:
    """What is known of it: rows and columns keep their names, and have each other's size where they change places."""
    shared, order = shown._shared, shown._order
    axes: list[Any] = [
        {**image.axes[k], "name": image.axes[axis]["name"]} for axis, k in zip(shared, order, strict=True)
    ]
    scale = [image.scale[k] for k in order]
    translation = [image.translation[k] for k in order]
    if count is None:
        return replace(image, path="", axes=tuple(axes), scale=tuple(scale), translation=tuple(translation))
    axes.append({"name": "c", "type": "channel"})
    found = replace(image, path="", axes=tuple(axes), scale=(*scale, 1.0), translation=(*translation, 0.0), affine=None)
    return with_colours(found, count, shown.dtype)


def as_rgb(array: Readable, axis: int) -> SeenArray:
    """YCbCr as red, green and blue: how samples are stored, not what they mean. axis : of the samples, the last."""
    colouring = Colouring(Meaning.YCBCR, 8, None, axis)
    return SeenArray(array, axis - 2, axis - 1, colouring, 3, True, 1)
