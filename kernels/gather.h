/* The gather: every output element is one source element. Elements are opaque items of any size. */
#ifndef VRDASK_GATHER_H
#define VRDASK_GATHER_H

#include <Python.h>
#include <stdint.h>
#include <string.h>

typedef struct { uint64_t low, high; } item16_t;

#define GATHER(T)                                                                            \
    do {                                                                                     \
        const T *restrict a = (const T *)src;                                                \
        T *restrict b = (T *)dst;                                                            \
        if (stride == 2) {                                                                   \
            for (Py_ssize_t i = 0; i < n; i++) b[i] = a[2 * i];                              \
        } else if (stride > 0) {                                                             \
            for (Py_ssize_t i = 0; i < n; i++) b[i] = a[stride * i];                         \
        } else {                                                                             \
            for (Py_ssize_t i = 0; i < n; i++) b[i] = a[index[i]];                           \
        }                                                                                    \
    } while (0)

/* dst[i] = src[index[i]], items of `size` bytes; index is relative to src. A constant stride (index[i] = stride * i)
 * may be given instead: 0 for none. */
static void gather_row(const char *src, char *dst, const int32_t *index, Py_ssize_t n, Py_ssize_t stride,
                       Py_ssize_t size) {
    if (stride == 1) {
        memcpy(dst, src, (size_t)(n * size));
        return;
    }
    switch (size) {
    case 1: GATHER(uint8_t); break;
    case 2: GATHER(uint16_t); break;
    case 4: GATHER(uint32_t); break;
    case 8: GATHER(uint64_t); break;
    case 16: GATHER(item16_t); break;
    default:
        for (Py_ssize_t i = 0; i < n; i++) memcpy(dst + i * size, src + index[i] * size, (size_t)size);
    }
}
#undef GATHER

#endif
