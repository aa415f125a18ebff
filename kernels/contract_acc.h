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

/* to[i] = sum over k of w[k] * rows[k][i] for many taps of ACC rows: sums stay in registers over all taps. */
#if defined(__GNUC__)
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
typedef ACC S(vector_t) __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(ACC)), may_alias));
#define AT(k, j) (*(const S(vector_t) *)(rows[k] + offset + i * (Py_ssize_t)sizeof(ACC) + (j) * VECTOR_BYTES))
#endif
static void S(combine_many)(const char *const *rows, Py_ssize_t offset, const ACC *w, int taps, Py_ssize_t n,
                            ACC *restrict to) {
    Py_ssize_t i = 0;
#if defined(__GNUC__)
    enum { STEP = 4 * VECTOR_BYTES / sizeof(ACC) };
    for (; i + STEP <= n; i += STEP) {
        S(vector_t) a = w[0] * AT(0, 0), b = w[0] * AT(0, 1), c = w[0] * AT(0, 2), d = w[0] * AT(0, 3);
        for (int k = 1; k < taps; k++) {
            a = a + w[k] * AT(k, 0);
            b = b + w[k] * AT(k, 1);
            c = c + w[k] * AT(k, 2);
            d = d + w[k] * AT(k, 3);
        }
        S(vector_t) *out = (S(vector_t) *)(to + i);
        out[0] = a, out[1] = b, out[2] = c, out[3] = d;
    }
#endif
    for (; i < n; i++) {
        ACC a = w[0] * ((const ACC *)(rows[0] + offset))[i];
        for (int k = 1; k < taps; k++) a = a + w[k] * ((const ACC *)(rows[k] + offset))[i];
        to[i] = a;
    }
}
#undef AT
#undef VECTOR_BYTES

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

#ifndef REACH
#define NEAR(r, index, count, w, shape, step, acc) S(row_block)(r, index, count, w, shape, step, acc)
#else
#define NEAR(r, index, count, w, shape, step, acc) S(row_block_near)(r, index, count, w, shape, step, acc)
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
        int near = 0;
#ifdef REACH
#if defined(__AVX512F__)
        near = shape[SPAN] < REACH && at + (Py_ssize_t)(shape[ANY_TAPS] - 1) * v->step + REACH <= readable;
#else
        near = shape[HALF_SPAN] < REACH &&
                         at + shape[UPPER] + (Py_ssize_t)(shape[ANY_TAPS] - 1) * v->step + REACH <= readable;
#endif
#endif
        if (shape[CONSECUTIVE])
            S(row_block_consecutive)(row + at, w, shape[ALL_TAPS], v->step, to);
        else if (near)
            NEAR(row + at, index, count, w, shape, v->step, to);
        else
            S(row_block)(row + at, index, count, w, shape, v->step, to);
        if (left < LANES) memcpy(out + (b * LANES - begin), last, (size_t)left * sizeof(ACC));
    }
}
#undef REACH
#undef NEAR

/* One output of a level, as terms: where its source rows begin, its weights, where it goes. */
typedef struct {
    const char *const *rows;
    const ACC *w;
    int taps;
    char *to;
} S(term_t);

/* to[i] = sum_k w[k] * rows[k][i] over a run of n elements, any element type to any other. */
static inline void S(run)(const S(term_t) *term, Py_ssize_t from, int in_type, Py_ssize_t at, int out_type,
                          Py_ssize_t n) {
    ACC buffer[STRIP];
    ACC *to = out_type == ACC_TYPE ? (ACC *)(term->to + at) : buffer;
    if (in_type == ACC_TYPE && term->taps > 4)
        S(combine_many)(term->rows, from, term->w, term->taps, n, to);
    else
        S(ELEMENTS)[in_type].combine(term->rows, from, term->w, term->taps, n, to);
    if (out_type != ACC_TYPE) S(ELEMENTS)[out_type].store(buffer, n, term->to + at);
}

/* The same for several terms at once, strip by strip, so that a source row that many terms share comes from memory
 * once; where they share many rows of another type, each is converted once as well. `converted` holds a strip of
 * each of their `shared` source rows and pointers to them. */
static void S(run_group)(const S(term_t) *terms, int count, Py_ssize_t from, int in_type, Py_ssize_t at, int out_type,
                         Py_ssize_t n, const group_t *group) {
    const Py_ssize_t in_size = ELEMENT_SIZE[in_type], out_size = ELEMENT_SIZE[out_type];
    for (Py_ssize_t i = 0; i < n; i += STRIP) {
        const Py_ssize_t m = n - i < STRIP ? n - i : STRIP;
        if (group->shared > 0) {
            for (Py_ssize_t r = 0; r < group->shared; r++)
                S(ELEMENTS)[in_type].load(terms[0].rows[r] + from + i * in_size, m, (ACC *)group->converted[r]);
            for (int g = 0; g < count; g++) {
                S(term_t) term = terms[g];
                term.rows = group->converted + (terms[g].rows - terms[0].rows);
                S(run)(&term, 0, ACC_TYPE, at + i * out_size, out_type, m);
            }
        } else {
            for (int g = 0; g < count; g++) S(run)(&terms[g], from + i * in_size, in_type, at + i * out_size, out_type, m);
        }
    }
}

/* The same for slabs of levels [d, levels) and extents `size`, joining levels that are contiguous in both. */
static void S(slab)(int levels, int d, const S(term_t) *terms, int count, Py_ssize_t from, int in_type,
                    const Py_ssize_t *in_stride, Py_ssize_t at, int out_type, const Py_ssize_t *out_stride,
                    const Py_ssize_t *size, const group_t *group) {
    Py_ssize_t n = 1;
    int joined = levels;
    while (joined > d && (size[joined - 1] == 1 || (in_stride[joined - 1] == n * ELEMENT_SIZE[in_type] &&
                                                    out_stride[joined - 1] == n * ELEMENT_SIZE[out_type]))) {
        joined--;
        n *= size[joined];
    }
    if (joined <= d) {
        S(run_group)(terms, count, from, in_type, at, out_type, n, group);
        return;
    }
    for (Py_ssize_t i = 0; i < size[d]; i++, from += in_stride[d], at += out_stride[d]) {
        if (joined == d + 1)
            S(run_group)(terms, count, from, in_type, at, out_type, n, group);
        else
            S(slab)(levels, d + 1, terms, count, from, in_type, in_stride, at, out_type, out_stride, size, group);
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

/* Rows whose tables and buffers are looked up once: `row` contracts one that is of ACC already. */
typedef struct {
    const level_t *level;
    Py_ssize_t n_in, src_start, begin, end;
    int out_type;
    ACC *loaded, *result;
} S(rows_t);

static inline S(rows_t) S(rows_of)(const job_t *job, int out_type, const tile_t *t, char *scratch) {
    const int d = job->levels - 1;
    S(rows_t) r = {&job->level[d], t->src_size[d], t->src_start[d], t->out_start[d], t->out_start[d] + t->out_size[d],
                   out_type, (ACC *)(scratch + job->row_scratch), (ACC *)(scratch + job->row_scratch + job->row_bytes)};
    return r;
}

static inline void S(contract_row)(const S(rows_t) *r, const ACC *row, Py_ssize_t readable, char *to) {
    if (r->out_type == ACC_TYPE) {
        S(row)(r->level, row, r->src_start, readable, r->begin, r->end, (ACC *)to);
    } else {
        S(row)(r->level, row, r->src_start, readable, r->begin, r->end, r->result);
        S(ELEMENTS)[r->out_type].store(r->result, r->end - r->begin, to);
    }
}

static void S(resolve_row)(const job_t *job, view_t in, view_t out, const tile_t *t, char *scratch) {
    const S(rows_t) r = S(rows_of)(job, out.type, t, scratch);
    const S(element_t) *from = &S(ELEMENTS)[in.type], *to = &S(ELEMENTS)[out.type];
    if (r.level->kind == ROW) {
        const ACC *row = (const ACC *)in.data;
        if (in.type != ACC_TYPE) {
            from->load(in.data, r.n_in, r.loaded);
            row = r.loaded;
        }
        const int own = (char *)row >= scratch && (char *)row < scratch + job->scratch_bytes;
        S(contract_row)(&r, row, r.n_in + (own ? PAD : 0), out.data);
    } else if (in.type == ACC_TYPE && out.type == ACC_TYPE) {
        memcpy(out.data, in.data, (size_t)r.n_in * sizeof(ACC));
    } else if (in.type == ACC_TYPE) {
        to->store((const ACC *)in.data, r.n_in, out.data);
    } else if (out.type == ACC_TYPE) {
        from->load(in.data, r.n_in, (ACC *)out.data);
    } else {
        for (Py_ssize_t i = 0; i < r.n_in; i += STRIP) {
            const Py_ssize_t m = r.n_in - i < STRIP ? r.n_in - i : STRIP;
            from->load(in.data + i * ELEMENT_SIZE[in.type], m, r.loaded);
            to->store(r.loaded, m, out.data + i * ELEMENT_SIZE[out.type]);
        }
    }
}

/* Nothing left to contract inside level d: its slabs combine straight into the output. */
static int S(is_last)(const job_t *job, int d) {
    for (int e = d + 1; e < job->levels; e++)
        if (job->level[e].kind != LOOP && job->level[e].kind != COPY) return 0;
    return 1;
}

static void S(resolve)(const job_t *job, int d, view_t in, view_t out, const tile_t *t, char *scratch);

/* A level that is contracted before those inside it, `group` outputs at a time; or that nothing is inside of. */
static void S(resolve_before)(const job_t *job, int d, view_t in, view_t out, const tile_t *t, char *scratch) {
    const level_t *v = &job->level[d];
    const Py_ssize_t n = t->out_size[d], in_stride = in.stride[d], out_stride = out.stride[d];
    const int last = S(is_last)(job, d), row_next = d == job->levels - 2 && !last;
    const char **rows = (const char **)(scratch + v->scratch);
    S(term_t) *terms = (S(term_t) *)(scratch + v->terms);
    char *own = scratch + v->slab;
    Py_ssize_t stride[MAX_LEVELS];
    const Py_ssize_t slab_bytes = S(slab_strides)(job->levels, d + 1, t->src_size, stride);
    const S(rows_t) r = S(rows_of)(job, out.type, t, scratch);
    group_t group = {0, (const char *const *)(scratch + v->converted)};
    if (v->shared > 0 && in.type != ACC_TYPE) {
        const char **converted = (const char **)(scratch + v->converted);
        char *strips = (char *)(converted + v->shared);
        for (Py_ssize_t s = 0; s < v->shared; s++) converted[s] = strips + s * STRIP * (Py_ssize_t)sizeof(ACC);
    }
    for (Py_ssize_t i = 0; i < n; i += v->group) {
        const int count = (int)(n - i < v->group ? n - i : v->group);
        const Py_ssize_t first = v->start[t->out_start[d] + i], o = t->out_start[d] + i;
        const Py_ssize_t stop = v->start[o + count - 1] + v->count[o + count - 1];
        for (Py_ssize_t s = first; s < stop; s++) rows[s - first] = in.data + (s - t->src_start[d]) * in_stride;
        for (int g = 0; g < count; g++) {
            S(term_t) term = {(const char *const *)rows + (v->start[o + g] - first),
                              (const ACC *)v->weights + (o + g) * v->taps, v->count[o + g],
                              last ? out.data + (i + g) * out_stride : own + g * slab_bytes};
            terms[g] = term;
        }
        if (v->shared > 0 && in.type != ACC_TYPE) group.shared = stop - first;
        if (last) {
            S(slab)(job->levels, d + 1, terms, count, 0, in.type, in.stride, 0, out.type, out.stride, t->out_size, &group);
            continue;
        }
        S(slab)(job->levels, d + 1, terms, count, 0, in.type, in.stride, 0, ACC_TYPE, stride, t->src_size, &group);
        for (int g = 0; g < count; g++) {
            char *to = out.data + (i + g) * out_stride;
            if (row_next) {
                S(contract_row)(&r, (const ACC *)(own + g * slab_bytes), r.n_in + PAD, to);
            } else {
                view_t a = {own + g * slab_bytes, ACC_TYPE, stride}, b = {to, out.type, out.stride};
                S(resolve)(job, d + 1, a, b, t, scratch);
            }
        }
    }
}

/* A level that is contracted after those inside it: each of its source slabs is resolved once and kept in a ring. */
static void S(resolve_after)(const job_t *job, int d, view_t in, view_t out, const tile_t *t, char *scratch) {
    const level_t *v = &job->level[d];
    const Py_ssize_t in_stride = in.stride[d], out_stride = out.stride[d];
    const char **rows = (const char **)(scratch + v->scratch);
    char *own = scratch + v->slab;
    Py_ssize_t stride[MAX_LEVELS], done = t->src_start[d];
    const Py_ssize_t slab_bytes = S(slab_strides)(job->levels, d + 1, t->out_size, stride);
    const group_t group = {0, NULL};
    for (Py_ssize_t i = 0; i < t->out_size[d]; i++) {
        const Py_ssize_t o = t->out_start[d] + i, start = v->start[o];
        const int taps = v->count[o];
        if (done < start) done = start;
        for (; done < start + taps; done++) {
            view_t a = {in.data + (done - t->src_start[d]) * in_stride, in.type, in.stride};
            view_t b = {own + (done % v->taps) * slab_bytes, ACC_TYPE, stride};
            S(resolve)(job, d + 1, a, b, t, scratch);
        }
        for (int k = 0; k < taps; k++) rows[k] = own + ((start + k) % v->taps) * slab_bytes;
        const S(term_t) term = {(const char *const *)rows, (const ACC *)v->weights + o * v->taps, taps,
                                out.data + i * out_stride};
        S(slab)(job->levels, d + 1, &term, 1, 0, ACC_TYPE, stride, 0, out.type, out.stride, t->out_size, &group);
    }
}

static void S(resolve)(const job_t *job, int d, view_t in, view_t out, const tile_t *t, char *scratch) {
    const int kind = job->level[d].kind;
    if (kind == ROW || kind == COPY) {
        S(resolve_row)(job, in, out, t, scratch);
    } else if (kind == LOOP) {
        for (Py_ssize_t i = 0; i < t->out_size[d]; i++) {
            view_t a = {in.data + i * in.stride[d], in.type, in.stride}, b = {out.data + i * out.stride[d], out.type, out.stride};
            S(resolve)(job, d + 1, a, b, t, scratch);
        }
    } else if (kind == BEFORE || S(is_last)(job, d)) {
        S(resolve_before)(job, d, in, out, t, scratch);
    } else {
        S(resolve_after)(job, d, in, out, t, scratch);
    }
}
