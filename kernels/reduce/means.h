/* Means and sums: exact for integers, in float64 for floats. */

#define PARAMETERS                                                                                            \
    const reduce_t *g, const char *const *rows, Py_ssize_t count, Py_ssize_t start, Py_ssize_t blocks,        \
        Py_ssize_t places, char *to, char *scratch
#define ADDED(a, b) ((a) + (b))

#define T uint8_t
#define BITS 8
#define FIELD uint16_t
#define CHANNELS 1
#define PIXEL uint8_t
#define PIXELS uint16_t
#define NAME(x) u8_1_##x
#include "reduce/halves.h"
#define T uint8_t
#define BITS 8
#define FIELD uint16_t
#define CHANNELS 2
#define PIXEL uint16_t
#define PIXELS uint32_t
#define NAME(x) u8_2_##x
#include "reduce/halves.h"
#define T uint8_t
#define BITS 8
#define FIELD uint16_t
#define CHANNELS 4
#define PIXEL uint32_t
#define PIXELS uint64_t
#define NAME(x) u8_4_##x
#include "reduce/halves.h"
#define T uint16_t
#define BITS 16
#define FIELD uint32_t
#define CHANNELS 1
#define PIXEL uint16_t
#define PIXELS uint32_t
#define NAME(x) u16_1_##x
#include "reduce/halves.h"
#define T uint16_t
#define BITS 16
#define FIELD uint32_t
#define CHANNELS 2
#define PIXEL uint32_t
#define PIXELS uint64_t
#define NAME(x) u16_2_##x
#include "reduce/halves.h"
#if defined(SHUFFLED)
#define T uint8_t
#define FIELD uint16_t
#define NAME(x) u8_3_##x
#define BESIDE 0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11, 12, 13, 14, 15
#define ALONE 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15
#include "reduce/halves_of_3.h"
#define T uint16_t
#define FIELD uint32_t
#define NAME(x) u16_3_##x
#define BESIDE 0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, 12, 13, 14, 15
#define ALONE 0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15
#include "reduce/halves_of_3.h"
#endif

/* Whether the blocks were such as these make. */
#define OF_CHANNELS(k, type, ELEMENT)                                                                         \
    case k:                                                                                                   \
        if (count == 4) type##_##k##_halves(rows, 4, start, blocks, (ELEMENT)g->flip, to);                    \
        else if (count == 2) type##_##k##_halves(rows, 2, start, blocks, (ELEMENT)g->flip, to);               \
        else type##_##k##_halves(rows, 1, start, blocks, (ELEMENT)g->flip, to);                               \
        return 1;
#define HALVES(type, ELEMENT, OTHERS)                                                                         \
    static NEVER_INLINE int halves_##type(const reduce_t *g, const char *const *rows, Py_ssize_t count, Py_ssize_t start, \
                             Py_ssize_t blocks, char *to) {                                                   \
        if (count > 4 || count == 3) return 0;                                                                \
        switch (g->inner) {                                                                                   \
        OF_CHANNELS(1, type, ELEMENT)                                                                         \
        OF_CHANNELS(2, type, ELEMENT)                                                                         \
        OTHERS                                                                                                \
        }                                                                                                     \
        return 0;                                                                                             \
    }
#if defined(SHUFFLED)
#define OF_3(type, ELEMENT) OF_CHANNELS(3, type, ELEMENT)
#else
#define OF_3(type, ELEMENT)
#endif
HALVES(u8, uint8_t, OF_3(u8, uint8_t) OF_CHANNELS(4, u8, uint8_t))
HALVES(u16, uint16_t, OF_3(u16, uint16_t))
#undef OF_CHANNELS
#undef HALVES
#undef OF_3

/* Sums of 32 bits, for blocks of up to 2^15 samples of 8 or 16 bits: below 2^23 and 2^31, which a quotient in float and
 * double rounds as the exact one would be (vrdask/transforms/sums.py says why). */
#define MEAN_32(type, ELEMENT, REAL, NEAREST)                                                                 \
    static void mean_##type(PARAMETERS) {                                                                     \
        const ELEMENT flip = (ELEMENT)g->flip;                                                                \
        const Py_ssize_t n = blocks * g->inner, samples = count * places;                                     \
        uint32_t *restrict sums = (uint32_t *)scratch;                                                        \
        ELEMENT *restrict b = (ELEMENT *)to;                                                                  \
        if (g->f == 2 && places == 2 && halves_##type(g, rows, count, start, blocks, to)) return;             \
        const int bits = power_of_two((uint64_t)samples);                                                     \
        type##_summed(g, rows, count, start, blocks, places, sums);                                           \
        if (samples == 1) for (Py_ssize_t i = 0; i < n; i++) b[i] = (ELEMENT)(sums[i] ^ flip);                \
        else if (bits) for (Py_ssize_t i = 0; i < n; i++) b[i] = (ELEMENT)(shifted_32(sums[i], bits) ^ flip); \
        else for (Py_ssize_t i = 0; i < n; i++)                                                               \
            b[i] = (ELEMENT)((uint32_t)(int32_t)NEAREST((REAL)(int32_t)sums[i] / (REAL)samples) ^ flip);      \
    }

/* Sums of 64 bits: any blocks of up to 32 bits a sample. */
#define MEAN_64(type, ELEMENT)                                                                                \
    static void wide_##type(PARAMETERS) {                                                                     \
        const ELEMENT flip = (ELEMENT)g->flip;                                                                \
        const Py_ssize_t n = blocks * g->inner;                                                               \
        const uint64_t samples = (uint64_t)(count * places), bias = samples * flip;                           \
        const int bits = power_of_two(samples);                                                               \
        uint64_t *restrict sums = (uint64_t *)scratch, *restrict kept = (uint64_t *)to;                       \
        ELEMENT *restrict b = (ELEMENT *)to;                                                                  \
        total_##type##_summed(g, rows, count, start, blocks, places, sums);                                   \
        if (g->what == SUM) for (Py_ssize_t i = 0; i < n; i++) kept[i] = sums[i] - bias;                      \
        else if (bits) for (Py_ssize_t i = 0; i < n; i++) b[i] = (ELEMENT)(shifted_64(sums[i], bits) ^ flip); \
        else if (samples < MOST_NARROW) for (Py_ssize_t i = 0; i < n; i++)                                    \
            b[i] = (ELEMENT)(quotient_52(sums[i], (double)samples) ^ flip);                                   \
        else for (Py_ssize_t i = 0; i < n; i++) b[i] = (ELEMENT)(divided(sums[i], samples) ^ flip);           \
    }

/* Blocks of two places along a row and of one, two or four rows, four at a time. Samples become doubles as they are
 * loaded; then the first places of four blocks go to one register, the second to another. Whether it was done. */
#if defined(__AVX2__)
static inline ALWAYS_INLINE void f32_rows_halved(const char *const *rows, const int count, Py_ssize_t start,
                                                 Py_ssize_t blocks, float *restrict b) {
    const double each = 0.5 / count;
    const float *row[4];
    Py_ssize_t j = 0;
    for (int r = 0; r < count; r++) row[r] = (const float *)rows[r] + 2 * start;
    for (; j + 4 <= blocks; j += 4) {
        __m256d sums = _mm256_setzero_pd();
        for (int r = 0; r < count; r++) {
            const __m256d x = _mm256_cvtps_pd(_mm_loadu_ps(row[r] + 2 * j));
            const __m256d y = _mm256_cvtps_pd(_mm_loadu_ps(row[r] + 2 * j + 4));
            const __m256d first = _mm256_unpacklo_pd(x, y); /* of blocks 0, 2, 1 and 3 */
            sums = _mm256_add_pd(r ? _mm256_add_pd(sums, first) : first, _mm256_unpackhi_pd(x, y));
        }
        const __m128 means = _mm256_cvtpd_ps(_mm256_mul_pd(sums, _mm256_set1_pd(each)));
        _mm_storeu_ps(b + j, _mm_shuffle_ps(means, means, 0xd8));
    }
    for (; j < blocks; j++) {
        double sum = (double)row[0][2 * j] + (double)row[0][2 * j + 1];
        for (int r = 1; r < count; r++) sum = sum + (double)row[r][2 * j] + (double)row[r][2 * j + 1];
        b[j] = (float)(sum * each);
    }
}
static int halves_f32(const reduce_t *g, const char *const *rows, Py_ssize_t count, Py_ssize_t start,
                      Py_ssize_t blocks, float *to) {
    if (g->inner > 1) return 0;
    switch (count) {
    case 1: f32_rows_halved(rows, 1, start, blocks, to); return 1;
    case 2: f32_rows_halved(rows, 2, start, blocks, to); return 1;
    case 4: f32_rows_halved(rows, 4, start, blocks, to); return 1;
    }
    return 0;
}
#else
#define halves_f32(g, rows, count, start, blocks, to) 0
#endif
#define halves_f16(g, rows, count, start, blocks, to) 0
#define halves_f64(g, rows, count, start, blocks, to) 0

#define MEAN_FLOAT(type, ELEMENT, STORE)                                                                      \
    static void mean_##type(PARAMETERS) {                                                                     \
        const Py_ssize_t n = blocks * g->inner, samples = count * places;                                     \
        double *restrict sums = (double *)scratch;                                                            \
        ELEMENT *restrict b = (ELEMENT *)to;                                                                  \
        if (g->f == 2 && places == 2 && halves_##type(g, rows, count, start, blocks, b)) return;              \
        sum_##type##_fold(g, rows, count, start, blocks, places, sums);                                       \
        if (power_of_two((uint64_t)samples)) { /* the product is exact, as the quotient is */                 \
            const double each = 1.0 / (double)samples;                                                        \
            for (Py_ssize_t i = 0; i < n; i++) b[i] = STORE(sums[i] * each);                                  \
        } else                                                                                                \
            for (Py_ssize_t i = 0; i < n; i++) b[i] = STORE(sums[i] / (double)samples);                       \
    }

/* The fold takes the flip from the job. */
#define FLIP(ELEMENT, v) ((ELEMENT)((v) ^ (ELEMENT)g->flip))

#define T uint8_t
#define SUM uint32_t
#define FLIPPED(v) FLIP(uint8_t, v)
#define NAME(x) u8_##x
#include "reduce/columns.h"
#define T uint16_t
#define SUM uint32_t
#define FLIPPED(v) FLIP(uint16_t, v)
#define NAME(x) u16_##x
#include "reduce/columns.h"
#define T uint8_t
#define SUM uint64_t
#define FLIPPED(v) FLIP(uint8_t, v)
#define NAME(x) total_u8_##x
#include "reduce/columns.h"
#define T uint16_t
#define SUM uint64_t
#define FLIPPED(v) FLIP(uint16_t, v)
#define NAME(x) total_u16_##x
#include "reduce/columns.h"
#define T uint32_t
#define SUM uint64_t
#define FLIPPED(v) FLIP(uint32_t, v)
#define NAME(x) total_u32_##x
#include "reduce/columns.h"
#define T uint64_t
#define SUM uint64_t
#define FLIPPED(v) FLIP(uint64_t, v)
#define NAME(x) total_u64_##x
#include "reduce/columns.h"


static inline ALWAYS_INLINE halves_t halves(uint64_t v) {
    halves_t found = {v & 0xffffffffu, v >> 32};
    return found;
}
static inline ALWAYS_INLINE halves_t added_halves(halves_t a, halves_t b) {
    halves_t sum = {a.low + b.low, a.high + b.high};
    return sum;
}
#define T uint64_t
#define ACC halves_t
#define NAME(x) sum_u64_##x
#define LOAD(v) halves(FLIP(uint64_t, v))
#define OP(a, b) added_halves(a, b)
#include "reduce/fold.h"

#define T uint16_t
#define ACC double
#define NAME(x) sum_f16_##x
#define LOAD(v) ((double)half_to_float(v))
#define OP(a, b) ADDED(a, b)
#include "reduce/fold.h"
#define T float
#define ACC double
#define NAME(x) sum_f32_##x
#define LOAD(v) ((double)(v))
#define OP(a, b) ADDED(a, b)
#include "reduce/fold.h"
#define T double
#define ACC double
#define NAME(x) sum_f64_##x
#define LOAD(v) (v)
#define OP(a, b) ADDED(a, b)
#include "reduce/fold.h"

MEAN_32(u8, uint8_t, float, NEAREST_F)
MEAN_32(u16, uint16_t, double, NEAREST_D)
MEAN_64(u8, uint8_t)
MEAN_64(u16, uint16_t)
MEAN_64(u32, uint32_t)
MEAN_64(u64, uint64_t)
MEAN_FLOAT(f16, uint16_t, double_to_half)
MEAN_FLOAT(f32, float, (float))
MEAN_FLOAT(f64, double, )

static void mean_u64(PARAMETERS) {
    const Py_ssize_t n = blocks * g->inner;
    const uint64_t samples = (uint64_t)(count * places);
    const halves_t *sums = (const halves_t *)scratch;
    sum_u64_fold(g, rows, count, start, blocks, places, (halves_t *)scratch);
    for (Py_ssize_t i = 0; i < n; i++) ((uint64_t *)to)[i] = divided_halves(sums[i], samples) ^ g->flip;
}

#undef MEAN_32
#undef MEAN_64
#undef MEAN_FLOAT
#undef halves_f16
#undef halves_f64
#undef ADDED
