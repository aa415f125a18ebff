/* Down a column: an output row is a weighted sum of source rows. */
#ifndef VRDASK_FIXED_COLUMN_H
#define VRDASK_FIXED_COLUMN_H

typedef struct {
    int taps, bits, wide;    /* taps: even; wide: whether weights are two 16-bit parts */
    const Py_ssize_t *start; /* [rows] first source row */
    const int32_t *count;    /* [rows] */
    const int16_t *weights;  /* [rows][high and low parts where wide][taps], zero beyond the count */
} column_t;

/* Registers of 16-bit pairs. Bytes of two rows are interleaved, widened and multiplied pair by pair; unpacking and
 * packing work within 128 bits and undo each other. */
#if defined(__AVX512BW__)
typedef __m512i reg_t;
#define R(name) _mm512_##name
#define R_LOAD(p) _mm512_loadu_si512(p)
#define R_STORE(p, v) _mm512_storeu_si512(p, v)
#define R_ZERO _mm512_setzero_si512()
#elif defined(__AVX2__)
typedef __m256i reg_t;
#define R(name) _mm256_##name
#define R_LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define R_STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define R_ZERO _mm256_setzero_si256()
#elif defined(__SSE2__) || defined(_M_X64)
typedef __m128i reg_t;
#define R(name) _mm_##name
#define R_LOAD(p) _mm_loadu_si128((const __m128i *)(p))
#define R_STORE(p, v) _mm_storeu_si128((__m128i *)(p), v)
#define R_ZERO _mm_setzero_si128()
#endif

static inline void column_plain(const column_t *c, const uint8_t *const *rows, const int16_t *weights, int count,
                                uint8_t *dst, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; i++) {
        int32_t sum = 1 << (c->bits - 1);
        if (c->wide)
            for (int k = 0; k < count; k++) sum += (weights[k] * (1 << LOW_BITS) + weights[c->taps + k]) * rows[k][i];
        else
            for (int k = 0; k < count; k++) sum += weights[k] * rows[k][i];
        dst[i] = clipped(sum, c->bits);
    }
}

#ifdef VRDASK_NEON
#include "uint8_filter/column_neon.h"
typedef uint8x16_t reg_t;
#elif defined(R)
static inline reg_t pair_of(const int16_t *weights) {
    int32_t both;
    memcpy(&both, weights, sizeof both);
    return R(set1_epi32)(both);
}

#define SUM(sum, start, pairs, w) sum = R(add_epi32)(start, R(madd_epi16)(pairs, w))
#define FIRST(sum, start, pairs, w) sum = wide ? R(madd_epi16)(pairs, w) : R(add_epi32)(half, R(madd_epi16)(pairs, w))
#define JOINED(high, low) R(sra_epi32)(wide ? R(add_epi32)(R(slli_epi32)(high, LOW_BITS), low) : high, shift)
/* Of a pair of rows. HIGH: how the sums begin or go on; low ones begin with a half. */
#define PAIR(k, HIGH)                                                                                                 \
    {                                                                                                                 \
        const reg_t w = pair_of(weights + 2 * (k)), v = wide ? pair_of(weights + c->taps + 2 * (k)) : w;              \
        const reg_t a = R_LOAD(rows[2 * (k)] + i), b = R_LOAD(rows[2 * (k) + 1] + i);                                 \
        const reg_t low = R(unpacklo_epi8)(a, b), high = R(unpackhi_epi8)(a, b);                                      \
        const reg_t p0 = R(unpacklo_epi8)(low, zero), p1 = R(unpackhi_epi8)(low, zero);                               \
        const reg_t p2 = R(unpacklo_epi8)(high, zero), p3 = R(unpackhi_epi8)(high, zero);                             \
        HIGH(s0, s0, p0, w);                                                                                          \
        HIGH(s1, s1, p1, w);                                                                                          \
        HIGH(s2, s2, p2, w);                                                                                          \
        HIGH(s3, s3, p3, w);                                                                                          \
        if (wide) {                                                                                                   \
            SUM(t0, t0, p0, v);                                                                                       \
            SUM(t1, t1, p1, v);                                                                                       \
            SUM(t2, t2, p2, v);                                                                                       \
            SUM(t3, t3, p3, v);                                                                                       \
        }                                                                                                             \
    }

/* As many bytes of an output row as a register holds. wide: a constant. */
static inline void column_at(const column_t *c, const int wide, const uint8_t *const *rows, const int16_t *weights,
                             int pairs, uint8_t *dst, Py_ssize_t i) {
    const reg_t zero = R_ZERO, half = R(set1_epi32)(1 << (c->bits - 1));
    const __m128i shift = _mm_cvtsi32_si128(c->bits);
    reg_t s0, s1, s2, s3, t0 = half, t1 = half, t2 = half, t3 = half;
    PAIR(0, FIRST)
    for (int k = 1; k < pairs; k++) PAIR(k, SUM)
    s0 = R(packs_epi32)(JOINED(s0, t0), JOINED(s1, t1));
    s2 = R(packs_epi32)(JOINED(s2, t2), JOINED(s3, t3));
    R_STORE(dst + i, R(packus_epi16)(s0, s2));
}
#undef SUM
#undef FIRST
#undef PAIR
#undef JOINED

static inline void column_registers(const column_t *c, const int wide, const uint8_t *const *rows,
                                    const int16_t *weights, int count, uint8_t *dst, Py_ssize_t n) {
    const Py_ssize_t size = (Py_ssize_t)sizeof(reg_t);
    const int pairs = (count + 1) / 2;
    for (Py_ssize_t i = 0; i + size <= n; i += size) column_at(c, wide, rows, weights, pairs, dst, i);
    if (n % size) column_at(c, wide, rows, weights, pairs, dst, n - size); /* again, in part: the same bits */
}
#endif

/* n bytes of output row j, from `rows`, one per tap and one more. */
static void column_row(const column_t *c, Py_ssize_t j, const uint8_t *const *rows, uint8_t *dst, Py_ssize_t n) {
    const int count = c->count[j];
    const int16_t *weights = c->weights + j * c->taps * (c->wide ? 2 : 1);
#if defined(R) || defined(VRDASK_NEON)
    if (n >= (Py_ssize_t)sizeof(reg_t)) {
        if (c->wide) column_registers(c, 1, rows, weights, count, dst, n);
        else column_registers(c, 0, rows, weights, count, dst, n);
        return;
    }
#endif
    column_plain(c, rows, weights, count, dst, n);
}
#undef R
#undef R_LOAD
#undef R_STORE
#undef R_ZERO

#endif
