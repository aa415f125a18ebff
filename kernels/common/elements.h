/* Every element type, for one accumulator: included with ACC, S(name), and ACC_IS_DOUBLE where ACC is double. A type's place is
 * its code. Types beyond float32's precision exist in double alone. */

#include "common/narrow.h"

#define T uint8_t
#define NAME(x) S(x##_u8)
#define LOAD(v) ((ACC)(v))
#ifdef ACC_IS_DOUBLE
#define STORE(a) ((uint8_t)(int32_t)NEAREST_D(CLAMP(a, 0.0, 255.0)))
#else
#define STORE(a) ((uint8_t)(int32_t)NEAREST_F(CLAMP(a, 0.0f, 255.0f)))
#define STORE_MANY narrow_u8
#endif
#include "common/element.h"

#define T int8_t
#define NAME(x) S(x##_i8)
#define LOAD(v) ((ACC)(v))
#ifdef ACC_IS_DOUBLE
#define STORE(a) ((int8_t)(int32_t)NEAREST_D(CLAMP(NUMBER(a), -128.0, 127.0)))
#else
#define STORE(a) ((int8_t)(int32_t)NEAREST_F(CLAMP(NUMBER(a), -128.0f, 127.0f)))
#define STORE_MANY narrow_i8
#endif
#include "common/element.h"

#define T uint16_t
#define NAME(x) S(x##_u16)
#define LOAD(v) ((ACC)(v))
#ifdef ACC_IS_DOUBLE
#define STORE(a) ((uint16_t)(int32_t)NEAREST_D(CLAMP(a, 0.0, 65535.0)))
#else
#define STORE(a) ((uint16_t)(int32_t)NEAREST_F(CLAMP(a, 0.0f, 65535.0f)))
#define STORE_MANY narrow_u16
#endif
#include "common/element.h"

#define T int16_t
#define NAME(x) S(x##_i16)
#define LOAD(v) ((ACC)(v))
#ifdef ACC_IS_DOUBLE
#define STORE(a) ((int16_t)(int32_t)NEAREST_D(CLAMP(NUMBER(a), -32768.0, 32767.0)))
#else
#define STORE(a) ((int16_t)(int32_t)NEAREST_F(CLAMP(NUMBER(a), -32768.0f, 32767.0f)))
#define STORE_MANY narrow_i16
#endif
#include "common/element.h"

#define T uint16_t
#define NAME(x) S(x##_f16)
#define LOAD(v) ((ACC)half_to_float(v))
#ifdef ACC_IS_DOUBLE
#define STORE(a) double_to_half(a)
#else
#define STORE(a) float_to_half(a)
#endif
#include "common/element.h"

#define T float
#define NAME(x) S(x##_f32)
#define LOAD(v) ((ACC)(v))
#define STORE(a) ((float)(a))
#include "common/element.h"

#ifdef ACC_IS_DOUBLE
#define T int32_t
#define NAME(x) S(x##_i32)
#define LOAD(v) ((ACC)(v))
#define STORE(a) ((int32_t)NEAREST_D(CLAMP(NUMBER(a), -2147483648.0, 2147483647.0)))
#include "common/element.h"

#define T uint32_t
#define NAME(x) S(x##_u32)
#define LOAD(v) ((ACC)(v))
#define STORE(a) ((uint32_t)(int64_t)NEAREST_D(CLAMP(a, 0.0, 4294967295.0)))
#include "common/element.h"

#define T int64_t
#define NAME(x) S(x##_i64)
#define LOAD(v) ((ACC)(v))
#define STORE(a) double_to_i64(a)
#include "common/element.h"

#define T uint64_t
#define NAME(x) S(x##_u64)
#define LOAD(v) ((ACC)(v))
#define STORE(a) double_to_u64(a)
#include "common/element.h"

#define T double
#define NAME(x) S(x##_f64)
#define LOAD(v) (v)
#define STORE(a) (a)
#include "common/element.h"
#endif
