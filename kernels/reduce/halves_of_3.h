/* The same with three channels, whose pixels are no numbers. Included with T, FIELD, NAME(x), and
 *   BESIDE             the bytes of some pixels in an order in which samples to be added lie side by side
 *   ALONE              the bytes of the lower halves of the fields
 * Twelve bytes, four or two pixels, make six: in each lane of a register, which is loaded whole. Of every lane eight are
 * written, the last two again by what follows. */

#ifndef LANE
/* Lanes of 16 bytes, each of which begins with the next twelve; and bytes of every lane in another order. */
#define LANE 16
#if defined(__AVX512BW__)
static inline ALWAYS_INLINE __m512i by_twelve(const char *p) {
    const __m512i order = _mm512_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12);
    return _mm512_permutexvar_epi32(order, _mm512_loadu_si512(p));
}
#define IN_LANES(v, ...) _mm512_shuffle_epi8((__m512i)(v), _mm512_broadcast_i32x4(_mm_setr_epi8(__VA_ARGS__)))
#elif defined(__AVX2__)
static inline ALWAYS_INLINE __m256i by_twelve(const char *p) {
    return _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)p), _mm256_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6));
}
#define IN_LANES(v, ...) _mm256_shuffle_epi8((__m256i)(v), _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__)))
#else
typedef uint8_t lane_t __attribute__((vector_size(LANE)));
static inline ALWAYS_INLINE lane_t by_twelve(const char *p) {
    lane_t v;
    memcpy(&v, p, sizeof v);
    return v;
}
#define IN_LANES(v, ...) SHUFFLED((lane_t)(v), __VA_ARGS__)
#endif
enum { MANY_LANES = VECTOR_BYTES / LANE };
#endif

typedef FIELD NAME(fields_t) __attribute__((vector_size(VECTOR_BYTES)));

static inline ALWAYS_INLINE NAME(fields_t) NAME(pairs_of)(const char *p, T flip) {
    const FIELD flips = (FIELD)((FIELD)flip << 8 * sizeof flip | flip);
    const NAME(fields_t) beside = (NAME(fields_t))IN_LANES(by_twelve(p), BESIDE) ^ flips;
    return (beside & (FIELD)(T)~(T)0) + (beside >> 8 * sizeof flip);
}

static inline ALWAYS_INLINE void NAME(halves)(const char *const *rows, const int count, Py_ssize_t start,
                                              Py_ssize_t blocks, T flip, char *to) {
    enum { READ = 6 * sizeof(T), WRITTEN = 3 * sizeof(T), EACH = 12 / READ, STORED = 6 * (MANY_LANES - 1) + 8 }; /* bytes; EACH: blocks */
    const int bits = count == 4 ? 3 : count;
    const Py_ssize_t offset = start * READ;
    Py_ssize_t j = 0;
    for (; (blocks - j) * READ >= VECTOR_BYTES && (blocks - j) * WRITTEN >= STORED; j += EACH * MANY_LANES) {
        const Py_ssize_t at = offset + j * READ;
        NAME(fields_t) sums = NAME(pairs_of)(rows[0] + at, flip);
        for (int k = 1; k < count; k++) sums += NAME(pairs_of)(rows[k] + at, flip);
        sums = (sums + (FIELD)((1u << bits >> 1) - 1) + (sums >> bits & 1)) >> bits ^ flip;
        const NAME(fields_t) found = (NAME(fields_t))IN_LANES(sums, ALONE);
        for (int k = 0; k < MANY_LANES; k++) memcpy(to + j * WRITTEN + 6 * k, (const char *)&found + LANE * k, 8);
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
