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
/* One vector of outputs of several rows, four rows at a time so that their sums overlap; source and output keep step. */
static inline void S(rows_in_step)(const ACC *r, Py_ssize_t stride, int rows, const ACC *w, int taps, int step, ACC *out,
                                   Py_ssize_t out_stride) {
    int i = 0;
    for (; i + 4 <= rows; i += 4, r += 4 * stride, out += 4 * out_stride) {
        const ACC *p = r, *q = r + stride, *s = q + stride, *t = s + stride;
        VECTOR weight = LOAD(w);
        VECTOR a = TIMES(weight, LOAD(p)), b = TIMES(weight, LOAD(q)), c = TIMES(weight, LOAD(s)), d = TIMES(weight, LOAD(t));
        for (int k = 1; k < taps; k++) {
            p += step, q += step, s += step, t += step;
            weight = LOAD(w + (Py_ssize_t)k * LANES);
            a = PLUS(a, TIMES(weight, LOAD(p)));
            b = PLUS(b, TIMES(weight, LOAD(q)));
            c = PLUS(c, TIMES(weight, LOAD(s)));
            d = PLUS(d, TIMES(weight, LOAD(t)));
        }
        SAVE(out, a);
        SAVE(out + out_stride, b);
        SAVE(out + 2 * out_stride, c);
        SAVE(out + 3 * out_stride, d);
    }
    for (; i < rows; i++, r += stride, out += out_stride) {
        VECTOR a = TIMES(LOAD(w), LOAD(r));
        for (int k = 1; k < taps; k++)
            a = PLUS(a, TIMES(LOAD(w + (Py_ssize_t)k * LANES), LOAD(r + (Py_ssize_t)k * step)));
        SAVE(out, a);
    }
}
#endif

#ifdef HAS_PICK
/* One vector of outputs of `n` rows. All lanes' samples of a tap lie within two registers, which serve as many taps as
 * they hold. `readable` elements may be loaded from r, `left` stored. */
static inline ALWAYS_INLINE void S(picked)(const int n, const ACC *r, Py_ssize_t stride, Py_ssize_t readable,
                                           const PATTERN first, const int32_t *count, const ACC *w, const int32_t *shape,
                                           int step, ACC *out, Py_ssize_t out_stride, Py_ssize_t left) {
    const int all = shape[ALL_TAPS], any = shape[ANY_TAPS], held = (2 * LANES - 1 - shape[SPAN]) / step + 1;
    PATTERN pattern = first;
    VECTOR x[4], y[4], a[4];
#define HOLD                                                     \
    for (int i = 0; i < n; i++) {                                \
        x[i] = LOAD_SOME(r + i * stride, FIRST(readable));       \
        y[i] = LOAD_SOME(r + i * stride + LANES, FIRST(readable - LANES)); \
    }
    HOLD
    for (int i = 0; i < n; i++) a[i] = TIMES(LOAD(w), PICK(x[i], y[i], pattern));
    for (int k = 1, stop = held;; stop += held) {
        for (; k < stop && k < all; k++) {
            const VECTOR weight = LOAD(w + (Py_ssize_t)k * LANES);
            pattern = PATTERN_PLUS(pattern, step);
            for (int i = 0; i < n; i++) a[i] = PLUS(a[i], TIMES(weight, PICK(x[i], y[i], pattern)));
        }
        for (; k < stop && k < any; k++) { /* some lanes have fewer taps */
            const VECTOR weight = LOAD(w + (Py_ssize_t)k * LANES);
            const MASK counted = ABOVE(count, k);
            pattern = PATTERN_PLUS(pattern, step);
            for (int i = 0; i < n; i++) a[i] = WHERE(counted, PLUS(a[i], TIMES(weight, PICK(x[i], y[i], pattern))), a[i]);
        }
        if (k == any) break;
        r += held * step;
        readable -= held * step;
        pattern = PATTERN_PLUS(first, -step);
        HOLD
    }
#undef HOLD
    for (int i = 0; i < n; i++) SAVE_SOME(out + i * out_stride, FIRST(left), a[i]);
}

static inline void S(rows_picked)(const ACC *r, Py_ssize_t stride, int rows, Py_ssize_t readable, const int32_t *index,
                                  const int32_t *count, const ACC *w, const int32_t *shape, int step, ACC *out,
                                  Py_ssize_t out_stride, Py_ssize_t left) {
    const PATTERN pattern = PATTERN_OF(index);
    int i = 0;
    for (; i + 4 <= rows; i += 4, r += 4 * stride, out += 4 * out_stride)
        S(picked)(4, r, stride, readable, pattern, count, w, shape, step, out, out_stride, left);
    for (; i < rows; i++, r += stride, out += out_stride)
        S(picked)(1, r, stride, readable, pattern, count, w, shape, step, out, out_stride, left);
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
        if (shape[SPAN] < 2 * LANES) {
            S(rows_picked)(r, stride, rows, readable - at, index, count, w, shape, v->step, to, out_stride, left);
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
#undef PATTERN_PLUS
#undef MASK
#undef FIRST
#undef ABOVE
#undef LOAD_SOME
#undef SAVE_SOME
#undef WHERE
