// Matrices, layers and losses.
#include "boundary.hpp"
#include "fused.hpp"

#include <ATen/core/Reduction.h>
#include <ATen/ops/adaptive_avg_pool1d.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/adaptive_avg_pool3d.h>
#include <ATen/ops/adaptive_max_pool1d.h>
#include <ATen/ops/adaptive_max_pool2d.h>
#include <ATen/ops/adaptive_max_pool3d.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/avg_pool1d.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/avg_pool3d.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/binary_cross_entropy.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/huber_loss.h>
#include <ATen/ops/kl_div.h>
#include <ATen/ops/l1_loss.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/linalg_det.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_inv.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_slogdet.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/max_pool1d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/max_pool3d.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/nll_loss.h>
#include <ATen/ops/outer.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/smooth_l1_loss.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_linear1d.h>
#include <ATen/ops/upsample_nearest1d.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/upsample_nearest3d.h>
#include <ATen/ops/upsample_trilinear3d.h>

#include <cmath>

#include "apus_ops.h"

using namespace apus;

// --- Matrices ---

apus_status apus_matmul(apus_tensor_t a, apus_tensor_t b, apus_out_t out) {
    return making(out, [&] { return at::matmul(operand(a), operand(b)); });
}
apus_status apus_linear(apus_tensor_t input, apus_tensor_t weight, apus_optional_tensor_t bias,
                        apus_out_t out) {
    return making(
        out, [&] { return at::linear(operand(input), operand(weight), operand_or_none(bias)); });
}
apus_status apus_add_matmul(apus_tensor_t input, apus_tensor_t a, apus_tensor_t b, double beta,
                            double alpha, apus_out_t out) {
    return making(out, [&] {
        const at::Tensor &sum = operand(input);
        at::Scalar by = scalar_for(sum, beta), times = scalar_for(sum, alpha);
        if (operand(a).dim() == 3) return at::baddbmm(sum, operand(a), operand(b), by, times);
        return at::addmm(sum, operand(a), operand(b), by, times);
    });
}
apus_status apus_add_product(apus_tensor_t destination, apus_tensor_t a, apus_tensor_t b,
                             double alpha) {
    return guarded([&] { operand(destination).addmm_(operand(a), operand(b), 1, alpha); });
}
apus_status apus_outer(apus_tensor_t a, apus_tensor_t b, apus_out_t out) {
    return making(out, [&] { return at::outer(operand(a), operand(b)); });
}
apus_status apus_einsum(const char *equation, apus_list_t tensors, int32_t count, apus_out_t out) {
    return making(out, [&] { return at::einsum(equation, operands(tensors, count)); });
}
apus_status apus_matrix(apus_matrix_kind kind, apus_tensor_t tensor, apus_out_t out) {
    return making(out, [&]() -> at::Tensor {
        const at::Tensor &x = operand(tensor);
        switch (kind) {
        case APUS_CHOLESKY: return at::linalg_cholesky(x);
        case APUS_INVERSE: return at::linalg_inv(x);
        case APUS_PSEUDO_INVERSE: return at::linalg_pinv(x);
        case APUS_DETERMINANT: return at::linalg_det(x);
        }
        refuse("unknown operation on a matrix");
    });
}
apus_status apus_factor(apus_factor_kind kind, apus_tensor_t tensor, apus_out_t first,
                        apus_out_t second) {
    return making(first, second, [&]() -> std::tuple<at::Tensor, at::Tensor> {
        const at::Tensor &x = operand(tensor);
        switch (kind) {
        case APUS_QR: return at::linalg_qr(x);
        case APUS_SYMMETRIC_EIGEN: return at::linalg_eigh(x);
        case APUS_SIGN_LOG_DETERMINANT: return at::linalg_slogdet(x);
        }
        refuse("unknown decomposition");
    });
}
apus_status apus_svd(apus_tensor_t x, apus_out_t u, apus_out_t s, apus_out_t vt) {
    return making(u, s, vt, [&] { return at::linalg_svd(operand(x), /*full_matrices=*/false); });
}
apus_status apus_solve(apus_tensor_t a, apus_tensor_t b, apus_out_t out) {
    return making(out, [&] { return at::linalg_solve(operand(a), operand(b)); });
}
apus_status apus_solve_triangular(apus_tensor_t a, apus_tensor_t b, bool upper, apus_out_t out) {
    return making(out, [&] { return at::linalg_solve_triangular(operand(a), operand(b), upper); });
}

// --- Layers ---

apus_status apus_layer_norm(apus_tensor_t x, const int64_t *shape, int32_t rank,
                            apus_optional_tensor_t weight, apus_optional_tensor_t bias,
                            double epsilon, apus_out_t out) {
    return making(out, [&] {
        return at::layer_norm(operand(x), ints(shape, rank), operand_or_none(weight),
                              operand_or_none(bias), epsilon);
    });
}
apus_status apus_rms_norm(apus_tensor_t x, apus_tensor_t weight, double epsilon, apus_out_t out) {
    return making(out, [&] { return rms_norm(operand(x), operand(weight), epsilon); });
}
apus_status apus_group_norm(apus_tensor_t x, int64_t groups, apus_optional_tensor_t weight,
                            apus_optional_tensor_t bias, double epsilon, apus_out_t out) {
    return making(out, [&] {
        return at::group_norm(operand(x), groups, operand_or_none(weight), operand_or_none(bias),
                              epsilon);
    });
}
apus_status apus_batch_norm(apus_tensor_t x, apus_batch_norm_options with, apus_out_t out) {
    return making(out, [&] {
        return at::batch_norm(operand(x), operand_or_none(with.weight), operand_or_none(with.bias),
                              operand_or_none(with.running_mean),
                              operand_or_none(with.running_variance), with.training, with.momentum,
                              with.epsilon, /*cudnn_enabled=*/true);
    });
}
apus_status apus_attention(apus_tensor_t query, apus_tensor_t key, apus_tensor_t value,
                           apus_attention_options with, apus_out_t out) {
    return making(out, [&] {
        std::optional<double> scale;
        if (!std::isnan(with.scale)) scale = with.scale;
        return at::scaled_dot_product_attention(operand(query), operand(key), operand(value),
                                                operand_or_none(with.mask), with.dropout,
                                                with.causal, scale, with.grouped);
    });
}
apus_status apus_dropout(apus_tensor_t x, double probability, bool training, apus_out_t out) {
    return making(out, [&] { return at::dropout(operand(x), probability, training); });
}
apus_status apus_convolution(apus_tensor_t input, apus_tensor_t weight, apus_optional_tensor_t bias,
                             apus_convolution_options with, apus_out_t out) {
    return making(out, [&] {
        const at::Tensor &x = operand(input);
        if (x.dim() != with.rank + 2 || operand(weight).dim() != with.rank + 2)
            refuse("input and weight need two dimensions before the spatial ones");
        return at::convolution(x, weight->value, operand_or_none(bias),
                               ints(with.stride, with.rank), ints(with.padding, with.rank),
                               ints(with.dilation, with.rank), with.transposed,
                               ints(with.output_padding, with.rank), with.groups);
    });
}
apus_status apus_pool(apus_pool_kind kind, apus_tensor_t tensor, const int64_t *window,
                      const int64_t *stride, const int64_t *padding, int32_t rank, apus_out_t out) {
    return making(out, [&]() -> at::Tensor {
        const at::Tensor &x = operand(tensor);
        at::IntArrayRef size = ints(window, rank), by = ints(stride, rank);
        at::IntArrayRef around = ints(padding, rank);
        bool largest = kind == APUS_POOL_MAX;
        switch (rank) {
        case 1: return (largest ? at::max_pool1d(x, size, by, around)
                                : at::avg_pool1d(x, size, by, around));
        case 2: return (largest ? at::max_pool2d(x, size, by, around)
                                : at::avg_pool2d(x, size, by, around));
        case 3: return (largest ? at::max_pool3d(x, size, by, around)
                                : at::avg_pool3d(x, size, by, around));
        default: refuse("windows have one to three dimensions");
        }
    });
}
apus_status apus_adaptive_pool(apus_pool_kind kind, apus_tensor_t tensor, const int64_t *sizes,
                               int32_t rank, apus_out_t out) {
    return making(out, [&]() -> at::Tensor {
        const at::Tensor &x = operand(tensor);
        at::IntArrayRef to = ints(sizes, rank);
        bool largest = kind == APUS_POOL_MAX;
        switch (rank) {
        case 1: return largest ? std::get<0>(at::adaptive_max_pool1d(x, to))
                               : at::adaptive_avg_pool1d(x, to);
        case 2: return largest ? std::get<0>(at::adaptive_max_pool2d(x, to))
                               : at::adaptive_avg_pool2d(x, to);
        case 3: return largest ? std::get<0>(at::adaptive_max_pool3d(x, to))
                               : at::adaptive_avg_pool3d(x, to);
        default: refuse("one to three dimensions can be pooled");
        }
    });
}

static at::Tensor resample_linear(const at::Tensor &x, at::IntArrayRef sizes, bool corners) {
    switch (sizes.size()) {
    case 1: return at::upsample_linear1d(x, sizes, corners);
    case 2: return at::upsample_bilinear2d(x, sizes, corners);
    case 3: return at::upsample_trilinear3d(x, sizes, corners);
    default: refuse("one to three dimensions can be resampled");
    }
}

static at::Tensor resample_nearest(const at::Tensor &x, at::IntArrayRef sizes) {
    switch (sizes.size()) {
    case 1: return at::upsample_nearest1d(x, sizes);
    case 2: return at::upsample_nearest2d(x, sizes);
    case 3: return at::upsample_nearest3d(x, sizes);
    default: refuse("one to three dimensions can be resampled");
    }
}

apus_status apus_resample(apus_resample_kind kind, apus_tensor_t tensor, const int64_t *sizes,
                          int32_t rank, bool align_corners, apus_out_t out) {
    return making(out, [&]() -> at::Tensor {
        const at::Tensor &x = operand(tensor);
        switch (kind) {
        case APUS_RESAMPLE_NEAREST: return resample_nearest(x, ints(sizes, rank));
        case APUS_RESAMPLE_LINEAR: return resample_linear(x, ints(sizes, rank), align_corners);
        case APUS_RESAMPLE_CUBIC:
            return at::upsample_bicubic2d(x, ints(sizes, rank), align_corners);
        }
        refuse("unknown way to resample");
    });
}

// --- Losses ---

static_assert(static_cast<int>(APUS_REDUCE_NONE) == at::Reduction::None);
static_assert(static_cast<int>(APUS_REDUCE_MEAN) == at::Reduction::Mean);
static_assert(static_cast<int>(APUS_REDUCE_SUM) == at::Reduction::Sum);

apus_status apus_cross_entropy(apus_tensor_t logits, apus_tensor_t targets,
                               apus_optional_tensor_t class_weights, apus_loss_reduction reduction,
                               int64_t ignore_index, double label_smoothing, apus_out_t out) {
    return making(out, [&] {
        if (!class_weights)
            return cross_entropy(operand(logits), operand(targets), reduction, ignore_index,
                                 label_smoothing);
        return at::cross_entropy_loss(operand(logits), operand(targets),
                                      operand_or_none(class_weights), reduction, ignore_index,
                                      label_smoothing);
    });
}
apus_status apus_nll(apus_tensor_t log_probabilities, apus_tensor_t targets,
                     apus_optional_tensor_t class_weights, apus_loss_reduction reduction,
                     int64_t ignore_index, apus_out_t out) {
    return making(out, [&] {
        return at::nll_loss(operand(log_probabilities), operand(targets),
                            operand_or_none(class_weights), reduction, ignore_index);
    });
}
apus_status apus_loss(apus_loss_kind kind, apus_tensor_t input, apus_tensor_t target,
                      apus_optional_tensor_t weight, double parameter,
                      apus_loss_reduction reduction, apus_out_t out) {
    return making(out, [&]() -> at::Tensor {
        const at::Tensor &x = operand(input), &y = operand(target);
        switch (kind) {
        case APUS_LOSS_SQUARED: return at::mse_loss(x, y, reduction);
        case APUS_LOSS_ABSOLUTE: return at::l1_loss(x, y, reduction);
        case APUS_LOSS_SMOOTH_ABSOLUTE: return at::smooth_l1_loss(x, y, reduction, parameter);
        case APUS_LOSS_HUBER: return at::huber_loss(x, y, reduction, parameter);
        case APUS_LOSS_BINARY:
            return at::binary_cross_entropy(x, y, operand_or_none(weight), reduction);
        case APUS_LOSS_BINARY_LOGITS:
            return at::binary_cross_entropy_with_logits(x, y, {}, operand_or_none(weight),
                                                        reduction);
        case APUS_LOSS_KL: return at::kl_div(x, y, reduction, /*log_target=*/false);
        case APUS_LOSS_KL_LOG_TARGET: return at::kl_div(x, y, reduction, /*log_target=*/true);
        }
        refuse("unknown loss");
    });
}
apus_status apus_cosine_similarity(apus_tensor_t a, apus_tensor_t b, int64_t dim, double epsilon,
                                   apus_out_t out) {
    return making(out,
                  [&] { return at::cosine_similarity(operand(a), operand(b), dim, epsilon); });
}
