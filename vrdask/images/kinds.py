"""Which axes are of space, of time, of channels: by their types, or by their names where they have none. Pure.

Only axes of space are resampled where nobody names others. A type counts before a name. x, y and z are space in either
case, t and time time, c and channel channels. An axis of another name is space only where no axis is told to be, as
"lat" and "lon" beside "time".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BY_NAME = {
    "x": "space", "y": "space", "z": "space", "t": "time", "time": "time", "c": "channel", "channel": "channel",
}  # fmt: skip
_KINDS = ("space", "time", "channel")
_UNTOLD = (None, "", "array")
"""Types that say nothing; "array" is that of samples by number, of OME-Zarr 0.6."""


def kind_of(axis: Mapping[str, Any]) -> str | None:
    """What an axis is of; None where neither its type nor its name says it.

    >>> kind_of({"name": "Z"}), kind_of({"name": "time"}), kind_of({"name": "a", "type": "space"}), kind_of({})
    ('space', 'time', 'space', None)
    """
    kind = axis.get("type")
    if kind not in _UNTOLD:
        return str(kind)
    return BY_NAME.get(str(axis.get("name")).lower())


def space_of(axes: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    """The numbers of the axes of space.

    >>> space_of([{"name": name} for name in ("c", "y", "q")]), space_of([{"name": name} for name in ("time", "lat")])
    ((1,), (1,))
    """
    kinds = [kind_of(axis) for axis in axes]
    wanted = "space" if "space" in kinds else None
    return tuple(number for number, kind in enumerate(kinds) if kind == wanted)


def told(axes: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The axes with a type each, where a name gives one.

    Raises
    ------
    ValueError
        A name says another kind than the type does.
    """
    found = []
    for axis in axes:
        by_name, kind = BY_NAME.get(str(axis["name"]).lower()), kind_of(axis)
        if by_name is not None and kind in _KINDS and kind != by_name:
            raise ValueError(f"axis {axis['name']} must be of type {by_name}, as its name says; got {kind}")
        rest = {key: value for key, value in axis.items() if key != "type"}
        found.append(
            {"name": axis["name"], **({} if kind is None else {"type": kind})}
            | {key: value for key, value in rest.items() if key != "name"}
        )
    return tuple(found)
