"""What a run computes: a result of which every box follows from a box of the source. Pure.

A transform holds every number that decides a bit, and nothing of how a run is cut up. Runs, their tasks and their
records know no more of it than this.
"""

from __future__ import annotations

from typing import Any, Protocol

from vrdask.boxes import Box
from vrdask.dtypes import DType


class Transform(Protocol):
    """From a whole array to a whole array."""

    @property
    def in_shape(self) -> tuple[int, ...]: ...

    @property
    def out_shape(self) -> tuple[int, ...]: ...

    @property
    def in_dtype(self) -> DType: ...

    @property
    def out_dtype(self) -> DType: ...

    @property
    def label(self) -> str:
        """For people, and for the names of tasks: "resample-cubic"."""

    def reads(self, writes: Box) -> Box:
        """The source box that an output box depends on."""

    def settings(self) -> dict[str, Any]:
        """What two runs must agree in for one to go on from the other: JSON."""
