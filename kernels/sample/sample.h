/* The sampler: values of an array at given points.
 *
 *     out[p] = sum_kz sum_ky sum_kx  wz[kz] wy[ky] wx[kx]  source[z + kz, y + ky, x + kx]
 *
 * Points go in blocks of POINTS; each step is a plain loop over a block:
 *
 *     coordinates   a grid's numbers made positions, or an affine map of global output indices
 *     padding       a rule that moves positions (RULE), chosen outside the loop
 *     split         position = index + fraction; nearest: the index alone
 *     weights       1, 2 or 4 taps per axis: first sample of the window, and a weight for each of its samples
 *     gather        per line of the window (all but the last axis) the taps along x, which lie side by side
 *     sum           along z, then y, then x; along each the product with the first tap of a weight other than
 *                   zero, then product and sum for each further one in ascending order
 *
 * Positions, indices and weights follow from global sizes and positions. Of the array a box is held; its window
 * may slide within that box, which moves weights among its samples and changes neither them nor their order.
 * A tap of weight zero takes no part, so that no NaN leaks in from it.
 *
 * Always three axes; one that is not sampled along has a single sample and a single tap of weight one.
 *
 * Twin in numpy: vrdask/transforms/reference_sampling.py.
 * Tests: tests/api/test_grid_sample.py, tests/api/test_affine_transform.py, tests/laws/test_sampling_seams.py. */
#ifndef VRDASK_SAMPLE_H
#define VRDASK_SAMPLE_H

#include "contract/contract.h"

enum { POINTS = 128, AXES = 3, MOST_TAPS = 4 };
/* FREE: anywhere, samples outside are missing. INSIDE: positions outside [0, n - 1] are missing as a whole. CLAMP: to
 * [0, n - 1]. REFLECT: about the ends, then clamp. low is 0 but for REFLECT about half-samples. WRAP: to [0, n), and
 * sample n is sample 0 again: what is held may go on behind the last one, or begin before the first, and each position
 * has its window there. */
enum { FREE, INSIDE, CLAMP_TO_ENDS, REFLECT, WRAP };
enum { HALF_TO_EVEN, HALF_UP };

typedef struct {
    int sampled;                       /* 0: a single sample, whatever the point */
    Py_ssize_t n, origin, held;        /* samples of the axis; [origin, origin + held) are here */
    Py_ssize_t stride;                 /* bytes */
    double low;                        /* REFLECT: about low and n - 1 - low */
    double scale, shift;               /* grid: position = (g + 1) * scale - shift */
    double slack;                      /* INSIDE: so many samples beyond an end are at the end */
    double matrix[AXES], offset;       /* affine: position = ((m0 o0 + m1 o1) + m2 o2) + offset */
} axis_t;

typedef struct {
    axis_t axis[AXES];
    int taps, rule, rounding;
    int two_d;                         /* torch's 2-D kernels differ from its 3-D ones for NaN and huge positions */
    int mirror;                        /* four taps beyond the ends: about samples, not half-samples */
    int fill_taps;                     /* missing taps, not missing points alone, have the value `fill` */
    double fill;
    const char *fill_item;             /* nearest */
    int in_type, acc_type;             /* element codes; -1: opaque items, nearest alone */
    Py_ssize_t item_size, out_size;
    int out_type;
    const char *grid;                  /* points by AXES' sampled ones, last axis first; NULL: affine */
    int grid_is_double, rank;
    Py_ssize_t points, width;          /* rows of `width` points; the last may be shorter */
    Py_ssize_t inner;                  /* rows per outermost index */
    Py_ssize_t first[AXES];            /* affine: global index of the first output */
    Py_ssize_t dst_outer, dst_inner, dst_step; /* bytes; row r is at (r / inner) * outer + (r % inner) * inner */
    Py_ssize_t channels;
    const Py_ssize_t *src_channel, *dst_channel; /* bytes */
} job_sample_t;

/* What is known of a block of points after each step. */
typedef struct {
    int32_t index[AXES][POINTS];       /* global, then first sample of the window, within the box */
    int32_t inside[POINTS];            /* 0: missing as a whole */
    Py_ssize_t offset[POINTS];         /* bytes, of the window's first sample */
    int used[AXES], ragged[AXES];      /* taps with any weight; whether any of those has weight zero for some point */
    int all_inside;
} block_t;

static inline int32_t fold_index(int32_t i, int32_t n, int mirror) {
    if (mirror) {
        if (n == 1) return 0;
        int32_t period = 2 * (n - 1);
        i %= period;
        if (i < 0) i += period;
        return i < n ? i : period - i;
    }
    int64_t j = (int64_t)i % (2 * (int64_t)n);
    if (j < 0) j += 2 * (int64_t)n;
    return (int32_t)(j < n ? j : 2 * (int64_t)n - 1 - j);
}

#include "sample/locate.h"

/* Bytes to the first sample of each point's window. */
static void offsets(const job_sample_t *job, int m, block_t *b) {
    const axis_t *axis = job->axis;
    const int32_t *restrict z = b->index[0], *restrict y = b->index[1], *restrict x = b->index[2];
    Py_ssize_t *restrict offset = b->offset;
    const int32_t zs = (int32_t)axis[0].stride, ys = (int32_t)axis[1].stride, xs = (int32_t)axis[2].stride;
    for (int a = 0; a < AXES - 1; a++)
        if (!axis[a].sampled)
            for (int j = 0; j < m; j++) b->index[a][j] = 0;
    if (zs == axis[0].stride && ys == axis[1].stride && xs == axis[2].stride) /* products of 32 bits are cheaper */
        for (int j = 0; j < m; j++) offset[j] = ((int64_t)z[j] * zs + (int64_t)y[j] * ys) + (int64_t)x[j] * xs;
    else
        for (int j = 0; j < m; j++)
            offset[j] = (z[j] * axis[0].stride + y[j] * axis[1].stride) + x[j] * axis[2].stride;
    for (int j = m; j < POINTS; j++) offset[j] = 0; /* read with the rest, and not used */
}

static int any_inside(const block_t *b, int m) {
    int32_t any = 0;
    for (int j = 0; j < m; j++) any |= b->inside[j];
    return any;
}

/* Points that are all missing. */
static void fill_block(const job_sample_t *job, int m, char *dst) {
    for (Py_ssize_t c = 0; c < job->channels; c++)
        for (Py_ssize_t j = 0; j < m; j++)
            memcpy(dst + job->dst_channel[c] + j * job->dst_step, job->fill_item, (size_t)job->out_size);
}

#define COPY_ITEMS(T)                                                                       \
    do {                                                                                    \
        T *restrict t = (T *)to;                                                            \
        T fill;                                                                             \
        memcpy(&fill, job->fill_item, sizeof(T));                                           \
        for (Py_ssize_t j = 0; j < m; j++) memcpy(t + j, src + b->offset[j], sizeof(T));           \
        if (!b->all_inside)                                                                 \
            for (Py_ssize_t j = 0; j < m; j++) t[j] = b->inside[j] ? t[j] : fill;                  \
    } while (0)

#define SCATTER_ITEMS(T)                                                                    \
    for (Py_ssize_t j = 0; j < m; j++) memcpy(to + j * step, from + j * (Py_ssize_t)sizeof(T), sizeof(T))

static void scatter(const char *from, int m, Py_ssize_t size, char *to, Py_ssize_t step) {
    switch (size) {
    case 1: SCATTER_ITEMS(uint8_t); break;
    case 2: SCATTER_ITEMS(uint16_t); break;
    case 4: SCATTER_ITEMS(uint32_t); break;
    case 8: SCATTER_ITEMS(uint64_t); break;
    default:
        for (Py_ssize_t j = 0; j < m; j++) memcpy(to + j * step, from + j * size, (size_t)size);
    }
}

typedef struct { uint64_t low, high; } pair64_t;

static void nearest_block(const job_sample_t *job, Py_ssize_t r, Py_ssize_t begin, int m, const char *src, char *dst) {
    block_t block, *b = &block;
    locate(job, r, begin, m, b, NULL, NULL);
    int all = 1;
    for (int a = 0; a < AXES; a++) {
        const axis_t *axis = &job->axis[a];
        const int32_t origin = (int32_t)axis->origin, last = (int32_t)axis->held - 1;
        const int32_t n = job->rule == WRAP ? origin + last + 1 : (int32_t)axis->n;
        int32_t *index = b->index[a];
        if (!axis->sampled) continue;
        for (int j = 0; j < m; j++) {
            b->inside[j] &= (index[j] >= 0) & (index[j] < n);
            const int32_t i = index[j] - origin;
            index[j] = i < 0 ? 0 : i < last ? i : last;
        }
    }
    for (int j = 0; j < m; j++) all &= b->inside[j];
    b->all_inside = all;
    if (!any_inside(b, m)) {
        fill_block(job, m, dst);
        return;
    }
    offsets(job, m, b);
    const Py_ssize_t size = job->item_size;
    const char *whole = src;
    char buffer[POINTS * sizeof(pair64_t)];
    for (Py_ssize_t c = 0; c < job->channels; c++) {
        src = whole + job->src_channel[c];
        char *out = dst + job->dst_channel[c], *to = job->dst_step == size ? out : buffer;
        switch (size) {
        case 1: COPY_ITEMS(uint8_t); break;
        case 2: COPY_ITEMS(uint16_t); break;
        case 4: COPY_ITEMS(uint32_t); break;
        case 8: COPY_ITEMS(uint64_t); break;
        case 16: COPY_ITEMS(pair64_t); break;
        default:
            for (int j = 0; j < m; j++)
                memcpy(out + j * job->dst_step, b->inside[j] ? src + b->offset[j] : job->fill_item, (size_t)size);
            continue;
        }
        if (to == buffer) scatter(buffer, m, size, out, job->dst_step);
    }
}

/* Lines of `taps` samples side by side, one per point: `bytes` together; or sample by sample, `step` bytes apart. */
#define COPY_LINES(N) \
    for (Py_ssize_t j = 0; j < m; j++) memcpy(to + j * (N), src + offset[j], N)
#define COPY_TAPS(N)                                                                        \
    for (Py_ssize_t j = 0; j < m; j++)                                                             \
        for (Py_ssize_t k = 0; k < taps; k++) memcpy(to + (j * taps + k) * (N), src + offset[j] + step[k], N)

static void copy_lines(const char *src, const Py_ssize_t *restrict offset, int m, int taps, Py_ssize_t size,
                          const Py_ssize_t *step, char *restrict to) {
    if (step[1] == size && step[taps - 1] == (taps - 1) * size) {
        switch (taps * size) {
        case 1: COPY_LINES(1); return;
        case 2: COPY_LINES(2); return;
        case 4: COPY_LINES(4); return;
        case 8: COPY_LINES(8); return;
        case 16: COPY_LINES(16); return;
        case 32: COPY_LINES(32); return;
        }
    }
    switch (size) {
    case 1: COPY_TAPS(1); return;
    case 2: COPY_TAPS(2); return;
    case 4: COPY_TAPS(4); return;
    case 8: COPY_TAPS(8); return;
    }
}
#undef COPY_LINES
#undef COPY_TAPS

#include "sample/corners.h"

#define ACC float
#define S(x) x##_float
#define ACC_TYPE F32
#define UINT uint32_t
#define TO_BITS float_to_bits
#define OF_BITS bits_to_float
#define FRACTIONS(f) f, NULL
#include "sample/sum.h"
#undef CORNERS
#undef ACC
#undef S
#undef ACC_TYPE
#undef UINT
#undef TO_BITS
#undef OF_BITS
#undef FRACTIONS

#define ACC double
#define S(x) x##_double
#define ACC_TYPE F64
#define UINT uint64_t
#define TO_BITS double_to_bits
#define OF_BITS bits_to_double
#define FRACTIONS(f) NULL, f
#include "sample/sum.h"
#undef ACC
#undef S
#undef ACC_TYPE
#undef UINT
#undef TO_BITS
#undef OF_BITS
#undef FRACTIONS

/* Tile `number`, in C order, of the output cut into tiles of (outer, inner, point) sizes `tile`. */
static void sample_tile(const job_sample_t *job, const Py_ssize_t *tile, Py_ssize_t number, const char *src,
                        char *dst) {
    const Py_ssize_t across = (job->width + tile[2] - 1) / tile[2], down = (job->inner + tile[1] - 1) / tile[1];
    const Py_ssize_t outer = number / (down * across) * tile[0], inner = number / across % down * tile[1];
    const Py_ssize_t first = number % across * tile[2], rows = (job->points + job->width - 1) / job->width;
    for (Py_ssize_t o = outer; o < outer + tile[0]; o++) {
        for (Py_ssize_t i = inner; i < inner + tile[1] && i < job->inner; i++) {
            const Py_ssize_t r = o * job->inner + i;
            if (r >= rows) return;
            char *row = dst + o * job->dst_outer + i * job->dst_inner;
            Py_ssize_t end = job->points - r * job->width;
            end = end < job->width ? end : job->width;
            end = end < first + tile[2] ? end : first + tile[2];
            for (Py_ssize_t at = first; at < end; at += POINTS) {
                const int m = (int)(end - at < POINTS ? end - at : POINTS);
                char *to = row + at * job->dst_step;
                if (job->taps == 1)
                    nearest_block(job, r, at, m, src, to);
                else if (job->acc_type == F32)
                    sum_block_float(job, r, at, m, src, to);
                else
                    sum_block_double(job, r, at, m, src, to);
            }
        }
    }
}

/* Widen [low, high] of each axis to the samples that rows [begin, end) weigh. Not for WRAP, which may weigh both ends. */
static void extent_of_rows(const job_sample_t *job, Py_ssize_t begin, Py_ssize_t end, Py_ssize_t *low,
                           Py_ssize_t *high) {
    block_t block, *b = &block;
    double fraction[AXES][POINTS];
    for (Py_ssize_t r = begin; r < end; r++) {
        const Py_ssize_t left = job->points - r * job->width, width = left < job->width ? left : job->width;
        for (Py_ssize_t i = 0; i < width; i += POINTS) {
            const int m = (int)(width - i < POINTS ? width - i : POINTS);
            const int reach = job->taps == 4 ? 1 : 0; /* taps before the index, and after the next one */
            locate(job, r, i, m, b, NULL, &fraction[0][0]);
            for (int a = 0; a < AXES; a++) {
                if (!job->axis[a].sampled) continue;
                const int32_t n = (int32_t)job->axis[a].n;
                for (int j = 0; j < m; j++) {
                    const int32_t upper = b->index[a][j] + (job->taps > 1 && fraction[a][j] != 0);
                    b->inside[j] &= (upper >= 0) & (b->index[a][j] < n);
                }
            }
            for (int a = 0; a < AXES; a++) {
                if (!job->axis[a].sampled) continue;
                int32_t least = INT32_MAX, most = INT32_MIN;
                for (int j = 0; j < m; j++) {
                    const int32_t from = b->index[a][j] - reach;
                    const int32_t to = b->index[a][j] + reach + (job->taps > 1 && fraction[a][j] != 0);
                    least = b->inside[j] && from < least ? from : least;
                    most = b->inside[j] && to > most ? to : most;
                }
                if (least > most) continue;
                const Py_ssize_t n = job->axis[a].n, from = CLAMP(least, 0, n - 1), to = CLAMP(most, 0, n - 1);
                low[a] = from < low[a] ? from : low[a];
                high[a] = to > high[a] ? to : high[a];
            }
        }
    }
}

#endif
