"""The sampler: values at the points of a grid, or at an affine map of output indices.

Compiled once per instruction set. The work is in sample.h; `vrdask.compute.sample_box` prepares the arguments and is
the only caller.
"""

from libc.string cimport memset
from share cimport of_the_pool, share_out_t

from math import prod


cdef extern from "sample/sample.h" nogil:
    enum: AXES, FREE, INSIDE, CLAMP_TO_ENDS, REFLECT, WRAP, HALF_TO_EVEN, HALF_UP
    const Py_ssize_t ELEMENT_SIZE[11]

    ctypedef struct axis_t:
        int sampled
        Py_ssize_t n, origin, held, stride
        double low, scale, shift, slack
        double matrix[3]
        double offset

    ctypedef struct job_sample_t:
        axis_t axis[3]
        int taps, rule, rounding, two_d, mirror, fill_taps
        double fill
        const char *fill_item
        int in_type, acc_type
        Py_ssize_t item_size, out_size
        int out_type
        const char *grid
        int grid_is_double, rank
        Py_ssize_t points, width, inner
        Py_ssize_t first[3]
        Py_ssize_t dst_outer, dst_inner, dst_step
        Py_ssize_t channels
        const Py_ssize_t *src_channel
        const Py_ssize_t *dst_channel

    void sample_tile(const job_sample_t *job, const Py_ssize_t *tile, Py_ssize_t number, const char *src, char *dst)
    void extent_of_rows(const job_sample_t *job, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t *low, Py_ssize_t *high)


cdef share_out_t share_out = of_the_pool()


cdef struct call_t:
    const job_sample_t *job
    const Py_ssize_t *tile
    const char *src
    char *dst


cdef void sample_tiles(const void *given, Py_ssize_t begin, Py_ssize_t end, int thread) noexcept nogil:
    cdef const call_t *it = <const call_t *> given
    cdef Py_ssize_t n
    for n in range(begin, end):
        sample_tile(it.job, it.tile, n, it.src, it.dst)


RULES = {"free": FREE, "inside": INSIDE, "clamp": CLAMP_TO_ENDS, "reflect": REFLECT, "wrap": WRAP}


cdef class Sampler:
    """One sampling, prepared; `run` samples, `extent` says which samples it weighs.

    axes : three dicts (z, y, x), None for one that is not sampled along. Keys: n, origin, held, stride, low, slack, and
        scale and shift (grid) or matrix and offset (affine).
    taps : 1, 2 or 4. rule : a key of RULES. rounding: 0 half to even, 1 half up.
    in_type, acc_type, out_type : element codes of contract.h; -1 for opaque items.
    grid : address of the grid's numbers, 0 for affine.
    width, inner, first, dst : rows of points, and where they go: see sample.h.
    channels : addresses of samples and results relative to the first channel's, in bytes, as two int64 arrays.
    """

    cdef job_sample_t job
    cdef object kept
    cdef readonly Py_ssize_t rows

    def __cinit__(self, axes, *, int taps, str rule, int rounding=0, bint two_d=False, bint mirror=False,
                  bint fill_taps=False, double fill=0.0, bytes fill_item=b"", int in_type=-1, int acc_type=-1,
                  int out_type=-1, Py_ssize_t item_size=0, Py_ssize_t grid=0, bint grid_is_double=False, int rank=3,
                  Py_ssize_t points, Py_ssize_t width, Py_ssize_t inner, first=(0, 0, 0), dst,
                  const Py_ssize_t[::1] src_channel, const Py_ssize_t[::1] dst_channel):
        cdef axis_t *axis
        cdef job_sample_t *job = &self.job
        memset(job, 0, sizeof(job_sample_t))
        self.kept = fill_item, src_channel, dst_channel
        for a, given in enumerate(axes):
            axis = &job.axis[a]
            axis.sampled = given is not None
            axis.n = axis.held = 1
            if given is None:
                continue
            axis.n, axis.origin, axis.held, axis.stride = given["n"], given["origin"], given["held"], given["stride"]
            axis.low, axis.slack = given["low"], given["slack"]
            if grid:
                axis.scale, axis.shift = given["scale"], given["shift"]
            else:
                axis.matrix[0], axis.matrix[1], axis.matrix[2] = given["matrix"]
                axis.offset = given["offset"]
        job.taps, job.rule, job.rounding, job.two_d, job.mirror = taps, RULES[rule], rounding, two_d, mirror
        job.fill_taps, job.fill, job.fill_item = fill_taps, fill, <const char *> fill_item
        job.in_type, job.acc_type, job.out_type = in_type, acc_type, out_type
        job.item_size = ELEMENT_SIZE[in_type] if in_type >= 0 else item_size
        job.out_size = ELEMENT_SIZE[out_type] if out_type >= 0 else item_size
        job.grid, job.grid_is_double, job.rank = <const char *> grid, grid_is_double, rank
        job.points, job.width, job.inner = points, width, inner
        job.first[0], job.first[1], job.first[2] = first
        job.dst_outer, job.dst_inner, job.dst_step = dst
        job.channels = src_channel.shape[0]
        if job.channels:
            job.src_channel, job.dst_channel = &src_channel[0], &dst_channel[0]
        self.rows = (points + width - 1) // width if width > 0 else 0

    def run(self, Py_ssize_t src, Py_ssize_t dst, tile, int num_threads):
        """Sample from address `src` to address `dst`; threads take tiles of (outer, inner, points)."""
        cdef Py_ssize_t[3] sizes
        cdef Py_ssize_t tiles
        cdef call_t call = [&self.job, sizes, <const char *> src, <char *> dst]
        sizes[0], sizes[1], sizes[2] = tile
        tiles = prod(-(-n // size) for n, size in zip((-(-self.rows // self.job.inner), self.job.inner, self.job.width), tile))
        with nogil:
            share_out(tiles, num_threads, sample_tiles, &call)

    def extent(self):
        """Per axis the first and the last sample weighed; (n, -1) where none is."""
        cdef Py_ssize_t low[3]
        cdef Py_ssize_t high[3]
        for a in range(AXES):
            low[a], high[a] = self.job.axis[a].n, -1
        with nogil:
            extent_of_rows(&self.job, 0, self.rows, low, high)
        return tuple((low[a], high[a]) for a in range(AXES))
