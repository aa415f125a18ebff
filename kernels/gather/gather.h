/* The gather: every output element is one source element. Elements are opaque items of any size.
 *
 * Twin in numpy: `gather` in vrdask/transforms/reference.py.
 * Tests: tests/compute/test_kernels.py, tests/laws/test_fast_paths.py. */
#ifndef VRDASK_GATHER_H
#define VRDASK_GATHER_H

#include "common/types.h"

typedef struct { uint64_t low, high; } item16_t;
typedef struct { uint8_t bytes[6]; } item6_t; /* colours of 16 bits */
typedef struct { uint8_t bytes[12]; } item12_t; /* and of 32 */

typedef struct {
    const Py_ssize_t *rows; /* [count] byte offset of each output row's source row */
    const int32_t *index;   /* [n] item of that row */
    Py_ssize_t n;
    Py_ssize_t stride;      /* index[i] = stride * i, or 0 where there is no constant stride */
    Py_ssize_t size;        /* bytes of an item */
    Py_ssize_t span;        /* bytes over which source rows lie */
} gather_t;

enum { AHEAD = 8, NEAR_BYTES = 4096, CACHED_BYTES = 1 << 20 };

/* Short source rows far apart defeat the hardware's prefetcher: ask for the lines of a row some rows ahead, of an array that
 * a second-level cache does not hold. The bytes of a row to ask for, or 0. */
static inline Py_ssize_t bytes_ahead(const gather_t *g) {
    const Py_ssize_t bytes = (g->index[g->n - 1] + 1) * g->size;
    return bytes <= NEAR_BYTES && g->span > CACHED_BYTES ? bytes : 0;
}

#if defined(__GNUC__)
#define FROM_2(k) (k), (k) + 2
#define FROM_4(k) FROM_2(k), FROM_2((k) + 4)
#define FROM_8(k) FROM_4(k), FROM_4((k) + 8)
#define FROM_16(k) FROM_8(k), FROM_8((k) + 16)
#define FROM_32(k) FROM_16(k), FROM_16((k) + 32)
#define FROM_64(k) FROM_32(k), FROM_32((k) + 64)
#if defined(__clang__)
#define OF_TWO(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define OF_TWO(x, y, ...) __builtin_shuffle(x, y, (__typeof__(x)){__VA_ARGS__})
#endif
/* Every second item of a row of n > N, a vector's items: the even ones of two vectors. The last vector, which may overlap the
 * one before, takes the odd ones from one item earlier on: nothing behind the last item is read. */
#define SECOND_BY(T, BYTES, N)                                                                         \
    typedef T T##_by_##BYTES __attribute__((vector_size(BYTES), aligned(1), may_alias));               \
    static inline void second_##T##_by_##BYTES(const T *restrict a, T *restrict b, Py_ssize_t n) {     \
        const T *last = a + 2 * (n - N) - 1;                                                           \
        for (Py_ssize_t i = 0; i < n - N; i += N) {                                                    \
            const T##_by_##BYTES x = *(const T##_by_##BYTES *)(a + 2 * i);                             \
            const T##_by_##BYTES y = *(const T##_by_##BYTES *)(a + 2 * i + N);                         \
            *(T##_by_##BYTES *)(b + i) = OF_TWO(x, y, FROM_##N(0));                                    \
        }                                                                                              \
        const T##_by_##BYTES x = *(const T##_by_##BYTES *)last, y = *(const T##_by_##BYTES *)(last + N); \
        *(T##_by_##BYTES *)(b + n - N) = OF_TWO(x, y, FROM_##N(1));                                    \
    }
#define EVERY_SECOND(T, IN_16, IN_32, IN_64)                                                           \
    SECOND_BY(T, 16, IN_16)                                                                            \
    SECOND_BY(T, 32, IN_32)                                                                            \
    SECOND_BY(T, 64, IN_64)                                                                            \
    static inline void every_second_##T(const T *restrict a, T *restrict b, Py_ssize_t n) {            \
        if (VECTOR_BYTES >= 64 && n > IN_64)                                                           \
            second_##T##_by_64(a, b, n);                                                               \
        else if (VECTOR_BYTES >= 32 && n > IN_32)                                                      \
            second_##T##_by_32(a, b, n);                                                               \
        else if (n > IN_16)                                                                            \
            second_##T##_by_16(a, b, n);                                                               \
        else                                                                                           \
            for (Py_ssize_t i = 0; i < n; i++) b[i] = a[2 * i];                                        \
    }
EVERY_SECOND(uint8_t, 16, 32, 64)
EVERY_SECOND(uint16_t, 8, 16, 32)
EVERY_SECOND(uint32_t, 4, 8, 16)
EVERY_SECOND(uint64_t, 2, 4, 8)
#undef EVERY_SECOND
#undef SECOND_BY
#endif

#define PLAIN_SECOND(T)                                                                            \
    static inline void every_second_##T(const T *restrict a, T *restrict b, Py_ssize_t n) {        \
        for (Py_ssize_t i = 0; i < n; i++) b[i] = a[2 * i];                                        \
    }
#if !defined(__GNUC__)
PLAIN_SECOND(uint8_t)
PLAIN_SECOND(uint16_t)
PLAIN_SECOND(uint32_t)
PLAIN_SECOND(uint64_t)
#endif
PLAIN_SECOND(item6_t)
PLAIN_SECOND(item12_t)
PLAIN_SECOND(item16_t)
#undef PLAIN_SECOND

/* Items of three bytes are copied with one byte more, which the next item covers; those that are the last of the source
 * row, of which nothing more may be read, as they are. */
#define THREE(NAME, AT)                                                                            \
    static inline void three_##NAME(const uint8_t *a, uint8_t *b, Py_ssize_t n, const int32_t *index, Py_ssize_t stride) { \
        Py_ssize_t i = 0, before = n - 1;                                                          \
        while (before > 0 && index[before - 1] == index[n - 1]) before--;                          \
        for (uint32_t four; i < before; i++) {                                                     \
            memcpy(&four, a + 3 * (AT), 4);                                                        \
            memcpy(b + 3 * i, &four, 4);                                                           \
        }                                                                                          \
        for (; i < n; i++) memcpy(b + 3 * i, a + 3 * (AT), 3);                                     \
    }
THREE(strided, stride * i)
THREE(indexed, index[i])
#undef THREE

#define EACH_ROW(T, ITEMS)                                                   \
    for (Py_ssize_t r = begin; r < end; r++) {                               \
        if (r > begin && rows[r] == rows[r - 1]) {                           \
            memcpy(dst + r * row_bytes, dst + (r - 1) * row_bytes, row_bytes); \
            continue;                                                        \
        }                                                                    \
        if (r + AHEAD < end) prefetch_far(src + rows[r + AHEAD], ahead);     \
        const T *restrict a = (const T *)(src + rows[r]);                    \
        T *restrict b = (T *)(dst + r * row_bytes);                          \
        ITEMS(T);                                                            \
    }                                                                        \
    break

#define EACH_SIZE(ITEMS, THREE)                    \
    switch (g->size) {                             \
    case 1: EACH_ROW(uint8_t, ITEMS);              \
    case 2: EACH_ROW(uint16_t, ITEMS);             \
    case 3: EACH_ROW(uint8_t, THREE);              \
    case 4: EACH_ROW(uint32_t, ITEMS);             \
    case 6: EACH_ROW(item6_t, ITEMS);              \
    case 8: EACH_ROW(uint64_t, ITEMS);             \
    case 12: EACH_ROW(item12_t, ITEMS);            \
    case 16: EACH_ROW(item16_t, ITEMS);            \
    default:                                       \
        for (Py_ssize_t r = begin; r < end; r++)   \
            for (Py_ssize_t i = 0; i < n; i++)     \
                memcpy(dst + r * row_bytes + i * g->size, src + rows[r] + index[i] * g->size, (size_t)g->size); \
    }

#define SECOND(T) every_second_##T(a, b, n)
#define STRIDED(T) for (Py_ssize_t i = 0; i < n; i++) b[i] = a[stride * i]
#define INDEXED(T) for (Py_ssize_t i = 0; i < n; i++) b[i] = a[index[i]]
#define STRIDED_3(T) three_strided(a, b, n, index, stride)
#define INDEXED_3(T) three_indexed(a, b, n, index, stride)

/* Output rows [begin, end): item i of row r is item index[i] of the source row at byte rows[r]. */
static void gather_rows(const gather_t *g, const char *src, char *dst, Py_ssize_t begin, Py_ssize_t end) {
    const Py_ssize_t *restrict rows = g->rows;
    const int32_t *restrict index = g->index;
    const Py_ssize_t n = g->n, stride = g->stride, row_bytes = g->n * g->size, ahead = bytes_ahead(g);
    if (stride == 1) {
        for (Py_ssize_t r = begin; r < end; r++) memcpy(dst + r * row_bytes, src + rows[r], (size_t)row_bytes);
    } else if (stride == 2) {
        EACH_SIZE(SECOND, STRIDED_3)
    } else if (stride > 0) {
        EACH_SIZE(STRIDED, STRIDED_3)
    } else {
        EACH_SIZE(INDEXED, INDEXED_3)
    }
}
#undef EACH_SIZE
#undef EACH_ROW
#undef SECOND
#undef STRIDED
#undef INDEXED
#undef STRIDED_3
#undef INDEXED_3

#endif
