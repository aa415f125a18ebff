/* Maxima; minima, where all bits are flipped. Of floats by their keys, of which NaN has the least. */

#define GREATER(a, b) ((a) > (b) ? (a) : (b))
#define INTEGER_KEY(type, ELEMENT, v) FLIP(ELEMENT, v)
#define INTEGER_OF(type, ELEMENT, k) FLIP(ELEMENT, k)
#define FLOAT_KEY(type, ELEMENT, v) ((ELEMENT)(is_nan_##type(v) ? 0 : key_##type(v) ^ (ELEMENT)g->flip))
#define FLOAT_OF(type, ELEMENT, k) ((k) == 0 ? nan_##type() : of_key_##type((ELEMENT)((k) ^ (ELEMENT)g->flip)))

#define MAXIMA(type, ELEMENT, OF)                                                                             \
    static void max_##type(PARAMETERS) {                                                                      \
        const Py_ssize_t n = blocks * g->inner;                                                               \
        ELEMENT *restrict most = (ELEMENT *)scratch, *restrict b = (ELEMENT *)to;                             \
        max_##type##_fold(g, rows, count, start, blocks, places, most);                                       \
        for (Py_ssize_t i = 0; i < n; i++) b[i] = OF(type, ELEMENT, most[i]);                                 \
    }

#define T uint8_t
#define ACC uint8_t
#define NAME(x) max_u8_##x
#define LOAD(v) INTEGER_KEY(u8, uint8_t, v)
#define OP(a, b) GREATER(a, b)
#include "reduce/fold.h"
#define T uint16_t
#define ACC uint16_t
#define NAME(x) max_u16_##x
#define LOAD(v) INTEGER_KEY(u16, uint16_t, v)
#define OP(a, b) GREATER(a, b)
#include "reduce/fold.h"
#define T uint32_t
#define ACC uint32_t
#define NAME(x) max_u32_##x
#define LOAD(v) INTEGER_KEY(u32, uint32_t, v)
#define OP(a, b) GREATER(a, b)
#include "reduce/fold.h"
#define T uint64_t
#define ACC uint64_t
#define NAME(x) max_u64_##x
#define LOAD(v) INTEGER_KEY(u64, uint64_t, v)
#define OP(a, b) GREATER(a, b)
#include "reduce/fold.h"
#define T uint16_t
#define ACC uint16_t
#define NAME(x) max_f16_##x
#define LOAD(v) FLOAT_KEY(f16, uint16_t, v)
#define OP(a, b) GREATER(a, b)
#include "reduce/fold.h"
#define T uint32_t
#define ACC uint32_t
#define NAME(x) max_f32_##x
#define LOAD(v) FLOAT_KEY(f32, uint32_t, v)
#define OP(a, b) GREATER(a, b)
#include "reduce/fold.h"
#define T uint64_t
#define ACC uint64_t
#define NAME(x) max_f64_##x
#define LOAD(v) FLOAT_KEY(f64, uint64_t, v)
#define OP(a, b) GREATER(a, b)
#include "reduce/fold.h"

MAXIMA(u8, uint8_t, INTEGER_OF)
MAXIMA(u16, uint16_t, INTEGER_OF)
MAXIMA(u32, uint32_t, INTEGER_OF)
MAXIMA(u64, uint64_t, INTEGER_OF)
MAXIMA(f16, uint16_t, FLOAT_OF)
MAXIMA(f32, uint32_t, FLOAT_OF)
MAXIMA(f64, uint64_t, FLOAT_OF)
#undef MAXIMA
