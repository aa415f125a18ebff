"""Nearest-neighbour resampling as a gather of opaque items. Compiled once per instruction set; see gather.h."""

from cython.parallel cimport prange
from libc.stdint cimport int32_t


cdef extern from "gather.h" nogil:
    void gather_row(const char *src, char *dst, const int32_t *index, Py_ssize_t n, Py_ssize_t stride, Py_ssize_t size)


def gather(Py_ssize_t src, Py_ssize_t dst, const Py_ssize_t[::1] rows, Py_ssize_t row_bytes, const int32_t[::1] index,
           Py_ssize_t stride, Py_ssize_t item_size, int num_threads):
    """Write output row r, of row_bytes bytes, from the row at byte rows[r] of `src`: items `index` of that row.

    src, dst are addresses; a positive stride says that index[i] = stride * i.
    """
    cdef Py_ssize_t r, n = index.shape[0], count = rows.shape[0]
    cdef const int32_t *table = &index[0] if n else NULL
    if num_threads == 1:
        with nogil:
            for r in range(count):
                gather_row(<const char *> src + rows[r], <char *> dst + r * row_bytes, table, n, stride, item_size)
    else:
        for r in prange(count, nogil=True, schedule="static", num_threads=num_threads):
            gather_row(<const char *> src + rows[r], <char *> dst + r * row_bytes, table, n, stride, item_size)
