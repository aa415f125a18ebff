"""What is asked of tifffile beyond its public interface, in one place; each has a test of its own that fails when a new
version of tifffile moves it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def slide_description(description: str) -> dict[str, Any]:
    """What the description of a page of an Aperio slide says, by name.

    Raises
    ------
    ValueError
        It is no such description.
    """
    from tifffile.tifffile import svs_description_metadata

    said: dict[str, Any] = svs_description_metadata(description)
    return said


def jpeg_colours() -> Callable[..., tuple[Any, Any]] | None:
    """What tells as which colours the JPEGs of a page are stored and read; None where this tifffile does not tell."""
    try:
        from tifffile.tifffile import jpeg_decode_colorspace
    except ImportError:
        return None
    tell: Callable[..., tuple[Any, Any]] = jpeg_decode_colorspace
    return tell
