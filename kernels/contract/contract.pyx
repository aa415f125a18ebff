"""The separable contraction: banded operators applied along any axes of an array, tile by tile.

Compiled once per instruction set. The work is in contract.h; this file turns arrays into pointers and tiles
into threads. `vrdask.compute.contract` prepares the arguments and is the only caller.
"""

from cpython.buffer cimport PyBUF_STRIDED_RO, PyBUF_STRIDES, PyBUF_WRITABLE, Py_buffer, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int32_t
from share cimport of_the_pool, share_out_t


cdef extern from "contract/contract.h" nogil:
    enum: LOOP, BEFORE, AFTER, ROW, COPY, PAIR, MAX_DIMS, PAD, STRIP, ROWS_AT_ONCE, F32, FLOAT_LANES, DOUBLE_LANES, HAS_BYTE_ROWS "BYTE_ROWS"
    const Py_ssize_t ELEMENT_SIZE[11]

    ctypedef struct dim_t:
        int kind
        Py_ssize_t size, tile, max_reads
        int taps
        const Py_ssize_t *start
        const int32_t *count
        const int32_t *anchor
        const void *weights
        int group
        Py_ssize_t ring, shared, scratch, terms, slab, converted
        int step
        Py_ssize_t channels
        const Py_ssize_t *base
        const int32_t *index
        const int32_t *lane_count
        const int32_t *shape
        const int32_t *reach
        int windows
        const int32_t *window
        const int32_t *pattern

    ctypedef struct job_t:
        int dims, in_type, out_type, acc_type
        dim_t dim[MAX_DIMS]
        Py_ssize_t scratch_bytes, row_scratch, row_bytes, rows_at_once
        double divisor

    enum: TERM_BYTES
    Py_ssize_t tile_count(const job_t *job)
    void contract_tile(const job_t *job, Py_ssize_t n, const char *src, const Py_ssize_t *src_stride, char *dst,
                       const Py_ssize_t *dst_stride, char *scratch)


cdef share_out_t share_out = of_the_pool()


cdef struct call_t:
    const job_t *job
    const char *src
    const Py_ssize_t *src_stride
    char *dst
    const Py_ssize_t *dst_stride
    char *scratch


cdef void contract_tiles(const void *given, Py_ssize_t begin, Py_ssize_t end, int thread) noexcept nogil:
    cdef const call_t *it = <const call_t *> given
    cdef Py_ssize_t n
    for n in range(begin, end):
        contract_tile(it.job, n, it.src, it.src_stride, it.dst, it.dst_stride, it.scratch + thread * it.job.scratch_bytes)


cdef enum:
    ROW_BUFFER_BYTES = 32768

LANES = {4: FLOAT_LANES, 8: DOUBLE_LANES}
"""Outputs per block of a row, by the size of the accumulator."""
BYTE_ROWS = bool(HAS_BYTE_ROWS)
"""Whether a row of uint8 wants the tables `window` and `pattern`."""
KINDS = {"loop": LOOP, "before": BEFORE, "after": AFTER, "row": ROW, "copy": COPY, "pair": PAIR}


cdef Py_ssize_t aligned(Py_ssize_t size):
    return (size + 63) // 64 * 64


cdef const void *address(const unsigned char[::1] table):
    return &table[0] if table.shape[0] else NULL


cdef class Contraction:
    """One contraction, prepared: axes, tables and tiles; call it with a source and a destination array.

    dims : sequence of dict, outermost axis first. Keys: kind, size, tile, max_reads; with an operator also taps, group,
        group_reads and tables (start, count, weights; anchor, of sums by parts); for a row also step, channels, windows
        and tables (.., base, index, lane_count, shape; reach; window, pattern). Tables are contiguous arrays viewed as bytes.
    in_type, out_type, acc_type : element codes of contract.h
    divisor : 0, or what results are divided by
    """

    cdef job_t job
    cdef object tables
    cdef readonly Py_ssize_t scratch_bytes, tiles

    def __cinit__(self, dims, int in_type, int out_type, int acc_type, double divisor=0, Py_ssize_t rows_at_once=ROWS_AT_ONCE):
        cdef dim_t *v
        cdef Py_ssize_t used = 0, extent, e, elements
        cdef Py_ssize_t size = ELEMENT_SIZE[acc_type]
        if len(dims) > MAX_DIMS:
            raise ValueError(f"dims must be at most {MAX_DIMS}; got {len(dims)}")
        self.tables = [dim.get("tables") for dim in dims]
        self.job.dims = len(dims)
        self.job.in_type, self.job.out_type, self.job.acc_type = in_type, out_type, acc_type
        self.job.divisor = divisor
        for d, dim in enumerate(dims):
            v = &self.job.dim[d]
            v.kind = KINDS[dim["kind"]]
            v.size, v.tile, v.max_reads = dim["size"], dim["tile"], dim["max_reads"]
            if v.kind in (BEFORE, AFTER, ROW, PAIR):
                tables = dim["tables"]
                v.taps, v.group = dim["taps"], dim["group"]
                v.ring = dim["group_reads"]
                v.shared = dim["group_reads"] if dim["share"] else 0
                v.start = <const Py_ssize_t *> address(tables["start"])
                v.count = <const int32_t *> address(tables["count"])
                v.weights = address(tables["weights"])
                v.anchor = <const int32_t *> address(tables["anchor"]) if "anchor" in tables else NULL
            if v.kind == ROW:
                v.step, v.channels = dim["step"], dim["channels"]
                v.base = <const Py_ssize_t *> address(tables["base"])
                v.index = <const int32_t *> address(tables["index"])
                v.lane_count = <const int32_t *> address(tables["lane_count"])
                v.shape = <const int32_t *> address(tables["shape"])
                v.reach = <const int32_t *> address(tables["reach"]) if "reach" in tables else NULL
                v.windows = dim["windows"]
                if v.windows:
                    v.window = <const int32_t *> address(tables["window"])
                    v.pattern = <const int32_t *> address(tables["pattern"])
            else:
                v.channels = 1
        for d in range(self.job.dims):
            v = &self.job.dim[d]
            if v.kind in (BEFORE, AFTER):
                v.scratch = used
                used += aligned(v.ring * sizeof(void *))
                v.terms = used
                used += aligned(v.group * TERM_BYTES)
                v.converted = used
                used += aligned(v.shared * (sizeof(void *) + STRIP * size))
                v.slab = used
                extent = 1
                for e in range(d + 1, self.job.dims):
                    extent *= self.job.dim[e].max_reads if v.kind == BEFORE else min(self.job.dim[e].tile, self.job.dim[e].size)
                used += aligned((extent * (v.ring if v.kind == AFTER else v.group) + PAD) * size)
        v = &self.job.dim[self.job.dims - 1]
        elements = max(v.max_reads, min(v.tile, v.size), STRIP)
        self.job.rows_at_once = max(1, min(rows_at_once, ROWS_AT_ONCE, ROW_BUFFER_BYTES // (elements * size)))
        self.job.row_bytes = aligned((elements + PAD) * size)
        self.job.row_scratch = used
        self.scratch_bytes = self.job.scratch_bytes = used + 3 * self.job.rows_at_once * self.job.row_bytes
        self.tiles = tile_count(&self.job)

    def __call__(self, source, target, unsigned char[::1] scratch, int threads):
        """Contract `source` into `target`; scratch holds `scratch_bytes` for each thread."""
        cdef Py_buffer a, b
        cdef Py_ssize_t thread_bytes = self.scratch_bytes
        cdef call_t call
        cdef int d, dims = self.job.dims
        if scratch.shape[0] < threads * thread_bytes:
            raise ValueError(f"scratch must hold {thread_bytes} bytes per thread; got {scratch.shape[0]}")
        PyObject_GetBuffer(source, &a, PyBUF_STRIDED_RO)
        try:
            PyObject_GetBuffer(target, &b, PyBUF_STRIDES | PyBUF_WRITABLE)
            try:
                if a.ndim != dims or b.ndim != dims:
                    raise ValueError(f"arrays must have {dims} axes; got {a.ndim} and {b.ndim}")
                for d in range(dims):
                    if b.shape[d] != self.job.dim[d].size:
                        raise ValueError(f"axis {d} of target must have size {self.job.dim[d].size}; got {b.shape[d]}")
                call = [&self.job, <const char *> a.buf, a.strides, <char *> b.buf, b.strides, <char *> &scratch[0]]
                with nogil:
                    share_out(self.tiles, threads, contract_tiles, &call)
            finally:
                PyBuffer_Release(&b)
        finally:
            PyBuffer_Release(&a)
