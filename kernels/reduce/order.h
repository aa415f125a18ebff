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

/* The result of one block, whose keys are left in `a`. */
static T NAME(of_block)(const reduce_t *g, const char *const *rows, Py_ssize_t count, Py_ssize_t places,
                        Py_ssize_t offset, Py_ssize_t inner, T *a) {
    const int majority = g->what == MAJORITY;
    (void)majority;
    const T first = KEY(((const T *)rows[0])[offset]);
    T differs = 0;
    Py_ssize_t i = 0;
    for (Py_ssize_t r = 0; r < count; r++)
        for (Py_ssize_t k = 0; k < places; k++) {
            const T v = ((const T *)rows[r])[offset + k * inner];
            a[i] = KEY(v);
            differs |= (T)(a[i++] ^ first);
        }
    const T found = differs ? NAME(chosen)(g, a, i) : first;
    return OF_KEY(found);
}

/* Blocks of four or eight samples, some at a time. In labels most have one value, and most others two; both are found
 * without a branch, in loops of which compilers make vectors. Of two values in an even number of samples the median is
 * the one of the majority. What is left goes block by block. */
enum { NAME(SOME) = sizeof(T) < 8 ? 16 : 8 };
#define SAMPLE(row, k) row[places * j + (k)]
#define EACH_BUT_THE_FIRST(DO)                                                       \
    if (places == 2) { DO(p, 1) }                                                    \
    DO(q, 0)                                                                         \
    if (places == 2) { DO(q, 1) }                                                    \
    if (count == 4) { DO(r, 0) if (places == 2) { DO(r, 1) } DO(s, 0) if (places == 2) { DO(s, 1) } }

static inline ALWAYS_INLINE int NAME(alike)(const reduce_t *g, const T *restrict p, const T *restrict q,
                                            const T *restrict r, const T *restrict s, const Py_ssize_t count,
                                            const Py_ssize_t places, T *restrict b) {
    const int majority = g->what == MAJORITY;
    (void)majority;
    T differs = 0;
    ROLLED
    for (Py_ssize_t i = 0; i < places * NAME(SOME); i++)
        differs |= (T)((p[i] ^ q[i]) | (count == 4 ? (p[i] ^ r[i]) | (p[i] ^ s[i]) : 0));
    ROLLED
    for (Py_ssize_t j = 0; j < NAME(SOME); j++) {
        const T first = SAMPLE(p, 0);
        differs |= (T)(first ^ SAMPLE(p, places - 1));
        b[j] = OF_KEY(KEY(first));
    }
    return !differs;
}

/* Whether there are blocks with more than two values, whose `more` is not 0. */
static inline ALWAYS_INLINE int NAME(of_two)(const reduce_t *g, const T *restrict p, const T *restrict q,
                                             const T *restrict r, const T *restrict s, const Py_ssize_t count,
                                             const Py_ssize_t places, T *restrict b, T *restrict more) {
    const int majority = g->what == MAJORITY;
    (void)majority;
    const T skips = (T)(g->sparse ? ~(T)0 : 0), zero = (T)g->zero, half = (T)(count * places / 2);
    T any = 0;
    ROLLED
    for (Py_ssize_t j = 0; j < NAME(SOME); j++) {
        const T first = KEY(SAMPLE(p, 0));
        T other = first, same = 1, others = 0;
#define SEEN(row, k) { const T v = KEY(SAMPLE(row, k)); same = (T)(same + (v == first)); other = v == first ? other : v; }
        EACH_BUT_THE_FIRST(SEEN)
#undef SEEN
#define SEEN(row, k) { const T v = KEY(SAMPLE(row, k)); others |= v == first ? (T)0 : (T)(v ^ other); }
        EACH_BUT_THE_FIRST(SEEN)
#undef SEEN
        const T least = first < other ? first : other;
        const T no_first = first == zero ? skips : (T)0, no_other = other == zero ? skips : (T)0;
        T found = same == half ? least : same > half ? first : other;
        found = no_first ? other : found;
        found = no_other ? first : found;
        b[j] = OF_KEY(found);
        more[j] = others;
        any |= others;
    }
    return any != 0;
}

static inline ALWAYS_INLINE void NAME(few)(const reduce_t *g, const char *const *rows, const Py_ssize_t count,
                                           const Py_ssize_t places, Py_ssize_t start, Py_ssize_t blocks,
                                           T *restrict b, T *restrict a) {
    const Py_ssize_t last = count - 1;
    T more[NAME(SOME)];
    for (Py_ssize_t begin = 0; begin < blocks; begin += NAME(SOME)) {
        if (begin + NAME(SOME) > blocks) begin = blocks - NAME(SOME); /* some of them again */
        const Py_ssize_t at = (start + begin) * places;
        const T *p = (const T *)rows[0] + at, *q = (const T *)rows[1] + at;
        const T *r = (const T *)rows[last - 1] + at, *s = (const T *)rows[last] + at;
        if (NAME(alike)(g, p, q, r, s, count, places, b + begin)) continue;
        if (!NAME(of_two)(g, p, q, r, s, count, places, b + begin, more)) continue;
        for (Py_ssize_t j = 0; j < NAME(SOME); j++)
            if (more[j]) b[begin + j] = NAME(of_block)(g, rows, count, places, at + j * places, 1, a);
    }
}
#undef SAMPLE
#undef EACH_BUT_THE_FIRST

static void NAME(order)(PARAMETERS) {
    T *restrict b = (T *)to, *a = (T *)scratch;
    const Py_ssize_t f = g->f, inner = g->inner;
    if (inner == 1 && places == f && blocks >= NAME(SOME)) {
        if (count == 4 && places == 2) { NAME(few)(g, rows, 4, 2, start, blocks, b, a); return; }
        if (count == 2 && places == 2) { NAME(few)(g, rows, 2, 2, start, blocks, b, a); return; }
        if (count == 4 && places == 1) { NAME(few)(g, rows, 4, 1, start, blocks, b, a); return; }
    }
    for (Py_ssize_t j = 0; j < blocks; j++)
        for (Py_ssize_t c = 0; c < inner; c++)
            b[j * inner + c] = NAME(of_block)(g, rows, count, places, (start + j) * f * inner + c, inner, a);
}

#undef T
#undef NAME
#undef KEY
#undef OF_KEY
