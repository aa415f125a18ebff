/* Included once per type by orders.h, with T, NAME(x), KEY(v) and OF_KEY(k). */

static void NAME(sift)(T *a, Py_ssize_t top, Py_ssize_t n) {
    const T moved = a[top];
    for (Py_ssize_t child; (child = 2 * top + 1) < n; top = child) {
        if (child + 1 < n && a[child + 1] > a[child]) child++;
        if (a[child] <= moved) break;
        a[top] = a[child];
    }
    a[top] = moved;
}

/* By insertion where there are few, else as a heap: never quadratic. */
static void NAME(sort)(T *a, Py_ssize_t n) {
    if (n <= 32) {
        for (Py_ssize_t i = 1; i < n; i++) {
            const T moved = a[i];
            Py_ssize_t k = i;
            for (; k > 0 && a[k - 1] > moved; k--) a[k] = a[k - 1];
            a[k] = moved;
        }
        return;
    }
    for (Py_ssize_t top = n / 2 - 1; top >= 0; top--) NAME(sift)(a, top, n);
    for (Py_ssize_t last = n - 1; last > 0; last--) {
        const T most = a[0];
        a[0] = a[last];
        a[last] = most;
        NAME(sift)(a, 0, last);
    }
}

/* The number that is there most often, the lowest of several; `skipped` only where there is nothing else. A number that
 * has not come up yet has no more places than are left. */
static inline ALWAYS_INLINE T NAME(most_of_few)(const T *a, const Py_ssize_t n, const int skips, const T skipped) {
    T best = skipped;
    Py_ssize_t most = 0;
    for (Py_ssize_t i = 0; i < n && most <= n - i && 2 * most <= n; i++) {
        if ((most && a[i] == best) || (skips && a[i] == skipped)) continue;
        Py_ssize_t same = 0;
        for (Py_ssize_t k = 0; k < n; k++) same += a[k] == a[i];
        if (same > most || (same == most && a[i] < best)) {
            best = a[i];
            most = same;
        }
    }
    return best;
}

static T NAME(most_of_many)(T *a, Py_ssize_t n, int skips, T skipped) {
    T best = skipped;
    Py_ssize_t most = 0, begin = 0;
    NAME(sort)(a, n);
    for (Py_ssize_t i = 1; i <= n; i++)
        if (i == n || a[i] != a[begin]) {
            if (i - begin > most && !(skips && a[begin] == skipped)) {
                best = a[begin];
                most = i - begin;
            }
            begin = i;
        }
    return best;
}

static inline ALWAYS_INLINE T NAME(chosen)(const reduce_t *g, T *a, Py_ssize_t n) {
    if (g->what == MEDIAN) {
        NAME(sort)(a, n);
        return a[(n - 1) / 2];
    }
    if (n == 8) return NAME(most_of_few)(a, 8, g->sparse, (T)g->zero);
    return n <= 16 ? NAME(most_of_few)(a, n, g->sparse, (T)g->zero) : NAME(most_of_many)(a, n, g->sparse, (T)g->zero);
}

static inline ALWAYS_INLINE void NAME(eights)(const reduce_t *g, const char *const *rows, Py_ssize_t start,
                                              Py_ssize_t blocks, T *restrict b) {
    const int majority = g->what == MAJORITY;
    (void)majority;
    const T *p = (const T *)rows[0] + 2 * start, *q = (const T *)rows[1] + 2 * start;
    const T *r = (const T *)rows[2] + 2 * start, *s = (const T *)rows[3] + 2 * start;
    for (Py_ssize_t j = 0; j < blocks; j++) {
        const T first = p[2 * j];
        const T differs = (T)((T)(p[2 * j + 1] ^ first) | (T)(q[2 * j] ^ first) | (T)(q[2 * j + 1] ^ first)
                              | (T)(r[2 * j] ^ first) | (T)(r[2 * j + 1] ^ first) | (T)(s[2 * j] ^ first)
                              | (T)(s[2 * j + 1] ^ first));
        if (!differs) {
            b[j] = OF_KEY(KEY(first));
            continue;
        }
        T a[8] = {KEY(first), KEY(p[2 * j + 1]), KEY(q[2 * j]), KEY(q[2 * j + 1]),
                  KEY(r[2 * j]), KEY(r[2 * j + 1]), KEY(s[2 * j]), KEY(s[2 * j + 1])};
        const T found = NAME(chosen)(g, a, 8);
        b[j] = OF_KEY(found);
    }
}

static void NAME(order)(PARAMETERS) {
    T *restrict b = (T *)to, *a = (T *)scratch;
    const Py_ssize_t f = g->f, inner = g->inner, n = count * places;
    const int majority = g->what == MAJORITY;
    (void)majority;
    if (count == 4 && places == 2 && f == 2 && inner == 1) {
        NAME(eights)(g, rows, start, blocks, b);
        return;
    }
    for (Py_ssize_t j = 0; j < blocks; j++)
        for (Py_ssize_t c = 0; c < inner; c++) {
            const Py_ssize_t offset = (start + j) * f * inner + c;
            const T first = KEY(((const T *)rows[0])[offset]);
            T differs = 0;
            Py_ssize_t i = 0;
            for (Py_ssize_t r = 0; r < count; r++)
                for (Py_ssize_t k = 0; k < places; k++) {
                    const T v = ((const T *)rows[r])[offset + k * inner];
                    a[i] = KEY(v);
                    differs |= (T)(a[i++] ^ first);
                }
            const T found = differs ? NAME(chosen)(g, a, n) : first;
            b[j * inner + c] = OF_KEY(found);
        }
}

#undef T
#undef NAME
#undef KEY
#undef OF_KEY
