/* Rows by permutations of 16 bytes, with AVX2 and NEON. A register, or two of 128 bits, has the sums of eight lanes of
 * one row. Its halves take their bytes from a window of 16 each, or from the same one; every step multiplies two bytes
 * per lane, and moves the windows on.
 *
 *     window_t, words_t     16 bytes for each half; two words per lane
 *     permuted(window, by)  words from bytes in the order of 32 numbers, within halves; 0x80 is zero
 *     added(sums, words, weights)
 *     joined(high, low)     sums of both parts of weights
 *
 * A unit is eight outputs side by side; or, where these lie too far apart for that, four positions. Such a position's
 * lanes are its channels, up to four, and as many shares of their sums as there is room for. */
#ifndef VRDASK_FIXED_ROW_WINDOWS_H
#define VRDASK_FIXED_ROW_WINDOWS_H

enum { ROW_LANES = 8, ROW_WINDOWS = 2, WINDOW_BYTES = 16, POSITIONS = 4 };
static inline int row_permutes(void) { return 1; }

/* Where a unit's windows begin. */
typedef struct { Py_ssize_t at, beside; } place_t;

/* Windows of a row, zero from `bytes` on. */
static NEVER_INLINE window_t load_within(const uint8_t *row, place_t place, Py_ssize_t bytes) {
    uint8_t copy[2][WINDOW_BYTES] = {{0}};
    const Py_ssize_t left = bytes - place.at, right = bytes - place.beside;
    if (left > 0) memcpy(copy[0], row + place.at, (size_t)(left < WINDOW_BYTES ? left : WINDOW_BYTES));
    if (right > 0) memcpy(copy[1], row + place.beside, (size_t)(right < WINDOW_BYTES ? right : WINDOW_BYTES));
    return load_windows(copy[0], copy[1]);
}

#define STEP(row)                                                                                         \
    {                                                                                                     \
        const window_t window = !inside ? load_within(from.row, place, from.bytes)                        \
                                : joint ? load_window(from.row + place.at)                                \
                                        : load_windows(from.row + place.at, from.row + place.beside);     \
        const words_t words = permuted(window, order);                                                    \
        s.row = added(s.row, words, by);                                                                  \
        if (wide) low.row = added(low.row, words, by_low);                                                \
    }
/* Eight sums of four rows. wide: whether weights are in two parts. each: 16 weights of a step, or 4, two pairs that are
 * for four lanes each. wide, joint, inside, each: constants. */
static inline ALWAYS_INLINE four_t eight_sums(const int wide, const int joint, const int inside, const int each,
                                              sources_t from, place_t place, int steps, Py_ssize_t advance,
                                              order_t order, const int16_t *weights) {
    const sums_t none = no_sums();
    four_t s = {none, none, none, none}, low = s;
    for (int k = 0; k < steps; k++, place.at += advance, place.beside += advance, weights += wide ? 2 * each : each) {
        const weights_t by = each == 4 ? repeat_weights(weights) : load_weights(weights);
        const weights_t by_low = !wide ? by : each == 4 ? repeat_weights(weights + 4) : load_weights(weights + each);
        STEP(a)
        STEP(b)
        STEP(c)
        STEP(d)
    }
    return wide ? (four_t){joined(s.a, low.a), joined(s.b, low.b), joined(s.c, low.c), joined(s.d, low.d)} : s;
}
#undef STEP

typedef struct { four_t first, second; } two_positions_t;

/* Two positions whose windows are the same ones from the second's first window on, `apart` steps after the first's:
 * they share permutations. */
static inline ALWAYS_INLINE two_positions_t sums_of_two(sources_t from, Py_ssize_t at, Py_ssize_t beside, int apart,
                                                        int steps, Py_ssize_t advance, order_t order,
                                                        const int16_t *weights) {
    const sums_t none = no_sums();
    four_t s = {none, none, none, none}, t = s;
    const int16_t *others = weights + 4 * steps;
    int k = 0;
#define WORDS(row) permuted(load_window(from.row + at), order)
#define ALONE(sums, row) sums.row = added(sums.row, WORDS(row), by);
#define BOTH(row)                                  \
    {                                              \
        const words_t words = WORDS(row);          \
        s.row = added(s.row, words, by);           \
        t.row = added(t.row, words, other);        \
    }
    for (; k < apart; k++, at += advance, weights += 4) {
        const weights_t by = repeat_weights(weights);
        ALONE(s, a) ALONE(s, b) ALONE(s, c) ALONE(s, d)
    }
    for (; k < steps; k++, at += advance, weights += 4, others += 4) {
        const weights_t by = repeat_weights(weights), other = repeat_weights(others);
        BOTH(a)
        BOTH(b)
        BOTH(c)
        BOTH(d)
    }
    at = beside + (steps - apart) * advance;
    for (k = 0; k < apart; k++, at += advance, others += 4) {
        const weights_t by = repeat_weights(others);
        ALONE(t, a) ALONE(t, b) ALONE(t, c) ALONE(t, d)
    }
#undef WORDS
#undef ALONE
#undef BOTH
    return (two_positions_t){s, t};
}

/* Of eight outputs of four rows those that are kept. */
static NEVER_INLINE void store_kept(targets_t to, Py_ssize_t at, four_t s, shift_t shift, uint32_t keep) {
    uint8_t found[ROWS_AT_ONCE][ROW_LANES];
    store_eights((targets_t){found[0], found[1], found[2], found[3]}, 0, s, shift);
    for (int lane = 0; lane < ROW_LANES; lane++) {
        if (!(keep >> lane & 1)) continue;
        to.a[at] = found[0][lane];
        to.b[at] = found[1][lane];
        to.c[at] = found[2][lane];
        to.d[at] = found[3][lane];
        at++;
    }
}

static inline ALWAYS_INLINE void unit_side_by_side(const row_t *w, const int wide, const int joint, const int inside,
                                                   int steps, sources_t from, targets_t to, Py_ssize_t u,
                                                   const int16_t *weights, shift_t shift) {
    const place_t place = {w->base[2 * u], w->base[2 * u + 1]};
    const order_t order = load_order(w->index + 2 * WINDOW_BYTES * u);
    const four_t s = eight_sums(wide, joint, inside, 16, from, place, steps, w->advance, order, weights);
    if (w->keep[u] == 255) store_eights(to, w->at[u], s, shift);
    else store_kept(to, w->at[u], s, shift, w->keep[u]);
}

#define ROWS(NAME, s, t) {NAME(a, s, t), NAME(b, s, t), NAME(c, s, t), NAME(d, s, t)}
#define BESIDE(row, s, t) beside(lanes, s.row, t.row)
#define QUADS(row, s, t) quads(lanes, s.row, t.row)
/* lanes: a constant. */
static inline ALWAYS_INLINE void store_positions(const int lanes, targets_t to, Py_ssize_t at, four_t st, four_t uv,
                                                 order_t dense, shift_t shift) {
    if (lanes == 4) {
        store_sixteens(to, at, st, uv, dense, shift);
    } else {
        const four_t all = ROWS(QUADS, st, uv);
        if (lanes == 2) store_eights(to, at, all, shift);
        else store_fours(to, at, all, shift);
    }
}

/* lanes: a constant, as is whole: whether bytes behind the unit may be written. */
static inline ALWAYS_INLINE void unit_of_positions(const row_t *w, const int wide, const int lanes, const int inside,
                                                   const int whole, sources_t from, targets_t to, Py_ssize_t unit,
                                                   const int16_t *weights, order_t order, order_t dense,
                                                   shift_t shift) {
    const Py_ssize_t *base = w->base + POSITIONS * unit, at = w->at[unit];
    const int step = lanes == 4 ? 4 : 16;
    const Py_ssize_t each = (Py_ssize_t)w->steps * (wide ? 2 * step : step);
#define SUMS(p)                                                                                       \
    eight_sums(wide, 1, inside, step, from, (place_t){base[p], base[p]}, w->steps, w->advance, order, \
               weights + p * each)
#define TWO(p)                                                                                                       \
    sums_of_two(from, base[p], base[p + 1], (int)w->keep[POSITIONS / 2 * unit + p / 2], w->steps, w->advance, order, \
                weights + p * each)
    four_t st, uv;
    if (lanes == 4 && !wide && inside) {
        const two_positions_t s = TWO(0);
        st = (four_t)ROWS(BESIDE, s.first, s.second);
        const two_positions_t u = TWO(2);
        uv = (four_t)ROWS(BESIDE, u.first, u.second);
    } else {
        const four_t s = SUMS(0), t = SUMS(1);
        st = (four_t)ROWS(BESIDE, s, t);
        const four_t u = SUMS(2), v = SUMS(3);
        uv = (four_t)ROWS(BESIDE, u, v);
    }
#undef TWO
#undef SUMS
    if (whole) {
        store_positions(lanes, to, at, st, uv, dense, shift);
    } else {
        const size_t size = (size_t)(w->at[unit + 1] - at);
        uint8_t found[ROWS_AT_ONCE][POSITIONS * 4];
        store_positions(lanes, (targets_t){found[0], found[1], found[2], found[3]}, 0, st, uv, dense, shift);
        memcpy(to.a + at, found[0], size);
        memcpy(to.b + at, found[1], size);
        memcpy(to.c + at, found[2], size);
        memcpy(to.d + at, found[3], size);
    }
}
#undef BESIDE
#undef QUADS
#undef ROWS

/* Ask for bytes of the rows that come next, while these are worked on; returns where the next line begins. */
static inline ALWAYS_INLINE Py_ssize_t ask_ahead(sources_t from, Py_ssize_t at, Py_ssize_t bytes) {
    const Py_ssize_t end = at + bytes;
    for (at += from.ahead; at < end + from.ahead; at += 64) {
        PREFETCH(from.a + at);
        PREFETCH(from.b + at);
        PREFETCH(from.c + at);
        PREFETCH(from.d + at);
    }
    return at - from.ahead;
}

/* Units at the end of a row, whose windows reach beyond it or whose stores would. */
static NEVER_INLINE void edge_unit(const row_t *w, sources_t from, targets_t to, Py_ssize_t u, const int16_t *weights) {
    const order_t order = load_order(w->index), dense = w->lanes ? load_order(w->index + 2 * WINDOW_BYTES) : order;
    const shift_t shift = shift_of(w->bits);
#define UNIT(WIDE, LANES) \
    unit_of_positions(w, WIDE, LANES, 0, 0, from, to, u, weights, order, dense, shift)
    switch (8 * w->wide + w->lanes) {
    case 0: unit_side_by_side(w, 0, 0, 0, w->steps, from, to, u, weights, shift); break;
    case 1: UNIT(0, 1); break;
    case 2: UNIT(0, 2); break;
    case 4: UNIT(0, 4); break;
    case 8: unit_side_by_side(w, 1, 0, 0, w->steps, from, to, u, weights, shift); break;
    case 9: UNIT(1, 1); break;
    case 10: UNIT(1, 2); break;
    default: UNIT(1, 4);
    }
#undef UNIT
}

/* Units from the first on whose windows all end within a row. each: windows of a unit. */
static inline Py_ssize_t units_within(const row_t *w, Py_ssize_t first, Py_ssize_t last, int each,
                                      Py_ssize_t bytes) {
    const Py_ssize_t reach = (w->steps - 1) * (Py_ssize_t)w->advance + WINDOW_BYTES;
    while (first < last && w->base[each * last - 1] + reach > bytes) last--;
    return last;
}

/* wide, joint, steps: constants, the last one also the table's number of steps. */
static inline ALWAYS_INLINE void row_side_by_side(const row_t *w, const int wide, const int joint, const int steps,
                                                  sources_t from, targets_t to, Py_ssize_t first,
                                                  Py_ssize_t last) {
    const row_t table = *w; /* whose fields no store can change */
    const Py_ssize_t each = (Py_ssize_t)steps * (wide ? 32 : 16), within = units_within(w, first, last, 2, from.bytes);
    const int16_t *weights = w->weights + first * each;
    const shift_t shift = shift_of(w->bits);
    Py_ssize_t u = first, line = 0;
    for (; u < within; u++, weights += each) {
        if (from.ahead && table.base[2 * u] >= line) line = ask_ahead(from, table.base[2 * u], 1);
        unit_side_by_side(&table, wide, joint, 1, steps, from, to, u, weights, shift);
    }
    for (; u < last; u++, weights += each) edge_unit(w, from, to, u, weights);
}

/* wide, lanes: constants. What follows the last unit may be another thread's. */
static inline ALWAYS_INLINE void row_of_positions(const row_t *w, const int wide, const int lanes, sources_t from,
                                                  targets_t to, Py_ssize_t first, Py_ssize_t last) {
    const row_t table = *w;
    const Py_ssize_t each = (Py_ssize_t)w->steps * POSITIONS * (lanes == 4 ? 4 : 16) * (wide ? 2 : 1);
    Py_ssize_t within = units_within(w, first, last, POSITIONS, from.bytes);
    while (within > first && w->at[within - 1] + POSITIONS * lanes > w->at[last]) within--;
    const int16_t *weights = w->weights + first * each;
    const order_t order = load_order(w->index), dense = load_order(w->index + 32);
    const shift_t shift = shift_of(w->bits);
    Py_ssize_t u = first;
    for (; u < within; u++, weights += each) {
        const Py_ssize_t at = table.base[POSITIONS * u];
        if (from.ahead) ask_ahead(from, at, (u + 1 < within ? table.base[POSITIONS * (u + 1)] : from.bytes) - at);
        unit_of_positions(&table, wide, lanes, 1, 1, from, to, u, weights, order, dense, shift);
    }
    for (; u < last; u++, weights += each) edge_unit(w, from, to, u, weights);
}

/* Functions of their own, for registers to hold what each loop needs. */
#define ROW(NAME, WAY, ...)                                                                                            \
    static NEVER_INLINE void NAME(const row_t *w, sources_t from, targets_t to, Py_ssize_t first, Py_ssize_t last) {   \
        WAY(w, __VA_ARGS__, from, to, first, last);                                                                    \
    }
ROW(side_by_side, row_side_by_side, 0, 0, w->steps)
ROW(joint, row_side_by_side, 0, 1, w->steps)
ROW(wide_side_by_side, row_side_by_side, 1, 0, w->steps)
ROW(wide_joint, row_side_by_side, 1, 1, w->steps)
ROW(wide_joint_in_1, row_side_by_side, 1, 1, 1)
ROW(wide_joint_in_2, row_side_by_side, 1, 1, 2)
ROW(wide_joint_in_3, row_side_by_side, 1, 1, 3)
ROW(wide_joint_in_4, row_side_by_side, 1, 1, 4)
ROW(positions_of_1, row_of_positions, 0, 1)
ROW(positions_of_2, row_of_positions, 0, 2)
ROW(positions_of_4, row_of_positions, 0, 4)
ROW(wide_positions_of_1, row_of_positions, 1, 1)
ROW(wide_positions_of_2, row_of_positions, 1, 2)
ROW(wide_positions_of_4, row_of_positions, 1, 4)
#undef ROW

static void row_permuted(const row_t *w, const uint8_t *const *in, uint8_t *const *out, int rows, Py_ssize_t bytes,
                         Py_ssize_t ahead, Py_ssize_t first, Py_ssize_t last) {
    const sources_t from = {in[0], in[1], in[2], in[3], bytes, ahead};
    const Py_ssize_t origin = w->at[first];
    const targets_t to = {out[0] - origin, out[1] - origin, out[2] - origin, out[3] - origin};
    void (*run)(const row_t *, sources_t, targets_t, Py_ssize_t, Py_ssize_t);
    (void)rows; /* those that do not count repeat the last: it is stored once more */
    switch (w->lanes) {
    case 1: run = w->wide ? wide_positions_of_1 : positions_of_1; break;
    case 2: run = w->wide ? wide_positions_of_2 : positions_of_2; break;
    case 4: run = w->wide ? wide_positions_of_4 : positions_of_4; break;
    default:
        if (!w->wide) run = w->joint ? joint : side_by_side;
        else if (!w->joint) run = wide_side_by_side;
        else
            run = w->steps == 1   ? wide_joint_in_1
                  : w->steps == 2 ? wide_joint_in_2
                  : w->steps == 3 ? wide_joint_in_3
                  : w->steps == 4 ? wide_joint_in_4
                                  : wide_joint;
    }
    run(w, from, to, first, last);
}

#endif
