"""Nearest-neighbour resampling as a gather of opaque items. Compiled once per instruction set; see gather.h."""

from arrays cimport source_address, target_address
from libc.stdint cimport int32_t
from share cimport of_the_pool, share_out_t


cdef extern from "gather/gather.h" nogil:
    ctypedef struct gather_t:
        const Py_ssize_t *rows
        const int32_t *index
        Py_ssize_t n, stride, size, span

    void gather_rows(const gather_t *g, const char *src, char *dst, Py_ssize_t begin, Py_ssize_t end)


cdef enum:
    ROWS_AT_ONCE = 64

cdef share_out_t share_out = of_the_pool()


cdef struct call_t:
    const gather_t *job
    const char *src
    char *dst
    Py_ssize_t rows


cdef void gather_blocks(const void *given, Py_ssize_t begin, Py_ssize_t end, int thread) noexcept nogil:
    cdef const call_t *it = <const call_t *> given
    gather_rows(it.job, it.src, it.dst, begin * ROWS_AT_ONCE, min(it.rows, end * ROWS_AT_ONCE))


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
        self.job.span = abs(rows[rows.shape[0] - 1] - rows[0])

    def __call__(self, source, target, int num_threads):
        """Gather from an array of the layout that the rows are meant for into a contiguous one."""
        cdef const char *src = source_address(source)
        cdef char *dst = target_address(target)
        cdef call_t call = [&self.job, src, dst, self.rows]
        with nogil:
            share_out((self.rows + ROWS_AT_ONCE - 1) // ROWS_AT_ONCE, num_threads, gather_blocks, &call)
