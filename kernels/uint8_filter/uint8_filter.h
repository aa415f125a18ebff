/* uint8 filters in fixed point: out = clip((sum of weight * sample + half) >> bits). Sums of integers are exact, so any
 * order and any instruction gives the same bits.
 *
 * Along a row (row.h) samples of neighbouring taps lie side by side; down a column (column.h) they lie in
 * different rows. A tile does both: rows of the source are filtered along into a ring that stays in cache, and output
 * rows are sums of rows of the ring. Either may be missing.
 *
 * Twin in numpy: `fixed_pass` in vrdask/transforms/reference.py.
 * Tests: tests/compute/test_uint8_filter.py, tests/laws/test_fast_paths.py. */
#ifndef VRDASK_FIXED_H
#define VRDASK_FIXED_H

#include <Python.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif
#include "common/types.h"

enum { LOW_BITS = 8 }; /* of a wide weight's low part */

static inline uint8_t clipped(int32_t sum, int bits) {
    const int32_t value = sum >> bits; /* arithmetic in every compiler we know of */
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

#include "uint8_filter/column.h"
#include "uint8_filter/row.h"

typedef struct {
    int has_row, has_column;
    row_t row;
    column_t column;
    Py_ssize_t rows;         /* output rows: of the column where there is one */
    Py_ssize_t band, strip;  /* tile: output rows; units of the row, or bytes where there is no row */
    Py_ssize_t bands, strips;
    Py_ssize_t units;        /* of the row, or bytes */
    Py_ssize_t src_stride, dst_stride, src_bytes; /* between rows; readable bytes of a source row */
    Py_ssize_t slots, pitch; /* of the ring */
} filter_t;

/* Bytes of scratch that a tile needs. */
static inline Py_ssize_t filter_scratch(const filter_t *f) {
    return ((f->column.taps + 1) * sizeof(uint8_t *) + 63) / 64 * 64 + f->slots * f->pitch + 64;
}

/* Filter source rows [begin, end) along into their slots of the ring, or straight to output rows. */
static void filter_along(const filter_t *f, const uint8_t *src, uint8_t *dst, Py_ssize_t pitch, Py_ssize_t slots,
                         Py_ssize_t begin, Py_ssize_t end, Py_ssize_t first, Py_ssize_t last) {
    for (Py_ssize_t r = begin; r < end; r += ROWS_AT_ONCE) {
        const uint8_t *in[ROWS_AT_ONCE];
        uint8_t *out[ROWS_AT_ONCE];
        const int count = (int)(end - r < ROWS_AT_ONCE ? end - r : ROWS_AT_ONCE);
        for (int k = 0; k < ROWS_AT_ONCE; k++) { /* rows beyond the end repeat the last */
            const Py_ssize_t at = r + (k < count ? k : count - 1);
            in[k] = src + at * f->src_stride;
            out[k] = dst + (slots ? at % slots : at) * pitch;
        }
        row_units(&f->row, in, out, count, f->src_bytes, ROWS_AT_ONCE * f->src_stride, first, last);
    }
}

/* Rows that come in pieces, from left to right. Of each row a piece keeps the end, for outputs whose taps lie in this
 * piece and the next.
 */
typedef struct {
    row_t row;                  /* from the kept end and a piece's row, side by side */
    Py_ssize_t units, src_bytes;
    Py_ssize_t kept, keep;      /* bytes that the piece before has kept, and that this one keeps */
} piece_t;

/* Bytes from a row to the next where kept ends and rows are put side by side. Any register's load stays inside; an odd
 * number of cache lines, as rows a power of two apart compete for few of them.
 */
static inline Py_ssize_t piece_pitch(const piece_t *p) {
    return 64 * (((p->kept + p->src_bytes + 63) / 64 + 1) | 1);
}

static inline Py_ssize_t piece_scratch(const piece_t *p) {
    return ROWS_AT_ONCE * piece_pitch(p);
}

/* Filter the rows of a piece along. ends: what is kept of them, and will be. */
static void filter_piece(const piece_t *p, Py_ssize_t rows, const uint8_t *src, Py_ssize_t src_stride, uint8_t *dst,
                         Py_ssize_t dst_stride, uint8_t *ends, Py_ssize_t ends_stride, uint8_t *scratch) {
    const Py_ssize_t pitch = piece_pitch(p), kept = p->kept, src_bytes = p->src_bytes, keep = p->keep;
    for (Py_ssize_t r = 0; r < rows; r += ROWS_AT_ONCE) {
        const uint8_t *in[ROWS_AT_ONCE];
        uint8_t *out[ROWS_AT_ONCE];
        const int count = (int)(rows - r < ROWS_AT_ONCE ? rows - r : ROWS_AT_ONCE);
        for (int k = 0; k < ROWS_AT_ONCE; k++) { /* rows beyond the end repeat the last */
            const Py_ssize_t last = k < count ? k : count - 1;
            uint8_t *row = scratch + last * pitch, *end = ends + (r + last) * ends_stride;
            in[k] = row;
            out[k] = dst + (r + last) * dst_stride;
            if (k >= count) continue;
            memcpy(row, end, (size_t)kept);
            memcpy(row + kept, src + (r + k) * src_stride, (size_t)src_bytes);
            memcpy(end, row + kept + src_bytes - keep, (size_t)keep);
            if (r + ROWS_AT_ONCE + k < rows) prefetch(src + (r + ROWS_AT_ONCE + k) * src_stride, src_bytes);
        }
        if (p->units) row_units(&p->row, in, out, count, pitch, 0, 0, p->units);
    }
}

/* Tile n of one (rows, row) slice of the arrays. */
static void filter_tile(const filter_t *f, Py_ssize_t n, const uint8_t *src, uint8_t *dst, uint8_t *scratch) {
    const Py_ssize_t strip = n % f->strips, band = n / f->strips;
    const Py_ssize_t first = strip * f->strip, last = first + f->strip < f->units ? first + f->strip : f->units;
    const Py_ssize_t begin = band * f->band, end = begin + f->band < f->rows ? begin + f->band : f->rows;
    const Py_ssize_t left = f->has_row ? f->row.at[first] : first, right = f->has_row ? f->row.at[last] : last;
    const uint8_t **rows = (const uint8_t **)scratch; /* of one output's taps, and one to make a pair */
    if (!f->has_column) {
        filter_along(f, src, dst + left, f->dst_stride, 0, begin, end, first, last);
        return;
    }
    const column_t *c = &f->column;
    uint8_t *ring = scratch + ((c->taps + 1) * sizeof *rows + 63) / 64 * 64;
    const Py_ssize_t stop = c->start[end - 1] + c->count[end - 1];
    Py_ssize_t ready = c->start[begin];
    for (Py_ssize_t j = begin; j < end; j++) {
        const Py_ssize_t low = c->start[j], high = low + c->count[j];
        if (f->has_row && ready < high) {
            Py_ssize_t next = ready + (high - ready + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE * ROWS_AT_ONCE;
            if (next > stop) next = stop;
            filter_along(f, src, ring, f->pitch, f->slots, ready, next, first, last);
            ready = next;
        }
        uint8_t *out = dst + j * f->dst_stride + left;
        for (int k = 0; k < c->count[j]; k++)
            rows[k] = f->has_row ? ring + (low + k) % f->slots * f->pitch : src + (low + k) * f->src_stride + left;
        rows[c->count[j]] = rows[0];
        column_row(c, j, rows, out, right - left);
    }
}

#endif
