// Every product and sum is rounded on its own, as in the reference encoders: no fused multiply-add.
#pragma STDC FP_CONTRACT OFF
#include <math.h>

#include "apus_quant.h"
#include "number_formats.h"

static void put_half(uint8_t *bytes, float value) {
    uint16_t half = apus_half_of_float(value);
    memcpy(bytes, &half, sizeof half);
}

static float half_at(const uint8_t *bytes) {
    uint16_t half;
    memcpy(&half, bytes, sizeof half);
    return apus_float_of_half(half);
}

static int clipped(float value, int limit) {
    return value < 0 ? 0 : value > (float)limit ? limit : (int)value;
}

static void q8_0(const float *in, size_t blocks, uint8_t *out) {
    for (size_t b = 0; b < blocks; b++, in += 32, out += 34) {
        float largest = 0;
        for (int j = 0; j < 32; j++) largest = fmaxf(largest, fabsf(in[j]));
        float d = largest / 127, inverse = d == 0 ? 0 : 1 / d;
        put_half(out, d);
        for (int j = 0; j < 32; j++) out[2 + j] = (uint8_t)(int8_t)roundf(in[j] * inverse);
    }
}

// The value of largest magnitude becomes -8, the level that has no counterpart.
static void q4_0(const float *in, size_t blocks, uint8_t *out) {
    for (size_t b = 0; b < blocks; b++, in += 32, out += 18) {
        float largest = in[0];
        for (int j = 1; j < 32; j++) {
            if (fabsf(in[j]) > fabsf(largest)) largest = in[j];
        }
        float d = largest / -8, inverse = d == 0 ? 0 : 1 / d;
        put_half(out, d);
        for (int j = 0; j < 16; j++) {
            int low = clipped(in[j] * inverse + 8.5f, 15);
            int high = clipped(in[j + 16] * inverse + 8.5f, 15);
            out[2 + j] = (uint8_t)(low | high << 4);
        }
    }
}

// A sub-block as scale * level - minimum, with levels 0 to 15.
struct line {
    float scale;
    float minimum;
};

// The line through the levels with the least weighted squared error, its minimum not negative.
static struct line fitted(const float *x, const float *weight, const uint8_t *level) {
    float w = 0, wl = 0, wll = 0, wx = 0, wxl = 0;
    for (int i = 0; i < 32; i++) {
        float l = level[i];
        w += weight[i];
        wl += weight[i] * l;
        wll += weight[i] * l * l;
        wx += weight[i] * x[i];
        wxl += weight[i] * x[i] * l;
    }
    float determinant = w * wll - wl * wl;
    struct line line = {0, 0};
    if (determinant > 0) {
        line.scale = (w * wxl - wl * wx) / determinant;
        line.minimum = (line.scale * wl - wx) / w;
    }
    if (determinant <= 0 || line.minimum < 0) {
        line.minimum = 0;
        line.scale = wll > 0 ? wxl / wll : 0;
    }
    return line;
}

static float weighted_error(
    const float *x, const float *weight, const uint8_t *level, struct line line) {
    float error = 0;
    for (int i = 0; i < 32; i++) {
        float difference = line.scale * (float)level[i] - line.minimum - x[i];
        error += weight[i] * difference * difference;
    }
    return error;
}

// Tries scales around the one that spans the values, and keeps the best line.
static struct line searched(const float *x) {
    float low = 0, high = 0, squares = 0, weight[32];
    for (int i = 0; i < 32; i++) {
        low = fminf(low, x[i]);
        high = i == 0 ? x[0] : fmaxf(high, x[i]);
        squares += x[i] * x[i];
    }
    struct line best = {0, -low};
    if (high <= low) return best;
    // Larger values count more: what they are multiplied with moves the result more.
    float typical = sqrtf(squares / 32);
    for (int i = 0; i < 32; i++) weight[i] = typical + fabsf(x[i]);
    float least = INFINITY;
    for (int step = -10; step <= 10; step++) {
        float inverse = (15 + 0.1f * (float)step) / (high - low);
        uint8_t level[32];
        for (int i = 0; i < 32; i++) {
            level[i] = (uint8_t)clipped((x[i] - low) * inverse + 0.5f, 15);
        }
        struct line line = fitted(x, weight, level);
        float error = weighted_error(x, weight, level, line);
        if (line.scale > 0 && error < least) {
            least = error;
            best = line;
        }
    }
    return best;
}

// Eight sub-blocks whose scales and minima are numbers of 6 bits.
static void q4_k(const float *in, size_t blocks, uint8_t *out) {
    for (size_t b = 0; b < blocks; b++, in += 256, out += 144) {
        struct line lines[8];
        float scale = 0, minimum = 0;
        for (int sub = 0; sub < 8; sub++) {
            lines[sub] = searched(in + 32 * sub);
            scale = fmaxf(scale, lines[sub].scale);
            minimum = fmaxf(minimum, lines[sub].minimum);
        }
        memset(out, 0, 144);
        put_half(out, scale / 63);
        put_half(out + 2, minimum / 63);
        float d = half_at(out), m = half_at(out + 2);
        for (int sub = 0; sub < 8; sub++) {
            int s = d > 0 ? clipped(lines[sub].scale / d + 0.5f, 63) : 0;
            int o = m > 0 ? clipped(lines[sub].minimum / m + 0.5f, 63) : 0;
            uint8_t *packed = out + 4;
            if (sub < 4) {
                packed[sub] |= (uint8_t)s;
                packed[sub + 4] |= (uint8_t)o;
            } else {
                packed[sub - 4] |= (uint8_t)(s >> 4 << 6);
                packed[sub] |= (uint8_t)(o >> 4 << 6);
                packed[sub + 4] = (uint8_t)((s & 15) | (o & 15) << 4);
            }
            float step = d * (float)s, base = m * (float)o;
            uint8_t *levels = out + 16 + 32 * (sub / 2);
            for (int i = 0; i < 32 && step > 0; i++) {
                int level = clipped((in[32 * sub + i] + base) / step + 0.5f, 15);
                levels[i] |= (uint8_t)(level << 4 * (sub % 2));
            }
        }
    }
}

int apus_quantize(int32_t format, const float *in, size_t block_count, void *blocks) {
    switch (format) {
    case APUS_Q8_0: q8_0(in, block_count, blocks); return 0;
    case APUS_Q4_0: q4_0(in, block_count, blocks); return 0;
    case APUS_Q4_K: q4_k(in, block_count, blocks); return 0;
    default: return -1;
    }
}
