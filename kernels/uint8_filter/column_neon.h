/* Down a column with NEON: bytes of a row are widened once, and multiplied by its weight, four lanes at a time. */
#ifndef VRDASK_FIXED_COLUMN_NEON_H
#define VRDASK_FIXED_COLUMN_NEON_H

#define ADD(s, w)                                         \
    {                                                     \
        s##0 = vmlal_s16(s##0, vget_low_s16(low), w);     \
        s##1 = vmlal_high_s16(s##1, low, vcombine_s16(w, w));   \
        s##2 = vmlal_s16(s##2, vget_low_s16(high), w);    \
        s##3 = vmlal_high_s16(s##3, high, vcombine_s16(w, w));  \
    }
#define JOINED(s, t) vrshlq_s32(wide ? vaddq_s32(vshlq_n_s32(s, LOW_BITS), t) : s, shift)

/* 16 bytes of an output row. wide: a constant. */
static inline ALWAYS_INLINE void column_at(const column_t *c, const int wide, const uint8_t *const *rows,
                                           const int16_t *weights, int count, uint8_t *dst, Py_ssize_t i) {
    const int32x4_t zero = vdupq_n_s32(0), shift = vdupq_n_s32(-c->bits); /* left, after a half is added */
    int32x4_t s0 = zero, s1 = zero, s2 = zero, s3 = zero, t0 = zero, t1 = zero, t2 = zero, t3 = zero;
    for (int k = 0; k < count; k++) {
        const uint8x16_t bytes = vld1q_u8(rows[k] + i);
        const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)));
        const int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(bytes));
        const int16x4_t w = vld1_dup_s16(weights + k);
        ADD(s, w)
        if (wide) {
            const int16x4_t v = vld1_dup_s16(weights + c->taps + k);
            ADD(t, v)
        }
    }
    const int16x8_t low = vcombine_s16(vqmovn_s32(JOINED(s0, t0)), vqmovn_s32(JOINED(s1, t1)));
    const int16x8_t high = vcombine_s16(vqmovn_s32(JOINED(s2, t2)), vqmovn_s32(JOINED(s3, t3)));
    vst1q_u8(dst + i, vcombine_u8(vqmovun_s16(low), vqmovun_s16(high)));
}
#undef ADD
#undef JOINED

static inline ALWAYS_INLINE void column_registers(const column_t *c, const int wide, const uint8_t *const *rows,
                                                  const int16_t *weights, int count, uint8_t *dst, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i + 16 <= n; i += 16) column_at(c, wide, rows, weights, count, dst, i);
    if (n % 16) column_at(c, wide, rows, weights, count, dst, n - 16); /* again, in part: the same bits */
}

#endif
