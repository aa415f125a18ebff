/* Rows of one element type T, read into and written from the accumulator ACC (float or double).
 *
 * Included once per pair (ACC, T) by elements.h, with
 *   T, NAME(x)      the element type and a name-mangler
 *   LOAD(v)         T -> ACC, exact (64-bit integers: rounded once, to nearest)
 *   STORE(a)        ACC -> T, round half to even, saturating, NaN -> 0 for integers
 *   STORE_MANY      the same by registers, where there is such a function (narrow.h)
 *
 * The order of operations per output element is: product with the first tap, then product and sum for
 * each further tap in turn. It is the same in every lane, tail and instruction set; the build switches
 * contraction to FMA off, so that the bits are too. */

static void NAME(load)(const void *from, Py_ssize_t n, ACC *restrict to) {
    const T *restrict a = (const T *)from;
    for (Py_ssize_t i = 0; i < n; i++) to[i] = LOAD(a[i]);
}

static void NAME(store)(const ACC *restrict from, Py_ssize_t n, void *to) {
    T *restrict a = (T *)to;
#if defined(STORE_MANY) && defined(HAS_NARROW)
    if (STORE_MANY(from, n, a) == n) return;
#endif
    for (Py_ssize_t i = 0; i < n; i++) a[i] = STORE(from[i]);
}

#ifndef LOADS_ALONE
#define ROW(k) ((const T *)(rows[k] + offset))

/* to[i] = sum over k of w[k] * rows[k][i] */
static void NAME(combine)(const char *const *rows, Py_ssize_t offset, const ACC *w, int taps, Py_ssize_t n,
                          ACC *restrict to) {
    int k;
    if (taps == 1) {
        const T *restrict a = ROW(0);
        const ACC wa = w[0];
        for (Py_ssize_t i = 0; i < n; i++) to[i] = wa * LOAD(a[i]);
        return;
    }
    if (taps < 4) {
        const T *restrict a = ROW(0), *restrict b = ROW(1);
        const ACC wa = w[0], wb = w[1];
        for (Py_ssize_t i = 0; i < n; i++) to[i] = wa * LOAD(a[i]) + wb * LOAD(b[i]);
        k = 2;
    } else {
        const T *restrict a = ROW(0), *restrict b = ROW(1), *restrict c = ROW(2), *restrict d = ROW(3);
        const ACC wa = w[0], wb = w[1], wc = w[2], wd = w[3];
        for (Py_ssize_t i = 0; i < n; i++)
            to[i] = ((wa * LOAD(a[i]) + wb * LOAD(b[i])) + wc * LOAD(c[i])) + wd * LOAD(d[i]);
        k = 4;
    }
    for (; k + 4 <= taps; k += 4) {
        const T *restrict a = ROW(k), *restrict b = ROW(k + 1), *restrict c = ROW(k + 2), *restrict d = ROW(k + 3);
        const ACC wa = w[k], wb = w[k + 1], wc = w[k + 2], wd = w[k + 3];
        for (Py_ssize_t i = 0; i < n; i++)
            to[i] = (((to[i] + wa * LOAD(a[i])) + wb * LOAD(b[i])) + wc * LOAD(c[i])) + wd * LOAD(d[i]);
    }
    for (; k < taps; k++) {
        const T *restrict a = ROW(k);
        const ACC wa = w[k];
        for (Py_ssize_t i = 0; i < n; i++) to[i] = to[i] + wa * LOAD(a[i]);
    }
}

/* By parts: to[i] = rows[anchor][i] + sum over k of w[k] * (rows[k + 1][i] - rows[k][i]), for taps - 1 differences. */
static void NAME(parts)(const char *const *rows, Py_ssize_t offset, const ACC *w, int taps, int anchor, Py_ssize_t n,
                        ACC *restrict to) {
    const T *restrict m = ROW(anchor), *restrict a = ROW(0);
    if (taps == 1) {
        for (Py_ssize_t i = 0; i < n; i++) to[i] = LOAD(m[i]);
        return;
    }
    const T *restrict b = ROW(1);
    const ACC wa = w[0];
    if (taps == 2) {
        for (Py_ssize_t i = 0; i < n; i++) to[i] = LOAD(m[i]) + wa * (LOAD(b[i]) - LOAD(a[i]));
        return;
    }
    const T *restrict c = ROW(2);
    const ACC wb = w[1];
    if (taps == 3) {
        for (Py_ssize_t i = 0; i < n; i++)
            to[i] = LOAD(m[i]) + (wa * (LOAD(b[i]) - LOAD(a[i])) + wb * (LOAD(c[i]) - LOAD(b[i])));
        return;
    }
    const T *restrict d = ROW(3);
    const ACC wc = w[2];
    if (taps == 4) {
        for (Py_ssize_t i = 0; i < n; i++)
            to[i] = LOAD(m[i]) + ((wa * (LOAD(b[i]) - LOAD(a[i])) + wb * (LOAD(c[i]) - LOAD(b[i]))) + wc * (LOAD(d[i]) - LOAD(c[i])));
        return;
    }
    for (Py_ssize_t i = 0; i < n; i++)
        to[i] = (wa * (LOAD(b[i]) - LOAD(a[i])) + wb * (LOAD(c[i]) - LOAD(b[i]))) + wc * (LOAD(d[i]) - LOAD(c[i]));
    for (int k = 3; k < taps - 1; k++) {
        const T *restrict last = ROW(k), *restrict next = ROW(k + 1);
        const ACC wk = w[k];
        for (Py_ssize_t i = 0; i < n; i++) to[i] = to[i] + wk * (LOAD(next[i]) - LOAD(last[i]));
    }
    for (Py_ssize_t i = 0; i < n; i++) to[i] = LOAD(m[i]) + to[i];
}

/* What each element is followed by in `next`. */
static void NAME(differ)(const void *from, const void *next, Py_ssize_t n, ACC *restrict to) {
    const T *restrict a = (const T *)from, *restrict b = (const T *)next;
    for (Py_ssize_t i = 0; i < n; i++) to[i] = LOAD(b[i]) - LOAD(a[i]);
}

static void NAME(add)(const void *from, Py_ssize_t n, ACC *restrict to) {
    const T *restrict a = (const T *)from;
    for (Py_ssize_t i = 0; i < n; i++) to[i] = LOAD(a[i]) + to[i];
}

/* Both ways at once: to[i] = sum over j of w[j] * (sum over k of v[k] * rows[2 * j + k][i]), for up to two taps each. */
static void NAME(pair)(const char *const *rows, Py_ssize_t offset, const ACC *v, int inner, const ACC *w, int outer,
                       Py_ssize_t n, ACC *restrict to) {
    const T *restrict a = ROW(0), *restrict b = ROW(1), *restrict c = ROW(2), *restrict d = ROW(3);
    const ACC va = v[0], wa = w[0];
    if (inner == 2 && outer == 2) {
        const ACC vb = v[1], wb = w[1];
        for (Py_ssize_t i = 0; i < n; i++)
            to[i] = wa * (va * LOAD(a[i]) + vb * LOAD(b[i])) + wb * (va * LOAD(c[i]) + vb * LOAD(d[i]));
    } else if (inner == 2) {
        const ACC vb = v[1];
        for (Py_ssize_t i = 0; i < n; i++) to[i] = wa * (va * LOAD(a[i]) + vb * LOAD(b[i]));
    } else if (outer == 2) {
        const ACC wb = w[1];
        for (Py_ssize_t i = 0; i < n; i++) to[i] = wa * (va * LOAD(a[i])) + wb * (va * LOAD(c[i]));
    } else {
        for (Py_ssize_t i = 0; i < n; i++) to[i] = wa * (va * LOAD(a[i]));
    }
}

#undef ROW
#endif

#undef T
#undef NAME
#undef LOAD
#undef STORE
#undef STORE_MANY
