"""The separable contraction: banded operators applied along any axes of an array, tile by tile.

Compiled once per instruction set. The work is in contract.h; this file turns arrays into pointers and tiles
into threads. `vrdask.compute.contract` prepares the arguments and is the only caller.
"""

from cpython.buffer cimport PyBUF_STRIDED_RO, PyBUF_STRIDES, PyBUF_WRITABLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from cython.parallel cimport prange, threadid
from libc.stdint cimport int32_t


cdef extern from "contract/contract.h" nogil:
    enum: LOOP, BEFORE, AFTER, ROW, COPY, PAIR, MAX_LEVELS, PAD, STRIP, F32, FLOAT_LANES, DOUBLE_LANES
    const Py_ssize_t ELEMENT_SIZE[11]

    ctypedef struct level_t:
        int kind
        Py_ssize_t size, tile, max_reads
        int taps
        const Py_ssize_t *start
        const int32_t *count
        const void *weights
        int group
        Py_ssize_t ring, shared, scratch, terms, slab, converted
        int step
        Py_ssize_t channels
        const Py_ssize_t *base
        const int32_t *index
        const int32_t *lane_count
        const int32_t *shape

    ctypedef struct job_t:
        int levels, in_type, out_type, acc_type
        level_t level[MAX_LEVELS]
        Py_ssize_t scratch_bytes, row_scratch, row_bytes, rows_at_once
        double divisor

    Py_ssize_t tile_count(const job_t *job)
    void contract_tile(const job_t *job, Py_ssize_t n, const char *src, const Py_ssize_t *src_stride, char *dst,
                       const Py_ssize_t *dst_stride, char *scratch)


cdef enum:
    ROW_BUFFER_BYTES = 32768

LANES = {4: FLOAT_LANES, 8: DOUBLE_LANES}
"""Outputs per block of a row, by the size of the accumulator."""
KINDS = {"loop": LOOP, "before": BEFORE, "after": AFTER, "row": ROW, "copy": COPY, "pair": PAIR}


cdef Py_ssize_t aligned(Py_ssize_t size):
    return (size + 63) // 64 * 64


cdef const void *address(const unsigned char[::1] table):
    return &table[0] if table.shape[0] else NULL


cdef class Contraction:
    """One contraction, prepared: levels, tables and tiles; call it with a source and a destination array.

    levels : sequence of dict, outermost axis first. Keys: kind, size, tile, max_reads; with an operator also taps, group,
        group_reads and tables (start, count, weights); for a row also step, channels and tables (.., base, index, lane_count, shape).
        Tables are contiguous arrays viewed as bytes.
    in_type, out_type, acc_type : element codes of contract.h
    divisor : 0, or what results are divided by
    """

    cdef job_t job
    cdef object tables
    cdef readonly Py_ssize_t scratch_bytes, tiles

    def __cinit__(self, levels, int in_type, int out_type, int acc_type, double divisor=0, Py_ssize_t rows_at_once=16):
        cdef level_t *v
        cdef Py_ssize_t used = 0, extent, e, elements
        cdef Py_ssize_t size = ELEMENT_SIZE[acc_type]
        if len(levels) > MAX_LEVELS:
            raise ValueError(f"levels must be at most {MAX_LEVELS}; got {len(levels)}")
        self.tables = [level.get("tables") for level in levels]
        self.job.levels = len(levels)
        self.job.in_type, self.job.out_type, self.job.acc_type = in_type, out_type, acc_type
        self.job.divisor = divisor
        for d, level in enumerate(levels):
            v = &self.job.level[d]
            v.kind = KINDS[level["kind"]]
            v.size, v.tile, v.max_reads = level["size"], level["tile"], level["max_reads"]
            if v.kind in (BEFORE, AFTER, ROW, PAIR):
                tables = level["tables"]
                v.taps, v.group = level["taps"], level["group"]
                v.ring = level["group_reads"]
                v.shared = level["group_reads"] if level["share"] else 0
                v.start = <const Py_ssize_t *> address(tables["start"])
                v.count = <const int32_t *> address(tables["count"])
                v.weights = address(tables["weights"])
            if v.kind == ROW:
                v.step, v.channels = level["step"], level["channels"]
                v.base = <const Py_ssize_t *> address(tables["base"])
                v.index = <const int32_t *> address(tables["index"])
                v.lane_count = <const int32_t *> address(tables["lane_count"])
                v.shape = <const int32_t *> address(tables["shape"])
            else:
                v.channels = 1
        for d in range(self.job.levels):
            v = &self.job.level[d]
            if v.kind in (BEFORE, AFTER):
                v.scratch = used
                used += aligned(v.ring * sizeof(void *))
                v.terms = used
                used += aligned(v.group * 4 * sizeof(void *))
                v.converted = used
                used += aligned(v.shared * (sizeof(void *) + STRIP * size))
                v.slab = used
                extent = 1
                for e in range(d + 1, self.job.levels):
                    extent *= self.job.level[e].max_reads if v.kind == BEFORE else min(self.job.level[e].tile, self.job.level[e].size)
                used += aligned((extent * (v.ring if v.kind == AFTER else v.group) + PAD) * size)
        v = &self.job.level[self.job.levels - 1]
        elements = max(v.max_reads, min(v.tile, v.size), STRIP)
        self.job.rows_at_once = max(1, min(rows_at_once, ROW_BUFFER_BYTES // (elements * size)))
        self.job.row_bytes = aligned((elements + PAD) * size)
        self.job.row_scratch = used
        self.scratch_bytes = self.job.scratch_bytes = used + 2 * self.job.rows_at_once * self.job.row_bytes
        self.tiles = tile_count(&self.job)

    def __call__(self, source, target, unsigned char[::1] scratch, int threads):
        """Contract `source` into `target`; scratch holds `scratch_bytes` for each thread."""
        cdef Py_buffer a, b
        cdef Py_ssize_t n, tiles = self.tiles, thread_bytes = self.scratch_bytes
        cdef int d, levels = self.job.levels
        if scratch.shape[0] < threads * thread_bytes:
            raise ValueError(f"scratch must hold {thread_bytes} bytes per thread; got {scratch.shape[0]}")
        PyObject_GetBuffer(source, &a, PyBUF_STRIDED_RO)
        try:
            PyObject_GetBuffer(target, &b, PyBUF_STRIDES | PyBUF_WRITABLE)
            try:
                if a.ndim != levels or b.ndim != levels:
                    raise ValueError(f"arrays must have {levels} axes; got {a.ndim} and {b.ndim}")
                for d in range(levels):
                    if b.shape[d] != self.job.level[d].size:
                        raise ValueError(f"axis {d} of target must have size {self.job.level[d].size}; got {b.shape[d]}")
                with nogil:
                    if threads == 1:
                        for n in range(tiles):
                            contract_tile(&self.job, n, <const char *> a.buf, a.strides, <char *> b.buf, b.strides,
                                          <char *> &scratch[0])
                    else:
                        for n in prange(tiles, schedule="dynamic", num_threads=threads):
                            contract_tile(&self.job, n, <const char *> a.buf, a.strides, <char *> b.buf, b.strides,
                                          <char *> &scratch[threadid() * thread_bytes])
            finally:
                PyBuffer_Release(&b)
        finally:
            PyBuffer_Release(&a)
