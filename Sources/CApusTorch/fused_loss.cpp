// Cross-entropy.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <numeric>

#include "apus_fused.h"
#include "apus_ops.h"
#include "boundary.hpp"
#include "fused.hpp"

using namespace apus;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// The rows of one loss, and what forward leaves to backward.
struct Rows {
    at::Tensor logits, targets;
    int64_t ignore_index;
    double smoothing;

    apus_loss_task task(int64_t begin, int64_t end) const {
        return {size_t(end - begin), size_t(logits.size(1)),
                targets.const_data_ptr<int64_t>() + begin, ignore_index, float(smoothing)};
    }
    int64_t count() const { return logits.size(0); }
    // About 64 KiB of logits.
    int64_t grain() const {
        return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, logits.size(1)));
    }

    void check_targets() const {
        size_t row = 0;
        TORCH_CHECK_INDEX(apus_labels_valid(task(0, count()), &row), "cross_entropy: target ",
                          targets.const_data_ptr<int64_t>()[row], " of row ", row,
                          " is none of the ", logits.size(1), " classes");
    }

    int64_t trained() const {
        const int64_t *labels = targets.const_data_ptr<int64_t>();
        return count() - std::count(labels, labels + count(), ignore_index);
    }
};

double total(const at::Tensor &losses) {
    const float *values = losses.const_data_ptr<float>();
    return std::accumulate(values, values + losses.numel(), 0.0);
}

at::Tensor vector(int64_t count) {
    return at::empty({count}, at::TensorOptions().dtype(at::kFloat));
}

struct CrossEntropy : torch::autograd::Function<CrossEntropy> {
    static at::Tensor forward(AutogradContext *context, const at::Tensor &logits,
                              const at::Tensor &targets, int64_t reduction, int64_t ignore_index,
                              double smoothing) {
        Rows rows = {logits.contiguous(), targets.contiguous(), ignore_index, smoothing};
        rows.check_targets();
        at::Tensor losses = vector(rows.count()), sums = vector(rows.count());
        float *to_losses = losses.mutable_data_ptr<float>(),
              *to_sums = sums.mutable_data_ptr<float>();
        apus_floats source = floats(rows.logits);
        parallel_rows(rows.count(), rows.grain(), [&](int64_t begin, int64_t end) {
            apus_cross_entropy_forward(rows.task(begin, end), to_losses + begin, to_sums + begin,
                                       apus_floats_at(source, size_t(begin * rows.logits.size(1))));
        });
        context->save_for_backward({rows.logits, rows.targets, sums});
        double divisor = reduction == APUS_REDUCE_MEAN ? double(rows.trained()) : 1;
        context->saved_data["reduction"] = reduction;
        context->saved_data["ignore_index"] = ignore_index;
        context->saved_data["smoothing"] = smoothing;
        context->saved_data["divisor"] = divisor;
        if (reduction == APUS_REDUCE_NONE) return losses.to(logits.scalar_type());
        return at::full({}, total(losses) / divisor, logits.options());
    }

    static variable_list backward(AutogradContext *context, variable_list gradients) {
        refuse_double_backward("cross_entropy");
        variable_list saved = context->get_saved_variables();
        Rows rows = {saved[0], saved[1], context->saved_data["ignore_index"].toInt(),
                     context->saved_data["smoothing"].toDouble()};
        bool per_row = context->saved_data["reduction"].toInt() == APUS_REDUCE_NONE;
        at::Tensor upstream = gradients[0].to(at::kFloat).contiguous();
        const float *scales = per_row ? upstream.const_data_ptr<float>() : nullptr;
        double scale =
            per_row ? 1 : upstream.item<float>() / context->saved_data["divisor"].toDouble();
        at::Tensor gradient = at::empty_like(rows.logits);
        apus_floats source = floats(rows.logits);
        apus_mutable_floats target = mutable_floats(gradient);
        const float *sums = saved[2].const_data_ptr<float>();
        parallel_rows(rows.count(), rows.grain(), [&](int64_t begin, int64_t end) {
            size_t offset = size_t(begin * rows.logits.size(1));
            apus_cross_entropy_backward(rows.task(begin, end),
                                        apus_mutable_floats_at(target, offset),
                                        apus_floats_at(source, offset), sums + begin, float(scale),
                                        scales ? scales + begin : nullptr);
        });
        return {gradient, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
    }
};

bool fits_kernels(const at::Tensor &logits, const at::Tensor &targets) {
    return logits.dim() == 2 && logits.size(1) > 0 && targets.dim() == 1 &&
           targets.size(0) == logits.size(0) && targets.scalar_type() == at::kLong &&
           targets.is_cpu() && on_host_kernels({logits});
}

// Row by row, loss then gradient, while the row lies in the cache.
double consume(const Rows &rows) {
    at::Tensor losses = vector(rows.count());
    float *to_losses = losses.mutable_data_ptr<float>();
    apus_mutable_floats memory = mutable_floats(rows.logits);
    parallel_rows(rows.count(), rows.grain(), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; row++) {
            apus_loss_task task = rows.task(row, row + 1);
            apus_mutable_floats logits =
                apus_mutable_floats_at(memory, size_t(row * rows.logits.size(1)));
            apus_floats source = {logits.data, logits.format};
            float sum = 0;
            apus_cross_entropy_forward(task, to_losses + row, &sum, source);
            apus_cross_entropy_backward(task, logits, source, &sum, 1, nullptr);
        }
    });
    return total(losses);
}

// The composed way: a graph over a copy, whose gradient is then moved into the logits.
at::Tensor consume_composed(const at::Tensor &logits, const at::Tensor &targets,
                            int64_t ignore_index, double smoothing) {
    at::AutoGradMode recording(true);
    at::Tensor leaf = logits.detach().to(at::kFloat).requires_grad_();
    at::Tensor loss =
        at::cross_entropy_loss(leaf, targets, {}, APUS_REDUCE_SUM, ignore_index, smoothing);
    at::Tensor gradient = torch::autograd::grad({loss}, {leaf})[0];
    logits.detach().copy_(gradient);
    return loss.detach();
}

}  // namespace

at::Tensor apus::cross_entropy(const at::Tensor &logits, const at::Tensor &targets,
                               int64_t reduction, int64_t ignore_index, double smoothing) {
    if (fits_kernels(logits, targets))
        return CrossEntropy::apply(logits, targets, reduction, ignore_index, smoothing);
    return at::cross_entropy_loss(logits, targets, {}, reduction, ignore_index, smoothing);
}

apus_status apus_cross_entropy_consuming(apus_tensor_t logits, apus_tensor_t targets,
                                         int64_t ignore_index, double label_smoothing,
                                         apus_out_t loss) {
    return making(loss, [&] {
        const at::Tensor &memory = operand(logits);
        TORCH_CHECK(!memory.requires_grad(),
                    "cross_entropy: logits of the graph cannot be overwritten");
        TORCH_CHECK(memory.is_contiguous(),
                    "cross_entropy: logits to overwrite must be contiguous");
        if (!fits_kernels(memory, operand(targets)))
            return consume_composed(memory, operand(targets), ignore_index, label_smoothing);
        Rows rows = {memory, operand(targets).contiguous(), ignore_index, label_smoothing};
        rows.check_targets();
        return at::full({}, consume(rows), memory.options().dtype(at::kFloat));
    });
}
