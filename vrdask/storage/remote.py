"""URLs of object stores and web servers, opened such that `retry` alone tries again, no request waits for ever, and
a range is a range.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vrdask.storage import zarr_internals
from vrdask.storage.remote_store import ONE_ATTEMPT, in_remote_store
from vrdask.storage.retry import RangeIgnoredError

if TYPE_CHECKING:
    from zarr.storage import StorePath

SECONDS_TO_CONNECT = 10
SECONDS_TO_READ = 30
"""Between two pieces of an answer, not for all of it."""

_EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure",
    "adl": "azure",
}  # fmt: skip
_ASKED = re.compile(r"bytes=(\d*)-(\d*)$")
_TOLD = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)$")


def extra_of(url: str) -> str:
    """The extra of this package that brings what a URL needs.

    >>> extra_of("gs://bucket/x.zarr"), extra_of("https://x.org/y.zarr")
    ('gcs', 'remote')
    """
    return _EXTRAS.get(url.partition("://")[0].lower(), "remote")


def open_url(url: str, mode: str | None) -> StorePath:
    """The place that a URL leads to; nothing is read yet."""
    return in_remote_store(zarr_internals.place(url, mode, options_of(url)))


def file_system(url: str) -> tuple[Any, str]:
    """The file system of fsspec that a URL leads to, and the path within it.

    Raises
    ------
    ModuleNotFoundError
        A package for that kind of URL is not installed.
    """
    try:
        from fsspec.core import url_to_fs

        files, path = url_to_fs(url, **(options_of(url) or {}))
    except ImportError as error:
        raise ModuleNotFoundError(
            f"{url} needs another package: {error}: pip install 'vrdask[{extra_of(url)}]'"
        ) from None
    return files, path


def options_of(url: str) -> dict[str, Any] | None:
    """Arguments of fsspec's file system. Those that the user has configured (`fsspec.config`, or FSSPEC_S3 and the like
    in the environment) go before ours, but for how often to try.
    """
    from fsspec.config import conf

    protocol = url.partition("://")[0].lower()
    users = conf.get(protocol, {})
    if protocol in ("s3", "s3a"):
        times = {"connect_timeout": SECONDS_TO_CONNECT, "read_timeout": SECONDS_TO_READ}
        return {"config_kwargs": {**times, **users.get("config_kwargs", {}), "retries": ONE_ATTEMPT}}
    if protocol in ("http", "https"):
        from aiohttp import ClientTimeout

        limits = ClientTimeout(total=None, sock_connect=SECONDS_TO_CONNECT, sock_read=SECONDS_TO_READ)
        return {
            "client_kwargs": {"timeout": limits, **users.get("client_kwargs", {})},
            "get_client": users.get("get_client", client),
        }
    return None


async def client(**arguments: Any) -> Any:
    """An aiohttp session that refuses an answer to a range that is none, before its body is read."""
    from aiohttp import ClientSession, TraceConfig

    watch = TraceConfig()
    watch.on_request_end.append(_require_range)
    return ClientSession(**{**arguments, "trace_configs": [watch, *(arguments.get("trace_configs") or ())]})


async def _require_range(session: Any, context: Any, ended: Any) -> None:
    """See `client`.

    Raises
    ------
    RangeIgnoredError
    """
    asked = _ASKED.match(ended.headers.get("Range", ""))
    answer = ended.response
    if asked is None or answer.status not in (200, 206):
        return
    told = answer.headers.get("Content-Range", "")
    if answer.status == 200:
        right = _is_all(asked, answer.content_length)
    else:
        given = _TOLD.match(told)  # a proxy may leave it out; how long the answer is will tell something
        right = given is None or _is_what(asked, given)
    if not right:
        said = f"status {answer.status}" + (f" and {told}" if told else "")
        answer.close()
        raise RangeIgnoredError(
            f"the store must answer a request for a range with the bytes asked for; got {said} for {asked[0]} "
            "(does it know ranges?)"
        )


def _is_all(asked: re.Match[str], length: int | None) -> bool:
    """Whether the whole of an object is what was asked for, since the object is no longer."""
    start, stop = asked.groups()
    if length is None or not stop:
        return length is not None and start == "0"
    return length <= int(stop) if not start else start == "0" and length <= int(stop) + 1


def _is_what(asked: re.Match[str], given: re.Match[str]) -> bool:
    """Whether the range that an answer tells of is the one asked for, perhaps cut off by the object's end."""
    start, (first, last, size) = asked[1], given.groups()
    if start:
        return start == first and (not asked[2] or int(last) <= int(asked[2]))
    return size == "*" or (int(last) + 1 == int(size) and int(last) - int(first) < int(asked[2]))
