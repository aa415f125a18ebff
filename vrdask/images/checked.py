"""Values of JSON that must be of a kind. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NEVER_EMPTY = ("datasets", "axes", "multiscales", "coordinateSystems", "transformations of a sequence")


def checked(value: Any, kind: Any, what: str) -> Any:
    """A value of JSON that must be of a kind.

    Raises
    ------
    ValueError
        It is of another.
    """
    if not isinstance(value, kind) or (kind is list and not value and what in _NEVER_EMPTY):
        names: dict[Any, str] = {str: "a text", list: "a list", Mapping: "an object"}
        raise ValueError(f"{what} must be {names[kind]}; got {short(value)}")
    return value


def short(value: Any) -> str:
    """A value for people, cut off where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
