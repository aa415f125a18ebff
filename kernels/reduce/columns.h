/* Sums of blocks of integers: of their rows first, side by side as they lie, then of the places along a row. Included
 * with
 *   T, SUM, FLIPPED(v) type of a sample, of a sum, and what is added of a sample
 *   NAME(x)            name-mangler
 * and defines NAME(summed)(g, rows, count, start, blocks, places, sums). */

enum { NAME(STEP) = 4096 / sizeof(SUM) }; /* sums of columns at a time: they stay in the first-level cache */

static inline ALWAYS_INLINE void NAME(places)(const SUM *restrict columns, Py_ssize_t blocks, const Py_ssize_t places,
                                              const Py_ssize_t inner, SUM *restrict sums) {
    for (Py_ssize_t j = 0; j < blocks; j++)
        for (Py_ssize_t c = 0; c < inner; c++) {
            SUM sum = columns[j * places * inner + c];
            for (Py_ssize_t k = 1; k < places; k++) sum += columns[(j * places + k) * inner + c];
            sums[j * inner + c] = sum;
        }
}

#define OF_PLACES(k)                                                                                \
    case k:                                                                                         \
        if (inner == 1) NAME(places)(columns, blocks, k, 1, sums);                                  \
        else if (inner == 3) NAME(places)(columns, blocks, k, 3, sums);                             \
        else NAME(places)(columns, blocks, k, inner, sums);                                         \
        return;

static void NAME(sum_places)(const SUM *restrict columns, Py_ssize_t blocks, Py_ssize_t places, Py_ssize_t inner,
                             SUM *restrict sums) {
    switch (places) {
    OF_PLACES(2)
    OF_PLACES(3)
    OF_PLACES(4)
    OF_PLACES(8)
    default: NAME(places)(columns, blocks, places, inner, sums);
    }
}
#undef OF_PLACES

static void NAME(sum_rows)(const reduce_t *g, const char *const *rows, Py_ssize_t count, Py_ssize_t at, Py_ssize_t n,
                           SUM *restrict columns) {
    Py_ssize_t r = 0;
#define ROW(k) const T *restrict row_##k = (const T *)rows[r + k] + at;
#define OF(k) (SUM)FLIPPED(row_##k[i])
    if (count >= 4) {
        ROW(0) ROW(1) ROW(2) ROW(3)
        for (Py_ssize_t i = 0; i < n; i++) columns[i] = OF(0) + OF(1) + OF(2) + OF(3);
        r = 4;
    } else {
        ROW(0)
        for (Py_ssize_t i = 0; i < n; i++) columns[i] = OF(0);
        r = 1;
    }
    for (; r + 4 <= count; r += 4) {
        ROW(0) ROW(1) ROW(2) ROW(3)
        for (Py_ssize_t i = 0; i < n; i++) columns[i] += OF(0) + OF(1) + OF(2) + OF(3);
    }
    for (; r < count; r++) {
        ROW(0)
        for (Py_ssize_t i = 0; i < n; i++) columns[i] += OF(0);
    }
#undef ROW
#undef OF
}

static void NAME(summed)(const reduce_t *g, const char *const *rows, Py_ssize_t count, Py_ssize_t start,
                         Py_ssize_t blocks, Py_ssize_t places, SUM *restrict sums) {
    const Py_ssize_t inner = g->inner, width = places * inner, most = NAME(STEP) / inner;
    SUM columns[NAME(STEP)];
    if (places > most) { /* some places of a block at a time */
        for (Py_ssize_t j = 0; j < blocks; j++, sums += inner) {
            memset(sums, 0, (size_t)inner * sizeof *sums);
            for (Py_ssize_t from = 0; from < places; from += most) {
                const Py_ssize_t n = places - from < most ? places - from : most;
                NAME(sum_rows)(g, rows, count, ((start + j) * g->f + from) * inner, n * inner, columns);
                for (Py_ssize_t i = 0; i < n * inner; i++) sums[i % inner] += columns[i];
            }
        }
        return;
    }
    const Py_ssize_t each = most / places;
    for (Py_ssize_t from = 0; from < blocks; from += each) {
        const Py_ssize_t n = blocks - from < each ? blocks - from : each;
        SUM *const to = places == 1 ? sums + from * inner : columns;
        NAME(sum_rows)(g, rows, count, (start + from) * g->f * inner, n * width, to);
        if (places > 1) NAME(sum_places)(columns, n, places, inner, sums + from * inner);
    }
}
#undef T
#undef SUM
#undef FLIPPED
#undef NAME
