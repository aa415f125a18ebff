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


def is_array(x: Any) -> TypeIs[zarr.Array[Any]]:
    """Whether it is an array, or what metadata alone say of one."""
    found = sys.modules.get("zarr")
    return isinstance(x, SaidArray) or (found is not None and isinstance(x, found.Array))


def is_group(x: Any) -> TypeIs[zarr.Group]:
    """Whether it is a group, likewise."""
    found = sys.modules.get("zarr")
    return isinstance(x, SaidGroup) or (found is not None and isinstance(x, found.Group))


def is_store_path(x: Any) -> TypeIs[StorePath]:
    """Whether it is a place in a store."""
    found = sys.modules.get("zarr.storage")
    return found is not None and isinstance(x, found.StorePath)


def is_store(x: Any) -> TypeIs[Store]:
    """Whether it is a store."""
    found = sys.modules.get("zarr.abc.store")
    return found is not None and isinstance(x, found.Store)


def is_local_store(x: Any) -> TypeIs[LocalStore]:
    """Whether it is a store in a file system of this machine."""
    found = sys.modules.get("zarr.storage")
    return found is not None and isinstance(x, found.LocalStore)


def is_memory_store(x: Any) -> TypeIs[MemoryStore]:
    """Whether it is a store in this process's memory."""
    found = sys.modules.get("zarr.storage")
    return found is not None and isinstance(x, found.MemoryStore)


def is_fsspec_store(x: Any) -> TypeIs[FsspecStore]:
    """Whether it is a store in one of fsspec's file systems."""
    found = sys.modules.get("zarr.storage")
    return found is not None and isinstance(x, found.FsspecStore)
