/* The contraction along a row, for one accumulator type: included by contract_acc.h with ACC, LANES and S(name).
 *
 * LANES outputs form a block. Whatever way a block takes, each lane does the same operations in the same order. */

/* The general way. `index` stays inside the source for every tap that counts; a tap that does not count reads the lane's
 * first sample and its product is thrown away, so that no NaN leaks in from outside the support. */
static inline void S(row_block)(const ACC *r, const int32_t *index, const int32_t *count, const ACC *w,
                                const int32_t *shape, int step, ACC *restrict acc) {
    for (int j = 0; j < LANES; j++) acc[j] = w[j] * r[index[j]];
    for (int k = 1; k < shape[ALL_TAPS]; k++) {
        const ACC *rk = r + (Py_ssize_t)k * step;
        w += LANES;
        for (int j = 0; j < LANES; j++) acc[j] = acc[j] + w[j] * rk[index[j]];
    }
    for (int k = shape[ALL_TAPS]; k < shape[ANY_TAPS]; k++) {
        w += LANES;
        for (int j = 0; j < LANES; j++) {
            ACC more = acc[j] + w[j] * r[index[j] + (k < count[j] ? k * step : 0)];
            acc[j] = k < count[j] ? more : acc[j];
        }
    }
}

/* Without gathers, where all lanes' samples of one tap lie within two registers: PICK takes them from two loads by one
 * permutation, which serves every tap; where source and output keep step, from one load. */
#if defined(__AVX512F__) && !defined(ACC_IS_DOUBLE)
#define HAS_PICK
#define VECTOR __m512
#define PATTERN __m512i
#define LOAD(p) _mm512_loadu_ps(p)
#define SAVE(p, v) _mm512_storeu_ps(p, v)
#define TIMES(a, b) _mm512_mul_ps(a, b)
#define PLUS(a, b) _mm512_add_ps(a, b)
#define PATTERN_OF(index) _mm512_loadu_si512(index)
#define PATTERN_PLUS(pattern, n) _mm512_add_epi32(pattern, _mm512_set1_epi32(n))
#define PICK(x, y, pattern) _mm512_permutex2var_ps(x, pattern, y)
#define COUNTED(k, count, more, a) \
    _mm512_mask_mov_ps(a, _mm512_cmplt_epi32_mask(_mm512_set1_epi32(k), _mm512_loadu_si512(count)), more)
#elif defined(__AVX512F__)
#define HAS_PICK
#define VECTOR __m512d
#define PATTERN __m512i
#define LOAD(p) _mm512_loadu_pd(p)
#define SAVE(p, v) _mm512_storeu_pd(p, v)
#define TIMES(a, b) _mm512_mul_pd(a, b)
#define PLUS(a, b) _mm512_add_pd(a, b)
#define PATTERN_OF(index) _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)(index)))
#define PATTERN_PLUS(pattern, n) _mm512_add_epi64(pattern, _mm512_set1_epi64(n))
#define PICK(x, y, pattern) _mm512_permutex2var_pd(x, pattern, y)
#define COUNTED(k, count, more, a) \
    _mm512_mask_mov_pd(a, _mm256_cmplt_epi32_mask(_mm256_set1_epi32(k), _mm256_loadu_si256((const __m256i *)(count))), more)
#elif defined(__AVX2__) && !defined(ACC_IS_DOUBLE)
#define HAS_PICK
#define VECTOR __m256
#define PATTERN __m256i
#define LOAD(p) _mm256_loadu_ps(p)
#define SAVE(p, v) _mm256_storeu_ps(p, v)
#define TIMES(a, b) _mm256_mul_ps(a, b)
#define PLUS(a, b) _mm256_add_ps(a, b)
#define PATTERN_OF(index) _mm256_loadu_si256((const __m256i *)(index))
#define PATTERN_PLUS(pattern, n) _mm256_add_epi32(pattern, _mm256_set1_epi32(n))
#define PICK(x, y, pattern)                                                                             \
    _mm256_blendv_ps(_mm256_permutevar8x32_ps(x, pattern), _mm256_permutevar8x32_ps(y, pattern), \
                     _mm256_castsi256_ps(_mm256_cmpgt_epi32(pattern, _mm256_set1_epi32(7))))
#define COUNTED(k, count, more, a)                                                                              \
    _mm256_blendv_ps(a, more,                                                                                   \
                     _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)(count)), \
                                                            _mm256_set1_epi32(k))))
#elif defined(__GNUC__)
#define VECTOR S(vector_t)
#define PATTERN int
#define LOAD(p) (*(const S(vector_t) *)(p))
#define SAVE(p, v) (*(S(vector_t) *)(p) = (v))
#define TIMES(a, b) ((a) * (b))
#define PLUS(a, b) ((a) + (b))
#endif

#ifdef VECTOR
/* One vector of outputs of several rows, four rows at a time so that their sums overlap. TAP(r) is one tap's samples. */
#define EACH_TAP(TAP)                                                       \
    int i = 0;                                                              \
    for (; i + 4 <= rows; i += 4, r += 4 * stride, out += 4 * out_stride) { \
        const ACC *p = r, *q = r + stride, *s = q + stride, *t = s + stride; \
        const ACC *wk = w;                                                  \
        VECTOR weight = LOAD(wk);                                           \
        VECTOR a = TIMES(weight, TAP(p)), b = TIMES(weight, TAP(q)), c = TIMES(weight, TAP(s)), d = TIMES(weight, TAP(t)); \
        for (int k = 1; k < taps; k++) {                                    \
            p += step, q += step, s += step, t += step, wk += LANES;        \
            weight = LOAD(wk);                                              \
            a = PLUS(a, TIMES(weight, TAP(p)));                             \
            b = PLUS(b, TIMES(weight, TAP(q)));                             \
            c = PLUS(c, TIMES(weight, TAP(s)));                             \
            d = PLUS(d, TIMES(weight, TAP(t)));                             \
        }                                                                   \
        SAVE(out, a);                                                       \
        SAVE(out + out_stride, b);                                          \
        SAVE(out + 2 * out_stride, c);                                      \
        SAVE(out + 3 * out_stride, d);                                      \
    }                                                                       \
    for (; i < rows; i++, r += stride, out += out_stride) {                 \
        VECTOR a = TIMES(LOAD(w), TAP(r));                                  \
        for (int k = 1; k < taps; k++)                                      \
            a = PLUS(a, TIMES(LOAD(w + (Py_ssize_t)k * LANES), TAP(r + (Py_ssize_t)k * step))); \
        SAVE(out, a);                                                       \
    }

static inline void S(rows_in_step)(const ACC *r, Py_ssize_t stride, int rows, const ACC *w, int taps, int step, ACC *out,
                                   Py_ssize_t out_stride) {
    EACH_TAP(LOAD)
}
#endif

#ifdef HAS_PICK
static inline void S(rows_picked)(const ACC *r, Py_ssize_t stride, int rows, const int32_t *index, const ACC *w, int taps,
                                  int step, ACC *out, Py_ssize_t out_stride) {
    const PATTERN pattern = PATTERN_OF(index);
#define PICKED(p) PICK(LOAD(p), LOAD((p) + LANES), pattern)
    if (taps == 2) {
        const VECTOR wa = LOAD(w), wb = LOAD(w + LANES);
        for (int i = 0; i < rows; i++, r += stride, out += out_stride)
            SAVE(out, PLUS(TIMES(wa, PICKED(r)), TIMES(wb, PICKED(r + step))));
        return;
    }
    EACH_TAP(PICKED)
}

/* The same where the samples of all taps lie within two registers: those are loaded once. */
static inline void S(rows_picked_once)(const ACC *r, Py_ssize_t stride, int rows, const int32_t *index, const ACC *w,
                                       int taps, int step, ACC *out, Py_ssize_t out_stride) {
    PATTERN pattern = PATTERN_OF(index);
    if (taps == 2) {
        const PATTERN second = PATTERN_PLUS(pattern, step);
        const VECTOR wa = LOAD(w), wb = LOAD(w + LANES);
        for (int i = 0; i < rows; i++, r += stride, out += out_stride) {
            const VECTOR x = LOAD(r), y = LOAD(r + LANES);
            SAVE(out, PLUS(TIMES(wa, PICK(x, y, pattern)), TIMES(wb, PICK(x, y, second))));
        }
        return;
    }
    int i = 0;
    for (; i + 4 <= rows; i += 4, r += 4 * stride, out += 4 * out_stride) {
        const ACC *q = r + stride, *s = q + stride, *t = s + stride;
        const VECTOR r0 = LOAD(r), r1 = LOAD(r + LANES), q0 = LOAD(q), q1 = LOAD(q + LANES);
        const VECTOR s0 = LOAD(s), s1 = LOAD(s + LANES), t0 = LOAD(t), t1 = LOAD(t + LANES);
        PATTERN next = pattern;
        VECTOR weight = LOAD(w);
        VECTOR a = TIMES(weight, PICK(r0, r1, next)), b = TIMES(weight, PICK(q0, q1, next));
        VECTOR c = TIMES(weight, PICK(s0, s1, next)), d = TIMES(weight, PICK(t0, t1, next));
        for (int k = 1; k < taps; k++) {
            next = PATTERN_PLUS(next, step);
            weight = LOAD(w + (Py_ssize_t)k * LANES);
            a = PLUS(a, TIMES(weight, PICK(r0, r1, next)));
            b = PLUS(b, TIMES(weight, PICK(q0, q1, next)));
            c = PLUS(c, TIMES(weight, PICK(s0, s1, next)));
            d = PLUS(d, TIMES(weight, PICK(t0, t1, next)));
        }
        SAVE(out, a);
        SAVE(out + out_stride, b);
        SAVE(out + 2 * out_stride, c);
        SAVE(out + 3 * out_stride, d);
    }
    for (; i < rows; i++, r += stride, out += out_stride) {
        const VECTOR x = LOAD(r), y = LOAD(r + LANES);
        PATTERN next = pattern;
        VECTOR a = TIMES(LOAD(w), PICK(x, y, next));
        for (int k = 1; k < taps; k++) {
            next = PATTERN_PLUS(next, step);
            a = PLUS(a, TIMES(LOAD(w + (Py_ssize_t)k * LANES), PICK(x, y, next)));
        }
        SAVE(out, a);
    }
}

/* A block whose lanes differ in their number of taps. */
static inline void S(row_block_picked)(const ACC *r, const int32_t *index, const int32_t *count, const ACC *w,
                                       const int32_t *shape, int step, ACC *acc) {
    const PATTERN pattern = PATTERN_OF(index);
    VECTOR a = TIMES(LOAD(w), PICKED(r));
    for (int k = 1; k < shape[ANY_TAPS]; k++) {
        r += step;
        w += LANES;
        VECTOR more = PLUS(a, TIMES(LOAD(w), PICKED(r)));
        a = k < shape[ALL_TAPS] ? more : COUNTED(k, count, more, a);
    }
    SAVE(acc, a);
}
#endif

/* Contract rows: outputs [begin, end) of each, begin a multiple of LANES. `row` points at source element `origin` of the
 * first, of which `readable` elements may be loaded; strides between rows are in elements. Blocks are the outer loop: a
 * block's table serves all rows. */
static void S(contract_blocks)(const level_t *v, const ACC *row, Py_ssize_t stride, int rows, Py_ssize_t origin,
                               Py_ssize_t readable, Py_ssize_t begin, Py_ssize_t end, ACC *out, Py_ssize_t out_stride) {
    for (Py_ssize_t b = begin / LANES; b * LANES < end; b++) {
        const int32_t *index = v->index + b * LANES, *count = v->lane_count + b * LANES, *shape = v->shape + SHAPE * b;
        const ACC *w = (const ACC *)v->weights + b * LANES * v->taps;
        const Py_ssize_t at = v->base[b] - origin, left = end - b * LANES;
        const int taps = shape[ANY_TAPS], even = shape[ALL_TAPS] == taps;
        const ACC *r = row + at;
        ACC *to = out + (b * LANES - begin);
#ifdef HAS_PICK
        const int near = shape[SPAN] < 2 * LANES && at + (Py_ssize_t)(taps - 1) * v->step + 2 * LANES <= readable;
        if (left >= LANES && shape[CONSECUTIVE]) {
            S(rows_in_step)(r, stride, rows, w, taps, v->step, to, out_stride);
            continue;
        }
        if (left >= LANES && near && even && shape[SPAN] + (taps - 1) * v->step < 2 * LANES) {
            S(rows_picked_once)(r, stride, rows, index, w, taps, v->step, to, out_stride);
            continue;
        }
        if (left >= LANES && near && even) {
            S(rows_picked)(r, stride, rows, index, w, taps, v->step, to, out_stride);
            continue;
        }
#elif defined(VECTOR)
        if (left >= LANES && shape[CONSECUTIVE]) {
            for (int part = 0; part < LANES; part += VECTOR_BYTES / (int)sizeof(ACC))
                S(rows_in_step)(r + part, stride, rows, w + part, taps, v->step, to + part, out_stride);
            continue;
        }
#endif
        for (int i = 0; i < rows; i++, r += stride, to += out_stride) {
            ACC last[LANES], *acc = left < LANES ? last : to;
#ifdef HAS_PICK
            if (near)
                S(row_block_picked)(r, index, count, w, shape, v->step, acc);
            else
#endif
                S(row_block)(r, index, count, w, shape, v->step, acc);
            if (left < LANES) memcpy(to, last, (size_t)left * sizeof(ACC));
        }
        (void)even;
    }
}
#undef HAS_PICK
#undef VECTOR
#undef PATTERN
#undef LOAD
#undef SAVE
#undef TIMES
#undef PLUS
#undef PATTERN_OF
#undef PICK
#undef PICKED
#undef PATTERN_PLUS
#undef COUNTED
#undef EACH_TAP
