/* Floats as numbers without a sign in the same order: -inf .. -0, +0 .. inf. The least and the greatest of all stand for
 * no float but NaN. */

#define FLOAT_KEYS(type, U, BITS, INF)                                                            \
    static inline ALWAYS_INLINE int is_nan_##type(U u) { return (U)(u << 1) > (U)((U)(INF) << 1); } \
    static inline ALWAYS_INLINE U key_##type(U u) {                                               \
        return (U)(u ^ ((U)(0 - (U)(u >> (BITS - 1))) | (U)((U)1 << (BITS - 1))));                \
    }                                                                                             \
    static inline ALWAYS_INLINE U of_key_##type(U k) {                                            \
        return (U)(k ^ ((U)((U)(k >> (BITS - 1)) - 1) | (U)((U)1 << (BITS - 1))));                \
    }                                                                                             \
    static inline ALWAYS_INLINE U nan_##type(void) { return (U)((INF) | ((U)((INF) & (0 - (INF))) >> 1)); }

FLOAT_KEYS(f16, uint16_t, 16, 0x7c00u)
FLOAT_KEYS(f32, uint32_t, 32, 0x7f800000u)
FLOAT_KEYS(f64, uint64_t, 64, UINT64_C(0x7ff0000000000000))
#undef FLOAT_KEYS
