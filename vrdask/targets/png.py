"""PNG files, encoded in strips of rows on threads, as they are asked for.

A PNG is one zlib stream of filtered rows. A strip is compressed by itself, up to a flush that ends it at a byte; strips
one after the other are that stream. Filters do not look beyond a strip, so that none waits for another. How a picture
is cut follows from its size alone: the bytes of a file do not depend on the number of threads.

PNG is W3C's Portable Network Graphics (third edition), zlib's stream RFC 1950 and RFC 1951.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

MAGIC = b"\x89PNG\r\n\x1a\n"
ZLIB_HEADER = b"\x78\x5e"
"""Of a stream with a window of 32 KiB that was compressed fast."""
COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
"""PNG's number of grey, grey and opacity, colours, colours and opacity, by the samples of a pixel."""
STRIP_BYTES = 1 << 19
"""Of rows that are compressed together."""
AT_ONCE_BYTES = 1 << 25
"""Of strips on their way, where one is a single long row."""
LARGEST_CHUNK = 1 << 30
"""Bytes of a chunk of the file: of a row that long, there are several."""

FILTERS = range(5)
"""None, the sample before, the one above, the mean of these, and Paeth's choice among three."""
BEFORE = 1
"""The filter of a strip's first row: what is above it belongs to another strip."""

PARTS, PART_BYTES = 4, 1 << 12
"""Of a strip, by which its filter and its compression are chosen."""
MATCHES = (4, zlib.Z_DEFAULT_STRATEGY)
"""Level and strategy that look for what came before."""
LONG_MATCHES = (6, zlib.Z_DEFAULT_STRATEGY)
"""Those that look harder, which takes no longer where little is left."""
RUNS = (6, zlib.Z_RLE)
"""Those that look for the last byte again and no further, in a third of the time: of what comes from a camera, where
hardly anything is found, files become smaller."""
EVEN = 8
"""A sample that shrinks by as much is of drawings, labels or steps, and may have missed all but one colour."""


@dataclass(frozen=True)
class Form:
    """A picture's rows, columns, samples of a pixel (1 to 4), and bits of a sample (8 or 16)."""

    rows: int
    columns: int
    samples: int
    bits: int

    @property
    def pixel_bytes(self) -> int:
        return self.samples * self.bits // 8

    @property
    def row_bytes(self) -> int:
        return self.columns * self.pixel_bytes

    def strips(self) -> Iterator[tuple[int, int]]:
        """First row and row behind the last of all strips.

        >>> list(Form(5, 200_000, 1, 8).strips())
        [(0, 2), (2, 4), (4, 5)]
        """
        step = max(1, STRIP_BYTES // self.row_bytes)
        return ((start, min(self.rows, start + step)) for start in range(0, self.rows, step))


class Strip(NamedTuple):
    """A strip's part of the compressed stream; how many bytes it holds, and their Adler-32."""

    data: bytes
    size: int
    checksum: int


def write_png(file: BinaryIO, form: Form, rows: Callable[[int, int], npt.NDArray[Any]], threads: int = 1) -> None:
    """Write a PNG.

    rows : the samples from one row to before another, uint8 or uint16 as `form` says; called on the threads, which hold
    `AT_ONCE_BYTES` or a few strips each.
    """
    header = struct.pack(">IIBBBBB", form.columns, form.rows, form.bits, COLOURS[form.samples], 0, 0, 0)
    file.write(MAGIC)
    _put(file, b"IHDR", header)
    _put(file, b"IDAT", ZLIB_HEADER)

    def encoded(strip: tuple[int, int]) -> Strip:
        start, stop = strip
        return _encoded(rows(start, stop), form, is_last=stop == form.rows)

    checksum = 1
    at_once = max(1, min(2 * threads, AT_ONCE_BYTES // form.row_bytes))
    for strip in _in_order(encoded, form.strips(), threads, at_once):
        checksum = adler32_of_both(checksum, strip.checksum, strip.size)
        for at in range(0, len(strip.data), LARGEST_CHUNK):
            _put(file, b"IDAT", strip.data[at : at + LARGEST_CHUNK])
    _put(file, b"IDAT", checksum.to_bytes(4, "big"))
    _put(file, b"IEND", b"")


def _put(file: BinaryIO, kind: bytes, data: bytes) -> None:
    """A chunk of the file."""
    file.write(struct.pack(">I4s", len(data), kind))
    file.write(data)
    file.write(zlib.crc32(data, zlib.crc32(kind)).to_bytes(4, "big"))


def _in_order(
    work: Callable[[tuple[int, int]], Strip], strips: Iterable[tuple[int, int]], threads: int, at_once: int
) -> Iterator[Strip]:
    """The results of `work`, of which so many are on their way or waiting."""
    if min(threads, at_once) == 1:
        yield from map(work, strips)
        return
    queue = iter(strips)
    with ThreadPoolExecutor(threads, thread_name_prefix="vrdask-png") as pool:

        def submitted(strip: tuple[int, int]) -> Future[Strip]:
            try:
                return pool.submit(work, strip)
            except RuntimeError:  # can't start new thread
                done: Future[Strip] = Future()
                done.set_result(work(strip))
                return done

        waiting = deque(map(submitted, islice(queue, at_once)))
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(map(submitted, islice(queue, 1)))
        finally:
            for one in waiting:
                one.cancel()


def _encoded(samples: npt.NDArray[Any], form: Form, is_last: bool) -> Strip:
    stored = np.ascontiguousarray(samples, np.uint8 if form.bits == 8 else ">u2")
    rows = stored.view(np.uint8).reshape(len(stored), form.row_bytes)
    number, (level, strategy) = _chosen(rows, form.pixel_bytes)
    lines = np.empty((len(rows), 1 + form.row_bytes), np.uint8)
    lines[0, 0], lines[1:, 0] = BEFORE, number
    lines[:1, 1:] = filtered(rows[:1], rows[:1], BEFORE, form.pixel_bytes)
    lines[1:, 1:] = filtered(rows[1:], rows[:-1], number, form.pixel_bytes)
    compressor = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy)
    data = compressor.compress(lines.data) + compressor.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)
    return Strip(data, lines.size, zlib.adler32(lines.data))


def _chosen(rows: Bytes, pixel_bytes: int) -> tuple[int, tuple[int, int]]:
    """The filter of a strip, with level and strategy of its compression, by what they make of a sample of it."""
    later = rows[1:] if len(rows) > 1 else rows
    above = rows[: len(later)]
    count, width = later.shape
    high = max(1, PART_BYTES // width)
    wide = min(width, max(1, PART_BYTES // pixel_bytes) * pixel_bytes)
    places = []
    for part in range(PARTS):
        top = (2 * part + 1) * count // (2 * PARTS)
        left = (width - wide) * part // (PARTS - 1) // pixel_bytes * pixel_bytes
        places.append((slice(top, top + high), slice(left, left + wide)))
    later, above = (np.concatenate([one[place] for place in places]) for one in (later, above))
    tried = {number: filtered(later, above, number, pixel_bytes) for number in FILTERS}
    number = BEFORE if len(rows) == 1 else min(tried, key=lambda one: _magnitude(tried[one]))
    by_runs, by_matches = (_size(tried[number], how) for how in (RUNS, MATCHES))
    if EVEN * by_matches <= later.size:
        return number, LONG_MATCHES
    return number, RUNS if by_runs <= by_matches else MATCHES


def _magnitude(filtered: Bytes) -> int:
    """The sum of the differences' absolute values, by which PNG recommends to choose."""
    return int(np.minimum(filtered, np.negative(filtered)).sum(dtype=np.int64))


def _size(data: Bytes, how: tuple[int, int]) -> int:
    compressor = zlib.compressobj(how[0], zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, how[1])
    return len(compressor.compress(data.data)) + len(compressor.flush())


def filtered(rows: Bytes, above: Bytes, number: int, pixel_bytes: int) -> Bytes:
    """Rows less what one of PNG's filters foretells of them, modulo 256. above : of each, the row above it.

    >>> rows = np.array([[10, 20, 40], [12, 25, 50]], np.uint8)
    >>> filtered(rows[1:], rows[:1], 1, 1), filtered(rows[1:], rows[:1], 2, 1)
    (array([[12, 13, 25]], dtype=uint8), array([[ 2,  5, 10]], dtype=uint8))
    """
    result = rows.copy()
    if number == 1:
        result[:, pixel_bytes:] -= rows[:, :-pixel_bytes]
    elif number == 2:
        result -= above
    elif number > 2:
        before = _shifted(rows, pixel_bytes)
        result -= _mean(before, above) if number == 3 else nearest_of_three(before, above, _shifted(above, pixel_bytes))
    return result


def _shifted(rows: Bytes, pixel_bytes: int) -> Bytes:
    """What stands a pixel before; 0 before the first."""
    result = np.zeros_like(rows)
    result[:, pixel_bytes:] = rows[:, :-pixel_bytes]
    return result


def _mean(a: Bytes, b: Bytes) -> Bytes:
    """Rounded down: bits that both have, and half of those that one has."""
    return (a & b) + ((a ^ b) >> 1)


def nearest_of_three(before: Bytes, above: Bytes, corner: Bytes) -> Bytes:
    """Whichever of three is nearest to before + above - corner; of equals the first in this order.

    The distances are |above - corner|, |before - corner|, and their sum, or where the corner is between the other two
    their difference: all fit in a byte but the sum, which is never the least.

    >>> nearest_of_three(*(np.array([value], np.uint8) for value in (10, 30, 25)))
    array([10], dtype=uint8)
    """
    of_before, of_above = _apart(above, corner), _apart(before, corner)
    nearer = np.minimum(of_before, of_above)
    is_corner = ((above > corner) != (before > corner)) & (_apart(of_before, of_above) < nearer)
    return _where(is_corner, corner, _where(of_before <= of_above, before, above))


def _apart(a: Bytes, b: Bytes) -> Bytes:
    result: Bytes = np.maximum(a, b) - np.minimum(a, b)
    return result


def _where(condition: npt.NDArray[np.bool_], a: Bytes, b: Bytes) -> Bytes:
    """`numpy.where`, which for bytes takes twenty times as long as these."""
    result: Bytes = np.negative(condition.view(np.uint8))
    result &= a ^ b
    result ^= b
    return result


def adler32_of_both(first: int, second: int, count: int) -> int:
    """The Adler-32 of bytes that follow others, from those of both. count : of the bytes that follow.

    >>> adler32_of_both(zlib.adler32(b"one"), zlib.adler32(b" more"), 5) == zlib.adler32(b"one more")
    True
    """
    prime = 65_521
    low, of_first, of_second = (first & 0xFFFF), first >> 16, second >> 16
    low_of_both = (low + (second & 0xFFFF) - 1) % prime
    return ((of_first + of_second + count * (low - 1)) % prime) << 16 | low_of_both
