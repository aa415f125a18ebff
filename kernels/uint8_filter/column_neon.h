/* Down a column with NEON: bytes of a row are widened once, and multiplied by its weight, four lanes at a time. */
#ifndef VRDASK_FIXED_COLUMN_NEON_H
#define VRDASK_FIXED_COLUMN_NEON_H

/* Sums of 16 bytes. */
typedef struct { int32x4_t a, b, c, d; } sixteen_t;

static inline ALWAYS_INLINE sixteen_t no_sixteen(void) {
    const int32x4_t zero = vdupq_n_s32(0);
    return (sixteen_t){zero, zero, zero, zero};
}
static inline ALWAYS_INLINE sixteen_t sixteen_added(sixteen_t s, int16x8_t low, int16x8_t high, int16x8_t w) {
    return (sixteen_t){vmlal_s16(s.a, vget_low_s16(low), vget_low_s16(w)), vmlal_high_s16(s.b, low, w),
                       vmlal_s16(s.c, vget_low_s16(high), vget_low_s16(w)), vmlal_high_s16(s.d, high, w)};
}
static inline ALWAYS_INLINE int16x8_t eight_words(const int wide, int32x4_t s, int32x4_t t, int32x4_t low_s,
                                                  int32x4_t low_t, int32x4_t shift) {
    if (wide) {
        s = vaddq_s32(vshlq_n_s32(s, LOW_BITS), low_s);
        t = vaddq_s32(vshlq_n_s32(t, LOW_BITS), low_t);
    }
    return vcombine_s16(vqmovn_s32(vrshlq_s32(s, shift)), vqmovn_s32(vrshlq_s32(t, shift)));
}
static inline ALWAYS_INLINE void store_column(const int wide, uint8_t *to, sixteen_t s, sixteen_t t, int32x4_t shift) {
    vst1q_u8(to, vcombine_u8(vqmovun_s16(eight_words(wide, s.a, s.b, t.a, t.b, shift)),
                             vqmovun_s16(eight_words(wide, s.c, s.d, t.c, t.d, shift))));
}

/* 16 bytes of an output row, or 32, which share weights. wide, both: constants. */
static inline ALWAYS_INLINE void column_at(const column_t *c, const int wide, const int both,
                                           const uint8_t *const *rows, const int16_t *weights, int count,
                                           uint8_t *dst, Py_ssize_t i) {
    const int32x4_t shift = vdupq_n_s32(-c->bits); /* left, after a half is added */
    const int16_t *low_weights = weights + c->taps;
    sixteen_t s = no_sixteen(), t = s, low_s = s, low_t = s;
    for (int k = 0; k < count; k++) {
        const int16x8_t w = vld1q_dup_s16(weights + k), v = wide ? vld1q_dup_s16(low_weights + k) : w;
#define ROW(s, low, at)                                                                     \
    {                                                                                       \
        const uint8x16_t bytes = vld1q_u8(rows[k] + (at));                                  \
        const int16x8_t first = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)));        \
        const int16x8_t second = vreinterpretq_s16_u16(vmovl_high_u8(bytes));               \
        s = sixteen_added(s, first, second, w);                                             \
        if (wide) low = sixteen_added(low, first, second, v);                               \
    }
        ROW(s, low_s, i)
        if (both) ROW(t, low_t, i + 16)
#undef ROW
    }
    store_column(wide, dst + i, s, low_s, shift);
    if (both) store_column(wide, dst + i + 16, t, low_t, shift);
}

static inline ALWAYS_INLINE void column_registers(const column_t *c, const int wide, const uint8_t *const *rows,
                                                  const int16_t *weights, int count, uint8_t *dst, Py_ssize_t n) {
    Py_ssize_t i = 0;
    for (; i + 32 <= n; i += 32) column_at(c, wide, 1, rows, weights, count, dst, i);
    if (i + 16 <= n) column_at(c, wide, 0, rows, weights, count, dst, i);
    if (n % 16) column_at(c, wide, 0, rows, weights, count, dst, n - 16); /* again, in part: the same bits */
}

#endif
