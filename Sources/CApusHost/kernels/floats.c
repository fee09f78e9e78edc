// Public casts, scaling, accumulation and norms: loops over tiles of any format.
#include "kernels.h"
#include <math.h>
#include <string.h>

const float *apus_widened(const struct kernels *kernels, struct apus_floats values, size_t offset,
                          float *tile, size_t count) {
    switch (values.format) {
    case APUS_FLOAT32:
        return (const float *)values.data + offset;
    case APUS_BFLOAT16:
        kernels->widen_bfloat16(tile, (const uint16_t *)values.data + offset, count);
        return tile;
    case APUS_FLOAT16:
        kernels->widen_float16(tile, (const uint16_t *)values.data + offset, count);
        return tile;
    }
    __builtin_trap();
}

void apus_narrow(const struct kernels *kernels, struct apus_mutable_floats to, size_t offset,
                 const float *from, size_t count) {
    if (!to.data) return;
    switch (to.format) {
    case APUS_FLOAT32: {
        float *target = (float *)to.data + offset;
        if (target != from) memmove(target, from, count * sizeof *from);
        return;
    }
    case APUS_BFLOAT16:
        kernels->narrow_bfloat16((uint16_t *)to.data + offset, from, count);
        return;
    case APUS_FLOAT16:
        kernels->narrow_float16((uint16_t *)to.data + offset, from, count);
        return;
    }
    __builtin_trap();
}

void apus_cast(struct apus_mutable_floats to, struct apus_floats from, size_t count) {
    if (to.format == from.format) {
        memmove(to.data, from.data, count * (to.format == APUS_FLOAT32 ? 4 : 2));
        return;
    }
    const struct kernels *kernels = apus_kernels();
    float tile[APUS_TILE];
    for (size_t i = 0; i < count; i += APUS_TILE) {
        size_t length = apus_tile_length(i, count);
        const float *wide = apus_widened(kernels, from, i, apus_target(to, i, tile), length);
        apus_narrow(kernels, to, i, wide, length);
    }
}

void apus_scale(struct apus_mutable_floats values, float factor, size_t count) {
    apus_kernels()->scale(values, factor, count);
}

void apus_accumulate(float *sum, struct apus_floats addend, float factor, size_t count) {
    apus_kernels()->accumulate(sum, addend, factor, count);
}

/// Elements whose squares are added without compensation.
enum { PLAIN_SUM = 4096 };

double apus_sum_of_squares(struct apus_floats values, size_t count) {
    const struct kernels *kernels = apus_kernels();
    double sum = 0, lost = 0;
    for (size_t i = 0; i < count; i += PLAIN_SUM) {
        size_t length = count - i < PLAIN_SUM ? count - i : PLAIN_SUM;
        double term = kernels->sum_of_squares(apus_floats_from(values, i), length);
        double next = sum + term;
        // The low-order bits that the addition dropped; terms are never negative.
        lost += sum >= term ? (sum - next) + term : (term - next) + sum;
        sum = next;
    }
    return isfinite(sum) ? sum + lost : sum;
}
