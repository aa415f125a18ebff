"""How libraries take turns on a clock. Needs nothing but Python: libraries in environments of their own take part."""

from __future__ import annotations

import time
from collections.abc import Callable

PAUSE = 0.01
SETTLED = 0.05
WARMED = 0.03
"""How one library's threads are kept from another's clock, with the wait policy that every user has (the default).

After a call, the threads of GNU's OpenMP spin for work to come: 4 to 7 ms of processor time, measured, on 2 cores that
the next library then shares (volresample and vrdask have a runtime each). OMP_WAIT_POLICY=PASSIVE ends that, but every
call then wakes its threads: 64^3 took 1.2 to 2 times as long in all libraries, which nobody meets in a loop of calls.
So nothing is called for as long as they spin (`pause`), then a call is repeated untimed for WARMED seconds, then timed.
Where it is known that calls take longer than SETTLED seconds, they are timed at once.

The core of the thread that calls stays awake meanwhile: one that has slept for 6 ms is slow for more than 20 ms, by
half for code in wide registers, and by less for other code. In a loop of calls, which is what people have, nobody meets
that either.
"""
ONCE_MORE = 1.0
"""A first call below so many seconds says little of how long the next ones take."""


def usual_seconds(first: float, call: Callable[[], object]) -> float:
    """How long a call takes of which the first one took `first`; what a process does once may have been in it."""
    return seconds_of(call) if first < ONCE_MORE else first


def seconds_of(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def pause() -> None:
    """Let PAUSE seconds go by without sleeping."""
    end = time.perf_counter() + PAUSE
    while time.perf_counter() < end:
        pass


def warm_up(call: Callable[[], object]) -> None:
    """Call for WARMED seconds."""
    end = time.perf_counter() + WARMED
    call()
    while time.perf_counter() < end:
        call()
