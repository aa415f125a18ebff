"""What the figures must reach, and whether they do: pure functions of measured results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from statistics import geometric_mean

from problems import Problem

NOT_MEMORY_BOUND = 3.0
"""On one thread, from this many times the streaming floor on, a second thread has arithmetic to share."""


@dataclass(frozen=True)
class Result:
    """Medians of one problem at one thread count, in milliseconds.

    floor, floor_new_pages : see floor.py.
    fastest, calls : shortest time and number of timed calls, by peer.
    agrees : by peer, None or what differs (volresample's known errors; anything else stops the run).
    """

    problem: Problem
    threads: int
    ms: Mapping[str, float]
    floor: float
    floor_new_pages: float
    fastest: Mapping[str, float] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    agrees: Mapping[str, str | None] = field(default_factory=dict)

    def speedup(self, peer: str) -> float | None:
        return self.ms[peer] / self.ms["vrdask"] if peer in self.ms else None

    @property
    def over_floor(self) -> float:
        return self.ms["vrdask"] / self.floor


@dataclass(frozen=True)
class Row:
    """One target's line: geometric mean and worst of its cases."""

    what: str
    threads: str
    cases: int
    mean: float
    worst: float
    worst_case: str
    target: str
    met: bool | None


def _over_faster(*peers: str) -> Callable[[Result], float | None]:
    """Speed-up over the fastest of some peers."""
    return lambda result: min((s for peer in peers if (s := result.speedup(peer)) is not None), default=None)


_faster_peer = _over_faster("volresample", "torch")
_fastest_elsewhere = _over_faster("OpenCV", "tinybrain", "tensorstore")


def _is_first(p: Problem) -> bool:
    """Whether it is of the lists that volresample and torch are asked for."""
    return p.group in ("volresample", "ours")


def _is_whole(p: Problem) -> bool:
    """Whether sizes are divided by whole numbers."""
    return all(n % m == 0 for n, m in zip(p.sizes, p.out_shape, strict=True))


def _is_linear_between(p: Problem) -> bool:
    return p.group == "pictures" and p.mode == "linear" and not _is_whole(p)


def _is_cubic(p: Problem) -> bool:
    return p.mode == "cubic"


def _is_large_stream(p: Problem) -> bool:
    return p.mode != "cubic" and p.in_shape == (512, 512, 512)


@dataclass(frozen=True)
class Target:
    what: str
    includes: Callable[[Problem], bool]
    value: Callable[[Result], float | None]
    mean: float | None = None
    each: float | None = None
    at_most: bool = False
    threads: tuple[int, ...] | None = None

    def row(self, results: Iterable[Result], threads: int) -> Row | None:
        """None where the target says nothing about this thread count or no case was measured."""
        if self.threads is not None and threads not in self.threads:
            return None
        values = {
            r.problem.name: value
            for r in results
            if r.threads == threads and self.includes(r.problem) and (value := self.value(r)) is not None
        }
        return summary(self.what, str(threads), values, self.mean, self.each, self.at_most)


TARGETS = (
    Target("volresample's 13, over volresample", lambda p: p.group == "volresample",
           lambda r: r.speedup("volresample"), mean=3, each=1.2),
    Target("cubic, over volresample", _is_cubic, lambda r: r.speedup("volresample"), mean=6),
    Target("cubic, over scipy", _is_cubic, lambda r: r.speedup("scipy"), mean=25, threads=(1,)),
    Target("float32, over torch", lambda p: _is_first(p) and p.dtype == "float32",
           lambda r: r.speedup("torch"), mean=4, each=2),
    Target("integers, not nearest, over the faster of volresample and torch",
           lambda p: _is_first(p) and p.is_integer and p.mode != "nearest", _faster_peer, mean=3),
    Target("512^3, not cubic: time over floor", _is_large_stream, lambda r: r.over_floor,
           each=1.5, at_most=True, threads=(2,)),
    Target("the same, floor writes to new pages", _is_large_stream, lambda r: r.ms["vrdask"] / r.floor_new_pages,
           at_most=True, threads=(2,)),
    Target("pictures and means by whole factors, over the fastest of OpenCV, tinybrain, tensorstore",
           lambda p: not _is_first(p) and _is_whole(p), _fastest_elsewhere, each=1, threads=(1,)),
    Target("linear at other ratios, integers, over OpenCV", lambda p: _is_linear_between(p) and p.is_integer,
           lambda r: r.speedup("OpenCV"), each=0.7, threads=(1,)),
    Target("linear at other ratios, float32, over OpenCV", lambda p: _is_linear_between(p) and not p.is_integer,
           lambda r: r.speedup("OpenCV"), each=0.9, threads=(1,)),
)  # fmt: skip


def summary(
    what: str,
    threads: str,
    values: Mapping[str, float],
    mean: float | None,
    each: float | None,
    at_most: bool = False,
) -> Row | None:
    """A target's line from the figure of each of its cases."""
    if not values:
        return None
    middle = geometric_mean(values.values())
    worst_case = (max if at_most else min)(values, key=values.__getitem__)
    worst = values[worst_case]
    sign = -1 if at_most else 1
    asked = [(value, limit) for value, limit in ((middle, mean), (worst, each)) if limit is not None]
    relation = "<=" if at_most else ">="
    texts = [f"{name} {relation} {limit:g}" for name, limit in (("mean", mean), ("each", each)) if limit is not None]
    met = all(sign * value >= sign * limit for value, limit in asked) if asked else None
    return Row(what, threads, len(values), middle, worst, worst_case, ", ".join(texts) or "-", met)


def thread_scaling(results: Iterable[Result]) -> Row | None:
    """Two threads over one, of cases that one thread does not run at the speed of memory."""
    by_case = {(r.problem.name, r.threads): r for r in results}
    values = {
        name: one.ms["vrdask"] / two.ms["vrdask"]
        for (name, threads), one in by_case.items()
        if threads == 1 and one.over_floor >= NOT_MEMORY_BOUND and (two := by_case.get((name, 2))) is not None
    }
    return summary(f"2 threads over 1, above {NOT_MEMORY_BOUND:g}x the floor", "2 : 1", values, None, 1.8)


def by_peer(results: Iterable[Result]) -> list[Row]:
    """How many times as long each peer takes: the mean and the worst of all its cases, by thread count."""
    values: dict[tuple[str, int], dict[str, float]] = {}
    for result in results:
        for peer in result.ms.keys() - {"vrdask"}:
            speedup = result.ms[peer] / result.ms["vrdask"]
            values.setdefault((peer, result.threads), {})[result.problem.name] = speedup
    found = [summary(peer, str(threads), values[peer, threads], None, None) for peer, threads in sorted(values)]
    return [row for row in found if row is not None]


def rows(results: list[Result]) -> list[Row]:
    """Every target that the results say something about."""
    counts = sorted({r.threads for r in results})
    found = [target.row(results, threads) for target in TARGETS for threads in counts]
    return [row for row in (*found, thread_scaling(results)) if row is not None]
