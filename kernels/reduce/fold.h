/* Blocks folded in C order, one sample after the other. Included with
 *   T, ACC, NAME(x)   element type, type of what is folded, name-mangler
 *   LOAD(v)           T -> ACC
 *   OP(a, b)          ACC, ACC -> ACC
 * and defines NAME(fold)(g, rows, count, start, blocks, places, acc): acc[i] for each of the results. */

#define A(k, i) LOAD(rows_##k[i])

/* Blocks of two places: two samples of each row at a time, of four rows, two, or one. */
static inline ALWAYS_INLINE void NAME(pairs)(const reduce_t *g, const char *const *rows, Py_ssize_t count,
                                             Py_ssize_t start, Py_ssize_t blocks, const Py_ssize_t inner,
                                             ACC *restrict acc) {
    const Py_ssize_t offset = start * 2 * inner;
    Py_ssize_t r = 0;
    if (count >= 4) {
        const T *restrict rows_0 = (const T *)rows[0] + offset, *restrict rows_1 = (const T *)rows[1] + offset;
        const T *restrict rows_2 = (const T *)rows[2] + offset, *restrict rows_3 = (const T *)rows[3] + offset;
        for (Py_ssize_t j = 0; j < blocks; j++)
            for (Py_ssize_t c = 0; c < inner; c++) {
                const Py_ssize_t p = 2 * j * inner + c, q = p + inner;
                acc[j * inner + c] = OP(OP(OP(OP(OP(OP(OP(A(0, p), A(0, q)), A(1, p)), A(1, q)), A(2, p)), A(2, q)),
                                           A(3, p)), A(3, q));
            }
        r = 4;
    } else if (count >= 2) {
        const T *restrict rows_0 = (const T *)rows[0] + offset, *restrict rows_1 = (const T *)rows[1] + offset;
        for (Py_ssize_t j = 0; j < blocks; j++)
            for (Py_ssize_t c = 0; c < inner; c++) {
                const Py_ssize_t p = 2 * j * inner + c, q = p + inner;
                acc[j * inner + c] = OP(OP(OP(A(0, p), A(0, q)), A(1, p)), A(1, q));
            }
        r = 2;
    } else {
        const T *restrict rows_0 = (const T *)rows[0] + offset;
        for (Py_ssize_t j = 0; j < blocks; j++)
            for (Py_ssize_t c = 0; c < inner; c++) {
                const Py_ssize_t p = 2 * j * inner + c, q = p + inner;
                acc[j * inner + c] = OP(A(0, p), A(0, q));
            }
        r = 1;
    }
    for (; r < count; r++) {
        const T *restrict rows_0 = (const T *)rows[r] + offset;
        for (Py_ssize_t j = 0; j < blocks; j++)
            for (Py_ssize_t c = 0; c < inner; c++) {
                const Py_ssize_t p = 2 * j * inner + c, q = p + inner;
                acc[j * inner + c] = OP(OP(acc[j * inner + c], A(0, p)), A(0, q));
            }
    }
}

static NEVER_INLINE void NAME(four_rows)(const reduce_t *g, const char *const *rows, Py_ssize_t start,
                                         Py_ssize_t blocks, ACC *restrict acc) {
    const T *restrict rows_0 = (const T *)rows[0] + start, *restrict rows_1 = (const T *)rows[1] + start;
    const T *restrict rows_2 = (const T *)rows[2] + start, *restrict rows_3 = (const T *)rows[3] + start;
    (void)g;
    for (Py_ssize_t i = 0; i < blocks; i++) acc[i] = OP(OP(OP(A(0, i), A(1, i)), A(2, i)), A(3, i));
}

static void NAME(fold)(const reduce_t *g, const char *const *rows, Py_ssize_t count, Py_ssize_t start,
                       Py_ssize_t blocks, Py_ssize_t places, ACC *restrict acc) {
    const Py_ssize_t f = g->f, inner = g->inner, step = f * inner;
    if (places == 2 && f == 2 && inner <= 4) {
        switch (inner) {
        case 1: NAME(pairs)(g, rows, count, start, blocks, 1, acc); return;
        case 2: NAME(pairs)(g, rows, count, start, blocks, 2, acc); return;
        case 3: NAME(pairs)(g, rows, count, start, blocks, 3, acc); return;
        case 4: NAME(pairs)(g, rows, count, start, blocks, 4, acc); return;
        }
    }
    if (step == 1 && count == 4) {
        NAME(four_rows)(g, rows, start, blocks, acc);
        return;
    }
    for (Py_ssize_t r = 0; r < count; r++)
        for (Py_ssize_t k = 0; k < places; k++) {
            const T *restrict rows_0 = (const T *)rows[r] + start * step + k * inner;
            if (step == 1) {
                if (r == 0) for (Py_ssize_t i = 0; i < blocks; i++) acc[i] = A(0, i);
                else for (Py_ssize_t i = 0; i < blocks; i++) acc[i] = OP(acc[i], A(0, i));
            } else if (inner == 1) {
                if (r == 0 && k == 0) for (Py_ssize_t j = 0; j < blocks; j++) acc[j] = A(0, j * step);
                else for (Py_ssize_t j = 0; j < blocks; j++) acc[j] = OP(acc[j], A(0, j * step));
            } else if (r == 0 && k == 0) {
                for (Py_ssize_t j = 0; j < blocks; j++)
                    for (Py_ssize_t c = 0; c < inner; c++) acc[j * inner + c] = A(0, j * step + c);
            } else {
                for (Py_ssize_t j = 0; j < blocks; j++)
                    for (Py_ssize_t c = 0; c < inner; c++)
                        acc[j * inner + c] = OP(acc[j * inner + c], A(0, j * step + c));
            }
        }
}
#undef A
#undef T
#undef ACC
#undef NAME
#undef LOAD
#undef OP
