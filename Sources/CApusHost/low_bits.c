#include "apus_low_bits.h"

#include <math.h>

#include "number_formats.h"

// The quantiles of appendix E: 8 for each sign, both with zero, scaled to [-1, 1].
static const float nf4[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

APUS_INLINE float largest_magnitude(const float *in, size_t count) {
    float largest = 0;
    for (size_t i = 0; i < count; i++) {
        float magnitude = fabsf(in[i]);
        largest = magnitude > largest ? magnitude : largest;
    }
    return largest;
}

APUS_INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

// The number of midpoints below x: the index of the nearest quantile, without a branch.
APUS_INLINE uint8_t nearest_nf4(float x) {
    uint8_t code = 0;
    for (int i = 0; i < 15; i++) code += x > (nf4[i] + nf4[i + 1]) / 2;
    return code;
}

APUS_CLONES void apus_nf4_encode(const float *in, size_t count, size_t block, uint8_t *codes,
                                 float *scales) {
    for (size_t start = 0; start < count; start += block, in += block, codes += block / 2) {
        size_t length = smaller(block, count - start);
        float scale = largest_magnitude(in, length);
        *scales++ = scale;
        float inverse = scale > 0 ? 1 / scale : 0;
        for (size_t i = 0; i < length; i += 2) {
            uint8_t first = nearest_nf4(in[i] * inverse);
            uint8_t second = i + 1 < length ? nearest_nf4(in[i + 1] * inverse) : 0;
            codes[i / 2] = (uint8_t)(first << 4 | second);
        }
    }
}

APUS_CLONES void apus_nf4_decode(const uint8_t *codes, const float *scales, size_t count,
                                 size_t block, float *out) {
    for (size_t start = 0; start < count; start += block, out += block, codes += block / 2) {
        size_t length = smaller(block, count - start);
        float scale = *scales++;
        for (size_t i = 0; i + 1 < length; i += 2) {
            out[i] = nf4[codes[i / 2] >> 4] * scale;
            out[i + 1] = nf4[codes[i / 2] & 15] * scale;
        }
        if (length % 2) out[length - 1] = nf4[codes[length / 2] >> 4] * scale;
    }
}

APUS_CLONES void apus_int8_encode(const float *in, size_t rows, size_t columns, int8_t *codes,
                                  float *scales) {
    for (size_t row = 0; row < rows; row++, in += columns, codes += columns) {
        float scale = largest_magnitude(in, columns);
        scales[row] = scale;
        float factor = scale > 0 ? 127 / scale : 0;
        for (size_t i = 0; i < columns; i++) codes[i] = (int8_t)rintf(in[i] * factor);
    }
}

APUS_CLONES void apus_int8_decode(const int8_t *codes, const float *scales, size_t rows,
                                  size_t columns, float *out) {
    for (size_t row = 0; row < rows; row++, out += columns, codes += columns) {
        float factor = scales[row] / 127;
        for (size_t i = 0; i < columns; i++) out[i] = (float)codes[i] * factor;
    }
}

static uint8_t nearest_in(const float *table, float x) {
    int low = 0, high = 255;
    while (low < high) {
        int middle = (low + high) / 2;
        if (x > (table[middle] + table[middle + 1]) / 2) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (uint8_t)low;
}

void apus_table_encode(const float *in, size_t count, size_t block, const float *table,
                       uint8_t *codes, float *scales) {
    for (size_t start = 0; start < count; start += block) {
        size_t length = smaller(block, count - start);
        float scale = largest_magnitude(in + start, length);
        scales[start / block] = scale;
        float inverse = scale > 0 ? 1 / scale : 0;
        for (size_t i = start; i < start + length; i++) {
            codes[i] = nearest_in(table, in[i] * inverse);
        }
    }
}

void apus_table_decode(const uint8_t *codes, const float *scales, size_t count, size_t block,
                       const float *table, float *out) {
    for (size_t i = 0; i < count; i++) out[i] = table[codes[i]] * scales[i / block];
}
