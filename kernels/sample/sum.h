/* Weights and sums of a block of points, in ACC (float or double). Included by sample.h with ACC, ACC_TYPE, S(name). */

/* How many taps of an axis have any weight in this block, and whether a weight among those is zero. */
static void S(survey)(const ACC *const *w, int taps, int m, int *used, int *ragged) {
    int32_t zero[MOST_TAPS], some[MOST_TAPS];
    for (int k = 0; k < taps; k++) {
        const ACC *restrict weight = w[k];
        int32_t has_zero = 0, has_some = 0;
        for (int j = 0; j < m; j++) {
            const int32_t is_zero = weight[j] == 0;
            has_zero |= is_zero;
            has_some |= 1 - is_zero;
        }
        zero[k] = has_zero;
        some[k] = has_some;
    }
    *used = taps;
    while (*used > 1 && !some[*used - 1]) --*used;
    *ragged = 0;
    for (int k = 0; k < *used; k++) *ragged |= zero[k];
}

/* Two taps: the window starts at the index, or beside it where the box ends. used, ragged: as of `survey`. */
static void S(linear_weights)(const axis_t *axis, int m, const ACC *restrict fraction, int32_t *restrict index,
                              int32_t *restrict inside, ACC *restrict w0, ACC *restrict w1, int *used,
                              int *ragged) {
    const int32_t first = (int32_t)axis->origin, two = axis->held > 1;
    const int32_t last = two ? (int32_t)(first + axis->held - 2) : first;
    int32_t slid[POINTS], beside = !two;
    for (int j = 0; j < m; j++) {
        const int32_t before = index[j] < first, after = index[j] > last;
        beside |= before | after;
    }
    if (!beside) { /* what follows gives the same: the window is where it should be */
        int32_t some = 0, zero = 0;
        for (int j = 0; j < m; j++) {
            const ACC w = fraction[j], u = 1 - w;
            index[j] = index[j] - first;
            w0[j] = u;
            w1[j] = w;
            some |= w != 0;
            zero |= (w == 0) | (u == 0);
        }
        *used = some ? 2 : 1;
        *ragged = some && zero;
        return;
    }
    for (int j = 0; j < m; j++) {
        const int32_t i = index[j], from = i < last ? i : last, start = from > first ? from : first;
        slid[j] = i - start;
        index[j] = start - first;
    }
    for (int j = 0; j < m; j++) {
        const ACC w = fraction[j], u = 1 - w;
        const ACC here = (ACC)(slid[j] == 0), before = (ACC)(slid[j] == -1), after = (ACC)(slid[j] == 1);
        w0[j] = here * u + before * w; /* selects: products with 0 and 1 */
        w1[j] = here * w + after * u;
    }
    if (!two)
        for (int j = 0; j < m; j++) w1[j] = 0;
    for (int j = 0; j < m; j++) {
        const int32_t p = w0[j] != 0, q = w1[j] != 0;
        inside[j] &= p | q;
    }
    const ACC *const w[2] = {w0, w1};
    S(survey)(w, 2, m, used, ragged);
}

/* Four taps of the cubic B-spline, from one before the index; those beyond the ends are folded back. */
static void S(cubic_weights)(const axis_t *axis, int mirror, int m, const ACC *restrict fraction,
                             int32_t *restrict index, ACC *restrict w0, ACC *restrict w1, ACC *restrict w2,
                             ACC *restrict w3) {
    const int32_t n = (int32_t)axis->n, first = (int32_t)axis->origin;
    const int32_t last = axis->held > 4 ? (int32_t)(first + axis->held - 4) : first;
    const int four = axis->held >= 4;
    int ends = 0;
    for (int j = 0; j < m; j++) {
        const ACC t = fraction[j], u = 1 - t, tt = t * t, uu = u * u;
        w0[j] = uu * u / 6;
        w1[j] = (4 - 6 * tt + 3 * (tt * t)) / 6;
        w2[j] = (4 - 6 * uu + 3 * (uu * u)) / 6;
        w3[j] = tt * t / 6;
        ends |= (index[j] - 1 < first) | (index[j] - 1 > last);
    }
    if (!ends && four) {
        for (int j = 0; j < m; j++) index[j] = index[j] - 1 - first;
        return;
    }
    for (int j = 0; j < m; j++) {
        const int32_t i = index[j] - 1, start = i < first ? first : i < last ? i : last;
        const ACC taps[4] = {w0[j], w1[j], w2[j], w3[j]};
        ACC window[4] = {0, 0, 0, 0};
        index[j] = start - first;
        for (int k = 0; k < 4; k++) {
            const int32_t to = fold_index(i + k, n, mirror) - start;
            if (taps[k] != 0 && to >= 0 && to < 4) window[to] += taps[k];
        }
        w0[j] = window[0];
        w1[j] = window[1];
        w2[j] = window[2];
        w3[j] = window[3];
    }
}

/* if_so where it is, else otherwise: by bits, which gcc makes vectors of where it would make branches of a choice. */
static inline ACC S(choose)(int it_is, ACC if_so, ACC otherwise) {
    const UINT mask = -(UINT)it_is;
    return OF_BITS((TO_BITS(if_so) & mask) | (TO_BITS(otherwise) & ~mask));
}

/* sum[i] = sum over k < taps of weight[k][i] * line[k][i]; `ragged`: some of the weights are zero and take no part. */
static void S(sum_lines)(const ACC *const *line, const ACC *const *weight, int taps, int ragged, int m,
                         ACC *restrict sum) {
    const ACC *restrict a = line[0], *restrict b = line[1], *restrict p = weight[0], *restrict q = weight[1];
    if (taps == 1) {
        for (int i = 0; i < m; i++) sum[i] = p[i] * a[i];
    } else if (taps == 2 && !ragged) {
        for (int i = 0; i < m; i++) sum[i] = p[i] * a[i] + q[i] * b[i];
    } else if (taps == 2) {
        for (int i = 0; i < m; i++) {
            const ACC u = p[i], v = q[i], x = u * a[i], y = v * b[i], both = x + y;
            sum[i] = S(choose)(u == 0, y, S(choose)(v == 0, x, both));
        }
    } else if (!ragged && taps == 4) {
        const ACC *restrict c = line[2], *restrict d = line[3], *restrict r = weight[2], *restrict s = weight[3];
        for (int i = 0; i < m; i++) sum[i] = ((p[i] * a[i] + q[i] * b[i]) + r[i] * c[i]) + s[i] * d[i];
    } else {
        for (int i = 0; i < m; i++) {
            ACC total = p[i] * a[i];
            int any = p[i] != 0;
            for (int k = 1; k < taps; k++) {
                const ACC w = weight[k][i], x = w * line[k][i];
                total = S(choose)(w == 0, total, S(choose)(any, total + x, x));
                any |= w != 0;
            }
            sum[i] = total;
        }
    }
}

/* The same along x, where the taps of a point lie side by side. */
static void S(sum_taps)(const ACC *restrict line, const ACC *const *weight, int taps, int ragged, int m,
                        ACC *restrict sum) {
    const ACC *restrict p = weight[0], *restrict q = weight[1];
    if (taps == 1) {
        for (Py_ssize_t i = 0; i < m; i++) sum[i] = p[i] * line[i];
    } else if (taps == 2) {
        for (Py_ssize_t i = 0; i < m; i++) {
            const ACC u = p[i], v = q[i], x = u * line[2 * i], y = v * line[2 * i + 1], both = x + y;
            sum[i] = S(choose)(u == 0, y, S(choose)(v == 0, x, both));
        }
    } else if (!ragged) {
        const ACC *restrict r = weight[2], *restrict s = weight[3];
        for (Py_ssize_t i = 0; i < m; i++)
            sum[i] = ((p[i] * line[4 * i] + q[i] * line[4 * i + 1]) + r[i] * line[4 * i + 2]) + s[i] * line[4 * i + 3];
    } else {
        for (Py_ssize_t i = 0; i < m; i++) {
            ACC total = p[i] * line[4 * i];
            int any = p[i] != 0;
            for (int k = 1; k < 4; k++) {
                const ACC w = weight[k][i], x = w * line[4 * i + k];
                total = S(choose)(w == 0, total, S(choose)(any, total + x, x));
                any |= w != 0;
            }
            sum[i] = total;
        }
    }
}

static void S(sum_block)(const job_sample_t *job, Py_ssize_t r, Py_ssize_t begin, int m, const char *src, char *dst) {
    block_t block, *b = &block;
    ACC fraction[AXES][POINTS], weight[AXES][MOST_TAPS][POINTS], missing[POINTS];
    ACC wide[AXES - 1][MOST_TAPS][MOST_TAPS * POINTS]; /* weights of z and y, once per sample of a line */
    ACC lines[MOST_TAPS][MOST_TAPS * POINTS], sums[MOST_TAPS][MOST_TAPS * POINTS], row[MOST_TAPS * POINTS];
    char raw[MOST_TAPS * POINTS * sizeof(ACC)], buffer[POINTS * sizeof(double)];
    const ACC *w[AXES][MOST_TAPS], *line[MOST_TAPS];
    Py_ssize_t step[AXES][MOST_TAPS];
    const int taps = job->taps, n = m * taps;
#ifdef CORNERS
    const int in_corners = taps == 2 && job->in_type == F32 && job->axis[AXES - 1].stride == sizeof(float) &&
                           job->axis[AXES - 1].held > 1;
#else
    const int in_corners = 0;
#endif
    locate(job, r, begin, m, b, FRACTIONS(&fraction[0][0]));
    if (!any_inside(b, m)) {
        fill_block(job, m, dst);
        return;
    }
    for (int a = 0; a < AXES; a++) {
        const axis_t *axis = &job->axis[a];
        const int wider = axis->sampled && a < AXES - 1 && !in_corners;
        for (int k = 0; k < MOST_TAPS; k++) {
            w[a][k] = weight[a][k];
            step[a][k] = (k < axis->held ? k : axis->held - 1) * axis->stride;
        }
        if (!axis->sampled) {
            for (int i = 0; i < n; i++) wide[a][0][i] = 1;
            for (int j = 0; j < m; j++) weight[a][0][j] = 1;
            for (int j = 0; j < m; j++) weight[a][1][j] = 0;
            b->used[a] = 1;
            b->ragged[a] = 0;
            w[a][0] = wide[a][0];
            continue;
        }
        if (taps == 2)
            S(linear_weights)(axis, m, fraction[a], b->index[a], b->inside, weight[a][0], weight[a][1], &b->used[a],
                              &b->ragged[a]);
        else {
            S(cubic_weights)(axis, job->mirror, m, fraction[a], b->index[a], weight[a][0], weight[a][1], weight[a][2],
                             weight[a][3]);
            S(survey)(w[a], taps, m, &b->used[a], &b->ragged[a]);
        }
        for (int k = 0; wider && k < b->used[a]; k++) {
            ACC *restrict to = wide[a][k];
            if (taps == 2)
                for (Py_ssize_t j = 0; j < m; j++) to[2 * j] = to[2 * j + 1] = weight[a][k][j];
            else
                for (Py_ssize_t j = 0; j < m; j++)
                    to[4 * j] = to[4 * j + 1] = to[4 * j + 2] = to[4 * j + 3] = weight[a][k][j];
        }
        for (int k = 0; wider && k < taps; k++) w[a][k] = wide[a][k];
    }
    if (!any_inside(b, m)) {
        fill_block(job, m, dst);
        return;
    }
    offsets(job, m, b);
    b->all_inside = 1;
    for (int j = 0; j < m; j++) b->all_inside &= b->inside[j];
    const ACC fill = (ACC)job->fill;
    const int blend = job->fill_taps && fill != 0;
    if (blend) { /* the weight of missing taps: 1 - (sum of the others) */
        for (int j = 0; j < m; j++) {
            ACC there = 1;
            for (int a = 0; a < AXES; a++) {
                const ACC p = weight[a][0][j], q = weight[a][1][j], one = p + q;
                there = there * ((p != 0) & (q != 0) ? 1 : one);
            }
            missing[j] = 1 - there;
        }
    }
    for (Py_ssize_t c = 0; c < job->channels; c++) {
        const char *from = src + job->src_channel[c];
        char *to = dst + job->dst_channel[c];
        const int direct = job->out_type == ACC_TYPE && job->dst_step == job->out_size;
        ACC *restrict value = direct ? (ACC *)to : lines[0];
#ifdef CORNERS
        if (in_corners) {
            corners(job, from, b, step, w, m, value);
        } else
#endif
        {
        for (int y = 0; y < b->used[1]; y++) {
            for (int z = 0; z < b->used[0]; z++) {
                const char *start = from + step[0][z] + step[1][y];
                if (job->in_type == ACC_TYPE) {
                    copy_lines(start, b->offset, m, taps, job->item_size, step[2], (char *)lines[z]);
                } else {
                    copy_lines(start, b->offset, m, taps, job->item_size, step[2], raw);
                    S(ELEMENTS)[job->in_type].load(raw, n, lines[z]);
                }
                line[z] = lines[z];
            }
            S(sum_lines)(line, w[0], b->used[0], b->ragged[0], n, sums[y]);
        }
        for (int y = 0; y < b->used[1]; y++) line[y] = sums[y];
        S(sum_lines)(line, w[1], b->used[1], b->ragged[1], n, row);
        S(sum_taps)(row, w[2], taps, b->ragged[2] || b->used[2] < taps, m, value);
        }
        if (blend)
            for (int j = 0; j < m; j++) {
                const ACC here = value[j];
                value[j] = S(choose)(missing[j] != 0, here + fill * missing[j], here);
            }
        if (!b->all_inside)
            for (int j = 0; j < m; j++) value[j] = S(choose)(b->inside[j], value[j], fill);
        if (direct) continue;
        if (job->dst_step == job->out_size) {
            S(ELEMENTS)[job->out_type].store(value, m, to);
        } else {
            S(ELEMENTS)[job->out_type].store(value, m, buffer);
            scatter(buffer, m, job->out_size, to, job->dst_step);
        }
    }
}
