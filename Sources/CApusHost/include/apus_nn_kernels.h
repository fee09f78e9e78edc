// Model operations over rows in plain memory: normalisation, gated activation, rotary embedding,
// cross-entropy, each forward and backward. Arithmetic is fp32 whatever the format of the memory.
//
// The conventions of apus_float.h hold here. Rows lie one after another without gaps. A function
// treats each row by itself, so callers may split rows among threads, by moving the pointers with
// `apus_floats_at`.
#ifndef APUS_NN_KERNELS_H
#define APUS_NN_KERNELS_H
#include "apus_float.h"

static inline size_t apus_float_size(enum apus_float_format format) {
    return format == APUS_FLOAT32 ? 4 : 2;
}

/// The run that starts `offset` elements later.
static inline struct apus_floats apus_floats_at(struct apus_floats floats, size_t offset) {
    const char *data = (const char *)floats.data;
    return (struct apus_floats){data + offset * apus_float_size(floats.format), floats.format};
}

static inline struct apus_mutable_floats apus_mutable_floats_at(struct apus_mutable_floats floats,
                                                                size_t offset) {
    char *data = (char *)floats.data;
    return (struct apus_mutable_floats){data + offset * apus_float_size(floats.format),
                                        floats.format};
}

// MARK: Root-mean-square normalisation (Zhang and Sennrich 2019)

struct apus_norm_task {
    size_t rows, columns;
    float epsilon; ///< added to the mean square
};

/// `output = weight * round(input / rms(input))`, rounded to the format of `input` in between, as
/// HuggingFace's models do. `inverse_rms` [rows] is kept for backward.
///
/// With `residual` (its `data` is NULL for none), `sum = round(input + residual)` is written and
/// normalised instead; `sum` may be `input` or `residual`.
void apus_rms_norm_forward(struct apus_norm_task norm, struct apus_mutable_floats output,
                           float *inverse_rms, struct apus_floats input,
                           struct apus_floats residual, struct apus_mutable_floats sum,
                           struct apus_floats weight);

/// `input` is what was normalised. `weight_gradient` [columns] is added to. `extra_gradient` (its
/// `data` is NULL for none) joins the input's gradient: what flows into the sum from elsewhere.
/// `input_gradient` may be `output_gradient` or `extra_gradient`.
void apus_rms_norm_backward(struct apus_norm_task norm, struct apus_mutable_floats input_gradient,
                            float *weight_gradient, struct apus_floats output_gradient,
                            struct apus_floats extra_gradient, struct apus_floats input,
                            const float *inverse_rms, struct apus_floats weight);

// MARK: Gated activation (Shazeer 2020, SwiGLU)

/// `output = silu(gate) * up`
void apus_swiglu_forward(struct apus_mutable_floats output, struct apus_floats gate,
                         struct apus_floats up, size_t count);

/// `gate_gradient` and `up_gradient` may be any of the inputs.
void apus_swiglu_backward(struct apus_mutable_floats gate_gradient,
                          struct apus_mutable_floats up_gradient,
                          struct apus_floats output_gradient, struct apus_floats gate,
                          struct apus_floats up, size_t count);

// MARK: Rotary embedding (Su et al. 2021)

/// Tokens of `heads` vectors of `width` elements, which may be part of something larger: strides
/// count elements. The first `rotary` elements of a vector turn in pairs (i, i + rotary / 2), as
/// HuggingFace's `rotate_half` lays them out; the rest is copied.
struct apus_rotation {
    size_t tokens, heads, width, rotary;
    const float *cosines, *sines; ///< those of a token's pairs lie together
    size_t table_stride;          ///< elements from one token's to the next one's
    size_t token_stride, head_stride;               ///< of the input
    size_t output_token_stride, output_head_stride;
};

/// `output` may be `input`. Backward is the rotation by the opposite angles: `inverse`.
void apus_rotary_apply(struct apus_rotation rotation, struct apus_mutable_floats output,
                       struct apus_floats input, int inverse);

// MARK: Cross-entropy

struct apus_loss_task {
    size_t rows, classes;
    const int64_t *labels; ///< [rows]
    int64_t ignored_label; ///< rows with this label have loss and gradient 0
    float smoothing;       ///< share of the target spread over all classes
};

/// The loss and the logarithm of the sum of exponentials of each row. A label outside the classes
/// (other than the ignored one) is found by the caller beforehand: see `apus_labels_valid`.
void apus_cross_entropy_forward(struct apus_loss_task task, float *losses,
                                float *log_sum_exps, struct apus_floats logits);

/// `gradient = (softmax(logits) - target) * scale`, or times `scales[row]` if that is not NULL.
/// `gradient` may be `logits`.
void apus_cross_entropy_backward(struct apus_loss_task task,
                                 struct apus_mutable_floats gradient, struct apus_floats logits,
                                 const float *log_sum_exps, float scale, const float *scales);

/// Whether each label is a class or the ignored label; if not, `*row` is the first that is not.
int apus_labels_valid(struct apus_loss_task task, size_t *row);

// MARK: Elementary

/// `to = exp(from)`, within 1.02 units in the last place; results below the smallest normal number
/// are 0.
void apus_exp(float *to, const float *from, size_t count);

#endif
