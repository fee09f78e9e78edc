// Conversions between number formats, round to nearest even.
//
// All functions: `in` and `out` are aligned for their element, hold `count` elements and do not
// overlap.
#ifndef APUS_CONVERT_H
#define APUS_CONVERT_H
#include <stddef.h>
#include <stdint.h>

void apus_f16_to_f32(const uint16_t *in, float *out, size_t count);
void apus_bf16_to_f32(const uint16_t *in, float *out, size_t count);
void apus_f32_to_f16(const float *in, uint16_t *out, size_t count);
void apus_f32_to_bf16(const float *in, uint16_t *out, size_t count);
void apus_f64_to_f32(const double *in, float *out, size_t count);
void apus_f32_to_f64(const float *in, double *out, size_t count);
// 8-bit floats of the OCP specification (Micikevicius et al., "FP8 Formats for Deep Learning",
// 2022).
void apus_f8e4m3_to_f32(const uint8_t *in, float *out, size_t count);
void apus_f8e5m2_to_f32(const uint8_t *in, float *out, size_t count);

#endif
