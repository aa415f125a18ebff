"""Targets that become one file of this machine: until it is complete, a run writes into a folder beside it.

Resuming, clusters and the lock are those of any Zarr target, whose chunks and record lie in the folder. When all of
them are there the file is put together in the folder, and then takes the target's name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrdask.storage import durable, objects, places
from vrdask.storage.open_place import store_path
from vrdask.targets.target import Target

if TYPE_CHECKING:
    import zarr
    from zarr.storage import StorePath

RECORD = ".vrdask"
"""In the folder: what a run has done."""


@dataclass(frozen=True)
class FileTarget(Target):
    """A file to write when all that it is made of is there."""

    path: Path
    """Of the file."""

    @property
    def file(self) -> Path:
        return self.path

    @property
    def aside(self) -> Path:
        """The folder beside the file."""
        assert self.root is not None
        found = objects.local_folder(self.root)
        assert found is not None
        return found

    def put_together(self, path: Path, made: Mapping[str, str]) -> None:
        """Write the file. made : see `standing`."""
        raise NotImplementedError

    def made(self) -> Mapping[str, str] | None:
        """What the file that is there says of how it was made."""
        raise NotImplementedError

    def clear(self) -> None:
        """Remove the file that is to be replaced."""
        self.path.unlink(missing_ok=True)
        durable.sync_folder(self.path.parent)

    def finish(self, made: Mapping[str, str] | None = None) -> zarr.Array[Any]:
        partial = self.aside / "file.partial"
        self.put_together(partial, made or {})
        durable.sync_files([partial], self.aside)
        if os.path.lexists(self.path) and not (made and self.made() == made):  # of this run, cut off at its very end
            raise FileExistsError(
                f"target must not exist; got {self.path}, which has come during the run: remove it, and resume=True "
                "(--resume) puts the file together"
            )
        os.replace(partial, self.path)
        durable.sync_folder(self.path.parent)
        for entry in self.aside.iterdir():  # the record goes when it is said that all is done
            if entry.name != RECORD:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        return self.array

    def tidy(self) -> None:
        with suppress(OSError):
            self.aside.rmdir()  # where nothing is in it


def place_of_file(place: Any, overwrite: bool, what: str, is_ours: Callable[[Path], bool]) -> tuple[Path, StorePath]:
    """The path of a file that may be made, and the folder beside it. Nothing is written.

    what : for people, with its article. is_ours : whether a file that is there is of the format.

    Raises
    ------
    FileExistsError, FileNotFoundError
        It may not.
    """
    path = places.local_path(place) or Path(place)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder of {what} must exist; got {place}")
    if os.path.lexists(path) and not path.is_file():
        raise FileExistsError(f"target must not exist; got {path}, which is no file: choose another name")
    if overwrite and path.is_file() and path.stat().st_size and not is_ours(path):
        raise FileExistsError(
            f"overwrite must replace a file of the format that its name promises; got {path}, which is something else: "
            "remove it, or choose another name"
        )
    return path, store_path(str(path.with_name(f".{path.name}.unfinished")), "a")
