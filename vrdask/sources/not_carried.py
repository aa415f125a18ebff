"""What a file says of itself and no result holds: named in one line, so that nothing is lost without a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

MOST_NAMES = 12
"""Of one holder, that a line names."""
MOST_LETTERS = 100
"""Of a name."""
MOST_LOOKED_AT = 100_000
"""Names of one holder, of which a file may have as many as it likes."""


def not_carried(said: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    """The note about what is not carried on; none where that is nothing.

    said : names by what holds them.

    >>> list(not_carried({"the OME-XML": ["Plane", "Instrument", "Plane"], "its tags": ["DateTime"], "its end": []}))
    [('note', 'not carried on, of the OME-XML: Plane, Instrument; of its tags: DateTime')]
    >>> list(not_carried({"the header": []}))
    []
    """
    parts = []
    for holder, names in said.items():
        found = list(dict.fromkeys(filter(None, map(_short, islice(names, MOST_LOOKED_AT)))))
        more = f" and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
        if found:
            parts.append(f"of {holder}: {', '.join(found[:MOST_NAMES])}{more}")
    if parts:
        yield "note", f"not carried on, {'; '.join(parts)}"


def _short(name: str) -> str:
    """A name in one line, without what a terminal would take for a command."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in str(name)).split())
    return plain if len(plain) <= MOST_LETTERS else f"{plain[: MOST_LETTERS - 2]}.."
