/* The separable contraction: one banded operator per axis, applied tile by tile without a full-size
 * intermediate array.
 *
 *     out[i0, i1, ..] = sum_k0 sum_k1 ..  w0[i0, k0] w1[i1, k1] ..  source[start0[i0] + k0, start1[i1] + k1, ..]
 *
 * Along an axis with anchors the same sum is made by parts, which keeps constants:
 *
 *     out[i] = source[start[i] + anchor[i]] + sum_k w[i, k] (source[start[i] + k + 1] - source[start[i] + k])
 *
 * A dim_t is an array axis. Axes nest from the first axis (outermost) to the row, the last axis:
 *
 *     LOOP     no operator: visit each position
 *     BEFORE   contract this axis first, then the axes inside it (it shrinks: they get less to do)
 *     AFTER    resolve the axes inside first, each source slab once, kept in a ring; then contract this one
 *              (it grows: they get less to do)
 *     PAIR     contract this axis and the next at once: both shrink, have at most two taps, and the row follows
 *     ROW      contract along contiguous memory       COPY     a row without operator
 *
 * The output is cut into tiles; each is computed from nothing but its own source box, exactly as a chunk is,
 * so tiles, threads and chunks cannot change a bit. Scratch memory belongs to the caller.
 *
 * Twin in numpy: `contract`, and `resample` for stages in a row, in vrdask/transforms/reference.py.
 * Tests: tests/compute/test_kernels.py, tests/laws/test_fast_paths.py. */
#ifndef VRDASK_CONTRACT_H
#define VRDASK_CONTRACT_H

#include "common/types.h"
#include "contract/whole.h"

enum { LOOP, BEFORE, AFTER, ROW, COPY, PAIR };
enum { MAX_DIMS = 66, STRIP = 256, PAD = 64, ROWS_AT_ONCE = 16 };
enum { ROWS_AHEAD = 4 }; /* outputs, of which PAIR fetches the rows */
/* Of a block of lanes: taps that all lanes have, taps that any has, the largest index, and whether lane j has index j and
 * all lanes the same taps; the smallest index of the first and of the second half of the lanes, and the largest beyond that. */
enum { ALL_TAPS, ANY_TAPS, SPAN, CONSECUTIVE, FIRST_HALF, SECOND_HALF, HALF_SPAN, SHAPE };
/* Of a block's anchors: the least, how far the last lies beyond it, and whether lane j has the first and j more. */
enum { LEAST, BEYOND, IN_STEP, REACH };

typedef struct {
    int kind;
    Py_ssize_t size;        /* outputs */
    Py_ssize_t tile;        /* outputs per tile */
    Py_ssize_t max_reads;   /* largest source interval of any tile */
    int taps;               /* width of weights */
    const Py_ssize_t *start; /* [size] first source position of each output */
    const int32_t *count;   /* [size] true number of taps of each output */
    /* Sums by parts: [size] the tap to which the sum of weighed differences between neighbours is added; for ROW
     * [blocks, lanes] relative to base. NULL for sums of weighed samples. */
    const int32_t *anchor;
    const void *weights;    /* [size, taps] of ACC; for ROW [blocks, taps, lanes] */
    int group;              /* outputs contracted together */
    Py_ssize_t ring;        /* AFTER: source slabs kept */
    Py_ssize_t shared;      /* BEFORE: source rows of a group at most, where they are converted once; 0 for not */
    /* offsets in a thread's scratch: row pointers; terms; slabs; strips of converted rows with pointers to them */
    Py_ssize_t scratch, terms, slab, converted;
    /* ROW only: outputs in blocks of LANES, one block per SIMD register */
    int step;               /* elements between taps: the number of channels */
    Py_ssize_t channels;
    const Py_ssize_t *base; /* [blocks] source element of the block's first lane */
    const int32_t *index;   /* [blocks, lanes] relative to base */
    const int32_t *lane_count; /* [blocks, lanes] true number of taps, or of differences */
    const int32_t *shape;   /* [blocks, SHAPE]: see enum */
    const int32_t *reach;   /* [blocks, REACH] of anchors: see enum */
    /* ROW of uint8, two taps at most: registers that hold the samples of four lanes, or 0; where they begin; lanes' bytes */
    int windows;
    const int32_t *window;  /* [blocks, lanes / 4] relative to base */
    const int32_t *pattern; /* [blocks, lanes] relative to that, and zeros above */
} dim_t;

typedef struct {
    int dims;
    int in_type, out_type, acc_type;
    dim_t dim[MAX_DIMS];
    Py_ssize_t scratch_bytes; /* per thread */
    Py_ssize_t row_scratch;   /* offset of row buffers: rows_at_once sources, then as many results, and as many differences */
    Py_ssize_t row_bytes;     /* size of one of them */
    Py_ssize_t rows_at_once;  /* rows contracted together: ROWS_AT_ONCE at most */
    /* 0, or what results are divided by before they are stored. Weights are whole numbers then, and sums are exact: small
     * enough that a quotient which is not halfway between two integers cannot round to that
     * (vrdask.transforms.sums). */
    double divisor;
} job_t;

typedef struct { /* one tile: per axis an output interval and the source interval it reads */
    Py_ssize_t out_start[MAX_DIMS], out_size[MAX_DIMS], src_start[MAX_DIMS], src_size[MAX_DIMS];
} tile_t;

typedef struct { /* an array, or a slab of scratch, at a tile's origin */
    char *data;
    int type;
    const Py_ssize_t *stride; /* bytes, by axis */
    double divisor;           /* of what is stored here; 0 for none */
} view_t;

typedef struct { /* what the outputs of a group share */
    Py_ssize_t shared;
    int apart; /* they share few rows */
    const char *const *converted;
    double divisor;
} group_t;

#if defined(__AVX2__) && !defined(__AVX512F__)
enum { FLOAT_LANES = 8, DOUBLE_LANES = 4 };
#else
enum { FLOAT_LANES = 16, DOUBLE_LANES = 8 };
#endif

#if (defined(__AVX2__) || defined(VRDASK_NEON)) && defined(__GNUC__)
#define HAS_BYTE_ROWS
enum { BYTE_ROWS = 1 };
#else
enum { BYTE_ROWS = 0 }; /* whether rows of bytes have a way of their own: bytes.h */
#endif

#define ACC float
#define S(x) x##_float
#define LANES FLOAT_LANES
#define ACC_TYPE F32
#include "contract/acc.h"
#undef ACC
#undef S
#undef LANES
#undef ACC_TYPE

#define ACC double
#define S(x) x##_double
#define LANES DOUBLE_LANES
#define ACC_TYPE F64
#define ACC_IS_DOUBLE
#include "contract/acc.h"
#undef ACC
#undef S
#undef LANES
#undef ACC_TYPE
#undef ACC_IS_DOUBLE

enum { TERM_BYTES = sizeof(term_t_double) }; /* of either accumulator */

static Py_ssize_t tile_count(const job_t *job) {
    Py_ssize_t n = 1;
    for (int d = 0; d < job->dims; d++)
        n *= (job->dim[d].size + job->dim[d].tile - 1) / job->dim[d].tile;
    return n;
}

/* Compute tile number n of the output. Strides are bytes, by axis. */
static void contract_tile(const job_t *job, Py_ssize_t n, const char *src, const Py_ssize_t *src_stride, char *dst,
                          const Py_ssize_t *dst_stride, char *scratch) {
    tile_t t;
    for (int d = job->dims - 1; d >= 0; d--) {
        const dim_t *v = &job->dim[d];
        Py_ssize_t tiles = (v->size + v->tile - 1) / v->tile;
        Py_ssize_t begin = (n % tiles) * v->tile, end = begin + v->tile < v->size ? begin + v->tile : v->size;
        n /= tiles;
        t.out_start[d] = begin;
        t.out_size[d] = end - begin;
        if (v->kind == LOOP || v->kind == COPY) {
            t.src_start[d] = begin;
            t.src_size[d] = end - begin;
        } else { /* starts and stops are sorted; a ROW tile covers whole positions: all channels of each */
            Py_ssize_t c = v->kind == ROW ? v->channels : 1, last = (end - 1) / c;
            t.src_start[d] = v->start[begin / c] * c;
            t.src_size[d] = (v->start[last] + v->count[last]) * c - t.src_start[d];
        }
        src += t.src_start[d] * src_stride[d];
        dst += begin * dst_stride[d];
    }
    view_t in = {(char *)src, job->in_type, src_stride, 0}, out = {dst, job->out_type, dst_stride, job->divisor};
    if (job->acc_type == F32)
        resolve_float(job, 0, in, out, &t, scratch);
    else
        resolve_double(job, 0, in, out, &t, scratch);
}

#endif
