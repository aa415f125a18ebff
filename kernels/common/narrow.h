/* Floats to integers of 8 and 16 bits by registers: rounded half to even, saturating, NaN to 0, as STORE of elements.h says.
 *
 *     narrow_u8(from, n, to), narrow_i8, ..                       how many of n were stored: all, or none where n is too few
 *     narrow_two_u8(a, b, w, n, to), ..                           the same of w[0] * a + w[1] * b
 *
 * The last register may overlap the one before it: it stores the same values again. */
#ifndef VRDASK_NARROW_H
#define VRDASK_NARROW_H

#include "common/types.h"

#if defined(__AVX512F__)
#define HAS_NARROW
enum { NARROW_STEP = 16 };
typedef __m512 floats_t;
#define FLOATS(name) _mm512_##name
/* Of an unsigned type: what is too large to be an int32 is as large unsigned, and saturates. */
static inline ALWAYS_INLINE __m512i whole_u(__m512 v, float high) {
    (void)high;
    return _mm512_cvtps_epi32(_mm512_max_ps(v, _mm512_setzero_ps()));
}
static inline ALWAYS_INLINE __m512i whole_i(__m512 v, float high) {
    return _mm512_cvtps_epi32(
        _mm512_min_ps(_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(v, v, _CMP_ORD_Q), v), _mm512_set1_ps(high)));
}
#define PACK(name, T, register_t, save, convert) \
    static inline ALWAYS_INLINE void pack_##name(T *to, __m512i v) { save((register_t *)to, convert(v)); }
PACK(u8, uint8_t, __m128i, _mm_storeu_si128, _mm512_cvtusepi32_epi8)
PACK(i8, int8_t, __m128i, _mm_storeu_si128, _mm512_cvtsepi32_epi8)
PACK(u16, uint16_t, __m256i, _mm256_storeu_si256, _mm512_cvtusepi32_epi16)
PACK(i16, int16_t, __m256i, _mm256_storeu_si256, _mm512_cvtsepi32_epi16)
#undef PACK

#elif defined(__AVX2__)
#define HAS_NARROW
enum { NARROW_STEP = 8 };
typedef __m256 floats_t;
#define FLOATS(name) _mm256_##name
static inline ALWAYS_INLINE __m256i whole_u(__m256 v, float high) {
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(v, _mm256_setzero_ps()), _mm256_set1_ps(high)));
}
static inline ALWAYS_INLINE __m256i whole_i(__m256 v, float high) {
    const __m256 number = _mm256_and_ps(v, _mm256_cmp_ps(v, v, _CMP_ORD_Q));
    return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(number, _mm256_set1_ps(-1 - high)), _mm256_set1_ps(high)));
}
#define HALVES(v) _mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)
static inline ALWAYS_INLINE void pack_u16(uint16_t *to, __m256i v) { _mm_storeu_si128((__m128i *)to, _mm_packus_epi32(HALVES(v))); }
static inline ALWAYS_INLINE void pack_i16(int16_t *to, __m256i v) { _mm_storeu_si128((__m128i *)to, _mm_packs_epi32(HALVES(v))); }
static inline ALWAYS_INLINE void pack_u8(uint8_t *to, __m256i v) {
    const __m128i w = _mm_packs_epi32(HALVES(v));
    _mm_storel_epi64((__m128i *)to, _mm_packus_epi16(w, w));
}
static inline ALWAYS_INLINE void pack_i8(int8_t *to, __m256i v) {
    const __m128i w = _mm_packs_epi32(HALVES(v));
    _mm_storel_epi64((__m128i *)to, _mm_packs_epi16(w, w));
}
#undef HALVES
/* Four registers at once. */
#define HAS_NARROW_MANY
#define PACK_MANY(name, T, sign, pack, high)                                                                           \
    static inline ALWAYS_INLINE void pack_many_##name(T *to, __m256 a, __m256 b, __m256 c, __m256 d) {                 \
        const __m256i v = pack(_mm256_packs_epi32(whole_##sign(a, high), whole_##sign(b, high)),                       \
                               _mm256_packs_epi32(whole_##sign(c, high), whole_##sign(d, high)));                      \
        _mm256_storeu_si256((__m256i *)to, _mm256_permutevar8x32_epi32(v, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))); \
    }
#define PACK_TWICE(name, T, sign, pack, high)                                                                \
    static inline ALWAYS_INLINE void pack_many_##name(T *to, __m256 a, __m256 b, __m256 c, __m256 d) {       \
        const __m256i v = pack(whole_##sign(a, high), whole_##sign(b, high));                                \
        const __m256i w = pack(whole_##sign(c, high), whole_##sign(d, high));                                \
        _mm256_storeu_si256((__m256i *)to, _mm256_permute4x64_epi64(v, 0xd8));                               \
        _mm256_storeu_si256((__m256i *)(to + 16), _mm256_permute4x64_epi64(w, 0xd8));                        \
    }
PACK_MANY(u8, uint8_t, u, _mm256_packus_epi16, 255.0f)
PACK_MANY(i8, int8_t, i, _mm256_packs_epi16, 127.0f)
PACK_TWICE(u16, uint16_t, u, _mm256_packus_epi32, 65535.0f)
PACK_TWICE(i16, int16_t, i, _mm256_packs_epi32, 32767.0f)
#undef PACK_MANY
#undef PACK_TWICE

#elif defined(VRDASK_NEON)
#define HAS_NARROW
enum { NARROW_STEP = 4 };
typedef float32x4_t floats_t;
#define FLOATS(name) floats_##name
static inline ALWAYS_INLINE floats_t floats_loadu_ps(const float *p) { return vld1q_f32(p); }
static inline ALWAYS_INLINE floats_t floats_set1_ps(float v) { return vdupq_n_f32(v); }
static inline ALWAYS_INLINE floats_t floats_add_ps(floats_t a, floats_t b) { return vaddq_f32(a, b); }
static inline ALWAYS_INLINE floats_t floats_mul_ps(floats_t a, floats_t b) { return vmulq_f32(a, b); }
/* These saturate by themselves, and make NaN 0. */
static inline ALWAYS_INLINE uint32x4_t whole_u(floats_t v, float high) {
    (void)high;
    return vcvtnq_u32_f32(v);
}
static inline ALWAYS_INLINE int32x4_t whole_i(floats_t v, float high) {
    (void)high;
    return vcvtnq_s32_f32(v);
}
/* Four to eight bytes of a register. */
#define PACK(name, T, wide_t, half_t, half) \
    static inline ALWAYS_INLINE void pack_##name(T *to, wide_t v) { \
        const half_t found = half;                                  \
        memcpy(to, &found, 4 * sizeof(T));                          \
    }
PACK(u16, uint16_t, uint32x4_t, uint16x4_t, vqmovn_u32(v))
PACK(i16, int16_t, int32x4_t, int16x4_t, vqmovn_s32(v))
PACK(u8, uint8_t, uint32x4_t, uint8x8_t, vqmovn_u16(vcombine_u16(vqmovn_u32(v), vdup_n_u16(0))))
PACK(i8, int8_t, int32x4_t, int8x8_t, vqmovn_s16(vcombine_s16(vqmovn_s32(v), vdup_n_s16(0))))
#undef PACK
#define HAS_NARROW_MANY
#define EIGHT(sign, type, a, b) vqmovn_high_##type##32(vqmovn_##type##32(whole_##sign(a, 0)), whole_##sign(b, 0))
#define PACK_MANY(name, T, sign, type)                                                                               \
    static inline ALWAYS_INLINE void pack_many_##name(T *to, floats_t a, floats_t b, floats_t c, floats_t d) {       \
        vst1q_##type##8(to, vqmovn_high_##type##16(vqmovn_##type##16(EIGHT(sign, type, a, b)), EIGHT(sign, type, c, d))); \
    }
#define PACK_TWICE(name, T, sign, type)                                                                              \
    static inline ALWAYS_INLINE void pack_many_##name(T *to, floats_t a, floats_t b, floats_t c, floats_t d) {       \
        vst1q_##type##16(to, EIGHT(sign, type, a, b));                                                               \
        vst1q_##type##16(to + 8, EIGHT(sign, type, c, d));                                                           \
    }
PACK_MANY(u8, uint8_t, u, u)
PACK_MANY(i8, int8_t, i, s)
PACK_TWICE(u16, uint16_t, u, u)
PACK_TWICE(i16, int16_t, i, s)
#undef PACK_MANY
#undef PACK_TWICE
#undef EIGHT
#endif

#ifdef HAS_NARROW_MANY
#define MANY(name, AT)                                     \
    for (; i + 4 * NARROW_STEP <= n; i += 4 * NARROW_STEP) \
        pack_many_##name(to + i, AT(i), AT(i + NARROW_STEP), AT(i + 2 * NARROW_STEP), AT(i + 3 * NARROW_STEP));
#else
#define MANY(name, AT)
#endif

#ifdef HAS_NARROW
#define STORED(name, sign, high, AT)                                                    \
    Py_ssize_t i = 0;                                                                   \
    if (n < NARROW_STEP) return 0;                                                      \
    MANY(name, AT)                                                                      \
    while (i < n) {                                                                     \
        if (i + NARROW_STEP > n) i = n - NARROW_STEP;                                   \
        pack_##name(to + i, whole_##sign(AT(i), high));                                 \
        i += NARROW_STEP;                                                               \
    }                                                                                   \
    return n;
#define ONE(i) FLOATS(loadu_ps)(from + (i))
#define TWO(i) FLOATS(add_ps)(FLOATS(mul_ps)(v, FLOATS(loadu_ps)(a + (i))), FLOATS(mul_ps)(u, FLOATS(loadu_ps)(b + (i))))
#define NARROW(name, T, sign, high)                                                                                  \
    static Py_ssize_t narrow_##name(const float *from, Py_ssize_t n, T *to) { STORED(name, sign, high, ONE) }        \
    static Py_ssize_t narrow_two_##name(const float *a, const float *b, const float *w, Py_ssize_t n, void *target) { \
        const floats_t v = FLOATS(set1_ps)(w[0]), u = FLOATS(set1_ps)(w[1]);                                         \
        T *to = (T *)target;                                                                                         \
        STORED(name, sign, high, TWO)                                                                                \
    }
NARROW(u8, uint8_t, u, 255.0f)
NARROW(i8, int8_t, i, 127.0f)
NARROW(u16, uint16_t, u, 65535.0f)
NARROW(i16, int16_t, i, 32767.0f)
#undef NARROW
#undef STORED
#undef ONE
#undef TWO
#undef MANY
#undef FLOATS

typedef Py_ssize_t (*narrow_two_t)(const float *, const float *, const float *, Py_ssize_t, void *);
static const narrow_two_t NARROW_TWO[] = {narrow_two_u8, narrow_two_i8, narrow_two_u16, narrow_two_i16}; /* by code */
#endif

#endif
