/* Floats halved along some axes, in the precision of a resampling's sums: halves in float. */

enum { MOST_ROWS = 16 }; /* of a block: as MOST_HALVED in vrdask/transforms/blocks.py says */

#define OF_2(F, c) F(c, 0), F(c, 1)
#define OF_4(F, c) OF_2(F, c), F(c, 2), F(c, 3)
#define OF_8(F, c) OF_4(F, c), F(c, 4), F(c, 5), F(c, 6), F(c, 7)
#define OF_16(F, c) OF_8(F, c), F(c, 8), F(c, 9), F(c, 10), F(c, 11), F(c, 12), F(c, 13), F(c, 14), F(c, 15)
#if VECTOR_BYTES == 64
#define FLOATS(F, c) OF_16(F, c)
#define DOUBLES(F, c) OF_8(F, c)
#elif VECTOR_BYTES == 32
#define FLOATS(F, c) OF_8(F, c)
#define DOUBLES(F, c) OF_4(F, c)
#else
#define FLOATS(F, c) OF_4(F, c)
#define DOUBLES(F, c) OF_2(F, c)
#endif

#define T float
#define LANES (VECTOR_BYTES / 4)
#define INTEGER int32_t
#define EVERY FLOATS
#define NAME(x) f32_##x
#include "reduce/halving.h"
#define T double
#define LANES (VECTOR_BYTES / 8)
#define INTEGER int64_t
#define EVERY DOUBLES
#define NAME(x) f64_##x
#include "reduce/halving.h"

#undef OF_2
#undef OF_4
#undef OF_8
#undef OF_16
#undef FLOATS
#undef DOUBLES

/* Samples of a row at a time as floats. */
enum { HALVES_AT_ONCE = 256 };

static void f16_halved(const char *const *rows, Py_ssize_t count, Py_ssize_t start, Py_ssize_t blocks, Py_ssize_t places,
                       Py_ssize_t inner, int streams, uint16_t *to) {
    (void)streams;
    float floats[MOST_ROWS][HALVES_AT_ONCE], sums[HALVES_AT_ONCE];
    const char *held[MOST_ROWS];
    const Py_ssize_t width = places * inner, each = HALVES_AT_ONCE / width;
    for (Py_ssize_t k = 0; k < count; k++) held[k] = (const char *)floats[k];
    for (Py_ssize_t j = 0; j < blocks; j += each) {
        const Py_ssize_t some = blocks - j < each ? blocks - j : each;
        for (Py_ssize_t k = 0; k < count; k++) {
            const uint16_t *restrict from = (const uint16_t *)rows[k] + (start + j) * width;
            for (Py_ssize_t i = 0; i < some * width; i++) floats[k][i] = half_to_float(from[i]);
        }
        f32_halved(held, count, 0, some, places, inner, 0, sums);
        for (Py_ssize_t i = 0; i < some * inner; i++) to[j * inner + i] = float_to_half(sums[i]);
    }
}
