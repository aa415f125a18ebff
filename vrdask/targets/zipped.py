"""Zipped OME-Zarr (`.ozx`, RFC-9): an OME-Zarr 0.5 image of one level in one file.

A zip file is written from its beginning to its end, a run writes its chunks in any order: so they lie in a folder
beside it first, as they will in the file, and are then copied. Nothing is compressed again. The metadata come first,
from the outside in; a file of shards says in its comment that it is as the RFC recommends.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vrdask.images.image import Image
from vrdask.images.ome_zarr import ATTRIBUTE, MADE
from vrdask.images.told import why_plain
from vrdask.storage import zarr_internals
from vrdask.storage.blank import in_memory
from vrdask.storage.layout import Layout
from vrdask.targets.file import RECORD, FileTarget, place_of_file
from vrdask.targets.reordered import ReorderedTarget
from vrdask.targets.target import Form, Request, TargetFormat
from vrdask.targets.zarr import open_zarr_target

BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The time of every entry: equal results are equal files."""
COMMENT = json.dumps({"ome": {"version": "0.5"}}).encode() + b"\0"
METADATA = "zarr.json"


@dataclass(frozen=True)
class ZippedTarget(ReorderedTarget, FileTarget):
    """An OME-Zarr image to write into a zip file; its axes may stand in another order than the result's."""

    def put_together(self, path: Path, made: Mapping[str, str]) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
            for name, value in self._metadata(made):
                file.writestr(zipfile.ZipInfo(name, BEGINNING), value)
            for one in self._chunks():
                entry = zipfile.ZipInfo(one.relative_to(self.aside).as_posix(), BEGINNING)
                with one.open("rb") as chunk, file.open(entry, "w", force_zip64=True) as to:
                    shutil.copyfileobj(chunk, to, 1 << 20)
            if self.array.shards is not None:
                file.comment = COMMENT

    def _metadata(self, made: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
        """Of the group, then of the array: names and contents."""
        at = in_memory()
        assert self.image is not None
        array = zarr_internals.array_at(self.array.metadata, at / self.image.path)
        replace(self, array=array, root=at).describe(made)
        held = zarr_internals.memory_of(at.store)
        assert held is not None
        for name in sorted(held, key=lambda name: (name.count("/"), name)):
            yield name, held[name].to_bytes()

    def _chunks(self) -> Iterator[Path]:
        found = sorted(one for one in self.aside.rglob("*") if one.is_file())
        return (
            one for one in found if one.relative_to(self.aside).parts[0] != RECORD and one.suffix != ".partial"
        )  # fmt: skip

    def made(self) -> Mapping[str, str] | None:
        with suppress(OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile), zipfile.ZipFile(self.path) as file:
            return dict(json.loads(file.read(f"0/{METADATA}"))["attributes"][ATTRIBUTE][MADE])
        return None


def open_zipped_target(place: Any, layout: Layout, image: Image | None, form: Form, request: Request) -> ZippedTarget:
    """A zip file to write; nothing is written yet.

    Raises
    ------
    FileExistsError, FileNotFoundError
        There is something at `place` that may not be replaced, or no folder for it.
    ValueError
        The result is no OME-Zarr image, or one of 0.4.
    """
    if request.ome_zarr_version != "0.5":
        raise ValueError(f"a zipped OME-Zarr target must be of version 0.5; got {request.ome_zarr_version}")
    path, root = place_of_file(place, request.overwrite, "a zipped OME-Zarr file", is_zipped_zarr)
    made = open_zarr_target(root, layout, image, form, request)
    if made.image is None:
        raise ValueError(f"a zipped OME-Zarr target must be an image; {place} would be a plain array, because "
                         f"{why_plain(image, layout.dimension_names or ())}: write a .zarr")  # fmt: skip
    order = made.order if isinstance(made, ReorderedTarget) else tuple(range(len(form.out_shape)))
    return ZippedTarget(made.array, made.root, made.image, path, order)


def is_zipped_zarr(path: Path) -> bool:
    """Whether a file is a zip file with Zarr at its top."""
    with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(path) as file:
        return METADATA in file.namelist()
    return False


FORMAT = TargetFormat("zipped OME-Zarr", (".ozx",), open_zipped_target, is_local=True)
