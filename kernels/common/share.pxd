"""Units of work shared out to threads: see pool/pool.h."""

from cpython.pycapsule cimport PyCapsule_GetPointer


cdef extern from "common/share.h" nogil:
    ctypedef void (*work_t)(const void *job, Py_ssize_t begin, Py_ssize_t end, int thread) noexcept nogil
    ctypedef void (*share_out_t)(Py_ssize_t units, int threads, work_t work, const void *job) noexcept nogil


cdef inline share_out_t of_the_pool() except NULL:
    """The process has one pool, in a module of its own, whichever builds of the kernels it loads."""
    from vrdask.compute._kernels.pool_baseline import SHARE_OUT

    return <share_out_t> PyCapsule_GetPointer(SHARE_OUT, "vrdask.share_out")
