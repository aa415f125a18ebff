"""Tasks, and what plans of any transform say of theirs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from html import escape
from math import prod

from vrdask.boxes import Box, Edges, shape_of, size_of
from vrdask.compute.footprint import table_bytes
from vrdask.planning.drawing import drawn
from vrdask.text import by_axis, format_bytes
from vrdask.transforms.transform import Transform


@dataclass(frozen=True, slots=True)
class Task:
    """One output chunk: `index` in the grid of chunks, the source box it reads, the output box it writes."""

    index: tuple[int, ...]
    reads: Box
    writes: Box


class Plan(ABC):
    """A transform cut into tasks, in C order of their outputs."""

    @property
    @abstractmethod
    def transform(self) -> Transform: ...

    @property
    @abstractmethod
    def edges(self) -> tuple[Edges, ...]:
        """Boundaries of the output chunks along each axis."""

    @property
    @abstractmethod
    def stored_edges(self) -> tuple[Edges, ...] | None:
        """Boundaries of the source's stored chunks along each axis; None where any sample can be read alone."""

    @abstractmethod
    def __getitem__(self, number: int) -> Task:
        """The task of one output chunk, by its number in C order."""

    @property
    @abstractmethod
    def largest(self) -> tuple[Box, Box]:
        """Boxes as large as any that a task reads, and writes, along each axis."""

    @property
    @abstractmethod
    def bytes_read(self) -> int:
        """Bytes of source samples that the tasks decode together; whole stored chunks where those are known."""

    @property
    @abstractmethod
    def peak_between_bytes(self) -> int:
        """The largest intermediate arrays of any task: B-spline coefficients, copies to be converted, or uint8 between
        the passes of a filter.
        """

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of output chunks along each axis."""
        return tuple([len(edges) - 1 for edges in self.edges])

    def __len__(self) -> int:
        return prod(self.shape)

    @property
    def source_bytes(self) -> int:
        """Bytes of the whole source."""
        return prod(self.transform.in_shape) * self.transform.in_dtype.itemsize

    @property
    def bytes_written(self) -> int:
        """Bytes of the whole result."""
        return prod(self.transform.out_shape) * self.transform.out_dtype.itemsize

    @property
    def read_amplification(self) -> float:
        """`bytes_read` over the bytes of the source: 1.0 where each sample is decoded once."""
        return self.bytes_read / self.source_bytes if self.source_bytes else 1.0

    @property
    def peak_bytes(self) -> int:
        """Most memory that one task holds at a time: what it reads, every intermediate, what it writes, and the tables
        of long axes.
        """
        return self.peak_read_bytes + self.peak_between_bytes + self.peak_write_bytes + self.peak_table_bytes

    @property
    def peak_read_bytes(self) -> int:
        """The largest source box of any task."""
        return size_of(self.largest[0]) * self.transform.in_dtype.itemsize

    @property
    def peak_table_bytes(self) -> int:
        """Bound on the tables that a task has at a time; 0 where those of the whole transform are small."""
        return table_bytes(self.transform, self.largest[1])

    @property
    def peak_write_bytes(self) -> int:
        """The largest output box of any task."""
        return size_of(self.largest[1]) * self.transform.out_dtype.itemsize

    def _does(self) -> tuple[str, str]:
        """What the tasks do: a word, and between which arrays."""
        transform = self.transform
        word, _, mode = transform.label.partition("-")
        arrays = (
            f"{by_axis(transform.in_shape)} {transform.in_dtype} -> "
            f"{by_axis(transform.out_shape)} {transform.out_dtype}"
        )
        return word, f"{arrays}, {mode}"

    def _tasks(self) -> str:
        return f"{prod(self.shape):,} of up to {by_axis(shape_of(self.largest[1]))}"

    def _read(self) -> str:
        return f"{format_bytes(self.bytes_read)} (read amplification {self.read_amplification:.2f})"

    def _rows(self) -> list[tuple[str, str]]:
        return [
            self._does(),
            ("tasks", self._tasks()),
            ("bytes read", self._read()),
            ("bytes written", format_bytes(self.bytes_written)),
            ("peak bytes per task", format_bytes(self.peak_bytes)),
        ]

    def __str__(self) -> str:
        return "\n".join(f"{name:<20}{value}" for name, value in self._rows())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._does()[1]}; tasks: {self._tasks()}>"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in self._rows())
        return f"<table>{rows}</table>{self._drawn()}"

    def _drawn(self) -> str:
        def task(number: int) -> tuple[Box, Box]:
            found = self[number]
            return found.reads, found.writes

        what = self.transform
        return drawn(what.in_shape, what.out_shape, self.stored_edges, self.edges, task)
