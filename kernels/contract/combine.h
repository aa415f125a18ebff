/* Rows of the accumulator itself, for one accumulator type: included by acc.h with ACC and S(name). */

/* to[i] = sum over k of w[k] * rows[k][i] for many taps of ACC rows: sums stay in registers over all taps. */
#define AT(k, j) S(load)((const ACC *)(rows[k] + offset) + i + (j) * S(VECTOR_LANES))
static void S(combine_many)(const char *const *rows, Py_ssize_t offset, const ACC *w, int taps, Py_ssize_t n,
                            ACC *restrict to) {
    Py_ssize_t i = 0;
#ifdef HAS_VECTOR
    enum { STEP = 4 * S(VECTOR_LANES) };
    for (; i + STEP <= n; i += STEP) {
        S(vector_t) a = w[0] * AT(0, 0), b = w[0] * AT(0, 1), c = w[0] * AT(0, 2), d = w[0] * AT(0, 3);
        for (int k = 1; k < taps; k++) {
            a = a + w[k] * AT(k, 0);
            b = b + w[k] * AT(k, 1);
            c = c + w[k] * AT(k, 2);
            d = d + w[k] * AT(k, 3);
        }
        S(save)(to + i, a);
        S(save)(to + i + S(VECTOR_LANES), b);
        S(save)(to + i + 2 * S(VECTOR_LANES), c);
        S(save)(to + i + 3 * S(VECTOR_LANES), d);
    }
    enum { ONE = S(VECTOR_LANES) };
    while (i < n && n >= ONE) { /* the last vector may overlap the one before: it writes the same values again */
        if (i + ONE > n) i = n - ONE;
        S(vector_t) a = w[0] * AT(0, 0);
        for (int k = 1; k < taps; k++) a = a + w[k] * AT(k, 0);
        S(save)(to + i, a);
        i += ONE;
    }
#endif
    for (; i < n; i++) {
        ACC a = w[0] * ((const ACC *)(rows[0] + offset))[i];
        for (int k = 1; k < taps; k++) a = a + w[k] * ((const ACC *)(rows[k] + offset))[i];
        to[i] = a;
    }
}
#undef AT
