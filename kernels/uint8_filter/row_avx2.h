/* What row_windows.h is made of, with AVX2. */
#ifndef VRDASK_FIXED_ROW_AVX2_H
#define VRDASK_FIXED_ROW_AVX2_H

enum { ROW_PAIRS = 1 }; /* the two words of a lane lie side by side */
typedef __m256i window_t, words_t, order_t, weights_t, sums_t;
typedef struct { __m256i half; __m128i bits; } shift_t;
typedef struct { sums_t a, b, c, d; } four_t; /* of four rows. Named, not an array: it would live in memory */

static inline ALWAYS_INLINE window_t load_window(const uint8_t *both) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)both));
}
static inline ALWAYS_INLINE window_t load_windows(const uint8_t *low, const uint8_t *high) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)),
                                   _mm_loadu_si128((const __m128i *)high), 1);
}
static inline ALWAYS_INLINE order_t load_order(const uint8_t *order) {
    return _mm256_loadu_si256((const __m256i *)order);
}
static inline ALWAYS_INLINE weights_t load_weights(const int16_t *weights) {
    return _mm256_loadu_si256((const __m256i *)weights);
}
/* Two pairs of weights, either for four lanes. */
static inline ALWAYS_INLINE weights_t repeat_weights(const int16_t *weights) {
    double four;
    memcpy(&four, weights, sizeof four);
    return _mm256_castps_si256(_mm256_permutevar_ps(_mm256_castpd_ps(_mm256_set1_pd(four)),
                                                    _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1)));
}
static inline ALWAYS_INLINE words_t permuted(window_t window, order_t order) {
    return _mm256_shuffle_epi8(window, order);
}
static inline ALWAYS_INLINE sums_t no_sums(void) { return _mm256_setzero_si256(); }
static inline ALWAYS_INLINE sums_t added(sums_t sums, words_t words, weights_t weights) {
    return _mm256_add_epi32(sums, _mm256_madd_epi16(words, weights));
}
static inline ALWAYS_INLINE sums_t joined(sums_t high, sums_t low) {
    return _mm256_add_epi32(_mm256_slli_epi32(high, LOW_BITS), low);
}
static inline ALWAYS_INLINE shift_t shift_of(int bits) {
    return (shift_t){_mm256_set1_epi32(1 << (bits - 1)), _mm_cvtsi32_si128(bits)};
}

/* 16 words: of either sums the lower four, then the upper four. */
static inline ALWAYS_INLINE __m256i shifted(sums_t s, sums_t t, shift_t by) {
    return _mm256_packs_epi32(_mm256_sra_epi32(_mm256_add_epi32(s, by.half), by.bits),
                              _mm256_sra_epi32(_mm256_add_epi32(t, by.half), by.bits));
}
/* 32 bytes of such words, all of the lower fours in front: their fours taken in turn from both parts. */
static inline ALWAYS_INLINE __m256i in_turn(__m256i s, __m256i t) {
    return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(s, t), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

static inline ALWAYS_INLINE void store_eights(targets_t to, Py_ssize_t at, four_t s, shift_t by) {
    const __m256i found = in_turn(shifted(s.a, s.b, by), shifted(s.c, s.d, by));
    const __m128i ab = _mm256_castsi256_si128(found), cd = _mm256_extracti128_si256(found, 1);
    _mm_storel_epi64((__m128i *)(to.a + at), ab);
    _mm_storeh_pd((double *)(to.b + at), _mm_castsi128_pd(ab));
    _mm_storel_epi64((__m128i *)(to.c + at), cd);
    _mm_storeh_pd((double *)(to.d + at), _mm_castsi128_pd(cd));
}

/* The sums of the halves of s, then of t. */
static inline ALWAYS_INLINE sums_t halves_added(sums_t s, sums_t t) {
    return _mm256_add_epi32(_mm256_permute2x128_si256(s, t, 0x20), _mm256_permute2x128_si256(s, t, 0x31));
}

/* Two positions, whose shares are added where one step does it; lanes: a constant. */
static inline ALWAYS_INLINE sums_t beside(const int lanes, sums_t s, sums_t t) {
    return lanes == 4   ? halves_added(s, t)
           : lanes == 2 ? _mm256_add_epi32(_mm256_unpacklo_epi64(s, t), _mm256_unpackhi_epi64(s, t))
                        : _mm256_hadd_epi32(s, t);
}
static inline ALWAYS_INLINE sums_t quads(const int lanes, sums_t st, sums_t uv) {
    return lanes == 2 ? halves_added(st, uv) : _mm256_hadd_epi32(st, uv);
}

static inline ALWAYS_INLINE void store_two_sixteens(uint8_t *a, uint8_t *b, sums_t st_a, sums_t uv_a, sums_t st_b,
                                                    sums_t uv_b, order_t dense, shift_t by) {
    const __m256i found = in_turn(shifted(st_a, uv_a, by), shifted(st_b, uv_b, by));
    const __m256i packed = _mm256_shuffle_epi8(found, dense);
    _mm_storeu_si128((__m128i *)a, _mm256_castsi256_si128(packed));
    _mm_storeu_si128((__m128i *)b, _mm256_extracti128_si256(packed, 1));
}
static inline ALWAYS_INLINE void store_sixteens(targets_t to, Py_ssize_t at, four_t st, four_t uv, order_t dense,
                                                shift_t by) {
    store_two_sixteens(to.a + at, to.b + at, st.a, uv.a, st.b, uv.b, dense, by);
    store_two_sixteens(to.c + at, to.d + at, st.c, uv.c, st.d, uv.d, dense, by);
}

static inline ALWAYS_INLINE void store_fours(targets_t to, Py_ssize_t at, four_t s, shift_t by) {
    const __m256i words = shifted(halves_added(s.a, s.b), halves_added(s.c, s.d), by); /* a c, b d */
    uint8_t found[32];
    _mm256_storeu_si256((__m256i *)found, _mm256_packus_epi16(words, words));
    memcpy(to.a + at, found, 4);
    memcpy(to.b + at, found + 16, 4);
    memcpy(to.c + at, found + 4, 4);
    memcpy(to.d + at, found + 20, 4);
}

#endif
