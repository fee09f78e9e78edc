// Optimizer updates over contiguous ranges of elements: one pass that unscales, updates the fp32
// weights and their moments, and writes the rounded weights.
//
// The conventions of apus_float.h hold here. No fused multiply-add is used: every variant of a
// kernel rounds alike and returns the same bits on every machine.
#ifndef APUS_OPTIM_KERNELS_H
#define APUS_OPTIM_KERNELS_H
#include "apus_float.h"
#include <stdbool.h>

/// What every rule reads and writes. The memory is borrowed for the call.
struct apus_update {
    float *weights;                  ///< fp32 parameters or master weights, updated in place
    struct apus_floats gradient;     ///< as many elements as `weights`
    float gradient_scale;            ///< multiplies the gradient: 1 / loss scale, times clipping
    struct apus_mutable_floats copy; ///< receives the new weights; `data` is NULL for none
    size_t count;
};

/// AdamW (Loshchilov and Hutter 2019), in PyTorch's order of operations.
struct apus_adamw {
    double learning_rate, beta1, beta2, epsilon, weight_decay;
    int64_t step; ///< 1 for the first update
};
void apus_adamw(struct apus_update update, float *first_moment, float *second_moment,
                struct apus_adamw rule);

/// What an fp32 AdamW step reads and writes (four streams, three of them back) without its
/// arithmetic: the memory's limit, to which benchmarks compare.
void apus_plain_update(float *weights, const float *gradient, float *first, float *second,
                       size_t count);

/// The same with a bf16 gradient and a bf16 copy of the weights: four streams read, four written.
void apus_plain_update_bfloat16(float *weights, const uint16_t *gradient, float *first,
                                float *second, uint16_t *copy, size_t count);

/// Lion (Chen et al. 2023) with decoupled weight decay.
struct apus_lion {
    double learning_rate, beta1, beta2, weight_decay;
};
void apus_lion(struct apus_update update, float *momentum, struct apus_lion rule);

/// SGD as PyTorch defines it: weight decay joins the gradient, the first step starts the momentum
/// with the gradient itself. `momentum_buffer` may be NULL if `momentum` is 0.
struct apus_sgd {
    double learning_rate, momentum, dampening, weight_decay;
    bool nesterov, first_step;
};
void apus_sgd(struct apus_update update, float *momentum_buffer, struct apus_sgd rule);

/// Adafactor (Shazeer and Stern 2018) without relative steps, for one whole parameter.
struct apus_adafactor {
    double learning_rate, weight_decay;
    double decay_rate;     ///< exponent of the second moment's schedule, -0.8
    double epsilon;        ///< added to squared gradients, 1e-30
    double clip_threshold; ///< largest root mean square of an update, 1
    int64_t step;          ///< 1 for the first update
};
/// A stack of `matrices` matrices of `rows` x `columns`: `row_moment` holds matrices x rows,
/// `column_moment` matrices x columns; `update.count` is matrices x rows x columns.
void apus_adafactor_factored(struct apus_update update, size_t matrices, size_t rows,
                             size_t columns, float *row_moment, float *column_moment,
                             struct apus_adafactor rule);
/// A vector or scalar: `second_moment` holds `update.count` elements.
void apus_adafactor_unfactored(struct apus_update update, float *second_moment,
                               struct apus_adafactor rule);

#endif
