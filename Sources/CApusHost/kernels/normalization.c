// Root-mean-square normalisation, row by row, in tiles that stay in the first cache.
#include "apus_nn_kernels.h"
#include "kernels.h"
#include <math.h>

/// Rounds a tile to the format and back, where that changes anything.
static void round_tile(const struct kernels *kernels, enum apus_float_format format, float *tile,
                       size_t count) {
    uint16_t narrow[APUS_TILE];
    if (format == APUS_FLOAT32) return;
    apus_narrow(kernels, (struct apus_mutable_floats){narrow, format}, 0, tile, count);
    apus_widened(kernels, (struct apus_floats){narrow, format}, 0, tile, count);
}

/// Writes `sum = input + residual` for one row.
static void add_row(const struct kernels *kernels, struct apus_mutable_floats sum,
                    struct apus_floats input, struct apus_floats residual, size_t start,
                    size_t columns) {
    float a[APUS_TILE], b[APUS_TILE], c[APUS_TILE];
    for (size_t i = 0; i < columns; i += APUS_TILE) {
        size_t n = apus_tile_length(i, columns);
        const float *x = apus_widened(kernels, input, start + i, a, n);
        const float *y = apus_widened(kernels, residual, start + i, b, n);
        float *to = apus_target(sum, start + i, c);
        kernels->add(to, x, y, n);
        apus_narrow(kernels, sum, start + i, to, n);
    }
}

static float inverse_rms_of(const struct kernels *kernels, struct apus_floats input, size_t start,
                            struct apus_norm_task norm) {
    double squares = 0;
    for (size_t i = 0; i < norm.columns; i += APUS_TILE) {
        size_t n = apus_tile_length(i, norm.columns);
        squares += kernels->sum_of_squares(apus_floats_from(input, start + i), n);
    }
    return (float)(1 / sqrt(squares / (double)norm.columns + (double)norm.epsilon));
}

void apus_rms_norm_forward(struct apus_norm_task norm, struct apus_mutable_floats output,
                           float *inverse_rms, struct apus_floats input,
                           struct apus_floats residual, struct apus_mutable_floats sum,
                           struct apus_floats weight) {
    const struct kernels *kernels = apus_kernels();
    float wide[APUS_TILE], weights[APUS_TILE], normalized[APUS_TILE], result[APUS_TILE];
    struct apus_floats source = residual.data ? (struct apus_floats){sum.data, sum.format} : input;
    for (size_t row = 0; row < norm.rows; row++) {
        size_t start = row * norm.columns;
        if (residual.data) add_row(kernels, sum, input, residual, start, norm.columns);
        inverse_rms[row] = inverse_rms_of(kernels, source, start, norm);
        for (size_t i = 0; i < norm.columns; i += APUS_TILE) {
            size_t n = apus_tile_length(i, norm.columns);
            const float *x = apus_widened(kernels, source, start + i, wide, n);
            kernels->multiply_scalar(normalized, x, inverse_rms[row], n);
            round_tile(kernels, source.format, normalized, n);
            float *to = apus_target(output, start + i, result);
            kernels->multiply(to, normalized, apus_widened(kernels, weight, i, weights, n), n);
            apus_narrow(kernels, output, start + i, to, n);
        }
    }
}

/// The row's sum of output_gradient * weight * input.
static double row_product(const struct kernels *kernels, struct apus_floats output_gradient,
                          struct apus_floats input, struct apus_floats weight, size_t start,
                          size_t columns) {
    float a[APUS_TILE], b[APUS_TILE], c[APUS_TILE];
    double sum = 0;
    for (size_t i = 0; i < columns; i += APUS_TILE) {
        size_t n = apus_tile_length(i, columns);
        const float *dy = apus_widened(kernels, output_gradient, start + i, a, n);
        const float *x = apus_widened(kernels, input, start + i, b, n);
        sum += kernels->triple_product(dy, apus_widened(kernels, weight, i, c, n), x, n);
    }
    return sum;
}

void apus_rms_norm_backward(struct apus_norm_task norm, struct apus_mutable_floats input_gradient,
                            float *weight_gradient, struct apus_floats output_gradient,
                            struct apus_floats extra_gradient, struct apus_floats input,
                            const float *inverse_rms, struct apus_floats weight) {
    const struct kernels *kernels = apus_kernels();
    float a[APUS_TILE], b[APUS_TILE], c[APUS_TILE], extra[APUS_TILE], result[APUS_TILE];
    for (size_t row = 0; row < norm.rows; row++) {
        size_t start = row * norm.columns;
        double product
            = row_product(kernels, output_gradient, input, weight, start, norm.columns);
        double cube = (double)inverse_rms[row] * inverse_rms[row] * inverse_rms[row];
        float pull = (float)(product * cube / (double)norm.columns);
        for (size_t i = 0; i < norm.columns; i += APUS_TILE) {
            size_t n = apus_tile_length(i, norm.columns);
            const float *dy = apus_widened(kernels, output_gradient, start + i, a, n);
            const float *x = apus_widened(kernels, input, start + i, b, n);
            const float *w = apus_widened(kernels, weight, i, c, n);
            kernels->rms_norm_gradient(result, weight_gradient + i, dy, x, w, inverse_rms[row],
                                       pull, n);
            if (extra_gradient.data) {
                const float *e = apus_widened(kernels, extra_gradient, start + i, extra, n);
                kernels->add(result, result, e, n);
            }
            apus_narrow(kernels, input_gradient, start + i, result, n);
        }
    }
}
