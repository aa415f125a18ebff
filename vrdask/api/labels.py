"""Labels are numbers of things: their mean is another thing, or none. So they are not mixed unless asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from vrdask.sources import Source

KEEPS_LABELS = "nearest"
"""The mode that mixes nothing."""
Modes = str | Sequence[str] | Mapping[str, str]


def mode_for(mode: Modes | None, is_labels: bool) -> Modes:
    """The mode of a run: as asked for, else linear, and nearest for labels.

    Labels that shrink by whole factors are not resampled but downsampled, by majority, where no mode is asked for.
    """
    if mode is None:
        return KEEPS_LABELS if is_labels else "linear"
    if is_labels and any(one != KEEPS_LABELS for one in _each(mode)):
        warnings.warn(
            f"labels are mixed by mode {mode!r}, into numbers that may be no labels: {KEEPS_LABELS} keeps them",
            stacklevel=3,
        )
    return mode


def block_mode_for(mode: str | None, source: Source, keeping: Sequence[str], force: bool) -> str:
    """The mode of a run by whole blocks: as asked for, else mean, and majority for labels.

    keeping : the modes whose results are all samples of the source. force : lets labels be mixed by others.

    Raises
    ------
    ValueError
        Labels would be mixed.
    """
    is_labels = source.image is not None and source.image.is_labels
    if mode is None:
        return "majority" if is_labels else "mean"
    if is_labels and mode not in keeping and not force:
        raise ValueError(
            f"mode must be one of {', '.join(keeping)} for labels, which must not be mixed; got {mode!r}: "
            "force=True (--force) mixes them all the same"
        )
    return mode


def holds_labels(source: Source, labels: bool) -> tuple[Source, bool]:
    """A source, and whether its samples are labels: it says so, or the caller does."""
    image = source.image
    if image is None or image.is_labels or not labels:
        return source, labels or (image is not None and image.is_labels)
    return replace(source, image=replace(image, extra={**image.extra, "image-label": {}})), True


def whole_factors(in_shape: Sequence[int], axes: Sequence[int], sizes: Sequence[int]) -> list[int] | None:
    """The factors by which axes shrink, where all are whole and one of them is more than 1; None where they are not.

    >>> whole_factors((9, 8, 6), (1, 2), (4, 3)), whole_factors((9, 8), (0, 1), (5, 4))
    ([2, 2], None)
    """
    pairs = [(in_shape[axis], size) for axis, size in zip(axes, sizes, strict=True)]
    if any(size < 1 or n % size for n, size in pairs) or all(n == size for n, size in pairs):
        return None
    return [n // size for n, size in pairs]


def _each(mode: Modes) -> Iterable[str]:
    if isinstance(mode, str):
        return (mode,)
    return tuple(mode.values()) if isinstance(mode, Mapping) else tuple(mode)
