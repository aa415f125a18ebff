"""Slices of DICOM that lie at one position: times, echoes, phases or b-values, which one attribute must put in order.

Every position must have as many slices, and an attribute must tell those of each apart. Several that do must agree in
the order. What none orders, or several do between them (three times of two echoes), is refused by their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from vrdask.sources.dicom_frames import Frame

ORDERS = {
    "TemporalPositionIdentifier": "", "TemporalPositionIndex": "FrameContentSequence", "FrameReferenceTime": "",
    "TriggerTime": "", "NominalCardiacTriggerDelayTime": "CardiacSynchronizationSequence",
    "NominalPercentageOfCardiacPhase": "CardiacSynchronizationSequence", "AcquisitionNumber": "",
    "FrameAcquisitionNumber": "FrameContentSequence", "EchoNumbers": "", "EchoTime": "",
    "EffectiveEchoTime": "MREchoSequence", "InversionTime": "", "DiffusionBValue": "MRDiffusionSequence",
}  # fmt: skip
"""Attributes that may order slices at one position, and the sequence that holds them in enhanced files."""
NOT_OF_TIME = ("EchoNumbers", "EchoTime", "EffectiveEchoTime", "InversionTime", "DiffusionBValue")
IN_MILLISECONDS = ("TriggerTime", "NominalCardiacTriggerDelayTime", "FrameReferenceTime")
EVEN = 1e-3
"""Of a step in time, how far others may be off."""
ROUNDED = 1.0001
"""Milliseconds by which whole ones may be off a line through the first and the last, which are rounded, too."""
MOST_VALUES = 8
"""Of an attribute, that are told."""

Orders = tuple[tuple[str, float], ...]
"""What a frame says of `ORDERS`."""


class Times(NamedTuple):
    """What tells the slices at a position apart. values : of those at the first one. seconds : from each to the next,
    where that is known.
    """

    number: int
    keyword: str
    values: tuple[float, ...]
    seconds: float | None

    def __str__(self) -> str:
        return f"{self.number} values of {self.keyword}: {_told(self.values)}"

    @property
    def is_told(self) -> bool:
        """Whether the axis says what the attribute does: evenly spaced times."""
        return self.seconds is not None and self.keyword not in NOT_OF_TIME


def orders_of(said: Callable[[str, str], Any]) -> Orders:
    """What a frame says. said : gives the value of a keyword, which may be in a sequence of a frame's."""
    found = []
    for keyword, group in ORDERS.items():
        value = said(group, keyword)
        try:
            found.append((keyword, float(value)))
        except (TypeError, ValueError):  # nothing, or no single number
            continue
    return tuple(found)


def in_time(
    positions: Sequence[Sequence[Frame]], where: Callable[[int], str], step: float | None
) -> tuple[list[list[Frame]], Times]:
    """The frames at each position in the order of an attribute, and what that says.

    where : tells of a position. step : of time, that files say, in seconds.

    Raises
    ------
    ValueError
        Nothing orders them, or there are more at some positions than at others; attributes that differ are named.
    """
    sizes = [len(some) for some in positions]
    ranks = {} if len(set(sizes)) > 1 else _ranks(positions)
    if not ranks:
        number = next(k for k, size in enumerate(sizes) if size > 1)
        a, b = positions[number][:2]
        few = min(range(len(sizes)), key=sizes.__getitem__)
        uneven = f" ({sizes[number]} there, {sizes[few]} {where(few)})" if sizes[few] != sizes[number] else ""
        raise ValueError(
            f"slices must lie at different positions; got {a} and {b}, both {where(number)}{uneven}, "
            f"{_differing(positions)}: choose the files of one time, echo or segment by a pattern"
        )
    shared = [keyword for keyword in ranks if _values(positions, keyword) is not None]
    keyword = next(iter(shared or ranks))
    for other, rank in ranks.items():
        if rank != ranks[keyword]:
            raise ValueError(
                f"slices at one position must have one order; got {_range(positions, keyword)} and "
                f"{_range(positions, other)}, which put them in different ones: choose files of one time or echo by "
                "a pattern"
            )
    ordered = [
        [frame for _, frame in sorted(zip(rank, some, strict=True), key=lambda one: one[0])]
        for rank, some in zip(ranks[keyword], positions, strict=True)
    ]
    values = tuple(dict(frame.orders)[keyword] for frame in ordered[0])
    return ordered, Times(sizes[0], keyword, values, _seconds(positions, keyword, shared, step))


def _ranks(positions: Sequence[Sequence[Frame]]) -> dict[str, list[list[int]]]:
    """By keyword that tells all frames of each position apart, their places in its order."""
    found = {}
    for keyword in ORDERS:
        ranks = []
        for some in positions:
            values = [dict(frame.orders).get(keyword) for frame in some]
            known = [value for value in values if value is not None]
            if len(set(known)) < len(some):
                break
            places = {value: place for place, value in enumerate(sorted(known))}
            ranks.append([places[value] for value in known])
        else:
            found[keyword] = ranks
    return found


def _values(positions: Sequence[Sequence[Frame]], keyword: str) -> list[float] | None:
    """The values of a keyword at each position, in order; None where they are not the same at all."""
    found = {tuple(sorted(dict(frame.orders)[keyword] for frame in some)) for some in positions}
    return list(found.pop()) if len(found) == 1 else None


def _seconds(
    positions: Sequence[Sequence[Frame]], keyword: str, shared: Sequence[str], said: float | None
) -> float | None:
    """From a time to the next: as files say, or as even times have it; None where neither, or they contradict."""
    if keyword in NOT_OF_TIME:
        return None
    steps = [] if said is None else [said]
    for one in shared:
        values = _values(positions, one) or []
        if one in IN_MILLISECONDS:
            step = (values[-1] - values[0]) / (len(values) - 1)
            slack = max(EVEN * step, ROUNDED if all(value == round(value) for value in values) else 0.0)
            if any(abs(values[0] + k * step - value) > slack for k, value in enumerate(values)):
                return None
            if said is not None and abs(1000 * said - step) > max(EVEN * step, 2 * slack / (len(values) - 1)):
                return None
            steps.append(step / 1000)
    return float(f"{steps[0]:.9g}") if steps else None


def _differing(positions: Sequence[Sequence[Frame]]) -> str:
    """The attributes that differ between frames at one position."""
    names = [
        keyword for keyword in ORDERS
        if any(len({dict(frame.orders).get(keyword) for frame in some}) > 1 for some in positions)
    ]  # fmt: skip
    if not names:
        return f"which differ in none of {', '.join(ORDERS)}"
    return f"which differ in {' and '.join(_range(positions, name) for name in names)}"


def _range(positions: Sequence[Sequence[Frame]], keyword: str) -> str:
    said: Mapping[float | None, None] = {dict(frame.orders).get(keyword): None for some in positions for frame in some}
    return f"{keyword} ({_told(sorted(one for one in said if one is not None))})"


def _told(values: Sequence[float]) -> str:
    some = [f"{value:.10g}" for value in values]
    return ", ".join(some if len(some) <= MOST_VALUES else [*some[: MOST_VALUES - 2], "..", some[-1]])
