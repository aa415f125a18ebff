"""A file of this machine that is there whole or not at all: it is written beside, and then takes its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from vrdask.storage import durable

Begins = Callable[[bytes], bool]
"""Whether a file that begins so is of the format that its name promises."""


def require_replaceable(path: Path, overwrite: bool, begins: Begins) -> None:
    """Refuse a file's place where anything is but, with `overwrite`, a file of the format that its name promises.

    Raises
    ------
    FileExistsError
        There is something else, or `overwrite` is False.
    """
    if not os.path.lexists(path):
        return
    if not path.is_file():
        raise FileExistsError(f"target must not exist; got {path}, which is no file: choose another name")
    if not overwrite:
        raise FileExistsError(f"target must not exist; got {path}: overwrite=True (--overwrite) replaces it")
    with path.open("rb") as file:
        first = file.read(8)
    if first and not begins(first):
        raise FileExistsError(
            f"overwrite must replace a file of the format that its name promises; got {path}, which is something else: "
            "remove it, or choose another name"
        )


@contextmanager
def written_whole(path: Path, overwrite: bool, begins: Begins) -> Iterator[Path]:
    """A place beside a file, to be written to: at the end it takes the file's name, unless something else has come."""
    beside = path.with_name(f".{path.name}.{uuid4().hex}.partial")  # another run may make the same
    try:
        yield beside
        durable.sync_files([beside], beside.parent)
        require_replaceable(path, overwrite, begins)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
