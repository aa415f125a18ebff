"""Reading and writing stores that fail now and then: again after a while where that may help, else an error that says
what was being done.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")

_log = logging.getLogger(__name__)

SECONDS_BEFORE_RETRIES = (0.1, 0.5, 2.0, 5.0)
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


class ShortAnswerError(OSError):
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
        raise _failure(doing if isinstance(doing, str) else doing(), error) from error


def patiently(doing: str | Callable[[], str], call: Callable[[], Result]) -> Result:
    """`call()`, up to five times where the error may pass; an error that lasts is raised as it is."""
    for seconds in (*SECONDS_BEFORE_RETRIES, None):
        try:
            return call()
        except StoreError:
            raise
        except Exception as error:
            if seconds is None or not may_pass(error):
                raise
            doing = doing if isinstance(doing, str) else doing()
            _log.warning("%s failed, trying again in %.1f s: %s", doing, seconds, error)
            time.sleep(seconds)
    raise AssertionError


@contextmanager
def said_of(doing: str) -> Iterator[None]:
    """Errors of a store's library, which do not say what was asked for, become errors that do.

    Raises
    ------
    StoreError
        In place of an error that is neither about arguments nor about a local file, which it names.
    """
    try:
        yield
    except (StoreError, ValueError, TypeError, ImportError):
        raise
    except Exception as error:
        if isinstance(error, FileNotFoundError) or getattr(error, "filename", None):
            raise
        raise _failure(doing, error) from error


def _failure(doing: str, error: Exception) -> StoreError:
    return StoreError(f"{doing} failed: {type(error).__name__}: {error}")


def may_pass(error: Exception) -> bool:
    """Whether an error may be gone the next time: of the network or the device, not of the data or the rights."""
    if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError):
        return False
    status = getattr(error, "status", None)  # of an HTTP response
    if isinstance(status, int) and status >= 400:
        return status >= 500 or status in (408, 425, 429)
    if isinstance(error, OSError):
        return error.errno not in _LASTING
    return any(kind.__name__ in _OF_THE_NETWORK for kind in type(error).__mro__)
