/* The contraction for one accumulator type. Included by contract.h with ACC, ACC_TYPE, LANES and S(name). */

#define T uint8_t
#define NAME(x) S(x##_u8)
#define LOAD(v) ((ACC)(v))
#ifdef ACC_IS_DOUBLE
#define STORE(a) ((uint8_t)(int32_t)NEAREST_D(CLAMP(a, 0.0, 255.0)))
#else
#define STORE(a) ((uint8_t)(int32_t)NEAREST_F(CLAMP(a, 0.0f, 255.0f)))
#endif
#include "element.h"

#define T int8_t
#define NAME(x) S(x##_i8)
#define LOAD(v) ((ACC)(v))
#ifdef ACC_IS_DOUBLE
#define STORE(a) ((int8_t)(int32_t)NEAREST_D(CLAMP(NUMBER(a), -128.0, 127.0)))
#else
#define STORE(a) ((int8_t)(int32_t)NEAREST_F(CLAMP(NUMBER(a), -128.0f, 127.0f)))
#endif
#include "element.h"

#define T uint16_t
#define NAME(x) S(x##_u16)
#define LOAD(v) ((ACC)(v))
#ifdef ACC_IS_DOUBLE
#define STORE(a) ((uint16_t)(int32_t)NEAREST_D(CLAMP(a, 0.0, 65535.0)))
#else
#define STORE(a) ((uint16_t)(int32_t)NEAREST_F(CLAMP(a, 0.0f, 65535.0f)))
#endif
#include "element.h"

#define T int16_t
#define NAME(x) S(x##_i16)
#define LOAD(v) ((ACC)(v))
#ifdef ACC_IS_DOUBLE
#define STORE(a) ((int16_t)(int32_t)NEAREST_D(CLAMP(NUMBER(a), -32768.0, 32767.0)))
#else
#define STORE(a) ((int16_t)(int32_t)NEAREST_F(CLAMP(NUMBER(a), -32768.0f, 32767.0f)))
#endif
#include "element.h"

#define T uint16_t
#define NAME(x) S(x##_f16)
#define LOAD(v) ((ACC)half_to_float(v))
#ifdef ACC_IS_DOUBLE
#define STORE(a) double_to_half(a)
#else
#define STORE(a) float_to_half(a)
#endif
#include "element.h"

#define T float
#define NAME(x) S(x##_f32)
#define LOAD(v) ((ACC)(v))
#define STORE(a) ((float)(a))
#include "element.h"

#ifdef ACC_IS_DOUBLE
#define T int32_t
#define NAME(x) S(x##_i32)
#define LOAD(v) ((ACC)(v))
#define STORE(a) ((int32_t)NEAREST_D(CLAMP(NUMBER(a), -2147483648.0, 2147483647.0)))
#include "element.h"

#define T uint32_t
#define NAME(x) S(x##_u32)
#define LOAD(v) ((ACC)(v))
#define STORE(a) ((uint32_t)(int64_t)NEAREST_D(CLAMP(a, 0.0, 4294967295.0)))
#include "element.h"

#define T int64_t
#define NAME(x) S(x##_i64)
#define LOAD(v) ((ACC)(v))
#define STORE(a) double_to_i64(a)
#include "element.h"

#define T uint64_t
#define NAME(x) S(x##_u64)
#define LOAD(v) ((ACC)(v))
#define STORE(a) double_to_u64(a)
#include "element.h"

#define T double
#define NAME(x) S(x##_f64)
#define LOAD(v) (v)
#define STORE(a) (a)
#include "element.h"
#endif

typedef struct {
    void (*load)(const void *, Py_ssize_t, ACC *);
    void (*store)(const ACC *, Py_ssize_t, void *);
    void (*combine)(const char *const *, Py_ssize_t, const ACC *, int, Py_ssize_t, ACC *);
} S(element_t);

#define ELEMENT(t) {S(load_##t), S(store_##t), S(combine_##t)}
static const S(element_t) S(ELEMENTS)[] = {ELEMENT(u8),  ELEMENT(i8),  ELEMENT(u16), ELEMENT(i16), ELEMENT(f16),
                                           ELEMENT(f32),
#ifdef ACC_IS_DOUBLE
                                           ELEMENT(i32), ELEMENT(u32), ELEMENT(i64), ELEMENT(u64), ELEMENT(f64)
#endif
};
#undef ELEMENT

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

/* Contract a row: outputs [begin, end), begin a multiple of LANES. `row` points at source element `origin`,
 * of which `readable` elements may be loaded. */
static void S(row)(const level_t *v, const ACC *row, Py_ssize_t origin, Py_ssize_t readable, Py_ssize_t begin,
                   Py_ssize_t end, ACC *restrict out) {
    const ACC *weights = (const ACC *)v->weights;
    for (Py_ssize_t b = begin / LANES; b * LANES < end; b++) {
        const int32_t *index = v->index + b * LANES, *count = v->lane_count + b * LANES, *shape = v->shape + SHAPE * b;
        const ACC *w = weights + b * LANES * v->taps;
        const Py_ssize_t at = v->base[b] - origin, left = end - b * LANES;
        ACC last[LANES], *to = left < LANES ? last : out + (b * LANES - begin);
#ifdef REACH
#if defined(__AVX512F__)
        const int near = shape[SPAN] < REACH && at + (Py_ssize_t)(shape[ANY_TAPS] - 1) * v->step + REACH <= readable;
#else
        const int near = shape[HALF_SPAN] < REACH &&
                         at + shape[UPPER] + (Py_ssize_t)(shape[ANY_TAPS] - 1) * v->step + REACH <= readable;
#endif
        if (near)
            S(row_block_near)(row + at, index, count, w, shape, v->step, to);
        else
#endif
            S(row_block)(row + at, index, count, w, shape, v->step, to);
        if (left < LANES) memcpy(out + (b * LANES - begin), last, (size_t)left * sizeof(ACC));
    }
}
#undef REACH

/* A run of n elements: to[i] = sum_k w[k] * rows[k][i], any element type to any other. */
static void S(run)(const char *const *rows, Py_ssize_t offset, int in_type, const ACC *w, int taps, Py_ssize_t n,
                   char *to, int out_type) {
    const Py_ssize_t in_size = ELEMENT_SIZE[in_type], out_size = ELEMENT_SIZE[out_type];
    const S(element_t) *in = &S(ELEMENTS)[in_type];
    ACC buffer[BLOCK];
    if (out_type == ACC_TYPE && taps <= 4) {
        in->combine(rows, offset, w, taps, n, (ACC *)to);
        return;
    }
    for (Py_ssize_t i = 0; i < n; i += BLOCK) {
        const Py_ssize_t m = n - i < BLOCK ? n - i : BLOCK;
        if (out_type == ACC_TYPE) {
            in->combine(rows, offset + i * in_size, w, taps, m, (ACC *)to + i);
        } else {
            in->combine(rows, offset + i * in_size, w, taps, m, buffer);
            S(ELEMENTS)[out_type].store(buffer, m, to + i * out_size);
        }
    }
}

/* The same for slabs of levels [d, levels) and extents `size`, joining levels that are contiguous in both. */
static void S(slab)(int levels, int d, const char *const *rows, Py_ssize_t offset, int in_type,
                    const Py_ssize_t *in_stride, const ACC *w, int taps, char *to, int out_type,
                    const Py_ssize_t *out_stride, const Py_ssize_t *size) {
    Py_ssize_t n = 1;
    int joined = levels;
    while (joined > d && (size[joined - 1] == 1 || (in_stride[joined - 1] == n * ELEMENT_SIZE[in_type] &&
                                                    out_stride[joined - 1] == n * ELEMENT_SIZE[out_type]))) {
        joined--;
        n *= size[joined];
    }
    if (joined <= d) {
        S(run)(rows, offset, in_type, w, taps, n, to, out_type);
    } else if (joined == d + 1) {
        for (Py_ssize_t i = 0; i < size[d]; i++)
            S(run)(rows, offset + i * in_stride[d], in_type, w, taps, n, to + i * out_stride[d], out_type);
    } else {
        for (Py_ssize_t i = 0; i < size[d]; i++)
            S(slab)(levels, d + 1, rows, offset + i * in_stride[d], in_type, in_stride, w, taps,
                    to + i * out_stride[d], out_type, out_stride, size);
    }
}

/* Strides of a contiguous slab of scratch; returns the bytes of one slab of levels [d, levels). */
static Py_ssize_t S(slab_strides)(int levels, int d, const Py_ssize_t *size, Py_ssize_t *stride) {
    Py_ssize_t bytes = sizeof(ACC);
    for (int e = levels - 1; e >= d; e--) {
        stride[e] = bytes;
        bytes *= size[e];
    }
    return bytes;
}

static void S(resolve_row)(const job_t *job, view_t in, view_t out, const tile_t *t, char *scratch) {
    const int d = job->levels - 1;
    const level_t *v = &job->level[d];
    const Py_ssize_t n_in = t->src_size[d], n_out = t->out_size[d];
    ACC *loaded = (ACC *)(scratch + job->row_scratch), *result = (ACC *)(scratch + job->row_scratch + job->row_bytes);
    const ACC *row = (const ACC *)in.data;
    Py_ssize_t readable = n_in;
    if (v->kind == COPY) {
        if (in.type == ACC_TYPE && out.type == ACC_TYPE) {
            memcpy(out.data, in.data, (size_t)n_in * sizeof(ACC));
        } else if (in.type == ACC_TYPE) {
            S(ELEMENTS)[out.type].store(row, n_in, out.data);
        } else if (out.type == ACC_TYPE) {
            S(ELEMENTS)[in.type].load(in.data, n_in, (ACC *)out.data);
        } else {
            for (Py_ssize_t i = 0; i < n_in; i += BLOCK) {
                const Py_ssize_t m = n_in - i < BLOCK ? n_in - i : BLOCK;
                S(ELEMENTS)[in.type].load(in.data + i * ELEMENT_SIZE[in.type], m, loaded);
                S(ELEMENTS)[out.type].store(loaded, m, out.data + i * ELEMENT_SIZE[out.type]);
            }
        }
        return;
    }
    if (in.type != ACC_TYPE) {
        S(ELEMENTS)[in.type].load(in.data, n_in, loaded);
        row = loaded;
    }
    if ((char *)row >= scratch && (char *)row < scratch + job->scratch_bytes) readable += PAD;
    if (out.type == ACC_TYPE) {
        S(row)(v, row, t->src_start[d], readable, t->out_start[d], t->out_start[d] + n_out, (ACC *)out.data);
    } else {
        S(row)(v, row, t->src_start[d], readable, t->out_start[d], t->out_start[d] + n_out, result);
        S(ELEMENTS)[out.type].store(result, n_out, out.data);
    }
}

/* Nothing left to contract inside level d: its slabs combine straight into the output. */
static int S(is_last)(const job_t *job, int d) {
    for (int e = d + 1; e < job->levels; e++)
        if (job->level[e].kind != LOOP && job->level[e].kind != COPY) return 0;
    return 1;
}

static void S(resolve)(const job_t *job, int d, view_t in, view_t out, const tile_t *t, char *scratch) {
    const level_t *v = &job->level[d];
    if (d == job->levels - 1 && (v->kind == ROW || v->kind == COPY)) {
        S(resolve_row)(job, in, out, t, scratch);
        return;
    }
    const Py_ssize_t in_stride = in.stride[d], out_stride = out.stride[d];
    if (v->kind == LOOP) {
        for (Py_ssize_t i = 0; i < t->out_size[d]; i++) {
            view_t a = {in.data + i * in_stride, in.type, in.stride}, b = {out.data + i * out_stride, out.type, out.stride};
            S(resolve)(job, d + 1, a, b, t, scratch);
        }
        return;
    }
    const char **rows = (const char **)(scratch + v->scratch);
    char *own = scratch + v->slab;
    Py_ssize_t stride[MAX_LEVELS];
    const int last = S(is_last)(job, d);
    const Py_ssize_t slab_bytes =
        S(slab_strides)(job->levels, d + 1, v->kind == BEFORE ? t->src_size : t->out_size, stride);
    Py_ssize_t done = t->src_start[d]; /* AFTER: source slabs resolved so far */
    for (Py_ssize_t i = 0; i < t->out_size[d]; i++) {
        const Py_ssize_t o = t->out_start[d] + i, start = v->start[o];
        const int taps = v->count[o];
        const ACC *w = (const ACC *)v->weights + o * v->taps;
        char *to = out.data + i * out_stride;
        if (v->kind == BEFORE || last) {
            for (int k = 0; k < taps; k++) rows[k] = in.data + (start + k - t->src_start[d]) * in_stride;
            if (last) {
                S(slab)(job->levels, d + 1, rows, 0, in.type, in.stride, w, taps, to, out.type, out.stride, t->out_size);
            } else {
                S(slab)(job->levels, d + 1, rows, 0, in.type, in.stride, w, taps, own, ACC_TYPE, stride, t->src_size);
                view_t a = {own, ACC_TYPE, stride}, b = {to, out.type, out.stride};
                S(resolve)(job, d + 1, a, b, t, scratch);
            }
        } else {
            if (done < start) done = start;
            for (; done < start + taps; done++) {
                view_t a = {in.data + (done - t->src_start[d]) * in_stride, in.type, in.stride};
                view_t b = {own + (done % v->taps) * slab_bytes, ACC_TYPE, stride};
                S(resolve)(job, d + 1, a, b, t, scratch);
            }
            for (int k = 0; k < taps; k++) rows[k] = own + ((start + k) % v->taps) * slab_bytes;
            S(slab)(job->levels, d + 1, rows, 0, ACC_TYPE, stride, w, taps, to, out.type, out.stride, t->out_size);
        }
    }
}
