// Scalar conversions without branches, so that the loops around them vectorise.
#ifndef APUS_NUMBER_FORMATS_H
#define APUS_NUMBER_FORMATS_H
#include <stdint.h>
#include <string.h>

// One function compiled for several instruction sets, chosen when the program is loaded.
#if defined(__x86_64__) && defined(__linux__)
#define APUS_CLONES __attribute__((target_clones("default", "avx2")))
#else
#define APUS_CLONES
#endif
#define APUS_INLINE static inline __attribute__((always_inline))

APUS_INLINE float apus_float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

APUS_INLINE uint32_t apus_bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

APUS_INLINE float apus_float_of_half(uint16_t half) {
    uint32_t magnitude = (uint32_t)(half & 0x7FFF) << 13;
    uint32_t exponent = magnitude & 0x0F800000;
    uint32_t normal = magnitude + (112u << 23);
    // Infinity and NaN: the exponent goes from all ones to all ones.
    uint32_t special = magnitude + (224u << 23);
    // Subnormal: a number with the smallest normal exponent, less that exponent's implicit one.
    float tiny = apus_float_of_bits(magnitude + (113u << 23)) - apus_float_of_bits(113u << 23);
    uint32_t bits = exponent == 0x0F800000 ? special : normal;
    bits = exponent == 0 ? apus_bits_of_float(tiny) : bits;
    return apus_float_of_bits(bits | (uint32_t)(half & 0x8000) << 16);
}

APUS_INLINE uint16_t apus_half_of_float(float value) {
    uint32_t bits = apus_bits_of_float(value);
    uint32_t sign = bits & 0x80000000u;
    uint32_t magnitude = bits ^ sign;
    uint32_t odd = (magnitude >> 13) & 1;
    uint32_t normal = (magnitude - (112u << 23) + 0x0FFF + odd) >> 13;
    // Subnormal: adding 0.5 makes the floating-point adder round at the right bit.
    float shifted = apus_float_of_bits(magnitude) + 0.5f;
    uint32_t tiny = apus_bits_of_float(shifted) - 0x3F000000u;
    uint32_t special = magnitude > 0x7F800000u ? 0x7E00u : 0x7C00u;
    uint32_t half = magnitude < (113u << 23) ? tiny : normal;
    half = magnitude >= (143u << 23) ? special : half;
    return (uint16_t)(half | sign >> 16);
}

APUS_INLINE uint16_t apus_bfloat_of_float(float value) {
    uint32_t bits = apus_bits_of_float(value);
    uint32_t odd = (bits >> 16) & 1;
    uint32_t rounded = (bits + 0x7FFF + odd) >> 16;
    // Rounding could carry a NaN into an infinity: keep its upper bits and make it quiet.
    uint32_t nan = bits >> 16 | 0x0040;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000u ? nan : rounded);
}

APUS_INLINE float apus_float_of_bfloat(uint16_t bits) {
    return apus_float_of_bits((uint32_t)bits << 16);
}

#endif
