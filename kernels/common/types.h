/* Element types: their codes, sizes and conversions; and what else the kernels share. */
#ifndef VRDASK_TYPES_H
#define VRDASK_TYPES_H

#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON) && !defined(__ARM_BIG_ENDIAN)
#include <arm_neon.h>
#define VRDASK_NEON
#endif
#include "common/half.h"

#if defined(__GNUC__)
#define ALWAYS_INLINE __attribute__((always_inline))
#define NEVER_INLINE __attribute__((noinline))
#define PREFETCH(p) __builtin_prefetch(p)
#define PREFETCH_FAR(p) __builtin_prefetch(p, 0, 2)
#else
#define ALWAYS_INLINE
#define NEVER_INLINE
#define PREFETCH(p) ((void)0)
#define PREFETCH_FAR(p) ((void)0)
#endif

/* Ask for bytes that are needed soon, so that they are on their way from a farther cache while others are worked on. */
static inline void prefetch(const void *from, Py_ssize_t bytes) {
    for (Py_ssize_t at = 0; at < bytes; at += 64) PREFETCH((const char *)from + at);
}

/* The same from memory: into the second-level cache, to which far more lines can be on their way at a time. Inlined for certain:
 * GCC may leave out the call of a function that does nothing else. */
static inline ALWAYS_INLINE void prefetch_far(const char *from, Py_ssize_t bytes) {
    const char *stop = from + bytes;
    for (from -= (uintptr_t)from % 64; from < stop; from += 64) PREFETCH_FAR(from);
}

enum { U8, I8, U16, I16, F16, F32, I32, U32, I64, U64, F64 };
static const Py_ssize_t ELEMENT_SIZE[] = {1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8};

#define CLAMP(a, lo, hi) ((a) > (lo) ? ((a) < (hi) ? (a) : (hi)) : (lo))
#define NUMBER(a) ((a) == (a) ? (a) : 0)
/* Round half to even without a library call, for |a| < 2^22 (float) and 2^51 (double). */
#define NEAREST_F(a) (((a) + 12582912.0f) - 12582912.0f)
#define NEAREST_D(a) (((a) + 6755399441055744.0) - 6755399441055744.0)

static inline int64_t double_to_i64(double a) {
    return a >= 0x1p63 ? INT64_MAX : a >= -0x1p63 ? (int64_t)rint(a) : a == a ? INT64_MIN : 0;
}
static inline uint64_t double_to_u64(double a) {
    return a >= 0x1p64 ? UINT64_MAX : a > 0 ? (uint64_t)rint(a) : 0;
}

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

/* Store a register past the caches, at a multiple of its size; and what comes between that and whoever looks. */
#if !defined(__GNUC__)
#elif defined(__AVX512F__)
#define STREAM(p, v) _mm512_stream_si512((__m512i *)(p), (__m512i)(v))
#elif defined(__AVX2__)
#define STREAM(p, v) _mm256_stream_si256((__m256i *)(p), (__m256i)(v))
#elif defined(__SSE2__)
#define STREAM(p, v) _mm_stream_si128((__m128i *)(p), (__m128i)(v))
#endif
#if defined(STREAM)
#define STREAMED() _mm_sfence()
enum { CAN_STREAM = 1 };
#else
#define STREAM(p, v) ((void)0)
#define STREAMED() ((void)0)
enum { CAN_STREAM = 0 };
#endif

/* The bytes of a vector in another order, where there is an instruction for it. */
#if !defined(__SSSE3__) && !defined(__ARM_NEON)
#elif defined(__clang__)
#define SHUFFLED(v, ...) __builtin_shufflevector(v, v, __VA_ARGS__)
#elif defined(__GNUC__)
#define SHUFFLED(v, ...) __builtin_shuffle(v, (__typeof__(v)){__VA_ARGS__})
#endif

/* Before a loop that reads elements which later rounds of it overwrite, and none that earlier ones have written. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif

#endif
