"""Labels are numbers of things: their mean is another thing, or none. So they are not mixed unless asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence

from vrdask.images.image import Image

KEEPS_LABELS = "nearest"
"""The mode that mixes nothing."""
Modes = str | Sequence[str] | Mapping[str, str]


def mode_for(mode: Modes | None, image: Image | None) -> Modes:
    """The mode of a run: as asked for, else linear, and nearest for labels."""
    is_labels = image is not None and image.is_labels
    if mode is None:
        return KEEPS_LABELS if is_labels else "linear"
    if is_labels and any(one != KEEPS_LABELS for one in _each(mode)):
        warnings.warn(
            f"labels are mixed by mode {mode!r}, into numbers that may be no labels: {KEEPS_LABELS} keeps them",
            stacklevel=3,
        )
    return mode


def _each(mode: Modes) -> Iterable[str]:
    if isinstance(mode, str):
        return (mode,)
    return tuple(mode.values()) if isinstance(mode, Mapping) else tuple(mode)
