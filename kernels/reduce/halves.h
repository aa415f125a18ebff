/* Means of blocks of two places along a row and of one, two or four rows. Included with
 *   T, BITS            type of a sample, 8 or 16 bits
 *   FIELD              type of a sum, of twice as many
 *   CHANNELS           samples of a pixel, which blocks leave apart: 1, 2 or 4
 *   PIXEL, PIXELS      types as large as one pixel, and as two
 *   NAME(x)            name-mangler
 * and defines NAME(halves)(rows, count, start, blocks, flip, to), whose count is to be a constant.
 *
 * Two pixels are one number. Its samples in turn go to the fields of two others, in which rows and then the pixels are
 * added: no lanes are moved. So the loop is plain C of which any compiler makes vectors. */

#define ONES ((PIXELS)((PIXELS)~(PIXELS)0 / (FIELD)~(FIELD)0)) /* in each field */
#define LOW ((PIXELS)(ONES * (T)~(T)0))
#define ADD_ROW(row)                                                                    \
    do {                                                                                \
        PIXELS v;                                                                       \
        memcpy(&v, (row) + j * (Py_ssize_t)sizeof v, sizeof v);                         \
        v ^= flips;                                                                     \
        even = (PIXELS)(even + (v & LOW)), odd = (PIXELS)(odd + (v >> BITS & LOW));     \
    } while (0)

/* Every field over 2^bits, halves to even. */
static inline ALWAYS_INLINE PIXELS NAME(rounded)(PIXELS sums, const int bits) {
    const PIXELS below_half = (PIXELS)(ONES * ((1u << bits >> 1) - 1));
    return (PIXELS)((PIXELS)(sums + below_half + (sums >> bits & ONES)) >> bits & LOW);
}

static inline ALWAYS_INLINE void NAME(halves)(const char *const *rows, const int count, Py_ssize_t start,
                                              Py_ssize_t blocks, T flip, char *restrict to) {
    const PIXELS flips = (PIXELS)((ONES | (PIXELS)(ONES << BITS)) * flip);
    const int bits = count == 4 ? 3 : count;
    const Py_ssize_t offset = start * (Py_ssize_t)sizeof(PIXELS);
    const char *restrict a = rows[0] + offset, *restrict b = rows[count > 1 ? 1 : 0] + offset;
    const char *restrict c = rows[count > 2 ? 2 : 0] + offset, *restrict d = rows[count > 2 ? 3 : 0] + offset;
    for (Py_ssize_t j = 0; j < blocks; j++) {
        PIXELS even = 0, odd = 0;
        ADD_ROW(a);
        if (count > 1) ADD_ROW(b);
        if (count > 2) { ADD_ROW(c); ADD_ROW(d); }
        PIXEL found;
        if (CHANNELS == 1)
            found = (PIXEL)(NAME(rounded)((PIXELS)(even + odd), bits) ^ flips);
        else {
            even = NAME(rounded)((PIXELS)(even + (even >> 4 * sizeof even)), bits);
            odd = NAME(rounded)((PIXELS)(odd + (odd >> 4 * sizeof odd)), bits);
            found = (PIXEL)((even | (PIXELS)(odd << BITS)) ^ flips);
        }
        memcpy(to + j * (Py_ssize_t)sizeof found, &found, sizeof found);
    }
}

#undef ONES
#undef LOW
#undef ADD_ROW
#undef T
#undef BITS
#undef FIELD
#undef CHANNELS
#undef PIXEL
#undef PIXELS
#undef NAME
