/* Median and majority: results that need all samples of a block side by side.
 *
 * Of floats by their keys, of which NaN has the greatest; of majority -0 is 0. */

#define ORDERED_KEY(type, ELEMENT, v)                                                                         \
    ((ELEMENT)(is_nan_##type(v) ? (ELEMENT)~(ELEMENT)0                                                        \
                                : key_##type((ELEMENT)(majority && (ELEMENT)((v) << 1) == 0 ? 0 : (v)))))
#define ORDERED_OF(type, ELEMENT, k) ((k) == (ELEMENT)~(ELEMENT)0 ? nan_##type() : of_key_##type(k))

/* Before a loop of few rounds, which as a loop becomes vectors, and unrolled would not. */
#if defined(__GNUC__) && !defined(__clang__)
#define ROLLED _Pragma("GCC unroll 1")
#else
#define ROLLED
#endif

#define T uint8_t
#define NAME(x) x##_u8
#define KEY(v) INTEGER_KEY(u8, uint8_t, v)
#define OF_KEY(k) INTEGER_OF(u8, uint8_t, k)
#include "reduce/order.h"
#define T uint16_t
#define NAME(x) x##_u16
#define KEY(v) INTEGER_KEY(u16, uint16_t, v)
#define OF_KEY(k) INTEGER_OF(u16, uint16_t, k)
#include "reduce/order.h"
#define T uint32_t
#define NAME(x) x##_u32
#define KEY(v) INTEGER_KEY(u32, uint32_t, v)
#define OF_KEY(k) INTEGER_OF(u32, uint32_t, k)
#include "reduce/order.h"
#define T uint64_t
#define NAME(x) x##_u64
#define KEY(v) INTEGER_KEY(u64, uint64_t, v)
#define OF_KEY(k) INTEGER_OF(u64, uint64_t, k)
#include "reduce/order.h"
#define T uint16_t
#define NAME(x) x##_f16
#define KEY(v) ORDERED_KEY(f16, uint16_t, v)
#define OF_KEY(k) ORDERED_OF(f16, uint16_t, k)
#include "reduce/order.h"
#define T uint32_t
#define NAME(x) x##_f32
#define KEY(v) ORDERED_KEY(f32, uint32_t, v)
#define OF_KEY(k) ORDERED_OF(f32, uint32_t, k)
#include "reduce/order.h"
#define T uint64_t
#define NAME(x) x##_f64
#define KEY(v) ORDERED_KEY(f64, uint64_t, v)
#define OF_KEY(k) ORDERED_OF(f64, uint64_t, k)
#include "reduce/order.h"
