/* What row_windows.h is made of, with NEON: eight lanes are two registers. */
#ifndef VRDASK_FIXED_ROW_NEON_H
#define VRDASK_FIXED_ROW_NEON_H

enum { ROW_PAIRS = 0 }; /* the first words of a window's four lanes, then the second ones */
typedef struct { uint8x16_t low, high; } window_t, order_t;
typedef struct { int16x8_t low, high; } words_t, weights_t;
typedef struct { int32x4_t low, high; } sums_t;
typedef int32x4_t shift_t;
typedef struct { sums_t a, b, c, d; } four_t; /* of four rows. Named, not an array: it would live in memory */

static inline ALWAYS_INLINE window_t load_window(const uint8_t *both) {
    const uint8x16_t window = vld1q_u8(both);
    return (window_t){window, window};
}
static inline ALWAYS_INLINE window_t load_windows(const uint8_t *low, const uint8_t *high) {
    return (window_t){vld1q_u8(low), vld1q_u8(high)};
}
static inline ALWAYS_INLINE order_t load_order(const uint8_t *order) {
    return (order_t){vld1q_u8(order), vld1q_u8(order + 16)};
}
static inline ALWAYS_INLINE weights_t load_weights(const int16_t *weights) {
    return (weights_t){vld1q_s16(weights), vld1q_s16(weights + 8)};
}
/* Two pairs of weights, either for four lanes. */
static inline ALWAYS_INLINE weights_t repeat_weights(const int16_t *weights) {
    const int16x4_t four = vld1_s16(weights);
    return (weights_t){vcombine_s16(vdup_lane_s16(four, 0), vdup_lane_s16(four, 1)),
                       vcombine_s16(vdup_lane_s16(four, 2), vdup_lane_s16(four, 3))};
}
static inline ALWAYS_INLINE words_t permuted(window_t window, order_t order) {
    return (words_t){vreinterpretq_s16_u8(vqtbl1q_u8(window.low, order.low)),
                     vreinterpretq_s16_u8(vqtbl1q_u8(window.high, order.high))};
}
static inline ALWAYS_INLINE sums_t no_sums(void) { return (sums_t){vdupq_n_s32(0), vdupq_n_s32(0)}; }
static inline ALWAYS_INLINE int32x4_t added_pairs(int32x4_t sums, int16x8_t words, int16x8_t weights) {
    return vmlal_high_s16(vmlal_s16(sums, vget_low_s16(words), vget_low_s16(weights)), words, weights);
}
static inline ALWAYS_INLINE sums_t added(sums_t sums, words_t words, weights_t weights) {
    return (sums_t){added_pairs(sums.low, words.low, weights.low), added_pairs(sums.high, words.high, weights.high)};
}
static inline ALWAYS_INLINE sums_t joined(sums_t high, sums_t low) {
    return (sums_t){vaddq_s32(vshlq_n_s32(high.low, LOW_BITS), low.low),
                    vaddq_s32(vshlq_n_s32(high.high, LOW_BITS), low.high)};
}
static inline ALWAYS_INLINE shift_t shift_of(int bits) { return vdupq_n_s32(-bits); } /* left, as NEON has it */

/* The shift adds a half first, without overflow. */
static inline ALWAYS_INLINE uint8x8_t narrowed(sums_t s, shift_t by) {
    return vqmovun_s16(vcombine_s16(vqmovn_s32(vrshlq_s32(s.low, by)), vqmovn_s32(vrshlq_s32(s.high, by))));
}

static inline ALWAYS_INLINE void store_eights(targets_t to, Py_ssize_t at, four_t s, shift_t by) {
    vst1_u8(to.a + at, narrowed(s.a, by));
    vst1_u8(to.b + at, narrowed(s.b, by));
    vst1_u8(to.c + at, narrowed(s.c, by));
    vst1_u8(to.d + at, narrowed(s.d, by));
}

/* Two positions, whose shares are added where one step does it; lanes: a constant. */
static inline ALWAYS_INLINE sums_t beside(const int lanes, sums_t s, sums_t t) {
    const int32x4_t x = vaddq_s32(s.low, s.high), y = vaddq_s32(t.low, t.high);
    if (lanes == 4) return (sums_t){x, y};
    if (lanes == 1) return (sums_t){vpaddq_s32(x, y), y};
    const int64x2_t first = vzip1q_s64(vreinterpretq_s64_s32(x), vreinterpretq_s64_s32(y));
    const int64x2_t second = vzip2q_s64(vreinterpretq_s64_s32(x), vreinterpretq_s64_s32(y));
    return (sums_t){vaddq_s32(vreinterpretq_s32_s64(first), vreinterpretq_s32_s64(second)), y};
}
static inline ALWAYS_INLINE sums_t quads(const int lanes, sums_t st, sums_t uv) {
    return (sums_t){lanes == 2 ? st.low : vpaddq_s32(st.low, uv.low), uv.low};
}

static inline ALWAYS_INLINE void store_sixteen(uint8_t *to, sums_t st, sums_t uv, order_t dense, shift_t by) {
    vst1q_u8(to, vqtbl1q_u8(vcombine_u8(narrowed(st, by), narrowed(uv, by)), dense.low));
}
static inline ALWAYS_INLINE void store_sixteens(targets_t to, Py_ssize_t at, four_t st, four_t uv, order_t dense,
                                                shift_t by) {
    store_sixteen(to.a + at, st.a, uv.a, dense, by);
    store_sixteen(to.b + at, st.b, uv.b, dense, by);
    store_sixteen(to.c + at, st.c, uv.c, dense, by);
    store_sixteen(to.d + at, st.d, uv.d, dense, by);
}

static inline ALWAYS_INLINE void store_four(uint8_t *to, sums_t s, shift_t by) {
    const uint32_t found = vget_lane_u32(vreinterpret_u32_u8(narrowed(s, by)), 0);
    memcpy(to, &found, sizeof found);
}
static inline ALWAYS_INLINE void store_fours(targets_t to, Py_ssize_t at, four_t s, shift_t by) {
    store_four(to.a + at, s.a, by);
    store_four(to.b + at, s.b, by);
    store_four(to.c + at, s.c, by);
    store_four(to.d + at, s.d, by);
}

#endif
