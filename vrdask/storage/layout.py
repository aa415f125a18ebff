"""How an array is stored: what a target takes over from its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Layout:
    """How a target is stored where nothing else is asked for: as its source is."""

    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None = None
    compressors: Any = "auto"
    fill_value: Any = 0
    dimension_names: tuple[str | None, ...] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    coordinates: Any = None
    """Of its samples: an xarray.Dataset of them; None where the source is not labelled."""
