"""The threads that all kernels share. Compiled for the baseline alone; the work is in pool.h."""

from cpython.pycapsule cimport PyCapsule_New

from share cimport share_out_t


cdef extern from "pool/pool.h" nogil:
    void share_out(Py_ssize_t units, int threads, void *work, const void *job)


SHARE_OUT = PyCapsule_New(<void *> share_out, "vrdask.share_out", NULL)
