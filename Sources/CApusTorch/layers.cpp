// Layers and losses.
#include "boundary.hpp"
#include "fused.hpp"

#include <ATen/ops/dropout.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <cmath>

using namespace apus;

static c10::optional<at::Tensor> optional(apus_optional_tensor_t tensor) {
    if (!tensor) return c10::nullopt;
    return tensor->value;
}

apus_status apus_layer_norm(apus_tensor_t x, const int64_t *shape, int32_t rank, apus_optional_tensor_t weight,
                            apus_optional_tensor_t bias, double epsilon, apus_out_t out) {
    return making(out, [&] {
        return at::layer_norm(x->value, ints(shape, rank), optional(weight), optional(bias), epsilon);
    });
}
apus_status apus_rms_norm(apus_tensor_t x, apus_tensor_t weight, double epsilon, apus_out_t out) {
    return making(out, [&] { return rms_norm(x->value, weight->value, epsilon); });
}
apus_status apus_attention(apus_tensor_t query, apus_tensor_t key, apus_tensor_t value,
                           apus_optional_tensor_t mask, double dropout, bool causal, double scale, bool grouped,
                           apus_out_t out) {
    return making(out, [&] {
        c10::optional<double> given = std::isnan(scale) ? c10::nullopt : c10::optional<double>(scale);
        return at::scaled_dot_product_attention(query->value, key->value, value->value, optional(mask), dropout,
                                                causal, given, grouped);
    });
}
apus_status apus_cross_entropy(apus_tensor_t logits, apus_tensor_t targets, apus_loss_reduction reduction,
                               int64_t ignore_index, double label_smoothing, apus_out_t out) {
    return making(out, [&] {
        return cross_entropy(logits->value, targets->value, reduction, ignore_index, label_smoothing);
    });
}
apus_status apus_dropout(apus_tensor_t x, double probability, bool training, apus_out_t out) {
    return making(out, [&] { return at::dropout(x->value, probability, training); });
}
