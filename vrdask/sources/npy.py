"""`.npy` files, memory-mapped."""

from __future__ import annotations

from pathlib import Path

from numpy.lib import format as npy_format

from vrdask.sources.format import Format
from vrdask.sources.mapped import MappedArray, require_numbers, require_whole
from vrdask.sources.source import Source, file_stamp, square_chunks
from vrdask.storage.layout import Layout

MOST_HEADER_BYTES = 1 << 20


def open_npy(path: Path) -> Source:
    """The array in a `.npy` file; nothing but its header is read.

    Raises
    ------
    ValueError
        The file is truncated, or holds something else than numbers.
    """
    with path.open("rb") as file:
        try:
            version = npy_format.read_magic(file)
            start = file.tell()
            said = int.from_bytes(file.read(2 if version == (1, 0) else 4), "little")
            if said > MOST_HEADER_BYTES:
                raise ValueError(f"it says that its header has {said} bytes")
            file.seek(start)
            header = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
            shape, fortran_order, dtype = header(file)
        except ValueError as error:
            raise ValueError(f"a .npy source must have a whole header; got {path}: {error}") from None
        offset = file.tell()
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError(f"a .npy source must have sizes of at least 0; got {shape} in {path}")
    require_numbers(dtype, path, "a .npy source")
    array = MappedArray(str(path), shape, dtype, offset, "F" if fortran_order else "C")
    require_whole(array, "a .npy source")
    layout = Layout(square_chunks(array.shape, dtype.itemsize))
    return Source(array, layout, str(path), file_stamp(path), details=(("format", "npy, memory-mapped"),))


FORMAT = Format(".npy", (".npy",), (npy_format.MAGIC_PREFIX,), lambda path, level, series: open_npy(path))
