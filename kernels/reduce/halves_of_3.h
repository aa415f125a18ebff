/* The same with three channels, whose pixels are no numbers. Included with T, FIELD, NAME(x), and
 *   BESIDE             the bytes of some pixels in an order in which samples to be added lie side by side
 *   ALONE              the bytes of the lower halves of the fields
 * Twelve bytes, four or two pixels, make six. Sixteen are loaded, and eight written where more follow. */

typedef uint8_t NAME(bytes_t) __attribute__((vector_size(16)));
typedef FIELD NAME(fields_t) __attribute__((vector_size(16)));

static inline ALWAYS_INLINE NAME(fields_t) NAME(pairs_of)(const char *p, T flip) {
    NAME(bytes_t) v;
    memcpy(&v, p, sizeof v);
    const FIELD flips = (FIELD)((FIELD)flip << 8 * sizeof flip | flip);
    const NAME(fields_t) beside = (NAME(fields_t))SHUFFLED(v, BESIDE) ^ flips;
    return (beside & (FIELD)(T)~(T)0) + (beside >> 8 * sizeof flip);
}

static inline ALWAYS_INLINE void NAME(halves)(const char *const *rows, const int count, Py_ssize_t start,
                                              Py_ssize_t blocks, T flip, char *to) {
    enum { READ = 6 * sizeof(T), WRITTEN = 3 * sizeof(T), EACH = 12 / READ, LOADED = 16, STORED = 8 }; /* bytes; EACH: blocks */
    const int bits = count == 4 ? 3 : count;
    const Py_ssize_t offset = start * READ;
    Py_ssize_t j = 0;
    for (; (blocks - j) * READ >= LOADED && (blocks - j) * WRITTEN >= STORED; j += EACH) {
        const Py_ssize_t at = offset + j * READ;
        NAME(fields_t) sums = NAME(pairs_of)(rows[0] + at, flip);
        for (int k = 1; k < count; k++) sums += NAME(pairs_of)(rows[k] + at, flip);
        sums = (sums + (FIELD)((1u << bits >> 1) - 1) + (sums >> bits & 1)) >> bits ^ flip;
        const NAME(bytes_t) found = SHUFFLED((NAME(bytes_t))sums, ALONE);
        memcpy(to + j * WRITTEN, &found, STORED);
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

#undef T
#undef FIELD
#undef NAME
#undef BESIDE
#undef ALONE
