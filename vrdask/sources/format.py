"""A format of files that can be read: what its files are called, what they begin with, and what opens them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vrdask.sources.source import Source


@dataclass(frozen=True)
class Format:
    """One format.

    name : for people. suffixes : of its files, in lower case. magics : what its files may begin with; none where that
    tells nothing. open : gives a level of a series of a file. has_levels : whether there may be others than 0 of them.
    magic_at : the byte at which magics stand. is_local : whether it is read of this machine's files alone.
    open_within : the same of what lies at a path within a file; None where files hold no others than numbered ones.
    """

    name: str
    suffixes: tuple[str, ...]
    magics: tuple[bytes, ...]
    open: Callable[[Path, int, int], Source]
    has_levels: bool = False
    magic_at: int = 0
    is_local: bool = False
    open_within: Callable[[Path, int, int, str], Source] | None = None

    def begins(self, data: bytes) -> bool:
        """Whether a file that begins so is of this format."""
        return data[self.magic_at :].startswith(self.magics)

    def is_named(self, name: str) -> bool:
        """Whether a file is called like one of this format."""
        return name.lower().endswith(self.suffixes)
