"""Whole blocks of samples, each to one sample. Compiled once per instruction set; see reduce.h."""

from arrays cimport source_address, target_address
from cython.parallel cimport prange, threadid
from libc.stdint cimport uint64_t


cdef extern from "reduce/reduce.h" nogil:
    enum:
        MOST_AXES

    ctypedef struct reduce_t:
        int axes
        Py_ssize_t *out
        Py_ssize_t *factor
        Py_ssize_t *stride
        Py_ssize_t n, f, inner, n_out, tile, tiles, row_bytes, place_bytes
        uint64_t flip, zero
        int what, code, wide, sparse

    void reduce_tiles(const reduce_t *g, const char *src, char *dst, Py_ssize_t begin, Py_ssize_t end,
                      const char **rows, char *scratch)


cdef extern from *:
    """
    #include "reduce/reduce.h"
    static void reduce_axis(reduce_t *g, int axis, Py_ssize_t in, Py_ssize_t factor, Py_ssize_t stride) {
        g->in[axis] = in, g->factor[axis] = factor, g->stride[axis] = stride, g->out[axis] = (in + factor - 1) / factor;
    }
    """
    void reduce_axis(reduce_t *g, int axis, Py_ssize_t size, Py_ssize_t factor, Py_ssize_t stride)


def reduce(
    source, target, outer, last, Py_ssize_t tile, int what, int code, bint wide, bint sparse, uint64_t flip, uint64_t zero,
    Py_ssize_t result_bytes, char[:, ::1] scratch, Py_ssize_t rows_bytes, int num_threads,
):
    """Fill a contiguous target.

    outer : for each outer axis its size, factor and stride in bytes. last : size, factor, and samples side by side.
    tile : results along the last axis that are worked on at a time. result_bytes : of one result.
    scratch : for each thread a row of memory, which holds the addresses of a block's rows first.
    """
    cdef reduce_t g
    cdef int axis
    cdef Py_ssize_t rows = 1, k, count, each = 16, blocks
    cdef const char *src = source_address(source)
    cdef char *dst = target_address(target)
    cdef char *memory = &scratch[0, 0]
    cdef Py_ssize_t width = scratch.shape[1]
    if len(outer) > MOST_AXES:
        raise ValueError(f"an array must have at most {MOST_AXES} axes; got {len(outer)}")
    g.axes = len(outer)
    for axis in range(g.axes):
        reduce_axis(&g, axis, outer[axis][0], outer[axis][1], outer[axis][2])
        rows *= (outer[axis][0] + outer[axis][1] - 1) // outer[axis][1]
    g.n, g.f, g.inner = last
    g.n_out = (g.n + g.f - 1) // g.f
    g.tile, g.tiles = tile, (g.n_out + tile - 1) // tile
    g.place_bytes = g.inner * result_bytes
    g.row_bytes = g.n_out * g.place_bytes
    g.flip, g.zero = flip, zero
    g.what, g.code, g.wide, g.sparse = what, code, wide, sparse
    count = rows * g.tiles
    blocks = (count + each - 1) // each
    if num_threads == 1:
        with nogil:
            reduce_tiles(&g, src, dst, 0, count, <const char **> memory, memory + rows_bytes)
    else:
        for k in prange(blocks, nogil=True, schedule="static", num_threads=num_threads):
            reduce_tiles(&g, src, dst, k * each, min(count, (k + 1) * each),
                         <const char **> (memory + threadid() * width), memory + threadid() * width + rows_bytes)
