/* Cubic B-spline coefficients along one axis: samples, and what a product of filters of two taps makes of their second
 * differences, 2 * radius - 1 of them.
 *
 *     x[i] = (x[i + 1] - x[i]) - (x[i] - x[i - 1])
 *     forwards    x[i] = c x[i] + c z x[i - 1],  then  x[i] + z^m x[i - m]  for m = 2, 4, 8, ..  (doublings in all)
 *     backwards   x[i] + z^m x[i + m]  for m = 1, 2, 4, 8, ..
 *
 * Lines of neighbouring elements are filtered side by side: brought together in scratch memory, `width` elements per sample,
 * a shift by m samples is one by m * width elements, whether lines lie along the axis of contiguous memory or across.
 *
 * Twin in numpy: `prefilter` in vrdask/transforms/reference.py.
 * Tests: tests/compute/test_kernels.py, tests/laws/test_fast_paths.py. */
#ifndef VRDASK_PREFILTER_H
#define VRDASK_PREFILTER_H

#include "common/types.h"

enum { SPARE = 16 }; /* samples behind the last of a strip */

typedef struct {
    int in_type, acc_type, doublings;
    Py_ssize_t radius;
    const void *weights;              /* of ACC: c, c z, z^2, z^4, ..; z, z^2, z^4, .. */
    const Py_ssize_t *index;          /* [outputs + 2 * radius] the sample at each position, those beyond the ends mirrored */
    Py_ssize_t plain_start, plain_stop; /* where indices are consecutive */
    Py_ssize_t pitch;                 /* elements from one sample to the next in scratch */
    Py_ssize_t src_step, dst_step;    /* bytes from one sample of a line to the next */
} prefilter_t;

typedef struct { /* runs of neighbouring lines, cut into strips of `width` lines, and those into pieces of `length` outputs */
    const Py_ssize_t *starts; /* [runs, 2] bytes from source and target to a run's first line */
    Py_ssize_t run, strips, width, pieces, length, outputs;
} runs_t;

#define ACC float
#define S(x) x##_float
#include "prefilter/acc.h"
#undef ACC
#undef S

#define ACC double
#define S(x) x##_double
#define ACC_IS_DOUBLE
#include "prefilter/acc.h"
#undef ACC
#undef S
#undef ACC_IS_DOUBLE

static void prefilter_lines(const prefilter_t *job, const char *src, char *dst, Py_ssize_t at, Py_ssize_t count,
                            Py_ssize_t width, char *scratch) {
    if (job->acc_type == F32)
        filter_lines_float(job, src, dst, at, count, width, (float *)scratch);
    else
        filter_lines_double(job, src, dst, at, count, width, (double *)scratch);
}

#endif
