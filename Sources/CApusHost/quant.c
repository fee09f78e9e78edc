// Every product and sum is rounded on its own, as in the reference decoders: no fused
// multiply-add.
#pragma STDC FP_CONTRACT OFF
#include "apus_quant.h"
#include "number_formats.h"

APUS_INLINE float half_at(const uint8_t *bytes) {
    uint16_t half;
    memcpy(&half, bytes, sizeof half);
    return apus_float_of_half(half);
}

// Blocks of 32: a scale d (half), for the _1 kinds a minimum m (half), then 4, 5 or 8 bits each.

APUS_CLONES static void q4_0(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 18, out += 32) {
        float d = half_at(in);
        for (int j = 0; j < 16; j++) {
            out[j] = d * (float)((in[2 + j] & 15) - 8);
            out[j + 16] = d * (float)((in[2 + j] >> 4) - 8);
        }
    }
}

APUS_CLONES static void q4_1(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 20, out += 32) {
        float d = half_at(in), m = half_at(in + 2);
        for (int j = 0; j < 16; j++) {
            out[j] = d * (float)(in[4 + j] & 15) + m;
            out[j + 16] = d * (float)(in[4 + j] >> 4) + m;
        }
    }
}

APUS_CLONES static void q5_0(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 22, out += 32) {
        float d = half_at(in);
        uint32_t high;
        memcpy(&high, in + 2, sizeof high);
        for (int j = 0; j < 16; j++) {
            int low = (in[6 + j] & 15) | (int)(high >> j & 1) << 4;
            int upper = (in[6 + j] >> 4) | (int)(high >> (j + 16) & 1) << 4;
            out[j] = d * (float)(low - 16);
            out[j + 16] = d * (float)(upper - 16);
        }
    }
}

APUS_CLONES static void q5_1(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 24, out += 32) {
        float d = half_at(in), m = half_at(in + 2);
        uint32_t high;
        memcpy(&high, in + 4, sizeof high);
        for (int j = 0; j < 16; j++) {
            int low = (in[8 + j] & 15) | (int)(high >> j & 1) << 4;
            int upper = (in[8 + j] >> 4) | (int)(high >> (j + 16) & 1) << 4;
            out[j] = d * (float)low + m;
            out[j + 16] = d * (float)upper + m;
        }
    }
}

APUS_CLONES static void q8_0(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 34, out += 32) {
        float d = half_at(in);
        for (int j = 0; j < 32; j++) out[j] = d * (float)(int8_t)in[2 + j];
    }
}

// Super-blocks of 256: scales of the 16 or 8 sub-blocks are themselves numbers of 4 or 6 bits.

APUS_CLONES static void q2_k(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 84, out += 256) {
        const uint8_t *scales = in, *bits = in + 16;
        float d = half_at(in + 80), m = half_at(in + 82);
        for (int sub = 0; sub < 16; sub++) {
            float scale = d * (float)(scales[sub] & 15), minimum = m * (float)(scales[sub] >> 4);
            const uint8_t *q = bits + 32 * (sub / 8) + 16 * (sub % 2);
            int shift = 2 * (sub / 2 % 4);
            for (int l = 0; l < 16; l++) {
                out[16 * sub + l] = scale * (float)(q[l] >> shift & 3) - minimum;
            }
        }
    }
}

APUS_CLONES static void q3_k(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 110, out += 256) {
        const uint8_t *high = in, *bits = in + 32, *scales = in + 96;
        float d = half_at(in + 108);
        for (int sub = 0; sub < 16; sub++) {
            int low = sub < 8 ? scales[sub] & 15 : scales[sub - 8] >> 4;
            int top = scales[8 + sub % 4] >> 2 * (sub / 4) & 3;
            float scale = d * (float)((low | top << 4) - 32);
            const uint8_t *q = bits + 32 * (sub / 8) + 16 * (sub % 2);
            const uint8_t *h = high + 16 * (sub % 2);
            int shift = 2 * (sub / 2 % 4);
            for (int l = 0; l < 16; l++) {
                int value = (q[l] >> shift & 3) + (h[l] >> (sub / 2) & 1) * 4 - 4;
                out[16 * sub + l] = scale * (float)value;
            }
        }
    }
}

// The 6-bit scale and minimum of sub-block j among the 12 bytes that Q4_K and Q5_K share.
APUS_INLINE void scale_and_minimum(const uint8_t *s, int j, float *scale, float *minimum) {
    int low = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
    int high = j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
    *scale = (float)low;
    *minimum = (float)high;
}

APUS_CLONES static void q4_k(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 144, out += 256) {
        float d = half_at(in), m = half_at(in + 2);
        for (int sub = 0; sub < 8; sub++) {
            float scale, minimum;
            scale_and_minimum(in + 4, sub, &scale, &minimum);
            scale *= d;
            minimum *= m;
            const uint8_t *q = in + 16 + 32 * (sub / 2);
            int shift = 4 * (sub % 2);
            for (int l = 0; l < 32; l++) {
                out[32 * sub + l] = scale * (float)(q[l] >> shift & 15) - minimum;
            }
        }
    }
}

APUS_CLONES static void q5_k(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 176, out += 256) {
        float d = half_at(in), m = half_at(in + 2);
        for (int sub = 0; sub < 8; sub++) {
            float scale, minimum;
            scale_and_minimum(in + 4, sub, &scale, &minimum);
            scale *= d;
            minimum *= m;
            const uint8_t *high = in + 16, *q = in + 48 + 32 * (sub / 2);
            int shift = 4 * (sub % 2);
            for (int l = 0; l < 32; l++) {
                int value = (q[l] >> shift & 15) | (high[l] >> sub & 1) << 4;
                out[32 * sub + l] = scale * (float)value - minimum;
            }
        }
    }
}

APUS_CLONES static void q6_k(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 210, out += 256) {
        const uint8_t *low = in, *high = in + 128;
        const int8_t *scales = (const int8_t *)in + 192;
        float d = half_at(in + 208);
        for (int sub = 0; sub < 16; sub++) {
            int half = sub / 8, quarter = sub / 2 % 4, offset = 16 * (sub % 2);
            const uint8_t *l = low + 64 * half + 32 * (quarter % 2) + offset;
            const uint8_t *h = high + 32 * half + offset;
            float scale = d * (float)scales[sub];
            for (int i = 0; i < 16; i++) {
                int value = (l[i] >> 4 * (quarter / 2) & 15) | (h[i] >> 2 * quarter & 3) << 4;
                out[16 * sub + i] = scale * (float)(value - 32);
            }
        }
    }
}

APUS_CLONES static void q8_k(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 292, out += 256) {
        float d;
        memcpy(&d, in, sizeof d);
        for (int j = 0; j < 256; j++) out[j] = d * (float)(int8_t)in[4 + j];
    }
}

// Four bits that choose from a table instead of counting.

static const int8_t nonlinear_levels[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
};

// Twice the values of the 4-bit float e2m1.
static const int8_t e2m1_levels[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

APUS_INLINE void decode_levels(const uint8_t *q, float d, const int8_t *levels, float *out) {
    for (int j = 0; j < 16; j++) {
        out[j] = d * (float)levels[q[j] & 15];
        out[j + 16] = d * (float)levels[q[j] >> 4];
    }
}

static void iq4_nl(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 18, out += 32) {
        decode_levels(in + 2, half_at(in), nonlinear_levels, out);
    }
}

static void iq4_xs(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 136, out += 256) {
        float d = half_at(in);
        uint16_t high;
        memcpy(&high, in + 2, sizeof high);
        for (int sub = 0; sub < 8; sub++) {
            int low = in[4 + sub / 2] >> 4 * (sub % 2) & 15;
            int scale = (low | (high >> 2 * sub & 3) << 4) - 32;
            decode_levels(in + 8 + 16 * sub, d * (float)scale, nonlinear_levels, out + 32 * sub);
        }
    }
}

// Half the power of two that an e8m0 exponent names; the two smallest are subnormal floats.
static float half_of_e8m0(uint8_t exponent) {
    return apus_float_of_bits(exponent < 2 ? 0x00200000u << exponent : (exponent - 1u) << 23);
}

static void mxfp4(const uint8_t *in, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++, in += 17, out += 32) {
        decode_levels(in + 1, half_of_e8m0(in[0]), e2m1_levels, out);
    }
}

int apus_dequantize(int32_t format, const void *blocks, size_t block_count, float *out) {
    switch (format) {
    case APUS_Q4_0: q4_0(blocks, block_count, out); return 0;
    case APUS_Q4_1: q4_1(blocks, block_count, out); return 0;
    case APUS_Q5_0: q5_0(blocks, block_count, out); return 0;
    case APUS_Q5_1: q5_1(blocks, block_count, out); return 0;
    case APUS_Q8_0: q8_0(blocks, block_count, out); return 0;
    case APUS_Q2_K: q2_k(blocks, block_count, out); return 0;
    case APUS_Q3_K: q3_k(blocks, block_count, out); return 0;
    case APUS_Q4_K: q4_k(blocks, block_count, out); return 0;
    case APUS_Q5_K: q5_k(blocks, block_count, out); return 0;
    case APUS_Q6_K: q6_k(blocks, block_count, out); return 0;
    case APUS_Q8_K: q8_k(blocks, block_count, out); return 0;
    case APUS_IQ4_NL: iq4_nl(blocks, block_count, out); return 0;
    case APUS_IQ4_XS: iq4_xs(blocks, block_count, out); return 0;
    case APUS_MXFP4: mxfp4(blocks, block_count, out); return 0;
    default: return -1;
    }
}
