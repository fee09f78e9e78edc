// What the fused operations share.
#include "fused.hpp"

#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>

#include "boundary.hpp"

namespace apus {

std::optional<apus_float_format> host_format(const at::Tensor &tensor) {
    if (!tensor.defined() || !tensor.is_cpu() || tensor.layout() != at::kStrided)
        return std::nullopt;
    switch (tensor.scalar_type()) {
        case at::kFloat: return APUS_FLOAT32;
        case at::kBFloat16: return APUS_BFLOAT16;
        case at::kHalf: return APUS_FLOAT16;
        default: return std::nullopt;
    }
}

bool on_host_kernels(at::ArrayRef<at::Tensor> tensors) {
    for (const at::Tensor &tensor : tensors)
        if (!host_format(tensor) || tensor.scalar_type() != tensors[0].scalar_type()) return false;
    return true;
}

apus_floats floats(const at::Tensor &tensor) {
    return {tensor.const_data_ptr(), host_format(tensor).value()};
}
apus_mutable_floats mutable_floats(const at::Tensor &tensor) {
    return {tensor.mutable_data_ptr(), host_format(tensor).value()};
}

void parallel_rows(int64_t rows, int64_t grain, const std::function<void(int64_t, int64_t)> &body) {
    if (rows <= grain || at::get_num_threads() == 1 || at::in_parallel_region()) {
        if (rows > 0) body(0, rows);
        return;
    }
    // at::parallel_for is a template that runs serially unless it is compiled with libtorch's
    // OpenMP. An iterator's loop is compiled inside libtorch: one over `rows` addresses, never
    // read, brings us onto its threads.
    char first = 0;
    at::Tensor addresses = at::from_blob(&first, {rows}, at::TensorOptions().dtype(at::kChar));
    at::TensorIterator iterator = at::TensorIteratorConfig()
                                      .check_all_same_dtype(false)
                                      .resize_outputs(false)
                                      .add_output(addresses)
                                      .build();
    iterator.for_each(
        [&](char **data, const int64_t *strides, int64_t count, int64_t outer) {
            for (int64_t i = 0; i < outer; i++) {
                int64_t begin = data[0] + i * strides[1] - &first;
                body(begin, begin + count);
            }
        },
        grain);
}

void refuse_double_backward(const char *operation) {
    if (at::GradMode::is_enabled())
        throw Refusal(APUS_NOT_IMPLEMENTED,
                      std::string(operation) + ": gradients of gradients are not available");
}

}  // namespace apus
