"""Progress of a run: a bar with rate and time left on a terminal and in a notebook, plain lines elsewhere, or the
caller's function.

The first report of a run is made before its first task: what an earlier run has done is no part of the rate.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Report:
    """Call it with (done, in all), of a resampling output samples; from one thread."""

    def __init__(self, told: Callable[[int, int], None] = lambda done, total: None) -> None:
        self._told = told

    def __call__(self, done: int, total: int) -> None:
        self._told(done, total)

    def within(self, count: int) -> None:
        """So much of a task that goes on is done; from any thread. Few show that."""


_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def reporting(progress: Any, total: int, label: str, unit: str = "voxels") -> Iterator[Report]:
    """The function to report to, for `progress` None or False (silence), True (standard error), a callable, or a bar
    such as tqdm's (`total`, and `update` with what was added), which stays the caller's to close.
    """
    if progress is None or progress is False:
        yield Report()
    elif hasattr(progress, "update") and hasattr(progress, "total"):
        yield Report(_updating(progress, total))
    elif callable(progress):
        yield Report(progress)
    elif progress is True:
        from rich.console import Console

        console = Console(stderr=True)
        lively = console.is_terminal or console.is_jupyter
        with (_bar if lively else _lines)(console, label, unit) as show:
            yield _Shown(show, total)
    else:
        raise TypeError(
            f"progress must be None, a bool, a callable(done, total) or a bar such as tqdm's; got {progress!r}"
        )


def _updating(bar: Any, total: int) -> Callable[[int, int], None]:
    bar.total = total
    last = 0

    def report(done: int, total: int) -> None:
        nonlocal last
        bar.update(done - last)
        last = done

    return report


class Pace(NamedTuple):
    """How far a run is."""

    done: int
    total: int
    since_start: int
    """What this run has done of it."""
    seconds: float
    """Since its start."""

    @property
    def left(self) -> str:
        """The time left, for people.

        >>> Pace(60, 100, 20, 30.0).left, Pace(5, 100, 0, 1.0).left, Pace(100, 100, 9, 1.0).left
        ('about 1 min left', '', '')
        """
        if not self.since_start or self.done >= self.total:
            return ""
        seconds = self.seconds * (self.total - self.done) / self.since_start
        for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
            if seconds >= size:
                return f"about {seconds / size:.2g} {unit} left"
        return f"about {seconds:.0f} s left"


class _Shown(Report):
    """Of tasks that are done, and of what is done within others."""

    def __init__(self, show: Callable[[Pace], None], total: int) -> None:
        self._show, self._total, self._begun = show, total, time.monotonic()
        self._mutex = threading.Lock()
        self._first: int | None = None
        self._done = self._within = 0

    def __call__(self, done: int, total: int) -> None:
        with self._mutex:
            if self._first is None:
                self._first, self._begun = done, time.monotonic()
            self._done = done
            self._tell()

    def within(self, count: int) -> None:
        with self._mutex:
            self._within += count
            self._tell()

    def _tell(self) -> None:
        first = self._first or 0
        done = max(self._done, first + self._within)
        self._show(Pace(done, self._total, done - first, time.monotonic() - self._begun))


@contextmanager
def _bar(console: Any, label: str, unit: str) -> Iterator[Callable[[Pace], None]]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(), TextColumn("{task.fields[left]}"),
    )  # fmt: skip
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=None, rate="", left="")

        def show(pace: Pace) -> None:
            bar.update(
                task, completed=pace.done, total=pace.total, left=pace.left,
                rate=rate(pace.since_start, pace.seconds, unit) if pace.since_start else "",
            )  # fmt: skip

        yield show


@contextmanager
def _lines(console: Any, label: str, unit: str) -> Iterator[Callable[[Pace], None]]:
    last, told_all = time.monotonic(), False

    def show(pace: Pace) -> None:
        nonlocal last, told_all
        now, all_done = time.monotonic(), pace.done >= pace.total
        if pace.since_start and (now - last >= _SECONDS_BETWEEN_LINES or all_done) and not told_all:
            last, told_all = now, all_done
            percent = 100 * pace.done / max(pace.total, 1)
            told = [f"{percent:.0f} %", rate(pace.since_start, pace.seconds, unit), pace.left]
            console.print(f"{label}: {', '.join(filter(None, told))}", highlight=False)

    yield show


def rate(count: int, seconds: float, unit: str = "voxels") -> str:
    """Counts per second for people.

    >>> rate(3_000_000, 2.0), rate(30, 2.0, "chunks")
    ('1.5 Mvoxels/s', '15.0 chunks/s')
    """
    per_second = count / max(seconds, 1e-9)
    return f"{per_second / 1e6:.1f} M{unit}/s" if per_second >= 1e5 else f"{per_second:.1f} {unit}/s"
