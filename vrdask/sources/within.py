"""Files and groups that hold several images, and are none."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

MOST_TOLD = 4
"""Images that an error names."""


class ImagesWithinError(ValueError):
    """A place holds images, and is none.

    kind : of what it is, for people. place : where. places : of the images; read as they are asked for.
    """

    def __init__(self, kind: str, place: str, places: Callable[[], Iterable[str]]) -> None:
        self.kind, self.place, self.places = kind, place, places
        first = list(islice(places(), MOST_TOLD + 1))
        told = ", ".join(first[:MOST_TOLD]) + (", .." if len(first) > MOST_TOLD else "")
        super().__init__(f"source must be one image; got {kind} at {place}, which holds {told or 'none'}")
