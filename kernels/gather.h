/* The gather: every output element is one source element. Elements are opaque items of any size. */
#ifndef VRDASK_GATHER_H
#define VRDASK_GATHER_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

typedef struct { uint64_t low, high; } item16_t;

typedef struct {
    const Py_ssize_t *rows; /* [count] byte offset of each output row's source row */
    const int32_t *index;   /* [n] item of that row */
    Py_ssize_t n;
    Py_ssize_t stride;      /* index[i] = stride * i, or 0 where there is no constant stride */
    Py_ssize_t size;        /* bytes of an item */
} gather_t;

#if defined(__GNUC__)
#define PREFETCH(p) __builtin_prefetch(p, 0, 2)
#else
#define PREFETCH(p) (void)(p)
#endif
enum { AHEAD = 12, NEAR_BYTES = 4096 };

/* Short source rows far apart defeat the hardware's prefetcher: ask for the lines of a row some rows ahead. */
static inline void prefetch_row(const gather_t *g, const char *src, Py_ssize_t r, Py_ssize_t end) {
    const Py_ssize_t bytes = (g->index[g->n - 1] + 1) * g->size;
    if (bytes <= NEAR_BYTES && r + AHEAD < end)
        for (Py_ssize_t at = 0; at < bytes; at += 64) PREFETCH(src + g->rows[r + AHEAD] + at);
}

#define EACH_ROW(T, AT)                                                      \
    for (Py_ssize_t r = begin; r < end; r++) {                               \
        if (r > begin && rows[r] == rows[r - 1]) {                           \
            memcpy(dst + r * row_bytes, dst + (r - 1) * row_bytes, row_bytes); \
            continue;                                                        \
        }                                                                    \
        prefetch_row(g, src, r, end);                                        \
        const T *restrict a = (const T *)(src + rows[r]);                    \
        T *restrict b = (T *)(dst + r * row_bytes);                          \
        for (Py_ssize_t i = 0; i < n; i++) b[i] = a[AT];                     \
    }                                                                        \
    break

#define EACH_SIZE(AT)                              \
    switch (g->size) {                             \
    case 1: EACH_ROW(uint8_t, AT);                 \
    case 2: EACH_ROW(uint16_t, AT);                \
    case 4: EACH_ROW(uint32_t, AT);                \
    case 8: EACH_ROW(uint64_t, AT);                \
    case 16: EACH_ROW(item16_t, AT);               \
    default:                                       \
        for (Py_ssize_t r = begin; r < end; r++)   \
            for (Py_ssize_t i = 0; i < n; i++)     \
                memcpy(dst + r * row_bytes + i * g->size, src + rows[r] + index[i] * g->size, (size_t)g->size); \
    }

/* Output rows [begin, end): item i of row r is item index[i] of the source row at byte rows[r]. */
static void gather_rows(const gather_t *g, const char *src, char *dst, Py_ssize_t begin, Py_ssize_t end) {
    const Py_ssize_t *restrict rows = g->rows;
    const int32_t *restrict index = g->index;
    const Py_ssize_t n = g->n, stride = g->stride, row_bytes = g->n * g->size;
    if (stride == 1) {
        for (Py_ssize_t r = begin; r < end; r++) memcpy(dst + r * row_bytes, src + rows[r], (size_t)row_bytes);
    } else if (stride == 2) {
        EACH_SIZE(2 * i)
    } else if (stride > 0) {
        EACH_SIZE(stride * i)
    } else {
        EACH_SIZE(index[i])
    }
}
#undef EACH_SIZE
#undef EACH_ROW

#endif
