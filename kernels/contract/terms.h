/* Outputs of an axis across rows, strip by strip, for one accumulator type: included by acc.h with ACC, ACC_TYPE and S(name). */

/* Sums of whole numbers become means: see job_t. */
static void S(divide)(ACC *restrict sums, Py_ssize_t n, ACC divisor) {
    for (Py_ssize_t i = 0; i < n; i++) sums[i] = sums[i] / divisor;
}

/* One output of an axis, as terms: where its source rows begin, its weights, where it goes; of a sum by parts the tap that
 * is its anchor, else -1. */
typedef struct {
    const char *const *rows;
    const ACC *w;
    int taps, anchor;
    char *to;
} S(term_t);

/* The terms of output o. */
static inline S(term_t) S(term_of)(const dim_t *v, Py_ssize_t o, const char *const *rows, char *to) {
    const S(term_t) term = {rows, (const ACC *)v->weights + o * v->taps, v->count[o], v->anchor == NULL ? -1 : v->anchor[o], to};
    return term;
}

/* to[i] = sum_k w[k] * rows[k][i] over a run of n elements, any element type to any other. */
static inline void S(run)(const S(term_t) *term, Py_ssize_t from, int in_type, Py_ssize_t at, int out_type,
                          Py_ssize_t n, double divisor) {
    ACC buffer[STRIP];
#if defined(HAS_NARROW) && !defined(ACC_IS_DOUBLE)
    if (in_type == F32 && out_type <= I16 && term->taps == 2 && term->anchor < 0 && divisor == 0 &&
        NARROW_TWO[out_type]((const float *)(term->rows[0] + from), (const float *)(term->rows[1] + from), term->w, n, term->to + at) == n)
        return;
#endif
    ACC *to = out_type == ACC_TYPE ? (ACC *)(term->to + at) : buffer;
    if (term->anchor >= 0) {
        if (in_type != ACC_TYPE || !S(parts_in_registers)(term->rows, from, term->w, term->taps, term->anchor, n, to))
            S(ELEMENTS)[in_type].parts(term->rows, from, term->w, term->taps, term->anchor, n, to);
    } else if (in_type == ACC_TYPE && term->taps > 4)
        S(combine_many)(term->rows, from, term->w, term->taps, NULL, n, to);
    else
        S(ELEMENTS)[in_type].combine(term->rows, from, term->w, term->taps, n, to);
    if (divisor != 0) S(divide)(to, n, (ACC)divisor);
    if (out_type != ACC_TYPE) S(ELEMENTS)[out_type].store(buffer, n, term->to + at);
}

/* A sum by parts whose differences have been made, each row's from the next. */
static inline void S(run_differences)(const S(term_t) *term, const char *const *differences, Py_ssize_t from, int in_type,
                                      Py_ssize_t at, int out_type, Py_ssize_t n) {
    ACC buffer[STRIP];
    ACC *to = out_type == ACC_TYPE ? (ACC *)(term->to + at) : buffer;
    const char *sample = term->rows[term->anchor] + from;
    if (term->taps == 1) {
        S(ELEMENTS)[in_type].load(sample, n, to);
    } else {
        S(combine_many)(differences, 0, term->w, term->taps - 1, in_type == ACC_TYPE ? (const ACC *)sample : NULL, n, to);
        if (in_type != ACC_TYPE) S(ELEMENTS)[in_type].add(sample, n, to);
    }
    if (out_type != ACC_TYPE) S(ELEMENTS)[out_type].store(buffer, n, term->to + at);
}

/* The same for several terms at once, strip by strip, so that a source row that many terms share comes from memory
 * once. Where they share many rows, each strip is first brought side by side with the others, converted: rows that lie
 * a power of two apart would compete for the same few lines of the cache. */
static void S(run_group)(const S(term_t) *terms, int count, Py_ssize_t from, int in_type, Py_ssize_t at, int out_type,
                         Py_ssize_t n, const group_t *group) {
    const Py_ssize_t in_size = ELEMENT_SIZE[in_type], out_size = ELEMENT_SIZE[out_type];
    if (group->apart) { /* row by row, while the next come from memory */
        for (int g = 0; g < count; g++)
            for (Py_ssize_t i = 0; i < n; i += STRIP) {
                const Py_ssize_t m = n - i < STRIP ? n - i : STRIP;
                for (int k = 0; g + 1 < count && k < terms[g + 1].taps; k++)
                    prefetch(terms[g + 1].rows[k] + from + i * in_size, m * in_size);
                S(run)(&terms[g], from + i * in_size, in_type, at + i * out_size, out_type, m, group->divisor);
            }
        return;
    }
    for (Py_ssize_t i = 0; i < n; i += STRIP) {
        const Py_ssize_t m = n - i < STRIP ? n - i : STRIP;
        if (group->shared > 0 && terms[0].anchor >= 0) {
            for (Py_ssize_t r = 0; r + 1 < group->shared; r++)
                S(ELEMENTS)[in_type].differ(terms[0].rows[r] + from + i * in_size, terms[0].rows[r + 1] + from + i * in_size,
                                            m, (ACC *)group->converted[r]);
            for (int g = 0; g < count; g++)
                S(run_differences)(&terms[g], group->converted + (terms[g].rows - terms[0].rows), from + i * in_size, in_type,
                                   at + i * out_size, out_type, m);
        } else if (group->shared > 0) {
            for (Py_ssize_t r = 0; r < group->shared; r++)
                S(ELEMENTS)[in_type].load(terms[0].rows[r] + from + i * in_size, m, (ACC *)group->converted[r]);
            for (int g = 0; g < count; g++) {
                S(term_t) term = terms[g];
                term.rows = group->converted + (terms[g].rows - terms[0].rows);
                S(run)(&term, 0, ACC_TYPE, at + i * out_size, out_type, m, group->divisor);
            }
        } else {
            for (int g = 0; g < count; g++)
                S(run)(&terms[g], from + i * in_size, in_type, at + i * out_size, out_type, m, group->divisor);
        }
    }
}
