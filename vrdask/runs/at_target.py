"""From a place to a finished target: who may write there, what is replaced, what is done already, what is published.

the lock     before anything is removed or written
the course   what to do about what is there, looked at again under the lock
the old      goes when the new run may begin, its metadata first
the tasks    whose units are on the disk before they are recorded as done
a look       whether all that was recorded is still there, and the target still this run's
metadata     from here on readers see the target
the record   goes
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from itertools import islice
from typing import Any

from vrdask.compute import threads
from vrdask.cores import mapped
from vrdask.runs.record import FOLDER, Record, Units, differences, in_use
from vrdask.runs.standing import Course, Standing, course, standing_of
from vrdask.sources import Source
from vrdask.storage import durable, objects
from vrdask.storage.retry import said_of
from vrdask.targets import Target
from vrdask.targets.made import digests

_log = logging.getLogger(__name__)

Mark = Callable[[int, Units], None]
LOOKED_AT_TOGETHER = 256


class TaskSet(Set[int]):
    """Some of so many tasks, a bit for each.

    >>> tasks = TaskSet(20)
    >>> tasks.add(17)
    >>> 17 in tasks, 16 in tasks, list(tasks), len(tasks)
    (True, False, [17], 1)
    """

    def __init__(self, count: int) -> None:
        self._bits, self._held = bytearray(count // 8 + 1), 0

    def add(self, number: int) -> None:
        self._held += number not in self
        self._bits[number >> 3] |= 1 << (number & 7)

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and bool(self._bits[number >> 3] >> (number & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        return (8 * k + bit for k, byte in enumerate(self._bits) if byte for bit in range(8) if byte >> bit & 1)

    def __len__(self) -> int:
        return self._held


@dataclass(frozen=True)
class Occupation:
    """What a run means to do at a target's place.

    place : the target as the caller named it. settings : what two runs must agree in for one to go on from the other.
    durable : whether to wait for the disk. stands : what is there, where it is not for `standing` to tell.
    clear : clears away what is to be replaced, where that is not all there is.
    """

    target: Target
    place: Any
    settings: Mapping[str, Any]
    resume: bool
    overwrite: bool
    durable: bool = True
    stands: Callable[[], Standing] | None = None
    clear: Callable[[], None] | None = None

    def found(self) -> Standing:
        """What is at the place."""
        if self.stands is not None:
            return self.stands()
        return standing_of(self.target)

    def foreseen(self) -> tuple[Course, Mapping[str, Any] | None]:
        """The course as things stand, and the settings of the run to go on from; nothing is written.

        Raises
        ------
        FileExistsError, ValueError
            As `standing.course`, and where another run is at it.
        """
        root = self.target.root
        if root is None:
            return Course.BEGIN, None
        with said_of(f"opening {objects.url(root)}"):
            is_in_use = in_use(root)
        if is_in_use:
            raise FileExistsError(f"target must not be in use; another run is writing {self.place}")
        return course(self.found(), self.place, self.settings, self.resume, self.overwrite)


def occupy(
    occupation: Occupation,
    boxes: Callable[[int], Any],
    count: int,
    run_tasks: Callable[[Set[int], Mark], None],
    last_look: Callable[[], None],
) -> Any:
    """Run a job at its target's place; the finished target.

    boxes : what each of `count` tasks writes. run_tasks : runs those that are not done yet, and marks them as they are.
    last_look : raises where the target must not be published.
    """
    try:
        return _occupied(occupation, boxes, count, run_tasks, last_look)
    finally:
        occupation.target.tidy()


def _occupied(
    occupation: Occupation,
    boxes: Callable[[int], Any],
    count: int,
    run_tasks: Callable[[Set[int], Mark], None],
    last_look: Callable[[], None],
) -> Any:
    target, root = occupation.target, occupation.target.root
    if root is None:
        run_tasks(frozenset(), lambda number, units: None)
        return target.finish()

    def settle(numbers: list[int]) -> None:
        if occupation.durable:
            target.settle(boxes(number) for number in numbers if number < count)

    with Record(root, occupation.settings, settle) as record:
        found = occupation.found()
        to_do, begun_with = course(
            found, occupation.place, occupation.settings, occupation.resume, occupation.overwrite
        )
        if to_do is Course.NOTHING:
            record.erase()
            return target.opened()
        if to_do is Course.GO_ON and begun_with is not None and begun_with["blocks"] != occupation.settings["blocks"]:
            raise FileExistsError(
                f"target must not be in use; another run has begun at {occupation.place} meanwhile: try again"
            )
        done: Set[int] = frozenset()
        if to_do is Course.GO_ON:
            record.go_on()
            done = still_there(target, record.lines(), boxes, count, checksums=True)
        else:
            record.begin(clear=to_do is Course.REPLACE, how=occupation.clear)
            if to_do is Course.REPLACE:
                target.clear()
        if target.metadata_first:
            target.describe(digests(occupation.settings))
        _log.info("%d of %d tasks to do: %s", count - len(done), count, root)
        run_tasks(done, record.mark)
        last_look()
        objects.remove_leftovers(root, FOLDER)
        record.settled()
        _require_all(target, record, boxes, count, occupation.place)
        record.settled()
        result = target.finish(digests(occupation.settings))
        record.erase()
        return result


def require_same_source(source: Source, settings: Mapping[str, Any]) -> None:
    """Nothing is published that may be made from two states of a source."""
    if settings and differences({"": settings["source metadata"]}, {"": source.stamp()}):
        raise ValueError(f"source must not change during a run; its metadata did: {source.place}")


def still_there(
    target: Target, lines: Iterable[tuple[int, Units]], boxes: Callable[[int], Any], count: int, *, checksums: bool
) -> Set[int]:
    """The tasks whose units are still as they were recorded, the latest line of each counting.

    checksums : whether to read them, where they lie on a file system of this machine, or to look at their sizes alone.
    """
    sizes = None if target.folder is not None else objects.sizes_below(target.base)

    def holds(number: int, units: Units) -> bool:
        keys = target.keys(boxes(number)) if units else []
        if len(keys) != len(units):
            return False
        return all(_is(target, key, unit, sizes, checksums) for key, unit in zip(keys, units, strict=True))

    seen, found = TaskSet(count), TaskSet(count)

    def latest() -> Iterable[tuple[int, Units]]:
        for number, units in lines:
            if 0 <= number < count and number not in seen:
                seen.add(number)
                yield number, units

    queue = iter(latest())
    while together := list(islice(queue, LOOKED_AT_TOGETHER)):
        held = mapped(lambda line: holds(*line), together, threads.resolve_tasks(None), "vrdask-look")
        for (number, _), is_there in zip(together, held, strict=True):
            if is_there:
                found.add(number)
    return found


def _is(target: Target, key: str, unit: Any, sizes: Mapping[str, int] | None, checksums: bool) -> bool:
    """Whether what is stored under a key is what was recorded, as far as one can tell."""
    if target.folder is None:
        return sizes is None or sizes.get(key) == (None if unit is None else unit[0])
    path = target.folder / key
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return unit is None
    return unit is not None and size == unit[0] and (not checksums or durable.checksum(path) == unit[1])


def _require_all(target: Target, record: Record, boxes: Callable[[int], Any], count: int, place: Any) -> None:
    """Nothing is published of which a part is gone."""
    held = still_there(target, record.lines(), boxes, count, checksums=False)
    lost = count - len(held)
    if lost:
        first = next(number for number in range(count) if number not in held)
        keys = target.keys(boxes(first))
        raise RuntimeError(
            f"target must not change during a run; {lost} of {count} blocks at {place} are gone or damaged, "
            f"the one with {keys[0] if keys else 'no chunks'} first: resume=True (--resume) does them again"
        )
