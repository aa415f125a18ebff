/* Rows of uint8 under two axes of up to two taps, the row's and that before it, where the row shrinks: the samples that count
 * alone are converted.
 *
 *     out[i] = sum over k of w[i, k] * (sum over j of v[j] * rows[j][start[i] + k])
 *
 * in the order of the general way. Of each four lanes the samples lie within one or two WINDOWs of 16 bytes, from which a
 * permutation of bytes takes them. */
#ifndef VRDASK_BYTES_H
#define VRDASK_BYTES_H

#ifdef HAS_BYTE_ROWS
enum { WINDOW = 16, QUAD = 4 };

#if defined(VRDASK_NEON)
typedef uint8x16_t bytes_t;
static inline ALWAYS_INLINE bytes_t pattern_at(const int32_t *p) { return vreinterpretq_u8_s32(vld1q_s32(p)); }
static inline ALWAYS_INLINE bytes_t further(bytes_t pattern, int step) {
    return vreinterpretq_u8_s32(vaddq_s32(vreinterpretq_s32_u8(pattern), vdupq_n_s32(step)));
}
static inline ALWAYS_INLINE vector_t_float samples_at(const int many, const uint8_t *row, const int32_t *base, bytes_t pattern) {
    const uint8x16_t x = vld1q_u8(row + base[0]);
    const uint8x16_t found = many == 1 ? vqtbl1q_u8(x, pattern)
                                       : vqtbl2q_u8((uint8x16x2_t){{x, vld1q_u8(row + base[0] + WINDOW)}}, pattern);
    return (vector_t_float)vcvtq_f32_u32(vreinterpretq_u32_u8(found));
}
static inline ALWAYS_INLINE vector_t_float of_two_taps(const int32_t *count, vector_t_float both, vector_t_float first) {
    return (vector_t_float)vbslq_f32(vcgtq_s32(vld1q_s32(count), vdupq_n_s32(1)), (float32x4_t)both, (float32x4_t)first);
}
#else
#if defined(__AVX512F__)
typedef __m512i bytes_t;
#define BYTES(name) _mm512_##name
static inline ALWAYS_INLINE __m512i windows_at(const uint8_t *row, const int32_t *base) {
    const __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(row + base[0])));
    const __m512i y = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(row + base[1])), 1);
    const __m512i z = _mm512_inserti32x4(y, _mm_loadu_si128((const __m128i *)(row + base[2])), 2);
    return _mm512_inserti32x4(z, _mm_loadu_si128((const __m128i *)(row + base[3])), 3);
}
static inline ALWAYS_INLINE __m512i or_bytes(__m512i x, __m512i y) { return _mm512_or_si512(x, y); }
static inline ALWAYS_INLINE __m512i pattern_at(const int32_t *p) { return _mm512_loadu_si512(p); }
#else
typedef __m256i bytes_t;
#define BYTES(name) _mm256_##name
static inline ALWAYS_INLINE __m256i windows_at(const uint8_t *row, const int32_t *base) {
    const __m256i x = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(row + base[0])));
    return _mm256_inserti128_si256(x, _mm_loadu_si128((const __m128i *)(row + base[1])), 1);
}
static inline ALWAYS_INLINE __m256i or_bytes(__m256i x, __m256i y) { return _mm256_or_si256(x, y); }
static inline ALWAYS_INLINE __m256i pattern_at(const int32_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
#endif
static inline ALWAYS_INLINE bytes_t further(bytes_t pattern, int step) { return BYTES(add_epi32)(pattern, BYTES(set1_epi32)(step)); }

/* Bytes p of windows, or of pairs of windows, as floats. A pattern's upper bytes have their highest bit set: they become 0. */
static inline ALWAYS_INLINE vector_t_float samples_at(const int many, const uint8_t *row, const int32_t *base, bytes_t pattern) {
    if (many == 1) return (vector_t_float)BYTES(cvtepi32_ps)(BYTES(shuffle_epi8)(windows_at(row, base), pattern));
    const bytes_t zero = BYTES(set1_epi32)((int)0x80808000), past = BYTES(set1_epi8)(0x70);
    const bytes_t low = BYTES(shuffle_epi8)(windows_at(row, base), BYTES(adds_epu8)(pattern, past));
    const bytes_t high = BYTES(shuffle_epi8)(windows_at(row + WINDOW, base),
                                             or_bytes(BYTES(sub_epi8)(pattern, BYTES(set1_epi8)(WINDOW)), zero));
    return (vector_t_float)BYTES(cvtepi32_ps)(or_bytes(low, high));
}
#undef BYTES
static inline ALWAYS_INLINE vector_t_float of_two_taps(const int32_t *count, vector_t_float both, vector_t_float first) {
    return where_float(above_float(count, 1), both, first);
}
#endif

/* One register of a block. base: of the windows of each four lanes; pattern: bytes within them. */
static inline ALWAYS_INLINE vector_t_float sums_of_bytes(const int many, const int two, const uint8_t *a, const uint8_t *b,
                                                   const int32_t *base, const int32_t *pattern, const int32_t *count,
                                                   const float *v, const float *w, const int32_t *shape, int step) {
    const bytes_t p = pattern_at(pattern), q = further(p, step);
    vector_t_float first = v[0] * samples_at(many, a, base, p), second = v[0] * samples_at(many, a, base, q);
    if (two) {
        first = first + v[1] * samples_at(many, b, base, p);
        second = second + v[1] * samples_at(many, b, base, q);
    }
    first = load_float(w) * first;
    const vector_t_float sum = first + load_float(w + FLOAT_LANES) * second;
    return shape[ALL_TAPS] > 1 ? sum : of_two_taps(count, sum, first);
}

/* A block near the end of a row, behind which nothing may be read. */
static void bytes_one_by_one(int two, const uint8_t *a, const uint8_t *b, const int32_t *index, const int32_t *count,
                               const float *v, const float *w, int step, float *out) {
    for (int j = 0; j < FLOAT_LANES; j++) {
        for (int k = 0; k < count[j]; k++) {
            const Py_ssize_t at = index[j] + (Py_ssize_t)k * step;
            float sample = v[0] * (float)a[at];
            if (two) sample = sample + v[1] * (float)b[at];
            sample = w[k * FLOAT_LANES + j] * sample;
            out[j] = k == 0 ? sample : out[j] + sample;
        }
    }
}

/* Outputs [begin, end) of a row, as contract_blocks has them, from one source row or two. Those `ahead` bytes further on are
 * needed next. */
#define CONTRACT_BYTES(name, many, two)                                                                                  \
    static void name(const dim_t *u, const uint8_t *a, const uint8_t *b, Py_ssize_t ahead, const float *v, Py_ssize_t origin, \
                     Py_ssize_t readable, Py_ssize_t begin, Py_ssize_t end, float *out) {                                \
        for (Py_ssize_t n = begin / FLOAT_LANES; n * FLOAT_LANES < end; n++) {                                           \
            const Py_ssize_t lane = n * FLOAT_LANES, at = u->base[n] - origin, left = end - lane;                        \
            const int32_t *shape = u->shape + SHAPE * n, *count = u->lane_count + lane;                                  \
            const float *w = (const float *)u->weights + 2 * lane;                                                       \
            float last[FLOAT_LANES], *to = left < FLOAT_LANES ? last : out + (lane - begin);                             \
            PREFETCH(a + at + ahead);                                                                                    \
            if (two) PREFETCH(b + at + ahead);                                                                           \
            if (at + shape[SPAN] + many * WINDOW <= readable)                                                            \
                for (int part = 0; part < FLOAT_LANES; part += VECTOR_LANES_float)                                       \
                    save_float(to + part, sums_of_bytes(many, two, a + at, b + at, u->window + (lane + part) / QUAD,     \
                                                        u->pattern + lane + part, count + part, v, w + part, shape, u->step)); \
            else                                                                                                         \
                bytes_one_by_one(two, a + at, b + at, u->index + lane, count, v, w, u->step, to);                      \
            if (left < FLOAT_LANES) memcpy(out + (lane - begin), last, (size_t)left * sizeof(float));                    \
        }                                                                                                                \
    }
CONTRACT_BYTES(bytes_near, 1, 1)
CONTRACT_BYTES(bytes_far, 2, 1)
CONTRACT_BYTES(bytes_of_one, 2, 0)
#undef CONTRACT_BYTES

static void resolve_bytes(const job_t *job, int d, view_t in, view_t out, const tile_t *t, char *scratch) {
    const dim_t *v = &job->dim[d], *u = v + 1;
    const Py_ssize_t begin = t->out_start[d + 1], n = t->out_size[d + 1];
    float *result = (float *)(scratch + job->row_scratch);
    for (Py_ssize_t i = 0; i < t->out_size[d]; i++) {
        const Py_ssize_t o = t->out_start[d] + i;
        const uint8_t *a = (const uint8_t *)in.data + (v->start[o] - t->src_start[d]) * in.stride[d];
        const int two = v->count[o] > 1;
        const Py_ssize_t ahead = o + 1 < v->size ? (v->start[o + 1] - v->start[o]) * in.stride[d] : 0;
        float *sums = out.type == F32 ? (float *)(out.data + i * out.stride[d]) : result;
        (two && u->windows == 1 ? bytes_near : two ? bytes_far : bytes_of_one)(
            u, a, two ? a + in.stride[d] : a, ahead, (const float *)v->weights + o * v->taps, t->src_start[d + 1],
            t->src_size[d + 1], begin, begin + n, sums);
        if (out.divisor != 0) divide_float(sums, n, (float)out.divisor);
        if (out.type != F32) ELEMENTS_float[out.type].store(sums, n, out.data + i * out.stride[d]);
    }
}
#endif

#endif
