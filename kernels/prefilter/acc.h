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

/* n samples in place, `step` elements between those of a line; two of each fewer second differences come out. */
static void S(differ)(Py_ssize_t step, Py_ssize_t n, ACC *x) {
    INDEPENDENT
    for (Py_ssize_t i = 0; i < n - 2 * step; i++) x[i] = (x[i + 2 * step] - x[i + step]) - (x[i + step] - x[i]);
}

/* n differences in place; fewer come out, by as many as the filters reach. Each filter of two taps leaves its results at the
 * front. */
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
 * them stays in registers. Results are in [reach, samples - reach); up to UNROLL samples behind the last are overwritten. */

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

/* Second differences of a register of lines, in place. */
static inline void S(differ_lines)(Py_ssize_t samples, Py_ssize_t step, ACC *x) {
    S(vector_t) sample = S(load)(x + step), rise = sample - S(load)(x);
    Py_ssize_t k = 2;
    for (; k + 1 < samples; k += 2, x += 2 * step) {
        const S(vector_t) next = S(load)(x + 2 * step), next_rise = next - sample;
        S(save)(x, next_rise - rise);
        sample = S(load)(x + 3 * step);
        rise = sample - next;
        S(save)(x + step, rise - next_rise);
    }
    if (k < samples) S(save)(x, (S(load)(x + 2 * step) - sample) - rise);
}

static inline ALWAYS_INLINE void S(sweep)(const ACC *w, const int doublings, Py_ssize_t samples, Py_ssize_t step, ACC *x) {
    enum { UNROLL = 1 << (sizeof(ACC) == 4 ? 3 : 4), MOST = 32 };
    const ACC scale = w[0], *forwards = w + 1, *backwards = w + doublings + 1;
    const Py_ssize_t reach = (1 << doublings) - 1;
    S(vector_t) held[MOST] = {0};
    ACC *at = x;
    for (Py_ssize_t k = 0; k < samples; k += UNROLL)
        for (int u = 0; u < UNROLL; u++, at += step) {
            const S(vector_t) v = S(load)(at);
            S(save)(at, S(next)(v, scale * v, forwards, doublings, u, held));
        }
    at = x + (samples - 1) * step;
    for (Py_ssize_t k = reach; k < samples; k += UNROLL)
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

/* to[i] = samples[i] + filtered[i]: samples of any type, loaded where the results go. */
static inline void S(put)(S(load_t) load, int is_acc, const char *samples, const ACC *filtered, Py_ssize_t n, ACC *restrict to) {
    const ACC *from = (const ACC *)samples;
    if (is_acc) {
        for (Py_ssize_t i = 0; i < n; i++) to[i] = from[i] + filtered[i];
    } else {
        load(samples, n, to);
        for (Py_ssize_t i = 0; i < n; i++) to[i] = to[i] + filtered[i];
    }
}

/* Samples [begin, end) beyond the ends, each the copy of one within: `within` is where the axis's first sample lies. */
static inline void S(continue)(const Py_ssize_t *index, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t width, Py_ssize_t pitch,
                               const ACC *within, ACC *x) {
    if (pitch == 1)
        for (Py_ssize_t k = begin; k < end; k++) x[k] = within[index[k]];
    else
        for (Py_ssize_t k = begin; k < end; k++) memcpy(x + k * pitch, within + index[k] * pitch, (size_t)width * sizeof(ACC));
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
    const char *own = src + job->index[at + job->radius] * job->src_step; /* the samples of the outputs */
    src += first * job->src_step;
    if (pitch == width && job->src_step == width * ELEMENT_SIZE[job->in_type])
        load(src, (stop - start) * width, x + start * pitch);
    else
        for (Py_ssize_t k = start; k < stop; k++) load(src + (k - start) * job->src_step, width, x + k * pitch);
    const ACC *within = x + (start - first) * pitch;
    S(continue)(job->index + at, 0, start, width, pitch, within, x);
    S(continue)(job->index + at, stop, samples, width, pitch, within, x);
    const Py_ssize_t differences = samples - 2, reach = job->radius - 1;
#ifdef HAS_VECTOR
    enum { REGISTER = S(VECTOR_LANES), DOUBLINGS = sizeof(ACC) == 4 ? 4 : 5 };
    if (pitch > width && job->doublings == DOUBLINGS) {
        for (Py_ssize_t i = 0; i < width; i += REGISTER) {
            S(differ_lines)(samples, pitch, x + i);
            S(sweep)(w, DOUBLINGS, differences, pitch, x + i);
        }
        x += reach * pitch;
    } else
#endif
#if defined(__AVX512F__)
    if (pitch == 1 && job->doublings == DOUBLINGS) {
        S(differ)(1, samples, x);
        S(sweep_line)(w, differences, x);
        x += reach;
    } else
#endif
    {
        S(differ)(pitch, samples * pitch, x);
        S(filter)(w, job->doublings, pitch, differences * pitch, x);
    }
    dst += at * job->dst_step;
    const int is_acc = job->in_type == (sizeof(ACC) == 4 ? F32 : F64);
    if (pitch == width && job->dst_step == width * (Py_ssize_t)sizeof(ACC) && job->src_step == width * ELEMENT_SIZE[job->in_type])
        S(put)(load, is_acc, own, x, count * width, (ACC *)dst);
    else
        for (Py_ssize_t k = 0; k < count; k++)
            S(put)(load, is_acc, own + k * job->src_step, x + k * pitch, width, (ACC *)(dst + k * job->dst_step));
}
#undef HAS_PICK
#undef PICKS_COST_MORE
#undef HAS_VECTOR
