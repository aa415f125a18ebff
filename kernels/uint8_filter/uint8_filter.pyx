"""uint8 filters in fixed point, along rows and down columns, tile by tile.

Compiled once per instruction set. The work is in uint8_filter.h; this file turns arrays into pointers and tiles into
threads. `vrdask.compute.uint8_filter.whole_box` prepares the arguments and is the only caller.
"""

from arrays cimport source_address, target_address
from libc.stdint cimport int16_t, int32_t, uint8_t, uint32_t
from share cimport of_the_pool, share_out_t


cdef extern from "uint8_filter/uint8_filter.h" nogil:
    enum: ROW_LANES, ROW_WINDOWS, ROW_PAIRS, ROWS_AT_ONCE, LOW_BITS
    int row_permutes()

    ctypedef struct row_t:
        int bits, steps, advance, wide, quartered, joint, lanes
        Py_ssize_t channels, taps
        const Py_ssize_t *start
        const int32_t *count
        const int32_t *plain
        const Py_ssize_t *at
        const uint32_t *keep
        const Py_ssize_t *base
        const uint8_t *index
        const int16_t *weights

    ctypedef struct column_t:
        int taps, bits, wide
        const Py_ssize_t *start
        const int32_t *count
        const int16_t *weights

    ctypedef struct filter_t:
        int has_row, has_column
        row_t row
        column_t column
        Py_ssize_t rows, band, strip, bands, strips, units, src_stride, dst_stride, src_bytes, slots, pitch

    ctypedef struct piece_t:
        row_t row
        Py_ssize_t units, src_bytes, kept, keep

    Py_ssize_t filter_scratch(const filter_t *f)
    void filter_tile(const filter_t *f, Py_ssize_t n, const uint8_t *src, uint8_t *dst, uint8_t *scratch)
    Py_ssize_t piece_scratch(const piece_t *p)
    void filter_piece(const piece_t *p, Py_ssize_t rows, const uint8_t *src, Py_ssize_t src_stride, uint8_t *dst,
                      Py_ssize_t dst_stride, uint8_t *ends, Py_ssize_t ends_stride, uint8_t *scratch)


LANES = ROW_LANES if row_permutes() else 0
"""Sums in a register of a row's outputs; 0 where rows are computed without permutations."""
WINDOWS = ROW_WINDOWS
"""Windows of source bytes that a register's permutation takes from."""
PAIRS = bool(ROW_PAIRS)
"""Whether the two bytes that a lane multiplies in a step lie side by side; else those of all lanes of a window do."""
BATCH = ROWS_AT_ONCE
"""Rows that are filtered along together."""
LOW = LOW_BITS
"""Bits of the low part of a weight that takes more than 16."""


cdef share_out_t share_out = of_the_pool()


cdef struct call_t:
    const filter_t *job
    Py_ssize_t tiles
    const Py_ssize_t *slices
    const uint8_t *src
    uint8_t *dst
    uint8_t *scratch
    Py_ssize_t scratch_bytes


cdef void filter_tiles(const void *given, Py_ssize_t begin, Py_ssize_t end, int thread) noexcept nogil:
    """Tiles of slices, a slice's side by side."""
    cdef const call_t *it = <const call_t *> given
    cdef const Py_ssize_t *slice
    cdef Py_ssize_t n
    for n in range(begin, end):
        slice = it.slices + 2 * (n // it.tiles)
        filter_tile(it.job, n % it.tiles, it.src + slice[0], it.dst + slice[1], it.scratch + thread * it.scratch_bytes)


cdef const void *address(table):
    cdef const unsigned char[::1] view = table
    return &view[0] if view.shape[0] else NULL


cdef void set_row(row_t *w, table):
    w.bits, w.steps, w.advance, w.wide = table["bits"], table["steps"], table["advance"], table["wide"]
    w.quartered, w.joint, w.lanes = table["quartered"], table["joint"], table["lanes"]
    w.channels, w.taps = table["channels"], table["taps"]
    w.start, w.count = <const Py_ssize_t *> address(table["start"]), <const int32_t *> address(table["count"])
    w.plain = <const int32_t *> address(table["plain"])
    w.at, w.keep = <const Py_ssize_t *> address(table["at"]), <const uint32_t *> address(table["keep"])
    w.base, w.index = <const Py_ssize_t *> address(table["base"]), <const uint8_t *> address(table["index"])
    w.weights = <const int16_t *> address(table["weights"])


cdef class Filter:
    """One or two passes, prepared: along rows, down columns, or along rows into a ring and then down.

    row, column : dict of the fields of row_t and column_t, tables as contiguous arrays viewed as bytes; or None.
    rows, units : output rows, and units of a row (bytes where nothing is filtered along).
    band, strip : of these, in a tile.
    slots, pitch : rows of the ring and bytes between them.
    """

    cdef filter_t job
    cdef object tables
    cdef readonly Py_ssize_t tiles, scratch_bytes

    def __cinit__(self, row, column, Py_ssize_t rows, Py_ssize_t units, Py_ssize_t band, Py_ssize_t strip,
                  Py_ssize_t slots, Py_ssize_t pitch):
        cdef filter_t *f = &self.job
        self.tables = (row, column)
        f.has_row, f.has_column = row is not None, column is not None
        if row is not None:
            set_row(&f.row, row)
        if column is not None:
            f.column.taps, f.column.bits, f.column.wide = column["taps"], column["bits"], column["wide"]
            f.column.start = <const Py_ssize_t *> address(column["start"])
            f.column.count = <const int32_t *> address(column["count"])
            f.column.weights = <const int16_t *> address(column["weights"])
        f.rows, f.units, f.band, f.strip, f.slots, f.pitch = rows, units, band, strip, slots, pitch
        f.bands, f.strips = (rows + band - 1) // band, (units + strip - 1) // strip
        self.tiles = f.bands * f.strips
        self.scratch_bytes = filter_scratch(f)

    def __call__(self, source, target, const Py_ssize_t[:, ::1] slices, Py_ssize_t src_stride,
                 Py_ssize_t dst_stride, Py_ssize_t src_bytes, unsigned char[:, ::1] scratch):
        """Filter every slice; the rows of `scratch` are the threads.

        slices : (count, 2) byte offsets of the slices from the first element of source and target. src_stride, dst_stride : bytes
        between rows. src_bytes : of a source row.
        """
        cdef filter_t job = self.job
        cdef const uint8_t *src = <const uint8_t *> source_address(source)
        cdef uint8_t *dst = <uint8_t *> target_address(target)
        cdef call_t call
        if scratch.shape[1] < self.scratch_bytes:
            raise ValueError(f"scratch must hold {self.scratch_bytes} bytes per thread; got {scratch.shape[1]}")
        job.src_stride, job.dst_stride, job.src_bytes = src_stride, dst_stride, src_bytes
        call = [&job, self.tiles, &slices[0, 0], src, dst, &scratch[0, 0], scratch.shape[1]]
        with nogil:
            share_out(self.tiles * slices.shape[0], scratch.shape[0], filter_tiles, &call)


cdef class PieceFilter:
    """The pass along rows of a piece, prepared: rows come in pieces from left to right, and each keeps their ends.

    row : as in `Filter`, of the kept ends and the piece side by side; None where no output ends in the piece.
    src_bytes : of a row of the piece. kept, keep : bytes that the piece before has kept of each row, and that this one
    keeps for the next.
    """

    cdef piece_t job
    cdef object tables
    cdef readonly Py_ssize_t scratch_bytes

    def __cinit__(self, row, Py_ssize_t src_bytes, Py_ssize_t kept, Py_ssize_t keep):
        self.tables = row
        if row is not None:
            set_row(&self.job.row, row)
        self.job.units = 0 if row is None else row["units"]
        self.job.src_bytes, self.job.kept, self.job.keep = src_bytes, kept, keep
        self.scratch_bytes = piece_scratch(&self.job)

    def __call__(self, source, target, const Py_ssize_t[:, ::1] slices, Py_ssize_t rows, Py_ssize_t src_stride,
                 Py_ssize_t dst_stride, unsigned char[:, ::1] ends, unsigned char[::1] scratch):
        """Filter every slice of `rows` rows: see `Filter`. ends : what is kept, a row for each row of each slice."""
        cdef const uint8_t *src = <const uint8_t *> source_address(source)
        cdef uint8_t *dst = <uint8_t *> target_address(target)
        cdef Py_ssize_t s, count = slices.shape[0]
        if scratch.shape[0] < self.scratch_bytes:
            raise ValueError(f"scratch must hold {self.scratch_bytes} bytes; got {scratch.shape[0]}")
        if ends.shape[0] < count * rows or ends.shape[1] < max(self.job.kept, self.job.keep):
            raise ValueError(f"ends must hold {max(self.job.kept, self.job.keep)} bytes of {count * rows} rows")
        with nogil:
            for s in range(count if rows else 0):
                filter_piece(&self.job, rows, src + slices[s, 0], src_stride, dst + slices[s, 1], dst_stride,
                             &ends[s * rows, 0], ends.shape[1], &scratch[0])
