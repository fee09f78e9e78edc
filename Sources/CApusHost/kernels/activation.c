// Gated activation and rotary embedding, and the exponential by itself.
#include "apus_nn_kernels.h"
#include "kernels.h"

void apus_exp(float *to, const float *from, size_t count) {
    apus_kernels()->exp_tile(to, from, count);
}

void apus_swiglu_forward(struct apus_mutable_floats output, struct apus_floats gate,
                         struct apus_floats up, size_t count) {
    const struct kernels *kernels = apus_kernels();
    float a[APUS_TILE], b[APUS_TILE], c[APUS_TILE];
    for (size_t i = 0; i < count; i += APUS_TILE) {
        size_t n = apus_tile_length(i, count);
        const float *g = apus_widened(kernels, gate, i, a, n);
        const float *u = apus_widened(kernels, up, i, b, n);
        float *to = apus_target(output, i, c);
        kernels->swiglu(to, g, u, n);
        apus_narrow(kernels, output, i, to, n);
    }
}

void apus_swiglu_backward(struct apus_mutable_floats gate_gradient,
                          struct apus_mutable_floats up_gradient,
                          struct apus_floats output_gradient, struct apus_floats gate,
                          struct apus_floats up, size_t count) {
    const struct kernels *kernels = apus_kernels();
    float a[APUS_TILE], b[APUS_TILE], c[APUS_TILE], d[APUS_TILE], e[APUS_TILE];
    for (size_t i = 0; i < count; i += APUS_TILE) {
        size_t n = apus_tile_length(i, count);
        const float *dy = apus_widened(kernels, output_gradient, i, a, n);
        const float *g = apus_widened(kernels, gate, i, b, n);
        const float *u = apus_widened(kernels, up, i, c, n);
        float *to_gate = apus_target(gate_gradient, i, d);
        float *to_up = apus_target(up_gradient, i, e);
        kernels->swiglu_gradient(to_gate, to_up, dy, g, u, n);
        apus_narrow(kernels, gate_gradient, i, to_gate, n);
        apus_narrow(kernels, up_gradient, i, to_up, n);
    }
}

/// One vector of one head, `start` and `end` being its offsets in input and output.
static void rotate_vector(const struct kernels *kernels, struct apus_rotation rotation,
                          struct apus_mutable_floats output, size_t end,
                          struct apus_floats input, size_t start, size_t token, float sign) {
    float a[APUS_TILE], b[APUS_TILE], c[APUS_TILE], d[APUS_TILE];
    size_t half = rotation.rotary / 2;
    const float *cosines = rotation.cosines + token * rotation.table_stride;
    const float *sines = rotation.sines + token * rotation.table_stride;
    for (size_t i = 0; i < half; i += APUS_TILE) {
        size_t n = apus_tile_length(i, half);
        const float *low = apus_widened(kernels, input, start + i, a, n);
        const float *high = apus_widened(kernels, input, start + half + i, b, n);
        float *to_low = apus_target(output, end + i, c);
        float *to_high = apus_target(output, end + half + i, d);
        kernels->rotate(to_low, to_high, low, high, cosines + i, sines + i, sign, n);
        apus_narrow(kernels, output, end + i, to_low, n);
        apus_narrow(kernels, output, end + half + i, to_high, n);
    }
}

void apus_rotary_apply(struct apus_rotation rotation, struct apus_mutable_floats output,
                       struct apus_floats input, int inverse) {
    const struct kernels *kernels = apus_kernels();
    size_t rest = rotation.width - rotation.rotary;
    float sign = inverse ? -1 : 1;
    for (size_t token = 0; token < rotation.tokens; token++) {
        for (size_t head = 0; head < rotation.heads; head++) {
            size_t start = token * rotation.token_stride + head * rotation.head_stride;
            size_t end
                = token * rotation.output_token_stride + head * rotation.output_head_stride;
            rotate_vector(kernels, rotation, output, end, input, start, token, sign);
            if (rest == 0) continue;
            apus_cast(apus_mutable_floats_at(output, end + rotation.rotary),
                      apus_floats_at(input, start + rotation.rotary), rest);
        }
    }
}
