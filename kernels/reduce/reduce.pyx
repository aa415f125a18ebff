"""Whole blocks of samples, each to one sample. Compiled once per instruction set; see reduce.h."""

from arrays cimport source_address, target_address
from libc.stdint cimport uint64_t
from share cimport of_the_pool, share_out_t


cdef extern from "reduce/reduce.h" nogil:
    enum:
        MOST_AXES

    ctypedef struct reduce_t:
        int axes
        Py_ssize_t *out
        Py_ssize_t *factor
        Py_ssize_t *stride
        Py_ssize_t n, f, inner, n_out, tile, tiles, row_bytes, place_bytes, first_bytes
        uint64_t flip, zero
        int what, code, wide, sparse, streams

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


cdef enum:
    TILES_AT_ONCE = 16

cdef share_out_t share_out = of_the_pool()


cdef struct call_t:
    const reduce_t *job
    const char *src
    char *dst
    Py_ssize_t tiles
    char *scratch
    Py_ssize_t scratch_bytes, rows_bytes


cdef void reduce_units(const void *given, Py_ssize_t begin, Py_ssize_t end, int thread) noexcept nogil:
    cdef const call_t *it = <const call_t *> given
    cdef char *scratch = it.scratch + thread * it.scratch_bytes
    reduce_tiles(it.job, it.src, it.dst, begin * TILES_AT_ONCE, min(it.tiles, end * TILES_AT_ONCE),
                 <const char **> scratch, scratch + it.rows_bytes)


def reduce(
    source, target, outer, last, Py_ssize_t tile, int what, int code, bint wide, bint sparse, uint64_t flip, uint64_t zero,
    Py_ssize_t result_bytes, Py_ssize_t first_bytes, bint streams,
    char[:, ::1] scratch, Py_ssize_t rows_bytes, int num_threads,
):
    """Fill a contiguous target.

    outer : for each outer axis its size, factor and stride in bytes. last : size, factor, and samples side by side.
    tile : results along the last axis that are worked on at a time. result_bytes : of one result.
    first_bytes : of a row of samples, where rows are looked through before they are worked on; else 0.
    streams : whether results may go past the caches.
    scratch : for each thread a row of memory, which holds the addresses of a block's rows first.
    """
    cdef reduce_t g
    cdef int axis
    cdef call_t call
    cdef Py_ssize_t rows = 1, tiles
    cdef const char *src = source_address(source)
    cdef char *dst = target_address(target)
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
    g.first_bytes, g.streams = first_bytes, streams
    g.flip, g.zero = flip, zero
    g.what, g.code, g.wide, g.sparse = what, code, wide, sparse
    tiles = rows * g.tiles
    call = [&g, src, dst, tiles, &scratch[0, 0], scratch.shape[1], rows_bytes]
    with nogil:
        share_out((tiles + TILES_AT_ONCE - 1) // TILES_AT_ONCE, num_threads, reduce_units, &call)
