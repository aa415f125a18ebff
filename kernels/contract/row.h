/* The contraction along a row, for one accumulator type: included by acc.h with ACC, LANES and S(name).
 *
 * LANES outputs form a block. Whatever way a block takes, each lane does the same operations in the same order. A lane may
 * have no taps (of sums by parts, the taps are differences): its sum is -0, which changes nothing that it is added to. */
#define NOTHING ((ACC)-0.0)

/* The general way. `index` stays inside the source for every tap that counts; a tap that does not count reads the lane's
 * first sample and its product is thrown away, so that no NaN leaks in from outside the support. */
static inline void S(row_block)(const ACC *r, const int32_t *index, const int32_t *count, const ACC *w,
                                const int32_t *shape, int step, ACC *restrict acc) {
    for (int j = 0; j < LANES; j++) acc[j] = w[j] * r[index[j]];
    if (shape[ALL_TAPS] == 0)
        for (int j = 0; j < LANES; j++) acc[j] = count[j] > 0 ? acc[j] : NOTHING;
    for (int k = 1; k < shape[ALL_TAPS]; k++) {
        const ACC *rk = r + (Py_ssize_t)k * step;
        w += LANES;
        for (int j = 0; j < LANES; j++) acc[j] = acc[j] + w[j] * rk[index[j]];
    }
    for (int k = shape[ALL_TAPS] > 0 ? shape[ALL_TAPS] : 1; k < shape[ANY_TAPS]; k++) {
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
/* Without gathers: vectors of outputs whose samples lie within few registers, from which permutations take them. These read
 * all of a register, so what may be read must reach beyond the last sample. */

/* All lanes' samples of a tap lie within one register: `n` rows. `lacks`: some lanes have no tap. */
static inline ALWAYS_INLINE void S(near)(const int n, const int lacks, const ACC *r, Py_ssize_t stride, const int32_t *index,
                                         const int32_t *count, const ACC *w, const int32_t *shape, int step, ACC *out,
                                         Py_ssize_t out_stride) {
    const int all = shape[ALL_TAPS], any = shape[ANY_TAPS];
    const S(pattern_t) pattern = S(pattern_of)(index);
    S(vector_t) weight = S(load)(w), a[4];
    for (int i = 0; i < n; i++) a[i] = weight * S(pick_one)(S(load)(r + i * stride), pattern);
    int k = 1;
    if (lacks)
        for (int i = 0; i < n; i++) a[i] = S(where)(S(above)(count, 0), a[i], NOTHING - (S(vector_t)){0});
    for (; k < all; k++) {
        weight = S(load)(w + (Py_ssize_t)k * LANES);
        r += step;
        for (int i = 0; i < n; i++) a[i] = a[i] + weight * S(pick_one)(S(load)(r + i * stride), pattern);
    }
    for (; k < any; k++) { /* some lanes have fewer taps */
        const S(mask_t) counted = S(above)(count, k);
        weight = S(load)(w + (Py_ssize_t)k * LANES);
        r += step;
        for (int i = 0; i < n; i++)
            a[i] = S(where)(counted, a[i] + weight * S(pick_one)(S(load)(r + i * stride), pattern), a[i]);
    }
    for (int i = 0; i < n; i++) S(save)(out + i * out_stride, a[i]);
}

/* Within two: these serve as many taps as they hold. `all`: of the elements from r on `readable` may be loaded, no more. */
static inline ALWAYS_INLINE void S(picked)(const int n, const int lacks, const int all, const ACC *r, Py_ssize_t stride, Py_ssize_t readable,
                                           const int32_t *index, const int32_t *count, const ACC *w, const int32_t *shape,
                                           int step, ACC *out, Py_ssize_t out_stride) {
    const S(pattern_t) first = S(pattern_of)(index);
    const int held = (2 * LANES - 1 - shape[SPAN]) / step + 1;
    S(pattern_t) pattern = first;
    S(vector_t) x[4], y[4], a[4];
#define HOLD                                                                                        \
    for (int i = 0; i < n; i++) {                                                                   \
        const ACC *p = r + i * stride;                                                              \
        x[i] = all ? S(load)(p) : S(load_some)(p, S(first)(readable));                              \
        y[i] = all ? S(load)(p + LANES) : S(load_some)(p + LANES, S(first)(readable - LANES));      \
    }
    HOLD
    for (int i = 0; i < n; i++) a[i] = S(load)(w) * S(pick)(x[i], y[i], pattern);
    if (lacks)
        for (int i = 0; i < n; i++) a[i] = S(where)(S(above)(count, 0), a[i], NOTHING - (S(vector_t)){0});
    for (int k = 1, stop = held;; stop += held) {
        for (; k < stop && k < shape[ALL_TAPS]; k++) {
            const S(vector_t) weight = S(load)(w + (Py_ssize_t)k * LANES);
            pattern = S(pattern_plus)(pattern, step);
            for (int i = 0; i < n; i++) a[i] = a[i] + weight * S(pick)(x[i], y[i], pattern);
        }
        for (; k < stop && k < shape[ANY_TAPS]; k++) {
            const S(vector_t) weight = S(load)(w + (Py_ssize_t)k * LANES);
            const S(mask_t) counted = S(above)(count, k);
            pattern = S(pattern_plus)(pattern, step);
            for (int i = 0; i < n; i++) a[i] = S(where)(counted, a[i] + weight * S(pick)(x[i], y[i], pattern), a[i]);
        }
        if (k >= shape[ANY_TAPS]) break;
        r += held * step;
        readable -= held * step;
        pattern = S(pattern_plus)(first, -step);
        HOLD
    }
#undef HOLD
    for (int i = 0; i < n; i++) S(save)(out + i * out_stride, a[i]);
}

/* Those of half of the lanes lie within one or two registers, `many`: one permutation takes two taps of them. */
static inline ALWAYS_INLINE void S(in_halves)(const int many, const ACC *r, Py_ssize_t stride, int rows, const int32_t *index,
                                              const int32_t *count, const ACC *w, const int32_t *shape, int step, ACC *out,
                                              Py_ssize_t out_stride) {
    const int all = shape[ALL_TAPS], any = shape[ANY_TAPS];
    const ACC *left = r + shape[FIRST_HALF], *right = r + shape[SECOND_HALF];
    const S(pattern_t) p = S(pattern_plus)(S(pattern_twice)(index, step), -shape[FIRST_HALF]);
    const S(pattern_t) q = S(pattern_plus)(S(pattern_twice)(index + LANES / 2, step), -shape[SECOND_HALF]);
#define TAKE(at, pattern) (many == 1 ? S(pick_one)(S(load)(at), pattern) : S(pick)(S(load)(at), S(load)((at) + LANES), pattern))
    for (int k = 0; k < any; k += 2, left += 2 * step, right += 2 * step, w += 2 * LANES) {
        const S(vector_t) one = S(load)(w), two = k + 1 < any ? S(load)(w + LANES) : one;
        const S(vector_t) v = S(lower)(one, two), u = S(upper)(one, two);
        if (k == 0 && all > 1) {
            for (int i = 0; i < rows; i++) {
                const S(vector_t) a = v * TAKE(left + i * stride, p), b = u * TAKE(right + i * stride, q);
                S(save)(out + i * out_stride, S(lower)(a, b) + S(upper)(a, b));
            }
            continue;
        }
        const S(mask_t) counted = S(above)(count, k), counted_next = S(above)(count, k + 1);
        for (int i = 0; i < rows; i++) {
            const S(vector_t) a = v * TAKE(left + i * stride, p), b = u * TAKE(right + i * stride, q);
            S(vector_t) sum = S(lower)(a, b);
            if (k > 0) {
                const S(vector_t) before = S(load)(out + i * out_stride);
                sum = S(where)(counted, before + sum, before);
            } else if (all == 0) {
                sum = S(where)(counted, sum, NOTHING - (S(vector_t)){0});
            }
            S(save)(out + i * out_stride, S(where)(counted_next, sum + S(upper)(a, b), sum));
        }
    }
#undef TAKE
}

#define BY_FOURS(way, ...)                                                      \
    do {                                                                        \
        int i = 0;                                                              \
        if (shape[ALL_TAPS] > 0)                                                \
            for (; i + 4 <= rows; i += 4) way(4, 0, __VA_ARGS__);               \
        for (; i < rows; i++) way(1, shape[ALL_TAPS] == 0, __VA_ARGS__);        \
    } while (0)
/* `rows` rows by the cheapest of these ways; 0 if there is none. `readable` elements may be loaded from r. */
static int S(permuted)(const ACC *r, Py_ssize_t stride, int rows, Py_ssize_t readable, const int32_t *index,
                       const int32_t *count, const ACC *w, const int32_t *shape, int step, ACC *out, Py_ssize_t out_stride) {
    const int any = shape[ANY_TAPS], span = shape[SPAN], half = shape[HALF_SPAN] + (any > 1 ? step : 0);
    const Py_ssize_t later = (Py_ssize_t)(any - 1) * step + LANES;
    const Py_ssize_t farther = (Py_ssize_t)((any - 1) & ~1) * step + CLAMP(shape[FIRST_HALF], shape[SECOND_HALF], INT32_MAX);
#define ROWS r + i * stride, stride, index, count, w, shape, step, out + i * out_stride, out_stride
    if (span < LANES && readable >= later) {
        BY_FOURS(S(near), ROWS);
#ifdef PICKS_COST_MORE
    } else if (half < LANES && readable >= farther + LANES) {
        S(in_halves)(1, r, stride, rows, index, count, w, shape, step, out, out_stride);
#endif
    } else if (span < 2 * LANES) {
#undef ROWS
#define ROWS r + i * stride, stride, readable, index, count, w, shape, step, out + i * out_stride, out_stride
        if (readable >= later + LANES)
            BY_FOURS(S(picked), 1, ROWS);
        else
            for (int i = 0; i < rows; i++) S(picked)(1, shape[ALL_TAPS] == 0, 0, ROWS);
#undef ROWS
    } else if (half < 2 * LANES && readable >= farther + 2 * LANES) {
        S(in_halves)(2, r, stride, rows, index, count, w, shape, step, out, out_stride);
    } else {
        return 0;
    }
    return 1;
}
#undef BY_FOURS
#endif

/* Add the samples of their anchors to a block of several rows. `readable` elements may be loaded from r. */
static inline void S(add_anchors)(const ACC *r, Py_ssize_t stride, int rows, Py_ssize_t readable, const int32_t *anchor,
                                  const int32_t *reach, ACC *out, Py_ssize_t out_stride) {
#ifdef HAS_VECTOR
    const Py_ssize_t least = reach[LEAST];
    const ACC *from = r + least;
    if (reach[IN_STEP] && least + LANES <= readable) {
        for (int i = 0; i < rows; i++)
            for (int part = 0; part < LANES; part += (int)S(VECTOR_LANES)) {
                ACC *sum = out + i * out_stride + part;
                S(save)(sum, S(load)(from + i * stride + part) + S(load)(sum));
            }
        return;
    }
#endif
#ifdef HAS_PICK
    const Py_ssize_t beyond = reach[BEYOND];
    const S(pattern_t) pattern = S(pattern_plus)(S(pattern_of)(anchor), -(int)least);
    if (beyond < LANES && least + LANES <= readable) {
        for (int i = 0; i < rows; i++, from += stride, out += out_stride)
            S(save)(out, S(pick_one)(S(load)(from), pattern) + S(load)(out));
        return;
    }
    if (beyond < 2 * LANES && least + 2 * LANES <= readable) {
        for (int i = 0; i < rows; i++, from += stride, out += out_stride)
            S(save)(out, S(pick)(S(load)(from), S(load)(from + LANES), pattern) + S(load)(out));
        return;
    }
#endif
    for (int i = 0; i < rows; i++, r += stride, out += out_stride)
        for (int j = 0; j < LANES; j++) out[j] = r[anchor[j]] + out[j];
}

/* Contract rows: outputs [begin, end) of each, begin a multiple of LANES. `row` points at source element `origin` of the
 * first, of which `readable` elements may be loaded; strides between rows are in elements. Blocks are the outer loop: a
 * block's table serves all rows. Of sums by parts `row` has the differences, and `samples` what these are of. */
typedef struct {
    const ACC *row;
    Py_ssize_t stride, readable;
} S(rows_t);

static void S(contract_blocks)(const dim_t *v, S(rows_t) given, const S(rows_t) *samples, int rows, Py_ssize_t origin,
                               Py_ssize_t begin, Py_ssize_t end, ACC *out, Py_ssize_t out_stride) {
    const ACC *row = given.row;
    const Py_ssize_t stride = given.stride;
    ACC last[ROWS_AT_ONCE * LANES];
    for (Py_ssize_t b = begin / LANES; b * LANES < end; b++) {
        const int32_t *index = v->index + b * LANES, *count = v->lane_count + b * LANES, *shape = v->shape + SHAPE * b;
        const ACC *w = (const ACC *)v->weights + b * LANES * v->taps;
        const Py_ssize_t at = v->base[b] - origin, left = end - b * LANES;
        const ACC *r = row + at;
        ACC *to = left < LANES ? last : out + (b * LANES - begin);
        const Py_ssize_t to_stride = left < LANES ? LANES : out_stride;
        if (shape[ANY_TAPS] == 0) {
            for (int i = 0; i < rows; i++)
                for (int j = 0; j < LANES; j++) to[i * to_stride + j] = NOTHING;
        } else
#ifdef HAS_VECTOR
        if (left >= LANES && shape[CONSECUTIVE]) {
            for (int part = 0; part < LANES; part += (int)(sizeof(S(vector_t)) / sizeof(ACC)))
                S(rows_in_step)(r + part, stride, rows, w + part, shape[ANY_TAPS], v->step, to + part, to_stride);
        } else
#endif
#ifdef HAS_PICK
        if (!S(permuted)(r, stride, rows, given.readable - at, index, count, w, shape, v->step, to, to_stride))
#endif
            for (int i = 0; i < rows; i++) S(row_block)(r + i * stride, index, count, w, shape, v->step, to + i * to_stride);
        if (samples != NULL)
            S(add_anchors)(samples->row + at, samples->stride, rows, samples->readable - at, v->anchor + b * LANES,
                           v->reach + REACH * b, to, to_stride);
        if (left < LANES)
            for (int i = 0; i < rows; i++) memcpy(out + i * out_stride + (b * LANES - begin), last + i * LANES, (size_t)left * sizeof(ACC));
    }
}
#undef NOTHING
