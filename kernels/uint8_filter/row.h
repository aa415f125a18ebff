/* Along a row: outputs of a register and the bytes they weigh are brought side by side by one permutation.
 *
 * A register has LANES sums of 32 bits; a lane multiplies two bytes per step. Its lanes are LANES outputs, or LANES / 4
 * outputs with a quarter of the taps each, which are added at the end: what fits the bytes that a permutation reaches.
 * With AVX2 and NEON positions that lie far apart have windows of their own (row_windows.h).
 * `vrdask.compute.uint8_filter.whole_box` makes the tables.
 */
#ifndef VRDASK_FIXED_ROW_H
#define VRDASK_FIXED_ROW_H

enum { ROWS_AT_ONCE = 4 }; /* they share the loads of tables */

typedef struct {
    int bits, steps, advance; /* advance: bytes from a step to the next */
    int wide;                 /* whether weights are two 16-bit parts */
    int quartered;            /* whether a unit is four registers whose lanes hold quarters of sums */
    int joint, lanes;         /* of row_windows.h: whether both windows are one; lanes of a position, or 0 */
    Py_ssize_t channels, taps;
    const Py_ssize_t *start;  /* [positions] first byte of the first tap */
    const int32_t *count;     /* [positions] */
    const int32_t *plain;     /* [positions][taps] */
    const Py_ssize_t *at;     /* [units + 1] first output of a unit */
    const uint32_t *keep;     /* [units] which lanes are outputs; [pairs of positions] steps between their windows */
    const Py_ssize_t *base;   /* [registers][windows] first byte of a window; [positions] where each has its own */
    const uint8_t *index;     /* [registers][bytes of a register] */
    const int16_t *weights;   /* [registers][steps][high and low parts where wide][2 * LANES] */
} row_t;

/* Without permutations: a unit is a position. CHANNELS, a constant for the frequent ones, are summed side by side. */
#define PLAIN(CHANNELS, FROM)                                                               \
    for (Py_ssize_t p = first; p < last; p++) {                                             \
        const int32_t *restrict weights = w->plain + p * w->taps;                           \
        for (int r = 0; r < rows; r++) {                                                    \
            const uint8_t *restrict source = in[r] + w->start[p] + (FROM);                  \
            uint8_t *restrict to = out[r] + (p - first) * w->channels + (FROM);             \
            int32_t sum[CHANNELS];                                                          \
            for (int c = 0; c < (CHANNELS); c++) sum[c] = half;                             \
            for (int32_t k = 0; k < w->count[p]; k++, source += w->channels)                \
                for (int c = 0; c < (CHANNELS); c++) sum[c] += weights[k] * source[c];      \
            for (int c = 0; c < (CHANNELS); c++) to[c] = clipped(sum[c], w->bits);          \
        }                                                                                   \
    }

static void row_plain(const row_t *w, const uint8_t *const *in, uint8_t *const *out, int rows, Py_ssize_t first,
                      Py_ssize_t last) {
    const int half = 1 << (w->bits - 1);
    switch (w->channels) {
    case 1: PLAIN(1, 0) break;
    case 3: PLAIN(3, 0) break;
    case 4: PLAIN(4, 0) break;
    default:
        for (Py_ssize_t from = 0; from < w->channels; from++) PLAIN(1, from)
    }
}
#undef PLAIN

/* ROWS_AT_ONCE rows, for row_windows.h. */
typedef struct {
    const uint8_t *a, *b, *c, *d;
    Py_ssize_t bytes, ahead; /* readable ones; from a row to the one that comes in its place, or 0 */
} sources_t;
typedef struct { uint8_t *a, *b, *c, *d; } targets_t;

#if defined(__AVX512BW__) && defined(__GNUC__)
#include "uint8_filter/row_avx512.h"
#elif defined(__AVX2__)
#include "uint8_filter/row_avx2.h"
#include "uint8_filter/row_windows.h"
#elif defined(VRDASK_NEON)
#include "uint8_filter/row_neon.h"
#include "uint8_filter/row_windows.h"
#else
enum { ROW_PAIRS = 1, ROW_LANES = 0, ROW_WINDOWS = 0 };
static inline int row_permutes(void) { return 0; }
static inline void row_permuted(const row_t *w, const uint8_t *const *in, uint8_t *const *out, int rows,
                                Py_ssize_t bytes, Py_ssize_t ahead, Py_ssize_t first, Py_ssize_t last) {}
#endif

/* Units [first, last) of rows: ROWS_AT_ONCE pointers each, of which `rows` count. bytes: readable ones of a row; ahead:
 * from each row to the one that comes next in its place, or 0 where it need not be fetched. */
static void row_units(const row_t *w, const uint8_t *const *in, uint8_t *const *out, int rows, Py_ssize_t bytes,
                      Py_ssize_t ahead, Py_ssize_t first, Py_ssize_t last) {
    if (w->index) row_permuted(w, in, out, rows, bytes, ahead, first, last);
    else row_plain(w, in, out, rows, first, last);
}

#endif
