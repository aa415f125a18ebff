"""A place in a store from whatever names one: a path, a URL, a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vrdask.storage import places, zarr_internals

if TYPE_CHECKING:
    from zarr.storage import StorePath


def place_to_compare(place: Any) -> StorePath | places.Folder:
    """What a place is called, as `addresses` and `objects` take it; without zarr where it is a path."""
    place = places.normal(place)
    if isinstance(place, str) and "://" not in place:
        return places.Folder(Path(place))
    return store_path(place, None)


def store_path(place: Any, mode: str | None) -> StorePath:
    """A place in a store from a path, a URL (fsspec), a store or a place.

    mode : "r" to read, "a" to write, None for neither.

    Raises
    ------
    TypeError
        `place` is none of these.
    ValueError
        It is read-only and to be written, or a URL of a kind that nobody knows.
    NotADirectoryError
        It is to be written, and leads through a file.
    ModuleNotFoundError
        A package for that kind of URL is not installed.
    """
    from zarr.abc.store import Store
    from zarr.storage import LocalStore, StorePath, ZipStore

    place = places.normal(place)
    if not isinstance(place, str | StorePath | dict | Store):
        raise TypeError(f"a store must be given as a path, a URL, a store or a zarr array; got {type(place).__name__}")
    if mode == "a" and isinstance(place, StorePath | Store) and place.read_only:
        raise ValueError(f"target must be writable; got {place}, which is read-only")
    if mode is None and isinstance(place, Store):
        return StorePath(place)
    if isinstance(place, str) and "://" not in place:
        if mode == "r" and (found := places.in_archive(place)) is not None:
            absolute = found[0].absolute()  # workers open it again, in folders of their own
            return StorePath(zarr_internals.sync(ZipStore.open(absolute, mode="r")), found[1])
        if mode == "a":
            _require_folder(Path(place))
        return StorePath(LocalStore(place, read_only=mode == "r"))  # opening it would make a folder
    from vrdask.storage import remote
    from vrdask.storage.remote_store import in_remote_store

    try:
        return (
            remote.open_url(place, mode)
            if isinstance(place, str)
            else in_remote_store(zarr_internals.place(place, mode))
        )
    except ImportError as error:
        extra = remote.extra_of(str(place))
        raise ModuleNotFoundError(f"{place} needs another package: {error}: pip install 'vrdask[{extra}]'") from None
    except ValueError as error:
        if "rotocol" in str(error):  # fsspec's "Protocol not known: .."
            raise ValueError(f"a URL must have a protocol that fsspec knows; got {place}") from None
        if isinstance(place, str):  # a file system that lacks credentials, for one
            raise ValueError(f"a URL must lead to a store that can be opened; got {place}: {error}") from error
        raise


def _require_folder(path: Path) -> None:
    """Refuse a path that leads through a file, such as a zip file, to be written.

    Raises
    ------
    NotADirectoryError
        It does.
    """
    above = next((one for one in path.parents if one.exists()), None)
    if above is not None and not above.is_dir():
        raise NotADirectoryError(f"target must lie in a folder; got {path}: {above} is a file")
