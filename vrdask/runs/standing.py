"""What stands at a target's place, and what a run may do about it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from vrdask.runs import record
from vrdask.storage import objects
from vrdask.storage.retry import said_of
from vrdask.targets import Target
from vrdask.targets.made import digests, made_from

if TYPE_CHECKING:
    from zarr.storage import StorePath


class Kind(Enum):
    NOTHING = "nothing, an empty folder, or the beginnings of a record"
    UNFINISHED = "an unfinished run"
    ZARR = "Zarr"
    FILE = "a file of the format that its name promises"
    OTHER = "something else"


class Course(Enum):
    BEGIN = "begin"
    REPLACE = "clear away what is there, and begin"
    GO_ON = "go on from what is recorded as done"
    NOTHING = "nothing is left to do"


@dataclass(frozen=True)
class Standing:
    """What is at a place.

    settings : of an unfinished run; none where they cannot be told. made : digests of those a finished target was made
    from; none where it does not say.
    """

    kind: Kind
    settings: Mapping[str, Any] | None = None
    made: Mapping[str, str] | None = None


def standing(root: StorePath, array: StorePath) -> Standing:
    """What is at a target's place. array : where the target's array is, or would be."""
    with said_of(f"opening {objects.url(root)}"):
        folder = objects.local_folder(root)
        if folder is not None and not folder.is_dir():
            return Standing(Kind.OTHER if folder.exists() else Kind.NOTHING)
        metadata = objects.get_many([root / name for name in ("zarr.json", ".zgroup", ".zarray")])
        is_zarr = any(value is not None for value in metadata)
        settings = record.unfinished(root)
        if settings is not None and (not is_zarr or record.is_clearing(root)):
            return Standing(Kind.UNFINISHED, settings)
        if is_zarr:
            return Standing(Kind.ZARR, None, made_from(array))
        if objects.holds_but(root, record.FOLDER):
            return Standing(Kind.OTHER)
        return Standing(Kind.NOTHING)


def standing_of(target: Target) -> Standing:
    """What is at a target's place; of one that becomes a file, the file or the unfinished run."""
    assert target.root is not None
    found = standing(target.root, target.base)
    if target.file is None or found.kind is not Kind.NOTHING or not os.path.lexists(target.file):
        return found
    return Standing(Kind.FILE, None, target.made())


def course(
    found: Standing, place: Any, settings: Mapping[str, Any], resume: bool, overwrite: bool
) -> tuple[Course, Mapping[str, Any] | None]:
    """What a run is to do, and the settings of the run that it goes on from.

    Raises
    ------
    FileExistsError
        What is there must not be replaced, or cannot be gone on from.
    ValueError
        It was begun, or made, with other settings.
    """
    if found.kind is Kind.NOTHING:
        return Course.BEGIN, None
    if overwrite:
        if found.kind is Kind.OTHER:
            raise FileExistsError(
                f"overwrite must replace Zarr, an unfinished run or an empty folder; got {place}, which is something "
                "else: remove it, or choose another name"
            )
        return Course.REPLACE, None
    if resume:
        return _resumed(found, place, settings)
    ways = "" if found.kind is Kind.OTHER else ": overwrite=True (--overwrite) replaces it"
    if found.kind is Kind.UNFINISHED:
        ways = ": it holds an unfinished run, which resume=True (--resume) goes on from; " + ways[2:]
    raise FileExistsError(f"target must not exist; got {place}{ways}")


def _resumed(found: Standing, place: Any, settings: Mapping[str, Any]) -> tuple[Course, Mapping[str, Any] | None]:
    if found.kind is Kind.UNFINISHED:
        if not found.settings:  # cut off, or not cleared: nothing is known to be done
            return Course.REPLACE, None
        if differing := record.differences({**found.settings, "blocks": None}, {**settings, "blocks": None}):
            raise ValueError(
                f"resume must have the settings that the run was begun with; {', '.join(differing)} differ at {place}"
            )
        return Course.GO_ON, found.settings
    if not found.made:
        raise FileExistsError(f"target must hold an unfinished run to resume; got {place}, which is something else")
    if differing := record.differences(found.made, digests(settings)):
        raise ValueError(
            f"resume must have the settings that the target was made with; {', '.join(differing)} differ at {place}"
        )
    return Course.NOTHING, None
