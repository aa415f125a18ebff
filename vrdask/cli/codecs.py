"""Codecs for people."""

from __future__ import annotations

from typing import Any


def codec_name(codec: Any) -> str:
    """A codec's name, and its level where it has one."""
    level = getattr(codec, "level", getattr(codec, "clevel", None))
    name = getattr(codec, "class_name", type(codec).__name__).removesuffix("Codec")
    return name if level is None else f"{name} level {level}"
