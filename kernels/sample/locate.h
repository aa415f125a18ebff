/* Where points lie: positions of a block, padded and split into indices and fractions. Included by sample.h. */
#define REAL float
#define R(x) x##_f
#define WITHIN 4194304.0f /* 2^22: below, products and remainders of a reflection are exact */
#define MAGIC 12582912.0f /* 1.5 * 2^23 */
#define MAGIC_BELOW 4194304
#define FABS fabsf
#define FMOD fmodf
#define FLOOR floorf
#define TRUNC truncf
#include "sample/position.h"
#undef REAL
#undef R
#undef WITHIN
#undef MAGIC
#undef MAGIC_BELOW
#undef FABS
#undef FMOD
#undef FLOOR
#undef TRUNC

#if defined(__AVX512F__)
/* Eight doubles into index and float fraction, as `split` does it: the compiler takes many more steps. */
static inline void split_8(const double *at, double before, double after, int32_t *index, float *fraction) {
    const __m512d given = _mm512_loadu_pd(at), low = _mm512_set1_pd(before), high = _mm512_set1_pd(after);
    const __m512d c = _mm512_min_pd(_mm512_max_pd(given, low), high); /* of NaN and low, max gives low */
    const __m512d whole = _mm512_floor_pd(c);
    _mm256_storeu_si256((__m256i *)index, _mm512_cvttpd_epi32(whole));
    _mm256_storeu_ps(fraction, _mm512_cvtpd_ps(_mm512_sub_pd(c, whole)));
}
#define SPLIT_8 split_8
#endif

#define REAL double
#define R(x) x##_d
#define WITHIN 1073741824.0
#define MAGIC 6755399441055744.0 /* 1.5 * 2^52 */
#define MAGIC_BELOW INT32_MAX
#define FABS fabs
#define FMOD fmod
#define FLOOR floor
#define TRUNC trunc
#include "sample/position.h"
#undef REAL
#undef R
#undef WITHIN
#undef MAGIC
#undef MAGIC_BELOW
#undef FABS
#undef FMOD
#undef FLOOR
#undef TRUNC
#undef SPLIT_8

/* Positions of points [begin, begin + m) of row r: an affine map of global indices. */
static void from_indices(const job_sample_t *job, Py_ssize_t r, Py_ssize_t begin, int m, double (*at)[POINTS]) {
    const double o0 = (double)(job->first[0] + r / job->inner), o1 = (double)(job->first[1] + r % job->inner);
    const int64_t first = job->first[2] + begin;
    double o2[POINTS];
    for (int j = 0; j < m; j++) o2[j] = (double)(first + j);
    for (int a = 0; a < AXES; a++) {
        const axis_t *axis = &job->axis[a];
        const double row = axis->matrix[0] * o0 + axis->matrix[1] * o1, step = axis->matrix[2], offset = axis->offset;
        double *restrict to = at[a];
        if (!axis->sampled) continue;
        for (int j = 0; j < m; j++) to[j] = (row + step * o2[j]) + offset;
    }
}

/* WRAP: indices as the box counts them, whose first sample may be any. All taps are within; those of a missing point are
 * some that are. */
static void unroll(const job_sample_t *job, const axis_t *axis, int m, const int32_t *restrict inside,
                   int32_t *restrict index) {
    const int32_t n = (int32_t)axis->n, first = (int32_t)axis->origin + (job->taps == 4);
    const int32_t last = first + (int32_t)axis->held - job->taps;
    for (int j = 0; j < m; j++) {
        const int32_t i = index[j] < n ? index[j] : index[j] - n, to = i < first ? i + n : i;
        index[j] = !inside[j] ? first : to < last ? to : last;
    }
}

/* Indices and fractions of a block of points along all axes. Fractions go to the one of fraction_f and fraction_d,
 * [AXES][POINTS], that is not NULL. */
static void locate(const job_sample_t *job, Py_ssize_t r, Py_ssize_t begin, int m, block_t *b, float *fraction_f,
                   double *fraction_d) {
    const int is_float = job->grid != NULL && !job->grid_is_double;
    const Py_ssize_t number = (r * job->width + begin) * job->rank;
    float f[AXES][POINTS];
    double d[AXES][POINTS];
    if (is_float)
        from_grid_f((const float *)job->grid + number, job, m, f);
    else if (job->grid != NULL)
        from_grid_d((const double *)job->grid + number, job, m, d);
    else
        from_indices(job, r, begin, m, d);
    for (int j = 0; j < m; j++) b->inside[j] = 1;
    for (int a = 0; a < AXES; a++) {
        const axis_t *axis = &job->axis[a];
        float *to_f = fraction_f == NULL ? NULL : fraction_f + a * POINTS;
        double *to_d = fraction_d == NULL ? NULL : fraction_d + a * POINTS;
        if (!axis->sampled) continue;
        if (is_float) {
            pad_f(job, axis, m, f[a]);
            split_f(job, axis, m, f[a], b->index[a], b->inside, to_f, to_d);
        } else {
            pad_d(job, axis, m, d[a]);
            split_d(job, axis, m, d[a], b->index[a], b->inside, to_f, to_d);
        }
        if (job->rule == WRAP) unroll(job, axis, m, b->inside, b->index[a]);
    }
}
