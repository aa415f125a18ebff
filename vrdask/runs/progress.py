"""Progress of a run: a bar with rate and time left on a terminal, plain lines elsewhere, or the caller's function."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Report = Callable[[int, int], None]
"""Called with (done, in all); of a resampling, output samples."""

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def reporting(progress: Any, total: int, label: str, unit: str = "voxels") -> Iterator[Report]:
    """The function to report to, for `progress` None or False (silence), True (standard error), a callable, or a bar
    such as tqdm's (`total`, and `update` with what was added), which stays the caller's to close.
    """
    if progress is None or progress is False:
        yield lambda done, total: None
    elif hasattr(progress, "update") and hasattr(progress, "total"):
        yield _updating(progress, total)
    elif callable(progress):
        yield progress
    elif progress is True:
        from rich.console import Console

        console = Console(stderr=True)
        with (_bar if console.is_terminal else _lines)(console, total, label, unit) as report:
            yield report
    else:
        raise TypeError(
            f"progress must be None, a bool, a callable(done, total) or a bar such as tqdm's; got {progress!r}"
        )


def _updating(bar: Any, total: int) -> Report:
    bar.total = total
    last = 0

    def report(done: int, total: int) -> None:
        nonlocal last
        bar.update(done - last)
        last = done

    return report


@contextmanager
def _bar(console: Any, total: int, label: str, unit: str) -> Iterator[Report]:
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    begun = time.monotonic()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(label, total=total, rate="")

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, rate=rate(done, time.monotonic() - begun, unit))

        yield report


@contextmanager
def _lines(console: Any, total: int, label: str, unit: str) -> Iterator[Report]:
    begun = last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES or done == total:
            last = now
            left = (now - begun) * (total - done) / max(done, 1)
            percent = 100 * done / max(total, 1)
            console.print(
                f"{label}: {percent:.0f} %, {rate(done, now - begun, unit)}, {left:.0f} s left", highlight=False
            )

    yield report


def rate(count: int, seconds: float, unit: str = "voxels") -> str:
    """Counts per second for people.

    >>> rate(3_000_000, 2.0), rate(30, 2.0, "chunks")
    ('1.5 Mvoxels/s', '15.0 chunks/s')
    """
    per_second = count / max(seconds, 1e-9)
    return f"{per_second / 1e6:.1f} M{unit}/s" if per_second >= 1e5 else f"{per_second:.1f} {unit}/s"
