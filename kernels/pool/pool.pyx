"""The threads that all kernels share. Compiled for the baseline alone; the work is in pool.h."""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int64_t

from share cimport share_out_t


cdef extern from "pool/pool.h" nogil:
    void share_out(Py_ssize_t units, int threads, void *work, const void *job)
    void lose_c "lose"(int64_t lost)
    int64_t bear_c "bear"(int64_t bearable)
    int64_t alone_after_c "alone_after"(int64_t before, int64_t lost, int64_t bearable)
    int64_t lost_of_c "lost_of"(int64_t waited, int64_t off, int64_t at_once)
    bint is_small_c "is_small"(int64_t nanoseconds, int64_t done, int64_t units)


SHARE_OUT = PyCapsule_New(<void *> share_out, "vrdask.share_out", NULL)


# For tests: see pool.h and patience.h. All are nanoseconds.


def lose(int64_t lost):
    lose_c(lost)


def bear(int64_t bearable):
    return bear_c(bearable)


def alone_after(int64_t before, int64_t lost, int64_t bearable):
    return alone_after_c(before, lost, bearable)


def lost_of(int64_t waited, int64_t off, int64_t at_once):
    return lost_of_c(waited, off, at_once)


def is_small(int64_t nanoseconds, int64_t done, int64_t units):
    return is_small_c(nanoseconds, done, units)
