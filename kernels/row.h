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
#define MASK __mmask16
#define FIRST(n) ((__mmask16)((n) >= 16 ? 0xffff : (n) <= 0 ? 0 : (1u << (n)) - 1))
#define ABOVE(count, k) _mm512_cmplt_epi32_mask(_mm512_set1_epi32(k), _mm512_loadu_si512(count))
#define LOAD_SOME(p, mask) _mm512_maskz_loadu_ps(mask, p)
#define SAVE_SOME(p, mask, v) _mm512_mask_storeu_ps(p, mask, v)
#define WHERE(mask, a, b) _mm512_mask_mov_ps(b, mask, a)
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
#define MASK __mmask8
#define FIRST(n) ((__mmask8)((n) >= 8 ? 0xff : (n) <= 0 ? 0 : (1u << (n)) - 1))
#define ABOVE(count, k) _mm256_cmplt_epi32_mask(_mm256_set1_epi32(k), _mm256_loadu_si256((const __m256i *)(count)))
#define LOAD_SOME(p, mask) _mm512_maskz_loadu_pd(mask, p)
#define SAVE_SOME(p, mask, v) _mm512_mask_storeu_pd(p, mask, v)
#define WHERE(mask, a, b) _mm512_mask_mov_pd(b, mask, a)
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
#define MASK __m256i
#define FIRST(n) \
    _mm256_cmpgt_epi32(_mm256_set1_epi32((int)CLAMP(n, 0, 8)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define ABOVE(count, k) _mm256_cmpgt_epi32(_mm256_loadu_si256((const __m256i *)(count)), _mm256_set1_epi32(k))
#define LOAD_SOME(p, mask) _mm256_maskload_ps(p, mask)
#define SAVE_SOME(p, mask, v) _mm256_maskstore_ps(p, mask, v)
#define WHERE(mask, a, b) _mm256_blendv_ps(b, a, _mm256_castsi256_ps(mask))
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

/* Where the samples of all taps lie within two registers: those are loaded once. `n` rows. */
static inline ALWAYS_INLINE void S(window)(const int n, const ACC *r, Py_ssize_t stride, MASK low, MASK high,
                                           PATTERN pattern, const int32_t *count, const ACC *w, const int32_t *shape,
                                           int step, ACC *out, Py_ssize_t out_stride, MASK written) {
    VECTOR x[4], y[4], a[4], weight = LOAD(w);
    for (int i = 0; i < n; i++) {
        x[i] = LOAD_SOME(r + i * stride, low);
        y[i] = LOAD_SOME(r + i * stride + LANES, high);
        a[i] = TIMES(weight, PICK(x[i], y[i], pattern));
    }
    int k = 1;
    for (; k < shape[ALL_TAPS]; k++) {
        pattern = PATTERN_PLUS(pattern, step);
        weight = LOAD(w + (Py_ssize_t)k * LANES);
        for (int i = 0; i < n; i++) a[i] = PLUS(a[i], TIMES(weight, PICK(x[i], y[i], pattern)));
    }
    for (; k < shape[ANY_TAPS]; k++) {
        const MASK counted = ABOVE(count, k);
        pattern = PATTERN_PLUS(pattern, step);
        weight = LOAD(w + (Py_ssize_t)k * LANES);
        for (int i = 0; i < n; i++) a[i] = WHERE(counted, PLUS(a[i], TIMES(weight, PICK(x[i], y[i], pattern))), a[i]);
    }
    for (int i = 0; i < n; i++) SAVE_SOME(out + i * out_stride, written, a[i]);
}

static inline void S(rows_in_window)(const ACC *r, Py_ssize_t stride, int rows, Py_ssize_t readable, const int32_t *index,
                                     const int32_t *count, const ACC *w, const int32_t *shape, int step, ACC *out,
                                     Py_ssize_t out_stride, Py_ssize_t left) {
    const PATTERN pattern = PATTERN_OF(index);
    const MASK low = FIRST(readable), high = FIRST(readable - LANES), written = FIRST(left);
    int i = 0;
    for (; i + 4 <= rows; i += 4, r += 4 * stride, out += 4 * out_stride)
        S(window)(4, r, stride, low, high, pattern, count, w, shape, step, out, out_stride, written);
    for (; i < rows; i++, r += stride, out += out_stride)
        S(window)(1, r, stride, low, high, pattern, count, w, shape, step, out, out_stride, written);
}

/* One row of a block whose lanes differ in their number of taps, or that is cut off by an end. */
static inline void S(row_picked)(const ACC *r, Py_ssize_t readable, const int32_t *index, const int32_t *count,
                                 const ACC *w, const int32_t *shape, int step, ACC *out, Py_ssize_t left) {
    const PATTERN pattern = PATTERN_OF(index);
#define SOME(p, n) PICK(LOAD_SOME(p, FIRST(n)), LOAD_SOME((p) + LANES, FIRST((n) - LANES)), pattern)
    VECTOR a = TIMES(LOAD(w), SOME(r, readable));
    for (int k = 1; k < shape[ANY_TAPS]; k++) {
        r += step;
        w += LANES;
        readable -= step;
        const VECTOR more = PLUS(a, TIMES(LOAD(w), SOME(r, readable)));
        a = k < shape[ALL_TAPS] ? more : WHERE(ABOVE(count, k), more, a);
    }
    SAVE_SOME(out, FIRST(left), a);
#undef SOME
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
        const int taps = shape[ANY_TAPS];
        const ACC *r = row + at;
        ACC *to = out + (b * LANES - begin);
#ifdef VECTOR
        if (left >= LANES && shape[CONSECUTIVE]) {
            for (int part = 0; part < LANES; part += (int)(sizeof(VECTOR) / sizeof(ACC)))
                S(rows_in_step)(r + part, stride, rows, w + part, taps, v->step, to + part, out_stride);
            continue;
        }
#endif
#ifdef HAS_PICK
        const Py_ssize_t here = readable - at;
        const int reach = (taps - 1) * v->step;
        if (shape[SPAN] + reach < 2 * LANES) {
            S(rows_in_window)(r, stride, rows, here, index, count, w, shape, v->step, to, out_stride, left);
            continue;
        }
        if (shape[SPAN] < 2 * LANES) {
            if (left >= LANES && shape[ALL_TAPS] == taps && reach + 2 * LANES <= here)
                S(rows_picked)(r, stride, rows, index, w, taps, v->step, to, out_stride);
            else
                for (int i = 0; i < rows; i++)
                    S(row_picked)(r + i * stride, here, index, count, w, shape, v->step, to + i * out_stride, left);
            continue;
        }
#endif
        for (int i = 0; i < rows; i++, r += stride, to += out_stride) {
            ACC last[LANES], *acc = left < LANES ? last : to;
            S(row_block)(r, index, count, w, shape, v->step, acc);
            if (left < LANES) memcpy(to, last, (size_t)left * sizeof(ACC));
        }
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
#undef MASK
#undef FIRST
#undef ABOVE
#undef LOAD_SOME
#undef SAVE_SOME
#undef WHERE
#undef EACH_TAP
