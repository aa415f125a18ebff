/* Two taps per axis of float samples: gather and sums in registers. Included by sample.h; CORNERS says that it is there.
 *
 * The order of operations is that of sum.h, which serves everywhere else, and the tests hold them together. */
#if defined(__AVX512F__)
#define CORNERS
/* The same sums for float samples side by side along x and two taps, in registers: a gather fetches both taps along x
 * of eight points. Offsets and weights are there for a multiple of 16 points. */
static inline __m512 two_taps(__m512 p, __m512 a, __m512 q, __m512 b, const int ragged) {
    const __m512 x = _mm512_mul_ps(p, a), y = _mm512_mul_ps(q, b), both = _mm512_add_ps(x, y);
    if (!ragged) return both;
    const __m512 one = _mm512_mask_mov_ps(both, _mm512_cmp_ps_mask(q, _mm512_setzero_ps(), _CMP_EQ_OQ), x);
    return _mm512_mask_mov_ps(one, _mm512_cmp_ps_mask(p, _mm512_setzero_ps(), _CMP_EQ_OQ), y);
}

static inline __m512 pairs(const char *from, __m512i offset) {
    return _mm512_castsi512_ps(_mm512_i64gather_epi64(offset, from, 1));
}

/* Eight weights, each for both taps along x. */
static inline __m512 twice(const float *w) {
    const __m512i each = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(each, _mm512_castps256_ps512(_mm256_loadu_ps(w)));
}

/* z_taps, y_taps: 0 where an axis is not sampled along, and its weight is one. */
static inline void corners_of(const char *from, const Py_ssize_t *offset, const Py_ssize_t (*step)[MOST_TAPS],
                              const float *const (*w)[MOST_TAPS], int m, const int z_taps, const int y_taps,
                              const int ragged, float *value) {
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const char *y1 = from + step[1][1], *z1 = from + step[0][1], *zy = z1 + step[1][1];
    for (int j = 0; j < m; j += 16) {
        __m512 row[2];
        for (int half = 0; half < 2; half++) {
            const int i = j + 8 * half;
            const __m512i at = _mm512_loadu_si512(offset + i);
            __m512 low = pairs(from, at), high = y_taps == 2 ? pairs(y1, at) : low;
            if (z_taps == 2) {
                const __m512 p = twice(w[0][0] + i), q = twice(w[0][1] + i);
                low = two_taps(p, low, q, pairs(z1, at), ragged);
                if (y_taps == 2) high = two_taps(p, high, q, pairs(zy, at), ragged);
            } else if (z_taps == 1) {
                const __m512 p = twice(w[0][0] + i);
                low = _mm512_mul_ps(p, low);
                high = _mm512_mul_ps(p, high);
            }
            if (y_taps == 2)
                low = two_taps(twice(w[1][0] + i), low, twice(w[1][1] + i), high, ragged);
            else if (y_taps == 1)
                low = _mm512_mul_ps(twice(w[1][0] + i), low);
            row[half] = low;
        }
        const __m512 sum = two_taps(_mm512_loadu_ps(w[2][0] + j), _mm512_permutex2var_ps(row[0], even, row[1]),
                                    _mm512_loadu_ps(w[2][1] + j), _mm512_permutex2var_ps(row[0], odd, row[1]), ragged);
        _mm512_mask_storeu_ps(value + j, (__mmask16)(m - j >= 16 ? 0xffff : (1 << (m - j)) - 1), sum);
    }
}

static void corners(const job_sample_t *job, const char *from, const block_t *b, const Py_ssize_t (*step)[MOST_TAPS],
                    const float *const (*w)[MOST_TAPS], int m, float *value) {
    const int ragged = b->ragged[0] || b->ragged[1] || b->ragged[2] || b->used[2] < 2;
    const int z_taps = job->axis[0].sampled ? b->used[0] : 0, y_taps = job->axis[1].sampled ? b->used[1] : 0;
#define CASE(z, y, r) \
    if (z_taps == z && y_taps == y && ragged == r) return corners_of(from, b->offset, step, w, m, z, y, r, value)
    CASE(2, 2, 0);
    CASE(2, 2, 1);
    CASE(1, 2, 0);
    CASE(0, 2, 0);
    CASE(0, 2, 1);
#undef CASE
    corners_of(from, b->offset, step, w, m, z_taps, y_taps, 1, value);
}
#endif
