"""URLs of object stores and web servers, opened such that `attempts` alone tries again, and no request waits for ever.

Libraries try again, too: s3fs five times what botocore tries five times. Under our own five attempts a server that is
down would get 125 requests. So theirs are set to one, in file systems of our own: fsspec shares those made alike.
"""

from __future__ import annotations

from typing import Any

from zarr.abc.store import Store
from zarr.storage import FsspecStore, StorePath

from vrdask import zarr_internals

SECONDS_TO_CONNECT = 10
SECONDS_TO_READ = 60
"""Between two pieces of an answer, not for all of it."""

ONE_ATTEMPT = {"total_max_attempts": 1, "mode": "standard"}
"""botocore's setting."""
_EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure",
    "adl": "azure",
}  # fmt: skip


def extra_of(url: str) -> str:
    """The extra of this package that brings what a URL needs.

    >>> extra_of("gs://bucket/x.zarr"), extra_of("https://x.org/y.zarr")
    ('gcs', 'remote')
    """
    return _EXTRAS.get(url.partition("://")[0].lower(), "remote")


def open_url(url: str, mode: str | None) -> StorePath:
    """The place that a URL leads to; nothing is read yet."""
    made = zarr_internals.place(url, mode, _options(url))
    try_once(made.store)
    return made


def try_once(store: Store) -> None:
    """See to it that s3fs asks once for each request, in a store that `open_url` has made: here, or in another process
    that sent it.
    """
    files: Any = store.fs if isinstance(store, FsspecStore) else None
    if getattr(files, "config_kwargs", {}).get("retries") == ONE_ATTEMPT and hasattr(files, "retries"):
        files.retries = 1


def _options(url: str) -> dict[str, Any] | None:
    """Arguments of fsspec's file system, those that the user has configured (`fsspec.config`) among them."""
    from fsspec.config import conf

    protocol, ours = url.partition("://")[0].lower(), dict[str, Any]()
    if protocol in ("s3", "s3a"):
        name, ours["retries"] = "config_kwargs", ONE_ATTEMPT
        ours |= {"connect_timeout": SECONDS_TO_CONNECT, "read_timeout": SECONDS_TO_READ}
    elif protocol in ("http", "https"):
        from aiohttp import ClientTimeout

        times = ClientTimeout(total=None, sock_connect=SECONDS_TO_CONNECT, sock_read=SECONDS_TO_READ)
        name, ours["timeout"] = "client_kwargs", times
    else:
        return None
    return {name: {**ours, **conf.get(protocol, {}).get(name, {})}}
