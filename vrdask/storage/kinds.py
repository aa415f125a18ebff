"""Which of zarr's kinds something is. Asking imports nothing: where zarr has not been imported, it is none of them.

Importing zarr takes longer than opening a file that has nothing to do with it. What `said` reads of metadata counts as
what it is of: it goes to nobody who reads samples.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from vrdask.storage.plain_metadata import SaidArray
from vrdask.storage.said import SaidGroup

if TYPE_CHECKING:
    import zarr
    from typing_extensions import TypeIs
    from zarr.abc.store import Store
    from zarr.storage import FsspecStore, LocalStore, MemoryStore, StorePath


def _is(x: Any, module: str, name: str) -> bool:
    """Whether it is of a class of a module, if that has been imported."""
    found = sys.modules.get(module)
    return found is not None and isinstance(x, getattr(found, name))


def is_array(x: Any) -> TypeIs[zarr.Array[Any]]:
    """Whether it is an array, or what metadata alone say of one."""
    return isinstance(x, SaidArray) or _is(x, "zarr", "Array")


def is_group(x: Any) -> TypeIs[zarr.Group]:
    """Whether it is a group, likewise."""
    return isinstance(x, SaidGroup) or _is(x, "zarr", "Group")


def is_store_path(x: Any) -> TypeIs[StorePath]:
    """Whether it is a place in a store."""
    return _is(x, "zarr.storage", "StorePath")


def is_store(x: Any) -> TypeIs[Store]:
    """Whether it is a store."""
    return _is(x, "zarr.abc.store", "Store")


def is_local_store(x: Any) -> TypeIs[LocalStore]:
    """Whether it is a store in a file system of this machine."""
    return _is(x, "zarr.storage", "LocalStore")


def is_memory_store(x: Any) -> TypeIs[MemoryStore]:
    """Whether it is a store in this process's memory."""
    return _is(x, "zarr.storage", "MemoryStore")


def is_fsspec_store(x: Any) -> TypeIs[FsspecStore]:
    """Whether it is a store in one of fsspec's file systems."""
    return _is(x, "zarr.storage", "FsspecStore")
