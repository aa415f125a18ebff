"""Nearest-neighbour resampling as a gather of opaque items. Compiled once per instruction set; see gather.h."""

from arrays cimport source_address, target_address
from cython.parallel cimport prange
from libc.stdint cimport int32_t


cdef extern from "gather/gather.h" nogil:
    ctypedef struct gather_t:
        const Py_ssize_t *rows
        const int32_t *index
        Py_ssize_t n, stride, size

    void gather_rows(const gather_t *g, const char *src, char *dst, Py_ssize_t begin, Py_ssize_t end)


cdef enum:
    ROWS_AT_ONCE = 64


cdef class Gather:
    """One gather, prepared: output row r is the items `index`, of `size` bytes each, of the row at byte rows[r].

    stride : where it is positive, index[i] = stride * i.
    """

    cdef gather_t job
    cdef const Py_ssize_t[::1] _rows
    cdef const int32_t[::1] _index
    cdef readonly Py_ssize_t rows, stride

    def __cinit__(self, const Py_ssize_t[::1] rows, const int32_t[::1] index, Py_ssize_t stride, Py_ssize_t size):
        self._rows, self._index = rows, index
        self.rows, self.stride = rows.shape[0], stride
        self.job.rows, self.job.index, self.job.n = &rows[0], &index[0], index.shape[0]
        self.job.stride, self.job.size = stride, size

    def __call__(self, source, target, int num_threads):
        """Gather from an array of the layout that the rows are meant for into a contiguous one."""
        cdef const char *src = source_address(source)
        cdef char *dst = target_address(target)
        cdef Py_ssize_t block, count = self.rows, blocks = (count + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE
        if num_threads == 1:
            with nogil:
                gather_rows(&self.job, src, dst, 0, count)
        else:
            for block in prange(blocks, nogil=True, schedule="static", num_threads=num_threads):
                gather_rows(&self.job, src, dst, block * ROWS_AT_ONCE, min(count, (block + 1) * ROWS_AT_ONCE))
