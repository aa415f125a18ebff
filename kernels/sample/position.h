/* Positions of a block of points, in REAL (float or double). Included by locate.h with REAL, R(name), WITHIN. */

/* torch's grid_sampler_unnormalize: from [-1, 1] to samples; x comes first in a grid, last among the axes. Where an
 * index is multiplied it is no int: gcc, told that those wrap, takes no vector of steps. */
static void R(from_grid)(const REAL *grid, const job_sample_t *job, int m, REAL (*restrict at)[POINTS]) {
    const axis_t *axis = job->axis;
    const REAL zs = (REAL)axis[0].scale, ys = (REAL)axis[1].scale, xs = (REAL)axis[2].scale;
    const REAL zo = (REAL)axis[0].shift, yo = (REAL)axis[1].shift, xo = (REAL)axis[2].shift;
    REAL *restrict z = at[0], *restrict y = at[1], *restrict x = at[2];
    if (job->rank == 3)
        for (Py_ssize_t j = 0; j < m; j++) {
            x[j] = (grid[3 * j] + 1) * xs - xo;
            y[j] = (grid[3 * j + 1] + 1) * ys - yo;
            z[j] = (grid[3 * j + 2] + 1) * zs - zo;
        }
    else
        for (Py_ssize_t j = 0; j < m; j++) {
            x[j] = (grid[2 * j] + 1) * xs - xo;
            y[j] = (grid[2 * j + 1] + 1) * ys - yo;
        }
}

static inline REAL R(to_ends)(REAL c, REAL first, REAL last, int nan_first) {
    if (nan_first) {
        c = c > first ? c : first;
        return c < last ? c : last;
    }
    c = c < last ? c : last;
    return c > first ? c : first;
}

/* A reflection beyond WITHIN, or of NaN: torch's formulas to the letter. Its 3-D kernel counts flips in an int, which
 * overflows to the smallest one, an even number. */
static REAL R(reflect_far)(REAL from_low, REAL span, int two_d) {
    if (two_d) {
        const REAL extra = from_low - TRUNC(from_low / (2 * span)) * (2 * span), back = 2 * span - extra;
        return extra < back ? extra : back;
    }
    const REAL extra = FMOD(from_low, span);
    const double flips = (double)FLOOR(from_low / span);
    return flips < 2147483648.0 && fmod(flips, 2.0) == 1.0 ? span - extra : extra;
}

/* The padding rule. CLAMP_TO_ENDS and REFLECT leave a position in [0, n - 1]; a spline goes on up to where it is
 * reflected. NaN becomes one of the ends. INSIDE moves what rounding alone has brought beyond an end. WRAP leaves it in
 * [0, n], n where the sum rounds up to that; a remainder is exact. */
static void R(pad)(const job_sample_t *job, const axis_t *axis, int m, REAL *restrict at) {
    const REAL last = (REAL)(axis->n - 1), low = (REAL)axis->low, span = last - 2 * low, twice = 2 * span;
    const REAL from = job->taps == 4 ? low : 0, to = last - from;
    if (job->rule == INSIDE && axis->slack > 0) {
        const REAL slack = (REAL)axis->slack, before = -slack, after = last + slack;
        for (int j = 0; j < m; j++) {
            const REAL c = at[j], up = c < 0 && c >= before ? 0 : c;
            at[j] = up > last && up <= after ? last : up;
        }
    }
    if (job->rule == WRAP) {
        const REAL n = (REAL)axis->n;
        int beyond = 0;
        for (int j = 0; j < m; j++) beyond |= !((at[j] >= 0) & (at[j] < n));
        if (!beyond) return;
        for (int j = 0; j < m; j++) {
            const REAL rest = FMOD(at[j], n);
            at[j] = rest < 0 ? rest + n : rest;
        }
    }
    if (job->rule == REFLECT) {
        if (!(span > 0)) {
            for (int j = 0; j < m; j++) at[j] = 0;
            return;
        }
        int far = 0;
        for (int j = 0; j < m; j++) far |= !(FABS(at[j]) < WITHIN);
        if (far) {
            for (int j = 0; j < m; j++)
                at[j] = R(to_ends)(R(reflect_far)(FABS(at[j] - low), span, job->two_d) + low, from, to, job->two_d);
            return;
        }
        for (int j = 0; j < m; j++) {
            const REAL from_low = FABS(at[j] - low);
            const REAL extra = from_low - (REAL)(int32_t)(from_low / twice) * twice, back = twice - extra;
            at[j] = (extra < back ? extra : back) + low;
        }
    }
    if (job->rule == REFLECT || job->rule == CLAMP_TO_ENDS) {
        if (job->two_d)
            for (int j = 0; j < m; j++) at[j] = R(to_ends)(at[j], from, to, 1);
        else
            for (int j = 0; j < m; j++) at[j] = R(to_ends)(at[j], from, to, 0);
    }
}

/* Position = index + fraction, 0 <= fraction < 1; nearest: the index rounded to. Far beyond the ends all positions are
 * alike, so they are brought near first: no conversion overflows. NaN goes before the first sample. */
static void R(split)(const job_sample_t *job, const axis_t *axis, int m, const REAL *restrict at,
                     int32_t *restrict index, int32_t *restrict inside, float *restrict fraction_f,
                     double *restrict fraction_d) {
    const REAL last = (REAL)(axis->n - 1), before = -4, after = (REAL)(axis->n + 4);
    const int monotone = job->grid == NULL; /* along a row: what lies between two positions inside is inside, too */
    const int ends_inside = at[0] >= 0 && at[0] <= last && at[m - 1] >= 0 && at[m - 1] <= last;
    if (job->rule == INSIDE && !(monotone && ends_inside))
        for (int j = 0; j < m; j++) inside[j] &= (at[j] >= 0) & (at[j] <= last);
    if (job->rule == WRAP)
        for (int j = 0; j < m; j++) inside[j] &= at[j] == at[j]; /* of an infinity there is no remainder */
    if (job->taps == 1) {
        if (job->rounding == HALF_UP) {
            for (int j = 0; j < m; j++) {
                REAL c = at[j] + (REAL)0.5;
                c = c > before ? c : before;
                c = c < after ? c : after;
                const int32_t whole = (int32_t)c;
                index[j] = whole - (c < (REAL)whole);
            }
        } else if (axis->n + 4 < MAGIC_BELOW) {
            for (int j = 0; j < m; j++) {
                REAL c = at[j];
                c = c > before ? c : before;
                c = c < after ? c : after;
                index[j] = (int32_t)((c + MAGIC) - MAGIC); /* rounds half to even */
            }
        } else {
            for (int j = 0; j < m; j++) {
                REAL c = at[j];
                c = c > before ? c : before;
                c = c < after ? c : after;
                const int32_t whole = (int32_t)c, floor = whole - (c < (REAL)whole);
                const REAL rest = c - (REAL)floor, odd = (REAL)(floor & 1);
                const REAL up = rest > (REAL)0.5 ? 1 : 0, tie = rest == (REAL)0.5 ? 1 : 0;
                index[j] = floor + (int32_t)(up + tie * odd);
            }
        }
        return;
    }
    int j = 0;
#if defined(SPLIT_8)
    for (; fraction_f != NULL && j + 8 <= m; j += 8) SPLIT_8(at + j, before, after, index + j, fraction_f + j);
#endif
    for (; j < m; j++) {
        REAL c = at[j];
        c = c > before ? c : before;
        c = c < after ? c : after;
        const int32_t whole = (int32_t)c;
        index[j] = whole - (c < (REAL)whole);
        const REAL rest = c - (REAL)index[j];
        if (fraction_f != NULL)
            fraction_f[j] = (float)rest;
        else
            fraction_d[j] = (double)rest;
    }
}
