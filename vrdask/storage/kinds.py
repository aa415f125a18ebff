"""Which of zarr's kinds something is. Asking imports nothing: where zarr has not been imported, it is none of them.

Importing zarr takes longer than opening a file that has nothing to do with it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    import zarr
    from zarr.abc.store import Store
    from zarr.storage import StorePath


def is_array(x: Any) -> TypeGuard[zarr.Array[Any]]:
    """Whether it is an array."""
    found = sys.modules.get("zarr")
    return found is not None and isinstance(x, found.Array)


def is_group(x: Any) -> TypeGuard[zarr.Group]:
    """Whether it is a group."""
    found = sys.modules.get("zarr")
    return found is not None and isinstance(x, found.Group)


def is_store_path(x: Any) -> TypeGuard[StorePath]:
    """Whether it is a place in a store."""
    found = sys.modules.get("zarr.storage")
    return found is not None and isinstance(x, found.StorePath)


def is_store(x: Any) -> TypeGuard[Store]:
    """Whether it is a store."""
    found = sys.modules.get("zarr.abc.store")
    return found is not None and isinstance(x, found.Store)
