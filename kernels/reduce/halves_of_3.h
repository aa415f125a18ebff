/* The same with three channels, whose pixels are no numbers. Included with T, FIELD, NAME(x), and
 *   BESIDE             the bytes of some pixels in an order in which samples to be added lie side by side
 *   ALONE              the bytes of the lower halves of the fields
 * Twelve bytes, four or two pixels, make six. Sixteen are loaded, and eight written where more follow. */

typedef uint8_t NAME(bytes_t) __attribute__((vector_size(16)));
typedef FIELD NAME(fields_t) __attribute__((vector_size(16)));

static inline ALWAYS_INLINE NAME(fields_t) NAME(pairs_of)(const char *p, T flip) {
    NAME(bytes_t) v;
    memcpy(&v, p, sizeof v);
    const NAME(fields_t) beside = (NAME(fields_t))SHUFFLED(v, BESIDE) ^ (FIELD)((FIELD)flip << 4 * sizeof flip << 4 * sizeof flip | flip);
    return (beside & (FIELD)(T)~(T)0) + (beside >> 8 * sizeof(T));
}

static inline ALWAYS_INLINE void NAME(halves_of)(const char *const *rows, const int count, Py_ssize_t start,
                                                 Py_ssize_t blocks, T flip, char *to) {
    enum { IN = 12, OUT = 6, LOADED = 16, STORED = 8, EACH = IN / (6 * sizeof(T)) };
    const int bits = count == 4 ? 3 : count;
    const Py_ssize_t offset = start * 6 * (Py_ssize_t)sizeof(T);
    Py_ssize_t j = 0;
    for (; (blocks - j) * 6 * (Py_ssize_t)sizeof(T) >= LOADED && (blocks - j) * 3 * (Py_ssize_t)sizeof(T) >= STORED; j += EACH) {
        const Py_ssize_t at = offset + j * 6 * (Py_ssize_t)sizeof(T);
        NAME(fields_t) sums = NAME(pairs_of)(rows[0] + at, flip);
        for (int k = 1; k < count; k++) sums += NAME(pairs_of)(rows[k] + at, flip);
        sums = (sums + (FIELD)((1u << bits >> 1) - 1) + (sums >> bits & 1)) >> bits ^ flip;
        const NAME(bytes_t) found = SHUFFLED((NAME(bytes_t))sums, ALONE);
        memcpy(to + j * 3 * (Py_ssize_t)sizeof(T), &found, STORED);
    }
    for (; j < blocks; j++)
        for (int c = 0; c < 3; c++) {
            uint32_t sum = 0;
            for (int k = 0; k < count; k++) {
                const T *p = (const T *)(rows[k] + offset) + 6 * j + c;
                sum += (uint32_t)(T)(p[0] ^ flip) + (uint32_t)(T)(p[3] ^ flip);
            }
            ((T *)to)[3 * j + c] = (T)(shifted_32(sum, bits) ^ flip);
        }
}

static void NAME(halves)(const char *const *rows, Py_ssize_t count, Py_ssize_t start, Py_ssize_t blocks, T flip,
                         char *to) {
    if (count == 4) NAME(halves_of)(rows, 4, start, blocks, flip, to);
    else if (count == 2) NAME(halves_of)(rows, 2, start, blocks, flip, to);
    else NAME(halves_of)(rows, 1, start, blocks, flip, to);
}

#undef T
#undef FIELD
#undef NAME
#undef BESIDE
#undef ALONE
