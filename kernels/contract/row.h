/* The contraction along a row, for one accumulator type: included by acc.h with ACC, LANES and S(name).
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

#ifdef HAS_VECTOR
/* One vector of outputs of several rows, four rows at a time so that their sums overlap; source and output keep step. */
static inline void S(rows_in_step)(const ACC *r, Py_ssize_t stride, int rows, const ACC *w, int taps, int step, ACC *out,
                                   Py_ssize_t out_stride) {
    int i = 0;
    for (; i + 4 <= rows; i += 4, r += 4 * stride, out += 4 * out_stride) {
        const ACC *p = r, *q = r + stride, *s = q + stride, *t = s + stride;
        S(vector_t) weight = S(load)(w);
        S(vector_t) a = weight * S(load)(p), b = weight * S(load)(q), c = weight * S(load)(s), d = weight * S(load)(t);
        for (int k = 1; k < taps; k++) {
            p += step, q += step, s += step, t += step;
            weight = S(load)(w + (Py_ssize_t)k * LANES);
            a = a + weight * S(load)(p);
            b = b + weight * S(load)(q);
            c = c + weight * S(load)(s);
            d = d + weight * S(load)(t);
        }
        S(save)(out, a);
        S(save)(out + out_stride, b);
        S(save)(out + 2 * out_stride, c);
        S(save)(out + 3 * out_stride, d);
    }
    for (; i < rows; i++, r += stride, out += out_stride) {
        S(vector_t) a = S(load)(w) * S(load)(r);
        for (int k = 1; k < taps; k++)
            a = a + S(load)(w + (Py_ssize_t)k * LANES) * S(load)(r + (Py_ssize_t)k * step);
        S(save)(out, a);
    }
}
#endif

#ifdef HAS_PICK
/* Without gathers, one vector of outputs of `n` rows: all lanes' samples of a tap lie within two registers, from which one
 * permutation takes them, and which serve as many taps as they hold. `readable` elements may be loaded from r, `left` stored. */
static inline ALWAYS_INLINE void S(picked)(const int n, const ACC *r, Py_ssize_t stride, Py_ssize_t readable,
                                           const S(pattern_t) first, const int32_t *count, const ACC *w, const int32_t *shape,
                                           int step, ACC *out, Py_ssize_t out_stride, Py_ssize_t left) {
    const int all = shape[ALL_TAPS], any = shape[ANY_TAPS], held = (2 * LANES - 1 - shape[SPAN]) / step + 1;
    S(pattern_t) pattern = first;
    S(vector_t) x[4], y[4], a[4];
#define HOLD                                                     \
    for (int i = 0; i < n; i++) {                                \
        x[i] = S(load_some)(r + i * stride, S(first)(readable));       \
        y[i] = S(load_some)(r + i * stride + LANES, S(first)(readable - LANES)); \
    }
    HOLD
    for (int i = 0; i < n; i++) a[i] = S(load)(w) * S(pick)(x[i], y[i], pattern);
    for (int k = 1, stop = held;; stop += held) {
        for (; k < stop && k < all; k++) {
            const S(vector_t) weight = S(load)(w + (Py_ssize_t)k * LANES);
            pattern = S(pattern_plus)(pattern, step);
            for (int i = 0; i < n; i++) a[i] = a[i] + weight * S(pick)(x[i], y[i], pattern);
        }
        for (; k < stop && k < any; k++) { /* some lanes have fewer taps */
            const S(vector_t) weight = S(load)(w + (Py_ssize_t)k * LANES);
            const S(mask_t) counted = S(above)(count, k);
            pattern = S(pattern_plus)(pattern, step);
            for (int i = 0; i < n; i++) a[i] = S(where)(counted, a[i] + weight * S(pick)(x[i], y[i], pattern), a[i]);
        }
        if (k == any) break;
        r += held * step;
        readable -= held * step;
        pattern = S(pattern_plus)(first, -step);
        HOLD
    }
#undef HOLD
    for (int i = 0; i < n; i++) S(save_some)(out + i * out_stride, S(first)(left), a[i]);
}

static inline void S(rows_picked)(const ACC *r, Py_ssize_t stride, int rows, Py_ssize_t readable, const int32_t *index,
                                  const int32_t *count, const ACC *w, const int32_t *shape, int step, ACC *out,
                                  Py_ssize_t out_stride, Py_ssize_t left) {
    const S(pattern_t) pattern = S(pattern_of)(index);
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
static void S(contract_blocks)(const dim_t *v, const ACC *row, Py_ssize_t stride, int rows, Py_ssize_t origin,
                               Py_ssize_t readable, Py_ssize_t begin, Py_ssize_t end, ACC *out, Py_ssize_t out_stride) {
    for (Py_ssize_t b = begin / LANES; b * LANES < end; b++) {
        const int32_t *index = v->index + b * LANES, *count = v->lane_count + b * LANES, *shape = v->shape + SHAPE * b;
        const ACC *w = (const ACC *)v->weights + b * LANES * v->taps;
        const Py_ssize_t at = v->base[b] - origin, left = end - b * LANES;
        const int taps = shape[ANY_TAPS];
        const ACC *r = row + at;
        ACC *to = out + (b * LANES - begin);
#ifdef HAS_VECTOR
        if (left >= LANES && shape[CONSECUTIVE]) {
            for (int part = 0; part < LANES; part += (int)(sizeof(S(vector_t)) / sizeof(ACC)))
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
