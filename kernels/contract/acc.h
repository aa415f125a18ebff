/* The contraction for one accumulator type. Included by contract.h with ACC, ACC_TYPE, LANES and S(name). */

#include "common/elements.h"
#include "common/vector.h"

#include "contract/combine.h"

typedef struct {
    void (*load)(const void *, Py_ssize_t, ACC *);
    void (*store)(const ACC *, Py_ssize_t, void *);
    void (*combine)(const char *const *, Py_ssize_t, const ACC *, int, Py_ssize_t, ACC *);
    void (*pair)(const char *const *, Py_ssize_t, const ACC *, int, const ACC *, int, Py_ssize_t, ACC *);
    void (*parts)(const char *const *, Py_ssize_t, const ACC *, int, int, Py_ssize_t, ACC *);
    void (*differ)(const void *, const void *, Py_ssize_t, ACC *);
    void (*add)(const void *, Py_ssize_t, ACC *);
} S(element_t);

#define ELEMENT(t) {S(load_##t), S(store_##t), S(combine_##t), S(pair_##t), S(parts_##t), S(differ_##t), S(add_##t)}
static const S(element_t) S(ELEMENTS)[] = {ELEMENT(u8),  ELEMENT(i8),  ELEMENT(u16), ELEMENT(i16), ELEMENT(f16),
                                           ELEMENT(f32),
#ifdef ACC_IS_DOUBLE
                                           ELEMENT(i32), ELEMENT(u32), ELEMENT(i64), ELEMENT(u64), ELEMENT(f64)
#endif
};
#undef ELEMENT

#include "contract/row.h"

#include "contract/terms.h"

/* The same for slabs of axes [d, dims) and extents `size`, joining axes that are contiguous in both. */
static void S(slab)(int dims, int d, const S(term_t) *terms, int count, Py_ssize_t from, int in_type,
                    const Py_ssize_t *in_stride, Py_ssize_t at, int out_type, const Py_ssize_t *out_stride,
                    const Py_ssize_t *size, const group_t *group) {
    Py_ssize_t n = 1;
    int joined = dims;
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
            S(slab)(dims, d + 1, terms, count, from, in_type, in_stride, at, out_type, out_stride, size, group);
    }
}

/* Strides of a contiguous slab of scratch; returns the bytes of one slab of axes [d, dims). */
static Py_ssize_t S(slab_strides)(int dims, int d, const Py_ssize_t *size, Py_ssize_t *stride) {
    Py_ssize_t bytes = sizeof(ACC);
    for (int e = dims - 1; e >= d; e--) {
        stride[e] = bytes;
        bytes *= size[e];
    }
    return bytes;
}

/* Contract `rows` rows of the last axis, of any type to any type, a few at a time. Strides are bytes. */
static void S(contract_rows)(const job_t *job, const char *from, Py_ssize_t in_stride, int in_type, Py_ssize_t rows,
                             char *to, Py_ssize_t out_stride, int out_type, double divisor, const tile_t *t,
                             char *scratch) {
    const int d = job->dims - 1;
    const dim_t *v = &job->dim[d];
    const Py_ssize_t n_in = t->src_size[d], begin = t->out_start[d], end = begin + t->out_size[d];
    const Py_ssize_t size = sizeof(ACC), buffer_stride = job->row_bytes / size;
    ACC *loaded = (ACC *)(scratch + job->row_scratch), *result = loaded + job->rows_at_once * buffer_stride;
    ACC *differences = result + job->rows_at_once * buffer_stride;
    const int own = in_type != ACC_TYPE || (from >= scratch && from < scratch + job->scratch_bytes);
    for (Py_ssize_t i = 0; i < rows; i += job->rows_at_once, from += job->rows_at_once * in_stride) {
        const int count = (int)(rows - i < job->rows_at_once ? rows - i : job->rows_at_once);
        const ACC *row = (const ACC *)from;
        Py_ssize_t stride = in_stride / size;
        if (in_type != ACC_TYPE) {
            for (int k = 0; k < count; k++) {
                prefetch(from + (k + count) * in_stride, n_in * ELEMENT_SIZE[in_type]);
                S(ELEMENTS)[in_type].load(from + k * in_stride, n_in, loaded + k * buffer_stride);
            }
            row = loaded;
            stride = buffer_stride;
        }
        const Py_ssize_t readable = n_in + (own ? PAD : 0);
        const int direct = out_type == ACC_TYPE;
        ACC *sums = direct ? (ACC *)(to + i * out_stride) : result;
        const Py_ssize_t sums_stride = direct ? out_stride / size : buffer_stride;
        const S(rows_t) samples = {row, stride, readable}, between = {differences, buffer_stride, n_in + PAD};
        if (v->anchor == NULL) {
            S(contract_blocks)(v, samples, NULL, count, t->src_start[d], begin, end, sums, sums_stride);
        } else {
            for (int k = 0; k < count; k++)
                S(ELEMENTS)[ACC_TYPE].differ(row + k * stride, row + k * stride + v->step, n_in - v->step,
                                             differences + k * buffer_stride);
            S(contract_blocks)(v, between, &samples, count, t->src_start[d], begin, end, sums, sums_stride);
        }
        if (divisor != 0)
            for (int k = 0; k < count; k++) S(divide)(sums + k * sums_stride, end - begin, (ACC)divisor);
        if (!direct)
            for (int k = 0; k < count; k++)
                S(ELEMENTS)[out_type].store(sums + k * sums_stride, end - begin, to + (i + k) * out_stride);
    }
}

static void S(copy_row)(const job_t *job, view_t in, view_t out, const tile_t *t, char *scratch) {
    const Py_ssize_t n = t->src_size[job->dims - 1];
    const S(element_t) *from = &S(ELEMENTS)[in.type], *to = &S(ELEMENTS)[out.type];
    ACC *buffer = (ACC *)(scratch + job->row_scratch);
#ifdef ACC_IS_DOUBLE
    if (convert_whole(in.type, out.type, in.data, n, out.data)) return;
#endif
    if (in.type == ACC_TYPE && out.type == ACC_TYPE) {
        memcpy(out.data, in.data, (size_t)n * sizeof(ACC));
    } else if (in.type == ACC_TYPE) {
        to->store((const ACC *)in.data, n, out.data);
    } else if (out.type == ACC_TYPE) {
        from->load(in.data, n, (ACC *)out.data);
    } else {
        for (Py_ssize_t i = 0; i < n; i += STRIP) {
            const Py_ssize_t m = n - i < STRIP ? n - i : STRIP;
            from->load(in.data + i * ELEMENT_SIZE[in.type], m, buffer);
            to->store(buffer, m, out.data + i * ELEMENT_SIZE[out.type]);
        }
    }
}

static int S(row_next)(const job_t *job, int d) { return d == job->dims - 2 && job->dim[d + 1].kind == ROW; }

/* Nothing left to contract inside axis d: its slabs combine straight into the output. */
static int S(is_last)(const job_t *job, int d) {
    for (int e = d + 1; e < job->dims; e++)
        if (job->dim[e].kind != LOOP && job->dim[e].kind != COPY) return 0;
    return 1;
}

static void S(resolve)(const job_t *job, int d, view_t in, view_t out, const tile_t *t, char *scratch);

#ifndef ACC_IS_DOUBLE
#include "contract/bytes.h"
#endif

/* An axis that is contracted before those inside it, `group` outputs at a time; or that nothing is inside of. */
static void S(resolve_before)(const job_t *job, int d, view_t in, view_t out, const tile_t *t, char *scratch) {
    const dim_t *v = &job->dim[d];
    const Py_ssize_t n = t->out_size[d], in_stride = in.stride[d], out_stride = out.stride[d];
    const int last = S(is_last)(job, d), row_next = S(row_next)(job, d);
#if defined(HAS_BYTE_ROWS) && !defined(ACC_IS_DOUBLE)
    if (row_next && v->taps <= 2 && v->anchor == NULL && job->dim[d + 1].windows > 0 && in.type == U8) {
        resolve_bytes(job, d, in, out, t, scratch);
        return;
    }
#endif
    const char **rows = (const char **)(scratch + v->scratch);
    S(term_t) *terms = (S(term_t) *)(scratch + v->terms);
    char *own = scratch + v->slab;
    Py_ssize_t stride[MAX_DIMS];
    const Py_ssize_t slab_bytes = S(slab_strides)(job->dims, d + 1, t->src_size, stride);
    group_t group = {0, v->taps <= 2 && v->kind == BEFORE, (const char *const *)(scratch + v->converted), last ? out.divisor : 0};
    if (v->shared > 0) {
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
            char *to = last ? out.data + (i + g) * out_stride : own + g * slab_bytes;
            terms[g] = S(term_of)(v, o + g, (const char *const *)rows + (v->start[o + g] - first), to);
        }
        if (v->shared > 0) group.shared = stop - first;
        if (last) {
            S(slab)(job->dims, d + 1, terms, count, 0, in.type, in.stride, 0, out.type, out.stride, t->out_size, &group);
            continue;
        }
        S(slab)(job->dims, d + 1, terms, count, 0, in.type, in.stride, 0, ACC_TYPE, stride, t->src_size, &group);
        if (row_next) {
            S(contract_rows)(job, own, slab_bytes, ACC_TYPE, count, out.data + i * out_stride, out_stride, out.type,
                             out.divisor, t, scratch);
            continue;
        }
        for (int g = 0; g < count; g++) {
            view_t a = {own + g * slab_bytes, ACC_TYPE, stride, 0};
            view_t b = {out.data + (i + g) * out_stride, out.type, out.stride, out.divisor};
            S(resolve)(job, d + 1, a, b, t, scratch);
        }
    }
}

/* Two axes of up to two taps before the row: each row of the two contracted at once, in registers. Meanwhile the rows of a
 * later output come from memory, and the lines that this one goes to: asked for one after the other, as they lie, and not all
 * before anything is summed. */
static void S(resolve_pair)(const job_t *job, int d, view_t in, view_t out, const tile_t *t, char *scratch) {
    const dim_t *v = &job->dim[d], *u = v + 1;
    const Py_ssize_t n_in = t->src_size[d + 2], stride = in.stride[d], next = in.stride[d + 1], size = ELEMENT_SIZE[in.type];
    const Py_ssize_t begin = t->out_start[d + 1], n = t->out_size[d + 1];
    const int pieces = n_in < 256 ? 1 : n_in < 512 ? 2 : 4;
    const Py_ssize_t piece = ((n_in + pieces - 1) / pieces + 15) / 16 * 16, apart[4] = {0, next, stride, stride + next};
    char *own = scratch + job->row_scratch;
    for (Py_ssize_t i = 0; i < t->out_size[d]; i++) {
        const Py_ssize_t o = t->out_start[d] + i;
        const char *slab = in.data + (v->start[o] - t->src_start[d]) * stride;
        const char *next_slab = i + 1 < t->out_size[d] ? slab + (v->start[o + 1] - v->start[o]) * stride : NULL;
        char *to = out.data + i * out.stride[d];
        for (Py_ssize_t j = 0; j < n; j += job->rows_at_once) {
            const Py_ssize_t count = n - j < job->rows_at_once ? n - j : job->rows_at_once;
            for (Py_ssize_t g = 0; g < count; g++) {
                const Py_ssize_t p = begin + j + g, later = j + g + ROWS_AHEAD;
                const char *row = slab + (u->start[p] - t->src_start[d + 1]) * next;
                const char *const rows[4] = {row, row + stride, row + next, row + stride + next};
                const char *far = later < n ? slab : later - n < n ? next_slab : NULL;
                if (far) far += (u->start[begin + (later < n ? later : later - n)] - t->src_start[d + 1]) * next;
                prefetch_far(to + (j + g) * out.stride[d + 1], t->out_size[d + 2] * ELEMENT_SIZE[out.type]);
                int asked = 0;
                for (Py_ssize_t k = 0; k < n_in; k += piece) {
                    for (int more = 4 / pieces; far && more > 0; more--) prefetch_far(far + apart[asked++], n_in * size);
                    S(ELEMENTS)[in.type].pair(rows, k * size, (const ACC *)v->weights + o * v->taps, v->count[o],
                                              (const ACC *)u->weights + p * u->taps, u->count[p],
                                              n_in - k < piece ? n_in - k : piece, (ACC *)(own + g * job->row_bytes) + k);
                }
            }
            S(contract_rows)(job, own, job->row_bytes, ACC_TYPE, count, to + j * out.stride[d + 1], out.stride[d + 1],
                             out.type, out.divisor, t, scratch);
        }
    }
}

/* An axis that is contracted after those inside it: each of its source slabs is resolved once and kept in a ring that
 * holds what `group` outputs read. */
static void S(resolve_after)(const job_t *job, int d, view_t in, view_t out, const tile_t *t, char *scratch) {
    const dim_t *v = &job->dim[d];
    const Py_ssize_t n = t->out_size[d], in_stride = in.stride[d], out_stride = out.stride[d];
    const int row_next = S(row_next)(job, d);
    const char **rows = (const char **)(scratch + v->scratch);
    S(term_t) *terms = (S(term_t) *)(scratch + v->terms);
    char *own = scratch + v->slab;
    Py_ssize_t stride[MAX_DIMS], done = t->src_start[d];
    const Py_ssize_t slab_bytes = S(slab_strides)(job->dims, d + 1, t->out_size, stride);
    const group_t group = {0, 0, NULL, out.divisor};
    for (Py_ssize_t i = 0; i < n; i += v->group) {
        const int count = (int)(n - i < v->group ? n - i : v->group);
        const Py_ssize_t o = t->out_start[d] + i, first = v->start[o];
        const Py_ssize_t stop = v->start[o + count - 1] + v->count[o + count - 1];
        if (done < first) done = first;
        while (done < stop) {
            const Py_ssize_t slot = done % v->ring;
            const Py_ssize_t many = row_next ? (stop - done < v->ring - slot ? stop - done : v->ring - slot) : 1;
            view_t a = {in.data + (done - t->src_start[d]) * in_stride, in.type, in.stride, 0};
            view_t b = {own + slot * slab_bytes, ACC_TYPE, stride, 0};
            if (row_next)
                S(contract_rows)(job, a.data, in_stride, in.type, many, b.data, slab_bytes, ACC_TYPE, 0, t, scratch);
            else
                S(resolve)(job, d + 1, a, b, t, scratch);
            done += many;
        }
        for (Py_ssize_t s = first; s < stop; s++) rows[s - first] = own + (s % v->ring) * slab_bytes;
        for (int g = 0; g < count; g++) {
            char *to = out.data + (i + g) * out_stride;
            terms[g] = S(term_of)(v, o + g, (const char *const *)rows + (v->start[o + g] - first), to);
        }
        S(slab)(job->dims, d + 1, terms, count, 0, ACC_TYPE, stride, 0, out.type, out.stride, t->out_size, &group);
    }
}

static void S(resolve)(const job_t *job, int d, view_t in, view_t out, const tile_t *t, char *scratch) {
    const int kind = job->dim[d].kind;
    if (kind == ROW) {
        S(contract_rows)(job, in.data, 0, in.type, 1, out.data, 0, out.type, out.divisor, t, scratch);
    } else if (kind == COPY) {
        S(copy_row)(job, in, out, t, scratch);
    } else if (kind == LOOP && S(row_next)(job, d)) {
        S(contract_rows)(job, in.data, in.stride[d], in.type, t->out_size[d], out.data, out.stride[d], out.type, out.divisor,
                         t, scratch);
    } else if (kind == LOOP) {
        for (Py_ssize_t i = 0; i < t->out_size[d]; i++) {
            view_t a = {in.data + i * in.stride[d], in.type, in.stride, 0};
            view_t b = {out.data + i * out.stride[d], out.type, out.stride, out.divisor};
            S(resolve)(job, d + 1, a, b, t, scratch);
        }
    } else if (kind == PAIR) {
        S(resolve_pair)(job, d, in, out, t, scratch);
    } else if (kind == BEFORE || S(is_last)(job, d)) {
        S(resolve_before)(job, d, in, out, t, scratch);
    } else {
        S(resolve_after)(job, d, in, out, t, scratch);
    }
}
#undef HAS_PICK
#undef PICKS_COST_MORE
#undef HAS_VECTOR
