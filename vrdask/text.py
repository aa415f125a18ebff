"""Numbers for people."""

from __future__ import annotations

from collections.abc import Iterable


def format_bytes(count: float) -> str:
    """A number of bytes.

    >>> format_bytes(1536), format_bytes(12)
    ('1.50 KiB', '12 B')
    """
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        units.pop(0)
    return f"{count:.0f} B" if units[0] == "B" else f"{count:.2f} {units[0]}"


def counted(count: int, noun: str) -> str:
    """A number of things.

    >>> counted(1, "thread"), counted(2, "thread")
    ('1 thread', '2 threads')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def by_axis(sizes: Iterable[int]) -> str:
    """Sizes of an array along its axes.

    >>> by_axis((256, 512, 3))
    '256x512x3'
    """
    return "x".join(map(str, sizes))
