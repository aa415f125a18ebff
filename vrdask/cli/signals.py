"""What ends a command from outside: SIGTERM (batch systems, containers) and SIGHUP (a lost terminal) do what Ctrl-C
does, so that what is done is recorded and the lock goes; the exit status is the shell's, 128 and the signal's number.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stopped(KeyboardInterrupt):
    """A signal that asks to stop; `number` is its number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def stopping() -> Iterator[None]:
    """While it lasts, signals that ask to stop raise `Stopped`; those that the caller ignores (nohup) stay ignored. The
    first lets the run record what it has done; a second of the same kind does what it does elsewhere.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def stop(number: int, frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Stopped(number)

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def status_of(error: KeyboardInterrupt) -> int:
    """The exit status of a command that was stopped.

    >>> status_of(KeyboardInterrupt()), status_of(Stopped(15))
    (130, 143)
    """
    return 128 + (error.number if isinstance(error, Stopped) else int(signal.SIGINT))


def said_of(error: KeyboardInterrupt) -> str:
    """What is told of a command that was stopped, in one line."""
    name = "interrupted" if not isinstance(error, Stopped) else f"stopped by {signal.Signals(error.number).name}"
    return "; ".join([name, *getattr(error, "__notes__", [])])
