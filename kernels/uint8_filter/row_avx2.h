/* Rows with AVX2: two windows of 16 bytes per register, as its byte shuffle works within 128 bits. */
#ifndef VRDASK_FIXED_ROW_AVX2_H
#define VRDASK_FIXED_ROW_AVX2_H

enum { ROW_LANES = 8, ROW_WINDOWS = 2 };

static inline int row_permutes(void) { return 1; }

/* 16 bytes, zero from `bytes` on. */
static inline __m128i load_within(const uint8_t *row, Py_ssize_t at, Py_ssize_t bytes) {
    uint8_t copy[16] = {0};
    if (at + 16 <= bytes) return _mm_loadu_si128((const __m128i *)(row + at));
    if (at < bytes) memcpy(copy, row + at, (size_t)(bytes - at));
    return _mm_loadu_si128((const __m128i *)copy);
}

static inline void row_store(uint8_t *out, const uint8_t *found, uint32_t keep) {
    if (keep == 255) {
        memcpy(out, found, ROW_LANES);
    } else {
        for (int lane = 0; lane < ROW_LANES; lane++)
            if (keep >> lane & 1) *out++ = found[lane];
    }
}

/* The sums of a register, one per row. Named, not an array: an array would live in memory. */
typedef struct { __m256i a, b, c, d; } sums_t;

#define TWO(low, high) _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1)
#define LOAD_BOTH(row) TWO(_mm_loadu_si128((const __m128i *)(row + at)), _mm_loadu_si128((const __m128i *)(row + beside)))
#define LOAD_WITHIN(row) TWO(load_within(row, at, bytes), load_within(row, beside, bytes))
/* One step: byte pairs of each row, times weights, or times both parts of them. */
#define STEP(sum, row, LOAD)                                                                        \
    {                                                                                               \
        const __m256i pairs = _mm256_shuffle_epi8(LOAD(row), index);                                \
        s.sum = _mm256_add_epi32(s.sum, _mm256_madd_epi16(pairs, by));                              \
        if (wide) low.sum = _mm256_add_epi32(low.sum, _mm256_madd_epi16(pairs, by_low));            \
    }
#define EACH_STEP(LOAD)                                                                             \
    for (int k = 0; k < steps; k++, at += advance, beside += advance, weights += wide ? 32 : 16) {  \
        const __m256i by = _mm256_loadu_si256((const __m256i *)weights);                            \
        const __m256i by_low = wide ? _mm256_loadu_si256((const __m256i *)(weights + 16)) : by;     \
        STEP(a, a, LOAD)                                                                            \
        STEP(b, b, LOAD)                                                                            \
        STEP(c, c, LOAD)                                                                            \
        STEP(d, d, LOAD)                                                                            \
    }
#define JOIN(sum) if (wide) s.sum = _mm256_add_epi32(_mm256_slli_epi32(s.sum, LOW_BITS), low.sum);

/* The sums of unit u of ROWS_AT_ONCE rows. wide: a constant. */
static inline ALWAYS_INLINE sums_t row_register(const row_t *w, const int wide, const uint8_t *const *in,
                                                Py_ssize_t bytes, Py_ssize_t u, __m256i half) {
    const uint8_t *a = in[0], *b = in[1], *c = in[2], *d = in[3];
    const __m256i index = _mm256_loadu_si256((const __m256i *)(w->index + 32 * u)), zero = _mm256_setzero_si256();
    const int steps = w->steps;
    const Py_ssize_t advance = w->advance, reach = (Py_ssize_t)(steps - 1) * advance + 16;
    const int16_t *weights = w->weights + u * steps * (wide ? 32 : 16);
    Py_ssize_t at = w->base[2 * u], beside = w->base[2 * u + 1];
    sums_t low = {half, half, half, half}, s = wide ? (sums_t){zero, zero, zero, zero} : low;
    if (at + reach <= bytes && beside + reach <= bytes) {
        EACH_STEP(LOAD_BOTH)
    } else {
        EACH_STEP(LOAD_WITHIN)
    }
    JOIN(a) JOIN(b) JOIN(c) JOIN(d)
    return s;
}
#undef TWO
#undef LOAD_BOTH
#undef LOAD_WITHIN
#undef STEP
#undef EACH_STEP
#undef JOIN

static inline ALWAYS_INLINE void row_permuted_as(const row_t *w, const int wide, const uint8_t *const *in,
                                                 uint8_t *const *out, int rows, Py_ssize_t bytes, Py_ssize_t first,
                                                 Py_ssize_t last) {
    const __m256i half = _mm256_set1_epi32(1 << (w->bits - 1));
    const __m128i shift = _mm_cvtsi32_si128(w->bits);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const Py_ssize_t origin = w->at[first];
    for (Py_ssize_t u = first; u < last; u++) {
        const sums_t s = row_register(w, wide, in, bytes, u, half);
        const uint32_t keep = w->keep[u];
        const Py_ssize_t to = w->at[u] - origin;
        const __m256i ab = _mm256_packs_epi32(_mm256_sra_epi32(s.a, shift), _mm256_sra_epi32(s.b, shift));
        const __m256i cd = _mm256_packs_epi32(_mm256_sra_epi32(s.c, shift), _mm256_sra_epi32(s.d, shift));
        /* 32 bits of each row's first window, then of its second */
        const __m256i value = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(ab, cd), order);
        uint8_t found[ROWS_AT_ONCE][ROW_LANES];
        _mm256_storeu_si256((__m256i *)found, value);
        for (int r = 0; r < rows; r++) row_store(out[r] + to, found[r], keep);
    }
}

static void row_permuted(const row_t *w, const uint8_t *const *in, uint8_t *const *out, int rows, Py_ssize_t bytes,
                         Py_ssize_t first, Py_ssize_t last) {
    if (w->wide) row_permuted_as(w, 1, in, out, rows, bytes, first, last);
    else row_permuted_as(w, 0, in, out, rows, bytes, first, last);
}

#endif
