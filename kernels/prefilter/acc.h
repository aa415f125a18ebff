/* The filter for one accumulator type. Included by prefilter.h with ACC and S(name). */

#define LOADS_ALONE
#include "common/elements.h"
#undef LOADS_ALONE
#include "common/vector.h"

typedef void (*S(load_t))(const void *, Py_ssize_t, ACC *);
static const S(load_t) S(LOADS)[] = {S(load_u8),  S(load_i8),  S(load_u16), S(load_i16), S(load_f16), S(load_f32),
#ifdef ACC_IS_DOUBLE
                                     S(load_i32), S(load_u32), S(load_i64), S(load_u64), S(load_f64)
#endif
};

/* n samples in place; fewer come out, by twice the radius. Each filter of two taps leaves its results at the front. */
static Py_ssize_t S(filter)(const ACC *w, int doublings, Py_ssize_t step, Py_ssize_t n, ACC *x) {
    const ACC a = w[0], b = w[1];
    n -= step;
    INDEPENDENT
    for (Py_ssize_t i = 0; i < n; i++) x[i] = a * x[i + step] + b * x[i];
    for (int k = 1; k < doublings; k++) {
        const Py_ssize_t shift = step << k;
        const ACC z = w[k + 1];
        n -= shift;
        INDEPENDENT
        for (Py_ssize_t i = 0; i < n; i++) x[i] = x[i + shift] + z * x[i];
    }
    for (int k = 0; k < doublings; k++) {
        const Py_ssize_t shift = step << k;
        const ACC z = w[doublings + 1 + k];
        n -= shift;
        INDEPENDENT
        for (Py_ssize_t i = 0; i < n; i++) x[i] = x[i] + z * x[i + shift];
    }
    return n;
}

#ifdef HAS_VECTOR
/* The same for a register of lines, `step` elements between samples, in one sweep each way: what samples need of those before
 * them stays in registers. Results are in [radius, samples - radius); up to UNROLL samples behind the last are overwritten. */

static inline ALWAYS_INLINE S(vector_t) S(next)(S(vector_t) v, S(vector_t) scaled, const ACC *z, const int doublings, const int at,
                                               S(vector_t) *held) {
    S(vector_t) before = held[0];
    held[0] = v;
    v = scaled + z[0] * before;
    for (int k = 1; k < doublings; k++) {
        const int place = (1 << k) - 1 + (at & ((1 << k) - 1));
        before = held[place];
        held[place] = v;
        v = v + z[k] * before;
    }
    return v;
}

static inline ALWAYS_INLINE void S(sweep)(const ACC *w, const int doublings, Py_ssize_t samples, Py_ssize_t step, ACC *x) {
    enum { UNROLL = 1 << (sizeof(ACC) == 4 ? 3 : 4), MOST = 32 };
    const ACC scale = w[0], *forwards = w + 1, *backwards = w + doublings + 1;
    const Py_ssize_t radius = (1 << doublings) - 1;
    S(vector_t) held[MOST] = {0};
    ACC *at = x;
    for (Py_ssize_t k = 0; k < samples; k += UNROLL)
        for (int u = 0; u < UNROLL; u++, at += step) {
            const S(vector_t) v = S(load)(at);
            S(save)(at, S(next)(v, scale * v, forwards, doublings, u, held));
        }
    at = x + (samples - 1) * step;
    for (Py_ssize_t k = radius; k < samples; k += UNROLL)
        for (int u = 0; u < UNROLL; u++, at -= step) {
            const S(vector_t) v = S(load)(at);
            S(save)(at, S(next)(v, v, backwards, doublings, u, held));
        }
}
#endif

#if defined(__AVX512F__)
/* The same along one line: a register holds neighbouring samples, and what is shifted in comes from the register before. */
#ifdef ACC_IS_DOUBLE
#define JOINED(low, high, n) ((S(vector_t))_mm512_alignr_epi64((__m512i)(high), (__m512i)(low), n))
#else
#define JOINED(low, high, n) ((S(vector_t))_mm512_alignr_epi32((__m512i)(high), (__m512i)(low), n))
#endif
#define BEFORE_BY(m, was, v) JOINED(was, v, (S(VECTOR_LANES) - (m)) % S(VECTOR_LANES))
#define BEHIND_BY(m, was, v) JOINED(v, was, (m) % S(VECTOR_LANES))
#define ADD_SHIFTED(m, shifted, z, held) \
    {                                    \
        const S(vector_t) shift = shifted(m, held, v); \
        held = v;                        \
        v = v + z * shift;               \
    }
static void S(sweep_line)(const ACC *w, Py_ssize_t samples, ACC *x) {
    const Py_ssize_t last = (samples - 1) / S(VECTOR_LANES) * S(VECTOR_LANES);
    S(vector_t) a = {0}, b = {0}, c = {0}, d = {0};
#ifdef ACC_IS_DOUBLE
    S(vector_t) e = {0}, f = {0}; /* sixteen samples are two registers */
    enum { BACK = 6 };
#else
    enum { BACK = 5 };
#endif
    for (Py_ssize_t i = 0; i <= last; i += S(VECTOR_LANES)) {
        S(vector_t) v = S(load)(x + i);
        const S(vector_t) shift = BEFORE_BY(1, a, v);
        a = v;
        v = w[0] * v + w[1] * shift;
        ADD_SHIFTED(2, BEFORE_BY, w[2], b)
        ADD_SHIFTED(4, BEFORE_BY, w[3], c)
#ifdef ACC_IS_DOUBLE
        const S(vector_t) eight = d, sixteen = f;
        d = v;
        v = v + w[4] * eight;
        f = e, e = v;
        v = v + w[5] * sixteen;
#else
        ADD_SHIFTED(8, BEFORE_BY, w[4], d)
#endif
        S(save)(x + i, v);
    }
    for (Py_ssize_t i = last; i >= 0; i -= S(VECTOR_LANES)) {
        S(vector_t) v = S(load)(x + i);
        ADD_SHIFTED(1, BEHIND_BY, w[BACK], a)
        ADD_SHIFTED(2, BEHIND_BY, w[BACK + 1], b)
        ADD_SHIFTED(4, BEHIND_BY, w[BACK + 2], c)
#ifdef ACC_IS_DOUBLE
        const S(vector_t) eight = d, sixteen = f;
        d = v;
        v = v + w[BACK + 3] * eight;
        f = e, e = v;
        v = v + w[BACK + 4] * sixteen;
#else
        ADD_SHIFTED(8, BEHIND_BY, w[BACK + 3], d)
#endif
        S(save)(x + i, v);
    }
}
#undef JOINED
#undef BEFORE_BY
#undef BEHIND_BY
#undef ADD_SHIFTED
#endif

static inline void S(copy)(const ACC *from, Py_ssize_t n, ACC *to) {
    for (Py_ssize_t i = 0; i < n; i++) to[i] = from[i];
}

/* Outputs [at, at + count) of `width` neighbouring lines, brought together in scratch, `pitch` elements from sample to sample. */
static void S(filter_lines)(const prefilter_t *job, const char *src, char *dst, Py_ssize_t at, Py_ssize_t count,
                            Py_ssize_t width, ACC *x) {
    const ACC *w = (const ACC *)job->weights;
    const Py_ssize_t samples = count + 2 * job->radius, pitch = job->pitch;
    const S(load_t) load = S(LOADS)[job->in_type];
    const Py_ssize_t start = job->plain_start > at ? job->plain_start - at : 0;
    const Py_ssize_t stop = job->plain_stop < at + samples ? job->plain_stop - at : samples;
    const Py_ssize_t first = job->index[at + start];
    src += first * job->src_step;
    if (pitch == width && job->src_step == width * ELEMENT_SIZE[job->in_type])
        load(src, (stop - start) * width, x + start * pitch);
    else
        for (Py_ssize_t k = start; k < stop; k++) load(src + (k - start) * job->src_step, width, x + k * pitch);
    for (Py_ssize_t k = 0; k < start; k++) S(copy)(x + (start + job->index[at + k] - first) * pitch, width, x + k * pitch);
    for (Py_ssize_t k = stop; k < samples; k++) S(copy)(x + (start + job->index[at + k] - first) * pitch, width, x + k * pitch);
#ifdef HAS_VECTOR
    enum { REGISTER = S(VECTOR_LANES), DOUBLINGS = sizeof(ACC) == 4 ? 4 : 5 };
    if (pitch > width && job->doublings == DOUBLINGS) {
        for (Py_ssize_t i = 0; i < width; i += REGISTER) S(sweep)(w, DOUBLINGS, samples, pitch, x + i);
        x += job->radius * pitch;
    } else
#endif
#if defined(__AVX512F__)
    if (pitch == 1 && job->doublings == DOUBLINGS) {
        S(sweep_line)(w, samples, x);
        x += job->radius;
    } else
#endif
        S(filter)(w, job->doublings, pitch, samples * pitch, x);
    dst += at * job->dst_step;
    if (pitch == width && job->dst_step == width * (Py_ssize_t)sizeof(ACC))
        memcpy(dst, x, (size_t)(count * width) * sizeof(ACC));
    else
        for (Py_ssize_t k = 0; k < count; k++) memcpy(dst + k * job->dst_step, x + k * pitch, (size_t)width * sizeof(ACC));
}
#undef HAS_PICK
#undef PICKS_COST_MORE
#undef HAS_VECTOR
