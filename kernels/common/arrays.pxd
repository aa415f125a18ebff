"""The address of an array's first element, by the buffer protocol: an object that numpy makes for it would cost more
than a small call."""

from cpython.buffer cimport PyBUF_STRIDED_RO, PyBUF_STRIDES, PyBUF_WRITABLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer


cdef inline char *address(object array, int flags) except? NULL:
    """For as long as the caller holds the array."""
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, flags)
    PyBuffer_Release(&view)
    return <char *> view.buf


cdef inline const char *source_address(object array) except? NULL:
    return address(array, PyBUF_STRIDED_RO)


cdef inline char *target_address(object array) except? NULL:
    return address(array, PyBUF_STRIDES | PyBUF_WRITABLE)
