/* Down a column: an output row is a weighted sum of source rows. */
#ifndef VRDASK_FIXED_COLUMN_H
#define VRDASK_FIXED_COLUMN_H

typedef struct {
    int taps, bits;          /* taps: even */
    const Py_ssize_t *start; /* [rows] first source row */
    const int32_t *count;    /* [rows] */
    const int16_t *weights;  /* [rows][taps], zero beyond the count */
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

static inline void column_plain(const uint8_t *const *rows, const int16_t *weights, int taps, int bits, uint8_t *dst,
                                Py_ssize_t begin, Py_ssize_t end) {
    for (Py_ssize_t i = begin; i < end; i++) {
        int32_t sum = 1 << (bits - 1);
        for (int k = 0; k < taps; k++) sum += weights[k] * rows[k][i];
        dst[i] = clipped(sum, bits);
    }
}

#ifdef R
static inline void column_at(const uint8_t *const *rows, const int16_t *weights, int pairs, int bits, uint8_t *dst,
                             Py_ssize_t i) {
    const reg_t zero = R_ZERO, half = R(set1_epi32)(1 << (bits - 1));
    const __m128i shift = _mm_cvtsi32_si128(bits);
    reg_t s0 = half, s1 = half, s2 = half, s3 = half;
    for (int k = 0; k < pairs; k++) {
        int32_t both;
        memcpy(&both, weights + 2 * k, sizeof both);
        const reg_t w = R(set1_epi32)(both);
        const reg_t a = R_LOAD(rows[2 * k] + i), b = R_LOAD(rows[2 * k + 1] + i);
        const reg_t low = R(unpacklo_epi8)(a, b), high = R(unpackhi_epi8)(a, b);
        s0 = R(add_epi32)(s0, R(madd_epi16)(R(unpacklo_epi8)(low, zero), w));
        s1 = R(add_epi32)(s1, R(madd_epi16)(R(unpackhi_epi8)(low, zero), w));
        s2 = R(add_epi32)(s2, R(madd_epi16)(R(unpacklo_epi8)(high, zero), w));
        s3 = R(add_epi32)(s3, R(madd_epi16)(R(unpackhi_epi8)(high, zero), w));
    }
    s0 = R(packs_epi32)(R(sra_epi32)(s0, shift), R(sra_epi32)(s1, shift));
    s2 = R(packs_epi32)(R(sra_epi32)(s2, shift), R(sra_epi32)(s3, shift));
    R_STORE(dst + i, R(packus_epi16)(s0, s2));
}
#endif

/* n bytes of an output row, from `rows`, one per tap and one more. */
static void column_row(const uint8_t *const *rows, const int16_t *weights, int taps, int bits, uint8_t *dst,
                       Py_ssize_t n) {
#ifdef R
    const Py_ssize_t wide = (Py_ssize_t)sizeof(reg_t);
    const int pairs = (taps + 1) / 2;
    if (n >= wide) {
        for (Py_ssize_t i = 0; i + wide <= n; i += wide) column_at(rows, weights, pairs, bits, dst, i);
        if (n % wide) column_at(rows, weights, pairs, bits, dst, n - wide); /* again, in part: the same bits */
        return;
    }
#endif
    column_plain(rows, weights, taps, bits, dst, 0, n);
}
#undef R
#undef R_LOAD
#undef R_STORE
#undef R_ZERO

#endif
