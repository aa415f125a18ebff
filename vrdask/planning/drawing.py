"""A plan as a picture: source and result side by side, with what some of its tasks read and write. SVG, as text.

    source                 result
+---+---+---+---+        +-----+-----+
|###|## |   |   |        |#####|     |
|###|## |   |   |        |#####|     |      # reads of a task, and its writes
+---+---+---+---+   ->   +-----+-----+
|   |   |   |   |        |     |     |      lines: stored chunks, and output chunks
+---+---+---+---+        +-----+-----+
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from vrdask.boxes import Box, Edges, Interval, rounds_of, touched
from vrdask.text import by_axis, counted

SIDE = 220
"""Pixels of the longer side of an array."""
LEAST_SIDE = 14
"""Of the shorter one, so that it can be seen."""
MOST_LINES = 64
"""Along an axis; of more nothing could be told apart."""
LEFT, TOP, GAP, LINE = 6, 22, 48, 18
"""Pixels around and between the arrays."""
COLOURS = ("#d1495b", "#2a9d5c", "#6a4c93")
"""One for each task that is shown."""

Pair = tuple[int, int]


def drawn(
    in_shape: Sequence[int],
    out_shape: Sequence[int],
    in_edges: Sequence[Edges] | None,
    out_edges: Sequence[Edges],
    task: Callable[[int], tuple[Box, Box]],
) -> str:
    """An SVG of two axes of a plan; empty where there is nothing to draw.

    in_edges, out_edges : boundaries of the stored chunks (None where any sample can be read alone), and of the output
    chunks. task : what the task of an output chunk, in C order, reads and writes.
    """
    grid = [len(edges) - 1 for edges in out_edges]
    if not grid or 0 in grid or 0 in in_shape:
        return ""
    axes = drawn_axes(in_shape, out_shape)
    shown = [task(number) for number in shown_tasks(grid, axes)]
    source = _Panel("source", in_shape, axes, LEFT)
    result = _Panel("result", out_shape, axes, source.right + GAP)
    parts = [*source.frame(in_edges), *result.frame(out_edges)]
    for (reads, writes), colour in zip(shown, COLOURS, strict=False):
        for part, _ in rounds_of(reads, in_shape):
            if in_edges is not None:
                parts.append(source.box(_decoded(part, in_edges), colour, 0.15, 0))
            parts.append(source.box(part, colour, 0.3, 1.5))
        parts.append(result.box(writes, colour, 0.3, 1.5))
    bottom = max(source.bottom, result.bottom)
    many = f"{len(shown)} of {counted(prod(grid), 'task')}" if len(shown) < prod(grid) else counted(len(shown), "task")
    said = f"reads and writes of {many}" + (", the chunks that are decoded lighter" if in_edges is not None else "")
    parts.append(_text(LEFT, bottom + LINE, said))
    width, height = max(result.right + LEFT, LEFT + 7 * len(said)), bottom + LINE + LEFT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{said}" '
        f'font-family="sans-serif" font-size="12">{"".join(parts)}</svg>'
    )


def drawn_axes(in_shape: Sequence[int], out_shape: Sequence[int]) -> Pair:
    """The axes down and across: the last two that are resampled, then the last that have more than one sample.

    >>> drawn_axes((3, 512, 512), (3, 256, 256)), drawn_axes((90, 80, 3), (45, 40, 3)), drawn_axes((9, 9), (9, 3))
    ((1, 2), (0, 1), (0, 1))

    An array of one axis is drawn as a row: its axis down is none, -1.

    >>> drawn_axes((8,), (4,))
    (-1, 0)
    """
    axes = range(len(in_shape))
    last = sorted(axes, key=lambda k: (in_shape[k] != out_shape[k], max(in_shape[k], out_shape[k]) > 1, k))[-2:]
    down, across = sorted(last) if len(last) == 2 else (-1, last[0])
    return down, across


def shown_tasks(grid: Sequence[int], axes: Pair) -> list[int]:
    """Numbers, in C order, of the first, the middle and the last task along the drawn axes, amid the others.

    >>> shown_tasks((4, 4), (0, 1)), shown_tasks((5, 1, 2), (1, 2)), shown_tasks((1, 1), (0, 1))
    ([0, 10, 15], [4, 5], [0])
    """
    chosen = []
    for at in (lambda n: 0, lambda n: n // 2, lambda n: n - 1):
        number = 0
        for axis, n in enumerate(grid):
            number = number * n + (at(n) if axis in axes else n // 2)
        chosen.append(number)
    return sorted(set(chosen))


class _Panel:
    """An array, at a place in the picture."""

    def __init__(self, name: str, shape: Sequence[int], axes: Pair, left: float) -> None:
        self.name, self.shape, self.axes, self.left = name, shape, axes, left
        sizes = [1 if axis < 0 else shape[axis] for axis in axes]
        self.height, self.width = (max(LEAST_SIDE, SIDE * n / max(sizes)) for n in sizes)
        self.right, self.bottom = left + max(self.width, 7.0 * len(self._title)), TOP + self.height

    @property
    def _title(self) -> str:
        names = [str(axis) for axis in self.axes if axis >= 0]
        return f"{self.name} {by_axis(self.shape)}" + (f", axes {' and '.join(names)}" if len(self.shape) > 2 else "")

    def frame(self, edges: Sequence[Edges] | None) -> list[str]:
        """Its title, its outline and the lines between its chunks."""
        parts = [
            _text(self.left, TOP - 8, self._title),
            f'<rect x="{self.left:g}" y="{TOP}" width="{self.width:.1f}" height="{self.height:.1f}" fill="none" '
            'stroke="currentColor"/>',
        ]
        lines = []
        for axis, along in zip(self.axes, ("down", "across"), strict=True):
            if edges is None or axis < 0 or len(edges[axis]) > MOST_LINES + 1:
                continue
            for at in edges[axis][1:-1]:
                if along == "down":
                    lines.append(f"M{self.left:g} {self._y(int(at)):.1f}h{self.width:.1f}")
                else:
                    lines.append(f"M{self._x(int(at)):.1f} {TOP}v{self.height:.1f}")
        if lines:
            parts.append(f'<path d="{"".join(lines)}" stroke="currentColor" stroke-opacity="0.3" fill="none"/>')
        return parts

    def box(self, box: Box, colour: str, opacity: float, stroke: float) -> str:
        """What it has of a box."""
        (top, bottom), (left, right) = ((0, 1) if axis < 0 else box[axis] for axis in self.axes)
        x, y = self._x(left), self._y(top)
        return (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{self._x(right) - x:.1f}" height="{self._y(bottom) - y:.1f}" '
            f'fill="{colour}" fill-opacity="{opacity}" stroke="{colour}" stroke-width="{stroke}"/>'
        )

    def _x(self, at: int) -> float:
        return self.left + self.width * at / self.shape[self.axes[1]]

    def _y(self, at: int) -> float:
        return TOP + self.height * at / (1 if self.axes[0] < 0 else self.shape[self.axes[0]])


def _decoded(box: Box, edges: Sequence[Edges]) -> Box:
    """A box out to the ends of the chunks that it touches."""
    return tuple(map(_out_to, edges, box))


def _out_to(edges: Edges, interval: Interval) -> Interval:
    chunks = touched(edges, interval)
    return (int(edges[chunks.start]), int(edges[chunks.stop])) if len(chunks) else interval


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" fill="currentColor">{words}</text>'
