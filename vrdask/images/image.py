"""An image: what is known of an array's axes, and where its samples lie. Pure.

The centre of the first sample is the origin of an image's own coordinates: sample i of an axis lies at
``scale * i + translation``. What a scanner says beside that is an affine map to its own space. Any change of the grid
(a resampling, a region, an affine map) is a map from the new samples to the old ones; `stepped` and `seen_through`
carry both with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, TypeAlias

from vrdask.images.kinds import space_of

Affine: TypeAlias = tuple[tuple[float, ...], ...]
Number: TypeAlias = int | float | Fraction


@dataclass(frozen=True)
class Image:
    """What is known of an array: a level of an OME-Zarr image, a file's volume, or an array by itself."""

    axes: tuple[Mapping[str, Any], ...]
    """One mapping per array axis, as OME-Zarr has them: name, type, unit, .."""
    path: str
    """Of the level within its OME-Zarr group; empty for an array by itself."""
    scale: tuple[float, ...]
    """The distance between samples along each axis, in its unit; NaN where nothing says it (never in OME-Zarr)."""
    translation: tuple[float, ...]
    """Where the first sample lies along each axis, in its unit."""
    name: str | None
    extra: Mapping[str, Any]
    """What else the group says (omero, image-label, ..), kept as it is."""
    affine: Affine | None = None
    """3 rows (x, y, z of the scanner's space, in millimetres, RAS+ as nibabel has it) of n + 1 numbers: from sample
    numbers along the n axes of space, in the array's order, to positions. None where nothing says it."""
    beside: Mapping[str, Any] = field(default_factory=dict)
    """What the group says in other words than OME-Zarr's, kept as it is."""

    @property
    def axis_names(self) -> tuple[str, ...]:
        return tuple(axis["name"] for axis in self.axes)

    @property
    def space_axes(self) -> tuple[int, ...]:
        return space_of(self.axes)

    @property
    def is_labels(self) -> bool:
        """Whether its samples are labels, which must not be mixed."""
        return "image-label" in self.extra

    def resampled(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        align_corners: bool,
        own_steps: Sequence[Fraction | None] | None = None,
    ) -> Image:
        """The same image after a resampling.

        With r = n_in / n_out, half-pixel resampling of samples at ``s * i + t`` gives samples at
        ``s * r * i + t + s * (r - 1) / 2``; aligned corners give ``s * (n_in - 1) / (n_out - 1) * i + t``.

        own_steps : by axis, r where it is not that of the sizes (with aligned corners in place of their quotient).
        """
        steps, starts = [], []
        for n_in, n_out, own in zip(in_shape, out_shape, own_steps or (None,) * len(in_shape), strict=True):
            if own is not None:
                step, start = own, Fraction(0) if align_corners else (own - 1) / 2
            elif n_in == n_out or (align_corners and n_out == 1):
                step, start = Fraction(1), Fraction(0)
            elif align_corners:
                step, start = Fraction(n_in - 1, n_out - 1), Fraction(0)
            else:
                step = Fraction(n_in, n_out)
                start = (step - 1) / 2
            steps.append(step)
            starts.append(start)
        return self.stepped(steps, starts)

    def stepped(self, steps: Sequence[Number], starts: Sequence[Number]) -> Image:
        """The image whose sample i along an axis lies where this one's sample ``step * i + start`` does."""
        lines = list(zip(self.scale, self.translation, steps, starts, strict=True))
        scale = tuple(_plus_product(0.0, s, step) for s, _, step, _ in lines)
        translation = tuple(_plus_product(t, s, start) for s, t, _, start in lines)
        affine = self.affine
        if affine is not None:
            space = self.space_axes
            affine = tuple(
                (
                    *(_plus_product(0.0, a, steps[axis]) for a, axis in zip(row, space, strict=False)),
                    float(
                        Fraction(row[-1])
                        + sum(Fraction(a) * Fraction(starts[axis]) for a, axis in zip(row, space, strict=False))
                    ),
                )
                for row in affine
            )
        return replace(self, scale=scale, translation=translation, affine=affine)

    def seen_through(
        self, matrix: Sequence[Sequence[float]], offset: Sequence[float], axes: Sequence[int]
    ) -> Image | None:
        """The image whose sample o lies where this one's sample ``matrix @ o + offset`` does, along some axes.

        None where the map does more than stretch and shift, and there is no scanner's space to say it in. Where there
        is one, scale and translation are those along the new axes: see `orientation`.
        """
        n = len(axes)
        straight = all((matrix[i][j] > 0) if i == j else matrix[i][j] == 0 for i in range(n) for j in range(n))
        if not straight:
            from vrdask.images.orientation import turned  # which makes images

            return turned(self, matrix, offset, axes)
        steps: list[Number] = [1] * len(self.axes)
        starts: list[Number] = [0] * len(self.axes)
        for number, axis in enumerate(axes):
            steps[axis], starts[axis] = matrix[number][number], offset[number]
        return self.stepped(steps, starts)


def decimal(number: float) -> Fraction:
    """The shortest decimal that is this float, exactly: what was typed."""
    return Fraction(repr(float(number)))


def _plus_product(sum_: float, factor: float, number: Number) -> float:
    """``sum_ + factor * number`` of decimals, rounded once; NaN where a part of it is not known."""
    if not (math.isfinite(sum_) and math.isfinite(factor)):
        return sum_ if number == 0 else sum_ + factor * float(number)
    return float(decimal(sum_) + decimal(factor) * Fraction(number))
