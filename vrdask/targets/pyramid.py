"""An OME-Zarr image of several levels, new or added to one that is there; its group's metadata come last."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vrdask.boxes import Box, ceil_div, whole
from vrdask.dtypes import DType
from vrdask.storage import durable, objects, zarr_internals
from vrdask.storage.blank import blank_array, group_metadata, in_memory
from vrdask.storage.chunk_array import ChunkIO
from vrdask.storage.compressors import compressors
from vrdask.targets.made import with_digests
from vrdask.targets.target import Target, keys_of, put_metadata
from vrdask.text import by_axis

if TYPE_CHECKING:
    import zarr
    from zarr.storage import StorePath

SCRATCH = ".vrdask/sums"
"""Where unrounded sums wait for the levels that are made of them, beside the record of the run."""
WINDOW_BYTES = 16 << 20
"""Of samples that are looked at at a time for their range."""


@dataclass(frozen=True)
class PyramidTarget(Target):
    """The arrays of all levels of a pyramid. `array` is that of the full one.

    levels : of which those from `first` on are written. paths : of these arrays. sums : by level, where unrounded sums
    wait. attributes : of the group, from the range of values of each channel, where they are asked for.
    channel_axis : of the arrays. wants_windows : whether the ranges are asked for. told : notes.
    """

    levels: tuple[zarr.Array[Any], ...] = ()
    paths: tuple[str, ...] = ()
    first: int = 0
    sums: Mapping[int, zarr.Array[Any]] = field(default_factory=dict)
    attributes: Callable[[Sequence[tuple[float, float]]], dict[str, Any]] = field(default=lambda windows: {})
    channel_axis: int | None = None
    wants_windows: bool = False
    told: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        return self.told

    def stored_as(self, array: zarr.Array[Any]) -> str:
        """What the array of a level is cut into, for people."""
        return f"chunks {by_axis(array.chunks)}" + (f", shards {by_axis(array.shards)}" if array.shards else "")

    @property
    def bytes_to_finish(self) -> int:
        """Of samples that are read when all tasks are done."""
        return 0

    def telling(self, read: Callable[[int], None]) -> PyramidTarget:
        """The same, which tells meanwhile how many of them have been read."""
        return self

    @property
    def base(self) -> StorePath:
        assert self.root is not None
        return self.root

    @property
    def folder(self) -> Path | None:
        return objects.local_folder(self.base)

    def inner_keys(self, level: int, box: Box, sums: bool = False) -> list[str]:
        """Keys of the units of a box of a level, below its array."""
        if sums:
            array = self.sums[level]
            return keys_of(array, ((0, array.shape[0]), *box))
        return keys_of(self.levels[level], box)

    def keys(self, writes: Any) -> list[str]:
        """Keys, below the group, of the units that a task writes."""
        found = []
        for one in writes:
            at = f"{SCRATCH}/{one.level}" if one.sums else self.paths[one.level]
            found += [f"{at}/{key}" for key in self.inner_keys(one.level, one.box, one.sums)]
        return found

    def settle(self, boxes: Iterable[Any]) -> None:
        if self.folder is not None:
            durable.sync_files([self.folder / key for writes in boxes for key in self.keys(writes)], self.folder)

    def with_sums(self, forms: Mapping[int, tuple[DType, int]]) -> PyramidTarget:
        """The same, with room for the sums of some levels. forms : their type, and how many numbers each sum takes."""
        found = {}
        for level, (dtype, limbs) in forms.items():
            array = self.levels[level]
            base = in_memory() if self.metadata_first else self.base  # which takes no keys but Zarr's
            found[level] = blank_array(
                base / SCRATCH / str(level), shape=(limbs, *array.shape), chunks=(limbs, *array.chunks), dtype=dtype,
                compressors=compressors("zstd:1", None), fill_value=0,
            )  # fmt: skip
        return replace(self, sums=found)

    def opened(self) -> Any:
        import zarr

        return zarr.open_group(self.base, mode="r+")

    def finish(self, made: Mapping[str, str] | None = None) -> Any:
        """Write the metadata, innermost first; the group as it is read from now on."""
        self.describe(made or {})
        return self.opened()

    def describe(self, made: Mapping[str, str]) -> None:
        zarr_format = self.array.metadata.zarr_format
        for path, array in zip(self.paths[self.first :], self.levels[self.first :], strict=True):
            put_metadata(array.store_path, array.metadata)
            for depth in range(1, path.count("/") + 1):
                between = self.base / path.rsplit("/", depth)[0]
                put_metadata(between, group_metadata(zarr_format))
        windows = self._windows() if self.wants_windows else ()
        put_group(self.base, zarr_format, with_digests(self.attributes(windows), made) if made else
                  self.attributes(windows))  # fmt: skip

    def _windows(self) -> list[tuple[float, float]]:
        """The smallest and largest value of each channel of the smallest level."""
        array, axis = self.levels[-1], self.channel_axis
        count = 1 if axis is None else array.shape[axis]
        return [_range_of(array, axis, channel) for channel in range(count)]


def _range_of(array: zarr.Array[Any], axis: int | None, channel: int) -> tuple[float, float]:
    """The range of the finite values of a channel; 0 and 1 where it has none."""
    box = whole(array.shape)
    if axis is not None:
        box = (*box[:axis], (channel, channel + 1), *box[axis + 1 :])
    cut = next((k for k, n in enumerate(array.shape) if n > 1 and k != axis), 0)
    start, stop = box[cut]
    size = array.nbytes // max(array.shape[cut], 1)
    step = max(1, array.chunks[cut] * ceil_div(WINDOW_BYTES, max(size * array.chunks[cut], 1)))
    found: list[Any] = []
    chunks = ChunkIO(array)
    for at in range(start, stop, step):
        samples = chunks.read((*box[:cut], (at, min(at + step, stop)), *box[cut + 1 :]))
        if samples.dtype.kind == "f":
            samples = samples[np.isfinite(samples)]
        if samples.size and samples.dtype.kind in "biuf":
            found += [samples.min(), samples.max()]
    return (_number(min(found)), _number(max(found))) if found else (0, 1)


def _number(value: Any) -> Any:
    return float(value) if value.dtype.kind == "f" else int(value)


def range_of_type(dtype: DType, windows: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """What samples may be: all of a short integer type; else what they are."""
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        limits = np.iinfo(dtype)
        return int(limits.min), int(limits.max)
    return min(low for low, _ in windows), max(high for _, high in windows)


def put_group(at: StorePath, zarr_format: int, attributes: Mapping[str, Any]) -> None:
    """Write a group's metadata, at once where one object holds them; of two, what makes it a group comes last."""
    stored = zarr_internals.metadata_objects(group_metadata(zarr_format, attributes))
    for key in sorted(stored):
        if key == ".zgroup" and objects.get(at / key) is not None:
            continue
        if key != ".zmetadata":
            durable.put(at / key, stored[key])


def attributes_at(at: StorePath) -> dict[str, Any]:
    """The attributes of a group; none where there is none."""
    for name in ("zarr.json", ".zattrs"):
        value = objects.get(at / name)
        if value is not None:
            said = json.loads(value)
            return dict(said.get("attributes", {}) if name == "zarr.json" else said)
    return {}


def clear_levels(at: StorePath, zarr_format: int, attributes: Mapping[str, Any], paths: Iterable[str]) -> None:
    """Take the levels below the full one from an image: out of its metadata first."""
    put_group(at, zarr_format, attributes)
    for path in paths:
        objects.remove_all(at / path)
