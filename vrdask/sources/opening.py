"""Opening, in words: whatever goes wrong is told in one line that names the place, and the libraries that read the
formats say nothing beside it.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from vrdask.storage.retry import StoreError

READABLE_FILES = "TIFF, DICOM, NIfTI, MGH, NRRD, MetaImage, HDF5, PNG, JPEG or .npy file"
READABLE = f"a Zarr array, an OME-Zarr image, or a {READABLE_FILES}"
_PACKAGES = {"PIL": "pillow", "nrrd": "pynrrd"}
"""Whose modules have other names."""
_OF_PLACES = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_OF_THE_SYSTEM = (ConnectionError, TimeoutError, BlockingIOError, InterruptedError)


@contextmanager
def opening(place: str) -> Iterator[None]:
    """Errors in opening a source become one line that names it; loggers and warnings of libraries are silent.

    Raises
    ------
    FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError
        The system says so.
    ModuleNotFoundError
        A package is missing; the message tells which.
    StoreError
        A store or a device fails.
    ValueError
        Anything else: the place holds nothing that can be read, or something damaged.
    """
    try:
        with quiet(), warnings_ignored():
            yield
    except Exception as error:
        told = _told(error, place)
        if told is error:
            raise
        raise told from error


def package_for(path: Any, module: str, extra: str) -> Any:
    """The module that a file is read with. extra : of vrdask, which brings its package.

    Raises
    ------
    ModuleNotFoundError
        It is not installed.
    """
    try:
        return import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise ModuleNotFoundError(
            f"reading {path} needs the package {_PACKAGES.get(package, package)}: pip install 'vrdask[{extra}]'"
        ) from None


def _told(error: Exception, place: str) -> Exception:
    """The error to raise in place of one: itself where it says enough."""
    if isinstance(error, StoreError):
        cause = error.__cause__
        if not isinstance(cause, Exception) or not is_damage(cause):
            return error
        error = cause
    if isinstance(error, ModuleNotFoundError) and "pip install" in str(error):
        return error
    if isinstance(error, OSError) and not is_damage(error):
        if place in str(error) and error.errno is None:
            return error
        reason = error.strerror or str(error)
        for kind in _OF_PLACES:
            if isinstance(error, kind):
                condition = "exist" if kind is FileNotFoundError else "be readable"
                missing = "" if error.filename in (None, place) else f" ({error.filename})"
                return kind(f"source must {condition}; got {place}: {reason}{missing}")
        return StoreError(f"opening {place} failed: {type(error).__name__}: {error}")
    if isinstance(error, ValueError) and place in str(error) and " must " in str(error):
        return error
    return ValueError(f"source must be {READABLE}, whole and undamaged; got {place}: {reason_of(error)}")


def is_damage(error: BaseException) -> bool:
    """Whether an error tells of data that are not what they should be, rather than of a store or a device."""
    if isinstance(error, OSError):
        return error.errno is None and not isinstance(error, (*_OF_PLACES, *_OF_THE_SYSTEM))  # such as BadGzipFile
    if isinstance(error, ValueError | TypeError | LookupError | ArithmeticError | AttributeError):
        return True
    module = type(error).__module__.partition(".")[0]
    return module in ("builtins", "struct", "zlib", "zipfile", "json", "xml", "tifffile", "imagecodecs", "nibabel",
                      "zarr", "numcodecs", "numpy", "PIL", "pydicom", "h5py")  # fmt: skip


def reason_of(error: BaseException) -> str:
    """What an error says, for people."""
    if isinstance(error, KeyError):
        return f"{error} is missing"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    text = " ".join(str(error).split())
    return text if isinstance(error, ValueError) and text else f"{type(error).__name__}: {text}".removesuffix(": ")


@contextmanager
def decoding(what: str, path: str) -> Iterator[None]:
    """Errors of decoding name the file; what the system says of the file stays as it is, to be tried again.

    what : begins the message, as in "a TIFF source".
    """
    try:
        with quiet():
            yield
    except Exception as error:
        if not is_damage(error):
            raise
        raise ValueError(f"{what} must have samples that can be decoded; got {path}: {reason_of(error)}") from error


_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)


class _Ear(logging.Filter):
    """Hears what a library logs where `quiet` is on, instead of its handlers."""

    def filter(self, record: logging.LogRecord) -> bool:
        heard = _heard.get()
        if heard is None:
            return True
        heard.append(record.getMessage())
        return False


for _name in ("tifffile", "nibabel", "nibabel.global", "pydicom"):
    logging.getLogger(_name).addFilter(_Ear())


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Nothing that a format's library logs in this thread is shown; it is gathered in the list."""
    heard: list[str] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


class _Hush:
    """Warnings ignored from the first of several threads to enter until the last one leaves: the filters are the
    process's.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._within = 0
        self._before: Any = None

    def __enter__(self) -> None:
        with self._mutex:
            self._within += 1
            if self._within == 1:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")

    def __exit__(self, *error: object) -> None:
        with self._mutex:
            self._within -= 1
            if self._within == 0:
                self._before.__exit__(*error)


_hush = _Hush()


@contextmanager
def warnings_ignored() -> Iterator[None]:
    """Nothing that a library warns of is shown."""
    if getattr(sys.flags, "context_aware_warnings", False):  # each thread has its own
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    else:
        with _hush:
            yield
