/* One register of sums, for one accumulator type: included with ACC, S(name), and ACC_IS_DOUBLE where ACC is double.
 *
 *     S(vector_t)                 a register; +, - and * are the compiler's, lane by lane. Without GNU C there is none,
 *                                 and HAS_VECTOR is not defined
 *     S(load), S(save)            any address
 *     S(pick)(x, y, pattern)      lanes of two registers, in any order: where HAS_PICK is defined
 *     S(pick_one)(x, pattern)     lanes of one, in any order
 *     S(pattern_of)(index), S(pattern_plus)(pattern, n)   such an order, from int32 numbers; n lanes further on
 *     S(pattern_twice)(index, n)  the same for half of the lanes, and again n lanes further on for the other half
 *     S(lower)(x, y), S(upper)(x, y)                      the lower halves of two registers, and the upper ones
 *     S(load_some)(p, first(n))   the first n lanes alone: no memory behind them is touched
 *     S(above)(count, k)          lanes whose int32 count is above k
 *     S(where)(mask, a, b)        a where the mask says so, else b
 *
 * No operation rounds twice or fuses: lanes have the bits of plain C. */

#if defined(__GNUC__)
#define HAS_VECTOR
typedef ACC S(vector_t) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(ACC)), may_alias));
enum { S(VECTOR_LANES) = VECTOR_BYTES / sizeof(ACC) };

static inline ALWAYS_INLINE S(vector_t) S(load)(const ACC *p) { return *(const S(vector_t) *)p; }
static inline ALWAYS_INLINE void S(save)(ACC *p, S(vector_t) v) { *(S(vector_t) *)p = v; }
#endif

#if defined(__AVX512F__) && !defined(ACC_IS_DOUBLE)
#define HAS_PICK
typedef __m512i S(pattern_t);
typedef __mmask16 S(mask_t);
static inline ALWAYS_INLINE __m512i S(pattern_of)(const int32_t *index) { return _mm512_loadu_si512(index); }
static inline ALWAYS_INLINE __m512i S(pattern_plus)(__m512i pattern, int n) {
    return _mm512_add_epi32(pattern, _mm512_set1_epi32(n));
}
static inline ALWAYS_INLINE S(vector_t) S(pick)(S(vector_t) x, S(vector_t) y, __m512i pattern) {
    return (S(vector_t))_mm512_permutex2var_ps((__m512)x, pattern, (__m512)y);
}
static inline ALWAYS_INLINE S(vector_t) S(pick_one)(S(vector_t) x, __m512i pattern) {
    return (S(vector_t))_mm512_permutexvar_ps(pattern, (__m512)x);
}
static inline ALWAYS_INLINE __m512i S(pattern_twice)(const int32_t *index, int n) {
    const __m256i half = _mm256_loadu_si256((const __m256i *)index);
    return _mm512_inserti64x4(_mm512_castsi256_si512(half), _mm256_add_epi32(half, _mm256_set1_epi32(n)), 1);
}
static inline ALWAYS_INLINE S(vector_t) S(lower)(S(vector_t) x, S(vector_t) y) {
    return (S(vector_t))_mm512_shuffle_f32x4((__m512)x, (__m512)y, 0x44);
}
static inline ALWAYS_INLINE S(vector_t) S(upper)(S(vector_t) x, S(vector_t) y) {
    return (S(vector_t))_mm512_shuffle_f32x4((__m512)x, (__m512)y, 0xee);
}
static inline ALWAYS_INLINE __mmask16 S(first)(Py_ssize_t n) {
    return (__mmask16)(n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1);
}
static inline ALWAYS_INLINE __mmask16 S(above)(const int32_t *count, int k) {
    return _mm512_cmplt_epi32_mask(_mm512_set1_epi32(k), _mm512_loadu_si512(count));
}
static inline ALWAYS_INLINE S(vector_t) S(load_some)(const ACC *p, __mmask16 mask) {
    return (S(vector_t))_mm512_maskz_loadu_ps(mask, p);
}
static inline ALWAYS_INLINE S(vector_t) S(where)(__mmask16 mask, S(vector_t) a, S(vector_t) b) {
    return (S(vector_t))_mm512_mask_mov_ps((__m512)b, mask, (__m512)a);
}
#elif defined(__AVX512F__)
#define HAS_PICK
typedef __m512i S(pattern_t);
typedef __mmask8 S(mask_t);
static inline ALWAYS_INLINE __m512i S(pattern_of)(const int32_t *index) {
    return _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)index));
}
static inline ALWAYS_INLINE __m512i S(pattern_plus)(__m512i pattern, int n) {
    return _mm512_add_epi64(pattern, _mm512_set1_epi64(n));
}
static inline ALWAYS_INLINE S(vector_t) S(pick)(S(vector_t) x, S(vector_t) y, __m512i pattern) {
    return (S(vector_t))_mm512_permutex2var_pd((__m512d)x, pattern, (__m512d)y);
}
static inline ALWAYS_INLINE S(vector_t) S(pick_one)(S(vector_t) x, __m512i pattern) {
    return (S(vector_t))_mm512_permutexvar_pd(pattern, (__m512d)x);
}
static inline ALWAYS_INLINE __m512i S(pattern_twice)(const int32_t *index, int n) {
    const __m128i half = _mm_loadu_si128((const __m128i *)index);
    return _mm512_cvtepi32_epi64(_mm256_set_m128i(_mm_add_epi32(half, _mm_set1_epi32(n)), half));
}
static inline ALWAYS_INLINE S(vector_t) S(lower)(S(vector_t) x, S(vector_t) y) {
    return (S(vector_t))_mm512_shuffle_f64x2((__m512d)x, (__m512d)y, 0x44);
}
static inline ALWAYS_INLINE S(vector_t) S(upper)(S(vector_t) x, S(vector_t) y) {
    return (S(vector_t))_mm512_shuffle_f64x2((__m512d)x, (__m512d)y, 0xee);
}
static inline ALWAYS_INLINE __mmask8 S(first)(Py_ssize_t n) {
    return (__mmask8)(n >= 8 ? 0xff : n <= 0 ? 0 : (1u << n) - 1);
}
static inline ALWAYS_INLINE __mmask8 S(above)(const int32_t *count, int k) {
    return _mm256_cmplt_epi32_mask(_mm256_set1_epi32(k), _mm256_loadu_si256((const __m256i *)count));
}
static inline ALWAYS_INLINE S(vector_t) S(load_some)(const ACC *p, __mmask8 mask) {
    return (S(vector_t))_mm512_maskz_loadu_pd(mask, p);
}
static inline ALWAYS_INLINE S(vector_t) S(where)(__mmask8 mask, S(vector_t) a, S(vector_t) b) {
    return (S(vector_t))_mm512_mask_mov_pd((__m512d)b, mask, (__m512d)a);
}
#elif defined(__AVX2__) && !defined(ACC_IS_DOUBLE)
#define HAS_PICK
#define PICKS_COST_MORE /* than pick_one */
typedef __m256i S(pattern_t);
typedef __m256i S(mask_t);
static inline ALWAYS_INLINE __m256i S(pattern_of)(const int32_t *index) {
    return _mm256_loadu_si256((const __m256i *)index);
}
static inline ALWAYS_INLINE __m256i S(pattern_plus)(__m256i pattern, int n) {
    return _mm256_add_epi32(pattern, _mm256_set1_epi32(n));
}
static inline ALWAYS_INLINE S(vector_t) S(pick)(S(vector_t) x, S(vector_t) y, __m256i pattern) {
    return (S(vector_t))_mm256_blendv_ps(_mm256_permutevar8x32_ps((__m256)x, pattern),
                                         _mm256_permutevar8x32_ps((__m256)y, pattern),
                                         _mm256_castsi256_ps(_mm256_cmpgt_epi32(pattern, _mm256_set1_epi32(7))));
}
static inline ALWAYS_INLINE S(vector_t) S(pick_one)(S(vector_t) x, __m256i pattern) {
    return (S(vector_t))_mm256_permutevar8x32_ps((__m256)x, pattern);
}
static inline ALWAYS_INLINE __m256i S(pattern_twice)(const int32_t *index, int n) {
    const __m128i half = _mm_loadu_si128((const __m128i *)index);
    return _mm256_set_m128i(_mm_add_epi32(half, _mm_set1_epi32(n)), half);
}
static inline ALWAYS_INLINE S(vector_t) S(lower)(S(vector_t) x, S(vector_t) y) {
    return (S(vector_t))_mm256_permute2f128_ps((__m256)x, (__m256)y, 0x20);
}
static inline ALWAYS_INLINE S(vector_t) S(upper)(S(vector_t) x, S(vector_t) y) {
    return (S(vector_t))_mm256_permute2f128_ps((__m256)x, (__m256)y, 0x31);
}
static inline ALWAYS_INLINE __m256i S(first)(Py_ssize_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)CLAMP(n, 0, 8)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline ALWAYS_INLINE __m256i S(above)(const int32_t *count, int k) {
    return _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)count), _mm256_set1_epi32(k));
}
static inline ALWAYS_INLINE S(vector_t) S(load_some)(const ACC *p, __m256i mask) {
    return (S(vector_t))_mm256_maskload_ps(p, mask);
}
static inline ALWAYS_INLINE S(vector_t) S(where)(__m256i mask, S(vector_t) a, S(vector_t) b) {
    return (S(vector_t))_mm256_blendv_ps((__m256)b, (__m256)a, _mm256_castsi256_ps(mask));
}
#elif defined(__AVX2__)
#define HAS_PICK
#define PICKS_COST_MORE
/* No instruction permutes doubles by a pattern: one for floats permutes their halves. */
typedef __m256i S(pattern_t);
typedef __m256i S(mask_t);
static inline ALWAYS_INLINE __m256i S(pattern_of_halves)(__m128i index) {
    const __m256i twice = _mm256_cvtepi32_epi64(_mm_add_epi32(index, index));
    return _mm256_or_si256(_mm256_shuffle_epi32(twice, 0xa0), _mm256_set1_epi64x((long long)1 << 32));
}
static inline ALWAYS_INLINE __m256i S(pattern_of)(const int32_t *index) {
    return S(pattern_of_halves)(_mm_loadu_si128((const __m128i *)index));
}
static inline ALWAYS_INLINE __m256i S(pattern_plus)(__m256i pattern, int n) {
    return _mm256_add_epi32(pattern, _mm256_set1_epi32(2 * n));
}
static inline ALWAYS_INLINE S(vector_t) S(pick_one)(S(vector_t) x, __m256i pattern) {
    return (S(vector_t))_mm256_permutevar8x32_ps((__m256)x, pattern);
}
static inline ALWAYS_INLINE S(vector_t) S(pick)(S(vector_t) x, S(vector_t) y, __m256i pattern) {
    return (S(vector_t))_mm256_blendv_ps(_mm256_permutevar8x32_ps((__m256)x, pattern),
                                         _mm256_permutevar8x32_ps((__m256)y, pattern),
                                         _mm256_castsi256_ps(_mm256_cmpgt_epi32(pattern, _mm256_set1_epi32(7))));
}
static inline ALWAYS_INLINE __m256i S(pattern_twice)(const int32_t *index, int n) {
    const __m128i half = _mm_loadl_epi64((const __m128i *)index);
    return S(pattern_of_halves)(_mm_unpacklo_epi64(half, _mm_add_epi32(half, _mm_set1_epi32(n))));
}
static inline ALWAYS_INLINE S(vector_t) S(lower)(S(vector_t) x, S(vector_t) y) {
    return (S(vector_t))_mm256_permute2f128_pd((__m256d)x, (__m256d)y, 0x20);
}
static inline ALWAYS_INLINE S(vector_t) S(upper)(S(vector_t) x, S(vector_t) y) {
    return (S(vector_t))_mm256_permute2f128_pd((__m256d)x, (__m256d)y, 0x31);
}
static inline ALWAYS_INLINE __m256i S(first)(Py_ssize_t n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}
static inline ALWAYS_INLINE __m256i S(above)(const int32_t *count, int k) {
    return _mm256_cvtepi32_epi64(_mm_cmpgt_epi32(_mm_loadu_si128((const __m128i *)count), _mm_set1_epi32(k)));
}
static inline ALWAYS_INLINE S(vector_t) S(load_some)(const ACC *p, __m256i mask) {
    return (S(vector_t))_mm256_maskload_pd(p, mask);
}
static inline ALWAYS_INLINE S(vector_t) S(where)(__m256i mask, S(vector_t) a, S(vector_t) b) {
    return (S(vector_t))_mm256_blendv_pd((__m256d)b, (__m256d)a, _mm256_castsi256_pd(mask));
}
#endif
