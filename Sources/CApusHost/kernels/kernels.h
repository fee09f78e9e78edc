// The table of kernels that each instruction-set variant fills, and the one in use.
#ifndef APUS_KERNELS_H
#define APUS_KERNELS_H
#include "apus_optim_kernels.h"
#include <stdbool.h>

/// Elements that are widened, updated and narrowed together: small enough for the first cache.
enum { APUS_TILE = 1024 };

static inline size_t apus_tile_length(size_t offset, size_t count) {
    return count - offset < APUS_TILE ? count - offset : APUS_TILE;
}

/// Elements `offset ...`.
static inline struct apus_floats apus_floats_from(struct apus_floats values, size_t offset) {
    size_t width = values.format == APUS_FLOAT32 ? 4 : 2;
    return (struct apus_floats){(const char *)values.data + offset * width, values.format};
}

/// AdamW's scalars, derived in double and rounded once.
struct adamw_scalars {
    float gradient_scale, decay, first_weight, second_decay, second_weight;
    float inverse_correction, epsilon, step_size;
    bool lerp_from_gradient;
};

struct lion_scalars {
    float gradient_scale, decay, beta1, one_minus_beta1, beta2, one_minus_beta2, learning_rate;
};

struct sgd_scalars {
    float gradient_scale, weight_decay, momentum, gradient_weight, learning_rate;
    bool nesterov;
};

struct moment_scalars {
    float gradient_scale, decay, weight, epsilon;
};

struct kernels {
    void (*widen_bfloat16)(float *to, const uint16_t *from, size_t count);
    void (*widen_float16)(float *to, const uint16_t *from, size_t count);
    void (*narrow_bfloat16)(uint16_t *to, const float *from, size_t count);
    void (*narrow_float16)(uint16_t *to, const float *from, size_t count);
    void (*scale)(struct apus_mutable_floats values, float factor, size_t count);
    void (*accumulate)(float *sum, struct apus_floats addend, float factor, size_t count);
    double (*sum_of_squares)(struct apus_floats values, size_t count);

    void (*adamw)(const struct apus_update *update, float *first, float *second,
                  const struct adamw_scalars *scalars);
    void (*plain_update)(float *weights, const float *gradient, float *first, float *second,
                         size_t count);
    void (*plain_update_bfloat16)(float *weights, const uint16_t *gradient, float *first,
                                  float *second, uint16_t *copy, size_t count);
    void (*lion)(float *weights, const float *gradient, float *momentum, size_t count,
                 const struct lion_scalars *scalars);
    void (*sgd)(float *weights, const float *gradient, float *momentum, size_t count,
                const struct sgd_scalars *scalars);
    void (*sgd_plain)(float *weights, const float *gradient, size_t count,
                      const struct sgd_scalars *scalars);

    double (*add_squares)(float *column_sums, const float *gradient, float gradient_scale,
                          size_t count);
    void (*decay_moment)(float *moment, const float *gradient, size_t count,
                         const struct moment_scalars *scalars);
    void (*inverse_root)(float *to, const float *from, size_t count);
    void (*scale_by_factors)(float *to, const float *gradient, float factor,
                             const float *factors, size_t count);
    void (*descend)(float *weights, const float *direction, float decay, float rate,
                    size_t count);

    void (*exp_tile)(float *to, const float *from, size_t count);
    void (*multiply)(float *to, const float *a, const float *b, size_t count);
    void (*multiply_scalar)(float *to, const float *from, float factor, size_t count);
    void (*add)(float *to, const float *a, const float *b, size_t count);
    double (*triple_product)(const float *a, const float *b, const float *c, size_t count);
    void (*rms_norm_gradient)(float *to, float *weight_gradient, const float *output_gradient,
                              const float *input, const float *weight, float inverse_rms,
                              float pull, size_t count);
    void (*swiglu)(float *to, const float *gate, const float *up, size_t count);
    void (*swiglu_gradient)(float *gate_gradient, float *up_gradient,
                            const float *output_gradient, const float *gate, const float *up,
                            size_t count);
    void (*rotate)(float *to_low, float *to_high, const float *low, const float *high,
                   const float *cosines, const float *sines, float sign, size_t count);
    float (*maximum)(const float *values, size_t count);
    double (*sum_of_exponentials)(const float *values, float shift, size_t count);
    double (*sum_of_values)(const float *values, size_t count);
    void (*softmax_gradient)(float *to, const float *from, float log_sum_exp, float share,
                             float scale, size_t count);
};

extern const struct kernels apus_kernels_baseline;
#if defined(__x86_64__)
extern const struct kernels apus_kernels_avx2;
extern const struct kernels apus_kernels_avx512;
extern const struct kernels apus_kernels_avx512_bf16;
#endif

/// The kernels for this machine, within the calling thread's bound.
const struct kernels *apus_kernels(void);

/// Elements `offset ..< offset + count` as fp32: in place if they are, else widened to `tile`.
const float *apus_widened(const struct kernels *kernels, struct apus_floats values, size_t offset,
                          float *tile, size_t count);

/// Where a kernel writes elements `offset ...` as fp32: in place, else to `tile` for apus_narrow.
static inline float *apus_target(struct apus_mutable_floats to, size_t offset, float *tile) {
    return to.format == APUS_FLOAT32 ? (float *)to.data + offset : tile;
}

/// Writes elements `offset ..< offset + count`; nothing if `to.data` is NULL.
void apus_narrow(const struct kernels *kernels, struct apus_mutable_floats to, size_t offset,
                 const float *from, size_t count);

#endif
