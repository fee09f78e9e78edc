// Public optimizer updates: scalars in double, then tile by tile so that a 16-bit gradient is
// widened, used and the rounded weights written while everything lies in the first cache.
#include "apus_optim_kernels.h"
#include "kernels.h"
#include <math.h>

#define FOR_EACH_TILE(update, BODY)                                                              \
    do {                                                                                         \
        const struct kernels *kernels = apus_kernels();                                          \
        float tile[APUS_TILE];                                                                   \
        for (size_t i = 0; i < (update).count; i += APUS_TILE) {                                 \
            size_t n = apus_tile_length(i, (update).count);                                      \
            const float *gradient = apus_widened(kernels, (update).gradient, i, tile, n);        \
            float *weights = (update).weights + i;                                               \
            BODY;                                                                                \
            apus_narrow(kernels, (update).copy, i, weights, n);                                  \
        }                                                                                        \
    } while (0)

static struct adamw_scalars adamw_scalars(float gradient_scale, struct apus_adamw rule) {
    double first_correction = 1 - pow(rule.beta1, (double)rule.step);
    double second_correction = 1 - pow(rule.beta2, (double)rule.step);
    double weight = 1 - rule.beta1;
    bool from_gradient = weight >= 0.5;
    return (struct adamw_scalars){
        .gradient_scale = gradient_scale,
        .decay = (float)(1 - rule.learning_rate * rule.weight_decay),
        .first_weight = (float)(from_gradient ? weight - 1 : weight),
        .lerp_from_gradient = from_gradient,
        .second_decay = (float)rule.beta2,
        .second_weight = (float)(1 - rule.beta2),
        .inverse_correction = (float)(1 / sqrt(second_correction)),
        .epsilon = (float)rule.epsilon,
        .step_size = (float)(rule.learning_rate / first_correction),
    };
}

void apus_adamw(struct apus_update update, float *first_moment, float *second_moment,
                struct apus_adamw rule) {
    struct adamw_scalars s = adamw_scalars(update.gradient_scale, rule);
    apus_kernels()->adamw(&update, first_moment, second_moment, &s);
}

void apus_plain_update(float *weights, const float *gradient, float *first, float *second,
                       size_t count) {
    apus_kernels()->plain_update(weights, gradient, first, second, count);
}

void apus_plain_update_bfloat16(float *weights, const uint16_t *gradient, float *first,
                                float *second, uint16_t *copy, size_t count) {
    apus_kernels()->plain_update_bfloat16(weights, gradient, first, second, copy, count);
}

void apus_lion(struct apus_update update, float *momentum, struct apus_lion rule) {
    struct lion_scalars s = {
        .gradient_scale = update.gradient_scale,
        .decay = (float)(1 - rule.learning_rate * rule.weight_decay),
        .beta1 = (float)rule.beta1,
        .one_minus_beta1 = (float)(1 - rule.beta1),
        .beta2 = (float)rule.beta2,
        .one_minus_beta2 = (float)(1 - rule.beta2),
        .learning_rate = (float)rule.learning_rate,
    };
    FOR_EACH_TILE(update, kernels->lion(weights, gradient, momentum + i, n, &s));
}

void apus_sgd(struct apus_update update, float *momentum_buffer, struct apus_sgd rule) {
    struct sgd_scalars s = {
        .gradient_scale = update.gradient_scale,
        .weight_decay = (float)rule.weight_decay,
        .momentum = (float)rule.momentum,
        .gradient_weight = (float)(rule.first_step ? 1 : 1 - rule.dampening),
        .learning_rate = (float)rule.learning_rate,
        .nesterov = rule.nesterov,
    };
    if (rule.momentum == 0) {
        FOR_EACH_TILE(update, kernels->sgd_plain(weights, gradient, n, &s));
    } else {
        FOR_EACH_TILE(update, kernels->sgd(weights, gradient, momentum_buffer + i, n, &s));
    }
}
