#include "apus_convert.h"
#include "number_formats.h"

APUS_CLONES void apus_f16_to_f32(const uint16_t *in, float *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = apus_float_of_half(in[i]);
}

APUS_CLONES void apus_bf16_to_f32(const uint16_t *in, float *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = apus_float_of_bfloat(in[i]);
}

APUS_CLONES void apus_f32_to_f16(const float *in, uint16_t *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = apus_half_of_float(in[i]);
}

APUS_CLONES void apus_f32_to_bf16(const float *in, uint16_t *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = apus_bfloat_of_float(in[i]);
}

APUS_CLONES void apus_f64_to_f32(const double *in, float *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = (float)in[i];
}

APUS_CLONES void apus_f32_to_f64(const float *in, double *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = in[i];
}

// The e5m2 format is the upper byte of a half.
void apus_f8e5m2_to_f32(const uint8_t *in, float *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = apus_float_of_half((uint16_t)(in[i] << 8));
}

// The e4m3 format has no infinity: only 0x7F and 0xFF are NaN.
static float float_of_f8e4m3(uint8_t byte) {
    uint32_t magnitude = byte & 0x7F;
    uint32_t sign = (uint32_t)(byte & 0x80) << 24;
    if (magnitude == 0x7F) return apus_float_of_bits(sign | 0x7FC00000u);
    if (magnitude >= 8) return apus_float_of_bits(sign | ((magnitude << 20) + (120u << 23)));
    float tiny = (float)magnitude * 0x1p-9f;
    return apus_float_of_bits(sign | apus_bits_of_float(tiny));
}

void apus_f8e4m3_to_f32(const uint8_t *in, float *out, size_t count) {
    for (size_t i = 0; i < count; i++) out[i] = float_of_f8e4m3(in[i]);
}
