"""Files that are written from their beginning to their end, larger than memory.

A run writes its blocks in any order, a file is a stream. So the run's target is an uncompressed Zarr array in a folder
beside the file (`file`); when all of it is there it is read once, slab by slab in the file's order. Until the file is
complete the folder takes as much of the disk as the samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from vrdask.boxes import Box
from vrdask.dtypes import DType, plain
from vrdask.storage.blank import blank_array
from vrdask.storage.chunk_array import ChunkIO
from vrdask.targets.file import FileTarget, place_of_file
from vrdask.targets.target import Form, Request

SLAB_BYTES = 32 << 20
MOST_OF_LIMIT = 8
"""A slab takes no more than this part of a run's memory."""
LONGEST_SIDE = 256
CHUNK_BYTES = 1 << 20
"""Of a chunk, which a task of the run writes whole."""


@dataclass(frozen=True)
class StreamedTarget(FileTarget):
    """A file to write when all its samples are there."""

    order: tuple[int, ...]
    """The array's axes as the file counts them, the slowest first."""
    slab_bytes: int
    """Of samples that are read and written at a time, when the file is put together."""

    def write(self, path: Path, slabs: Iterator[npt.NDArray[Any]], made: Mapping[str, str]) -> None:
        """Write the file. slabs : all samples, in C order of the file's axes. made : see `standing`."""
        raise NotImplementedError

    def put_together(self, path: Path, made: Mapping[str, str]) -> None:
        self.write(path, self._slabs(), made)

    def _slabs(self) -> Iterator[npt.NDArray[Any]]:
        read = ChunkIO(self.array).read
        shape, chunks = ([sizes[axis] for axis in self.order] for sizes in (self.array.shape, self.array.chunks))
        for box in slabs_of(shape, chunks, self.array.dtype.itemsize, self.slab_bytes):
            turned: list[tuple[int, int]] = [(0, 0)] * len(box)
            for axis, interval in zip(self.order, box, strict=True):
                turned[axis] = interval
            yield np.ascontiguousarray(read(tuple(turned)).transpose(self.order))


def stream_chunks(shape: Sequence[int], itemsize: int, slab_bytes: int) -> tuple[int, ...]:
    """Chunks of which whole rows are slabs: contiguous in C order, and of no more bytes unless a sample is.

    >>> stream_chunks((10, 300, 512, 512), 2, 32 << 20)
    (1, 8, 256, 256)
    """
    chunks = []
    row = chunk_bytes = itemsize  # what the axes so far hold, and what a chunk holds of it
    is_whole = True
    for n in reversed(shape):
        fits = max(1, slab_bytes // row)
        chunk = max(1, min(n, fits, LONGEST_SIDE, CHUNK_BYTES // chunk_bytes)) if is_whole else 1
        chunks.append(chunk)
        is_whole = is_whole and n <= fits
        row, chunk_bytes = row * max(1, n), chunk_bytes * chunk
    return tuple(reversed(chunks))


def slabs_of(shape: Sequence[int], chunks: Sequence[int], itemsize: int, slab_bytes: int) -> Iterator[Box]:
    """Boxes that cover an array in C order, each contiguous in it, of whole chunks where so many bytes hold some.

    >>> list(slabs_of((2, 5, 3), (1, 4, 2), 1, 12))
    [((0, 1), (0, 4), (0, 3)), ((0, 1), (4, 5), (0, 3)), ((1, 2), (0, 4), (0, 3)), ((1, 2), (4, 5), (0, 3))]
    """
    if not prod(shape):
        return
    cut = len(shape)  # the axes from here on are whole
    while cut > 0 and prod(shape[cut - 1 :]) * itemsize <= slab_bytes:
        cut -= 1
    outer = [range(n) for n in shape[: max(0, cut - 1)]]
    whole = [(0, n) for n in shape[cut:]]
    if cut == 0:
        yield tuple(whole)
        return
    n, chunk = shape[cut - 1], chunks[cut - 1]
    fits = max(1, slab_bytes // (prod(shape[cut:]) * itemsize))
    step = fits // chunk * chunk or fits
    for index in product(*outer):
        for start in range(0, n, step):
            yield (*((k, k + 1) for k in index), (start, min(n, start + step)), *whole)


def streamed_arguments(
    place: Any,
    form: Form,
    request: Request,
    order: Sequence[int],
    what: str,
    attributes: Mapping[str, Any],
    is_ours: Callable[[Path], bool],
) -> dict[str, Any]:
    """What every `StreamedTarget` is made of, by the names of its fields. Nothing is written.

    what : for people, with its article. attributes : of the array, which tell two runs apart. is_ours : whether a file
    that is there is of the format.

    Raises
    ------
    FileExistsError, FileNotFoundError, ValueError
        The file cannot be made as asked for.
    """
    for name, value, none in (
        ("chunks", request.chunks, None),
        ("shards", request.shards, None),
        ("compressors", request.compressors, "auto"),
    ):
        if value != none:
            raise ValueError(f"{name} must be left out for {what}, which has none; got {value}")
    path, root = place_of_file(place, request.overwrite, what, is_ours)
    most = min(SLAB_BYTES, max(1, (request.memory_limit or SLAB_BYTES * MOST_OF_LIMIT) // MOST_OF_LIMIT))
    shape = form.out_shape
    dtype: DType = plain(form.out_dtype.newbyteorder("="))
    in_order = stream_chunks([shape[axis] for axis in order], dtype.itemsize, SLAB_BYTES)  # whatever the limit is
    chunks = [1] * len(shape)
    for axis, chunk in zip(order, in_order, strict=True):
        chunks[axis] = chunk
    array = blank_array(
        root, shape=shape, dtype=dtype, chunks=tuple(chunks), compressors=None, attributes=dict(attributes)
    )
    return {
        "array": array,
        "root": root,
        "image": None,
        "path": path,
        "order": tuple(order),
        "slab_bytes": most,
    }


def put(file: BinaryIO, slabs: Iterator[npt.NDArray[Any]]) -> None:
    """Write samples as they are in memory, little-endian."""
    for slab in slabs:
        file.write(slab.astype(slab.dtype.newbyteorder("<"), copy=False).data.cast("B") if slab.size else b"")
