/* Whole blocks of samples, each to one sample.
 *
 * An array is seen as rows: outer axes of any strides, then the last axis that has blocks, of factor f, then `inner`
 * samples side by side that blocks leave apart (channels). A block is some rows, and f places along each.
 *
 * Samples are numbers without a sign: those of signed integers have the sign's bit flipped, which shifts them, and so
 * their mean, by an even number and leaves their order; those of floats that are compared become keys (see keys.h).
 *
 * Twin in numpy: `downsample` in vrdask/transforms/reference_blocks.py.
 * Tests: tests/compute/test_reduce.py. */
#ifndef VRDASK_REDUCE_H
#define VRDASK_REDUCE_H

#include "common/types.h"

enum { MOST_AXES = 64 };
enum { MEAN, SUM, MAXIMUM, MEDIAN, MAJORITY };

typedef struct {
    int axes;                     /* outer ones */
    Py_ssize_t in[MOST_AXES];     /* samples along each */
    Py_ssize_t factor[MOST_AXES];
    Py_ssize_t stride[MOST_AXES]; /* bytes from sample to sample */
    Py_ssize_t out[MOST_AXES];    /* blocks along each */
    Py_ssize_t n, f, inner;       /* of the last axis */
    Py_ssize_t n_out, tile, tiles; /* its blocks; those of a tile; tiles of a row */
    Py_ssize_t row_bytes;         /* of a row of results */
    Py_ssize_t place_bytes;       /* of the results of one place along the last axis */
    uint64_t flip;                /* bits to flip in every sample, or in its key */
    uint64_t zero;                /* of majority: the number that zero has become */
    int what, code, wide, sparse; /* wide: sums of 8 and 16 bits take 64 */
} reduce_t;

typedef struct { uint64_t low, high; } halves_t; /* sums of the lower and the upper 32 bits */

/* The rows of the blocks of a row of results, in C order; their number. */
static Py_ssize_t rows_of(const reduce_t *g, const char *src, Py_ssize_t row, const char **rows) {
    Py_ssize_t count = 1;
    rows[0] = src;
    Py_ssize_t at[MOST_AXES];
    for (int axis = g->axes - 1; axis >= 0; axis--) {
        at[axis] = row % g->out[axis] * g->factor[axis];
        row /= g->out[axis];
    }
    for (int axis = 0; axis < g->axes; axis++) {
        const Py_ssize_t rest = g->in[axis] - at[axis], size = rest < g->factor[axis] ? rest : g->factor[axis];
        for (Py_ssize_t r = count - 1; r >= 0; r--)
            for (Py_ssize_t k = size - 1; k >= 0; k--) rows[r * size + k] = rows[r] + (at[axis] + k) * g->stride[axis];
        count *= size;
    }
    return count;
}

/* An integer divided by 2^bits, halves to even. */
static inline ALWAYS_INLINE uint32_t shifted_32(uint32_t sum, int bits) {
    return (sum + ((1u << bits >> 1) - 1) + (sum >> bits & 1)) >> bits;
}
static inline ALWAYS_INLINE uint64_t shifted_64(uint64_t sum, int bits) {
    return (sum + ((UINT64_C(1) << bits >> 1) - 1) + (sum >> bits & 1)) >> bits;
}

/* The exponent of a power of two that is above 1; 0 for any other number. */
static inline int power_of_two(uint64_t count) {
    int bits = 0;
    if (count < 2 || (count & (count - 1))) return 0;
    while (count >>= 1) bits++;
    return bits;
}

static inline uint64_t divided(uint64_t sum, uint64_t count) {
    const uint64_t whole = sum / count, twice = 2 * (sum - whole * count);
    return whole + (twice > count || (twice == count && (whole & 1)));
}

/* The same of a sum below 2^51, without a branch: sum and quotient are the lowest bits of a double that has 2^52 added.
 * A quotient of doubles rounds as the exact one would (vrdask/transforms/sums.py says why). */
enum { MOST_NARROW = 1 << 19 }; /* samples of 32 bits whose sums are below */
static inline ALWAYS_INLINE uint64_t quotient_52(uint64_t sum, double count) {
    const uint64_t bits = UINT64_C(0x4330000000000000);
    double number;
    sum |= bits;
    memcpy(&number, &sum, sizeof number);
    number = (number - 0x1p52) / count + 0x1p52;
    memcpy(&sum, &number, sizeof sum);
    return sum ^ bits;
}

/* Long division, by fewer than 2^31: nothing overflows. */
static inline uint64_t divided_halves(halves_t sum, uint64_t count) {
    const uint64_t rest = sum.high % count, more = (rest << 32) + sum.low;
    const uint64_t whole = (sum.high / count << 32) + more / count, twice = 2 * (more % count);
    return whole + (twice > count || (twice == count && (whole & 1)));
}

#include "reduce/keys.h"
#include "reduce/means.h"
#include "reduce/maxima.h"
#include "reduce/orders.h"

#define BY_WIDTH(OF)                                \
    switch (g->code) {                              \
    case U8: case I8: OF(u8); break;                \
    case U16: case I16: OF(u16); break;             \
    case U32: case I32: OF(u32); break;             \
    case U64: case I64: OF(u64); break;             \
    case F16: OF(f16); break;                       \
    case F32: OF(f32); break;                       \
    case F64: OF(f64); break;                       \
    }

#define ARGUMENTS g, rows, count, start, blocks, places, to, scratch

/* The results of some places along the last axis, whose blocks have `places` samples there each. */
static void reduce_places(const reduce_t *g, const char *const *rows, Py_ssize_t count, Py_ssize_t start,
                          Py_ssize_t blocks, Py_ssize_t places, char *to, char *scratch) {
#define OF(type) max_##type(ARGUMENTS)
    if (g->what == MAXIMUM) { BY_WIDTH(OF) return; }
#undef OF
#define OF(type) order_##type(ARGUMENTS)
    if (g->what == MEDIAN || g->what == MAJORITY) { BY_WIDTH(OF) return; }
#undef OF
    switch (g->code) {
    case U8: case I8: if (g->wide) wide_u8(ARGUMENTS); else mean_u8(ARGUMENTS); break;
    case U16: case I16: if (g->wide) wide_u16(ARGUMENTS); else mean_u16(ARGUMENTS); break;
    case U32: case I32: wide_u32(ARGUMENTS); break;
    case U64: case I64: if (g->what == SUM) wide_u64(ARGUMENTS); else mean_u64(ARGUMENTS); break;
    case F16: mean_f16(ARGUMENTS); break;
    case F32: mean_f32(ARGUMENTS); break;
    case F64: mean_f64(ARGUMENTS); break;
    }
}

/* The bytes of a row, in turn. Loops that read several rows side by side get them at half of the speed of memory where
 * rows are short: processors foresee one place after the other, and few of them beyond a page of 4096 bytes. So such rows
 * are read first, one after the other, as many as the first-level cache holds (means of 2x2x2 float32 in rows of 2 KB, on
 * Zen 4: 1.9 times as fast). Longer ones are foreseen; and neither prefetches in place of loads nor rows of the next tile
 * were as fast. */
enum { MOST_FETCHED = 24 << 10, HALF_LINE = 32 }; /* one load of a line did not always do */
static inline void fetch(const char *from, Py_ssize_t bytes) {
#define LOAD(k) (void)*(const volatile char *)(from + at + k * HALF_LINE)
    Py_ssize_t at = 0;
    for (; at + 4 * HALF_LINE <= bytes; at += 4 * HALF_LINE) { LOAD(0); LOAD(1); LOAD(2); LOAD(3); }
    for (; at < bytes; at += HALF_LINE) LOAD(0);
#undef LOAD
}

/* Tiles [begin, end) of the result, counted along its rows. */
static void reduce_tiles(const reduce_t *g, const char *src, char *dst, Py_ssize_t begin, Py_ssize_t end,
                         const char **rows, char *scratch) {
    const Py_ssize_t whole = g->n / g->f, bytes = g->n * g->inner * ELEMENT_SIZE[g->code];
    Py_ssize_t row = -1, count = 0;
    for (Py_ssize_t tile = begin; tile < end; tile++) {
        if (tile / g->tiles != row) {
            row = tile / g->tiles;
            count = rows_of(g, src, row, rows);
        }
        const Py_ssize_t start = tile % g->tiles * g->tile;
        const Py_ssize_t stop = start + g->tile < g->n_out ? start + g->tile : g->n_out, full = stop < whole ? stop : whole;
        char *to = dst + row * g->row_bytes + start * g->place_bytes;
        if (g->tiles == 1 && count > 1 && bytes <= MOST_FETCHED / count)
            for (Py_ssize_t r = 0; r < count; r++) fetch(rows[r], bytes);
        if (full > start) reduce_places(g, rows, count, start, full - start, g->f, to, scratch);
        if (stop > full)
            reduce_places(g, rows, count, full, 1, g->n - full * g->f, to + (full - start) * g->place_bytes, scratch);
    }
}

#endif
