"""Reading and writing stores that fail now and then: again after a while where that may help, else an error that says
what was being done.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TypeVar

Result = TypeVar("Result")

_log = logging.getLogger(__name__)

SECONDS_BEFORE_RETRIES = (0.1, 0.5, 2.0, 5.0)
SECONDS_IN_ALL = 20.0
"""After the second attempt, none begins later: those that end by a time-out take long."""
MOST_SECONDS_ASKED_FOR = 10.0
"""Of a server that says when to come again."""
_LASTING = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EFBIG", "EINVAL", "ENOSYS", "ENAMETOOLONG")
    if hasattr(errno, name)
)
_OF_THE_NETWORK = frozenset({
    "ClientConnectionError", "ClientPayloadError", "HTTPClientError", "IncompleteRead", "ResponseParserError",
    "ServerTimeoutError", "ServiceRequestError", "ServiceResponseError",
})  # fmt: skip
"""Names of aiohttp's, azure-core's, botocore's and urllib3's exceptions, some of which are no OSError."""


class StoreError(RuntimeError):
    """Something stored could not be read or written; the message names it and what went wrong."""


class NoAccessError(PermissionError):
    """Something stored may not be read or written; the message names it."""


class ShortAnswerError(ConnectionError):
    """A store has answered with fewer bytes than it must have: it may do better the next time."""


class RangeIgnoredError(ValueError):
    """A store has answered a request for some bytes of an object with more than these."""


def attempt(doing: str | Callable[[], str], call: Callable[[], Result]) -> Result:
    """`call()`, up to five times where the error may pass. `doing` begins the message, as in "reading c/0/0 of ..", or
    makes that beginning.

    Raises
    ------
    StoreError
        The error lasts; its cause is the last one.
    """
    try:
        return patiently(doing, call)
    except StoreError:
        raise
    except Exception as error:
        raise _failure(doing, error) from error


def patiently(doing: str | Callable[[], str], call: Callable[[], Result]) -> Result:
    """`call()`, up to five times where the error may pass; an error that lasts is raised as it is."""
    begun = time.monotonic()
    for tries in count(1):
        try:
            return call()
        except Exception as error:
            seconds = _pause(error, tries, begun)
            if seconds is None:
                raise
            _warn(doing, seconds, error)
            time.sleep(seconds)
    raise AssertionError


async def patiently_awaited(doing: Callable[[], str], call: Callable[[], Awaitable[Result]]) -> Result:
    """As `attempt`, on an event loop. What is said of arguments, rights, or what is not there keeps its kind."""
    begun = time.monotonic()
    for tries in count(1):
        try:
            return await call()
        except Exception as error:
            seconds = _pause(error, tries, begun)
            if seconds is None:
                if isinstance(error, PermissionError):
                    raise NoAccessError(f"{doing()} failed: PermissionError: {error}") from error
                with said_of(doing):
                    raise
            else:
                _warn(doing, seconds, error)
                import asyncio  # which takes a while to import

                await asyncio.sleep(seconds)
    raise AssertionError


def _pause(error: Exception, tries: int, begun: float) -> float | None:
    """Seconds until the next attempt after so many, the last one of which has failed; None where there is none."""
    spent = time.monotonic() - begun > SECONDS_IN_ALL and tries > 1
    if tries > len(SECONDS_BEFORE_RETRIES) or spent or not may_pass(error):
        return None
    return max(SECONDS_BEFORE_RETRIES[tries - 1], min(_asked_for(error), MOST_SECONDS_ASKED_FOR))


def _asked_for(error: Exception) -> float:
    """Seconds after which a server wants to be asked again: HTTP's Retry-After."""
    try:
        return max(0.0, float(error.headers["Retry-After"]))  # type: ignore[attr-defined]
    except (AttributeError, KeyError, TypeError, ValueError):
        return 0.0


def _warn(doing: str | Callable[[], str], seconds: float, error: Exception) -> None:
    begins = doing if isinstance(doing, str) else doing()
    _log.warning("%s failed, trying again in %.1f s: %s", begins, seconds, said_by(error))


@contextmanager
def said_of(doing: str | Callable[[], str]) -> Iterator[None]:
    """Errors of a store's library, which do not say what was asked for, become errors that do.

    Raises
    ------
    StoreError
        In place of an error that is neither about arguments nor about a local file, which it names.
    """
    try:
        yield
    except (StoreError, NoAccessError, ValueError, TypeError, ImportError, NotImplementedError):
        raise
    except Exception as error:
        if isinstance(error, FileNotFoundError) or getattr(error, "filename", None):
            raise
        raise _failure(doing, error) from error


def _failure(doing: str | Callable[[], str], error: Exception) -> StoreError:
    return StoreError(f"{doing if isinstance(doing, str) else doing()} failed: {said_by(error)}")


def said_by(error: Exception) -> str:
    """An error in words: its kind and what it says, if anything."""
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def may_pass(error: Exception) -> bool:
    """Whether an error may be gone the next time: of the network or the device, not of the data or the rights."""
    if isinstance(error, ExceptionGroup):  # zarr's, of several requests
        return all(map(may_pass, error.exceptions))
    if isinstance(error, StoreError | FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError):
        return False
    status = getattr(error, "status", None)  # of an HTTP response
    if isinstance(status, int) and status >= 400:
        return status >= 500 or status in (408, 425, 429)
    if isinstance(error, OSError):
        return error.errno not in _LASTING
    return any(kind.__name__ in _OF_THE_NETWORK for kind in type(error).__mro__)
