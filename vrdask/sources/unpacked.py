"""Temporary files of what can only be unpacked whole: a decompressed volume, a decoded picture."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable
from typing import Any


class Unpacked:
    """A temporary file without a name, which goes when this does, or the process, however that ends.

    doing : begins the message of an error, as in "decompressing a.nii.gz". fill : writes the file, with `write`.

    Raises
    ------
    OSError
        There is no room for it.
    """

    def __init__(self, doing: str, length: int, fill: Callable[[Any], None]) -> None:
        file: Any = tempfile.TemporaryFile(prefix="vrdask-", buffering=0)  # noqa: SIM115 - closed by the finalizer
        weakref.finalize(self, file.close)
        self.number: int = file.fileno()
        try:
            fill(file)
        except OSError as error:
            if error.errno is None:  # of what is unpacked
                raise
            folder = tempfile.gettempdir()
            where = f"to a temporary file of {length} bytes in {folder} (TMPDIR chooses another)"
            raise OSError(error.errno, f"{doing} {where}: {error.strerror}") from None


def write(to: Any, piece: Any) -> None:
    """Write all of a piece to a file without a buffer."""
    rest = memoryview(piece).cast("B")
    while rest:
        rest = rest[to.write(rest) :]
