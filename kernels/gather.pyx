"""Nearest-neighbour resampling as a gather of opaque items. Compiled once per instruction set; see gather.h."""

from cython.parallel cimport prange
from libc.stdint cimport int32_t


cdef extern from "gather.h" nogil:
    ctypedef struct gather_t:
        const Py_ssize_t *rows
        const int32_t *index
        Py_ssize_t n, stride, size

    void gather_rows(const gather_t *g, const char *src, char *dst, Py_ssize_t begin, Py_ssize_t end)


cdef enum:
    ROWS_AT_ONCE = 64


def gather(Py_ssize_t src, Py_ssize_t dst, const Py_ssize_t[::1] rows, const int32_t[::1] index, Py_ssize_t stride,
           Py_ssize_t item_size, int num_threads):
    """Write output row r from the row at byte rows[r] of `src`: its items `index`, of item_size bytes each.

    src, dst are addresses; a positive stride says that index[i] = stride * i.
    """
    cdef gather_t g
    cdef Py_ssize_t block, count = rows.shape[0], blocks = (count + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE
    g.rows, g.index, g.n = &rows[0], &index[0], index.shape[0]
    g.stride, g.size = stride, item_size
    if num_threads == 1:
        with nogil:
            gather_rows(&g, <const char *> src, <char *> dst, 0, count)
    else:
        for block in prange(blocks, nogil=True, schedule="static", num_threads=num_threads):
            gather_rows(&g, <const char *> src, <char *> dst, block * ROWS_AT_ONCE, min(count, (block + 1) * ROWS_AT_ONCE))
