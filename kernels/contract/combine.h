/* Rows of the accumulator itself, for one accumulator type: included by acc.h with ACC and S(name). */

#ifdef HAS_VECTOR
enum { S(STEP) = 4 * S(VECTOR_LANES), S(ONE) = S(VECTOR_LANES) };
#endif

/* to[i] = sum over k of w[k] * rows[k][i] for many taps of ACC rows: sums stay in registers over all taps. `more`, unless it
 * is NULL, is added at the end. */
#define AT(k, j) S(load)((const ACC *)(rows[k] + offset) + i + (j) * S(VECTOR_LANES))
static void S(combine_many)(const char *const *rows, Py_ssize_t offset, const ACC *w, int taps, const ACC *more, Py_ssize_t n,
                            ACC *restrict to) {
    Py_ssize_t i = 0;
#ifdef HAS_VECTOR
    for (; i + S(STEP) <= n; i += S(STEP)) {
        S(vector_t) a = w[0] * AT(0, 0), b = w[0] * AT(0, 1), c = w[0] * AT(0, 2), d = w[0] * AT(0, 3);
        for (int k = 1; k < taps; k++) {
            a = a + w[k] * AT(k, 0);
            b = b + w[k] * AT(k, 1);
            c = c + w[k] * AT(k, 2);
            d = d + w[k] * AT(k, 3);
        }
        if (more != NULL) {
            a = S(load)(more + i) + a;
            b = S(load)(more + i + S(VECTOR_LANES)) + b;
            c = S(load)(more + i + 2 * S(VECTOR_LANES)) + c;
            d = S(load)(more + i + 3 * S(VECTOR_LANES)) + d;
        }
        S(save)(to + i, a);
        S(save)(to + i + S(VECTOR_LANES), b);
        S(save)(to + i + 2 * S(VECTOR_LANES), c);
        S(save)(to + i + 3 * S(VECTOR_LANES), d);
    }
    while (i < n && n >= S(ONE)) { /* the last vector may overlap the one before: it writes the same values again */
        if (i + S(ONE) > n) i = n - S(ONE);
        S(vector_t) a = w[0] * AT(0, 0);
        for (int k = 1; k < taps; k++) a = a + w[k] * AT(k, 0);
        if (more != NULL) a = S(load)(more + i) + a;
        S(save)(to + i, a);
        i += S(ONE);
    }
#endif
    for (; i < n; i++) {
        ACC a = w[0] * ((const ACC *)(rows[0] + offset))[i];
        for (int k = 1; k < taps; k++) a = a + w[k] * ((const ACC *)(rows[k] + offset))[i];
        to[i] = more != NULL ? more[i] + a : a;
    }
}

#ifdef HAS_VECTOR
/* By parts: the differences between few neighbouring rows are weighed, and added to row `anchor`; n is a register at least. */
static inline ALWAYS_INLINE void S(parts_few)(const int taps, const int anchor, const char *const *rows, Py_ssize_t offset,
                                              const ACC *w, Py_ssize_t n, ACC *restrict to) {
    const ACC *p = (const ACC *)(rows[0] + offset), *q = (const ACC *)(rows[1] + offset), *r = (const ACC *)(rows[2] + offset);
    const ACC *s = (const ACC *)(rows[taps - 1] + offset);
    const ACC first = w[0], second = w[1], third = taps == 4 ? w[2] : 0;
    Py_ssize_t i = 0;
#define PUT                                                                                       \
    {                                                                                             \
        const S(vector_t) a = S(load)(p + i), b = S(load)(q + i), c = S(load)(r + i);             \
        S(vector_t) sum = first * (b - a) + second * (c - b);                                     \
        if (taps == 4) sum = sum + third * (S(load)(s + i) - c);                                  \
        S(save)(to + i, (anchor == 0 ? a : anchor == 1 ? b : c) + sum);                           \
    }
    for (; i + S(ONE) <= n; i += S(ONE)) PUT
    if (i == n) return;
    i = n - S(ONE); /* what it has in common with the one before is written again, the same */
    PUT
#undef PUT
}
#endif

/* The same of many rows. */
static void S(parts_many)(const char *const *rows, Py_ssize_t offset, const ACC *w, int taps, int anchor, Py_ssize_t n,
                          ACC *restrict to) {
    Py_ssize_t i = 0;
#ifdef HAS_VECTOR
    for (; i + S(STEP) <= n; i += S(STEP)) {
        S(vector_t) last[4], sum[4];
        for (int j = 0; j < 4; j++) {
            last[j] = AT(1, j);
            sum[j] = w[0] * (last[j] - AT(0, j));
        }
        for (int k = 1; k < taps - 1; k++)
            for (int j = 0; j < 4; j++) {
                const S(vector_t) next = AT(k + 1, j);
                sum[j] = sum[j] + w[k] * (next - last[j]);
                last[j] = next;
            }
        for (int j = 0; j < 4; j++) S(save)(to + i + j * S(VECTOR_LANES), AT(anchor, j) + sum[j]);
    }
    while (i < n && n >= S(ONE)) {
        if (i + S(ONE) > n) i = n - S(ONE);
        S(vector_t) last = AT(1, 0), sum = w[0] * (last - AT(0, 0));
        for (int k = 1; k < taps - 1; k++) {
            const S(vector_t) next = AT(k + 1, 0);
            sum = sum + w[k] * (next - last);
            last = next;
        }
        S(save)(to + i, AT(anchor, 0) + sum);
        i += S(ONE);
    }
#endif
#define ROW(k) ((const ACC *)(rows[k] + offset))
    for (; i < n; i++) {
        ACC last = ROW(1)[i], sum = w[0] * (last - ROW(0)[i]);
        for (int k = 1; k < taps - 1; k++) {
            const ACC next = ROW(k + 1)[i];
            sum = sum + w[k] * (next - last);
            last = next;
        }
        to[i] = ROW(anchor)[i] + sum;
    }
#undef ROW
}
#undef AT

/* The same of many rows, or of few with an anchor that most have; 0 for others. */
static int S(parts_in_registers)(const char *const *rows, Py_ssize_t offset, const ACC *w, int taps, int anchor, Py_ssize_t n,
                                 ACC *restrict to) {
    if (taps > 4) {
        S(parts_many)(rows, offset, w, taps, anchor, n, to);
        return 1;
    }
#ifdef HAS_VECTOR
    if (n < S(ONE)) return 0;
    if (taps == 3 && anchor == 0)
        S(parts_few)(3, 0, rows, offset, w, n, to);
    else if (taps == 3 && anchor == 1)
        S(parts_few)(3, 1, rows, offset, w, n, to);
    else if (taps == 4 && anchor == 1)
        S(parts_few)(4, 1, rows, offset, w, n, to);
    else if (taps == 4 && anchor == 2)
        S(parts_few)(4, 2, rows, offset, w, n, to);
    else
        return 0;
    return 1;
#else
    return 0;
#endif
}
