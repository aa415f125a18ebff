"""Samples of DICOM frames: decoded by pydicom and its plugins, times slope plus intercept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from vrdask.buffers import Empty
from vrdask.dtypes import DType, native
from vrdask.sources.dicom_frames import WHAT, Frame, Header
from vrdask.sources.opening import decoding, is_damage, package_for, reason_of, warnings_ignored
from vrdask.sources.stack_array import Array

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64")
EXACT_IN_FLOAT32 = 24
"""Bits of an integer."""
PIECE_SAMPLES = 1 << 15
"""That are scaled at a time."""
PLUGINS = "pip install 'pylibjpeg[all]', or python-gdcm"


@dataclass(frozen=True)
class DicomFrames:
    """The slices in frames of DICOM files; travels as their paths.

    scaling : slope and intercept of each frame, the numbers of which are whole where `dtype` is of integers; None where
    samples are as they are stored. deflated : whether the files are, so that they can only be read whole.
    """

    places: tuple[tuple[str, int | None], ...]
    shape: tuple[int, ...]
    stored: str
    dtype: DType
    scaling: tuple[tuple[float, float], ...] | None
    deflated: bool

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(path for path, _ in self.places))

    def __call__(self, number: int, empty: Empty) -> Array:
        path, index = self.places[number]
        with decoding(WHAT, path), warnings_ignored():
            samples = _decoded(path, index, self.deflated)
        if samples.shape != self.shape or native(samples.dtype) != np.dtype(self.stored):
            raise ValueError(
                f"{WHAT} must hold what its header says, {self.shape} {self.stored}; got {samples.shape} "
                f"{samples.dtype} in {path}"
            )
        if self.scaling is None:
            return samples.astype(self.dtype, copy=False)
        return scaled(samples, self.scaling[number], empty(self.shape, self.dtype), path)


def _decoded(path: str, index: int | None, whole: bool) -> Array:
    pydicom = package_for(path, "pydicom", "dicom")
    from pydicom.pixels import pixel_array

    found: Array = pixel_array(pydicom.dcmread(path) if whole else path, index=index)
    return found


def scaled(samples: Array, scaling: tuple[float, float], to: Array, path: str) -> Array:
    """Samples times slope plus intercept, in `to`: of integers exact, else computed in float64 and rounded once.

    Raises
    ------
    ValueError
        A sample has more bits than its file says, and its number does not fit.
    """
    kind: Any = np.int64 if to.dtype.kind in "iu" else np.float64
    slope, intercept = kind(scaling[0]), kind(scaling[1])
    rows = max(1, PIECE_SAMPLES // max(1, samples[0].size))
    for start in range(0, len(samples), rows):
        numbers = samples[start : start + rows].astype(kind)
        numbers *= slope
        numbers += intercept
        if kind is np.int64 and to.dtype.itemsize < 8:
            info = np.iinfo(to.dtype)
            if numbers.min() < info.min or numbers.max() > info.max:
                raise ValueError(f"{WHAT} must have samples of as many bits as it says; got more in {path}")
        with np.errstate(over="ignore"):
            to[start : start + rows] = numbers
    return to


def numbers_of(frames: Sequence[Frame]) -> tuple[DType, int, bool]:
    """The type that holds the scaled samples of some frames, the bits that their largest takes, and whether they are
    scaled: the smallest integers that hold all there may be, where slopes and intercepts are whole; else float32, or
    float64 where samples have more bits than that holds.
    """
    stored = frames[0].form.stored
    bits = max(frame.bits for frame in frames)
    if all(frame.scaling == (1.0, 0.0) for frame in frames):
        return np.dtype(stored), bits, False
    ends = []
    for kind, size, (slope, intercept) in {(f.form.stored[0], f.bits, f.scaling) for f in frames}:
        low, high = (-(1 << (size - 1)), (1 << (size - 1)) - 1) if kind == "i" else (0, (1 << size) - 1)
        ends += [low * Fraction(slope) + Fraction(intercept), high * Fraction(slope) + Fraction(intercept)]
    if all(float(one).is_integer() for frame in frames for one in frame.scaling):
        for name in INTEGERS:
            info = np.iinfo(name)
            if info.min <= min(ends) and max(ends) <= min(info.max, np.iinfo("int64").max):
                return np.dtype(name), int(max(ends)).bit_length(), True
    return np.dtype("float32" if bits <= EXACT_IN_FLOAT32 else "float64"), bits, True


def require_decodable(headers: Sequence[Header], slices: DicomFrames) -> None:
    """Refuse compressions that cannot be decoded here: by their names, or by a frame of each.

    Raises
    ------
    ValueError
        The message names what to install.
    """
    for header in {one.syntax: one for one in headers if one.syntax.is_compressed}.values():
        number = next(number for number, (path, _) in enumerate(slices.places) if path == header.path)
        require_decoder(header.path, header.syntax, partial(slices, number, np.empty))


def require_decoder(path: str, syntax: Any, decode_one: Callable[[], object]) -> None:
    """Refuse a compression that cannot be decoded here: by its name, or by a frame, which `decode_one` decodes.

    Raises
    ------
    ValueError
        The message names what to install.
    """
    package_for(path, "pydicom", "dicom")
    from pydicom.pixels import get_decoder

    begins = f"{WHAT} must have a compression that can be decoded; got {syntax.name} in {path}"
    try:
        is_there = get_decoder(syntax).is_available
    except NotImplementedError:
        raise ValueError(f"{begins}, which pydicom does not read: convert it") from None
    if not is_there:
        raise ValueError(f"{begins}: {PLUGINS}")
    try:
        decode_one()
    except Exception as error:
        if not is_damage(error):
            raise
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        said = reason_of(cause).rpartition("available plugins: ")[2]
        raise ValueError(f"{begins}: {said}; another decoder may do it: {PLUGINS}") from None
