"""What a place is called: a path, or a URL. A local URL is a path; a path may lead into a zip file, and the name of a
file may go on into it (`vol.h5::/raw`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

_LOCAL_URL = re.compile(r"(?:file|local):(?://(?P<rest>.*)|(?P<path>/.*))", re.IGNORECASE | re.DOTALL)
_SUFFIX = re.compile(r"[^./\\](\.nii\.gz|\.[A-Za-z][\w+-]*)$", re.IGNORECASE)
"""A dot and a letter: the ".5mm" of "scan_0.5mm" is no suffix. NIfTI has one of two parts."""
ZIPPED = (".zip", ".ozx")
MARK = "::"
"""Between a file and a path within it. It also joins the URLs of a chain, as fsspec has it."""
_ARCHIVES = ("zip://", "tar://", "libarchive://")
"""Of a chain that begins so, the rest is the archive."""


@dataclass(frozen=True)
class Folder:
    """A place in a file system of this machine, to be looked at without zarr, whose stores take longer to import than
    to read: a folder, or what is written in one.
    """

    path: Path

    def __truediv__(self, name: str) -> Folder:
        return Folder(self.path / name.strip("/"))

    def __str__(self) -> str:
        return f"file://{self.path.as_posix()}"

    def read(self) -> bytes | None:
        """The bytes of a file; None where there is none."""
        try:
            return self.path.read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None


def local_path(place: Any) -> Path | None:
    """The path that a path or a local URL names; None for anything else.

    What follows ``file://`` or ``local://`` may begin with the host "localhost", may be relative, as fsspec has it, and
    may be percent-encoded, as `pathlib.Path.as_uri` makes it.

    >>> [str(local_path(place)) for place in ("a.zarr", "file:///tmp/a%20b", "file://localhost/c", "local://d")]
    ['a.zarr', '/tmp/a b', '/c', 'd']
    >>> local_path("s3://bucket/a.zarr") is local_path({}) is None
    True
    """
    if isinstance(place, os.PathLike):
        place = os.fspath(place)
    if not isinstance(place, str):
        return None
    found = _LOCAL_URL.fullmatch(place)
    if found is None:
        return None if "://" in place else Path(place)
    rest = re.sub(r"^localhost(?=/)", "", found["rest"] if found["path"] is None else found["path"], flags=re.I)
    plain = unquote(rest)
    if plain != rest and not os.path.lexists(plain) and os.path.lexists(rest):
        plain = rest  # fsspec decodes nothing, and there it is
    if os.name == "nt":
        plain = re.sub(r"^/(?=[A-Za-z]:)", "", plain)
    return Path(plain).expanduser() if plain.startswith("~/") else Path(plain)


def normal(place: Any) -> Any:
    """A place as everything else takes it: what names a path is a str, local URLs too; whatever else is left as it is.

    Raises
    ------
    ValueError
        It is an empty name, as an unset variable of a shell is.
    """
    if isinstance(place, os.PathLike):
        place = os.fspath(place)
    if not isinstance(place, str):
        return place
    found = _LOCAL_URL.fullmatch(place)
    if not (place if found is None else (found["rest"] or found["path"] or "")).strip():
        raise ValueError(f"a place must have a name; got {place!r}")
    return place if found is None else str(local_path(place))


def suffix_of(place: Any) -> str:
    """The suffix of a path or URL, in lower case: what its name promises. Empty for a store, which has no name.

    >>> [suffix_of(place) for place in ("a.b/out", "out.ome.TIF", "scan_0.5mm", "s3://my.bucket", "s3://b/out.nii.gz")]
    ['', '.tif', '', '', '.nii.gz']
    """
    path = local_path(place)
    if path is not None:
        name = path.name
    elif isinstance(place, str):
        _, _, rest = place.rpartition("://")
        parts = rest.rstrip("/").split("/")
        name = parts[-1] if len(parts) > 1 or place.startswith("memory:") else ""  # a bucket promises nothing
    else:
        return ""
    found = _SUFFIX.search(name)
    return found[1].lower() if found else ""


def in_archive(place: str) -> tuple[Path, str] | None:
    """The zip file that a path leads to or into, and the way within it; None for another path."""
    path = Path(place)
    for archive in (path, *path.parents):
        if archive.suffix.lower() in ZIPPED and archive.is_file():
            within = path.relative_to(archive).as_posix()
            return archive, "" if within == "." else within
    return None


def split(place: str) -> tuple[str, str | None]:
    """The file that a place names, and the path within it that it goes on to; None where it names all of it.

    >>> split("vol.h5::/raw"), split("s3://bucket/vol.h5::/raw"), split("simplecache::s3://bucket/a.zarr")
    (('vol.h5', '/raw'), ('s3://bucket/vol.h5', '/raw'), ('simplecache::s3://bucket/a.zarr', None))
    """
    file, _, path = place.rpartition(MARK)
    chained = "://" in path or (
        "://" in file and (not path.startswith("/") or (file.startswith(_ARCHIVES) and MARK not in file))
    )
    if not file or chained or os.path.lexists(place):
        return place, None
    return file, path
