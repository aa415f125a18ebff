/* 64-bit integers to other element types, in one step: double does not hold them all, and a value that is copied must not
 * change, nor round twice. Saturating; to float32 to nearest, half to even. */
#ifndef VRDASK_WHOLE_H
#define VRDASK_WHOLE_H

#include "common/types.h"

/* The limits of both types, as values of T. */
#define WHOLE(t, T, u, U, LOW, HIGH)                                                           \
    static void whole_##t##_##u(const void *from, Py_ssize_t n, void *to) {                    \
        const T *restrict a = (const T *)from;                                                 \
        U *restrict b = (U *)to;                                                               \
        for (Py_ssize_t i = 0; i < n; i++) b[i] = (U)CLAMP(a[i], (T)(LOW), (T)(HIGH));         \
    }
#define WHOLE_FLOAT(t, T)                                                                      \
    static void whole_##t##_f32(const void *from, Py_ssize_t n, void *to) {                    \
        const T *restrict a = (const T *)from;                                                 \
        float *restrict b = (float *)to;                                                       \
        for (Py_ssize_t i = 0; i < n; i++) b[i] = (float)a[i];                                 \
    }

WHOLE(i64, int64_t, u8, uint8_t, 0, UINT8_MAX)
WHOLE(i64, int64_t, i8, int8_t, INT8_MIN, INT8_MAX)
WHOLE(i64, int64_t, u16, uint16_t, 0, UINT16_MAX)
WHOLE(i64, int64_t, i16, int16_t, INT16_MIN, INT16_MAX)
WHOLE(i64, int64_t, i32, int32_t, INT32_MIN, INT32_MAX)
WHOLE(i64, int64_t, u32, uint32_t, 0, UINT32_MAX)
WHOLE(i64, int64_t, u64, uint64_t, 0, INT64_MAX)
WHOLE_FLOAT(i64, int64_t)
WHOLE(u64, uint64_t, u8, uint8_t, 0, UINT8_MAX)
WHOLE(u64, uint64_t, i8, int8_t, 0, INT8_MAX)
WHOLE(u64, uint64_t, u16, uint16_t, 0, UINT16_MAX)
WHOLE(u64, uint64_t, i16, int16_t, 0, INT16_MAX)
WHOLE(u64, uint64_t, i32, int32_t, 0, INT32_MAX)
WHOLE(u64, uint64_t, u32, uint32_t, 0, UINT32_MAX)
WHOLE(u64, uint64_t, i64, int64_t, 0, INT64_MAX)
WHOLE_FLOAT(u64, uint64_t)

typedef void (*whole_t)(const void *, Py_ssize_t, void *);

/* By the code of the type that comes out; to float16 and float64 the way by double rounds no more than once: of those
 * halves that are finite it holds every integer. */
#define FROM(t, i, u) {whole_##t##_u8, whole_##t##_i8, whole_##t##_u16, whole_##t##_i16, NULL, whole_##t##_f32, \
                       whole_##t##_i32, whole_##t##_u32, i, u, NULL}
static const whole_t WHOLES[2][11] = {FROM(i64, NULL, whole_i64_u64), FROM(u64, whole_u64_i64, NULL)};
#undef FROM
#undef WHOLE
#undef WHOLE_FLOAT

/* Convert n items, if they are 64-bit integers and that needs care. */
static int convert_whole(int in_type, int out_type, const void *from, Py_ssize_t n, void *to) {
    const whole_t convert = in_type == I64 || in_type == U64 ? WHOLES[in_type == U64][out_type] : NULL;
    if (convert == NULL) return 0;
    convert(from, n, to);
    return 1;
}

#endif
