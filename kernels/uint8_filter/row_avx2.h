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

static inline void row_store(uint8_t *out, int32_t four, uint32_t keep) {
    uint8_t value[4];
    memcpy(value, &four, 4);
    if (keep == 15) {
        memcpy(out, value, 4);
    } else {
        for (int lane = 0; lane < 4; lane++)
            if (keep >> lane & 1) *out++ = value[lane];
    }
}

static void row_permuted(const row_t *w, const uint8_t *const *in, uint8_t *const *out, int rows, Py_ssize_t bytes,
                         Py_ssize_t first, Py_ssize_t last) {
    const __m256i half = _mm256_set1_epi32(1 << (w->bits - 1));
    const __m128i shift = _mm_cvtsi32_si128(w->bits);
    const Py_ssize_t origin = w->at[first];
    for (Py_ssize_t u = first; u < last; u++) {
        const __m256i index = _mm256_loadu_si256((const __m256i *)(w->index + 32 * u));
        const int16_t *weights = w->weights + u * w->steps * (w->wide ? 32 : 16);
        Py_ssize_t a = w->base[2 * u], b = w->base[2 * u + 1];
        const Py_ssize_t reach = (Py_ssize_t)(w->steps - 1) * w->advance + 16;
        const int inside = a + reach <= bytes && b + reach <= bytes;
        __m256i sum[ROWS_AT_ONCE], low_sum[ROWS_AT_ONCE];
        for (int r = 0; r < ROWS_AT_ONCE; r++) low_sum[r] = half, sum[r] = w->wide ? _mm256_setzero_si256() : half;
        for (int k = 0; k < w->steps; k++, a += w->advance, b += w->advance, weights += w->wide ? 32 : 16) {
            const __m256i by = _mm256_loadu_si256((const __m256i *)weights);
            const __m256i by_low = w->wide ? _mm256_loadu_si256((const __m256i *)(weights + 16)) : by;
            for (int r = 0; r < ROWS_AT_ONCE; r++) {
                const __m128i low = inside ? _mm_loadu_si128((const __m128i *)(in[r] + a)) : load_within(in[r], a, bytes);
                const __m128i high = inside ? _mm_loadu_si128((const __m128i *)(in[r] + b)) : load_within(in[r], b, bytes);
                const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
                const __m256i pairs = _mm256_shuffle_epi8(both, index);
                sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(pairs, by));
                if (w->wide) low_sum[r] = _mm256_add_epi32(low_sum[r], _mm256_madd_epi16(pairs, by_low));
            }
        }
        const uint32_t keep = w->keep[u];
        const Py_ssize_t to = w->at[u] - origin, beside = __builtin_popcount(keep & 15);
        for (int r = 0; r < rows; r++) {
            if (w->wide) sum[r] = _mm256_add_epi32(_mm256_slli_epi32(sum[r], LOW_BITS), low_sum[r]);
            __m256i value = _mm256_sra_epi32(sum[r], shift);
            value = _mm256_packs_epi32(value, value);
            value = _mm256_packus_epi16(value, value);
            row_store(out[r] + to, _mm256_cvtsi256_si32(value), keep & 15);
            row_store(out[r] + to + beside, _mm256_extract_epi32(value, 4), keep >> 4);
        }
    }
}

#endif
