/* IEEE 754 binary16 to and from float and double, round half to even.
 *
 * Branch-free selects on integers, so that every compiler vectorises the loops that call them and every
 * instruction set gives the same bits; no F16C, no _Float16. After F. Giesen, "Half to float done quick". */
#ifndef VRDASK_HALF_H
#define VRDASK_HALF_H

#include <stdint.h>
#include <string.h>

static inline float bits_to_float(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
static inline uint32_t float_to_bits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
static inline double bits_to_double(uint64_t u) { double f; memcpy(&f, &u, 8); return f; }
static inline uint64_t double_to_bits(double f) { uint64_t u; memcpy(&u, &f, 8); return u; }

static inline float half_to_float(uint16_t h) {
    uint32_t magnitude = h & 0x7fffu;
    /* A shift puts the 5-bit exponent in the place of float's 8-bit one; 2^112 mends the bias and, being a
     * product, normalises subnormal halves as well. */
    float finite = bits_to_float(magnitude << 13) * 0x1p112f;
    uint32_t special = (magnitude << 13) | 0x7f800000u;
    uint32_t u = magnitude >= 0x7c00u ? special : float_to_bits(finite);
    return bits_to_float(u | ((uint32_t)(h & 0x8000u) << 16));
}

static inline uint16_t float_to_half(float f) {
    uint32_t u = float_to_bits(f), magnitude = u & 0x7fffffffu;
    uint32_t special = magnitude > 0x7f800000u ? 0x7e00u : 0x7c00u;
    /* Adding 0.5 lines the last bit of a subnormal half up with the last bit of the float. */
    uint32_t subnormal = float_to_bits(bits_to_float(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t normal = (magnitude + 0xc8000fffu + ((magnitude >> 13) & 1u)) >> 13;
    uint32_t h = magnitude >= 0x47800000u ? special : magnitude < 0x38800000u ? subnormal : normal;
    return (uint16_t)(h | ((u >> 16) & 0x8000u));
}

static inline uint16_t double_to_half(double f) {
    uint64_t u = double_to_bits(f), magnitude = u & 0x7fffffffffffffffu;
    uint64_t special = magnitude > 0x7ff0000000000000u ? 0x7e00u : 0x7c00u;
    uint64_t subnormal = double_to_bits(bits_to_double(magnitude) + 0x1p28) - 0x41b0000000000000u;
    uint64_t normal = (magnitude - 0x3f00000000000000u + 0x1ffffffffffu + ((magnitude >> 42) & 1u)) >> 42;
    uint64_t h = magnitude >= 0x40f0000000000000u ? special : magnitude < 0x3f10000000000000u ? subnormal : normal;
    return (uint16_t)(h | ((u >> 48) & 0x8000u));
}

#endif
