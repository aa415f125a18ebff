"""Arrays and groups of Zarr in a folder of this machine, as their metadata say: for whoever reads no samples.

Importing zarr takes longer than reading all that a file says of itself. What is not plain (see `plain_metadata`) is
left to zarr.
"""

from __future__ import annotations

import json
import os
import site
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vrdask.storage.places import Folder
from vrdask.storage.plain_metadata import (
    Json,
    Metadata,
    NotPlainError,
    SaidArray,
    array_of_zarr_2,
    array_of_zarr_3,
    attributes_of,
    require,
    require_keys,
)

MOST_BYTES = 1 << 20
"""Of an object of metadata."""
_NAMES = ("zarr.json", ".zarray", ".zgroup")
"""Of the objects that make a folder Zarr: one of them."""
_NOTHING_LISTED = {"kind": "inline", "must_understand": False, "metadata": {}}


@dataclass(frozen=True)
class SaidGroup:
    """A group, likewise. within : what it says itself of all that it holds, by path; None where each says it alone."""

    store_path: Folder
    metadata: Metadata
    within: Mapping[str, SaidArray | SaidGroup] | None = None

    @property
    def attrs(self) -> Json:
        return self.metadata.attributes

    def get(self, path: str) -> SaidArray | SaidGroup | None:
        """What it holds under a path; None for nothing."""
        parts = path.split("/") if isinstance(path, str) else [""]
        require(not {"", ".", ".."} & {*parts} and "\\" not in path)
        if self.within is None:
            return _node(self.store_path / path, self.metadata.zarr_format)
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        require(all(isinstance(self.within.get(one), SaidGroup) for one in above))
        return self.within.get(path)

    def arrays(self) -> Iterator[tuple[str, SaidArray]]:
        """Names and arrays that lie directly in it."""
        found = sorted(self.within) if self.within is not None else sorted(os.listdir(self.store_path.path))
        for name in found:
            if "/" not in name and (self.within is not None or (self.store_path.path / name).is_dir()):
                node = self.get(name)
                if isinstance(node, SaidArray):
                    yield name, node


def said_by(path: Path, zarr_format: int | None = None) -> SaidArray | SaidGroup:
    """What lies in a folder. zarr_format : 2 or 3; of either where None.

    Raises
    ------
    NotPlainError
        It is not for this to say, and zarr is to be asked.
    OSError, ValueError, TypeError, LookupError
        Likewise.
    """
    require(not _is_configured())
    found = _node(Folder(path), zarr_format)
    if found is None:
        raise NotPlainError(f"nothing in {path}")
    return found


def group_at(path: Path, zarr_format: int) -> Any:
    """The group in a folder, likewise."""
    found = said_by(path, zarr_format)
    require(isinstance(found, SaidGroup))
    return found


def _is_configured() -> bool:
    """Whether the user may have chosen other codecs, in the environment or in a file: see zarr's configuration."""
    folders = ["/etc", *(os.path.join(one, "etc") for one in {sys.prefix, *site.PREFIXES}), "~/.config"]
    return any(name.upper().startswith("ZARR_") for name in os.environ) or any(
        os.path.exists(os.path.expanduser(f"{folder}/zarr")) for folder in folders
    )


def _node(at: Folder, zarr_format: int | None) -> SaidArray | SaidGroup | None:
    found = [name for name in _NAMES if (at / name).path.is_file()]
    if not found or (zarr_format == 3 and "zarr.json" not in found) or (zarr_format == 2 and found == ["zarr.json"]):
        return None
    (name,) = found  # of two, zarr chooses
    document = _read(at / name)
    if name == "zarr.json":
        return _of_zarr_3(at, document)
    attributes = _read(at / ".zattrs", optional=True)
    if name == ".zarray":
        return array_of_zarr_2(at, document, attributes)
    listed = _read(at / ".zmetadata", optional=True) if (at / ".zmetadata").path.exists() else None
    return _group_of_zarr_2(at, document, attributes, listed)


def _read(at: Folder, optional: bool = False) -> Json:
    stored = b"{}" if optional and not at.path.exists() else at.path.read_bytes()
    require(len(stored) <= MOST_BYTES)
    found = json.loads(stored)
    require(isinstance(found, dict))
    return dict(found)


def _of_zarr_3(at: Folder, document: Json) -> SaidArray | SaidGroup:
    require(type(document["zarr_format"]) is int and document["zarr_format"] == 3)
    if document["node_type"] == "array":
        return array_of_zarr_3(at, document)
    require(document["node_type"] == "group")
    require_keys(document, "zarr_format node_type", "attributes consolidated_metadata")
    metadata = Metadata(3, attributes_of(document.get("attributes", {})))
    if (listed := document.get("consolidated_metadata")) is None:
        return SaidGroup(at, metadata)
    require_keys(listed, "kind must_understand metadata")
    require(listed["kind"] == "inline" and listed["must_understand"] is False)
    within: dict[str, SaidArray | SaidGroup] = {}
    for path, one in listed["metadata"].items():
        found = _of_zarr_3(at / path, _alone(one))
        within[path] = SaidGroup(found.store_path, found.metadata, {}) if isinstance(found, SaidGroup) else found
    return SaidGroup(at, metadata, _with_their_own(within))


def _alone(document: Json) -> Json:
    """What is listed of a group, without the word that what it holds is listed elsewhere."""
    inner = document.get("consolidated_metadata")
    require(inner is None or (inner == _NOTHING_LISTED and document.get("node_type", "group") == "group"))
    return {key: value for key, value in document.items() if key != "consolidated_metadata"}


def _with_their_own(within: dict[str, SaidArray | SaidGroup]) -> dict[str, SaidArray | SaidGroup]:
    """The same, where each group knows what it holds."""

    def below(path: str) -> dict[str, SaidArray | SaidGroup]:
        start = f"{path}/"
        return {name.removeprefix(start): one for name, one in found.items() if name.startswith(start)}

    found: dict[str, SaidArray | SaidGroup] = {}
    for path in sorted(within, key=lambda name: -name.count("/")):
        one = within[path]
        found[path] = SaidGroup(one.store_path, one.metadata, below(path)) if isinstance(one, SaidGroup) else one
    for path in found:
        require("/" not in path or isinstance(found.get(path.rpartition("/")[0]), SaidGroup))
    return found


def _group_of_zarr_2(at: Folder, document: Json, attributes: Json, listed: Json | None) -> SaidGroup:
    require(document == {"zarr_format": 2})
    metadata = Metadata(2, attributes)
    if listed is None:
        return SaidGroup(at, metadata)
    require_keys(listed, "metadata", "zarr_consolidated_format")
    by_path: dict[str, Json] = {}
    for key, one in listed["metadata"].items():
        path, _, name = key.rpartition("/")
        require(name in (".zarray", ".zgroup", ".zattrs"))
        by_path.setdefault(path, {})[name] = one
    by_path.pop("", None)  # which the group's own objects say
    within: dict[str, SaidArray | SaidGroup] = {}
    for path, found in by_path.items():
        said = attributes_of(found.get(".zattrs", {}))
        require((".zarray" in found) != (".zgroup" in found))
        within[path] = (
            array_of_zarr_2(at / path, found[".zarray"], said)
            if ".zarray" in found
            else _group_of_zarr_2(at / path, _alone(found[".zgroup"]), said, None)
        )
    return SaidGroup(at, metadata, _with_their_own(within))
