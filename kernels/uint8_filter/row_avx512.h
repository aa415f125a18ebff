/* Rows with AVX-512 and its byte permutations (VBMI) and dot products (VNNI), where the processor has them. */
#ifndef VRDASK_FIXED_ROW_AVX512_H
#define VRDASK_FIXED_ROW_AVX512_H

enum { ROW_PAIRS = 1, ROW_LANES = 16, ROW_WINDOWS = 1 };
#define WITH_PERMUTES __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni")))

static inline int row_permutes(void) {
    return __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
}

/* 64 bytes, zero from `bytes` on. */
WITH_PERMUTES static inline __m512i load_within(const uint8_t *row, Py_ssize_t at, Py_ssize_t bytes) {
    const Py_ssize_t left = bytes - at;
    const __mmask64 there = left >= 64 ? ~0ull : left <= 0 ? 0 : (1ull << left) - 1;
    return _mm512_maskz_loadu_epi8(there, row + at);
}

/* The sums of a register, one per row. Named, not an array: an array would live in memory. */
typedef struct { __m512i a, b, c, d; } sums_t;

/* One step: byte pairs of each row, times weights, or times both parts of them. */
#define STEP(sum, row, LOAD)                                                                        \
    {                                                                                               \
        const __m512i pairs = _mm512_maskz_permutexvar_epi8(0x5555555555555555ull, index, LOAD(row)); \
        s.sum = _mm512_dpwssd_epi32(s.sum, pairs, by);                                              \
        if (wide) low.sum = _mm512_dpwssd_epi32(low.sum, pairs, by_low);                            \
    }
#define EACH_STEP(LOAD)                                                                             \
    for (int k = 0; k < steps; k++, at += w->advance, weights += wide ? 64 : 32) {                  \
        const __m512i by = _mm512_loadu_si512(weights), by_low = wide ? _mm512_loadu_si512(weights + 32) : by; \
        STEP(a, a, LOAD)                                                                            \
        STEP(b, b, LOAD)                                                                            \
        STEP(c, c, LOAD)                                                                            \
        STEP(d, d, LOAD)                                                                            \
    }
#define JOIN(sum) if (wide) s.sum = _mm512_add_epi32(_mm512_slli_epi32(s.sum, LOW_BITS), low.sum);
#define LOAD_ALL(row) _mm512_loadu_si512(row + at)
#define LOAD_WITHIN(row) load_within(row, at, bytes)

/* The sums of register g of ROWS_AT_ONCE rows, added to `start`. wide: a constant. */
WITH_PERMUTES static inline __attribute__((always_inline)) sums_t
row_register(const row_t *w, const int wide, const uint8_t *const *in, Py_ssize_t bytes, Py_ssize_t g, __m512i start) {
    const uint8_t *a = in[0], *b = in[1], *c = in[2], *d = in[3];
    const __m512i index = _mm512_loadu_si512(w->index + 64 * g), zero = _mm512_setzero_si512();
    const int steps = w->steps;
    const int16_t *weights = w->weights + g * steps * (wide ? 64 : 32);
    Py_ssize_t at = w->base[g];
    sums_t low = {start, start, start, start}, s = wide ? (sums_t){zero, zero, zero, zero} : low;
    if (at + (Py_ssize_t)(steps - 1) * w->advance + 64 <= bytes) {
        EACH_STEP(LOAD_ALL)
    } else {
        EACH_STEP(LOAD_WITHIN)
    }
    JOIN(a) JOIN(b) JOIN(c) JOIN(d)
    return s;
}
#undef STEP
#undef EACH_STEP
#undef JOIN
#undef LOAD_ALL
#undef LOAD_WITHIN

/* Lane 4 i + j of the result: the sum of lanes j, 4 + j, 8 + j and 12 + j of register i. */
WITH_PERMUTES static inline __m512i quarters_added(__m512i a, __m512i b, __m512i c, __m512i d) {
    const __m512i ab = _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee));
    const __m512i cd = _mm512_add_epi32(_mm512_shuffle_i32x4(c, d, 0x44), _mm512_shuffle_i32x4(c, d, 0xee));
    return _mm512_add_epi32(_mm512_shuffle_i32x4(ab, cd, 0x88), _mm512_shuffle_i32x4(ab, cd, 0xdd));
}

WITH_PERMUTES static inline void row_store(uint8_t *out, __m512i sum, __m128i shift, uint32_t keep) {
    __m512i value = _mm512_max_epi32(_mm512_sra_epi32(sum, shift), _mm512_setzero_si512());
    if (keep == 0xffff) {
        _mm_storeu_si128((__m128i *)out, _mm512_cvtusepi32_epi8(value));
    } else {
        value = _mm512_maskz_compress_epi32((__mmask16)keep, value);
        const __mmask16 there = (__mmask16)((1u << __builtin_popcount(keep)) - 1);
        _mm_mask_storeu_epi8(out, there, _mm512_cvtusepi32_epi8(value));
    }
}

WITH_PERMUTES static inline __attribute__((always_inline)) void
row_permuted_as(const row_t *w, const int wide, const uint8_t *const *in, uint8_t *const *out, int rows, Py_ssize_t bytes,
                Py_ssize_t first, Py_ssize_t last) {
    const __m512i half = _mm512_set1_epi32(1 << (w->bits - 1));
    const __m512i once = _mm512_maskz_mov_epi32(0xf, half); /* in one of the lanes that are added */
    const __m128i shift = _mm_cvtsi32_si128(w->bits);
    const Py_ssize_t origin = w->at[first];
    for (Py_ssize_t u = first; u < last; u++) {
        const Py_ssize_t to = w->at[u] - origin;
        const uint32_t keep = w->keep[u];
        sums_t s;
        if (w->quartered) {
            const sums_t e = row_register(w, wide, in, bytes, 4 * u, once);
            const sums_t f = row_register(w, wide, in, bytes, 4 * u + 1, once);
            const sums_t g = row_register(w, wide, in, bytes, 4 * u + 2, once);
            const sums_t h = row_register(w, wide, in, bytes, 4 * u + 3, once);
            s.a = quarters_added(e.a, f.a, g.a, h.a);
            s.b = quarters_added(e.b, f.b, g.b, h.b);
            s.c = quarters_added(e.c, f.c, g.c, h.c);
            s.d = quarters_added(e.d, f.d, g.d, h.d);
        } else {
            s = row_register(w, wide, in, bytes, u, half);
        }
        row_store(out[0] + to, s.a, shift, keep);
        if (rows > 1) row_store(out[1] + to, s.b, shift, keep);
        if (rows > 2) row_store(out[2] + to, s.c, shift, keep);
        if (rows > 3) row_store(out[3] + to, s.d, shift, keep);
    }
}

WITH_PERMUTES static void row_permuted(const row_t *w, const uint8_t *const *in, uint8_t *const *out, int rows,
                                       Py_ssize_t bytes, Py_ssize_t ahead, Py_ssize_t first, Py_ssize_t last) {
    (void)ahead;
    if (w->wide) row_permuted_as(w, 1, in, out, rows, bytes, first, last);
    else row_permuted_as(w, 0, in, out, rows, bytes, first, last);
}

#endif
