/* Means and sums: exact for integers, in float64 for floats. */

#define PARAMETERS                                                                                            \
    const reduce_t *g, const char *const *rows, Py_ssize_t count, Py_ssize_t start, Py_ssize_t blocks,        \
        Py_ssize_t places, char *to, char *scratch
#define ADDED(a, b) ((a) + (b))

/* Sums of 32 bits, for blocks of up to 2^15 samples of 8 or 16 bits. */
#define MEAN_32(type, ELEMENT)                                                                                \
    static void mean_##type(PARAMETERS) {                                                                     \
        const ELEMENT flip = (ELEMENT)g->flip;                                                                \
        const Py_ssize_t n = blocks * g->inner, samples = count * places;                                     \
        const int bits = power_of_two((uint64_t)samples);                                                     \
        uint32_t *restrict sums = (uint32_t *)scratch;                                                        \
        ELEMENT *restrict b = (ELEMENT *)to;                                                                  \
        if (g->inner == 1 && g->f == 2 && places == 2 && count <= 4) paired_##type(g, rows, count, start, blocks, sums); \
        else sum_##type##_fold(g, rows, count, start, blocks, places, sums);                                  \
        if (samples == 1) for (Py_ssize_t i = 0; i < n; i++) b[i] = (ELEMENT)(sums[i] ^ flip);                \
        else if (bits) for (Py_ssize_t i = 0; i < n; i++) b[i] = (ELEMENT)(shifted_32(sums[i], bits) ^ flip); \
        else for (Py_ssize_t i = 0; i < n; i++)                                                               \
            b[i] = (ELEMENT)((uint32_t)(int32_t)NEAREST_D((double)(int32_t)sums[i] / (double)samples) ^ flip); \
    }

/* Both samples of a pair lie in one number twice as wide: no lanes need to be moved to add them. */
#define PAIRED(type, ELEMENT, SUM, BOTH)                                                                      \
    static void paired_##type(const reduce_t *g, const char *const *rows, Py_ssize_t count, Py_ssize_t start, \
                              Py_ssize_t blocks, uint32_t *restrict sums) {                                   \
        const ELEMENT flip = (ELEMENT)g->flip;                                                                \
        enum { HALF = 4 * sizeof(BOTH), STEP = 256 };                                                         \
        SUM added[2 * STEP];                                                                                  \
        const ELEMENT *restrict a = (const ELEMENT *)rows[0] + 2 * start;                                     \
        const ELEMENT *restrict b = (const ELEMENT *)rows[count > 1 ? 1 : 0] + 2 * start;                     \
        const ELEMENT *restrict c = (const ELEMENT *)rows[count > 2 ? 2 : 0] + 2 * start;                     \
        const ELEMENT *restrict d = (const ELEMENT *)rows[count > 3 ? 3 : 0] + 2 * start;                     \
        for (Py_ssize_t from = 0; from < blocks; from += STEP) {                                              \
            const Py_ssize_t n = from + STEP < blocks ? STEP : blocks - from, p = 2 * from;                   \
            if (count == 4)                                                                                   \
                for (Py_ssize_t i = 0; i < 2 * n; i++)                                                        \
                    added[i] = (SUM)((SUM)(ELEMENT)(a[p + i] ^ flip) + (SUM)(ELEMENT)(b[p + i] ^ flip)        \
                                     + (SUM)(ELEMENT)(c[p + i] ^ flip) + (SUM)(ELEMENT)(d[p + i] ^ flip));    \
            else if (count == 3)                                                                              \
                for (Py_ssize_t i = 0; i < 2 * n; i++)                                                        \
                    added[i] = (SUM)((SUM)(ELEMENT)(a[p + i] ^ flip) + (SUM)(ELEMENT)(b[p + i] ^ flip)        \
                                     + (SUM)(ELEMENT)(c[p + i] ^ flip));                                      \
            else if (count == 2)                                                                              \
                for (Py_ssize_t i = 0; i < 2 * n; i++)                                                        \
                    added[i] = (SUM)((SUM)(ELEMENT)(a[p + i] ^ flip) + (SUM)(ELEMENT)(b[p + i] ^ flip));      \
            else                                                                                              \
                for (Py_ssize_t i = 0; i < 2 * n; i++) added[i] = (SUM)(ELEMENT)(a[p + i] ^ flip);            \
            for (Py_ssize_t j = 0; j < n; j++) {                                                              \
                BOTH both;                                                                                    \
                memcpy(&both, added + 2 * j, sizeof both);                                                    \
                sums[from + j] = (uint32_t)((both & (((BOTH)1 << HALF) - 1)) + (both >> HALF));               \
            }                                                                                                 \
        }                                                                                                     \
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
        total_##type##_fold(g, rows, count, start, blocks, places, sums);                                     \
        if (g->what == SUM) for (Py_ssize_t i = 0; i < n; i++) kept[i] = sums[i] - bias;                      \
        else if (bits) for (Py_ssize_t i = 0; i < n; i++) b[i] = (ELEMENT)(shifted_64(sums[i], bits) ^ flip); \
        else for (Py_ssize_t i = 0; i < n; i++) b[i] = (ELEMENT)(divided(sums[i], samples) ^ flip);           \
    }

#define MEAN_FLOAT(type, ELEMENT, STORE)                                                                      \
    static void mean_##type(PARAMETERS) {                                                                     \
        const Py_ssize_t n = blocks * g->inner, samples = count * places;                                     \
        double *restrict sums = (double *)scratch;                                                            \
        ELEMENT *restrict b = (ELEMENT *)to;                                                                  \
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
#define ACC uint32_t
#define NAME(x) sum_u8_##x
#define LOAD(v) ((uint32_t)FLIP(uint8_t, v))
#define OP(a, b) ADDED(a, b)
#include "reduce/fold.h"
#define T uint16_t
#define ACC uint32_t
#define NAME(x) sum_u16_##x
#define LOAD(v) ((uint32_t)FLIP(uint16_t, v))
#define OP(a, b) ADDED(a, b)
#include "reduce/fold.h"
#define T uint8_t
#define ACC uint64_t
#define NAME(x) total_u8_##x
#define LOAD(v) ((uint64_t)FLIP(uint8_t, v))
#define OP(a, b) ADDED(a, b)
#include "reduce/fold.h"
#define T uint16_t
#define ACC uint64_t
#define NAME(x) total_u16_##x
#define LOAD(v) ((uint64_t)FLIP(uint16_t, v))
#define OP(a, b) ADDED(a, b)
#include "reduce/fold.h"
#define T uint32_t
#define ACC uint64_t
#define NAME(x) total_u32_##x
#define LOAD(v) ((uint64_t)FLIP(uint32_t, v))
#define OP(a, b) ADDED(a, b)
#include "reduce/fold.h"
#define T uint64_t
#define ACC uint64_t
#define NAME(x) total_u64_##x
#define LOAD(v) FLIP(uint64_t, v)
#define OP(a, b) ADDED(a, b)
#include "reduce/fold.h"

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

PAIRED(u8, uint8_t, uint16_t, uint32_t)
PAIRED(u16, uint16_t, uint32_t, uint64_t)
MEAN_32(u8, uint8_t)
MEAN_32(u16, uint16_t)
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

#undef PAIRED
#undef MEAN_32
#undef MEAN_64
#undef MEAN_FLOAT
#undef ADDED
