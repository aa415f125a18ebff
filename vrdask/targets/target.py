"""A target: an array to write that becomes visible when it is complete, and the formats of targets.

Chunks are written first and the metadata last: until `Target.finish`, no reader takes the target for an array. This
holds on any store, object stores too, which cannot rename.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vrdask.boxes import Box
from vrdask.dtypes import DType
from vrdask.images.image import Image
from vrdask.images.ome_zarr import group_attributes
from vrdask.images.orientation import lost
from vrdask.storage import durable, objects, zarr_internals
from vrdask.storage.blank import group_metadata
from vrdask.storage.chunk_array import ChunkIO
from vrdask.storage.costs import TransferCost
from vrdask.storage.kinds import is_memory_store
from vrdask.storage.layout import Layout
from vrdask.targets.made import with_digests

if TYPE_CHECKING:
    import zarr
    from zarr.storage import StorePath


class Form(Protocol):
    """What a target has to know of the result that it is for."""

    @property
    def in_dtype(self) -> DType: ...
    @property
    def out_dtype(self) -> DType: ...
    @property
    def out_shape(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Request:
    """How a caller wants a result to be stored: as in `resample_zarr`; memory_limit in bytes."""

    chunks: Sequence[int] | int | None = None
    shards: Sequence[int] | int | None = None
    compressors: Any = "auto"
    memory_limit: int | None = None
    resume: bool = False
    overwrite: bool = False
    ome_zarr_version: str = "0.5"
    keep_order: bool = False
    """Whether axes stay in the result's order, where OME-Zarr has them in another."""
    window: tuple[float, float] | None = None
    """Of a picture: the values that become black and white."""
    keeps_numbers: bool = False
    """Of a picture: whether a type was asked for, whose numbers are to be kept."""
    threads: int = 1
    """That a target may have to itself when all of it is there."""


@dataclass(frozen=True)
class Target:
    """An array to write. `array` can be written and pickled before its metadata exists."""

    array: zarr.Array[Any]
    root: StorePath | None
    image: Image | None
    beside: Mapping[str, bytes] | None = field(default=None, kw_only=True)
    """Objects in the array's group, by key: see `coordinates`. None where there is no group but that of an image."""

    @property
    def unit(self) -> tuple[int, ...]:
        """What one task must write whole: a shard, or a chunk where there are none."""
        return self.array.shards or self.array.chunks

    @property
    def chunks(self) -> tuple[int, ...]:
        """What is encoded at a time."""
        return self.array.chunks

    def io(self) -> Any:
        """What writes boxes of the result, in the thread that asks."""
        return ChunkIO(self.array)

    @property
    def writing(self) -> TransferCost:
        """What writing takes."""
        return ChunkIO(self.array, whose="the target's chunks").writing

    @property
    def is_local(self) -> bool:
        """Whether only this process can write it: an array in its memory."""
        return is_memory_store(self.array.store)

    @property
    def base(self) -> StorePath:
        """Where keys count from, and what says how a finished target was made."""
        return self.array.store_path

    def keys(self, box: Any) -> list[str]:
        """Keys of the units of what a task writes: here, a box of whole units."""
        return keys_of(self.array, box)

    @property
    def is_whole(self) -> bool:
        """Whether it is written at once, by this process, when all of it is there."""
        return False

    @property
    def holds_attributes(self) -> bool:
        """Whether it can say whatever else a source says of itself."""
        return True

    @property
    def holds_place(self) -> bool:
        """Whether it can say where its first sample lies."""
        return True

    @property
    def folder(self) -> Path | None:
        """Where the units lie in a file system of this machine; None for another kind of store."""
        return objects.local_folder(self.base)

    @property
    def metadata_first(self) -> bool:
        """Whether the store knows no chunks of arrays that it does not know, as that of a session that is committed."""
        return hasattr(self.array.store, "session")

    def settle(self, boxes: Iterable[Any]) -> None:
        """See to it that the units of what some tasks write are on the disk."""
        if self.folder is not None:
            durable.sync_files([self.folder / key for box in boxes for key in self.keys(box)], self.folder)

    @property
    def file(self) -> Path | None:
        """The file that the result becomes, where that is not the array."""
        return None

    def made(self) -> Mapping[str, str] | None:
        """Of a `file` that is there: what it says of how it was made; None where it does not."""
        return None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the target cannot hold, or takes for granted: a line each, for people."""
        return lost(self.image)

    def clear(self) -> None:
        """Remove what is to be replaced and does not lie at `root`."""

    def tidy(self) -> None:
        """Remove what a run that is over needs no more, whether it has failed or not."""

    def finish(self, made: Mapping[str, str] | None = None) -> zarr.Array[Any]:
        """Write the metadata, innermost first; the array as it is read from now on. made : see `standing`."""
        if self.root is None:
            return self.array
        self.describe(made or {})
        found: zarr.Array[Any] = self.opened()
        return found

    def opened(self) -> Any:
        """A finished target, as it is read from now on."""
        if self.file:
            return self.array
        import zarr

        return zarr.open_array(self.array.store_path, mode="r+")

    def describe(self, made: Mapping[str, str]) -> None:
        """Write the metadata."""
        assert self.root is not None
        put_metadata(self.array.store_path, self.array.metadata, made)
        for key, value in (self.beside or {}).items():
            durable.put(self.root / key, value)
        if self.image is not None or self.beside is not None:
            zarr_format = self.array.metadata.zarr_format
            attributes = (
                {} if self.image is None else group_attributes(self.image, "0.4" if zarr_format == 2 else "0.5")
            )
            put_metadata(self.root, group_metadata(zarr_format, attributes))


def keys_of(array: zarr.Array[Any], box: Box) -> list[str]:
    """Keys, below an array, of the units of a box of whole units."""
    unit = array.shards or array.chunks
    units = (range(start // u, -(-stop // u)) for (start, stop), u in zip(box, unit, strict=True))
    key = zarr_internals.chunk_keys(array)
    return [key(one) for one in product(*units)]


@dataclass(frozen=True)
class TargetFormat:
    """What is written at places that are called so.

    name : for people, with its article. suffixes : of places, in lower case; "" is a place without any. open : makes a
    target at a place, and writes nothing. is_local : whether it is a file of this machine.
    """

    name: str
    suffixes: tuple[str, ...]
    open: Callable[[Any, Layout, Image | None, Form, Request], Target]
    is_local: bool = False


def put_metadata(at: StorePath, metadata: Any, made: Mapping[str, str] | None = None) -> None:
    """Write the metadata of an array or a group. made : digests that an array's attributes are to say."""
    stored = zarr_internals.metadata_objects(metadata)
    for key, value in sorted(stored.items(), key=lambda one: one[0] != ".zattrs"):  # what makes it an array last
        if made and key in ("zarr.json", ".zattrs"):
            said = json.loads(value)
            attributes = with_digests(said.get("attributes", {}) if key == "zarr.json" else said, made)
            said = {**said, "attributes": attributes} if key == "zarr.json" else attributes
            value = json.dumps(said, indent=2).encode()
        durable.put(at / key, value)


def require_package(writing: Any, module: str, extra: str, package: str | None = None) -> None:
    """Refuse to write what a package writes that is not installed.

    writing : what, for people. package : of the module, where it has another name. extra : of vrdask, which brings it.
    """
    if find_spec(module) is None:
        raise ModuleNotFoundError(
            f"writing {writing} needs the package {package or module}: pip install 'vrdask[{extra}]'"
        )
