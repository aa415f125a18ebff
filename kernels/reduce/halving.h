/* Blocks of two samples along some axes, of floats: halves of two samples are added, along one axis after the other, the
 * first one first. These are the contraction's operations where a row of weights is a half and a half
 * (kernels/contract), to the bit. Included with
 *   T, LANES           float or double; how many a register holds
 *   INTEGER            of as many bits
 *   EVERY(F, c)        F(c, 0), F(c, 1), ..: one for each lane
 *   NAME(x)            name-mangler
 * and defines NAME(halved)(rows, count, start, blocks, places, inner, streams, to), which stores past the caches if asked.
 *
 * Of the rows of a block, which are in C order, those a half of them apart lie along its first axis. */

#define HALF(a, b) ((T)0.5 * (a) + (T)0.5 * (b))
/* What the rows hold at one place, of type V; AT(k) of row k. */
#define COLUMN(V, AT)                                                                            \
    V v[MOST_ROWS / 2];                                                                          \
    if (count == 1) return AT(0);                                                                \
    for (int k = 0; k < count / 2; k++) v[k] = HALF(AT(k), AT(k + count / 2));                   \
    for (int half = count / 4; half > 0; half /= 2)                                              \
        for (int k = 0; k < half; k++) v[k] = HALF(v[k], v[k + half]);                           \
    return v[0];

static inline ALWAYS_INLINE T NAME(column)(const char *const *rows, const int count, Py_ssize_t at) {
#define AT(k) ((const T *)rows[k])[at]
    COLUMN(T, AT)
#undef AT
}

static inline ALWAYS_INLINE void NAME(pixel)(const char *const *rows, const int count, Py_ssize_t at, Py_ssize_t inner,
                                             T *restrict to) {
    for (Py_ssize_t c = 0; c < inner; c++) {
        const T a = NAME(column)(rows, count, at + c), b = NAME(column)(rows, count, at + inner + c);
        to[c] = HALF(a, b);
    }
}

#if defined(__GNUC__)
typedef T NAME(lanes_t) __attribute__((vector_size(LANES * sizeof(T)), aligned(sizeof(T)), may_alias));
typedef INTEGER NAME(order_t) __attribute__((vector_size(LANES * sizeof(T))));

static inline ALWAYS_INLINE NAME(lanes_t) NAME(columns)(const char *const *rows, const int count, Py_ssize_t at) {
#define AT(k) (*(const NAME(lanes_t) *)((const T *)rows[k] + at))
    COLUMN(NAME(lanes_t), AT)
#undef AT
}

/* Of two registers of pixels that begin with a whole one, LANES / c of every second pixel. */
#define FIRST(c, lane) ((lane) < LANES / (c) * (c) ? (lane) / (c) * 2 * (c) + (lane) % (c) : 0)
#define SECOND(c, lane) (FIRST(c, lane) + ((lane) < LANES / (c) * (c) ? (c) : 0))
#if defined(__clang__)
#define PICKED(x, y, PLACE, c) __builtin_shufflevector(x, y, EVERY(PLACE, c))
#else
#define PICKED(x, y, PLACE, c) __builtin_shuffle(x, y, (NAME(order_t)){EVERY(PLACE, c)})
#endif
#define PIXELS(c)                                                                                                \
    static inline ALWAYS_INLINE Py_ssize_t NAME(pixels_##c)(const char *const *rows, const int count,            \
                                                            Py_ssize_t at, Py_ssize_t blocks, int streams, T *to) { \
        const Py_ssize_t each = LANES / (c), n = 2 * (c) * blocks;                                               \
        const Py_ssize_t aligned = (Py_ssize_t)(-(uintptr_t)to % (LANES * sizeof(T)) / sizeof(T));               \
        Py_ssize_t j = 0;                                                                                        \
        if (streams && LANES % (c) == 0 && aligned % (c) == 0)                                                   \
            for (; j < aligned / (c) && j < blocks; j++)                                                         \
                NAME(pixel)(rows, count, at + 2 * (c) * j, c, to + (c) * j);                                     \
        else                                                                                                     \
            streams = 0;                                                                                         \
        for (; 2 * (c) * j + 2 * LANES <= n && (c) * j + LANES <= (c) * blocks; j += each) {                     \
            const NAME(lanes_t) x = NAME(columns)(rows, count, at + 2 * (c) * j);                                \
            const NAME(lanes_t) y = NAME(columns)(rows, count, at + 2 * (c) * j + LANES);                        \
            const NAME(lanes_t) found = HALF(PICKED(x, y, FIRST, c), PICKED(x, y, SECOND, c));                   \
            if (CAN_STREAM && streams) STREAM(to + (c) * j, found);                                              \
            else *(NAME(lanes_t) *)(to + (c) * j) = found;                                                       \
        }                                                                                                        \
        return j;                                                                                                \
    }
PIXELS(1)
PIXELS(2)
#if LANES > 2
PIXELS(3)
PIXELS(4)
#endif
#undef PIXELS
#undef PICKED
#undef FIRST
#undef SECOND
#endif

static inline ALWAYS_INLINE void NAME(of_rows)(const char *const *rows, const int count, Py_ssize_t start,
                                               Py_ssize_t blocks, Py_ssize_t places, Py_ssize_t inner, int streams,
                                               T *restrict to) {
    const Py_ssize_t at = start * places * inner;
    Py_ssize_t j = 0;
    if (places == 1) {
#if defined(__GNUC__)
        for (; j + LANES <= blocks * inner; j += LANES) *(NAME(lanes_t) *)(to + j) = NAME(columns)(rows, count, at + j);
#endif
        for (; j < blocks * inner; j++) to[j] = NAME(column)(rows, count, at + j);
        return;
    }
#if defined(__GNUC__)
    if (inner == 1) j = NAME(pixels_1)(rows, count, at, blocks, streams, to);
    else if (inner == 2) j = NAME(pixels_2)(rows, count, at, blocks, streams, to);
#if LANES > 2
    else if (inner == 3) j = NAME(pixels_3)(rows, count, at, blocks, streams, to);
    else if (inner == 4) j = NAME(pixels_4)(rows, count, at, blocks, streams, to);
#endif
#endif
    for (; j < blocks; j++) NAME(pixel)(rows, count, at + 2 * inner * j, inner, to + inner * j);
}

static void NAME(halved)(const char *const *rows, Py_ssize_t count, Py_ssize_t start, Py_ssize_t blocks,
                         Py_ssize_t places, Py_ssize_t inner, int streams, T *to) {
    switch (count) {
    case 1: NAME(of_rows)(rows, 1, start, blocks, places, inner, streams, to); break;
    case 2: NAME(of_rows)(rows, 2, start, blocks, places, inner, streams, to); break;
    case 4: NAME(of_rows)(rows, 4, start, blocks, places, inner, streams, to); break;
    default: NAME(of_rows)(rows, (int)count, start, blocks, places, inner, streams, to);
    }
}

#undef HALF
#undef COLUMN
#undef T
#undef LANES
#undef INTEGER
#undef EVERY
#undef NAME
