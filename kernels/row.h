/* The contraction along a row, for one accumulator type: included by contract_acc.h with ACC, LANES and S(name). */

/* One block of LANES outputs of a row, the general way. `index` stays inside the source for every tap that
 * counts; a tap that does not count reads the lane's first sample and its product is thrown away, so that no
 * NaN leaks in from outside the support. */
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

/* The same block where source and output keep step. */
static inline void S(row_block_consecutive)(const ACC *r, const ACC *w, int taps, int step, ACC *restrict acc) {
    for (int j = 0; j < LANES; j++) acc[j] = w[j] * r[j];
    for (int k = 1; k < taps; k++) {
        r += step;
        w += LANES;
        for (int j = 0; j < LANES; j++) acc[j] = acc[j] + w[j] * r[j];
    }
}

/* The same block without gathers, where all lanes' samples of one tap lie within two registers: the lanes are
 * picked from two loads by one permutation, which serves every tap. */
#if defined(__AVX512F__) && !defined(ACC_IS_DOUBLE)
#define REACH 32
static inline void row_block_near_float(const float *r, const int32_t *index, const int32_t *count, const float *w,
                                        const int32_t *shape, int step, float *restrict acc) {
    const __m512i lane = _mm512_loadu_si512(index);
    __m512 a = _mm512_mul_ps(_mm512_loadu_ps(w),
                             _mm512_permutex2var_ps(_mm512_loadu_ps(r), lane, _mm512_loadu_ps(r + 16)));
    int k = 1;
    for (; k < shape[ALL_TAPS]; k++) {
        r += step;
        w += 16;
        __m512 s = _mm512_permutex2var_ps(_mm512_loadu_ps(r), lane, _mm512_loadu_ps(r + 16));
        a = _mm512_add_ps(a, _mm512_mul_ps(_mm512_loadu_ps(w), s));
    }
    for (; k < shape[ANY_TAPS]; k++) {
        r += step;
        w += 16;
        __mmask16 m = _mm512_cmplt_epi32_mask(_mm512_set1_epi32(k), _mm512_loadu_si512(count));
        __m512 s = _mm512_permutex2var_ps(_mm512_loadu_ps(r), lane, _mm512_loadu_ps(r + 16));
        a = _mm512_mask_add_ps(a, m, a, _mm512_mul_ps(_mm512_loadu_ps(w), s));
    }
    _mm512_storeu_ps(acc, a);
}
#elif defined(__AVX512F__)
#define REACH 16
static inline void row_block_near_double(const double *r, const int32_t *index, const int32_t *count, const double *w,
                                         const int32_t *shape, int step, double *restrict acc) {
    const __m512i lane = _mm512_cvtepi32_epi64(_mm256_loadu_si256((const __m256i *)index));
    __m512d a = _mm512_mul_pd(_mm512_loadu_pd(w),
                              _mm512_permutex2var_pd(_mm512_loadu_pd(r), lane, _mm512_loadu_pd(r + 8)));
    int k = 1;
    for (; k < shape[ALL_TAPS]; k++) {
        r += step;
        w += 8;
        __m512d s = _mm512_permutex2var_pd(_mm512_loadu_pd(r), lane, _mm512_loadu_pd(r + 8));
        a = _mm512_add_pd(a, _mm512_mul_pd(_mm512_loadu_pd(w), s));
    }
    for (; k < shape[ANY_TAPS]; k++) {
        r += step;
        w += 8;
        __mmask8 m = _mm256_cmplt_epi32_mask(_mm256_set1_epi32(k), _mm256_loadu_si256((const __m256i *)count));
        __m512d s = _mm512_permutex2var_pd(_mm512_loadu_pd(r), lane, _mm512_loadu_pd(r + 8));
        a = _mm512_mask_add_pd(a, m, a, _mm512_mul_pd(_mm512_loadu_pd(w), s));
    }
    _mm512_storeu_pd(acc, a);
}
#elif defined(__AVX2__) && !defined(ACC_IS_DOUBLE)
#define REACH 16
static inline __m256 pick_float(const float *r, __m256i lane, __m256 high) {
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(_mm256_loadu_ps(r), lane),
                            _mm256_permutevar8x32_ps(_mm256_loadu_ps(r + 8), lane), high);
}
static inline void row_block_near_float(const float *r, const int32_t *index, const int32_t *count, const float *w,
                                        const int32_t *shape, int step, float *restrict acc) {
    const __m256i seven = _mm256_set1_epi32(7);
    for (int half = 0; half < 2; half++) {
        const int first = half ? shape[UPPER] : 0;
        const float *rh = r + first, *wh = w + 8 * half;
        const __m256i lane = _mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)(index + 8 * half)),
                                              _mm256_set1_epi32(first));
        const __m256 high = _mm256_castsi256_ps(_mm256_cmpgt_epi32(lane, seven));
        const __m256i counts = _mm256_loadu_si256((const __m256i *)(count + 8 * half));
        __m256 a = _mm256_mul_ps(_mm256_loadu_ps(wh), pick_float(rh, lane, high));
        for (int k = 1; k < shape[ANY_TAPS]; k++) {
            rh += step;
            wh += 16;
            __m256 more = _mm256_add_ps(a, _mm256_mul_ps(_mm256_loadu_ps(wh), pick_float(rh, lane, high)));
            __m256i counted = _mm256_cmpgt_epi32(counts, _mm256_set1_epi32(k));
            a = k < shape[ALL_TAPS] ? more : _mm256_blendv_ps(a, more, _mm256_castsi256_ps(counted));
        }
        _mm256_storeu_ps(acc + 8 * half, a);
    }
}
#endif

#if defined(__AVX512F__) && !defined(ACC_IS_DOUBLE)
/* Blocks of several rows at once with the tables of two or four taps in registers. */
static inline int rows_near_few(const float *r, Py_ssize_t stride, int rows, const int32_t *index, const float *w,
                                const int32_t *shape, int step, float *out, Py_ssize_t out_stride) {
#define PICK(k) _mm512_permutex2var_ps(_mm512_loadu_ps(r + (k) * step), lane, _mm512_loadu_ps(r + (k) * step + 16))
    const __m512i lane = _mm512_loadu_si512(index);
    if (shape[ALL_TAPS] != shape[ANY_TAPS]) return 0;
    if (shape[ALL_TAPS] == 2) {
        const __m512 wa = _mm512_loadu_ps(w), wb = _mm512_loadu_ps(w + 16);
        for (int i = 0; i < rows; i++, r += stride, out += out_stride)
            _mm512_storeu_ps(out, _mm512_add_ps(_mm512_mul_ps(wa, PICK(0)), _mm512_mul_ps(wb, PICK(1))));
        return 1;
    }
    if (shape[ALL_TAPS] == 4) {
        const __m512 wa = _mm512_loadu_ps(w), wb = _mm512_loadu_ps(w + 16), wc = _mm512_loadu_ps(w + 32),
                     wd = _mm512_loadu_ps(w + 48);
        for (int i = 0; i < rows; i++, r += stride, out += out_stride) {
            __m512 a = _mm512_add_ps(_mm512_mul_ps(wa, PICK(0)), _mm512_mul_ps(wb, PICK(1)));
            a = _mm512_add_ps(a, _mm512_mul_ps(wc, PICK(2)));
            _mm512_storeu_ps(out, _mm512_add_ps(a, _mm512_mul_ps(wd, PICK(3))));
        }
        return 1;
    }
#undef PICK
    return 0;
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
        const ACC *r = row + at;
        ACC *to = out + (b * LANES - begin);
        int near = 0;
#if defined(REACH) && defined(__AVX512F__)
        near = shape[SPAN] < REACH && at + (Py_ssize_t)(shape[ANY_TAPS] - 1) * v->step + REACH <= readable;
#elif defined(REACH)
        near = shape[HALF_SPAN] < REACH &&
               at + shape[UPPER] + (Py_ssize_t)(shape[ANY_TAPS] - 1) * v->step + REACH <= readable;
#endif
#if defined(__AVX512F__) && !defined(ACC_IS_DOUBLE)
        if (near && left >= LANES && rows_near_few(r, stride, rows, index, w, shape, v->step, to, out_stride)) continue;
#endif
        for (int i = 0; i < rows; i++, r += stride, to += out_stride) {
            ACC last[LANES], *acc = left < LANES ? last : to;
            if (shape[CONSECUTIVE])
                S(row_block_consecutive)(r, w, shape[ALL_TAPS], v->step, acc);
#ifdef REACH
            else if (near)
                S(row_block_near)(r, index, count, w, shape, v->step, acc);
#endif
            else
                S(row_block)(r, index, count, w, shape, v->step, acc);
            if (left < LANES) memcpy(to, last, (size_t)left * sizeof(ACC));
        }
    }
}
#undef REACH
