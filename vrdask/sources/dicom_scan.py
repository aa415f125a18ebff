"""The few elements of a DICOM header that are asked for, without a data set of all the others.

pydicom makes objects of what it reads, in about a millisecond a file. A series has thousands of files, whose headers
are walked here from element to element instead. Whatever is out of the ordinary (no preamble, an unknown or unexpected
VR, sequences that are asked for, deflated files, odd lengths) is left to pydicom: `scanned` then gives None.
"""

from __future__ import annotations

import os
from functools import lru_cache
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Any, NamedTuple

BLOCKS = (1 << 16, 1 << 22)
"""Bytes in which a header must lie: few files need the second number."""
MOST_NESTED = 16
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_ENDS, SEQUENCE_ENDS = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
SAMPLES = (0x7FE00008, 0x7FE00009, 0x7FE00010)
CHARACTERS = 0x00080005
SYNTAX = 0x00020010
NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FD": "d", "FL": "f"}
TEXTS = ("DS", "IS", "CS", "UI", "LO", "SH")
HEADS = {little: (Struct(f"{end}HH2sH").unpack_from, Struct(f"{end}HHL").unpack_from, Struct(f"{end}L").unpack_from)
         for little, end in ((True, "<"), (False, ">"))}  # fmt: skip


class Scanned(NamedTuple):
    """What a header says: values by keyword, as texts or numbers, lists of them where there are several.

    samples_at : the byte at which the element of the samples begins.
    """

    values: dict[str, Any]
    syntax: Any
    samples_at: int

    def get(self, keyword: str, default: Any = None) -> Any:
        return self.values.get(keyword, default)

    def __contains__(self, keyword: object) -> bool:
        return keyword in self.values


class _UnsureError(Exception):
    """Something out of the ordinary."""


def scanned(path: str, keywords: tuple[str, ...]) -> Scanned | None:
    """What the header of a file says of some elements; None where that is for pydicom to say."""
    wanted = _wanted(keywords)
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        for block in BLOCKS:
            file.seek(0)
            data = file.read(block)
            if data[128:132] != b"DICM":
                return None
            try:
                return _walk(data, size, *wanted)
            except (StructError, IndexError):  # it ends before the header does
                if len(data) == size:
                    return None
            except (_UnsureError, ValueError, LookupError):
                return None
    return None


def _walk(
    data: bytes, size: int, wanted: dict[int, tuple[str, str]], vrs: frozenset[bytes], long: frozenset[bytes]
) -> Scanned:
    at, found = 132, b""
    while data[at : at + 2] == b"\2\0":
        tag, vr, length, at = _explicit(data, at, True, vrs, long)
        if tag == SYNTAX:
            found = data[at : at + length]
        at += length
    syntax = _syntax(found)
    little, implicit = syntax.is_little_endian, syntax.is_implicit_VR
    if implicit and data[at + 4 : at + 6] in vrs:
        raise _UnsureError
    values: dict[str, Any] = {}
    characters, end = b"", len(data)
    while at < size:
        begins = at
        if implicit:
            high, low, length = HEADS[little][1](data, at)
            tag, vr, at = high << 16 | low, b"", at + 8
        else:
            tag, vr, length, at = _explicit(data, at, little, vrs, long)
        if tag in SAMPLES:
            return Scanned(values, syntax, begins)
        if length == UNDEFINED:
            if tag in wanted or vr == b"UN":
                raise _UnsureError
            at = _behind_items(data, at, implicit, little, vrs, long, 0)
            continue
        if tag in wanted or tag == CHARACTERS:
            if at + length > end:
                raise IndexError
            value = data[at : at + length]
            if tag == CHARACTERS:
                characters = value
            else:
                keyword, known = wanted[tag]
                if vr and vr.decode() != known:
                    raise _UnsureError
                values[keyword] = _value(value, known, little, characters)
        at += length
        if at > end and at < size:
            raise IndexError
    if at != size:
        raise _UnsureError
    return Scanned(values, syntax, size)


def _explicit(
    data: bytes, at: int, little: bool, vrs: frozenset[bytes], long: frozenset[bytes]
) -> tuple[int, bytes, int, int]:
    """Tag, VR and length of an element, and where its value begins."""
    heads = HEADS[little]
    high, low, vr, length = heads[0](data, at)
    if vr in long:
        return high << 16 | low, vr, heads[2](data, at + 8)[0], at + 12
    if vr not in vrs:
        raise _UnsureError
    return high << 16 | low, vr, length, at + 8


def _behind_items(data: bytes, at: int, implicit: bool, little: bool, vrs: Any, long: Any, depth: int) -> int:
    """Where a sequence without a length ends, whose first item begins here."""
    if depth > MOST_NESTED:
        raise _UnsureError
    head = HEADS[little][1]
    while True:
        high, low, length = head(data, at)
        tag, at = high << 16 | low, at + 8
        if tag == SEQUENCE_ENDS:
            return at
        if tag != ITEM:
            raise _UnsureError
        if length != UNDEFINED:
            at += length
            continue
        while True:
            high, low, length = head(data, at)
            if high << 16 | low == ITEM_ENDS:
                at += 8
                break
            if implicit:
                vr, at = b"", at + 8
            else:
                _, vr, length, at = _explicit(data, at, little, vrs, long)
            if length != UNDEFINED:
                at += length
            elif vr == b"UN":
                raise _UnsureError
            else:
                at = _behind_items(data, at, implicit, little, vrs, long, depth + 1)


def _value(value: bytes, vr: str, little: bool, characters: bytes) -> Any:
    if vr in NUMBERS:
        kind = Struct(f"{'<' if little else '>'}{NUMBERS[vr]}")
        if len(value) % kind.size:
            raise _UnsureError
        numbers = [number for (number,) in kind.iter_unpack(value)]
        return numbers[0] if len(numbers) == 1 else numbers or None
    if vr not in TEXTS:
        raise _UnsureError
    text = value.decode("ascii") if value.isascii() and b"\x1b" not in value else _text(value, characters)
    text = text.rstrip("\0 ").strip(" ") if vr != "UI" else text.rstrip("\0 ")
    return text.split("\\") if "\\" in text else text


def _text(value: bytes, characters: bytes) -> str:
    from pydicom.charset import convert_encodings, decode_bytes
    from pydicom.valuerep import TEXT_VR_DELIMS

    said = characters.decode("ascii").rstrip("\0 ").split("\\")
    text: str = decode_bytes(value, convert_encodings([one.strip() for one in said]), TEXT_VR_DELIMS)
    return text


@lru_cache
def _wanted(keywords: tuple[str, ...]) -> tuple[dict[int, tuple[str, str]], frozenset[bytes], frozenset[bytes]]:
    """Keywords and VRs by tag; all VRs, and those with lengths of 32 bits."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword
    from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

    tags = {int(tag): keyword for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None}
    known = {tag: (keyword, str(dictionary_VR(tag))) for tag, keyword in tags.items()}
    vrs = frozenset(str(one.value).encode() for one in VR if len(one.value) == 2)
    return known, vrs, frozenset(str(one.value).encode() for one in EXPLICIT_VR_LENGTH_32)


@lru_cache(maxsize=64)
def _syntax(found: bytes) -> Any:
    from pydicom.uid import UID

    syntax = UID(found.decode("ascii").rstrip("\0 "))
    if not syntax.is_transfer_syntax or syntax.is_private or syntax.is_deflated:
        raise _UnsureError
    return syntax
