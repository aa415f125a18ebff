"""The files that a dataset of HDF5 lies in: its own, or others beside it that links and virtual datasets name.

HDF5 opens whatever a file names, anywhere on the machine, and gives the fill value for what is not there. Here others
must lie beside, and be there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from vrdask.sources.hdf5_array import opened, require_filters
from vrdask.storage.remote_file import is_remote


def files_of(dataset: Any, path: Path, place: str) -> list[Path]:
    """The files that a dataset's samples lie in, that of the dataset itself first.

    path : of the file that was opened. place : of the dataset, as errors name it.

    Raises
    ------
    ValueError
        One of them lies elsewhere, or is not there.
    """
    if is_remote(str(path)):
        _require_in_one(dataset, place)
        return [path]
    own = Path(os.fsdecode(dataset.file.filename))
    if own != path:  # behind an external link
        _require_beside(own.resolve().parent == path.resolve().parent, own.name, place)
    if dataset.external:
        raise ValueError(
            f"an HDF5 source must hold its samples itself; got {place}, whose samples are in {dataset.external[0][0]}: "
            "h5repack puts them into one file"
        )
    files = [own]
    if not dataset.is_virtual:
        return files if own == path else [*files, path]
    for name, within in sorted({(one.file_name, one.dset_name) for one in dataset.virtual_sources()}):
        if name == ".":
            continue
        is_plain = not Path(name).is_absolute() and ".." not in Path(name).parts and "%" not in name
        _require_beside(is_plain and (own.parent / name).is_file(), name, place)
        with opened(str(own.parent / name)) as file:
            if within not in file:
                raise ValueError(f"an HDF5 source must have all its parts; got {place}, which lacks {name}::{within}")
            require_filters(file[within], f"{place} ({name}::{within})")
        if own.parent / name not in files:
            files.append(own.parent / name)
    return files if own == path else [*files, path]


def _require_in_one(dataset: Any, place: str) -> None:
    """Of a file behind a URL."""
    others = dataset.is_virtual and any(one.file_name != "." for one in dataset.virtual_sources())
    if others or dataset.external:
        raise ValueError(
            f"an HDF5 source behind a URL must hold its samples itself; got {place}, which has them in other files"
        )


def _require_beside(is_beside: bool, name: str, place: str) -> None:
    if not is_beside:
        raise ValueError(f"an HDF5 source must have its samples in files beside it; got {name} for {place}")
