// What the fused operations share: when the host kernels apply, and how rows are spread over
// threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>

extern "C" {
// By path: as a dependency of this target its module would be wanted, which C++ has switched off.
#include "../CApusHost/include/apus_nn_kernels.h"
}

namespace apus {

// The host kernels' format of a tensor; none if they do not know its dtype or device.
std::optional<apus_float_format> host_format(const at::Tensor &tensor);

// Whether all are host tensors of one dtype that the kernels know.
bool on_host_kernels(at::ArrayRef<at::Tensor> tensors);

// The memory of a contiguous host tensor.
apus_floats floats(const at::Tensor &tensor);
apus_mutable_floats mutable_floats(const at::Tensor &tensor);

// Runs `body(begin, end)` over 0 ..< rows on libtorch's own threads, each with `grain` rows or
// more.
void parallel_rows(int64_t rows, int64_t grain, const std::function<void(int64_t, int64_t)> &body);

// Fused backwards compute on bare memory, so their results have no gradient themselves.
void refuse_double_backward(const char *operation);

at::Tensor rms_norm(const at::Tensor &x, const at::Tensor &weight, double epsilon);
at::Tensor cross_entropy(const at::Tensor &logits, const at::Tensor &targets, int64_t reduction,
                         int64_t ignore_index, double smoothing);

}  // namespace apus
